//! The trust panel: the figures a reader needs to decide whether to believe the rest.

use super::cpu::{CpuTable, valid_slots, valid_sum};
use super::latency::{ArmLatency, usable};
use super::revocation::stale_accepts;
use crate::measure::gates::checks;
use crate::measure::stats::{median, six};
use crate::record::derived::{PartSum, TrustRow};
use crate::record::run::{Check, PlanRecord, Run, Slots};

/// Above this share of requests never sent, the offered rate was not the one stated.
const DISPATCHED_LIMIT: f64 = 0.999;
/// Above this share of a core the driver is no longer an observer.
const DRIVER_SHARE_LIMIT: f64 = 0.7;
/// Above this share of the processors' time the host was busy with others.
const STEAL_LIMIT: f64 = 0.01;
/// A kernel tick, nanoseconds: Linux counts 100 a second for user space.
const TICK_NS: f64 = 1e7;

/// The rows, gates first.
pub(super) fn rows(
    run: &Run,
    table: &CpuTable<'_>,
    latencies: &[ArmLatency],
    sums: &[PartSum],
) -> Vec<TrustRow> {
    let mut rows: Vec<TrustRow> = checks(run).iter().map(gate).collect();
    if let Some(plan) = &run.plan {
        rows.extend([
            dispatched(run),
            answered_in_time(run),
            windows(run, plan),
            slip(run, plan),
            driver_share(run),
            steal(run),
            littles_law(plan, latencies),
            monotone(latencies),
            out_of_range(run),
            promises(run),
            housekeeping(table),
        ]);
    }
    rows.extend(sums.iter().map(parts));
    rows
}

/// Whether what was timed in pieces is what was timed whole.
fn parts(sum: &PartSum) -> TrustRow {
    row(
        &format!("Do the {} parts of `{}` add up to it?", sum.steps.len(), sum.whole),
        format!("{} % of the whole", six(sum.percent)),
        "90 to 110 %",
        Some(sum.pass),
    )
}

fn row(question: &str, figure: String, limit: &str, pass: Option<bool>) -> TrustRow {
    TrustRow { question: question.into(), figure, limit: limit.into(), pass }
}

/// A gate, as a question.
fn gate(check: &Check) -> TrustRow {
    let (question, limit) = match check.name.as_str() {
        "ledger-closes" => ("Is every scheduled request accounted for?", "all"),
        "cross-count" => ("Did driver and server count the same requests?", "equal, in each cell"),
        "outcomes" => ("Was every answer the expected one?", "all"),
        "forged-refused" => ("Was every tampered credential refused?", "all"),
        "redis-commands" => ("Did Redis count the commands declared?", "equal, in each cell"),
        "discarded-slots" => ("How many slots were disturbed?", "the plan's limit"),
        "a-a" => ("Do two servers of the floor differ?", "the 99.9 % interval contains 0"),
        other => (other, ""),
    };
    let place = check.arm.as_ref().zip(check.block);
    let figure = match place {
        Some((arm, block)) => format!("{arm}, block {block}: {}", check.detail),
        None => check.detail.clone(),
    };
    let judged = !check.detail.starts_with("not judged");
    row(question, figure, limit, judged.then_some(check.pass))
}

/// Sum of a column over all valid slots of the run.
fn total(run: &Run, column: fn(&Slots) -> &Vec<u64>) -> u64 {
    let sums = run.cells.iter().map(|cell| valid_sum(&cell.slots, column(&cell.slots)));
    sums.fold(0, u64::saturating_add)
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A share against the least or most it may be.
fn judged(question: &str, figure: Option<f64>, limit: &str, ok: impl Fn(f64) -> bool) -> TrustRow {
    match figure {
        Some(figure) => row(question, six(figure).to_string(), limit, Some(ok(figure))),
        None => row(question, "not measured".into(), limit, None),
    }
}

fn dispatched(run: &Run) -> TrustRow {
    let scheduled = total(run, |slots| &slots.scheduled);
    let sent = scheduled.saturating_sub(total(run, |slots| &slots.shed));
    let figure = share(sent, scheduled);
    judged("Dispatched per scheduled request?", figure, "at least 0.999", |figure| {
        figure >= DISPATCHED_LIMIT
    })
}

fn answered_in_time(run: &Run) -> TrustRow {
    let failed = [
        total(run, |slots| &slots.connection_error),
        total(run, |slots| &slots.timeout),
        total(run, |slots| &slots.http_error),
    ]
    .into_iter()
    .fold(0, u64::saturating_add);
    let windows = run.cells.iter().filter_map(|cell| cell.window_ledger.as_ref());
    let late = windows
        .map(|ledger| ledger.scheduled.saturating_sub(ledger.expected))
        .fold(0, u64::saturating_add);
    row(
        "Requests that failed in valid slots, and in latency windows?",
        format!("{failed} and {late}"),
        "0 and 0",
        Some(failed == 0 && late == 0),
    )
}

/// Latency windows that a late driver voided.
fn windows(run: &Run, plan: &PlanRecord) -> TrustRow {
    let question = "How many latency windows were disturbed?";
    let limit = f64::from(plan.discard_limit_permille) / 1e3;
    if plan.latency_window_ms == 0 {
        return row(question, "none were planned: latency is that of the slots".into(), "", None);
    }
    let left_out = run.cells.iter().filter(|cell| usable(run, cell).is_err()).count();
    let of = run.cells.len();
    let figure = format!("{left_out} of {of} windows discarded");
    let pass = left_out as f64 <= limit * of as f64;
    row(question, figure, "the plan's limit", (of > 0).then_some(pass))
}

fn slip(run: &Run, plan: &PlanRecord) -> TrustRow {
    let worst = run
        .cells
        .iter()
        .flat_map(|cell| valid_slots(&cell.slots).filter_map(|i| cell.slots.slip_p99_ns.get(i)));
    let limit = plan.slip_limit_ns;
    let question = "How late was the driver, p99 of the worst valid slot, ns?";
    let figure = worst.max().map(|worst| *worst as f64);
    judged(question, figure, &format!("at most {limit}"), |figure| figure <= limit as f64)
}

fn driver_share(run: &Run) -> TrustRow {
    let busy = run.cells.iter().filter_map(|cell| {
        let slots = &cell.slots;
        share(valid_sum(slots, &slots.driver_cpu_ns), valid_sum(slots, &slots.wall_ns))
    });
    let question = "Driver's share of a core, busiest cell?";
    judged(question, busy.reduce(f64::max), "at most 0.7", |figure| figure <= DRIVER_SHARE_LIMIT)
}

fn steal(run: &Run) -> TrustRow {
    let known = run.cells.iter().any(|cell| !cell.slots.steal_ticks.is_empty());
    let ticks = total(run, |slots| &slots.steal_ticks) as f64;
    let wall = total(run, |slots| &slots.wall_ns) as f64 * f64::from(run.environment.cores);
    let figure = (known && wall > 0.0).then(|| ticks * TICK_NS / wall);
    let question = "Share of processor time taken by the host?";
    judged(question, figure, "at most 0.01", |figure| figure <= STEAL_LIMIT)
}

/// Requests in service = rate x mean service time: no more than there are connections.
fn littles_law(plan: &PlanRecord, latencies: &[ArmLatency]) -> TrustRow {
    let rate = plan.rate_per_second as f64;
    let busy = latencies.iter().filter_map(ArmLatency::mean_service_ns);
    let figure = busy.reduce(f64::max).map(|mean| rate * mean / 1e9);
    let connections = plan.connections;
    let question = "Little's law: requests in service, busiest arm?";
    judged(question, figure, &format!("at most {connections} connections"), |figure| {
        figure <= f64::from(connections)
    })
}

fn monotone(latencies: &[ArmLatency]) -> TrustRow {
    let measured: Vec<&ArmLatency> = latencies.iter().filter(|arm| arm.len() > 0).collect();
    let grow = measured.iter().filter(|arm| arm.is_monotone()).count();
    row(
        "Do the percentiles of each arm grow?",
        format!("{grow} of {} arms", measured.len()),
        "all",
        (!measured.is_empty()).then_some(grow == measured.len()),
    )
}

fn out_of_range(run: &Run) -> TrustRow {
    let latencies = run
        .cells
        .iter()
        .flat_map(|cell| std::iter::once(&cell.slot_latency).chain(&cell.window_latency));
    let outside = latencies
        .flat_map(|latency| [&latency.response, &latency.service, &latency.slip])
        .map(|histogram| histogram.out_of_range)
        .fold(0, u64::saturating_add);
    row(
        "Latencies above 120 s, which no histogram holds?",
        outside.to_string(),
        "0",
        Some(outside == 0),
    )
}

/// Promises of an immediate logout that were not kept.
fn promises(run: &Run) -> TrustRow {
    let immediate = |id: &str, all: bool| {
        run.strategies
            .iter()
            .filter(|record| record.id == id)
            .any(|record| (if all { &record.revoke_all } else { &record.revoke }) == "immediate")
    };
    let lags = run.revocation_lag.iter().filter(|lag| immediate(&lag.strategy, false));
    let costs = run
        .revocation_cost
        .iter()
        .filter(|cost| immediate(&cost.strategy, cost.operation == "logout-all"));
    let stale = lags.map(stale_accepts).fold(0, u64::saturating_add);
    let after = costs.map(|cost| cost.accepted_afterwards).fold(stale, u64::saturating_add);
    row(
        "Accepts after the acknowledgement of a logout that promised to be immediate?",
        after.to_string(),
        "0",
        (!run.revocation_lag.is_empty() || !run.revocation_cost.is_empty()).then_some(after == 0),
    )
}

/// What Redis costs when nobody asks it anything.
fn housekeeping(table: &CpuTable<'_>) -> TrustRow {
    let idle = table.baseline().map(|none| table.each(none, |own| own.store));
    let figure = idle.and_then(|idle| median(&idle));
    row(
        "Redis' own CPU per request of the floor, ns (in every arm, drops out of differences)?",
        figure.map_or_else(|| "not measured".into(), |ns| six(ns).to_string()),
        "",
        None,
    )
}
