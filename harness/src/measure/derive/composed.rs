//! What follows from several rows together: the price above the signature, whether parts add up to
//! the whole, and what an entry weighs.

use super::micro::grouped_cpu;
use crate::measure::stats::{six, t95};
use crate::record::derived::{MemoryResult, MicroResult, OverheadResult, PartSum, Step};
use crate::record::run::{MicroCell, Run, Timer};

/// A sum of parts may be this far from the whole, per cent.
const SUM_TOLERANCE: f64 = 10.0;
/// What stands for the whole where parts leave a factor open.
const USUAL: [(&str, &str); 3] =
    [("claims", "typical"), ("backend", "aws-lc-rs"), ("alg", "HS256")];

/// Each way of verifying and issuing less the signature alone of the same cell.
pub(super) fn overhead(run: &Run, micro: &[MicroResult]) -> Vec<OverheadResult> {
    let is_way = |row: &&MicroResult| {
        matches!(row.operation.as_str(), "verify" | "issue")
            && row.subject != "primitive"
            && row.parameters.contains_key("alg")
    };
    micro.iter().filter(is_way).filter_map(|row| above(run, row, primitive(row, micro)?)).collect()
}

/// The signature alone whose every factor has the level it has in `row`.
fn primitive<'a>(row: &MicroResult, micro: &'a [MicroResult]) -> Option<&'a MicroResult> {
    let same = |other: &&MicroResult| {
        other.operation == row.operation
            && other.subject == "primitive"
            && other.parameters.contains_key("alg")
            && other.parameters.iter().all(|(k, v)| row.parameters.get(k) == Some(v))
    };
    micro.iter().filter(same).max_by_key(|other| other.parameters.len())
}

fn above(run: &Run, row: &MicroResult, primitive: &MicroResult) -> Option<OverheadResult> {
    let cell = |id: &str| -> Option<&MicroCell> {
        run.micro.iter().find(|cell| cell.id == id && cell.timer == Timer::Interleaved)
    };
    let (own, alone) = (grouped_cpu(cell(&row.id)?), grouped_cpu(cell(&primitive.id)?));
    if own.len() != alone.len() {
        return None;
    }
    let differences: Vec<f64> = own.iter().zip(&alone).map(|(own, alone)| own - alone).collect();
    let above_ns = t95(&differences)?.estimate();
    let (whole_ns, primitive_ns) = (row.cpu_ns?.value, primitive.cpu_ns?.value);
    Some(OverheadResult {
        id: row.id.clone(),
        operation: row.operation.clone(),
        path: row.subject.clone(),
        algorithm: row.parameters.get("alg")?.clone(),
        claims: row.parameters.get("claims").cloned(),
        backend: row.parameters.get("backend").cloned(),
        primitive: primitive.id.clone(),
        primitive_ns,
        above_ns,
        percent_of_whole: six(above_ns.value / whole_ns * 100.0),
    })
}

/// The parts of each path beside its whole.
pub(super) fn part_sums(micro: &[MicroResult]) -> Vec<PartSum> {
    let parts: Vec<&MicroResult> =
        micro.iter().filter(|row| row.operation == "part" && row.cpu_ns.is_some()).collect();
    let mut sums: Vec<(Vec<&MicroResult>, &MicroResult)> = Vec::new();
    for part in parts {
        let Some(whole) = whole_of(part, micro) else { continue };
        let same = |(others, of): &&mut (Vec<&MicroResult>, &MicroResult)| {
            of.id == whole.id && others[0].subject == part.subject
        };
        match sums.iter_mut().find(same) {
            Some((others, _)) => others.push(part),
            None => sums.push((vec![part], whole)),
        }
    }
    sums.into_iter().filter_map(|(parts, whole)| part_sum(&parts, whole)).collect()
}

fn part_sum(parts: &[&MicroResult], whole: &MicroResult) -> Option<PartSum> {
    let step = |part: &&MicroResult| {
        Some(Step { step: part.parameters.get("step")?.clone(), cpu_ns: part.cpu_ns?.value })
    };
    let steps: Vec<Step> = parts.iter().filter_map(step).collect();
    let sum_ns: f64 = steps.iter().map(|step| step.cpu_ns).sum();
    let whole_ns = whole.cpu_ns?.value;
    let percent = sum_ns / whole_ns * 100.0;
    Some(PartSum {
        path: parts.first()?.subject.clone(),
        whole: whole.id.clone(),
        steps,
        sum_ns: six(sum_ns),
        whole_ns,
        percent: six(percent),
        pass: (percent - 100.0).abs() <= SUM_TOLERANCE,
    })
}

/// What `part` is a part of: its reference where that is a verification of the same path, else the
/// verification that has all its factors, at the usual levels of the others.
fn whole_of<'a>(part: &MicroResult, micro: &'a [MicroResult]) -> Option<&'a MicroResult> {
    let fits = |row: &&MicroResult| {
        let levels = part.parameters.iter().filter(|(factor, _)| *factor != "step");
        row.operation == "verify"
            && row.subject == part.subject
            && row.cpu_ns.is_some()
            && levels.into_iter().all(|(k, v)| row.parameters.get(k) == Some(v))
    };
    let usual = |row: &&MicroResult| {
        let is = |(k, v): &&(&str, &str)| row.parameters.get(*k).is_some_and(|level| level == v);
        (part.reference.as_deref() == Some(&row.id), USUAL.iter().filter(is).count())
    };
    // Of equals the first, so that the order of the record decides.
    micro.iter().filter(fits).rev().max_by_key(usual)
}

/// Bytes an entry adds to the store.
pub(super) fn memory(run: &Run) -> Vec<MemoryResult> {
    let rows = run.memory.iter().filter(|row| row.entries > 0);
    let weigh = |row: &crate::record::run::MemoryRow| MemoryResult {
        strategy: row.strategy.clone(),
        entry: row.entry.clone(),
        entries: row.entries,
        bytes_per_entry: six(
            (row.used_after_bytes as f64 - row.used_before_bytes as f64) / row.entries as f64
        ),
        usage_bytes: row.usage_bytes,
    };
    rows.map(weigh).collect()
}
