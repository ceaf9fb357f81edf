//! Executes a schedule over plain connections, on one thread, and stamps every request.
//!
//! Latency counts from the intended start, whatever delays the driver. A request that finds no idle
//! connection waits in its target's queue; past the backlog's bound it is shed, and says so.
//!
//! One thread sleeps, writes and reads, because the stamps must stand around the write and the
//! read: a second thread would put a hand-over between a stamp and what it is the stamp of. Most
//! of a request's CPU here is the kernel's; what is ours is kept off the path: no allocation, no
//! work for targets that nothing happened to, about three looks at the clock.

mod expiry;
mod run;
mod settings;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token};

pub use self::settings::{DriverSettings, StampFrom};

use super::decoy::Decoy;
use super::exchange::{Exchange, Op};
use super::outcome::Row;
use super::pacer::Pacer;
use super::target::{Slot, Target};
use crate::os::timer::{Clock, FineSlack};

const TIMER: Token = Token(usize::MAX);
const DECOY: Token = Token(usize::MAX - 1);
/// Most events taken from the poll at once.
const EVENTS_MAX: usize = 1_024;

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
    ///
    /// [`Expect::Any`]: super::exchange::Expect::Any
    pub captured: Vec<(usize, Box<[u8]>)>,
    /// Connections that had to be opened anew.
    pub reconnects: u64,
    /// Number of requests between release and end, integrated over time: request-nanoseconds.
    ///
    /// From a counter of its own, not from the rows: by Little's law it is their sum of times in
    /// the system, and two accounts that agree are worth more than one.
    pub in_flight_ns: u64,
}

/// The driver and its connections. Connections live across schedules.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    events: Events,
    pacer: Pacer,
    core: Core,
}

/// What is left of a driver while its poll is being read.
#[derive(Debug)]
struct Core {
    settings: DriverSettings,
    clock: Clock,
    registry: Registry,
    targets: Vec<Target>,
    slots: Vec<Slot>,
    decoy: Option<Decoy>,
    stall: Option<Stall>,
    /// Targets where a connection became free while requests wait.
    ready: Vec<usize>,
}

/// A freeze of the driver, times in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Stall {
    after_ns: u64,
    length: Duration,
}

impl Driver {
    /// A driver without targets.
    ///
    /// # Errors
    /// When the system refuses a poll or a timer.
    pub fn new(settings: DriverSettings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let pacer = Pacer::new(&poll, TIMER)?;
        let core = Core {
            settings,
            clock: Clock::start()?,
            registry: poll.registry().try_clone()?,
            targets: Vec::new(),
            slots: Vec::new(),
            decoy: None,
            stall: None,
            ready: Vec::with_capacity(EVENTS_MAX),
        };
        Ok(Self { poll, events: Events::with_capacity(EVENTS_MAX), pacer, core })
    }

    /// Opens `connections` connections to `address` and returns the target's index.
    ///
    /// # Errors
    /// When the target refuses.
    pub fn add_target(&mut self, address: SocketAddr, connections: usize) -> io::Result<u32> {
        let Core { registry, targets, slots, .. } = &mut self.core;
        let index = targets.len();
        targets.push(Target::open(address, connections, registry, index, slots)?);
        Ok(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Opens the side client to Redis.
    ///
    /// # Errors
    /// When Redis refuses it.
    pub fn add_decoy(&mut self, address: SocketAddr) -> io::Result<()> {
        self.core.decoy = Some(Decoy::open(address, &self.core.registry, DECOY)?);
        Ok(())
    }

    /// Requests written whole to `target` so far, over all schedules.
    #[must_use]
    pub fn sent_to(&self, target: u32) -> u64 {
        self.core.targets.get(target as usize).map_or(0, |t| t.sent)
    }

    /// Commands the decoy has sent so far.
    #[must_use]
    pub fn decoy_commands(&self) -> u64 {
        self.core.decoy.as_ref().map_or(0, Decoy::sent)
    }

    /// Nanoseconds since the driver was made: the clock of every stamp.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.core.clock.now_ns()
    }

    /// That clock, for those who act beside the driver.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.core.clock
    }

    /// Makes the driver's thread freeze once in the next [`execute`](Self::execute), `after` its
    /// begin and for `length`: a fault whose mark on every stamp is known. An execution that ends
    /// before is not frozen, nor is a later one.
    pub fn inject_stall(&mut self, after: Duration, length: Duration) {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.core.stall = Some(Stall { after_ns, length });
    }

    /// Executes `ops` (ascending by time) and returns when the last one has ended.
    ///
    /// A target that has gone away is no error here: its requests end as connection errors.
    ///
    /// # Errors
    /// When `ops` do not ascend or name what is not there; when the poll fails or the decoy's
    /// connection broke: the rows would be meaningless.
    pub fn execute(
        &mut self,
        ops: &[Op],
        exchanges: &[Exchange],
        mode: Mode,
        with_decoy: bool,
    ) -> io::Result<Executed> {
        self.check(ops, exchanges, mode)?;
        let Self { poll, events, pacer, core } = self;
        let _slack = FineSlack::set();
        let mut run = run::Run::new(core, ops, exchanges, mode, with_decoy);
        let ended = run.complete(poll, events, pacer);
        let executed = run.executed;
        if ended.is_err() {
            core.abandon();
        }
        ended.map(|()| executed)
    }

    fn check(&self, ops: &[Op], exchanges: &[Exchange], mode: Mode) -> io::Result<()> {
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let targets = self.core.targets.len();
        for (i, op) in ops.iter().enumerate() {
            if op.target as usize >= targets {
                return wrong(format!("op {i} goes to target {} of {targets}", op.target));
            }
            if op.exchange as usize >= exchanges.len() {
                let known = exchanges.len();
                return wrong(format!("op {i} sends exchange {} of {known}", op.exchange));
            }
            if mode == Mode::Open && i > 0 && ops[i - 1].at_ns > op.at_ns {
                return wrong(format!("op {i} is due before the one that precedes it"));
            }
        }
        Ok(())
    }
}

impl Core {
    /// Forgets every request after an execution that failed: their answers, should they still come,
    /// must not be taken for those of the next one.
    fn abandon(&mut self) {
        self.ready.clear();
        for target in &mut self.targets {
            target.queue.clear();
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.op.take().is_some() {
                if let Some(connection) = slot.connection.take() {
                    connection.close(&self.registry);
                }
                self.targets[slot.target].idle.insert(0, index);
            }
        }
    }
}
