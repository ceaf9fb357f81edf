//! Does the algorithm matter? CPU of one verification and one issue, without a server around them.

use super::rows::{Group, Row, Rows};
use super::scale::Kind;
use super::{Chart, Input};
use crate::record::derived::{Estimate, MicroResult};
use crate::report::format;
use crate::report::loop_tables::is_strategy;

const TITLE: &str = "What does one verification, one issue cost?";

/// The chart, when the pass was made.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let mut operations: Vec<&str> = Vec::new();
    for result in rows(input) {
        if !operations.contains(&result.operation.as_str()) {
            operations.push(&result.operation);
        }
    }
    let groups: Vec<Group> = operations.iter().map(|operation| group(input, operation)).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let batches = rows(input).filter_map(|m| Some(m.cpu_ns?.n)).min().unwrap_or(0);
    let chart = Rows {
        title: TITLE,
        subtitle: "Lower is better. Logarithmic: each step to the right is a factor.".into(),
        axis: "Thread CPU per operation, µs (logarithmic)".into(),
        kind: Kind::Log,
        groups,
        marks: vec![],
        legend: vec![],
        caption: format!(
            "95 % intervals over n = {batches} groups of batches or more; subject and reference \
             alternate. No server, no network, warm caches: compare ratios, not with CPU per \
             request. {}",
            crate::report::verdicts::status_note(input.run)
        ),
    };
    let said: Vec<String> = (chart.groups.iter())
        .flat_map(|g| g.rows.iter().map(|r| format!("{} {}: {}", g.heading, r.label, r.value)))
        .collect();
    let alt = format!("Points with intervals on a logarithmic axis. {}.", said.join("; "));
    Chart::draw("micro", TITLE, alt, |width| chart.scene(width)).map(Some)
}

/// The strategies; other subjects have charts of their own.
fn rows<'a>(input: &Input<'a>) -> impl Iterator<Item = &'a MicroResult> {
    let is_timed = |m: &&MicroResult| is_strategy(m) && m.cpu_ns.is_some();
    input.derived.micro.iter().filter(is_timed)
}

fn group(input: &Input<'_>, operation: &str) -> Group {
    let mut results: Vec<(&MicroResult, Estimate)> = rows(input)
        .filter(|m| m.operation == operation)
        .filter_map(|m| Some((m, m.cpu_ns?)))
        .collect();
    results.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
    let rows = results.into_iter().map(|(m, cpu_ns)| {
        let look = input.palette.look(m.strategy.as_deref().unwrap_or(""));
        let us = |ns: f64| ns / 1e3;
        Row {
            label: match &m.algorithm {
                Some(algorithm) => {
                    format!("{} · {algorithm}", m.strategy.as_deref().unwrap_or(&m.id))
                }
                None => m.strategy.clone().unwrap_or_else(|| m.id.clone()),
            },
            value: format::estimate(&cpu_ns, format::MICROS),
            ink: look.color.ink(),
            parts: vec![],
            whisker: Some((us(cpu_ns.low), us(cpu_ns.high))),
            point: Some((us(cpu_ns.value), look)),
            dots: vec![],
        }
    });
    Group { heading: operation.to_owned(), rows: rows.collect() }
}
