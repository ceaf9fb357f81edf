//! What does state weigh? Bytes that an entry adds to Redis.

use super::rows::{Fill, Group, Part, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input};
use crate::record::derived::MemoryResult;
use crate::report::format::{count, three_digits};

const TITLE: &str = "What does an entry weigh in Redis?";

/// The chart, when entries were weighed.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let mut rows: Vec<&MemoryResult> = input.derived.memory.iter().collect();
    if rows.is_empty() {
        return Ok(None);
    }
    rows.sort_by(|a, b| a.bytes_per_entry.total_cmp(&b.bytes_per_entry));
    let fewest = rows.iter().map(|row| row.entries).min().unwrap_or(0);
    let redis = input.run.provenance.redis_server.as_deref().unwrap_or("of unknown version");
    let chart = Rows {
        title: TITLE,
        subtitle: "Lower is better.".into(),
        axis: "Growth of used_memory per entry, bytes (linear, from 0)".into(),
        kind: Kind::Linear,
        groups: vec![Group {
            heading: String::new(),
            rows: rows.iter().map(|own| row(input, own)).collect(),
        }],
        marks: vec![],
        legend: vec![
            (Fill::Solid(Rgb::INK), "MEMORY USAGE of its keys".into()),
            (Fill::Striped(Rgb::INK), "what comes on top: tables, rounding".into()),
        ],
        caption: format!(
            "n = {} entries or more of each kind, filed at once; exact for this Redis ({redis}), \
             no interval. {}",
            count(fewest),
            crate::report::verdicts::status_note(input.run)
        ),
    };
    let said: Vec<String> =
        chart.groups[0].rows.iter().map(|r| format!("{}: {}", r.label, r.value)).collect();
    let alt = format!("Horizontal bars of bytes per entry. {}.", said.join("; "));
    Chart::draw("memory", TITLE, alt, |width| chart.scene(width)).map(Some)
}

fn row(input: &Input<'_>, own: &MemoryResult) -> Row {
    let color = input.palette.look(&own.strategy).color;
    let all = own.bytes_per_entry.max(0.0);
    let usage = (own.usage_bytes as f64).min(all);
    let parts = [
        Part { from: 0.0, to: usage, fill: Fill::Solid(color) },
        Part { from: usage, to: all, fill: Fill::Striped(color) },
    ];
    Row {
        label: format!("{} · {}", own.strategy, own.entry),
        value: format!("{} B", three_digits(own.bytes_per_entry)),
        ink: color.ink(),
        parts: parts.into_iter().filter(|part| part.to > part.from).collect(),
        whisker: None,
        point: None,
        dots: vec![],
    }
}
