//! Test 6: whatever happens to a request, it ends in one column, and the target counts the same.

use std::time::Duration;

use rand::RngExt as _;

use super::Scale;
use super::rig::{SECOND_NS, get, schedule, settings};
use super::stub::{Log, OK, OUTAGE, Reply, Seen, Stub, WRONG};
use super::verdict::Verdict;
use crate::load::driver::{Driver, DriverSettings, Executed, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::{Outcome, Row, ledger};
use crate::load::schedule::{Arrivals, stream};

const RATE: u64 = 1_000;
/// So many that no request waits behind one that hangs.
const CONNECTIONS: usize = 128;
const TIMEOUT: Duration = Duration::from_millis(500);
/// Most requests that may wait for the one connection of the second part.
const BACKLOG: usize = 5;

/// What one part left behind: by the driver's account and by the stub's.
struct Accounts {
    executed: Executed,
    sent: u64,
    log: Log,
}

/// Test 6.
///
/// # Errors
/// When stub or driver fail.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    random_failures(&mut verdict, scale.pick(10, 2))?;
    sheds(&mut verdict, scale.pick(5, 1))?;
    Ok(verdict)
}

fn execute(
    stub: Stub,
    connections: usize,
    ops: &[Op],
    settings: DriverSettings,
) -> anyhow::Result<Accounts> {
    let expect = Expect::Body(200, b"ok".as_slice().into());
    let exchange = Exchange { expect, ..get(stub.address()) };
    let mut driver = Driver::new(settings)?;
    driver.add_target(stub.address(), connections)?;
    let executed = driver.execute(ops, &[exchange], Mode::Open, false)?;
    let sent = driver.sent_to(0);
    drop(driver);
    Ok(Accounts { executed, sent, log: stub.finish()? })
}

/// A target that answers 85 % of requests, and otherwise does one of everything that can go wrong.
fn random_failures(verdict: &mut Verdict, seconds: u64) -> anyhow::Result<()> {
    let ops = schedule(Arrivals::Poisson, RATE, seconds * SECOND_NS, 6);
    let mut rng = stream(6, "selftest failures", 0);
    let stub = Stub::start(move |seen: &Seen<'_>| match rng.random_range(0..100) {
        0..3 => Reply::Hang,
        3..6 => Reply::Reset,
        6..9 => Reply::Now(OUTAGE),
        9..12 => Reply::Now(WRONG),
        12..15 => Reply::At(seen.at_ns + 20_000_000, OK),
        _ => Reply::Now(OK),
    })?;
    let accounts = execute(stub, CONNECTIONS, &ops, settings(TIMEOUT))?;
    let Accounts { executed: Executed { rows, .. }, sent, log } = &accounts;
    let found = ledger(rows);
    closes(verdict, "random failures", ops.len(), rows);
    // A request that was never sent within its timeout, or whose late answer crossed it, is counted
    // on one side alone; on a host that is slow by so much.
    let waited_ns = rows
        .iter()
        .map(|row| if row.written_ns == 0 { row.done_ns } else { row.written_ns } - row.intended_ns)
        .max();
    if let Some(ns @ 100_000_000..) = waited_ns {
        verdict.disturbed("a request's wait in the driver", ns);
    }
    for (what, driver, stub) in [
        ("requests sent and received", *sent, log.requests),
        ("answered as expected", found.expected, log.answered(OK)),
        ("wrong outcome and wrong body", found.wrong_outcome, log.answered(WRONG)),
        ("HTTP error and 503", found.http_error, log.answered(OUTAGE)),
        ("connection error and reset", found.connection_error, log.resets),
        ("timeout and never answered", found.timeout, log.hangs),
    ] {
        let pass = driver == stub && driver > 0;
        verdict.check(what, driver, format!("{stub} by the stub's count"), pass);
    }
    let bytes: u64 = rows.iter().map(|row| u64::from(row.request_bytes)).sum();
    verdict.check("bytes sent", bytes, log.bytes_in.to_string(), bytes == log.bytes_in);
    Ok(())
}

/// One connection to a target that takes 20 ms, asked 200 times a second: three of four are shed.
fn sheds(verdict: &mut Verdict, seconds: u64) -> anyhow::Result<()> {
    let ops = schedule(Arrivals::Constant, 200, seconds * SECOND_NS, 6);
    let stub = Stub::start(|seen: &Seen<'_>| Reply::At(seen.at_ns + 20_000_000, OK))?;
    let mut settings = settings(Duration::from_secs(30));
    settings.backlog_limit = BACKLOG;
    let accounts = execute(stub, 1, &ops, settings)?;
    let Accounts { executed: Executed { rows, .. }, log, .. } = &accounts;
    closes(verdict, "backlog", ops.len(), rows);
    let found = ledger(rows);
    let unseen = found.scheduled - log.requests;
    let limit = format!("{unseen} never received");
    verdict.check("shed", found.shed, limit, found.shed == unseen && unseen > 0);
    let held = found.expected == log.answered(OK) && found.expected + found.shed == found.scheduled;
    verdict.check("the others were answered", found.expected, log.answered(OK).to_string(), held);
    Ok(())
}

/// The identity; and, as the control, with one failed request forgotten.
fn closes(verdict: &mut Verdict, part: &str, scheduled: usize, rows: &[Row]) {
    let accounted = ledger(rows).accounted();
    let limit = format!("{scheduled} scheduled");
    let holds = |accounted| accounted == scheduled as u64;
    verdict.check(format!("{part}: accounted for"), accounted, limit.clone(), holds(accounted));
    verdict.exactly();
    let mut lost = rows.to_vec();
    if let Some(at) = lost.iter().position(|row| row.outcome != Outcome::Expected) {
        lost.swap_remove(at);
    }
    let accounted = ledger(&lost).accounted();
    let what = format!("{part}: accounted for, one failure forgotten");
    verdict.control(what, accounted, limit, holds(accounted));
}
