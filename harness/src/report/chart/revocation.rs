//! What does a logout cost? CPU and Redis commands of taking credentials back.

use super::rows::{Fill, Group, Part, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input};
use crate::record::derived::RevocationCostResult;
use crate::report::format;

const TITLE: &str = "What does a logout cost?";

/// The chart, when anything was measured.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let results = &input.derived.revocation_cost;
    let mut operations: Vec<(&str, u32)> = Vec::new();
    for result in results {
        let key = (result.operation.as_str(), result.credentials_per_call);
        if result.cpu_ns.is_some() && !operations.contains(&key) {
            operations.push(key);
        }
    }
    if operations.is_empty() {
        return Ok(None);
    }
    let groups = operations.iter().map(|&(operation, credentials)| {
        let mut own: Vec<&RevocationCostResult> = results
            .iter()
            .filter(|r| (r.operation.as_str(), r.credentials_per_call) == (operation, credentials))
            .collect();
        own.sort_by(|a, b| value(a).total_cmp(&value(b)));
        let s = if credentials == 1 { "" } else { "s" };
        Group {
            heading: format!("{operation} of {credentials} credential{s}"),
            rows: own.into_iter().filter_map(|r| row(input, r)).collect(),
        }
    });
    let chart = Rows {
        title: TITLE,
        subtitle: "Lower is better. Beside each bar: CPU per call, Redis commands per call.".into(),
        axis: "CPU per call, server + Redis, µs (linear, from 0)".into(),
        kind: Kind::Linear,
        groups: groups.collect(),
        marks: vec![],
        legend: vec![
            (Fill::Solid(Rgb::INK), "server".into()),
            (Fill::Striped(Rgb::INK), "Redis".into()),
            (Fill::Solid(Rgb::GREY), "takes nothing back before expiry".into()),
        ],
        caption: format!(
            "95 % intervals over n = {} blocks. Unlike CPU per request, the HTTP request itself is \
             included. A logout that takes nothing back is cheap and useless: read this with the \
             promise. {}",
            input.derived.blocks,
            crate::report::verdicts::status_note(input.run)
        ),
    };
    let said: Vec<String> = (chart.groups.iter())
        .flat_map(|g| g.rows.iter().map(|r| format!("{}, {}: {}", g.heading, r.label, r.value)))
        .collect();
    let alt = format!("Horizontal bars of CPU per logout. {}.", said.join("; "));
    Chart::draw("revocation-cost", TITLE, alt, |width| chart.scene(width)).map(Some)
}

fn value(result: &RevocationCostResult) -> f64 {
    result.cpu_ns.map_or(f64::INFINITY, |cpu| cpu.value)
}

fn row(input: &Input<'_>, result: &RevocationCostResult) -> Option<Row> {
    let cpu = result.cpu_ns?;
    let useless = result.promise == "at-expiry";
    let color = if useless { Rgb::GREY } else { input.palette.look(&result.strategy).color };
    let us = |ns: f64| ns / 1e3;
    let store = result.store_cpu_ns.unwrap_or(0.0).clamp(0.0, cpu.value.max(0.0));
    let parts = [
        Part { from: 0.0, to: us(cpu.value - store), fill: Fill::Solid(color) },
        Part { from: us(cpu.value - store), to: us(cpu.value), fill: Fill::Striped(color) },
    ];
    let commands = result.redis_commands.map(|n| format!("{} cmd", super::rows::tick_label(n)));
    Some(Row {
        label: result.strategy.clone(),
        value: [Some(format::estimate(&cpu, format::MICROS)), commands]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", "),
        ink: color.ink(),
        parts: parts.into_iter().filter(|part| part.to > part.from).collect(),
        whisker: Some((us(cpu.low), us(cpu.high))),
        point: None,
        dots: vec![],
    })
}
