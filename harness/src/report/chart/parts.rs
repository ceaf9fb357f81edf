//! Where does the time of one verification go? Its parts beside the whole.

use super::algorithms::distinct;
use super::rows::{Fill, Group, Part, Row, Rows};
use super::scale::Kind;
use super::scene::Rgb;
use super::{Chart, Input};
use crate::record::derived::{MicroResult, PartSum};
use crate::report::format::three_digits;
use crate::report::palette::COLORS;

const TITLE: &str = "Where does the time of one verification go?";

/// The chart, when parts and wholes were timed.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let sums = &input.derived.part_sums;
    if sums.is_empty() {
        return Ok(None);
    }
    let steps = distinct(sums.iter().flat_map(|sum| &sum.steps).map(|step| step.step.as_str()));
    let fill = |step: &str| {
        let at = steps.iter().position(|known| *known == step).unwrap_or(0);
        let color = COLORS[at % COLORS.len()];
        if at % 2 == 0 { Fill::Solid(color) } else { Fill::Striped(color) }
    };
    let whole_fill = Fill::Solid(Rgb::GREY.tint(0.45));
    let groups = sums.iter().map(|sum| Group {
        heading: sum.path.clone(),
        rows: vec![stacked(sum, fill), whole(input, sum, whole_fill)],
    });
    let legend = steps.iter().map(|step| (fill(step), (*step).to_owned()));
    let chart = Rows {
        title: TITLE,
        subtitle: "Lower is better. Each part was timed alone, the whole by itself.".into(),
        axis: "Thread CPU of one verification, µs (linear, from 0)".into(),
        kind: Kind::Linear,
        groups: groups.collect(),
        marks: vec![],
        legend: legend.chain([(whole_fill, "the whole".to_owned())]).collect(),
        caption: format!(
            "{} A sum beyond 10 % of the whole would mean that the parts are not its parts. Clock: \
             CPU of the thread. {}",
            wholes(sums),
            super::loop_conditions(
                input,
                sums.iter().filter_map(|sum| row_of(input, sum)?.cpu_ns.as_ref())
            )
        ),
    };
    let said: Vec<String> = sums.iter().map(spoken).collect();
    let alt = format!("Stacked bars of parts beside bars of the whole. {}.", said.join("; "));
    Chart::draw("parts", TITLE, alt, |width| chart.scene(width)).map(Some)
}

fn wholes(sums: &[PartSum]) -> String {
    let each: Vec<String> = sums
        .iter()
        .map(|sum| format!("{}: {}.", sum.path, sum.whole.replace(',', ", ").replace('/', " ")))
        .collect();
    each.join(" ")
}

fn spoken(sum: &PartSum) -> String {
    let steps: Vec<String> = (sum.steps.iter())
        .map(|step| format!("{} {} ns", step.step, three_digits(step.cpu_ns)))
        .collect();
    format!(
        "{}: {}; sum {} ns, whole {} ns",
        sum.path,
        steps.join(", "),
        three_digits(sum.sum_ns),
        three_digits(sum.whole_ns)
    )
}

fn row_of<'a>(input: &Input<'a>, sum: &PartSum) -> Option<&'a MicroResult> {
    input.derived.micro.iter().find(|row| row.id == sum.whole)
}

fn stacked(sum: &PartSum, fill: impl Fn(&str) -> Fill) -> Row {
    let mut at = 0.0;
    let parts = sum.steps.iter().map(|step| {
        let from = at;
        at += step.cpu_ns / 1e3;
        Part { from, to: at, fill: fill(&step.step) }
    });
    let parts = parts.collect();
    Row {
        label: "its parts".into(),
        value: format!(
            "{} µs, {} % of the whole",
            three_digits(sum.sum_ns / 1e3),
            three_digits(sum.percent)
        ),
        ink: Rgb::INK,
        parts,
        whisker: None,
        point: None,
        dots: vec![],
    }
}

fn whole(input: &Input<'_>, sum: &PartSum, fill: Fill) -> Row {
    let interval = row_of(input, sum).and_then(|row| row.cpu_ns);
    Row {
        label: "the whole".into(),
        value: format!("{} µs", three_digits(sum.whole_ns / 1e3)),
        ink: Rgb::INK,
        parts: vec![Part { from: 0.0, to: sum.whole_ns / 1e3, fill }],
        whisker: interval.map(|e| (e.low / 1e3, e.high / 1e3)),
        point: None,
        dots: vec![],
    }
}
