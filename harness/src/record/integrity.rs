//! Whether a record agrees with itself: what was edited, cut short, or claims more than it holds.

use std::collections::BTreeSet;

use super::run::{Cell, Histogram, Latency, Ledger, Run, Slots, Status};
use crate::measure::derive::cpu::{answered, valid_sum};
use crate::measure::gates::{checks, failed, slot_ledger};
use crate::measure::histogram::LatencyHistogram;

/// Something that keeps a record from being valid as a measurement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Where: arm, block, slot, or the part of the record.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// For contradictions that the instrument does not write.
pub(super) const ALTERED: &str =
    "the file was altered after it was written: restore it or measure again";
/// For what was measured of a strategy and is not what it declares.
const NOT_AS_DECLARED: &str =
    "a finding about the strategy, not about the run: correct the strategy or what it promises";
/// For failures of the measurement.
const MEASURE_AGAIN: &str = "nothing in this run may be cited: remove the cause and measure again";

/// Everything found wrong, what concerns the whole run first; empty for a valid record.
#[must_use]
pub fn findings(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    status(run, &mut found);
    names(run, &mut found);
    for cell in &run.cells {
        cell_findings(cell, &mut found);
    }
    for row in &run.revocation_cost {
        let place =
            format!("revocation_cost {} {}, block {}", row.strategy, row.operation, row.block);
        histogram(&place, "latency", &row.latency, &mut found);
    }
    super::loops::findings(run, &mut found);
    super::distance::findings(run, &mut found);
    super::prediction::findings(run, &mut found);
    found
}

pub(super) fn push(found: &mut Vec<Finding>, place: &str, what: String, remedy: &'static str) {
    found.push(Finding { place: place.into(), what, remedy });
}

/// Every name that is used is declared, and nothing is there twice.
fn names(run: &Run, found: &mut Vec<Finding>) {
    let strategies: BTreeSet<&str> = run.strategies.iter().map(|s| s.id.as_str()).collect();
    let mut arms = BTreeSet::new();
    for arm in &run.arms {
        if !arms.insert(arm.id.as_str()) {
            push(found, &arm.id, "two arms have this id".into(), ALTERED);
        }
        if !strategies.contains(arm.strategy.as_str()) {
            let what = format!("its strategy `{}` is not among `strategies`", arm.strategy);
            push(found, &arm.id, what, ALTERED);
        }
    }
    let mut cells = BTreeSet::new();
    for cell in &run.cells {
        let place = place(cell);
        if !arms.contains(cell.arm.as_str()) {
            push(found, &place, "the arm is not among `arms`".into(), ALTERED);
        }
        if !cells.insert((cell.arm.as_str(), cell.block)) {
            push(found, &place, "there are two cells of this arm and block".into(), ALTERED);
        }
        match &run.plan {
            Some(plan) if cell.block < plan.blocks => {}
            Some(plan) => {
                let what = format!("the plan has {} blocks, counted from 0", plan.blocks);
                push(found, &place, what, ALTERED);
            }
            None => {
                push(found, &place, "the run has no plan, so it loaded nothing".into(), ALTERED)
            }
        }
    }
}

fn place(cell: &Cell) -> String {
    format!("{}, block {}", cell.arm, cell.block)
}

fn cell_findings(cell: &Cell, found: &mut Vec<Finding>) {
    let place = place(cell);
    let before = found.len();
    columns(&place, &cell.slots, found);
    if found.len() > before {
        // Which slot an entry belongs to is not known any more.
        return;
    }
    for i in 0..cell.slots.order.len() {
        ledger(&format!("{place}, slot {i}"), slot_ledger(&cell.slots, i), found);
    }
    if let Some(window) = cell.window_ledger {
        ledger(&format!("{place}, latency window"), window, found);
    }
    if let Some(slots) = &cell.slot_latency {
        let admitted = valid_sum(&cell.slots, &cell.slots.expected);
        latency(&place, "slot_latency", slots, admitted, found);
    }
    if let Some(window) = &cell.window_latency {
        let admitted = cell.window_ledger.map_or(0, |ledger| ledger.expected);
        latency(&place, "window_latency", window, admitted, found);
    }
    let sent = answered(&cell.slots);
    if cell.driver_requests < sent {
        let what = format!(
            "driver_requests is {}, but its valid slots alone have {sent} answers",
            cell.driver_requests
        );
        push(found, &place, what, ALTERED);
    }
}

fn columns(place: &str, slots: &Slots, found: &mut Vec<Finding>) {
    let needed = [
        ("scheduled", slots.scheduled.len()),
        ("expected", slots.expected.len()),
        ("wrong_outcome", slots.wrong_outcome.len()),
        ("http_error", slots.http_error.len()),
        ("connection_error", slots.connection_error.len()),
        ("timeout", slots.timeout.len()),
        ("shed", slots.shed.len()),
        ("server_cpu_ns", slots.server_cpu_ns.len()),
        ("driver_cpu_ns", slots.driver_cpu_ns.len()),
        ("wall_ns", slots.wall_ns.len()),
        ("request_bytes", slots.request_bytes.len()),
        ("response_bytes", slots.response_bytes.len()),
        ("slip_p99_ns", slots.slip_p99_ns.len()),
        ("discarded", slots.discarded.len()),
    ];
    let optional = [
        ("store_cpu_ns", slots.store_cpu_ns.len()),
        ("redis_commands", slots.redis_commands.len()),
        ("decoy_commands", slots.decoy_commands.len()),
        ("server_runqueue_ns", slots.server_runqueue_ns.len()),
        ("steal_ticks", slots.steal_ticks.len()),
        ("softirq_ticks", slots.softirq_ticks.len()),
    ];
    let order = ("order", slots.order.len());
    lengths(place, order, &needed, found);
    let given: Vec<_> = optional.into_iter().filter(|(_, len)| *len > 0).collect();
    lengths(place, order, &given, found);
}

pub(super) fn lengths(
    place: &str,
    (first, expected): (&str, usize),
    columns: &[(&str, usize)],
    found: &mut Vec<Finding>,
) {
    for (name, len) in columns.iter().filter(|(_, len)| *len != expected) {
        let what = format!("column {name} has {len} entries, {first} has {expected}");
        push(found, place, what, ALTERED);
    }
}

pub(super) fn ledger(place: &str, ledger: Ledger, found: &mut Vec<Finding>) {
    if !ledger.closes() {
        let what = format!(
            "the ledger does not close: {} scheduled, {} accounted for",
            ledger.scheduled,
            ledger.accounted()
        );
        push(found, place, what, ALTERED);
    }
}

/// Three sound histograms, and one latency for every request answered as expected.
pub(super) fn latency(
    place: &str,
    name: &str,
    all: &Latency,
    admitted: u64,
    found: &mut Vec<Finding>,
) {
    histogram(place, &format!("{name}.response"), &all.response, found);
    histogram(place, &format!("{name}.service"), &all.service, found);
    histogram(place, &format!("{name}.slip"), &all.slip, found);
    let n = all.response.n.saturating_add(all.response.out_of_range);
    if n != admitted {
        let what = format!(
            "{name}.response holds {n} latencies, but {admitted} requests were answered as expected"
        );
        push(found, place, what, ALTERED);
    }
}

fn histogram(place: &str, name: &str, recorded: &Histogram, found: &mut Vec<Finding>) {
    if let Err(error) = LatencyHistogram::from_record(recorded) {
        push(found, place, format!("{name}: {error}"), ALTERED);
    }
}

/// The status says no more than the record holds.
fn status(run: &Run, found: &mut Vec<Finding>) {
    let complete = run.run.status == Status::Complete;
    let name = match run.run.status {
        Status::Complete => "complete",
        Status::Partial => "partial",
        Status::Invalid => "invalid",
    };
    if run.run.status == Status::Invalid {
        let reasons = run.run.reasons.join("; ");
        push(found, "run.status", format!("the run is invalid: {reasons}"), MEASURE_AGAIN);
    }
    // An open ledger is named slot by slot above.
    for check in failed(checks(run)).into_iter().filter(|c| !c.name.ends_with("ledger-closes")) {
        let place = match check.arm.zip(check.block) {
            Some((arm, block)) => format!("{arm}, block {block}"),
            None => "run".into(),
        };
        let what = format!("gate {} fails: {} (status: {name})", check.name, check.detail);
        let of_strategy = check.scope == "strategy";
        push(found, &place, what, if of_strategy { NOT_AS_DECLARED } else { MEASURE_AGAIN });
    }
    for check in run.checks.iter().filter(|c| complete && c.scope == "run" && !c.pass) {
        let what = format!(
            "the status is `complete`, yet the recorded check {} failed: {}",
            check.name, check.detail
        );
        push(found, "checks", what, MEASURE_AGAIN);
    }
    if complete {
        whole(run, found);
    }
}

/// A complete run has every arm in every block, and an end.
fn whole(run: &Run, found: &mut Vec<Finding>) {
    let measured: BTreeSet<(&str, u32)> = run
        .cells
        .iter()
        .filter(|cell| !cell.slots.order.is_empty())
        .map(|cell| (cell.arm.as_str(), cell.block))
        .collect();
    let blocks = run.plan.as_ref().map_or(0, |plan| plan.blocks);
    for arm in &run.arms {
        for block in (0..blocks).filter(|b| !measured.contains(&(arm.id.as_str(), *b))) {
            let what = "the status is `complete`, yet nothing was measured here".into();
            push(found, &format!("{}, block {block}", arm.id), what, ALTERED);
        }
    }
    if run.run.finished_utc.is_none() {
        let what = "the status is `complete`, yet there is no end".into();
        push(found, "run.finished_utc", what, ALTERED);
    }
}
