//! Whether driver and host were fit to measure: the rate that was asked for, by an observer that
//! had time to spare, on a machine that was there.

use super::super::derive::cpu::valid_sum;
use super::{Failure, check};
use crate::record::run::{Check, PlanRecord, Run, Slots};

/// At least this share of the scheduled requests must have been sent.
const DISPATCHED: f64 = 0.999;
/// Above this share of a core the driver is no longer an observer.
const DRIVER_SHARE: f64 = 0.7;
/// The driver must reach this many times the rate.
const HEADROOM: u64 = 2;
/// Above this share of the processors' time the host was busy with others.
const STEAL: f64 = 0.01;
/// The driver's counter and its stamps may differ by this share.
const LITTLE: f64 = 0.01;
/// A kernel tick, nanoseconds: Linux counts 100 a second for user space.
const TICK_NS: f64 = 1e7;

/// The checks of driver and host.
pub(super) fn checks(run: &Run, plan: &PlanRecord) -> Vec<Check> {
    let judged = plan.judge_host == Some(true);
    let mut checks = of_slots(run, plan);
    checks.extend([on_quiet(judged, headroom(run, plan)), little(run), out_of_range(run)]);
    checks
}

/// Those that slots alone can answer: also of a regime, which has no windows.
pub(super) fn of_slots(run: &Run, plan: &PlanRecord) -> Vec<Check> {
    let judged = plan.judge_host == Some(true);
    vec![dispatched(run), on_quiet(judged, driver_share(run)), on_quiet(judged, steal(run))]
}

/// A check that only a quiet machine passes; plans for tests do not judge it.
fn on_quiet(judged: bool, own: Check) -> Check {
    if judged || own.detail.starts_with("not judged") {
        return own;
    }
    Check { pass: true, detail: format!("not judged, as the plan says: {}", own.detail), ..own }
}

/// A share held against its limit; not judged where it is unknown.
fn judged(name: &str, share: Option<f64>, say: &dyn Fn(f64) -> String, ok: bool) -> Check {
    let Some(share) = share else { return check(name, None, || "not judged: unknown".into()) };
    let detail = say(share);
    let failure = (!ok).then(|| Failure { cell: None, detail: detail.clone() });
    check(name, failure, || detail)
}

/// Sum of a column over all slots of the run, discarded ones included: what the host took away in
/// a slot is the reason why it was discarded.
fn total(run: &Run, column: fn(&Slots) -> &Vec<u64>) -> u64 {
    let sums = run.cells.iter().flat_map(|cell| column(&cell.slots));
    sums.fold(0, |sum, n| sum.saturating_add(*n))
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Sent per scheduled, over all slots: a slot that could not be sent is no disturbance.
fn dispatched(run: &Run) -> Check {
    let windows = run.cells.iter().filter_map(|cell| cell.window_ledger.as_ref());
    let (due, shed) = windows.fold((0_u64, 0_u64), |(due, shed), ledger| {
        (due.saturating_add(ledger.scheduled), shed.saturating_add(ledger.shed))
    });
    let scheduled = due.saturating_add(total(run, |slots| &slots.scheduled));
    let shed = shed.saturating_add(total(run, |slots| &slots.shed));
    let figure = share(scheduled.saturating_sub(shed), scheduled);
    let say = |_| format!("{shed} of {scheduled} requests were shed");
    judged("dispatched", figure, &say, figure.is_some_and(|figure| figure >= DISPATCHED))
}

fn driver_share(run: &Run) -> Check {
    let busy = run.cells.iter().filter_map(|cell| {
        let slots = &cell.slots;
        share(valid_sum(slots, &slots.driver_cpu_ns), valid_sum(slots, &slots.wall_ns))
    });
    let busiest = busy.reduce(f64::max);
    let say = |share: f64| format!("{:.0} % of a core in the busiest cell", share * 100.0);
    judged("driver-share", busiest, &say, busiest.is_some_and(|share| share <= DRIVER_SHARE))
}

fn headroom(run: &Run, plan: &PlanRecord) -> Check {
    let reached = run.instrument.headroom_per_second;
    let rate = plan.rate_per_second;
    let say = |_| format!("{}/s in a closed loop, {rate}/s asked", reached.unwrap_or(0));
    let ok = reached.is_some_and(|reached| reached >= HEADROOM * rate);
    judged("headroom", reached.map(|n| n as f64), &say, ok)
}

fn steal(run: &Run) -> Check {
    let known = run.cells.iter().any(|cell| !cell.slots.steal_ticks.is_empty());
    let ticks = total(run, |slots| &slots.steal_ticks) as f64;
    let wall = total(run, |slots| &slots.wall_ns) as f64 * f64::from(run.environment.cores);
    let figure = (known && wall > 0.0).then(|| ticks * TICK_NS / wall);
    let say = |share: f64| format!("{:.3} % of the processors' time", share * 100.0);
    judged("host-steal", figure, &say, figure.is_some_and(|share| share <= STEAL))
}

/// Little's law, L = lambda W: requests in flight by the driver's own counter are the sum of the
/// times that the stamps say they were.
fn little(run: &Run) -> Check {
    let distance =
        |counted: u64, stamped: u64| counted.abs_diff(stamped) as f64 / stamped.max(1) as f64;
    let worst = run
        .cells
        .iter()
        .filter_map(|cell| cell.window_facts.as_ref())
        .map(|facts| distance(facts.in_flight_ns, facts.held_ns))
        .reduce(f64::max);
    let say = |share: f64| format!("they differ by {:.3} % in the worst window", share * 100.0);
    judged("little", worst, &say, worst.is_some_and(|share| share <= LITTLE))
}

fn out_of_range(run: &Run) -> Check {
    let latencies =
        run.cells.iter().flat_map(|cell| cell.slot_latency.iter().chain(&cell.window_latency));
    let outside = latencies
        .flat_map(|latency| [&latency.response, &latency.service, &latency.slip])
        .map(|histogram| histogram.out_of_range)
        .fold(0, u64::saturating_add);
    let failure = (outside > 0)
        .then(|| Failure { cell: None, detail: format!("{outside} latencies above 120 s") });
    check("out-of-range", failure, || "0 latencies above 120 s".into())
}
