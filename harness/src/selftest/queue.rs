//! Test 4: the waits of a queue with one server and a fixed service time, which theory knows.

use std::time::Duration;

use super::Scale;
use super::rig::{SECOND_NS, closed, drive, get, mean, note_late, note_slip, schedule, settings};
use super::stub::{Log, OK, Reply, Seen, Stub};
use super::verdict::Verdict;
use crate::load::driver::{Driver, Mode};
use crate::load::exchange::Op;
use crate::load::outcome::Row;
use crate::load::schedule::Arrivals;

/// How long the server is busy with one request.
const SERVICE_NS: u64 = 2_000_000;
/// Offered load, in hundredths of what the server can do.
const LOADS: [u64; 3] = [50, 70, 80];
const CONNECTIONS: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);
const TOLERANCE: f64 = 0.10;
/// A closed loop of so many requests.
const CLOSED: usize = 500;

/// A server that is busy with one request at a time, each for [`SERVICE_NS`] exactly: lateness of
/// an answer does not delay the next one's begin.
fn one_at_a_time() -> std::io::Result<Stub> {
    let mut free_ns = 0;
    Stub::start(move |seen: &Seen<'_>| {
        free_ns = seen.at_ns.max(free_ns) + SERVICE_NS;
        Reply::At(free_ns, OK)
    })
}

const fn rate(load: u64) -> u64 {
    load * SECOND_NS / SERVICE_NS / 100
}

/// Pollaczek-Khinchine for a fixed service time: rho s / (2 (1 - rho)).
fn theory_ns(load: u64) -> f64 {
    let rho = load as f64 / 100.0;
    rho * SERVICE_NS as f64 / (2.0 * (1.0 - rho))
}

/// The mean wait of exactly these arrivals (Lindley's recursion).
fn lindley_ns(ops: &[Op]) -> f64 {
    let (mut free_ns, mut waited_ns) = (0, 0.0);
    for op in ops {
        let begin_ns = op.at_ns.max(free_ns);
        waited_ns += (begin_ns - op.at_ns) as f64;
        free_ns = begin_ns + SERVICE_NS;
    }
    waited_ns / ops.len().max(1) as f64
}

fn near(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() <= wanted * TOLERANCE
}

fn ms(ns: f64) -> String {
    format!("{:.3} ms", ns / 1e6)
}

/// Test 4. The waits of neighbours are alike, so the mean of n of them is far less certain than n
/// independent ones: at 80 % load its standard error is 4 % after 100 s, 14 % after 10 s. A long
/// run is held against theory; any run against the exact expectation of its own arrivals.
///
/// # Errors
/// When stub or driver fail.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let stated = |load: u64| format!("{load} % load");
    for load in LOADS {
        // The recursion itself, where chance is no excuse: an hour of arrivals.
        let found = lindley_ns(&schedule(Arrivals::Poisson, rate(load), 3_600 * SECOND_NS, 4));
        let (what, wanted) = (format!("{}: recursion over 1 h", stated(load)), theory_ns(load));
        verdict.check(what, ms(found), limit("theory", wanted), near(found, wanted));
        verdict.exactly();
    }
    let bare_ns = unloaded_ns(&mut verdict)?;
    let (schedules, waits) = open_loop(&mut verdict, scale.pick(100, 10), bare_ns)?;
    for ((load, ops), found) in LOADS.into_iter().zip(&schedules).zip(waits) {
        let what = format!("{}: mean wait of {} requests", stated(load), ops.len());
        let wanted = lindley_ns(ops);
        verdict.check(
            what.clone(),
            ms(found),
            limit("recursion over the same arrivals", wanted),
            near(found, wanted),
        );
        if !scale.quick {
            let wanted = theory_ns(load);
            verdict.check(what, ms(found), limit("theory", wanted), near(found, wanted));
        }
    }
    for connections in [1, CONNECTIONS] {
        let stub = one_at_a_time()?;
        let ops = closed(CLOSED);
        let rows = drive(stub.address(), connections, &ops, Mode::Closed, settings(TIMEOUT))?.rows;
        let found = (mean(&rows, Row::response_ns) - bare_ns).max(0.0);
        let held = LOADS.iter().any(|load| near(found, theory_ns(*load)));
        let what = format!("mean wait of a closed loop over {connections} connections");
        verdict.control(what, ms(found), "theory of any of the loads +- 10 %", held);
    }
    Ok(verdict)
}

fn limit(of: &str, wanted: f64) -> String {
    format!("{} ({of}) +- 10 %", ms(wanted))
}

/// The mean response where nobody waits: the service time, and what wire and timers add to it.
fn unloaded_ns(verdict: &mut Verdict) -> anyhow::Result<f64> {
    let stub = one_at_a_time()?;
    let ops = schedule(Arrivals::Constant, 200, 2 * SECOND_NS, 4);
    let rows = drive(stub.address(), CONNECTIONS, &ops, Mode::Open, settings(TIMEOUT))?.rows;
    let bare_ns = mean(&rows, Row::response_ns);
    let figure = format!("{}, service 2 ms", ms(bare_ns));
    verdict.check("mean response where nobody waits", figure, "2 to 3 ms", {
        (2e6..3e6).contains(&bare_ns)
    });
    Ok(bare_ns)
}

/// All loads at once, each on a server of its own.
fn open_loop(
    verdict: &mut Verdict,
    seconds: u64,
    bare_ns: f64,
) -> anyhow::Result<(Vec<Vec<Op>>, Vec<f64>)> {
    let stubs = LOADS.map(|_| one_at_a_time());
    let mut driver = Driver::new(settings(TIMEOUT))?;
    let (mut exchanges, mut all, mut schedules) = (Vec::new(), Vec::new(), Vec::new());
    let stubs = stubs.into_iter().collect::<std::io::Result<Vec<Stub>>>()?;
    for (stub, load) in stubs.iter().zip(LOADS) {
        let target = driver.add_target(stub.address(), CONNECTIONS)?;
        exchanges.push(get(stub.address()));
        let ops = schedule(Arrivals::Poisson, rate(load), seconds * SECOND_NS, 4);
        all.extend(ops.iter().map(|op| Op { target, exchange: target, ..*op }));
        schedules.push(ops);
    }
    all.sort_by_key(|op| op.at_ns);
    let rows = driver.execute(&all, &exchanges, Mode::Open, false)?.rows;
    note_slip(verdict, &rows);
    drop(driver);
    for stub in stubs {
        let log: Log = stub.finish()?;
        note_late(verdict, "the stub's timer p99", log.late_p99_ns());
    }
    let waits = (0..LOADS.len() as u32)
        .map(|target| {
            let of_target = all.iter().zip(&rows).filter(|(op, _)| op.target == target);
            let rows: Vec<Row> = of_target.map(|(_, row)| *row).collect();
            mean(&rows, Row::response_ns) - bare_ns
        })
        .collect();
    Ok((schedules, waits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recursion_is_that_of_a_queue() {
        let at = |times: &[u64]| -> Vec<Op> {
            times.iter().map(|ms| Op { at_ns: ms * 1_000_000, target: 0, exchange: 0 }).collect()
        };
        // Two at once, a third while the second is served, a fourth alone: 0 + 2 + 3 + 0 ms.
        assert!((lindley_ns(&at(&[0, 0, 1, 20])) - 1_250_000.0).abs() < 1.0);
        assert!((theory_ns(50) - 1e6).abs() < 1.0 && (theory_ns(80) - 4e6).abs() < 1.0);
    }
}
