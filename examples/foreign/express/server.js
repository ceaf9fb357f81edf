// A small application on express: logs in anybody, says who is asking, logs out.
//   node server.js session 3001     express-session, in this process's memory
//   node server.js jwt 3001         a JWT of an hour; logging out has nothing to take back
'use strict';
const crypto = require('node:crypto');
const express = require('express');
const session = require('express-session');
const jwt = require('jsonwebtoken');

const [mode = 'session', port = '3001'] = process.argv.slice(2);
const secret = crypto.randomBytes(32).toString('hex');
const app = express();
app.use(express.json());

if (mode === 'session') {
  app.use(session({ secret, resave: false, saveUninitialized: false }));
  app.post('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.user = req.body.user;
      res.json({ user: req.body.user });
    });
  });
  app.get('/me', (req, res) => {
    if (!req.session.user) return res.sendStatus(401);
    res.json({ user: req.session.user });
  });
  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.sendStatus(204)));
  });
} else {
  app.post('/login', (req, res) => {
    res.json({ token: jwt.sign({}, secret, { subject: req.body.user, expiresIn: '1h' }) });
  });
  app.get('/me', (req, res) => {
    const token = (req.headers.authorization || '').replace(/^Bearer /, '');
    try {
      res.json({ user: jwt.verify(token, secret, { algorithms: ['HS256'] }).sub });
    } catch {
      res.sendStatus(401);
    }
  });
  // As many do: the client is asked to forget its token.
  app.post('/logout', (req, res) => res.sendStatus(204));
}

app.listen(Number(port), '127.0.0.1', () => console.log(`${mode} on 127.0.0.1:${port}`));
