//! What does a request cost at your rate? CPU above the floor by requests per second.

use super::lines::{self, Line, Panel};
use super::rows::tick_label;
use super::scene::Scene;
use super::{Chart, Input, Width, footer, header};
use crate::decide::figures::Source;
use crate::decide::rates;
use crate::record::run::Role;
use crate::report::format::three_digits;
use crate::report::verdicts::status_note;

const TITLE: &str = "What does a request cost at your rate?";
/// Fewer rates than this are no line.
const RATES_MIN: usize = 3;

/// The chart, when rates were measured.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let lines = drawn(input);
    if lines.is_empty() {
        return Ok(None);
    }
    let said: Vec<String> = lines.iter().map(spoken).collect();
    let alt = format!("Lines of CPU above none by requests per second. {}.", said.join("; "));
    let caption = caption(input);
    Chart::draw("rates", TITLE, alt, |width| scene(&lines, &caption, width)).map(Some)
}

fn spoken(line: &Line) -> String {
    let points: Vec<String> = line
        .points
        .iter()
        .map(|(rate, us)| format!("{}/s: {} µs", tick_label(*rate), three_digits(*us)))
        .collect();
    format!("{}, {}", line.name, points.join(", "))
}

/// The first strategy of each family, algorithm and store, as far as it cost something at every
/// rate.
fn drawn(input: &Input<'_>) -> Vec<Line> {
    let mut seen: Vec<(&str, Option<&str>, Option<&str>)> = Vec::new();
    let mut lines = Vec::new();
    for arm in &input.derived.arms {
        let declared = input.run.strategies.iter().find(|s| s.id == arm.strategy);
        let Some(declared) = declared.filter(|_| arm.role == Role::Contender) else { continue };
        let kind =
            (declared.family.as_str(), declared.algorithm.as_deref(), declared.store.as_deref());
        let points = points(input, &arm.arm);
        let is_shown = points.len() >= RATES_MIN && points.iter().all(|(_, us)| *us > 0.0);
        if arm.arm != arm.strategy || seen.contains(&kind) || !is_shown {
            continue;
        }
        seen.push(kind);
        let color = input.palette.look(&arm.strategy).color;
        lines.push(Line { name: arm.arm.clone(), color, points });
    }
    lines
}

/// Microseconds above none by requests per second, ascending.
fn points(input: &Input<'_>, arm: &str) -> Vec<(f64, f64)> {
    let source = Source { name: "", run: input.run, derived: input.derived };
    let all = rates::points(&source, arm).into_iter();
    all.map(|point| (point.per_second, point.cpu_ns.is.value / 1e3)).collect()
}

fn caption(input: &Input<'_>) -> String {
    let blocks = input.derived.regimes.iter().map(|regime| regime.blocks).min().unwrap_or(0);
    let arrivals = input.run.plan.as_ref().map_or("unknown", |plan| plan.arrivals.as_str());
    format!(
        "Means over n = {blocks} blocks or more; the table has the 95 % intervals and every \
         strategy. Drawn is the first of each family, algorithm and store that was dearer than \
         none at each rate. Open loop, arrivals: {arrivals}, one server at a time on an idle \
         machine, over loopback. {}",
        status_note(input.run)
    )
    .trim_end()
    .to_owned()
}

fn scene(lines: &[Line], caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let words = "CPU of server and store above none per request, µs. Lower is better.";
    let top = header(&mut scene, TITLE, words) + 6.0;
    let mut rates: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().map(|(rate, _)| *rate)).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let panel = Panel { name: String::new(), lines: lines.to_vec(), marks: Vec::new() };
    let below = lines::draw(&mut scene, &[panel], ("requests per second", &rates), top, width);
    footer(&mut scene, below, caption);
    scene
}
