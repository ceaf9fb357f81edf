//! Do big credentials hurt? What travels with every request, in bytes.

use super::rows::{Fill, Group, Part, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input};
use crate::record::run::{Role, SizeRow};
use crate::report::format;

const TITLE: &str = "What travels with every request?";

/// Limits a request meets on its way, bytes.
const LIMITS: [(f64, &str); 3] = [
    (1_448.0, "one TCP segment: 1,448 B"),
    (4_096.0, "one cookie (RFC 6265): 4,096 B"),
    (8_192.0, "common limit of a header line: 8 KiB"),
];

/// The chart, when anything was counted.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let mut rows: Vec<(&SizeRow, &str)> =
        input.run.sizes.iter().filter_map(|s| named(input, s)).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    rows.sort_by_key(|(size, _)| size.request_bytes);
    let most = rows.iter().map(|(size, _)| size.request_bytes).max().unwrap_or(0) as f64;
    // A limit far beyond the bars would only squeeze them.
    let marks = LIMITS.iter().filter(|(at, _)| *at <= most * 2.2);
    let chart = Rows {
        title: TITLE,
        subtitle: "Lower is better. Beside each bar: credential / header line / whole request, \
                   bytes."
            .into(),
        axis: "Bytes of one request (linear, from 0)".into(),
        kind: Kind::Linear,
        marks: marks.map(|(at, name)| (*at, (*name).to_owned())).collect(),
        groups: vec![Group {
            heading: String::new(),
            rows: rows.iter().map(|(size, strategy)| row(input, size, strategy)).collect(),
        }],
        legend: vec![
            (Fill::Solid(Rgb::INK), "credential".into()),
            (Fill::Striped(Rgb::INK), "rest of its header line".into()),
            (Fill::Solid(Rgb::GREY.tint(0.45)), "rest of the request".into()),
        ],
        caption: "Counted on real messages: exact, no interval. HTTP/1.1, one header line each. \
                  What HTTP/2 saves depends on the client's encoder and is not measured."
            .into(),
    };
    let said = chart.groups[0].rows.iter().map(|r| format!("{}: {}", r.label, r.value));
    let alt = format!(
        "Horizontal bars of bytes: credential, header line, whole request. {}.",
        said.collect::<Vec<_>>().join("; ")
    );
    Chart::draw("sizes", TITLE, alt, |width| chart.scene(width)).map(Some)
}

/// Contenders and the baseline: the controls send what their strategy sends.
fn named<'a>(input: &Input<'a>, size: &'a SizeRow) -> Option<(&'a SizeRow, &'a str)> {
    let arm = input.run.arms.iter().find(|arm| arm.id == size.arm)?;
    matches!(arm.role, Role::Contender | Role::Baseline).then_some((size, arm.strategy.as_str()))
}

fn row(input: &Input<'_>, size: &SizeRow, strategy: &str) -> Row {
    let color = input.palette.look(strategy).color;
    let [credential, line, request] =
        [size.credential_bytes, size.header_line_bytes, size.request_bytes].map(|n| n as f64);
    let parts = [
        Part { from: 0.0, to: credential, fill: Fill::Solid(color) },
        Part { from: credential, to: line, fill: Fill::Striped(color) },
        Part { from: line, to: request, fill: Fill::Solid(Rgb::GREY.tint(0.45)) },
    ];
    Row {
        label: size.arm.clone(),
        value: format!(
            "{} / {} / {} B",
            format::count(size.credential_bytes),
            format::count(size.header_line_bytes),
            format::count(size.request_bytes)
        ),
        ink: color.ink(),
        parts: parts.into_iter().filter(|part| part.to > part.from).collect(),
        whisker: None,
        point: None,
        dots: vec![],
    }
}
