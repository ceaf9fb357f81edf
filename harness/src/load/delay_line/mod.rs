//! A delay line: a TCP proxy between server and store that imitates distance, and faults of a link.
//!
//! Each chunk is stamped when it is read, queued, and written at its arrival plus half the round
//! trip. Nobody sleeps between two reads, so 64 pipelined commands over a round trip of 2 ms take
//! about 2 ms, as over a real link of that length, and not 64 times as long.
//!
//! What it cannot imitate: it ends TCP on both sides, so set-up, acknowledgements, congestion
//! window, Nagle's algorithm and the recovery of losses run over loopback, without the distance.

mod check;
mod lane;
mod pair;
mod worker;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Waker;

pub use check::{SelfCheck, self_check};
use worker::{Command, Worker};

use crate::measure::histogram::LatencyHistogram;

/// What the line does with connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineMode {
    /// Forwards, after the delay.
    Pass,
    /// Resets every open connection, and every new one once it is accepted.
    Reset,
    /// Closes the listener, so that connecting is refused, and resets every open connection.
    Refuse,
    /// Accepts and keeps connections, and forwards nothing. What was sent meanwhile is held and
    /// flows once the line passes again, as after a partition that heals.
    Blackhole,
}

/// How a line is built.
#[derive(Clone, Copy, Debug)]
pub struct LineSettings {
    /// Added to the delay of each chunk: uniform from zero to this. Order is kept.
    pub jitter: Duration,
    /// Of the jitter.
    pub seed: u64,
    /// Most bytes held per connection and direction; then its sender is left waiting.
    pub bound_bytes: usize,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self { jitter: Duration::ZERO, seed: 1, bound_bytes: 1 << 20 }
    }
}

/// What went one way, over all connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WayCount {
    /// Bytes written onwards.
    pub bytes: u64,
    /// Chunks written onwards.
    pub chunks: u64,
}

/// What a line has done so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LineCounters {
    /// From the connecting side to the upstream.
    pub upstream: WayCount,
    /// From the upstream back.
    pub downstream: WayCount,
    /// Connections accepted, those that were reset at once included.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
}

/// Counters of one direction.
#[derive(Debug, Default)]
struct Way {
    bytes: AtomicU64,
    chunks: AtomicU64,
}

impl Way {
    fn count(&self) -> WayCount {
        WayCount {
            bytes: self.bytes.load(Ordering::Relaxed),
            chunks: self.chunks.load(Ordering::Relaxed),
        }
    }
}

/// What the line's thread and its owner share.
#[derive(Debug)]
struct Shared {
    round_trip_ns: AtomicU64,
    upstream: Way,
    downstream: Way,
    accepted: AtomicU64,
    open: AtomicU64,
    lateness: Mutex<LatencyHistogram>,
}

/// A running line; gone with its thread, its port and its connections when dropped.
#[derive(Debug)]
pub struct DelayLine {
    address: SocketAddr,
    shared: Arc<Shared>,
    commands: Sender<Command>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl DelayLine {
    /// Starts a line to `upstream` on a free loopback port, without delay.
    ///
    /// # Errors
    /// When the system refuses the port, the poll, the timer or the thread.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        Self::start_with(upstream, LineSettings::default())
    }

    /// As [`DelayLine::start`], with jitter or another bound.
    ///
    /// # Errors
    /// As [`DelayLine::start`].
    pub fn start_with(upstream: SocketAddr, settings: LineSettings) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            round_trip_ns: AtomicU64::new(0),
            upstream: Way::default(),
            downstream: Way::default(),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            lateness: Mutex::new(LatencyHistogram::new()),
        });
        let (commands, inbox) = channel();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (worker, waker) = Worker::new(any, upstream, settings, Arc::clone(&shared), inbox)?;
        let address = worker.address();
        let thread = std::thread::Builder::new()
            .name(format!("line-{}", address.port()))
            .spawn(move || worker.run())?;
        Ok(Self { address, shared, commands, waker, thread: Some(thread) })
    }

    /// Where to connect to instead of the upstream.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the round trip, half of it each way, for every chunk read from now on.
    pub fn set_round_trip(&self, round_trip: Duration) {
        let ns = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.shared.round_trip_ns.store(ns, Ordering::Relaxed);
    }

    /// The round trip it is set to.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        Duration::from_nanos(self.shared.round_trip_ns.load(Ordering::Relaxed))
    }

    /// Changes what the line does, and returns once it does so.
    ///
    /// # Errors
    /// When the port cannot be taken again after [`LineMode::Refuse`], or the line has broken down.
    pub fn set_mode(&self, mode: LineMode) -> io::Result<()> {
        let (done, answer) = channel();
        let broken = || io::Error::other("the delay line's thread has ended");
        self.commands.send(Command::Mode(mode, done)).map_err(|_| broken())?;
        self.waker.wake()?;
        answer.recv().map_err(|_| broken())?
    }

    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> LineCounters {
        LineCounters {
            upstream: self.shared.upstream.count(),
            downstream: self.shared.downstream.count(),
            accepted: self.shared.accepted.load(Ordering::Relaxed),
            open: self.shared.open.load(Ordering::Relaxed),
        }
    }

    /// How late chunks were written since the last call: the end of the write minus the time at
    /// which it was due, nanoseconds. Without delay, that is what forwarding takes.
    ///
    /// It does not know how long a chunk lay in the socket before it was read; [`self_check`]
    /// measures that from outside.
    #[must_use]
    pub fn take_lateness(&self) -> LatencyHistogram {
        let mut lateness = self.shared.lateness.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut lateness)
    }
}

impl Drop for DelayLine {
    fn drop(&mut self) {
        // Both fail only when the thread has ended, and then there is nothing to end.
        let _ = self.commands.send(Command::End);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
