//! Executes a schedule over plain connections, on one thread, and stamps every request.
//!
//! Latency counts from the intended start, whatever delays the driver. A request that finds no idle
//! connection waits in its target's queue; past the backlog's bound it is shed, and says so.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};

use super::connection::{Answer, Connection, Progress};
use super::decoy::Decoy;
use super::exchange::{Exchange, Expect, Op};
use super::outcome::{Outcome, Row};
use super::pacer::{Pacer, Pacing};
use super::target::Target;

const TIMER: Token = Token(usize::MAX);
const DECOY: Token = Token(usize::MAX - 1);
/// How often requests in flight are held against the timeout.
const TIMEOUT_SCAN_NS: u64 = 10_000_000;

/// How the driver behaves.
#[derive(Clone, Copy, Debug)]
pub struct DriverSettings {
    /// How it wakes.
    pub pacing: Pacing,
    /// A request not answered this long after its intended start has failed.
    pub timeout: Duration,
    /// Most requests that may wait for a connection of one target.
    pub backlog_limit: usize,
}

/// Which times a schedule means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Requests are due at their times, whatever the answers do.
    Open,
    /// A request is due when a connection is free: for filling wallets, never for latency.
    Closed,
}

/// What a schedule's execution left behind.
#[derive(Debug, Default)]
pub struct Executed {
    /// One row per op, in the ops' order.
    pub rows: Vec<Row>,
    /// The answers (head and body) of the ops whose exchange expects [`Expect::Any`], by op index.
    pub captured: Vec<(usize, Box<[u8]>)>,
    /// Connections that had to be opened anew.
    pub reconnects: u64,
}

/// The driver and its connections. Connections live across schedules.
#[derive(Debug)]
pub struct Driver {
    settings: DriverSettings,
    poll: Poll,
    events: Events,
    pacer: Pacer,
    targets: Vec<Target>,
    /// (target, slot) of each token.
    tokens: Vec<(usize, usize)>,
    decoy: Option<Decoy>,
    epoch: Instant,
    in_flight: usize,
}

/// What one execution works on.
struct Work<'a> {
    ops: &'a [Op],
    exchanges: &'a [Exchange],
    mode: Mode,
    with_decoy: bool,
    base_ns: u64,
    executed: Executed,
}

impl Driver {
    /// A driver without targets.
    ///
    /// # Errors
    /// When the system refuses a poll or a timer.
    pub fn new(settings: DriverSettings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let pacer = Pacer::new(settings.pacing, &poll, TIMER)?;
        Ok(Self {
            settings,
            poll,
            events: Events::with_capacity(256),
            pacer,
            targets: Vec::new(),
            tokens: Vec::new(),
            decoy: None,
            epoch: Instant::now(),
            in_flight: 0,
        })
    }

    /// Opens `connections` connections to `address` and returns the target's index.
    ///
    /// # Errors
    /// When the target refuses.
    pub fn add_target(&mut self, address: SocketAddr, connections: usize) -> io::Result<u32> {
        let index = self.targets.len();
        let first_token = self.tokens.len();
        let registry = self.poll.registry();
        self.targets.push(Target::open(address, connections, registry, first_token)?);
        self.tokens.extend((0..connections).map(|slot| (index, slot)));
        Ok(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Opens the side client to Redis.
    ///
    /// # Errors
    /// When Redis refuses it.
    pub fn add_decoy(&mut self, address: SocketAddr) -> io::Result<()> {
        self.decoy = Some(Decoy::open(address, self.poll.registry(), DECOY)?);
        Ok(())
    }

    /// Requests written to `target` so far, over all schedules.
    #[must_use]
    pub fn sent_to(&self, target: u32) -> u64 {
        self.targets.get(target as usize).map_or(0, |t| t.sent)
    }

    /// Commands the decoy has sent so far.
    #[must_use]
    pub fn decoy_commands(&self) -> u64 {
        self.decoy.as_ref().map_or(0, Decoy::sent)
    }

    /// Nanoseconds since the driver was made: the clock of every stamp.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Executes `ops` (ascending by time) and returns when the last one has ended.
    ///
    /// # Errors
    /// When the poll fails, a target cannot be reached again, or the decoy's connection broke: the
    /// rows would be meaningless.
    pub fn execute(
        &mut self,
        ops: &[Op],
        exchanges: &[Exchange],
        mode: Mode,
        with_decoy: bool,
    ) -> io::Result<Executed> {
        let executed = Executed { rows: vec![Row::NEVER_SENT; ops.len()], ..Executed::default() };
        // A little ahead, so that the first arrival is not late by the loop's own start.
        let base_ns = self.now_ns() + 50_000;
        let mut work = Work { ops, exchanges, mode, with_decoy, base_ns, executed };
        self.run_loop(&mut work)?;
        Ok(work.executed)
    }

    fn run_loop(&mut self, work: &mut Work<'_>) -> io::Result<()> {
        let mut next = 0;
        let mut scan_at_ns = 0;
        loop {
            next = self.release_due(work, next)?;
            for target in 0..self.targets.len() {
                self.assign(work, target)?;
            }
            let settled = !work.with_decoy || self.decoy.as_ref().is_none_or(Decoy::is_settled);
            if next == work.ops.len() && self.in_flight == 0 && settled {
                return Ok(());
            }
            let now_ns = self.now_ns();
            let due_ns = match work.ops.get(next) {
                Some(op) if work.mode == Mode::Open => work.base_ns + op.at_ns,
                _ => u64::MAX,
            };
            let wake_ns = due_ns.min(now_ns + TIMEOUT_SCAN_NS);
            let sleep = if wake_ns == due_ns {
                self.pacer.sleep(now_ns, due_ns)?
            } else {
                Duration::from_nanos(wake_ns - now_ns)
            };
            match self.poll.poll(&mut self.events, Some(sleep)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            for event in &events {
                self.handle(work, event)?;
            }
            self.events = events;
            if self.now_ns() >= scan_at_ns {
                scan_at_ns = self.now_ns() + TIMEOUT_SCAN_NS;
                self.time_out(work)?;
            }
        }
    }

    /// Releases every request that is due; in closed mode, as many as there are idle connections.
    fn release_due(&mut self, work: &mut Work<'_>, mut next: usize) -> io::Result<usize> {
        while let Some(op) = work.ops.get(next) {
            let now_ns = self.now_ns();
            let target = op.target as usize;
            let intended_ns = match work.mode {
                Mode::Open => work.base_ns + op.at_ns,
                Mode::Closed => now_ns,
            };
            let queued = self.targets[target].queue.len();
            let ready = match work.mode {
                Mode::Open => intended_ns <= now_ns,
                Mode::Closed => queued < self.targets[target].idle.len(),
            };
            if !ready {
                break;
            }
            let row = &mut work.executed.rows[next];
            row.intended_ns = intended_ns;
            row.dispatched_ns = now_ns;
            if queued < self.settings.backlog_limit {
                self.targets[target].queue.push_back(next);
                self.in_flight += 1;
                if work.with_decoy
                    && let Some(decoy) = &mut self.decoy
                {
                    decoy.send()?;
                }
            }
            next += 1;
            // Write before looking at the clock again: a burst must not delay its own head.
            self.assign(work, target)?;
        }
        Ok(next)
    }

    /// Gives waiting requests to idle connections.
    fn assign(&mut self, work: &mut Work<'_>, target: usize) -> io::Result<()> {
        while !self.targets[target].queue.is_empty() {
            let Some(slot) = self.targets[target].idle.pop() else { return Ok(()) };
            let Some(op) = self.targets[target].queue.pop_front() else { return Ok(()) };
            let written_ns = self.now_ns();
            let exchange = &work.exchanges[work.ops[op].exchange as usize];
            let row = &mut work.executed.rows[op];
            row.written_ns = written_ns;
            row.request_bytes = u32::try_from(exchange.request.len()).unwrap_or(u32::MAX);
            self.targets[target].slots[slot].op = Some(op);
            self.targets[target].sent += 1;
            let wrote = match &mut self.targets[target].slots[slot].connection {
                Some(connection) => {
                    connection.begin();
                    connection.write(&exchange.request)
                }
                None => Err(io::ErrorKind::NotConnected.into()),
            };
            if wrote.is_err() {
                self.fail(work, target, slot, Outcome::ConnectionError)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, work: &mut Work<'_>, event: &Event) -> io::Result<()> {
        match event.token() {
            TIMER => return Ok(()),
            DECOY => {
                let Some(decoy) = &mut self.decoy else { return Ok(()) };
                decoy.flush()?;
                return decoy.read();
            }
            Token(_) => {}
        }
        let (target, slot) = self.tokens[event.token().0];
        let entry = &mut self.targets[target].slots[slot];
        let Some(connection) = &mut entry.connection else { return Ok(()) };
        let Some(op) = entry.op else {
            if event.is_read_closed() {
                // The server closed an idle connection: replaced before it is needed.
                self.reopen(work, target, slot)?;
            }
            return Ok(());
        };
        let exchange = &work.exchanges[work.ops[op].exchange as usize];
        let progress = connection.write(&exchange.request).and_then(|_| {
            if event.is_readable() { connection.read() } else { Ok(Progress::Pending) }
        });
        match progress {
            Ok(Progress::Pending) => Ok(()),
            Ok(Progress::Done(answer)) => self.finish(work, target, slot, op, answer),
            Ok(Progress::Malformed) => self.fail(work, target, slot, Outcome::HttpError),
            Err(_) => self.fail(work, target, slot, Outcome::ConnectionError),
        }
    }

    /// A whole answer: stamp it, judge it, free the connection.
    fn finish(
        &mut self,
        work: &mut Work<'_>,
        target: usize,
        slot: usize,
        op: usize,
        answer: Answer,
    ) -> io::Result<()> {
        let done_ns = self.now_ns();
        let entry = &mut self.targets[target].slots[slot];
        let expect = &work.exchanges[work.ops[op].exchange as usize].expect;
        let row = &mut work.executed.rows[op];
        row.done_ns = done_ns;
        row.status = answer.status;
        row.response_bytes = u32::try_from(answer.bytes).unwrap_or(u32::MAX);
        if let Some(connection) = &entry.connection {
            let bytes = connection.answer_bytes(answer);
            row.outcome = expect.judge(answer.status, &bytes[answer.body_start..]);
            if *expect == Expect::Any {
                work.executed.captured.push((op, bytes.into()));
            }
        }
        entry.op = None;
        self.in_flight -= 1;
        if answer.close {
            self.reopen(work, target, slot)?;
        }
        self.targets[target].idle.push(slot);
        self.assign(work, target)
    }

    /// The request failed: stamp it, replace the connection.
    fn fail(
        &mut self,
        work: &mut Work<'_>,
        target: usize,
        slot: usize,
        outcome: Outcome,
    ) -> io::Result<()> {
        let done_ns = self.now_ns();
        if let Some(op) = self.targets[target].slots[slot].op.take() {
            let row = &mut work.executed.rows[op];
            row.done_ns = done_ns;
            row.outcome = outcome;
            self.in_flight -= 1;
        }
        self.reopen(work, target, slot)?;
        self.targets[target].idle.push(slot);
        Ok(())
    }

    fn reopen(&mut self, work: &mut Work<'_>, target: usize, slot: usize) -> io::Result<()> {
        let Target { address, first_token, .. } = self.targets[target];
        let registry = self.poll.registry();
        if let Some(old) = self.targets[target].slots[slot].connection.take() {
            old.close(registry);
        }
        work.executed.reconnects += 1;
        let connection = Connection::open(address, registry, Token(first_token + slot))?;
        self.targets[target].slots[slot].connection = Some(connection);
        Ok(())
    }

    /// Fails every request whose intended start is a timeout ago, in flight or still waiting.
    fn time_out(&mut self, work: &mut Work<'_>) -> io::Result<()> {
        let now_ns = self.now_ns();
        let limit = u64::try_from(self.settings.timeout.as_nanos()).unwrap_or(u64::MAX);
        let is_late = |row: &Row| now_ns.saturating_sub(row.intended_ns) > limit;
        for target in 0..self.targets.len() {
            while let Some(&op) = self.targets[target].queue.front() {
                let row = &mut work.executed.rows[op];
                if !is_late(row) {
                    break;
                }
                row.outcome = Outcome::Timeout;
                row.done_ns = now_ns;
                self.targets[target].queue.pop_front();
                self.in_flight -= 1;
            }
            for slot in 0..self.targets[target].slots.len() {
                let op = self.targets[target].slots[slot].op;
                if op.is_some_and(|op| is_late(&work.executed.rows[op])) {
                    self.fail(work, target, slot, Outcome::Timeout)?;
                }
            }
        }
        Ok(())
    }
}
