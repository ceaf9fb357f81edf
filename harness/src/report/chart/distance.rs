//! How far away may the store be? Median latency above the floor by round trip, tokens as levels.

use super::labels::{LineEnd, stack};
use super::rows::tick_label;
use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{Chart, Input, MARGIN, Width, extent, footer, header, metrics};
use crate::record::derived::{DistanceResult, DistanceRow, Estimate};
use crate::report::distance_tables::{LIMITS, crossing_in_words};
use crate::report::format::{MICROS, estimate};
use crate::report::palette::Look;
use crate::report::verdicts::status_note;

const TITLE: &str = "How far away may the store be?";
/// Below this the y axis is linear, so that differences of nothing can be drawn, microseconds.
const KNEE_US: f64 = 10.0;
/// Straight lines are bent by a logarithmic axis; each is drawn in so many pieces.
const PIECES: u32 = 16;

/// An axis that is linear from `from` to `knee` and logarithmic from there.
#[derive(Clone, Copy, Debug)]
struct Axis {
    from: f64,
    knee: f64,
    to: f64,
    start: f64,
    bend: f64,
    end: f64,
}

impl Axis {
    /// `share` of the pixels are the linear part's.
    fn new((from, knee, to): (f64, f64, f64), (start, end): (f64, f64), share: f64) -> Self {
        let to = if to > knee { to } else { knee * 10.0 };
        Self { from, knee, to, start, bend: start + share * (end - start), end }
    }

    fn map(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        if value <= self.knee {
            let share = (value - self.from) / (self.knee - self.from);
            return self.start + share * (self.bend - self.start);
        }
        let share = (value / self.knee).ln() / (self.to / self.knee).ln();
        self.bend + share * (self.end - self.bend)
    }
}

/// A strategy with a store: microseconds by milliseconds of round trip.
struct Line<'a> {
    name: &'a str,
    look: Look,
    points: Vec<(f64, Estimate)>,
}

/// A token: one level.
struct Level<'a> {
    name: &'a str,
    look: Look,
    at: Estimate,
}

/// What is drawn.
struct Drawn<'a> {
    lines: Vec<Line<'a>>,
    levels: Vec<Level<'a>>,
    /// Where lines cross levels: milliseconds with interval, microseconds, how.
    crossings: Vec<(Estimate, f64, Look)>,
}

/// The chart, when the store was moved away.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let Some(result) = &input.derived.distance else { return Ok(None) };
    let drawn = drawn(input, result);
    if drawn.lines.is_empty() {
        return Ok(None);
    }
    let caption = caption(input, result);
    let alt = alt(result, &drawn);
    Chart::draw("distance", TITLE, alt, |width| scene(&drawn, &caption, width)).map(Some)
}

fn drawn<'a>(input: &Input<'_>, result: &'a DistanceResult) -> Drawn<'a> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut levels = Vec::new();
    for row in &result.rows {
        let (Some(above), look) = (row.p50_above_none_ns, input.palette.look(&row.strategy)) else {
            continue;
        };
        let above = scaled(&above, 1e3);
        match row.round_trip_ns {
            Some(ns) => {
                let point = (ns as f64 / 1e6, above);
                match lines.iter_mut().find(|line| line.name == row.arm) {
                    Some(line) => line.points.push(point),
                    None => lines.push(Line { name: &row.arm, look, points: vec![point] }),
                }
            }
            None if is_token(result, row) => {
                levels.push(Level { name: &row.arm, look, at: above });
            }
            None => {}
        }
    }
    lines.retain(|line| line.points.len() > 1);
    let crossings = result.crossovers.iter().filter_map(|cross| {
        let level = levels.iter().find(|level| level.name == cross.token)?;
        Some((scaled(&cross.latency.round_trip_ns?, 1e6), level.at.value, level.look))
    });
    let crossings = crossings.collect();
    Drawn { lines, levels, crossings }
}

fn is_token(result: &DistanceResult, row: &DistanceRow) -> bool {
    result.crossovers.iter().any(|cross| cross.token == row.arm)
}

fn scaled(e: &Estimate, per: f64) -> Estimate {
    Estimate { value: e.value / per, low: e.low / per, high: e.high / per, n: e.n }
}

fn caption(input: &Input<'_>, result: &DistanceResult) -> String {
    let n = extent(result.rows.iter().map(|row| row.requests as f64));
    let n = n.map_or_else(String::new, |(low, high)| {
        format!(" of {} to {} requests an arm", tick_label(low), tick_label(high))
    });
    format!(
        "Means and 95 % intervals over n = {} blocks{n}; {} requests/s, open loop, {} connections, \
         over loopback with a delay line between server and Redis. A hollow marker with a bar is \
         the round trip from which on that token answers sooner than a strategy with a store. \
         Below {KNEE_US} µs and below the first distance the axes are linear. {LIMITS} {}",
        result.blocks,
        result.rate_per_second,
        result.connections,
        status_note(input.run)
    )
    .trim_end()
    .to_owned()
}

fn alt(result: &DistanceResult, drawn: &Drawn<'_>) -> String {
    let line = |line: &Line<'_>| {
        let points: Vec<String> = (line.points.iter())
            .map(|(ms, us)| format!("{} ms: {} µs", tick_label(*ms), tick_label(us.value.round())))
            .collect();
        format!("{}, {}", line.name, points.join(", "))
    };
    let level = |level: &Level<'_>| {
        let at = Estimate { value: level.at.value * 1e3, low: level.at.low * 1e3, ..level.at };
        let at = Estimate { high: level.at.high * 1e3, ..at };
        format!("{} {}", level.name, estimate(&at, MICROS))
    };
    let lines: Vec<String> = drawn.lines.iter().map(line).collect();
    let levels: Vec<String> = drawn.levels.iter().map(level).collect();
    let crossings: Vec<String> = (result.crossovers.iter())
        .map(|c| format!("{} before {}: {}", c.token, c.store, crossing_in_words(&c.latency)))
        .collect();
    format!(
        "Lines of median response time above none by round trip. {}. Levels of tokens: {}. Which \
         answers sooner: {}.",
        lines.join("; "),
        levels.join("; "),
        crossings.join("; ")
    )
}

fn scene(drawn: &Drawn<'_>, caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let words = "Median response time above none, µs, by round trip between server and store. \
                 Lower is better.";
    let top = header(&mut scene, TITLE, words) + 10.0;
    let names = drawn.lines.iter().map(|l| l.name).chain(drawn.levels.iter().map(|l| l.name));
    let count = names.clone().count() as f64;
    let names = names.map(|name| metrics::width(name, 12.0, true)).fold(0.0, f64::max);
    let height = (count * 15.0 + 60.0).max(width.pick(380.0, 300.0));
    let (lowest, highest) = extent(values(drawn)).unwrap_or((0.0, 100.0));
    let gutter = metrics::width(&tick_label(10_f64.powf(highest.log10().floor())), 11.0, false);
    let left = MARGIN + gutter + 8.0;
    let area = Area::new(left, top, width.pixels() - MARGIN - names - 20.0, top + height);
    let vertical = (lowest.min(0.0), KNEE_US, highest * 1.25);
    let y = Axis::new(vertical, (area.y1, area.y0), 0.2);
    let mut trips: Vec<f64> =
        drawn.lines.iter().flat_map(|l| l.points.iter().map(|(ms, _)| *ms)).collect();
    trips.sort_by(f64::total_cmp);
    trips.dedup();
    let near = trips.iter().copied().find(|ms| *ms > 0.0).unwrap_or(1.0);
    let far = trips.last().copied().unwrap_or(near);
    let x = Axis::new((0.0, near, far), (area.x0 + 6.0, area.x1 - 4.0), 0.14);
    frame(&mut scene, (&x, &trips), &y, &area);
    let mut ends = plot_levels(&mut scene, drawn, &y, &area);
    ends.extend(plot_lines(&mut scene, drawn, &x, &y));
    for (at, level, look) in &drawn.crossings {
        let level = y.map(*level);
        let (low, high) = (x.map(at.low), x.map(at.high));
        whisker(&mut scene, (low, level), (high, level), look.color);
        look.draw(&mut scene, (x.map(at.value), level), 4.5, true);
    }
    stack(&mut scene, &ends, area.x1 + 16.0, (area.y0 - 8.0, area.y1 + 8.0));
    footer(&mut scene, area.y1 + 44.0, caption);
    scene
}

/// Everything that has to find room on the y axis.
fn values<'a>(drawn: &'a Drawn<'_>) -> impl Iterator<Item = f64> + 'a {
    let points = drawn.lines.iter().flat_map(|line| line.points.iter().map(|(_, us)| us));
    points.chain(drawn.levels.iter().map(|level| &level.at)).flat_map(|e| [e.low, e.high])
}

fn frame(scene: &mut Scene, (x, trips): (&Axis, &[f64]), y: &Axis, area: &Area) {
    let muted = Ink::new(11.0, Rgb::MUTED);
    let decades = (0..7).map(|e| KNEE_US * 10_f64.powi(e)).take_while(|us| *us <= y.to);
    for tick in std::iter::once(0.0).chain(decades) {
        let at = y.map(tick);
        scene.line((area.x0, at), (area.x1, at), Rgb::GRID, 1);
        scene.text(area.x0 - 6.0, at, tick_label(tick), muted.anchor(Anchor::End));
    }
    let middle = muted.anchor(Anchor::Middle);
    let mut free = f64::MIN;
    for trip in trips {
        let at = x.map(*trip);
        scene.line((at, area.y0), (at, area.y1), Rgb::GRID, 1);
        let text = tick_label(*trip);
        let taken = middle.area(at, 0.0, &text);
        if taken.x0 > free {
            scene.text(at, area.y1 + 11.0, text, middle);
            free = taken.x1 + 5.0;
        }
    }
    scene.line((area.x0, area.y1), (area.x1, area.y1), Rgb::GREY, 1);
    let name = "round trip between server and store, ms";
    let half = metrics::width(name, 11.0, false) / 2.0;
    let at = f64::midpoint(area.x0, area.x1).max(MARGIN + half);
    scene.text(at, area.y1 + 28.0, name, middle);
}

fn plot_levels(scene: &mut Scene, drawn: &Drawn<'_>, y: &Axis, area: &Area) -> Vec<LineEnd> {
    let mut ends = Vec::new();
    for level in &drawn.levels {
        let at = y.map(level.at.value);
        let (low, high) = (y.map(level.at.low), y.map(level.at.high));
        scene.dashed((area.x0, at), (area.x1, at), level.look.color, 2);
        whisker(scene, (area.x1 - 1.0, low), (area.x1 - 1.0, high), level.look.color);
        let color = level.look.color.ink();
        ends.push(LineEnd { at: (area.x1, at), text: level.name.into(), color });
    }
    ends
}

fn plot_lines(scene: &mut Scene, drawn: &Drawn<'_>, x: &Axis, y: &Axis) -> Vec<LineEnd> {
    let mut ends = Vec::new();
    for line in &drawn.lines {
        let mut path = Vec::new();
        for two in line.points.windows(2) {
            for piece in 0..=PIECES {
                let t = f64::from(piece) / f64::from(PIECES);
                let between = |a: f64, b: f64| a + t * (b - a);
                let at = between(two[0].0, two[1].0);
                path.push((x.map(at), y.map(between(two[0].1.value, two[1].1.value))));
            }
        }
        let Some(&at) = path.last() else { continue };
        scene.path(path, line.look.color, 2);
        for (ms, us) in &line.points {
            let at = x.map(*ms);
            whisker(scene, (at, y.map(us.low)), (at, y.map(us.high)), line.look.color);
            line.look.draw(scene, (at, y.map(us.value)), 3.5, false);
        }
        ends.push(LineEnd { at, text: line.name.into(), color: line.look.color.ink() });
    }
    ends
}

/// An interval with its ends, upright or lying.
fn whisker(scene: &mut Scene, from: (f64, f64), to: (f64, f64), color: Rgb) {
    scene.line(from, to, color, 1);
    let (dx, dy) = if from.0 == to.0 { (3.0, 0.0) } else { (0.0, 3.0) };
    for (x, y) in [from, to] {
        scene.line((x - dx, y - dy), (x + dx, y + dy), color, 1);
    }
}
