//! Can garbage be dearer than a login? A refused credential's cost as a ratio to an accepted one's.

use super::algorithms::distinct;
use super::rows::{Group, Row, Rows};
use super::scale::Kind;
use super::{Chart, Input, loop_conditions};
use crate::record::derived::{Estimate, MicroResult};
use crate::report::format::{self, TIMES};

const TITLE: &str = "What does it cost to refuse a credential?";

/// The chart, when refusals were timed against acceptances.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let rows: Vec<(&MicroResult, Estimate)> = (input.derived.micro.iter())
        .filter(|row| row.operation == "reject")
        .filter_map(|row| Some((row, row.total_ratio.or(row.ratio)?)))
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let groups =
        distinct(rows.iter().map(|(row, _)| row.subject.as_str())).into_iter().map(|who| {
            let mut own: Vec<_> = rows.iter().filter(|(row, _)| row.subject == who).collect();
            own.sort_by(|a, b| b.1.value.total_cmp(&a.1.value));
            let row = |(row, ratio): &&(&MicroResult, Estimate)| row_of(input, row, ratio);
            Group { heading: who.to_owned(), rows: own.iter().map(row).collect() }
        });
    let chart = Rows {
        title: TITLE,
        subtitle: "Ratio to an accepted credential of the same strategy. Left of 1: refusing is \
                   cheaper."
            .into(),
        axis: "CPU of a refusal / CPU of an acceptance (logarithmic)".into(),
        kind: Kind::Log,
        groups: groups.collect(),
        marks: vec![(1.0, "1: as an accepted one".into())],
        legend: vec![],
        caption: format!(
            "Clock: CPU of the thread, with that of Redis where it is asked. {}",
            loop_conditions(input, rows.iter().map(|(_, ratio)| ratio))
        ),
    };
    let said: Vec<String> = (chart.groups.iter())
        .flat_map(|g| g.rows.iter().map(|r| format!("{} {}: {}", g.heading, r.label, r.value)))
        .collect();
    let alt = format!("Points with intervals, 1 marked. {}.", said.join("; "));
    Chart::draw("reject", TITLE, alt, |width| chart.scene(width)).map(Some)
}

fn row_of(input: &Input<'_>, row: &MicroResult, ratio: &Estimate) -> Row {
    let look = input.palette.look(row.strategy.as_deref().unwrap_or(&row.subject));
    let levels: Vec<&str> = row.parameters.values().map(String::as_str).collect();
    Row {
        label: levels.join(", "),
        value: format::estimate(ratio, TIMES),
        ink: look.color.ink(),
        parts: vec![],
        whisker: Some((ratio.low, ratio.high)),
        point: Some((ratio.value, look)),
        dots: vec![],
    }
}
