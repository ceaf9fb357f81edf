//! The line's thread: one poll over the listener, the connections, the alarm and its owner's calls.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::pair::{Pair, Side, reset};
use super::{LineMode, LineSettings, Shared};
use crate::load::schedule::stream;
use crate::os::alarm::{Alarm, monotonic_ns};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const ALARM: Token = Token(2);
/// Tokens of connections begin here, two for each.
const FIRST: usize = 3;
/// Most bytes of one chunk.
const CHUNK_BYTES: usize = 64 << 10;
/// The alarm wakes; this bound only keeps a lost wake-up from becoming a hang.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// What the owner asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// Do this from now on, and say so.
    Mode(LineMode, Sender<io::Result<()>>),
    /// End.
    End,
}

/// Everything the thread has.
#[derive(Debug)]
pub(super) struct Worker {
    poll: Poll,
    alarm: Option<Alarm>,
    listener: Option<TcpListener>,
    address: SocketAddr,
    upstream: SocketAddr,
    settings: LineSettings,
    shared: Arc<Shared>,
    inbox: Receiver<Command>,
    mode: LineMode,
    pairs: Vec<Option<Pair>>,
    rng: Pcg64,
    scratch: Vec<u8>,
    late_ns: Vec<u64>,
}

impl Worker {
    /// Opens the listener at `address`; the second value wakes the thread.
    ///
    /// # Errors
    /// When the system refuses a part.
    pub(super) fn new(
        address: SocketAddr,
        upstream: SocketAddr,
        settings: LineSettings,
        shared: Arc<Shared>,
        inbox: Receiver<Command>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let alarm = Alarm::register(&poll, ALARM)?;
        let mut worker = Self {
            poll,
            alarm,
            listener: None,
            address,
            upstream,
            settings,
            shared,
            inbox,
            mode: LineMode::Pass,
            pairs: Vec::new(),
            rng: stream(settings.seed, "jitter", 0),
            scratch: vec![0; CHUNK_BYTES],
            late_ns: Vec::new(),
        };
        worker.listen()?;
        Ok((worker, waker))
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&mut self) -> io::Result<()> {
        let mut listener = TcpListener::bind(self.address)?;
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        // The port that was free the first time is kept for every later time.
        self.address = listener.local_addr()?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Works until it is told to end. An error of the poll or the clock ends it too; its owner
    /// notices when it next asks for something.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while let Ok(wait) = self.arm() {
            match self.poll.poll(&mut events, Some(wait)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
                Ok(()) => {}
            }
            for event in &events {
                if let Some(index) = event.token().0.checked_sub(FIRST) {
                    let side = if index % 2 == 0 { Side::Near } else { Side::Far };
                    let noted = match self.pairs.get_mut(index / 2) {
                        Some(Some(pair)) => pair.note(side, event),
                        _ => Ok(()),
                    };
                    if noted.is_err() {
                        self.drop_pair(index / 2);
                    }
                }
            }
            if !self.obey() {
                break;
            }
            self.accept();
            self.pump();
        }
        // Its ends come as ends, not as resets, except where bytes are still unread.
        self.pairs.clear();
    }

    /// Sets the alarm to what is due next; how long the poll may wait at the most.
    fn arm(&self) -> io::Result<Duration> {
        if self.mode == LineMode::Blackhole {
            return Ok(WAIT_MAX);
        }
        let Some(due_ns) = self.pairs.iter().flatten().filter_map(Pair::next_due_ns).min() else {
            return Ok(WAIT_MAX);
        };
        let left = Duration::from_nanos(due_ns.saturating_sub(monotonic_ns()?));
        match &self.alarm {
            Some(alarm) if !left.is_zero() => {
                alarm.set(due_ns)?;
                Ok(WAIT_MAX)
            }
            _ => Ok(left.min(WAIT_MAX)),
        }
    }

    /// Does what the owner asked for; `false` when that is to end.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::End => return false,
                Command::Mode(mode, done) => {
                    // An owner that does not wait for the answer does not need it.
                    let _ = done.send(self.change(mode));
                }
            }
        }
        true
    }

    fn change(&mut self, mode: LineMode) -> io::Result<()> {
        match mode {
            LineMode::Refuse => self.listener = None,
            LineMode::Pass | LineMode::Reset | LineMode::Blackhole if self.listener.is_none() => {
                self.listen()?;
            }
            LineMode::Pass | LineMode::Reset | LineMode::Blackhole => {}
        }
        if matches!(mode, LineMode::Refuse | LineMode::Reset) {
            (0..self.pairs.len()).for_each(|index| self.drop_pair(index));
        }
        if self.mode == LineMode::Blackhole {
            let now_ns = monotonic_ns()?;
            self.pairs.iter_mut().flatten().for_each(|pair| pair.postpone(now_ns));
        }
        self.mode = mode;
        Ok(())
    }

    /// Resets both sides of a connection.
    fn drop_pair(&mut self, index: usize) {
        if let Some(pair) = self.pairs.get_mut(index).and_then(Option::take) {
            // Counted first: who has seen the reset reads a counter that knows of it.
            self.shared.open.fetch_sub(1, Ordering::Relaxed);
            pair.reset();
        }
    }

    /// Takes every connection that waits. The listener is asked each time the thread is awake: an
    /// error of `accept` other than that nobody waits would otherwise lose the announcement.
    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        while let Ok((near, _)) = listener.accept() {
            self.shared.accepted.fetch_add(1, Ordering::Relaxed);
            if self.mode == LineMode::Reset {
                reset(&near);
                continue;
            }
            let free = self.pairs.iter().position(Option::is_none);
            let index = free.unwrap_or_else(|| {
                self.pairs.push(None);
                self.pairs.len() - 1
            });
            let tokens = (Token(FIRST + 2 * index), Token(FIRST + 2 * index + 1));
            // An upstream that cannot be connected to resets the accepted connection.
            if let Ok(pair) = Pair::open(near, self.upstream, self.poll.registry(), tokens) {
                self.pairs[index] = Some(pair);
                self.shared.open.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn pump(&mut self) {
        if self.mode == LineMode::Blackhole {
            return;
        }
        let round_trip_ns = self.shared.round_trip_ns.load(Ordering::Relaxed);
        let (up_ns, down_ns) = (round_trip_ns / 2, round_trip_ns - round_trip_ns / 2);
        let jitter_ns = u64::try_from(self.settings.jitter.as_nanos()).unwrap_or(u64::MAX);
        for index in 0..self.pairs.len() {
            let Some(pair) = &mut self.pairs[index] else { continue };
            let rng = &mut self.rng;
            let mut delay = |from| {
                let away_ns = match from {
                    Side::Near => up_ns,
                    Side::Far => down_ns,
                };
                away_ns + if jitter_ns == 0 { 0 } else { rng.random_range(0..jitter_ns) }
            };
            let bound = (self.scratch.as_mut_slice(), self.settings.bound_bytes);
            let pumped = pair.pump(&self.shared, bound, &mut delay, &mut self.late_ns);
            let is_over = pair.is_over();
            if pumped.is_err() {
                self.drop_pair(index);
            } else if is_over {
                self.shared.open.fetch_sub(1, Ordering::Relaxed);
                self.pairs[index] = None;
            }
        }
        if !self.late_ns.is_empty() {
            let mut lateness = self.shared.lateness.lock().unwrap_or_else(PoisonError::into_inner);
            self.late_ns.drain(..).for_each(|ns| lateness.record(ns));
        }
    }
}
