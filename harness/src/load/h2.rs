//! Executes a schedule over HTTP/2, on one thread, and stamps every request.
//!
//! The same meaning as the HTTP/1.1 driver, with streams in the place of connections: latency from
//! the intended start, a bounded queue per target, one outcome per request. It stands on hyper's
//! connections, so the third stamp is taken as the request is handed to hyper and not around the
//! write: what hyper takes to frame it counts as service. Bytes are counted at the socket, as a
//! sum; a single request's are not known and stay 0 in its row.
//!
//! A timeout resets its stream and leaves the connection; a connection that failed is replaced.
//!
//! Deliberately absent: TLS, the decoy, and tokio's timer, whose grain is a millisecond.

mod answer;
mod connection;
mod exchange;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::Response;
use hyper::body::Bytes;
use tokio::runtime::Runtime;
use tokio::task::{AbortHandle, JoinSet};

use self::connection::{H2Connection, Traffic};
pub use self::exchange::H2Exchange;
use super::driver::{DriverSettings, Executed, Mode};
use super::exchange::{Expect, Op};
use super::outcome::{Outcome, Row};
use super::pacer::Pacing;
use crate::os::async_timer::{AbsoluteTimer, Clock, runtime};

/// Most streams on one connection. hyper opens no more before it has seen the server's own limit,
/// and would hold the others back without a word.
pub const STREAMS_MAX: usize = 100;
/// How often requests in flight are held against the timeout.
const TIMEOUT_SCAN_NS: u64 = 10_000_000;
const TICK_NS: u64 = 1_000_000;

/// What a schedule's execution left behind.
#[derive(Debug, Default)]
pub struct H2Executed {
    /// Rows, captured answers and reconnects, as of the HTTP/1.1 driver.
    pub executed: Executed,
    /// Bytes written to the sockets meanwhile, frames and header blocks included.
    pub bytes_written: u64,
    /// Bytes read from them.
    pub bytes_read: u64,
}

/// The driver and its connections. Connections live across schedules.
#[derive(Debug)]
pub struct H2Driver {
    state: State,
    /// After the state: what lives in the runtime goes first.
    runtime: Runtime,
}

#[derive(Debug)]
struct State {
    settings: DriverSettings,
    streams: usize,
    clock: Clock,
    timer: AbsoluteTimer,
    targets: Vec<Target>,
    traffic: Arc<Traffic>,
    tasks: JoinSet<Landing>,
    in_flight: usize,
}

/// One address the driver sends to.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    connections: Vec<H2Connection>,
    queue: VecDeque<usize>,
    sent: u64,
}

/// A request on its stream.
#[derive(Debug)]
struct Flight {
    target: usize,
    place: usize,
    generation: u64,
    task: AbortHandle,
}

/// A stream that has ended.
#[derive(Debug)]
struct Landing {
    op: usize,
    done_ns: u64,
    answer: Result<Response<Bytes>, Outcome>,
}

/// What one execution works on.
struct Work<'a> {
    ops: &'a [Op],
    exchanges: &'a [H2Exchange],
    mode: Mode,
    base_ns: u64,
    executed: Executed,
    /// Per op, while it is on a stream.
    flights: Vec<Option<Flight>>,
    /// No op before this one is on a stream.
    first_in_flight: usize,
}

impl H2Driver {
    /// A driver without targets, with at most `streams` requests at once on each connection.
    ///
    /// # Errors
    /// When `streams` is not 1 to [`STREAMS_MAX`], or the system refuses a runtime or a timer.
    pub fn new(settings: DriverSettings, streams: usize) -> io::Result<Self> {
        if !(1..=STREAMS_MAX).contains(&streams) {
            let what = format!("{streams} streams per connection; it must be 1 to {STREAMS_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let runtime = runtime()?;
        let clock = Clock::start()?;
        let timer = {
            let _within = runtime.enter();
            AbsoluteTimer::new(clock)?
        };
        let state = State {
            settings,
            streams,
            clock,
            timer,
            targets: Vec::new(),
            traffic: Arc::default(),
            tasks: JoinSet::new(),
            in_flight: 0,
        };
        Ok(Self { state, runtime })
    }

    /// Opens `connections` connections to `address` and returns the target's index.
    ///
    /// # Errors
    /// When the target refuses. Whether it speaks HTTP/2 shows with the first request.
    pub fn add_target(&mut self, address: SocketAddr, connections: usize) -> io::Result<u32> {
        let traffic = &self.state.traffic;
        let connections = self.runtime.block_on(async {
            let mut open = Vec::with_capacity(connections);
            for _ in 0..connections {
                open.push(H2Connection::open(address, traffic, 0).await?);
            }
            Ok::<_, io::Error>(open)
        })?;
        let index = u32::try_from(self.state.targets.len()).unwrap_or(u32::MAX);
        self.state.targets.push(Target { address, connections, queue: VecDeque::new(), sent: 0 });
        Ok(index)
    }

    /// Requests handed to `target`'s connections so far, over all schedules.
    #[must_use]
    pub fn sent_to(&self, target: u32) -> u64 {
        self.state.targets.get(target as usize).map_or(0, |t| t.sent)
    }

    /// Nanoseconds since the driver was made: the clock of every stamp.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.state.clock.now_ns()
    }

    /// Executes `ops` (ascending by time) and returns when the last one has ended.
    ///
    /// # Errors
    /// When the timer fails or a target cannot be reached again: the rows would be meaningless.
    pub fn execute(
        &mut self,
        ops: &[Op],
        exchanges: &[H2Exchange],
        mode: Mode,
    ) -> io::Result<H2Executed> {
        let executed = Executed { rows: vec![Row::NEVER_SENT; ops.len()], ..Executed::default() };
        let flights = ops.iter().map(|_| None).collect();
        let (written, read) = self.state.traffic.bytes();
        // A little ahead, so that the first arrival is not late by the loop's own start.
        let base_ns = self.now_ns() + 50_000;
        let mut work =
            Work { ops, exchanges, mode, base_ns, executed, flights, first_in_flight: 0 };
        let state = &mut self.state;
        self.runtime.block_on(async {
            let ran = state.run_loop(&mut work).await;
            // Streams that were reset still have to go; after an error, all of them.
            state.tasks.shutdown().await;
            ran
        })?;
        let (written_now, read_now) = self.state.traffic.bytes();
        Ok(H2Executed {
            executed: work.executed,
            bytes_written: written_now - written,
            bytes_read: read_now - read,
        })
    }
}

impl State {
    async fn run_loop(&mut self, work: &mut Work<'_>) -> io::Result<()> {
        let mut next = 0;
        let mut scan_at_ns = 0;
        loop {
            next = self.release_due(work, next).await?;
            if next == work.ops.len() && self.in_flight == 0 {
                return Ok(());
            }
            let due_ns = match work.ops.get(next) {
                Some(op) if work.mode == Mode::Open => self.wake_for(work.base_ns + op.at_ns),
                _ => u64::MAX,
            };
            let wake_ns = due_ns.min(self.clock.now_ns() + TIMEOUT_SCAN_NS);
            tokio::select! {
                biased;
                slept = self.timer.until(wake_ns) => slept?,
                Some(landed) = self.tasks.join_next() => {
                    if let Ok(landing) = landed {
                        self.land(work, landing).await?;
                    }
                }
            }
            while let Some(landed) = self.tasks.try_join_next() {
                if let Ok(landing) = landed {
                    self.land(work, landing).await?;
                }
            }
            if self.clock.now_ns() >= scan_at_ns {
                scan_at_ns = self.clock.now_ns() + TIMEOUT_SCAN_NS;
                self.time_out(work);
                for target in 0..self.targets.len() {
                    self.assign(work, target).await?;
                }
            }
        }
    }

    const fn wake_for(&self, due_ns: u64) -> u64 {
        match self.settings.pacing {
            Pacing::Exact => due_ns,
            Pacing::Tick => due_ns.div_ceil(TICK_NS) * TICK_NS,
        }
    }

    /// Releases every request that is due; in closed mode, as many as there are free streams.
    async fn release_due(&mut self, work: &mut Work<'_>, mut next: usize) -> io::Result<usize> {
        while let Some(op) = work.ops.get(next) {
            let now_ns = self.clock.now_ns();
            let target = op.target as usize;
            let intended_ns = match work.mode {
                Mode::Open => work.base_ns + op.at_ns,
                Mode::Closed => now_ns,
            };
            let ready = match work.mode {
                Mode::Open => intended_ns <= now_ns,
                Mode::Closed => self.free_place(target).is_some(),
            };
            if !ready {
                break;
            }
            let row = &mut work.executed.rows[next];
            row.intended_ns = intended_ns;
            row.dispatched_ns = now_ns;
            if self.targets[target].queue.len() < self.settings.backlog_limit {
                self.targets[target].queue.push_back(next);
                self.in_flight += 1;
            } else {
                row.done_ns = now_ns;
            }
            next += 1;
            self.assign(work, target).await?;
        }
        Ok(next)
    }

    /// The connection of `target` with the fewest streams, if it can take one more.
    fn free_place(&self, target: usize) -> Option<usize> {
        let connections = self.targets[target].connections.iter().enumerate();
        let (place, least) = connections.min_by_key(|(_, c)| c.in_flight)?;
        (least.in_flight < self.streams).then_some(place)
    }

    /// Gives waiting requests to free streams.
    async fn assign(&mut self, work: &mut Work<'_>, target: usize) -> io::Result<()> {
        while !self.targets[target].queue.is_empty() {
            let Some(place) = self.free_place(target) else { return Ok(()) };
            if self.targets[target].connections[place].sender.is_closed() {
                // The server closed it: replaced before it is needed.
                self.reopen(work, target, place).await?;
            }
            let Some(op) = self.targets[target].queue.pop_front() else { return Ok(()) };
            let request = work.exchanges[work.ops[op].exchange as usize].request();
            self.targets[target].sent += 1;
            let connection = &mut self.targets[target].connections[place];
            connection.in_flight += 1;
            let generation = connection.generation;
            work.executed.rows[op].written_ns = self.clock.now_ns();
            let answer = connection.sender.send_request(request);
            let clock = self.clock;
            let task = self.tasks.spawn(async move {
                let answer = answer::read(answer).await;
                Landing { op, done_ns: clock.now_ns(), answer }
            });
            work.flights[op] = Some(Flight { target, place, generation, task });
        }
        Ok(())
    }

    /// A stream has ended: stamp and judge it, free its place.
    async fn land(&mut self, work: &mut Work<'_>, landing: Landing) -> io::Result<()> {
        let Landing { op, done_ns, answer } = landing;
        // One that timed out as it ended has been judged.
        let Some(flight) = work.flights[op].take() else { return Ok(()) };
        self.leave(&flight);
        let row = &mut work.executed.rows[op];
        row.done_ns = done_ns;
        match answer {
            Ok(answer) => {
                let expect = &work.exchanges[work.ops[op].exchange as usize].expect;
                row.status = answer.status().as_u16();
                row.outcome = expect.judge(row.status, answer.body());
                // An answer after the deadline is late, whenever the next scan would have come.
                let limit = u64::try_from(self.settings.timeout.as_nanos()).unwrap_or(u64::MAX);
                if row.response_ns() > limit {
                    row.outcome = Outcome::Timeout;
                }
                if *expect == Expect::Any {
                    work.executed.captured.push((op, answer::as_text(&answer)));
                }
            }
            Err(outcome) => {
                row.outcome = outcome;
                let connection = &self.targets[flight.target].connections[flight.place];
                let stands = connection.generation == flight.generation;
                if outcome == Outcome::ConnectionError && stands {
                    self.reopen(work, flight.target, flight.place).await?;
                }
            }
        }
        self.assign(work, flight.target).await
    }

    /// Frees the place of a request that has ended.
    fn leave(&mut self, flight: &Flight) {
        self.in_flight -= 1;
        let connection = &mut self.targets[flight.target].connections[flight.place];
        if connection.generation == flight.generation {
            connection.in_flight -= 1;
        }
    }

    /// A new connection in the place of one that failed. Streams still open there end on their own.
    async fn reopen(&mut self, work: &mut Work<'_>, target: usize, place: usize) -> io::Result<()> {
        work.executed.reconnects += 1;
        let Target { address, connections, .. } = &mut self.targets[target];
        let generation = connections[place].generation + 1;
        connections[place] = H2Connection::open(*address, &self.traffic, generation).await?;
        Ok(())
    }

    /// Fails every request whose intended start is a timeout ago, on a stream or still waiting.
    fn time_out(&mut self, work: &mut Work<'_>) {
        let now_ns = self.clock.now_ns();
        let limit = u64::try_from(self.settings.timeout.as_nanos()).unwrap_or(u64::MAX);
        let is_late = |row: &Row| now_ns.saturating_sub(row.intended_ns) > limit;
        for target in &mut self.targets {
            while let Some(&op) = target.queue.front() {
                let row = &mut work.executed.rows[op];
                if !is_late(row) {
                    break;
                }
                row.outcome = Outcome::Timeout;
                row.done_ns = now_ns;
                target.queue.pop_front();
                self.in_flight -= 1;
            }
        }
        for op in work.first_in_flight..work.ops.len() {
            let row = &mut work.executed.rows[op];
            // Times ascend: nothing after this one is late.
            if row.intended_ns == 0 || !is_late(row) {
                break;
            }
            if let Some(flight) = work.flights[op].take() {
                row.outcome = Outcome::Timeout;
                row.done_ns = now_ns;
                flight.task.abort();
                self.leave(&flight);
            }
            work.first_in_flight = op + 1;
        }
    }
}
