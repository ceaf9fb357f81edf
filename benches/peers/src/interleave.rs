//! Stand-in for the instrument's interleaved runner, with its signature; to be replaced by it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench_harness::record::run::MicroCell;
use authbench_subjects::bed::Bed;
use authbench_subjects::subject::{Batch, Name, Spent, Stopwatch, Subject};

/// Length of a batch, nanoseconds of CPU.
const BATCH_NS: u64 = 1_000_000;

struct Row {
    cell: MicroCell,
    subject: String,
    reference: String,
    waits: bool,
}

/// Times every subject that has a reference, each alternating with it, for `budget` in all.
///
/// # Errors
/// When a subject cannot be set up or answers wrongly, or a reference is not in the list.
pub fn interleave(
    bed: &Arc<Bed>,
    subjects: Vec<Subject>,
    budget: Duration,
) -> anyhow::Result<Vec<MicroCell>> {
    let mut rows = Vec::new();
    let mut batches = HashMap::new();
    for subject in subjects {
        let (id, waits) = (subject.name.to_string(), subject.waits);
        if let Some(reference) = subject.reference.clone() {
            let cell = empty_cell(&subject.name, &reference);
            rows.push(Row { cell, subject: id.clone(), reference, waits });
        }
        let mut batch = subject.make(bed)?;
        let length = calibrate(&mut batch)?;
        batches.insert(id, (batch, length));
    }
    let end = Instant::now() + budget;
    let mut swap = false;
    while Instant::now() < end {
        for row in &mut rows {
            let mut run = |id: &str| -> anyhow::Result<(u64, Spent)> {
                let (batch, length) =
                    batches.get_mut(id).with_context(|| format!("no subject `{id}`"))?;
                Ok((*length, time(batch, *length, bed, row.waits)?))
            };
            let (own, other) = if swap {
                let other = run(&row.reference)?;
                (run(&row.subject)?, other)
            } else {
                (run(&row.subject)?, run(&row.reference)?)
            };
            push(&mut row.cell, own, other, row.waits);
        }
        swap = !swap;
    }
    Ok(rows.into_iter().map(|row| row.cell).collect())
}

fn empty_cell(name: &Name, reference: &str) -> MicroCell {
    let algorithm = name.parameters.iter().find(|(factor, _)| *factor == "alg");
    MicroCell {
        id: name.to_string(),
        operation: name.operation.into(),
        algorithm: algorithm.map(|(_, level)| level.clone()),
        reference: Some(reference.into()),
        ..MicroCell::default()
    }
}

fn push(cell: &mut MicroCell, own: (u64, Spent), other: (u64, Spent), waits: bool) {
    let wall = |spent: Spent| u64::try_from(spent.wall.as_nanos()).unwrap_or(u64::MAX);
    cell.iterations.push(own.0);
    cell.cpu_ns.push(own.1.cpu_ns);
    cell.wall_ns.push(wall(own.1));
    cell.reference_iterations.push(other.0);
    cell.reference_cpu_ns.push(other.1.cpu_ns);
    cell.reference_wall_ns.push(wall(other.1));
    if waits {
        cell.store_cpu_ns.push(own.1.store_cpu_ns);
        cell.reference_store_cpu_ns.push(other.1.store_cpu_ns);
    }
}

fn time(batch: &mut Batch, iterations: u64, bed: &Bed, waits: bool) -> anyhow::Result<Spent> {
    let mut stopwatch = match &bed.redis {
        Ok(stage) if waits => Stopwatch::with_store(&stage.cpu),
        Ok(_) | Err(_) => Stopwatch::new(),
    };
    batch(iterations, &mut stopwatch)?;
    Ok(stopwatch.spent())
}

/// Iterations that fill a batch; warms the path on the way.
fn calibrate(batch: &mut Batch) -> anyhow::Result<u64> {
    let mut iterations = 1;
    loop {
        let mut stopwatch = Stopwatch::new();
        batch(iterations, &mut stopwatch)?;
        let ns = stopwatch.spent().cpu_ns.max(1);
        if ns >= BATCH_NS / 4 || iterations >= 1 << 24 {
            return Ok((iterations * BATCH_NS / ns).max(1));
        }
        iterations *= 2;
    }
}
