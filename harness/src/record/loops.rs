//! Whether the part of a record that needs no server agrees with itself.

use std::collections::BTreeSet;

use super::integrity::{ALTERED, Finding, lengths, push};
use super::run::{MicroCell, Run, Timer, WireRow};

/// Everything found wrong in what was timed in loops, sized and weighed.
pub(super) fn findings(run: &Run, found: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for cell in &run.micro {
        let place = place(cell);
        if !seen.insert((cell.id.as_str(), cell.timer == Timer::Criterion)) {
            push(found, &place, "it is there twice by the same timer".into(), ALTERED);
        }
        micro(&place, cell, found);
    }
    for row in &run.wire {
        wire(row, found);
    }
    for row in run.memory.iter().filter(|row| row.entries == 0) {
        let place = format!("memory {} {}", row.strategy, row.entry);
        push(found, &place, "it weighs no entries".into(), ALTERED);
    }
}

fn place(cell: &MicroCell) -> String {
    match cell.timer {
        Timer::Interleaved => format!("micro {}", cell.id),
        Timer::Criterion => format!("micro {} (Criterion)", cell.id),
    }
}

/// A column that must be there has an entry for each batch, any other has that or none.
fn micro(place: &str, cell: &MicroCell, found: &mut Vec<Finding>) {
    let interleaved = cell.timer == Timer::Interleaved;
    let beside = interleaved && cell.reference.is_some();
    let columns = [
        ("cpu_ns", cell.cpu_ns.len(), interleaved),
        ("wall_ns", cell.wall_ns.len(), !interleaved),
        ("store_cpu_ns", cell.store_cpu_ns.len(), false),
        ("reference_iterations", cell.reference_iterations.len(), beside),
        ("reference_cpu_ns", cell.reference_cpu_ns.len(), beside),
        ("reference_wall_ns", cell.reference_wall_ns.len(), false),
        ("reference_store_cpu_ns", cell.reference_store_cpu_ns.len(), false),
    ];
    let checked: Vec<(&str, usize)> = columns
        .into_iter()
        .filter(|(_, len, needed)| *needed || *len > 0)
        .map(|(name, len, _)| (name, len))
        .collect();
    lengths(place, ("iterations", cell.iterations.len()), &checked, found);
    let batches = cell.iterations.iter().chain(&cell.reference_iterations);
    if batches.into_iter().any(|n| *n == 0) {
        push(found, place, "a batch has no iterations".into(), ALTERED);
    }
}

/// A credential is part of its header line, and that of the request.
fn wire(row: &WireRow, found: &mut Vec<Finding>) {
    let [inner, line, outer] = [row.credential_bytes, row.header_line_bytes, row.request_bytes];
    if inner > line || line > outer {
        let algorithm = row.algorithm.as_deref().unwrap_or("no algorithm");
        let claims = row.claims.as_deref().unwrap_or("no claims");
        let place = format!("wire {} {algorithm}, {claims}, {}", row.credential, row.carrier);
        let what = format!("a credential of {inner} bytes, a line of {line}, a request of {outer}");
        push(found, &place, what, ALTERED);
    }
}
