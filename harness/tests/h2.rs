//! The HTTP/2 driver against the real server, and against one that stalls: what it must see.

mod server_support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench_harness::load::driver::{Driver, DriverSettings, Mode};
use authbench_harness::load::exchange::{Exchange, Expect, Op};
use authbench_harness::load::h2::{H2Driver, H2Exchange, STREAMS_MAX};
use authbench_harness::load::outcome::{Outcome, Row, ledger, nearest_rank};
use authbench_harness::load::pacer::Pacing;
use authbench_harness::load::schedule::{Arrivals, stream};
use authbench_harness::load::wallet::{self, Account};
use authbench_harness::measure::block::driver_settings;
use authbench_harness::plan::{Plan, Profile};
use authbench_harness::server::child::ServerChild;
use server_support::*;

fn settings(timeout_ms: u64, backlog_limit: usize) -> DriverSettings {
    let mut settings = driver_settings(&Plan::shipped(Profile::Smoke).unwrap());
    settings.pacing = Pacing::Exact;
    settings.timeout = Duration::from_millis(timeout_ms);
    settings.backlog_limit = backlog_limit;
    settings
}

fn ops(rate: u64, length_ms: u64, exchanges: u32) -> Vec<Op> {
    let times = Arrivals::Constant.times(rate, length_ms * 1_000_000, &mut stream(1, "test", 0));
    (0..).zip(times).map(|(i, at_ns)| Op { at_ns, target: 0, exchange: i % exchanges }).collect()
}

/// The server of a strategy and verified exchanges of some credentials, filled over HTTP/1.1.
fn server(kind: StrategyKind, carrier: Carrier) -> (ServerChild, Account, Vec<Exchange>) {
    let server = start(&config(kind, carrier, None));
    let address = server.data();
    let mut driver = Driver::new(settings(5_000, 100)).unwrap();
    let target = driver.add_target(address, 2).unwrap();
    let account = Account { target, address, carrier };
    let subjects: Vec<SubjectId> = (1..=20).map(SubjectId).collect();
    let wallet = wallet::fill(&mut driver, account, &subjects).unwrap();
    (server, account, wallet.exchanges)
}

fn closes(rows: &[Row]) -> bool {
    let l = ledger(rows);
    let parts =
        l.expected + l.wrong_outcome + l.http_error + l.connection_error + l.timeout + l.shed;
    l.scheduled == parts
}

/// Passes bytes between the driver and a server, counts them, and holds answers back on demand.
struct Relay {
    address: SocketAddr,
    to_server: Arc<AtomicU64>,
    to_driver: Arc<AtomicU64>,
}

/// `hold(now)` says until when bytes that come from the server at `now` have to wait; `None` cuts
/// the connection. Its threads end with the connections or with the test's process.
fn relay(
    server: SocketAddr,
    hold: impl Fn(Instant) -> Option<Instant> + Send + Sync + 'static,
) -> Relay {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (to_server, to_driver) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let relay =
        Relay { address, to_server: Arc::clone(&to_server), to_driver: Arc::clone(&to_driver) };
    let hold = Arc::new(hold);
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(server).unwrap();
            let now = |at| Some(at);
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (out, back) = (Arc::clone(&to_server), Arc::clone(&to_driver));
            let hold = Arc::clone(&hold);
            thread::spawn(move || pass(near, far, &out, now));
            thread::spawn(move || pass(far_too, near_too, &back, |at| hold(at)));
        }
    });
    relay
}

fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    count: &AtomicU64,
    hold: impl Fn(Instant) -> Option<Instant>,
) {
    to.set_nodelay(true).unwrap();
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let Some(until) = hold(Instant::now()) else { break };
        thread::sleep(until.saturating_duration_since(Instant::now()));
        // Counted first: the driver may look at the sum as soon as it has the answer.
        count.fetch_add(n as u64, SeqCst);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn every_request_is_answered_as_verified_over_http_1_and_counted_by_both() {
    for (kind, carrier) in
        [(StrategyKind::JwtHs256, Carrier::Bearer), (StrategyKind::SessionMemory, Carrier::Cookie)]
    {
        let (server, account, mut exchanges) = server(kind, carrier);
        exchanges.push(account.login(SubjectId(9), Expect::Status(200)));
        exchanges.push(account.exchange("GET", "/me", "forged", Expect::Status(401)));
        let exchanges = H2Exchange::parse_all(&exchanges).unwrap();
        let relay = relay(server.data(), Some);
        let mut driver = H2Driver::new(settings(5_000, 1_000), 8).unwrap();
        driver.add_target(relay.address, 2).unwrap();
        let before = server.counters().unwrap();
        let ops = ops(1_000, 440, exchanges.len() as u32);
        let done = driver.execute(&ops, &exchanges, Mode::Open).unwrap();
        let after = server.counters().unwrap();
        let l = ledger(&done.executed.rows);
        assert_eq!((l.scheduled, l.expected), (440, 440), "{l:?}");
        assert_eq!(done.executed.reconnects, 0);
        assert_eq!(driver.sent_to(0), 440);
        assert_eq!(after.requests - before.requests, 440);
        assert_eq!(after.logins - before.logins, 20);
        assert_eq!(after.denied_total() - before.denied_total(), 20);
        for row in &done.executed.rows {
            assert!(row.intended_ns <= row.dispatched_ns, "{row:?}");
            assert!(row.dispatched_ns <= row.written_ns && row.written_ns < row.done_ns, "{row:?}");
        }
        // Two connections began before the count did: 24 bytes of preface and some frames each.
        let passed = || (relay.to_server.load(SeqCst), relay.to_driver.load(SeqCst));
        eventually("the relay passes what was written", || passed().0 >= done.bytes_written);
        println!("{}: {:?} of {:?}", kind.name(), (done.bytes_written, done.bytes_read), passed());
        assert!(passed().0 - done.bytes_written < 400, "{passed:?}", passed = passed());
        assert!(passed().1 - done.bytes_read < 400, "{passed:?}", passed = passed());
        assert!(done.bytes_read > 440 * 50, "{}", done.bytes_read);
    }
}

#[test]
fn http_1_and_http_2_are_answered_on_the_same_port() {
    let (server, account, exchanges) = server(StrategyKind::None, Carrier::Bearer);
    let mut plain = Driver::new(settings(5_000, 100)).unwrap();
    plain.add_target(server.data(), 1).unwrap();
    let mut h2 = H2Driver::new(settings(5_000, 100), 4).unwrap();
    h2.add_target(server.data(), 1).unwrap();
    let any = [account.login(SubjectId(3), Expect::Any)];
    let one = [Op { at_ns: 0, target: 0, exchange: 0 }];
    let by_1 = plain.execute(&one, &any, Mode::Closed, false).unwrap().captured;
    let parsed = H2Exchange::parse_all(&any).unwrap();
    let by_2 = h2.execute(&one, &parsed, Mode::Closed).unwrap().executed.captured;
    let read = |captured: &[(usize, Box<[u8]>)]| {
        wallet::credential_of(Carrier::Bearer, &captured[0].1).unwrap()
    };
    assert!(read(&by_1).starts_with("u-0000000000000003."));
    assert!(read(&by_2).starts_with("u-0000000000000003."));
    let verified = H2Exchange::parse_all(&exchanges).unwrap();
    let rows = h2.execute(&ops(500, 100, 20), &verified, Mode::Open).unwrap().executed.rows;
    assert_eq!(ledger(&rows).expected, 50);
}

#[test]
fn another_answer_than_the_verified_one_is_a_wrong_outcome() {
    let (server, account, exchanges) = server(StrategyKind::SessionMemory, Carrier::Bearer);
    let Expect::Body(_, own) = exchanges[0].expect.clone() else { panic!("not verified") };
    let mut wrong = vec![
        account.exchange("GET", "/me", "forged", Expect::Status(200)),
        account.exchange("GET", "/nowhere", "forged", Expect::Status(200)),
        exchanges[1].clone(),
    ];
    wrong[2].expect = Expect::Body(200, own);
    let wrong = H2Exchange::parse_all(&wrong).unwrap();
    let mut driver = H2Driver::new(settings(5_000, 100), 4).unwrap();
    driver.add_target(server.data(), 1).unwrap();
    let rows = driver.execute(&ops(300, 10, 3), &wrong, Mode::Open).unwrap().executed.rows;
    let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, [Outcome::WrongOutcome, Outcome::HttpError, Outcome::WrongOutcome]);
}

/// Answers are held for 400 ms of a second: requests that fall due meanwhile wait up to that long,
/// and the percentiles are known. A closed loop sends almost none of them.
#[test]
fn a_stall_is_seen_from_the_intended_start_and_missed_by_a_closed_loop() {
    let (server, _, exchanges) = server(StrategyKind::None, Carrier::Bearer);
    let exchanges = H2Exchange::parse_all(&exchanges).unwrap();
    let run = |streams, ops: &[Op], mode| {
        let begin = Instant::now();
        let (from, to) = (Duration::from_millis(300), Duration::from_millis(700));
        let relay = relay(server.data(), move |now| {
            let at = now - begin;
            Some(if at >= from && at < to { begin + to } else { now })
        });
        let mut driver = H2Driver::new(settings(3_000, 10_000), streams).unwrap();
        driver.add_target(relay.address, 2).unwrap();
        let rows = driver.execute(ops, &exchanges, mode).unwrap().executed.rows;
        assert!(closes(&rows));
        assert_eq!(ledger(&rows).expected, ops.len() as u64);
        rows.iter().map(Row::response_ns).collect::<Vec<u64>>()
    };
    let mut open = run(STREAMS_MAX, &ops(1_000, 1_000, 20), Mode::Open);
    for (permille, wanted_ms) in [(800, 200), (900, 300), (990, 390)] {
        let got_ms = nearest_rank(&mut open, permille) / 1_000_000;
        assert!(got_ms.abs_diff(wanted_ms) <= 60, "p{permille}: {got_ms} ms");
    }
    // Two connections of two streams: four requests of 3,000 are caught.
    let mut closed = run(2, &ops(3_000, 1_000, 20), Mode::Closed);
    let p99_ms = nearest_rank(&mut closed, 990) / 1_000_000;
    assert!(p99_ms < 100, "a closed loop that sees the stall is not closed: {p99_ms} ms");
}

#[test]
fn the_ledger_closes_over_timeouts_sheds_and_cut_connections() {
    let (server, _, exchanges) = server(StrategyKind::None, Carrier::Bearer);
    let exchanges = H2Exchange::parse_all(&exchanges).unwrap();
    let begin = Instant::now();
    // Held for longer than the timeout, then cut, then healthy.
    let relay = relay(server.data(), move |now| match (now - begin).as_millis() {
        100..300 => Some(begin + Duration::from_millis(600)),
        600..650 => None,
        _ => Some(now),
    });
    let mut driver = H2Driver::new(settings(200, 5), 4).unwrap();
    driver.add_target(relay.address, 1).unwrap();
    let done = driver.execute(&ops(1_000, 900, 20), &exchanges, Mode::Open).unwrap();
    let l = ledger(&done.executed.rows);
    assert!(closes(&done.executed.rows), "{l:?}");
    assert_eq!(l.scheduled, 900);
    for (what, count) in [("expected", l.expected), ("timeout", l.timeout), ("shed", l.shed)] {
        assert!(count > 0, "no {what}: {l:?}");
    }
    for row in done.executed.rows.iter().filter(|row| row.outcome == Outcome::Timeout) {
        let waited_ms = row.response_ns() / 1_000_000;
        assert!(waited_ms >= 200, "timed out after {waited_ms} ms");
    }
    let recovered = done.executed.rows[800..].iter().any(|row| row.outcome == Outcome::Expected);
    assert!(recovered && done.executed.reconnects > 0, "{l:?}");
}

#[test]
fn what_does_not_speak_http_2_is_a_connection_error_and_a_refusal_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The preface first: a socket that is gone before it is written is no server at all.
            let _ = stream.read(&mut [0; 24]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let exchange = Exchange::new("GET", address, "/", "", "", Expect::Any);
    let exchanges = [H2Exchange::parse(&exchange).unwrap()];
    let mut driver = H2Driver::new(settings(1_000, 10), 1).unwrap();
    driver.add_target(address, 1).unwrap();
    let done = driver.execute(&ops(100, 30, 1), &exchanges, Mode::Open).unwrap();
    for row in &done.executed.rows {
        assert_eq!(row.outcome, Outcome::ConnectionError, "{row:?}");
    }
    assert!(done.executed.reconnects >= 3);
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(driver.add_target(refusing, 1).is_err());
    assert!(H2Driver::new(settings(1_000, 10), 0).is_err());
    assert!(H2Driver::new(settings(1_000, 10), STREAMS_MAX + 1).is_err());
}
