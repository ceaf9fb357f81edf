//! Tests 1 and 2: a stall of the target, and one of the driver itself, must show in the latency.

use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Scale;
use super::child::{Load, wait_until};
use super::rig::{
    SECOND_NS, closed, drive, get, note_late, note_slip, quantile, schedule, settings,
};
use super::stub::{OK, Reply, Seen, Stub};
use super::verdict::{Verdict, ms};
use crate::load::driver::{Driver, DriverSettings, Mode, StampFrom};
use crate::load::outcome::Row;
use crate::load::schedule::Arrivals;

const RATE: u64 = 1_000;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Share of the stall by which a percentile may miss its theory.
const TOLERANCE: f64 = 0.05;
const PERMILLES: [usize; 3] = [975, 990, 999];
/// So few connections that requests wait in the driver, and so many that none does.
const FEW: usize = 16;
const MANY: usize = 1_024;

/// A stall of known length in a load of known length.
#[derive(Clone, Copy)]
struct Stall {
    length_ns: u64,
    load_ns: u64,
}

impl Stall {
    const fn of(scale: &Scale) -> Self {
        Self {
            length_ns: scale.pick(SECOND_NS, SECOND_NS / 5),
            load_ns: scale.pick(20, 4) * SECOND_NS,
        }
    }

    const fn requests(self) -> u64 {
        RATE * self.load_ns / SECOND_NS
    }

    /// What a request at rank `permille` waits: of equal gaps, the k-th longest wait is the stall
    /// less k gaps.
    const fn theory_ns(self, permille: usize) -> u64 {
        let beyond = self.requests() * (1_000 - permille as u64) / 1_000;
        self.length_ns.saturating_sub(beyond * SECOND_NS / RATE)
    }

    fn agrees(self, permille: usize, found_ns: u64) -> bool {
        let allowed = self.length_ns as f64 * TOLERANCE;
        (found_ns as f64 - self.theory_ns(permille) as f64).abs() <= allowed
    }

    fn limit(self, permille: usize) -> String {
        let allowed = (self.length_ns as f64 * TOLERANCE) as u64;
        format!("{} +- {}", ms(self.theory_ns(permille)), ms(allowed))
    }

    /// A target that holds every answer for the stall's length, once, from the quarter on.
    fn target(self) -> std::io::Result<Stub> {
        let (from, length_ns) = (self.requests() / 4, self.length_ns);
        let mut until_ns = None;
        Stub::start(move |seen: &Seen<'_>| {
            if seen.number >= from && until_ns.is_none() {
                until_ns = Some(seen.at_ns + length_ns);
            }
            match until_ns {
                Some(until_ns) if seen.at_ns < until_ns => Reply::At(until_ns, OK),
                _ => Reply::Now(OK),
            }
        })
    }
}

/// Test 1.
///
/// # Errors
/// When stub or driver fail.
pub(super) fn known(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let stall = Stall::of(scale);
    let ops = schedule(Arrivals::Constant, RATE, stall.load_ns, 1);
    for connections in [FEW, MANY] {
        let stub = stall.target()?;
        let rows = drive(stub.address(), connections, &ops, Mode::Open, settings(TIMEOUT))?.rows;
        // The answers held back all leave at once: only the driver's own lateness disturbs.
        note_slip(&mut verdict, &rows);
        for permille in PERMILLES {
            let found = quantile(&rows, permille, Row::response_ns);
            let what = format!("{}, {connections} connections", percentile(permille));
            verdict.check(what, ms(found), stall.limit(permille), stall.agrees(permille, found));
        }
        let waited = rows.iter().filter(|row| row.response_ns() > stall.length_ns / 10).count();
        let wanted = (stall.length_ns * 9 / 10 * RATE / SECOND_NS) as f64;
        verdict.check(
            format!(
                "requests that wait over {}, {connections} connections",
                ms(stall.length_ns / 10)
            ),
            waited,
            format!("{wanted} +- 5 %"),
            (waited as f64 - wanted).abs() <= wanted * TOLERANCE,
        );
        if connections == FEW {
            // It sees the few that were on the wire.
            let stub = stall.target()?;
            let settings = DriverSettings { stamp: StampFrom::Send, ..settings(TIMEOUT) };
            let rows = drive(stub.address(), FEW, &ops, Mode::Open, settings)?.rows;
            let found = quantile(&rows, 990, Row::response_ns);
            let what = format!("p99 stamped when sent, {FEW} connections");
            verdict.control(what, ms(found), stall.limit(990), stall.agrees(990, found));
        }
    }
    let stub = stall.target()?;
    let ops = closed(stall.requests() as usize);
    let rows = drive(stub.address(), FEW, &ops, Mode::Closed, settings(TIMEOUT))?.rows;
    let longest = quantile(&rows, 1_000, Row::response_ns);
    ensure!(longest >= stall.length_ns * 9 / 10, "the closed loop met no stall: {}", ms(longest));
    let found = quantile(&rows, 990, Row::response_ns);
    let what = format!("p99 of a closed loop, {FEW} connections");
    verdict.control(what, ms(found), stall.limit(990), stall.agrees(990, found));
    Ok(verdict)
}

fn percentile(permille: usize) -> String {
    format!("p{}", permille as f64 / 10.0)
}

/// How long the driver is frozen.
const FREEZE: Duration = Duration::from_millis(500);
/// Frozen for 500 ms of 4 s: the longest 1 % of requests wait more than this.
const TAIL_NS: u64 = 400_000_000;

/// Test 2.
///
/// # Errors
/// When stub, driver or the child fail.
pub(super) fn own(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    injected(&mut verdict)?;
    by_signal(&mut verdict)?;
    Ok(verdict)
}

/// The driver's own thread freezes, in mid-schedule.
fn injected(verdict: &mut Verdict) -> anyhow::Result<()> {
    let ops = schedule(Arrivals::Constant, RATE, 4 * SECOND_NS, 2);
    for stamp in [StampFrom::Intended, StampFrom::Wake] {
        let stub = Stub::start(|_| Reply::Now(OK))?;
        let mut driver = Driver::new(DriverSettings { stamp, ..settings(TIMEOUT) })?;
        driver.add_target(stub.address(), FEW)?;
        driver.inject_stall(Duration::from_secs(1), FREEZE);
        let rows = driver.execute(&ops, &[get(stub.address())], Mode::Open, false)?.rows;
        let response = quantile(&rows, 990, Row::response_ns);
        let (what, wanted) =
            (format!("stamped by {}", stamp.name()), || format!("at least {}", ms(TAIL_NS)));
        let response_what = format!("response p99 of a driver frozen for 500 ms, {what}");
        if stamp == StampFrom::Intended {
            let slip = quantile(&rows, 990, Row::slip_ns);
            let slip_what = format!("slip p99 of a driver frozen for 500 ms, {what}");
            verdict.check(slip_what, ms(slip), wanted(), slip >= TAIL_NS);
            verdict.check(response_what, ms(response), wanted(), response >= TAIL_NS);
        } else {
            verdict.control(response_what, ms(response), wanted(), response >= TAIL_NS);
        }
    }
    Ok(())
}

/// `authbench load` as a user runs it, stopped and continued from outside.
fn by_signal(verdict: &mut Verdict) -> anyhow::Result<()> {
    for frozen in [true, false] {
        let stub = Stub::start(|_| Reply::Now(OK))?;
        let url = format!("http://{}/", stub.address());
        let load =
            Load::start(&url, &["--rate", "1000", "--seconds", "4", "--arrivals", "constant"])?;
        if frozen {
            wait_until("the load's first requests", || stub.received() >= RATE)?;
            let pid = Pid::from_raw(i32::try_from(load.program().id())?);
            kill(pid, Signal::SIGSTOP)?;
            std::thread::sleep(FREEZE);
            kill(pid, Signal::SIGCONT)?;
        }
        let loaded = load.end()?;
        let (slip, response) = (loaded.slip_p99_ns()?, loaded.response_p99_ns()?);
        let (invalid, limit) = (loaded.is_refused(), "exit 4, valid: false");
        if frozen {
            let wanted = || format!("at least {}", ms(TAIL_NS));
            let what = |of: &str| format!("{of} of a load stopped for 500 ms");
            verdict.check(what("slip p99"), ms(slip), wanted(), slip >= TAIL_NS);
            verdict.check(what("response p99"), ms(response), wanted(), response >= TAIL_NS);
            verdict.check(what("outcome"), loaded.said(), limit, invalid);
        } else {
            note_late(verdict, "the undisturbed load's slip p99", slip);
            verdict.control("outcome of the same load left alone", loaded.said(), limit, invalid);
        }
    }
    Ok(())
}
