//! A relay before a server that can hold back what the server says, and let it go in one piece.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// A relay on a port of its own. Its threads end with the sockets.
pub(crate) struct Relay {
    address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

#[derive(Default)]
struct Line {
    is_held: bool,
    held: Vec<(TcpStream, Vec<u8>)>,
}

impl Relay {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let line = Arc::new(Mutex::new(Line::default()));
        let shared = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { return };
                relay(client, server, &shared);
            }
        });
        Self { address, line }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("no thread panicked")
    }

    /// Keeps what the server says from now on.
    pub(crate) fn hold(&self) {
        self.line().is_held = true;
    }

    /// How often `words` occur in what is held.
    pub(crate) fn held(&self, words: &[u8]) -> usize {
        let count = |bytes: &[u8]| bytes.windows(words.len()).filter(|w| *w == words).count();
        self.line().held.iter().map(|(_, bytes)| count(bytes)).sum()
    }

    /// Lets go what was held, each connection's share in one piece.
    pub(crate) fn release(&self) {
        let mut line = self.line();
        line.is_held = false;
        for (mut client, bytes) in line.held.drain(..) {
            // The client may have given up.
            let _ = client.write_all(&bytes);
        }
    }
}

fn relay(client: TcpStream, server: TcpStream, line: &Arc<Mutex<Line>>) {
    client.set_nodelay(true).expect("a socket");
    let (mut from_client, mut to_server) = (clone(&client), clone(&server));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
    let line = Arc::clone(line);
    std::thread::spawn(move || down(&clone(&server), &client, &line));
}

fn down(mut server: &TcpStream, client: &TcpStream, line: &Mutex<Line>) {
    let mut bytes = [0; 65_536];
    while let Ok(length @ 1..) = server.read(&mut bytes) {
        let mut line = line.lock().expect("no thread panicked");
        if line.is_held {
            let port = client.peer_addr().ok();
            match line.held.iter_mut().find(|(held, _)| held.peer_addr().ok() == port) {
                Some((_, held)) => held.extend_from_slice(&bytes[..length]),
                None => line.held.push((clone(client), bytes[..length].to_vec())),
            }
        } else if (&mut &*client).write_all(&bytes[..length]).is_err() {
            return;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a second handle on a socket")
}
