//! A stub whose behaviour is known, and shorthands for driving it.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use authbench_harness::load::driver::{Driver, DriverSettings, Executed, Mode};
use authbench_harness::load::exchange::{Exchange, Expect, Op};
use authbench_harness::load::outcome::{Row, ledger};
use authbench_harness::load::schedule::{Arrivals, stream};

/// What the stub does with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Writes this.
    Answer(&'static str),
    /// Writes [`OK`], not before this instant.
    AnswerAt(Instant),
    /// Closes the connection.
    Close,
    /// Closes the connection with the request unread, which resets it.
    Reset,
    /// Says nothing for longer than any test's timeout.
    Hang,
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A running stub, and what it counted.
#[derive(Clone, Debug)]
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    pub(crate) bytes_in: Arc<AtomicU64>,
    pub(crate) bytes_out: Arc<AtomicU64>,
    pub(crate) requests: Arc<AtomicU64>,
}

/// Decides by the request's number.
type Act = dyn Fn(u64) -> Action + Send + Sync;

impl Stub {
    /// A server with a thread per connection; `act` decides by the request's number. It ends with
    /// the test's process: its threads wait for connections and nothing else.
    pub(crate) fn start(act: impl Fn(u64) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self {
            address: listener.local_addr().unwrap(),
            bytes_in: Arc::default(),
            bytes_out: Arc::default(),
            requests: Arc::default(),
        };
        let (act, shared): (Arc<Act>, _) = (Arc::new(act), stub.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (act, stub) = (Arc::clone(&act), shared.clone());
                thread::spawn(move || stub.serve(stream, &*act));
            }
        });
        stub
    }

    fn serve(&self, mut stream: TcpStream, act: &Act) {
        let mut buffer = [0; 4096];
        stream.set_nodelay(true).unwrap();
        // Peeked first: what was not read when the stream is dropped makes the close a reset.
        while let Ok(1..) = stream.peek(&mut buffer) {
            let action = act(self.requests.fetch_add(1, Ordering::Relaxed));
            if matches!(action, Action::Reset) {
                return;
            }
            let read = stream.read(&mut buffer).unwrap();
            self.bytes_in.fetch_add(read as u64, Ordering::Relaxed);
            let answer = match action {
                Action::Answer(text) => text,
                Action::AnswerAt(at) => {
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                    OK
                }
                Action::Close | Action::Reset => return,
                Action::Hang => {
                    thread::sleep(Duration::from_secs(3));
                    return;
                }
            };
            // Counted first: the driver may look at the sum as soon as it has the answer.
            self.bytes_out.fetch_add(answer.len() as u64, Ordering::Relaxed);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// A driver with `connections` connections to the stub.
    pub(crate) fn driver(&self, settings: DriverSettings, connections: usize) -> Driver {
        let mut driver = Driver::new(settings).unwrap();
        driver.add_target(self.address, connections).unwrap();
        driver
    }
}

pub(crate) fn settings(timeout_ms: u64, backlog_limit: usize) -> DriverSettings {
    let timeout = Duration::from_millis(timeout_ms);
    DriverSettings { timeout, backlog_limit, ..DriverSettings::default() }
}

pub(crate) fn get(address: SocketAddr, expect: Expect) -> Exchange {
    Exchange::new("GET", address, "/me", "", "", expect)
}

/// Arrivals at equal distances.
pub(crate) fn ops(rate: u64, length_ms: u64) -> Vec<Op> {
    let times = Arrivals::Constant.times(rate, length_ms * 1_000_000, &mut stream(1, "test", 0));
    times.into_iter().map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect()
}

/// Executes `ops` against the driver's first target, which must answer with 200.
pub(crate) fn drive(driver: &mut Driver, address: SocketAddr, ops: &[Op], mode: Mode) -> Executed {
    driver.execute(ops, &[get(address, Expect::Status(200))], mode, false).unwrap()
}

/// Holds the rows to what must be true of any execution: the ledger closes, the parts of each
/// response add up, and the driver's own count of what was in flight is the rows'.
pub(crate) fn assert_sound(executed: &Executed) {
    let l = ledger(&executed.rows);
    let parts =
        l.expected + l.wrong_outcome + l.http_error + l.connection_error + l.timeout + l.shed;
    assert_eq!(l.scheduled, parts, "{l:?}");
    for row in &executed.rows {
        let parts = row.slip_ns() + row.conn_wait_ns() + row.service_ns();
        assert_eq!(parts, row.response_ns(), "{row:?}");
        assert!(row.intended_ns <= row.dispatched_ns, "{row:?}");
        assert!(row.dispatched_ns <= row.done_ns && row.written_ns <= row.done_ns, "{row:?}");
        assert_eq!(row.written_ns == 0, row.request_bytes == 0, "{row:?}");
    }
    let in_flight: u64 = executed.rows.iter().map(|r| r.done_ns - r.dispatched_ns).sum();
    assert_eq!(executed.in_flight_ns, in_flight);
}

/// `value` of each row, as the percentile functions want it.
pub(crate) fn each(rows: &[Row], value: impl Fn(&Row) -> u64) -> Vec<u64> {
    rows.iter().map(value).collect()
}
