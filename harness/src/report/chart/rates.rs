//! What does a request cost at your rate? CPU of a whole request by requests per second.

use super::lines::{self, Line, Panel};
use super::rows::tick_label;
use super::scene::{Rgb, Scene};
use super::{Chart, Input, Width, footer, header};
use crate::decide::rates::is_plain;
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
    let Some(rates) = lines.iter().map(|line| line.points.len()).max() else { return Ok(None) };
    if rates < RATES_MIN {
        return Ok(None);
    }
    let said: Vec<String> = lines.iter().map(spoken).collect();
    let alt = format!("Lines of CPU per request by requests per second. {}.", said.join("; "));
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

/// The floor and the strategies that were measured at most rates.
fn drawn(input: &Input<'_>) -> Vec<Line> {
    let usual = |role: Role| matches!(role, Role::Baseline | Role::Contender);
    let arms = input.derived.arms.iter().filter(|arm| usual(arm.role) && arm.arm == arm.strategy);
    let lines: Vec<(Line, Role)> = arms
        .map(|arm| {
            let look = input.palette.look(&arm.strategy);
            let color = if arm.role == Role::Baseline { Rgb::MUTED } else { look.color };
            let points = points(input, &arm.arm);
            (Line { name: arm.arm.clone(), color, points }, arm.role)
        })
        .collect();
    let most = lines.iter().map(|(line, _)| line.points.len()).max().unwrap_or(0);
    let is_shown = |(line, role): &(Line, Role)| {
        *role == Role::Baseline || (line.points.len() == most && most >= RATES_MIN)
    };
    lines.into_iter().filter(is_shown).map(|(line, _)| line).collect()
}

/// Microseconds of server and store by requests per second, ascending.
fn points(input: &Input<'_>, arm: &str) -> Vec<(f64, f64)> {
    let own_rate = input.run.plan.as_ref().map(|plan| plan.rate_per_second);
    let own = input.derived.arms.iter().find(|own| own.arm == arm).and_then(|own| {
        Some((own_rate? as f64, (own.server_cpu_ns? + own.store_cpu_ns.unwrap_or(0.0)) / 1e3))
    });
    let regimes = input
        .derived
        .regimes
        .iter()
        .filter(|regime| is_plain(regime) && Some(regime.rate_per_second) != own_rate);
    let others = regimes.filter_map(|regime| {
        let own = regime.arms.iter().find(|own| own.arm == arm)?;
        Some((regime.rate_per_second as f64, own.cpu_ns? / 1e3))
    });
    let mut all: Vec<(f64, f64)> = own.into_iter().chain(others).collect();
    all.retain(|(_, us)| *us > 0.0);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

fn caption(input: &Input<'_>) -> String {
    let blocks = input.derived.regimes.iter().map(|regime| regime.blocks).min().unwrap_or(0);
    format!(
        "Medians over n = {blocks} blocks or more; the table has the differences to `none` with \
         their 95 % intervals, and the strategies that are not drawn. Open loop, poisson arrivals, \
         one server at a time on an idle machine, over loopback. {}",
        status_note(input.run)
    )
    .trim_end()
    .to_owned()
}

fn scene(lines: &[Line], caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let words = "CPU of server and store for a whole request, µs. Lower is better.";
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
