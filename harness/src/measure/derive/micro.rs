//! What was timed in loops: subject and reference in neighbouring batches, intervals over groups of
//! batches; and beside it what Criterion timed, one subject after the other.

use std::collections::BTreeMap;

use crate::measure::stats::{median_interval, t95};
use crate::record::derived::{Estimate, MicroResult};
use crate::record::run::{MicroCell, Run, Timer};

/// Neighbouring batches resemble each other, so that an interval over single ones would be too
/// narrow: they are pooled into this many consecutive groups first.
const GROUPS: usize = 10;

/// One row per id, in the order of their first cells. Each timer fills its own figures.
#[must_use]
pub fn results(run: &Run) -> Vec<MicroResult> {
    let mut rows: Vec<MicroResult> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for found in run.micro.iter().filter_map(result) {
        match places.get(&found.id) {
            Some(place) => merge(&mut rows[*place], found),
            None => {
                places.insert(found.id.clone(), rows.len());
                rows.push(found);
            }
        }
    }
    rows
}

fn merge(row: &mut MicroResult, other: MicroResult) {
    let criterion_ns = row.criterion_ns.or(other.criterion_ns);
    let strategy = row.strategy.take().or_else(|| other.strategy.clone());
    let algorithm = row.algorithm.take().or_else(|| other.algorithm.clone());
    if row.cpu_ns.is_none() && other.cpu_ns.is_some() {
        *row = other;
    }
    (row.criterion_ns, row.strategy, row.algorithm) = (criterion_ns, strategy, algorithm);
}

/// One cell's figures; `None` with too few batches for an interval: two, of Criterion six.
#[must_use]
pub fn result(cell: &MicroCell) -> Option<MicroResult> {
    let (subject, parameters) = parse(&cell.id);
    let row = MicroResult {
        id: cell.id.clone(),
        operation: cell.operation.clone(),
        subject,
        parameters,
        strategy: cell.strategy.clone(),
        algorithm: cell.algorithm.clone(),
        reference: cell.reference.clone(),
        ..MicroResult::default()
    };
    match cell.timer {
        Timer::Interleaved => interleaved(cell, row),
        Timer::Criterion => {
            let each: Vec<f64> = (cell.iterations.iter().zip(&cell.wall_ns))
                .filter(|(n, _)| **n > 0)
                .map(|(n, ns)| *ns as f64 / *n as f64)
                .collect();
            let criterion_ns = Some(median_interval(&each)?.estimate());
            Some(MicroResult { criterion_ns, reference: None, ..row })
        }
    }
}

fn interleaved(cell: &MicroCell, row: MicroResult) -> Option<MicroResult> {
    let own = per_operation(&cell.iterations, &cell.cpu_ns);
    let own_store = per_operation(&cell.iterations, &cell.store_cpu_ns);
    let own_wall = per_operation(&cell.iterations, &cell.wall_ns);
    let other = per_operation(&cell.reference_iterations, &cell.reference_cpu_ns);
    let other_store = per_operation(&cell.reference_iterations, &cell.reference_store_cpu_ns);
    let other_wall = per_operation(&cell.reference_iterations, &cell.reference_wall_ns);
    // Where only one of the two asks a store, the other's share of it is nothing.
    let asked = !own_store.is_empty() || !other_store.is_empty();
    let (total, other_total) = (sum(&own, &own_store), sum(&other, &other_store));
    let with_store = |figure: Option<Estimate>| figure.filter(|_| asked);
    Some(MicroResult {
        cpu_ns: Some(estimate(&own)?),
        ratio: ratio(&own, &other),
        store_cpu_ns: estimate(&own_store),
        total_cpu_ns: with_store(estimate(&total)),
        total_ratio: with_store(ratio(&total, &other_total)),
        wall_ns: estimate(&own_wall),
        wall_ratio: ratio(&own_wall, &other_wall),
        ..row
    })
}

/// Thread CPU per operation of each group of batches, nanoseconds: group `i` of two cells of one
/// pass was taken at the same time.
#[must_use]
pub(super) fn grouped_cpu(cell: &MicroCell) -> Vec<f64> {
    let each: Vec<f64> =
        per_operation(&cell.iterations, &cell.cpu_ns).into_iter().flatten().collect();
    groups(&each)
}

/// Means of consecutive samples, [`GROUPS`] of them or as many as there are samples.
fn groups(each: &[f64]) -> Vec<f64> {
    let (n, count) = (each.len(), GROUPS.min(each.len()));
    let group = |i: usize| &each[n * i / count..n * (i + 1) / count];
    let mean = |members: &[f64]| members.iter().sum::<f64>() / members.len() as f64;
    (0..count).map(|i| mean(group(i))).collect()
}

fn estimate(each: &[Option<f64>]) -> Option<Estimate> {
    let each: Vec<f64> = each.iter().copied().flatten().collect();
    Some(t95(&groups(&each))?.estimate())
}

fn ratio(own: &[Option<f64>], other: &[Option<f64>]) -> Option<Estimate> {
    let each: Vec<f64> = (own.iter().zip(other))
        .filter_map(|(own, other)| Some((*own)? / other.filter(|ns| *ns > 0.0)?))
        .collect();
    Some(t95(&groups(&each))?.estimate())
}

/// Batch by batch; a column that was not measured adds nothing.
fn sum(cpu: &[Option<f64>], store: &[Option<f64>]) -> Vec<Option<f64>> {
    let added =
        |(i, cpu): (usize, &Option<f64>)| Some((*cpu)? + store.get(i).map_or(Some(0.0), |s| *s)?);
    cpu.iter().enumerate().map(added).collect()
}

/// Nanoseconds per operation of each batch.
fn per_operation(iterations: &[u64], ns: &[u64]) -> Vec<Option<f64>> {
    let batch = |(n, ns): (&u64, &u64)| (*n > 0).then(|| *ns as f64 / *n as f64);
    iterations.iter().zip(ns).map(batch).collect()
}

/// Subject and parameters of `operation/subject/factor=level,...`.
fn parse(id: &str) -> (String, BTreeMap<String, String>) {
    let mut parts = id.splitn(3, '/').skip(1);
    let subject = parts.next().unwrap_or_default().to_owned();
    let pair = |each: &str| {
        let (factor, level) = each.split_once('=').unwrap_or((each, ""));
        (factor.to_owned(), level.to_owned())
    };
    let cell = parts.next().unwrap_or_default();
    (subject, cell.split(',').filter(|each| !each.is_empty()).map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_apart() {
        let (subject, parameters) = parse("verify/jsonwebtoken+policy/alg=RS256-3072,claims=1k");
        assert_eq!(subject, "jsonwebtoken+policy");
        assert_eq!(parameters["alg"], "RS256-3072");
        assert_eq!((parameters.len(), parameters["claims"].as_str()), (2, "1k"));
        assert_eq!(parse("verify/jwt-hs256"), ("jwt-hs256".into(), BTreeMap::new()));
    }
}
