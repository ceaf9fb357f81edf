//! The trust panel: the figures a reader needs to decide whether to believe the rest.

use super::cpu::{CpuTable, valid_slots, valid_sum};
use super::latency::ArmLatency;
use super::law;
use super::revocation::stale_accepts;
use crate::measure::gates::{checks, named};
use crate::measure::stats::{median, six};
use crate::record::derived::{PartSum, TrustRow};
use crate::record::run::{Check, PlanRecord, Run, Slots};

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
            answered_in_time(run),
            slip(run, plan),
            waits(run),
            littles_law(plan, latencies),
            monotone(latencies),
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
    let (regime, name) = check.name.split_once('/').unwrap_or(("", &check.name));
    let known = match named(name) {
        Some(gate) => (gate.question, gate.limit),
        None if name == law::CHECK => ("Was every promise of a revocation kept?", "all"),
        None => (name, ""),
    };
    let (question, limit) = match regime {
        "" => (known.0.to_owned(), known.1),
        regime => (format!("{regime}: {}", known.0), known.1),
    };
    let place = check.arm.as_ref().zip(check.block);
    let figure = match place {
        Some((arm, block)) => format!("{arm}, block {block}: {}", check.detail),
        None => check.detail.clone(),
    };
    let judged = !check.detail.starts_with("not judged");
    row(&question, figure, limit, judged.then_some(check.pass))
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

/// How long the threads that matter were runnable and had no processor, as a share of the slots.
fn waits(run: &Run) -> TrustRow {
    let wall = total(run, |slots| &slots.wall_ns);
    let counts = run.cells.iter().map(|cell| cell.counts).reduce(|a, b| Some(a?.plus(&b?)));
    let known = |ns: Option<u64>| {
        let percent = share(ns?, wall)? * 100.0;
        Some(format!("{} %", six((percent * 1e3).round() / 1e3)))
    };
    let counts = counts.flatten();
    let server = total(run, |slots| &slots.server_runqueue_ns);
    let said = [
        ("driver", counts.and_then(|c| known(c.driver_runqueue_ns))),
        ("server", known((server > 0).then_some(server))),
        ("Redis", counts.and_then(|c| known(c.store_runqueue_ns))),
    ];
    let said: Vec<String> =
        said.into_iter().filter_map(|(who, share)| Some(format!("{who} {}", share?))).collect();
    let figure = if said.is_empty() { "not measured".into() } else { said.join(", ") };
    row("How long did threads wait for a processor, of the time measured?", figure, "", None)
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

/// Promises of an immediate logout that were not kept.
fn promises(run: &Run) -> TrustRow {
    let immediate = |id: &str, all: bool| {
        run.strategies
            .iter()
            .filter(|record| record.id == id)
            .any(|record| (if all { &record.revoke_all } else { &record.revoke }) == "immediate")
    };
    let lags = run
        .revocation_lag
        .iter()
        .filter(|lag| immediate(&lag.strategy, lag.operation == "logout-all"));
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
