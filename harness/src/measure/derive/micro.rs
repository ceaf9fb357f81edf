//! The micro pass: subject and reference in neighbouring batches, intervals over groups of batches.

use crate::measure::stats::t95;
use crate::record::derived::MicroResult;
use crate::record::run::MicroCell;

/// Neighbouring batches resemble each other, so that an interval over single ones would be too
/// narrow: they are pooled into this many consecutive groups first.
const GROUPS: usize = 10;

/// One subject's figures; `None` below two whole batches.
#[must_use]
pub fn result(cell: &MicroCell) -> Option<MicroResult> {
    let subject = per_operation(&cell.iterations, &cell.cpu_ns);
    let reference = per_operation(&cell.reference_iterations, &cell.reference_cpu_ns);
    let both: Vec<(f64, f64)> = subject
        .into_iter()
        .zip(reference)
        .filter_map(|(own, other)| Some((own?, other.filter(|ns| *ns > 0.0)?)))
        .collect();
    let groups = GROUPS.min(both.len());
    let mut cpu = Vec::with_capacity(groups);
    let mut ratio = Vec::with_capacity(groups);
    for group in 0..groups {
        let members = &both[both.len() * group / groups..both.len() * (group + 1) / groups];
        let mean =
            |of: fn(&(f64, f64)) -> f64| members.iter().map(of).sum::<f64>() / members.len() as f64;
        cpu.push(mean(|batch| batch.0));
        ratio.push(mean(|batch| batch.0 / batch.1));
    }
    Some(MicroResult {
        id: cell.id.clone(),
        operation: cell.operation.clone(),
        strategy: cell.strategy.clone(),
        algorithm: cell.algorithm.clone(),
        reference: cell.reference.clone(),
        cpu_ns: t95(&cpu)?.estimate(),
        ratio: t95(&ratio)?.estimate(),
    })
}

/// CPU per operation of each batch, nanoseconds.
fn per_operation(iterations: &[u64], cpu_ns: &[u64]) -> Vec<Option<f64>> {
    let batch = |(n, ns): (&u64, &u64)| (*n > 0).then(|| *ns as f64 / *n as f64);
    iterations.iter().zip(cpu_ns).map(batch).collect()
}
