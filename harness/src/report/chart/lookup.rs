//! What does a lookup cost when many are in flight? CPU and wall time, which rank differently.

use std::collections::BTreeMap;

use super::lines::{Line, Panel, draw};
use super::scene::{Rgb, Scene};
use super::{Chart, Input, Width, footer, header, loop_conditions};
use crate::record::derived::{Estimate, MicroResult};
use crate::report::format::three_digits;
use crate::report::palette::COLORS;

const TITLE: &str = "What does a lookup cost when many are in flight?";
/// The factor on the x axis.
const FACTOR: &str = "in-flight";
/// Fewer levels than this are no line.
const LEVELS_MIN: usize = 3;
/// Levels that are not worth a word in a line's name.
const USUAL: [(&str, &str); 2] = [("conn", "tcp"), ("record", "typical")];

/// The rows of one line by requests in flight.
type Series<'a> = (String, &'a MicroResult, BTreeMap<u64, &'a MicroResult>);

/// The chart, when lookups were timed at two loads or more.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let series = series(input);
    let cpu = |row: &MicroResult| row.total_cpu_ns.or(row.cpu_ns);
    let wall = |row: &MicroResult| row.wall_ns;
    let panels: Vec<Panel> = [
        panel(input, &series, "CPU of client and Redis per lookup, µs", &cpu),
        panel(input, &series, "Wall time per lookup, µs", &wall),
    ]
    .into_iter()
    .flatten()
    .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let mut loads: Vec<u64> = series.iter().flat_map(|(.., rows)| rows.keys().copied()).collect();
    loads.sort_unstable();
    loads.dedup();
    let loads: Vec<f64> = loads.into_iter().map(|n| n as f64).collect();
    let figures: Vec<Estimate> =
        series.iter().flat_map(|(.., rows)| rows.values().filter_map(|row| cpu(row))).collect();
    let caption = format!(
        "Batches of lookups, so many in flight at a time on one thread; wall time is that of the \
         batch over its lookups. Clocks: CPU of thread and of Redis' process; the wall. Intervals \
         are in the table. {}",
        loop_conditions(input, figures.iter())
    );
    let alt = format!("Lines by requests in flight, both axes logarithmic. {}.", spoken(&panels));
    Chart::draw("lookup", TITLE, alt, |width| scene(&panels, &loads, &caption, width)).map(Some)
}

fn scene(panels: &[Panel], loads: &[f64], caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let words = "Lower is better. Both axes are logarithmic.";
    let top = header(&mut scene, TITLE, words);
    let end = draw(&mut scene, panels, ("requests in flight", loads), top, width);
    footer(&mut scene, end - 18.0, caption);
    scene
}

fn spoken(panels: &[Panel]) -> String {
    let line = |line: &Line| {
        let points: Vec<String> =
            line.points.iter().map(|(n, us)| format!("{n}: {}", three_digits(*us))).collect();
        format!("{} {}", line.name, points.join(", "))
    };
    let panel = |panel: &Panel| {
        let lines: Vec<String> = panel.lines.iter().map(line).collect();
        format!("{}: {}", panel.name, lines.join("; "))
    };
    panels.iter().map(panel).collect::<Vec<_>>().join(". ")
}

/// Lookups by all but their load; those of one load alone are in the table.
fn series<'a>(input: &Input<'a>) -> Vec<Series<'a>> {
    let mut found: Vec<Series<'a>> = Vec::new();
    for row in input.derived.micro.iter().filter(|row| row.operation == "lookup") {
        let Some(n) = row.parameters.get(FACTOR).and_then(|n| n.parse().ok()).filter(|n| *n > 0)
        else {
            continue;
        };
        let levels = row.parameters.iter().filter(|(factor, level)| {
            *factor != FACTOR && !USUAL.contains(&(factor.as_str(), level.as_str()))
        });
        let words: Vec<&str> = std::iter::once(row.subject.as_str())
            .chain(levels.map(|(_, level)| level.as_str()))
            .collect();
        let name = words.join(" ");
        match found.iter_mut().find(|(known, ..)| *known == name) {
            Some((.., rows)) => {
                rows.insert(n, row);
            }
            None => found.push((name, row, BTreeMap::from([(n, row)]))),
        }
    }
    found.retain(|(.., rows)| rows.len() > 1);
    found
}

fn panel(
    input: &Input<'_>,
    series: &[Series<'_>],
    name: &str,
    of: &dyn Fn(&MicroResult) -> Option<Estimate>,
) -> Option<Panel> {
    // Strategies have their colours; the others take what is left.
    let own: Vec<Rgb> = (series.iter())
        .filter_map(|(_, first, _)| Some(input.palette.look(first.strategy.as_deref()?).color))
        .collect();
    let left: Vec<Rgb> = COLORS.into_iter().filter(|color| !own.contains(color)).collect();
    let left = if left.is_empty() { COLORS.to_vec() } else { left };
    let mut others = left.iter().cycle();
    let line = |(name, first, rows): &Series<'_>| {
        let points = rows.iter().filter_map(|(n, row)| Some((*n as f64, of(row)?.value / 1e3)));
        let points: Vec<(f64, f64)> = points.filter(|(_, us)| *us > 0.0).collect();
        // Two levels compare cells, which the table does; a line shows how a way of asking scales.
        if points.len() < LEVELS_MIN {
            return None;
        }
        let color = if let Some(strategy) = &first.strategy {
            input.palette.look(strategy).color
        } else {
            others.next().copied().unwrap_or(Rgb::INK)
        };
        Some(Line { name: name.clone(), color, points })
    };
    let lines: Vec<Line> = series.iter().filter_map(line).collect();
    (!lines.is_empty()).then(|| Panel { name: name.into(), lines, marks: vec![] })
}
