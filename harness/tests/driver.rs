//! The driver against a stub whose behaviour is known: what it must see, and what closes.

mod driver_support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use authbench_harness::load::driver::{Driver, Mode};
use authbench_harness::load::exchange::{Expect, Op};
use authbench_harness::load::outcome::{Breakage, Outcome, Row, ledger};
use authbench_harness::load::pacer::Pacing;
use driver_support::{Action, OK, Stub, assert_sound, drive, each, get, ops, settings};

fn now(count: u32) -> Vec<Op> {
    (0..count).map(|_| Op { at_ns: 0, target: 0, exchange: 0 }).collect()
}

#[test]
fn every_request_of_a_healthy_target_is_sent_once_and_counted_to_the_byte() {
    for pacing in [Pacing::Exact, Pacing::Tick] {
        let stub = Stub::start(|_| Action::Answer(OK));
        let mut settings = settings(2_000, 1_000);
        settings.pacing = pacing;
        let mut driver = stub.driver(settings, 4);
        let body = Expect::Body(200, b"ok".as_slice().into());
        let exchange = [get(stub.address, body)];
        let executed = driver.execute(&ops(2_000, 500), &exchange, Mode::Open, false).unwrap();
        let l = ledger(&executed.rows);
        assert_eq!((l.scheduled, l.expected), (1_000, 1_000), "{l:?}");
        assert_sound(&executed);
        let sent: u64 = each(&executed.rows, |r| r.request_bytes.into()).iter().sum();
        let read: u64 = each(&executed.rows, |r| r.response_bytes.into()).iter().sum();
        assert_eq!(sent, stub.bytes_in.load(Ordering::Relaxed));
        assert_eq!(read, stub.bytes_out.load(Ordering::Relaxed));
        assert_eq!((driver.sent_to(0), executed.reconnects), (1_000, 0));
    }
}

/// What the kernel's `TCP_INFO` says of the connections to `port`: bytes acknowledged by the other
/// side, bytes received. `None` where iproute2 is not installed.
#[cfg(target_os = "linux")]
fn kernel_bytes(port: u16) -> Option<(u64, u64)> {
    let filter = ["-Htin", "state", "established", "dport", "=", &format!(":{port}")];
    let output = std::process::Command::new("ss").args(filter).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let sum = |name: &str, besides: u64| -> u64 {
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix(name));
        words.map(|n| n.parse::<u64>().unwrap() - besides).sum()
    };
    // The acknowledgement of the connection's opening counts as a byte.
    Some((sum("bytes_acked:", 1), sum("bytes_received:", 0)))
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_counts_the_same_bytes() {
    let stub = Stub::start(|_| Action::Answer(OK));
    let mut driver = stub.driver(settings(2_000, 1_000), 4);
    let executed = drive(&mut driver, stub.address, &ops(2_000, 100), Mode::Open);
    let Some((acknowledged, received)) = kernel_bytes(stub.address.port()) else {
        println!("not compared: `ss` of iproute2 is not installed");
        return;
    };
    let sent: u64 = each(&executed.rows, |r| r.request_bytes.into()).iter().sum();
    let read: u64 = each(&executed.rows, |r| r.response_bytes.into()).iter().sum();
    assert_eq!((sent, read), (acknowledged, received));
    assert!(sent > 0 && read > 0);
}

/// 2,000 requests a second, one each half millisecond: in ticks they can only leave in pairs.
#[test]
fn ticks_release_at_whole_milliseconds_and_nothing_before() {
    let stub = Stub::start(|_| Action::Answer(OK));
    let early = |pacing| {
        let mut settings = settings(2_000, 1_000);
        settings.pacing = pacing;
        let mut driver = stub.driver(settings, 4);
        let rows = drive(&mut driver, stub.address, &ops(2_000, 200), Mode::Open).rows;
        let is_early = |r: &&Row| r.dispatched_ns < r.intended_ns.div_ceil(1_000_000) * 1_000_000;
        rows.iter().filter(is_early).count()
    };
    assert_eq!(early(Pacing::Tick), 0);
    assert!(early(Pacing::Exact) > 0, "exact pacing that waits for ticks is not exact");
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
        let stub = Stub::start(move |_| Action::Answer(answer));
        let exchange = [get(stub.address, Expect::Body(200, b"ok".as_slice().into()))];
        let mut driver = stub.driver(settings(1_000, 100), 1);
        let executed = driver.execute(&ops(100, 20), &exchange, Mode::Open, false).unwrap();
        assert!(executed.rows.iter().all(|row| row.outcome == outcome), "{answer:?}");
        assert_sound(&executed);
    }
}

/// The head of an answer is compared with the one before it: an answer that differs from the one
/// before it in any way must be read anew.
#[test]
fn answers_that_change_on_a_connection_are_each_read_for_what_they_say() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: then\r\n\r\nok";
    let denied = "HTTP/1.1 401 OK\r\nContent-Length: 2\r\n\r\nok";
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok!";
    let answers = [OK, OK, long, OK, denied, denied, OK, other, long];
    let stub = Stub::start(move |i| Action::Answer(answers[i as usize]));
    let mut driver = stub.driver(settings(1_000, 100), 1);
    let executed = drive(&mut driver, stub.address, &now(9), Mode::Closed);
    for (row, answer) in executed.rows.iter().zip(answers) {
        assert_eq!(row.response_bytes as usize, answer.len());
        assert_eq!(row.status, if answer == denied { 401 } else { 200 });
    }
}

#[test]
fn the_ledger_closes_over_resets_timeouts_and_sheds() {
    let stub = Stub::start(|i| match i % 10 {
        3 => Action::Reset,
        5 => Action::Close,
        7 => Action::Hang,
        _ => Action::Answer(OK),
    });
    // One request in ten holds a connection until its timeout: the backlog of 5 overflows.
    let mut driver = stub.driver(settings(150, 5), 2);
    let executed = drive(&mut driver, stub.address, &ops(1_000, 300), Mode::Open);
    assert_sound(&executed);
    let l = ledger(&executed.rows);
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

#[test]
fn a_shed_request_was_released_and_never_sent() {
    let stub = Stub::start(|_| Action::Hang);
    let mut driver = stub.driver(settings(300, 3), 1);
    let executed = drive(&mut driver, stub.address, &now(20), Mode::Open);
    assert_sound(&executed);
    // One is on the connection, three wait, and all four are given up.
    for (i, row) in executed.rows.iter().enumerate() {
        let outcome = if i < 4 { Outcome::Timeout } else { Outcome::Shed };
        assert_eq!((row.outcome, row.written_ns > 0), (outcome, i == 0), "{i}: {row:?}");
        if outcome == Outcome::Shed {
            assert_eq!(row.dispatched_ns, row.done_ns);
            assert_eq!(row.response_ns(), row.slip_ns(), "it waits for nothing but the driver");
        }
    }
    assert_eq!((driver.sent_to(0), stub.requests.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn a_timeout_counts_from_the_intended_start_in_flight_and_in_the_queue() {
    let stub = Stub::start(|_| Action::Hang);
    let mut driver = stub.driver(settings(200, 1_000), 2);
    let executed = drive(&mut driver, stub.address, &now(10), Mode::Open);
    assert_sound(&executed);
    for (i, row) in executed.rows.iter().enumerate() {
        assert_eq!((row.outcome, row.status), (Outcome::Timeout, 0), "{row:?}");
        assert!(row.response_ns() >= 200_000_000, "{i}: given up early: {row:?}");
        if i >= 2 {
            assert_eq!((row.written_ns, row.service_ns()), (0, 0), "{i} was sent");
            assert_eq!(row.conn_wait_ns(), row.response_ns() - row.slip_ns());
        }
    }
    // Each at its own time: the last is due 90 ms after the first.
    let executed = drive(&mut driver, stub.address, &ops(100, 100), Mode::Open);
    let (first, last) = (&executed.rows[0], &executed.rows[9]);
    assert!(executed.rows.iter().all(|row| row.outcome == Outcome::Timeout));
    assert!(last.done_ns - first.done_ns >= 60_000_000, "{first:?} {last:?}");
}

/// The driver sleeps through 400 ms. What was due in the first half of it is given up when the
/// driver wakes, though the server would answer at once: the client has left.
#[test]
fn a_late_driver_does_not_lengthen_the_timeout() {
    let stub = Stub::start(|_| Action::Answer(OK));
    let mut driver = stub.driver(settings(200, 1_000), 16);
    driver.inject_stall(Duration::from_millis(100), Duration::from_millis(400));
    let executed = drive(&mut driver, stub.address, &ops(100, 600), Mode::Open);
    assert_sound(&executed);
    let base_ns = executed.rows[0].intended_ns - 5_000_000;
    for row in &executed.rows {
        let due_ms = (row.intended_ns - base_ns) / 1_000_000;
        if (105..300).contains(&due_ms) {
            assert_eq!((row.outcome, row.request_bytes), (Outcome::Timeout, 0), "{row:?}");
        }
        assert!(row.outcome == Outcome::Timeout || row.response_ns() < 200_000_000, "{row:?}");
    }
    assert!(ledger(&executed.rows).expected > 0);
}

#[test]
fn connections_that_break_say_how() {
    for (action, outcome, broken) in [
        (Action::Reset, Outcome::ConnectionError, Some(Breakage::Reset)),
        (Action::Close, Outcome::ConnectionError, Some(Breakage::Closed)),
        (Action::Hang, Outcome::Timeout, None),
        (Action::Answer(OK), Outcome::Expected, None),
    ] {
        let stub = Stub::start(move |_| action);
        let mut driver = stub.driver(settings(100, 100), 2);
        let executed = drive(&mut driver, stub.address, &ops(200, 50), Mode::Open);
        assert_sound(&executed);
        for row in &executed.rows {
            assert_eq!((row.outcome, row.broken), (outcome, broken), "{action:?}: {row:?}");
        }
    }
}

/// Listens at `address` and answers on one connection, until the returned sender is dropped.
fn one_connection(address: SocketAddr) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        for _ in 0..5 {
            assert!(stream.read(&mut buffer).unwrap() > 0);
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    (address, served)
}

#[test]
fn a_target_that_goes_away_refuses_and_is_found_again() {
    let (address, served) = one_connection("127.0.0.1:0".parse().unwrap());
    let mut driver = Driver::new(settings(2_000, 100)).unwrap();
    driver.add_target(address, 1).unwrap();
    let there = drive(&mut driver, address, &now(5), Mode::Closed);
    assert_eq!(ledger(&there.rows).expected, 5);
    served.join().unwrap();

    let gone = drive(&mut driver, address, &now(20), Mode::Closed);
    assert_sound(&gone);
    // The first request may meet the connection that was left behind.
    for row in &gone.rows[1..] {
        assert_eq!(row.broken, Some(Breakage::Refused), "{row:?}");
        assert_eq!((row.outcome, row.written_ns), (Outcome::ConnectionError, 0));
    }
    let (_, served) = one_connection(address);
    let back = drive(&mut driver, address, &now(5), Mode::Closed);
    assert_eq!(ledger(&back.rows).expected, 5, "{:?}", back.rows);
    served.join().unwrap();
}

#[test]
fn an_idle_connection_that_the_target_closed_is_replaced_unnoticed() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let stub = Stub::start(move |_| Action::Answer(closing));
    let mut driver = stub.driver(settings(1_000, 100), 2);
    let executed = drive(&mut driver, stub.address, &ops(200, 100), Mode::Open);
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

#[test]
fn a_schedule_that_cannot_be_executed_is_refused() {
    let stub = Stub::start(|_| Action::Answer(OK));
    let mut driver = stub.driver(settings(1_000, 100), 1);
    let op = Op { at_ns: 5, target: 0, exchange: 0 };
    for (ops, complaint) in [
        ([op, Op { target: 1, ..op }], "target 1 of 1"),
        ([op, Op { exchange: 2, ..op }], "exchange 2 of 1"),
        ([op, Op { at_ns: 4, ..op }], "op 1 is due before"),
    ] {
        let exchange = [get(stub.address, Expect::Status(200))];
        let error = driver.execute(&ops, &exchange, Mode::Open, false).unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
    }
}
