//! Lines over a factor that grows, both axes logarithmic, in panels side by side.

use super::labels::{LineEnd, stack};
use super::rows::tick_label;
use super::scale::{Kind, Scale};
use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{MARGIN, Width, extent, metrics};

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What it is of.
    pub(super) name: String,
    /// Its colour.
    pub(super) color: Rgb,
    /// Its points, from left to right, above zero.
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines that share their axes.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// What its y axis is.
    pub(super) name: String,
    /// The lines.
    pub(super) lines: Vec<Line>,
    /// Levels on the y axis with their names.
    pub(super) marks: Vec<(f64, String)>,
}

/// Between plot and the next row of panels: ticks and the axis's name.
const BELOW: f64 = 62.0;

/// Draws the panels below `top`; the y below them. `x_axis` stands under each, `x_ticks` are the
/// levels of the factor that were measured.
pub(super) fn draw(
    scene: &mut Scene,
    panels: &[Panel],
    (x_axis, x_ticks): (&str, &[f64]),
    top: f64,
    width: Width,
) -> f64 {
    let columns = width.pick(2, 1).min(panels.len());
    let gap = 24.0;
    let each = (width.pixels() - 2.0 * MARGIN - gap * (columns as f64 - 1.0)) / columns as f64;
    let most = panels.iter().map(|p| p.lines.len()).max().unwrap_or(0) as f64;
    let height = (most * 15.0 + 50.0).max(250.0);
    for (i, panel) in panels.iter().enumerate() {
        let x = MARGIN + (i % columns) as f64 * (each + gap);
        let y = top + (i / columns) as f64 * (height + BELOW);
        draw_panel(scene, panel, Area::new(x, y, x + each, y + height), (x_axis, x_ticks));
    }
    top + panels.len().div_ceil(columns.max(1)) as f64 * (height + BELOW)
}

fn draw_panel(scene: &mut Scene, panel: &Panel, frame: Area, (x_axis, x_ticks): (&str, &[f64])) {
    let muted = Ink::new(11.0, Rgb::MUTED);
    let bold = Ink::new(12.0, Rgb::INK).bold();
    let top = scene.wrapped((frame.x0, frame.y0 + 10.0), &panel.name, frame.width(), bold);
    let values = panel.lines.iter().flat_map(|line| &line.points);
    let (low, high) = extent(values.clone().map(|p| p.1)).unwrap_or((1.0, 10.0));
    let high = panel.marks.iter().map(|(at, _)| *at).fold(high, f64::max);
    // Room for the name of the highest mark.
    let domain = (low / 1.15, high * if panel.marks.is_empty() { 1.3 } else { 2.0 });
    let ticks = Scale::new(Kind::Log, domain, (0.0, 1.0)).ticks(6);
    let gutter = ticks.iter().map(|t| metrics::width(&tick_label(*t), 11.0, false));
    let names = panel.lines.iter().map(|line| metrics::width(&line.name, 12.0, true));
    let left = frame.x0 + gutter.fold(0.0, f64::max) + 6.0;
    let right = frame.x1 - names.fold(0.0, f64::max) - 20.0;
    let area = Area::new(left, top, right, frame.y1);
    let y = Scale::new(Kind::Log, domain, (area.y1, area.y0));
    for tick in ticks {
        scene.line((area.x0, y.map(tick)), (area.x1, y.map(tick)), Rgb::GRID, 1);
        scene.text(area.x0 - 6.0, y.map(tick), tick_label(tick), muted.anchor(Anchor::End));
    }
    let (from, to) = extent(values.map(|p| p.0)).unwrap_or((1.0, 10.0));
    let x = Scale::new(Kind::Log, (from, to), (area.x0 + 4.0, area.x1 - 2.0));
    draw_x(scene, &x, &area, (x_axis, x_ticks), (from, to));
    let mut ends = Vec::new();
    for line in &panel.lines {
        let points: Vec<(f64, f64)> =
            line.points.iter().map(|(a, b)| (x.map(*a), y.map(*b))).collect();
        let Some(&at) = points.last() else { continue };
        points.iter().for_each(|at| scene.disc(*at, 3.0, line.color));
        scene.path(points, line.color, 2);
        ends.push(LineEnd { at, text: line.name.clone(), color: line.color.ink() });
    }
    draw_marks(scene, panel, &y, &area);
    stack(scene, &ends, area.x1 + 16.0, (area.y0 - 8.0, area.y1 + 8.0));
}

fn draw_x(
    scene: &mut Scene,
    x: &Scale,
    area: &Area,
    (x_axis, x_ticks): (&str, &[f64]),
    (from, to): (f64, f64),
) {
    let ink = Ink::new(11.0, Rgb::MUTED).anchor(Anchor::Middle);
    let round = x.ticks((area.width() / 60.0) as usize);
    let ticks = if x_ticks.is_empty() { &round } else { x_ticks };
    let mut free = f64::MIN;
    for tick in ticks.iter().filter(|t| **t >= from * 0.999 && **t <= to * 1.001) {
        let at = x.map(*tick);
        scene.line((at, area.y0), (at, area.y1), Rgb::GRID, 1);
        let text = tick_label(*tick);
        let taken = ink.area(at, 0.0, &text);
        if taken.x0 > free {
            scene.text(at, area.y1 + 11.0, text, ink);
            free = taken.x1 + 6.0;
        }
    }
    scene.line((area.x0, area.y1), (area.x1, area.y1), Rgb::GREY, 1);
    let half = metrics::width(x_axis, 11.0, false) / 2.0;
    let middle = f64::midpoint(area.x0, area.x1).max(MARGIN + half);
    scene.text(middle, area.y1 + 28.0, x_axis, ink);
}

/// Dashed levels, each named above or below its line; a name that finds no room is left to the
/// table.
fn draw_marks(scene: &mut Scene, panel: &Panel, y: &Scale, area: &Area) {
    let ink = Ink::new(11.0, Rgb::MUTED);
    let levels: Vec<f64> = panel.marks.iter().map(|(at, _)| y.map(*at)).collect();
    for level in &levels {
        scene.dashed((area.x0, *level), (area.x1, *level), Rgb::MUTED, 1);
    }
    let mut taken: Vec<Area> = Vec::new();
    let x = area.x0 + 6.0;
    for ((_, name), level) in panel.marks.iter().zip(&levels) {
        let area_of = |at: f64, name: &str| ink.area(x, at, name).grown(1.0);
        let free = |(name, at): &(&str, f64)| {
            let own = area_of(*at, name);
            own.x1 <= area.x1
                && own.y0 >= area.y0
                && !taken.iter().any(|t| t.overlaps(&own))
                && !levels.iter().any(|line| own.y0 < *line && *line < own.y1)
        };
        // Where the whole name is too long, its figure alone.
        let short = name.rsplit(": ").next().unwrap_or(name);
        let places = [name.as_str(), short].map(|name| [(name, level - 8.0), (name, level + 9.0)]);
        if let Some((name, at)) = places.into_iter().flatten().find(free) {
            scene.rect(area_of(at, name), Rgb(0xff_ff_ff));
            scene.text(x, at, name, ink);
            taken.push(area_of(at, name));
        }
    }
}
