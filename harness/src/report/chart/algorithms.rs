//! Does the algorithm matter? Verify and issue by algorithm, path and crypto library.

use super::rows::{Dot, Fill, Group, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input, loop_conditions};
use crate::record::derived::{Estimate, MicroResult};
use crate::report::format::{self, MICROS, MISSING};
use crate::report::palette::{COLORS, Look, MARKERS};

/// Who computes the signature where that is not a factor.
const ANY: &str = "any";

/// Verification, when it was timed.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn verify(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let title = "What does one verification cost, by algorithm?";
    chart(input, "algorithms-verify", title, "verify")
}

/// Issue, when it was timed.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn issue(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    chart(input, "algorithms-issue", "What does one token cost to issue, by algorithm?", "issue")
}

/// Rows of one operation with an algorithm and the usual claims; what is drawn of them.
pub(super) fn usual<'a>(input: &Input<'a>, operation: &str) -> Vec<(&'a MicroResult, Estimate)> {
    let claims = |row: &MicroResult| row.parameters.get("claims").is_none_or(|c| c == "typical");
    (input.derived.micro.iter())
        .filter(|row| row.operation == operation && row.parameters.contains_key("alg"))
        .filter(|row| claims(row))
        .filter_map(|row| Some((row, row.cpu_ns?)))
        .collect()
}

fn level<'a>(row: &'a MicroResult, factor: &str) -> &'a str {
    row.parameters.get(factor).map_or(ANY, String::as_str)
}

/// Each value once, in the order of appearance.
pub(super) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

fn chart(
    input: &Input<'_>,
    name: &'static str,
    title: &'static str,
    operation: &str,
) -> anyhow::Result<Option<Chart>> {
    let found = usual(input, operation);
    if found.is_empty() {
        return Ok(None);
    }
    let backends = distinct(found.iter().map(|(row, _)| level(row, "backend")));
    let groups = distinct(found.iter().map(|(row, _)| level(row, "alg"))).into_iter().map(|alg| {
        let own: Vec<_> = found.iter().filter(|(row, _)| level(row, "alg") == alg).collect();
        let paths = distinct(own.iter().map(|(row, _)| row.subject.as_str()));
        let row = |path: &&str| {
            let of = own.iter().filter(|(row, _)| row.subject == *path);
            row_of(
                path,
                &of.map(|(row, e)| (level(row, "backend"), *e)).collect::<Vec<_>>(),
                &backends,
            )
        };
        Group { heading: alg.to_owned(), rows: paths.iter().map(row).collect() }
    });
    let order = backends.join(" / ");
    let chart = Rows {
        title,
        subtitle: format!(
            "Lower is better; each step to the right is a factor. Beside each row: µs by {order}."
        ),
        axis: "Thread CPU per operation, µs (logarithmic)".into(),
        kind: Kind::Log,
        groups: groups.collect(),
        marks: vec![],
        legend: backends
            .iter()
            .enumerate()
            .map(|(i, b)| (Fill::Point(look(i)), (*b).into()))
            .collect(),
        caption: format!(
            "Typical claims; the other sizes are in the table. No server, no network, warm caches. \
             primitive: the signature alone. Clock: CPU of the thread. {}",
            loop_conditions(input, found.iter().map(|(_, e)| e))
        ),
    };
    let said: Vec<String> = (chart.groups.iter())
        .flat_map(|g| g.rows.iter().map(|r| format!("{} {}: {}", g.heading, r.label, r.value)))
        .collect();
    let alt = format!(
        "Points with intervals on a logarithmic axis, in microseconds by {order}. {}.",
        said.join("; ")
    );
    Chart::draw(name, title, alt, |width| chart.scene(width)).map(Some)
}

const fn look(i: usize) -> Look {
    Look { color: COLORS[i % COLORS.len()], marker: MARKERS[i % MARKERS.len()] }
}

fn row_of(path: &str, own: &[(&str, Estimate)], backends: &[&str]) -> Row {
    let us = |ns: f64| ns / 1e3;
    let of = |backend: &str| own.iter().find(|(b, _)| *b == backend).map(|(_, e)| *e);
    let values = backends
        .iter()
        .map(|b| of(b).map_or_else(|| MISSING.into(), |e| format::value(&e, MICROS)));
    let dot = |(i, backend): (usize, &&str)| {
        let e = of(backend)?;
        Some(Dot { at: us(e.value), whisker: (us(e.low), us(e.high)), look: look(i) })
    };
    Row {
        label: path.to_owned(),
        value: format!("{} µs", values.collect::<Vec<_>>().join(" / ")),
        ink: Rgb::INK,
        parts: vec![],
        whisker: None,
        point: None,
        dots: backends.iter().enumerate().filter_map(dot).collect(),
    }
}
