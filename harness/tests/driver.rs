//! The driver against a stub whose behaviour is known: what it must see, and what closes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use authbench_harness::load::driver::{Driver, DriverSettings, Mode};
use authbench_harness::load::exchange::{Exchange, Expect, Op};
use authbench_harness::load::outcome::{Outcome, Row, ledger, nearest_rank};
use authbench_harness::load::pacer::Pacing;
use authbench_harness::load::schedule::{Arrivals, stream};

/// What the stub does with one request.
#[derive(Clone, Copy)]
enum Action {
    Answer(&'static str),
    AnswerAt(Instant),
    Reset,
    Hang,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct Stub {
    address: SocketAddr,
    bytes_in: Arc<AtomicU64>,
    bytes_out: Arc<AtomicU64>,
}

/// A server with a thread per connection; `act` decides by the request's number. It ends with the
/// test's process: its threads wait for connections and nothing else.
fn stub(act: impl Fn(u64) -> Action + Send + Sync + 'static) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (bytes_in, bytes_out) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stub = Stub { address, bytes_in: Arc::clone(&bytes_in), bytes_out: Arc::clone(&bytes_out) };
    let (act, count) = (Arc::new(act), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (act, count) = (Arc::clone(&act), Arc::clone(&count));
            let (bytes_in, bytes_out) = (Arc::clone(&bytes_in), Arc::clone(&bytes_out));
            thread::spawn(move || serve(stream, &*act, &count, &bytes_in, &bytes_out));
        }
    });
    stub
}

fn serve(
    mut stream: TcpStream,
    act: &dyn Fn(u64) -> Action,
    count: &AtomicU64,
    bytes_in: &AtomicU64,
    bytes_out: &AtomicU64,
) {
    let mut buffer = [0; 4096];
    stream.set_nodelay(true).unwrap();
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        bytes_in.fetch_add(n as u64, Ordering::Relaxed);
        let answer = match act(count.fetch_add(1, Ordering::Relaxed)) {
            Action::Answer(text) => text,
            Action::AnswerAt(at) => {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                OK
            }
            Action::Reset => return,
            Action::Hang => {
                thread::sleep(Duration::from_secs(3));
                return;
            }
        };
        // Counted first: the driver may look at the sum as soon as it has the answer.
        bytes_out.fetch_add(answer.len() as u64, Ordering::Relaxed);
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn settings(timeout_ms: u64, backlog_limit: usize) -> DriverSettings {
    let timeout = Duration::from_millis(timeout_ms);
    DriverSettings { pacing: Pacing::Exact, timeout, backlog_limit }
}

fn get(address: SocketAddr, expect: Expect) -> Exchange {
    Exchange::new("GET", address, "/me", "", "", expect)
}

fn ops(rate: u64, length_ms: u64) -> Vec<Op> {
    let times = Arrivals::Constant.times(rate, length_ms * 1_000_000, &mut stream(1, "test", 0));
    times.into_iter().map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect()
}

fn run(
    stub: &Stub,
    settings: DriverSettings,
    connections: usize,
    ops: &[Op],
    expect: Expect,
    mode: Mode,
) -> Vec<Row> {
    let mut driver = Driver::new(settings).unwrap();
    driver.add_target(stub.address, connections).unwrap();
    driver.execute(ops, &[get(stub.address, expect)], mode, false).unwrap().rows
}

fn closes(rows: &[Row]) -> bool {
    let l = ledger(rows);
    let parts =
        l.expected + l.wrong_outcome + l.http_error + l.connection_error + l.timeout + l.shed;
    l.scheduled == parts
}

#[test]
fn every_request_of_a_healthy_target_is_sent_once_and_counted_to_the_byte() {
    let stub = stub(|_| Action::Answer(OK));
    let ops = ops(2_000, 500);
    let body = Expect::Body(200, b"ok".as_slice().into());
    let rows = run(&stub, settings(2_000, 1_000), 4, &ops, body, Mode::Open);
    let l = ledger(&rows);
    assert_eq!((l.scheduled, l.expected), (1_000, 1_000), "{l:?}");
    let sent: u64 = rows.iter().map(|r| u64::from(r.request_bytes)).sum();
    let read: u64 = rows.iter().map(|r| u64::from(r.response_bytes)).sum();
    assert_eq!(sent, stub.bytes_in.load(Ordering::Relaxed));
    assert_eq!(read, stub.bytes_out.load(Ordering::Relaxed));
    for row in &rows {
        assert!(row.intended_ns <= row.dispatched_ns, "{row:?}");
        assert!(row.dispatched_ns <= row.written_ns && row.written_ns <= row.done_ns, "{row:?}");
    }
}

#[test]
fn an_answer_that_differs_from_the_verified_one_is_a_wrong_outcome() {
    let denied = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
    let outage = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    for (answer, outcome) in [
        (denied, Outcome::WrongOutcome),
        (other, Outcome::WrongOutcome),
        (outage, Outcome::HttpError),
        ("SSH-2.0-OpenSSH_9.2\r\n", Outcome::HttpError),
    ] {
        let stub = stub(move |_| Action::Answer(answer));
        let body = Expect::Body(200, b"ok".as_slice().into());
        let rows = run(&stub, settings(1_000, 100), 1, &ops(100, 20), body, Mode::Open);
        assert!(rows.iter().all(|row| row.outcome == outcome), "{answer:?}: {rows:?}");
    }
}

#[test]
fn the_ledger_closes_over_resets_timeouts_and_sheds() {
    let stub = stub(|i| match i % 10 {
        3 => Action::Reset,
        7 => Action::Hang,
        _ => Action::Answer(OK),
    });
    // One request in ten holds a connection until its timeout: the backlog of 5 overflows.
    let rows = run(&stub, settings(150, 5), 2, &ops(1_000, 300), Expect::Status(200), Mode::Open);
    let l = ledger(&rows);
    assert!(closes(&rows), "{l:?}");
    assert_eq!(l.scheduled, 300);
    for (what, count) in [
        ("expected", l.expected),
        ("connection_error", l.connection_error),
        ("timeout", l.timeout),
        ("shed", l.shed),
    ] {
        assert!(count > 0, "no {what}: {l:?}");
    }
}

/// A target that holds every answer for 400 ms of a second: requests that fall due meanwhile wait
/// up to that long, and the percentiles are known. A closed loop sends almost none of them.
#[test]
fn a_stall_is_seen_from_the_intended_start_and_missed_by_a_closed_loop() {
    let stalled = || {
        let begin = Instant::now();
        let (from, to) = (Duration::from_millis(300), Duration::from_millis(700));
        stub(move |_| {
            let now = begin.elapsed();
            if now >= from && now < to { Action::AnswerAt(begin + to) } else { Action::Answer(OK) }
        })
    };
    let open = run(
        &stalled(),
        settings(3_000, 10_000),
        16,
        &ops(1_000, 1_000),
        Expect::Status(200),
        Mode::Open,
    );
    let mut responses: Vec<u64> = open.iter().map(Row::response_ns).collect();
    assert!(closes(&open));
    // 400 of 1,000 requests fall due in the stall and wait for its end: the 900th of all in rank
    // waits about 300 ms, the 990th about 390 ms.
    for (permille, wanted_ms) in [(800, 200), (900, 300), (990, 390)] {
        let got_ms = nearest_rank(&mut responses, permille) / 1_000_000;
        assert!(got_ms.abs_diff(wanted_ms) <= 40, "p{permille}: {got_ms} ms");
    }

    // Closed loop, four connections: only four requests are caught, far beyond the 99th percentile.
    let calm = stalled();
    let closed = run(
        &calm,
        settings(3_000, 10_000),
        4,
        &ops(5_000, 1_000),
        Expect::Status(200),
        Mode::Closed,
    );
    let mut responses: Vec<u64> = closed.iter().map(Row::response_ns).collect();
    let p99_ms = nearest_rank(&mut responses, 990) / 1_000_000;
    assert!(p99_ms < 100, "a closed loop that sees the stall is not closed: {p99_ms} ms");
}

#[test]
fn an_idle_connection_that_the_target_closed_is_replaced_unnoticed() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let stub = stub(move |_| Action::Answer(closing));
    let mut driver = Driver::new(settings(1_000, 100)).unwrap();
    driver.add_target(stub.address, 2).unwrap();
    let exchange = [get(stub.address, Expect::Status(200))];
    let executed = driver.execute(&ops(200, 100), &exchange, Mode::Open, false).unwrap();
    assert_eq!(ledger(&executed.rows).expected, 20);
    assert!(executed.reconnects >= 18, "{}", executed.reconnects);
    assert_eq!(driver.sent_to(0), 20);
}

#[test]
fn a_target_that_refuses_is_an_error_and_not_a_result() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut driver = Driver::new(settings(1_000, 100)).unwrap();
    assert!(driver.add_target(address, 1).is_err());
}
