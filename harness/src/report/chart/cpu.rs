//! What do I pay? CPU per request: the floor, the server above it, Redis.

use super::rows::{Fill, Group, Part, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input, conditions};
use crate::record::derived::{ArmResult, Estimate};
use crate::record::run::Role;
use crate::report::format;

const TITLE: &str = "What does a request cost in CPU?";

/// The chart, when anything was measured.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let Some(none) = input.derived.none_cpu_ns else { return Ok(None) };
    let group = |heading: &str, contenders: bool| {
        let mut arms: Vec<(&ArmResult, Estimate)> = (input.derived.arms.iter())
            .filter(|arm| (arm.role == Role::Contender) == contenders)
            .filter_map(|arm| Some((arm, arm.cpu_above_none_ns?)))
            .collect();
        arms.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
        let rows: Vec<Row> = arms.iter().map(|(arm, above)| row(input, arm, above, none)).collect();
        (!rows.is_empty()).then(|| Group { heading: heading.into(), rows })
    };
    let groups: Vec<Group> = [
        group("Strategies", true),
        group(
            "Controls (not compared; the decoy's own Redis load is not counted as its cost)",
            false,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let chart = Rows {
        title: TITLE,
        subtitle: "Lower is better. Beside each bar: CPU above none with its 95 % interval.".into(),
        axis: "CPU per request, server + Redis, µs (linear, from 0)".into(),
        kind: Kind::Linear,
        groups: short_headings(groups),
        marks: vec![],
        legend: vec![
            (Fill::Solid(Rgb::GREY.tint(0.45)), "floor: none".into()),
            (Fill::Solid(Rgb::INK), "server above none".into()),
            (Fill::Striped(Rgb::INK), "Redis, net of none".into()),
        ],
        caption: format!("Whisker: interval of CPU above none. {}", conditions(input)),
    };
    let said =
        chart.groups.iter().flat_map(|g| &g.rows).map(|r| format!("{}: {}", r.label, r.value));
    let alt = format!(
        "Horizontal stacked bars of CPU per request. The floor is {} µs. Above it: {}.",
        format::three_digits(none / 1e3),
        said.collect::<Vec<_>>().join("; ")
    );
    Chart::draw("cpu", TITLE, alt, |width| chart.scene(width)).map(Some)
}

/// Headings say something only where there are two.
fn short_headings(mut groups: Vec<Group>) -> Vec<Group> {
    if let [only] = groups.as_mut_slice() {
        only.heading.clear();
    }
    for group in &mut groups {
        if let Some((short, _)) = group.heading.split_once(" (not compared") {
            group.heading = format!("{short} (not compared)");
        }
    }
    groups
}

fn row(input: &Input<'_>, arm: &ArmResult, above: &Estimate, none: f64) -> Row {
    let contender = arm.role == Role::Contender;
    let color = if contender { input.palette.look(&arm.strategy).color } else { Rgb::GREY };
    let us = |ns: f64| ns / 1e3;
    // A decoy's Redis works for the decoy, not for the arm.
    let store = match arm.role {
        Role::Decoy => 0.0,
        _ => arm.store_cpu_ns.unwrap_or(0.0).clamp(0.0, above.value.max(0.0)),
    };
    let server = above.value - store;
    let floor = none + server.min(0.0);
    let parts = [
        Part { from: 0.0, to: us(floor), fill: Fill::Solid(Rgb::GREY.tint(0.45)) },
        Part { from: us(floor), to: us(none + server), fill: Fill::Solid(color) },
        Part { from: us(none + server), to: us(none + above.value), fill: Fill::Striped(color) },
    ];
    Row {
        label: arm.arm.clone(),
        value: format!("+{}", format::estimate(above, format::MICROS)).replace("+-", "-"),
        ink: color.ink(),
        parts: parts.into_iter().filter(|part| us(1.0) < part.to - part.from).collect(),
        whisker: Some((us(none + above.low), us(none + above.high))),
        point: None,
        dots: vec![],
    }
}
