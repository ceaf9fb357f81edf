//! What does the library cost above the signature?

use super::algorithms::distinct;
use super::rows::{Fill, Group, Part, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input, loop_conditions};
use crate::record::derived::OverheadResult;
use crate::report::format::{self, MICROS, three_digits};
use crate::report::loops::is_usual;
use crate::report::palette::COLORS;

const TITLE: &str = "What does a verification cost above its signature?";

/// The chart, when ways and signatures were timed.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let rows: Vec<&OverheadResult> = (input.derived.overhead.iter())
        .filter(|row| row.operation == "verify")
        .filter(|row| is_usual(row.claims.as_deref(), row.backend.as_deref()))
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let paths = distinct(rows.iter().map(|row| row.path.as_str()));
    let color = |path: &str| {
        let at = paths.iter().position(|known| *known == path).unwrap_or(0);
        COLORS[at % COLORS.len()]
    };
    let groups = distinct(rows.iter().map(|row| row.algorithm.as_str())).into_iter().map(|alg| {
        let own = rows.iter().filter(|row| row.algorithm == alg);
        Group { heading: alg.to_owned(), rows: own.map(|own| row(own, color(&own.path))).collect() }
    });
    let chart = Rows {
        title: TITLE,
        subtitle:
            "Lower is better. Beside each bar: what is drawn, and how much of the whole it is."
                .into(),
        axis: "CPU above the signature alone, µs (linear, from 0)".into(),
        kind: Kind::Linear,
        groups: groups.collect(),
        marks: vec![],
        legend: paths.iter().map(|path| (Fill::Solid(color(path)), (*path).to_owned())).collect(),
        caption: format!(
            "The whole less the signature alone, within groups of batches taken at the same time; \
             aws-lc-rs, typical claims; the rest is in the table. Clock: CPU of the thread. {}",
            loop_conditions(input, rows.iter().map(|row| &row.above_ns))
        ),
    };
    let said: Vec<String> = (chart.groups.iter())
        .flat_map(|g| g.rows.iter().map(|r| format!("{} {}: {}", g.heading, r.label, r.value)))
        .collect();
    let alt = format!("Horizontal bars of CPU above the signature. {}.", said.join("; "));
    Chart::draw("overhead", TITLE, alt, |width| chart.scene(width)).map(Some)
}

fn row(own: &OverheadResult, color: Rgb) -> Row {
    let us = |ns: f64| ns / 1e3;
    let above = &own.above_ns;
    Row {
        label: own.path.clone(),
        value: format!(
            "{}, {} % of the whole",
            format::estimate(above, MICROS),
            three_digits(own.percent_of_whole)
        ),
        ink: color.ink(),
        parts: vec![Part { from: 0.0, to: us(above.value), fill: Fill::Solid(color) }],
        whisker: Some((us(above.low), us(above.high))),
        point: None,
        dots: vec![],
    }
}
