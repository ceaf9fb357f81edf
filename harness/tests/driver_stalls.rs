//! A stall of the server or of the driver: what must see it, and the controls that must miss it.

mod driver_support;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use authbench_harness::load::driver::{DriverSettings, Executed, Mode, StampFrom};
use authbench_harness::load::outcome::{Row, nearest_rank};
use authbench_harness::load::schedule::{Arrivals, stream};
use authbench_harness::load::{exchange::Op, pacer::Pacing};
use driver_support::{Action, OK, Stub, assert_sound, drive, each, ops, settings};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const STALL_BEGIN: Duration = Duration::from_millis(300);
const STALL_END: Duration = Duration::from_millis(700);

fn patient(stamp: StampFrom) -> DriverSettings {
    DriverSettings { stamp, ..settings(3_000, 10_000) }
}

/// Drives a second of load at a server that holds every answer for 400 ms of it.
fn through_a_server_stall(
    settings: DriverSettings,
    connections: usize,
    ops: &[Op],
    mode: Mode,
) -> Executed {
    let begin = Arc::new(OnceLock::<Instant>::new());
    let clock = Arc::clone(&begin);
    let stub = Stub::start(move |_| {
        let begin = *clock.get().unwrap();
        let passed = begin.elapsed();
        if passed >= STALL_BEGIN && passed < STALL_END {
            Action::AnswerAt(begin + STALL_END)
        } else {
            Action::Answer(OK)
        }
    });
    let mut driver = stub.driver(settings, connections);
    // Not before the connections are there: opening a thousand takes a while.
    begin.set(Instant::now()).unwrap();
    drive(&mut driver, stub.address, ops, mode)
}

/// Drives a second of load while the driver itself is frozen for 400 ms of it.
fn through_a_driver_stall(settings: DriverSettings) -> Executed {
    let stub = Stub::start(|_| Action::Answer(OK));
    let mut driver = stub.driver(settings, 16);
    driver.inject_stall(STALL_BEGIN, STALL_END - STALL_BEGIN);
    drive(&mut driver, stub.address, &ops(1_000, 1_000), Mode::Open)
}

/// 400 of 1,000 requests fall due in the stall and wait for its end: the 900th of all in rank waits
/// about 300 ms, the 990th about 390 ms.
fn assert_sees_the_stall(what: &str, mut values: Vec<u64>) {
    for (permille, wanted_ms) in [(800, 200), (900, 300), (990, 390)] {
        let got_ms = nearest_rank(&mut values, permille) / 1_000_000;
        assert!(got_ms.abs_diff(wanted_ms) <= 40, "{what}: p{permille}: {got_ms} ms");
    }
}

fn assert_misses_the_stall(what: &str, mut values: Vec<u64>) {
    let p99_ms = nearest_rank(&mut values, 990) / 1_000_000;
    assert!(p99_ms < 150, "{what}: a control that sees the stall controls nothing: {p99_ms} ms");
}

/// Two ends of each of a thousand connections are more files than some systems grant at first.
fn allow_files(count: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count.min(hard), hard).unwrap();
    }
}

#[test]
fn a_server_stall_is_seen_from_the_intended_start_whatever_the_connections() {
    allow_files(4_096);
    for connections in [16, 1_024] {
        let settings = patient(StampFrom::Intended);
        let run = through_a_server_stall(settings, connections, &ops(1_000, 1_000), Mode::Open);
        assert_sound(&run);
        let what = format!("{connections} connections");
        assert_sees_the_stall(&what, each(&run.rows, Row::response_ns));
        // Whether it is a wait for a connection or for an answer depends on how many there are.
        let part = if connections == 16 { Row::conn_wait_ns } else { Row::service_ns };
        assert_sees_the_stall(&what, each(&run.rows, part));
    }
}

/// With four connections only four requests are caught by it, far beyond the 99th percentile.
#[test]
fn a_server_stall_is_missed_by_a_closed_loop_and_by_stamps_at_the_write() {
    let settings = patient(StampFrom::Intended);
    let closed = through_a_server_stall(settings, 4, &ops(5_000, 1_000), Mode::Closed);
    assert_misses_the_stall("closed", each(&closed.rows, Row::response_ns));

    let at_send = patient(StampFrom::Send);
    let send = through_a_server_stall(at_send, 4, &ops(1_000, 1_000), Mode::Open);
    assert_misses_the_stall("send", each(&send.rows, Row::response_ns));
    for row in &send.rows {
        assert_eq!((row.slip_ns(), row.conn_wait_ns()), (0, 0), "{row:?}");
        assert_eq!(row.response_ns(), row.service_ns(), "{row:?}");
    }
}

#[test]
fn a_driver_stall_is_seen_in_response_and_slip_and_missed_by_stamps_at_the_wake() {
    let run = through_a_driver_stall(patient(StampFrom::Intended));
    assert_sound(&run);
    assert_sees_the_stall("response", each(&run.rows, Row::response_ns));
    assert_sees_the_stall("slip", each(&run.rows, Row::slip_ns));
    assert_misses_the_stall("service", each(&run.rows, Row::service_ns));

    let run = through_a_driver_stall(patient(StampFrom::Wake));
    assert_sound(&run);
    assert_misses_the_stall("wake", each(&run.rows, Row::response_ns));
    assert!(run.rows.iter().all(|row| row.slip_ns() == 0));
}

#[test]
fn a_stall_happens_once_and_only_in_the_next_execution() {
    let stub = Stub::start(|_| Action::Answer(OK));
    let mut driver = stub.driver(patient(StampFrom::Intended), 4);
    let worst_ms = |driver: &mut _| {
        let run = drive(driver, stub.address, &ops(100, 100), Mode::Open);
        run.rows.iter().map(Row::slip_ns).max().unwrap() / 1_000_000
    };
    driver.inject_stall(Duration::from_millis(50), Duration::from_millis(300));
    assert!(worst_ms(&mut driver) >= 250);
    assert!(worst_ms(&mut driver) < 200, "a stall came back");
    // One that the execution did not reach does not wait for the next.
    driver.inject_stall(Duration::from_secs(3_600), Duration::from_millis(300));
    assert!(worst_ms(&mut driver) < 200);
    assert!(worst_ms(&mut driver) < 200);
}

/// The counter of what is in flight and the rows agree over arrivals that overlap, and the mean
/// number in flight is the rate times the mean time in the system (Little).
#[test]
fn what_is_in_flight_is_what_the_rows_say() {
    let stub = Stub::start(|i| {
        Action::AnswerAt(Instant::now() + Duration::from_millis([1, 7, 20][i as usize % 3]))
    });
    for pacing in [Pacing::Exact, Pacing::Tick] {
        let mut driver = stub.driver(DriverSettings { pacing, ..settings(5_000, 10_000) }, 32);
        let times = Arrivals::Poisson.times(500, 600_000_000, &mut stream(3, "little", 0));
        let ops: Vec<Op> =
            times.into_iter().map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect();
        let run = drive(&mut driver, stub.address, &ops, Mode::Open);
        assert_sound(&run);
        assert!(run.rows.iter().all(Row::was_accepted), "nothing is shed here");
        let first = run.rows.iter().map(|r| r.dispatched_ns).min().unwrap();
        let last = run.rows.iter().map(|r| r.done_ns).max().unwrap();
        let mean_in_flight = run.in_flight_ns as f64 / (last - first) as f64;
        assert!(mean_in_flight > 2.0, "they overlap: {mean_in_flight}");
    }
}
