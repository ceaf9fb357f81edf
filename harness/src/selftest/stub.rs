//! A server whose behaviour is known: one thread, any number of connections, programmed answers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::measure::histogram::LatencyHistogram;
use crate::os::timer::{Clock, FineSlack, Timer};

const LISTENER: Token = Token(0);
const TIMER: Token = Token(1);
const STOP: Token = Token(2);
const FIRST_CONNECTION: usize = 3;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// 200 with a body of two bytes.
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// 200 with another body of two bytes.
pub const WRONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
/// 401 without a body.
pub const DENIED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
/// 503 without a body.
pub const OUTAGE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/// A request as the stub sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its number among all, from 0.
    pub number: u64,
    /// When its last byte was read, nanoseconds since the stub's epoch.
    pub at_ns: u64,
    /// Request line and headers.
    pub head: &'a [u8],
}

/// What the stub does about a request.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// Answers at once.
    Now(&'static [u8]),
    /// Answers then, in nanoseconds since the stub's epoch.
    At(u64, &'static [u8]),
    /// Resets the connection.
    Reset,
    /// Never answers.
    Hang,
}

/// What a stub counted.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Requests read.
    pub requests: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Answers written, by the address of their text.
    pub answers: HashMap<&'static [u8], u64>,
    /// Connections reset.
    pub resets: u64,
    /// Requests never answered.
    pub hangs: u64,
    /// How late the delayed answers left: the stub's own timer error.
    pub lateness: LatencyHistogram,
}

impl Log {
    /// Times `answer` was given.
    #[must_use]
    pub fn answered(&self, answer: &'static [u8]) -> u64 {
        self.answers.get(answer).copied().unwrap_or(0)
    }

    /// The 99th percentile of the stub's own lateness, nanoseconds.
    #[must_use]
    pub fn late_p99_ns(&self) -> u64 {
        self.lateness.percentile(990).unwrap_or(0)
    }
}

/// A running stub; its thread ends with this value.
#[derive(Debug)]
pub struct Stub {
    address: SocketAddr,
    received: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    waker: Waker,
    epoch: Instant,
    thread: Option<JoinHandle<io::Result<Log>>>,
}

impl Stub {
    /// Starts a stub on a free loopback port that answers by `act`.
    ///
    /// # Errors
    /// When the system refuses a listener, a timer or a thread.
    pub fn start(act: impl FnMut(&Seen<'_>) -> Reply + Send + 'static) -> io::Result<Self> {
        Self::start_at(Instant::now(), act)
    }

    /// As [`Stub::start`], with the epoch of another clock.
    ///
    /// # Errors
    /// As [`Stub::start`].
    pub fn start_at(
        epoch: Instant,
        act: impl FnMut(&Seen<'_>) -> Reply + Send + 'static,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let (received, stopping) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let timer = Timer::register(&poll, TIMER)?;
        let server = Server {
            poll,
            timer,
            clock: Clock::start()?,
            listener,
            connections: HashMap::new(),
            next_token: FIRST_CONNECTION,
            due: BinaryHeap::new(),
            epoch,
            received: Arc::clone(&received),
            stopping: Arc::clone(&stopping),
            log: Log::default(),
            act,
        };
        let thread = std::thread::Builder::new().name("stub".into()).spawn(|| server.run())?;
        Ok(Self { address, received, stopping, waker, epoch, thread: Some(thread) })
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests read so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Nanoseconds since its epoch.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    /// Stops it and returns what it counted.
    ///
    /// # Errors
    /// When its thread had ended in an error.
    pub fn finish(mut self) -> anyhow::Result<Log> {
        self.stop().context("the stub was stopped twice")?.context("the stub")
    }

    fn stop(&mut self) -> Option<anyhow::Result<Log>> {
        let thread = self.thread.take()?;
        self.stopping.store(true, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            return Some(Err(error.into()));
        }
        let ended = thread.join().map_err(|_| anyhow!("the stub's thread panicked"));
        Some(ended.and_then(|log| Ok(log?)))
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // An error of a stub that nobody asks for its log is of no use to anybody.
        let _ = self.stop();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

struct Server<F> {
    poll: Poll,
    timer: Option<Timer>,
    clock: Clock,
    listener: TcpListener,
    connections: HashMap<usize, Connection>,
    next_token: usize,
    /// When an answer is due, on which connection, and which.
    due: BinaryHeap<Reverse<(u64, usize, &'static [u8])>>,
    epoch: Instant,
    received: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    log: Log,
    act: F,
}

impl<F: FnMut(&Seen<'_>) -> Reply> Server<F> {
    fn run(mut self) -> io::Result<Log> {
        let _slack = FineSlack::set();
        let mut events = Events::with_capacity(1_024);
        loop {
            let wait = self.until_next_due()?;
            match self.poll.poll(&mut events, wait) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            // What is due leaves first: reading must not delay it.
            self.answer_due();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    TIMER | STOP => {}
                    Token(token) => self.read(token),
                }
            }
            if self.stopping.load(Ordering::Relaxed) {
                return Ok(self.log);
            }
        }
    }

    fn now_ns(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    /// How long the poll may sleep; arms the timer on the way.
    fn until_next_due(&self) -> io::Result<Option<Duration>> {
        let Some(Reverse((due_ns, _, _))) = self.due.peek() else { return Ok(None) };
        let left = Duration::from_nanos(due_ns.saturating_sub(self.now_ns()));
        let Some(timer) = &self.timer else { return Ok(Some(left)) };
        if left.is_zero() {
            return Ok(Some(left));
        }
        timer.arm(&self.clock, self.clock.now_ns() + nanos(left))?;
        Ok(Some(left + Duration::from_millis(5)))
    }

    fn answer_due(&mut self) {
        while let Some(Reverse((due_ns, token, answer))) = self.due.peek().copied() {
            let now_ns = self.now_ns();
            if due_ns > now_ns {
                return;
            }
            self.due.pop();
            self.log.lateness.record(now_ns - due_ns);
            self.write(token, answer);
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let (mut stream, _) = match self.listener.accept() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                other => other?,
            };
            stream.set_nodelay(true)?;
            let token = self.next_token;
            self.next_token += 1;
            self.poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
            self.connections.insert(token, Connection { stream, unread: Vec::new() });
        }
    }

    /// Reads until there is no more, and acts on every whole request.
    fn read(&mut self, token: usize) {
        let mut chunk = [0; 4_096];
        loop {
            let Some(connection) = self.connections.get_mut(&token) else { return };
            match connection.stream.read(&mut chunk) {
                Ok(n @ 1..) => {
                    self.log.bytes_in += n as u64;
                    connection.unread.extend_from_slice(&chunk[..n]);
                    self.act_on(token);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.connections.remove(&token);
                    return;
                }
            }
        }
    }

    fn act_on(&mut self, token: usize) {
        while let Some(connection) = self.connections.get_mut(&token) {
            let Some(end) = connection.unread.windows(4).position(|four| four == HEAD_END) else {
                return;
            };
            let head: Vec<u8> = connection.unread.drain(..end + HEAD_END.len()).collect();
            let seen = Seen { number: self.log.requests, at_ns: self.now_ns(), head: &head };
            self.log.requests += 1;
            self.received.store(self.log.requests, Ordering::Relaxed);
            match (self.act)(&seen) {
                Reply::Now(answer) => self.write(token, answer),
                Reply::At(at_ns, answer) => self.due.push(Reverse((at_ns, token, answer))),
                Reply::Hang => self.log.hangs += 1,
                Reply::Reset => self.reset(token),
            }
        }
    }

    fn write(&mut self, token: usize, answer: &'static [u8]) {
        // The client has given up on a connection that is gone.
        let Some(connection) = self.connections.get_mut(&token) else { return };
        // Counted first: the driver may ask for the sum as soon as it has the answer.
        self.log.bytes_out += answer.len() as u64;
        *self.log.answers.entry(answer).or_default() += 1;
        // A few bytes into an empty socket: taken whole, or the connection is broken.
        if !matches!(connection.stream.write(answer), Ok(n) if n == answer.len()) {
            self.connections.remove(&token);
        }
    }

    /// Closes so that the other side reads `ECONNRESET`, not an end.
    fn reset(&mut self, token: usize) {
        let Some(connection) = self.connections.remove(&token) else { return };
        self.log.resets += 1;
        // Without it the connection ends politely, which the driver must bear as well.
        let _ = socket2::SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
    }
}
