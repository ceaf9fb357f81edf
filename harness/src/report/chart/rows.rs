//! Horizontal rows: bars or points with whiskers, one row per subject. Most charts are these.

use super::scale::{Kind, Scale, round_up};
use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{MARGIN, Width, extent, footer, header, metrics};
use crate::report::palette::Look;

/// How a part of a bar is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// One colour.
    Solid(Rgb),
    /// Stripes of it: told from solid without colour.
    Striped(Rgb),
    /// A marker, for legends of charts whose rows hold points.
    Point(Look),
}

/// A point with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Where.
    pub at: f64,
    /// The interval.
    pub whisker: (f64, f64),
    /// Its look.
    pub look: Look,
}

/// A part of a bar, in the axis's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Its fill.
    pub fill: Fill,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is of.
    pub label: String,
    /// The figure in words.
    pub value: String,
    /// Colour of the label.
    pub ink: Rgb,
    /// The bar, from the axis on.
    pub parts: Vec<Part>,
    /// The interval.
    pub whisker: Option<(f64, f64)>,
    /// A point instead of a bar.
    pub point: Option<(f64, Look)>,
    /// Several points on one row, told apart by their looks.
    pub dots: Vec<Dot>,
}

/// Rows under a heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The heading; empty for none.
    pub heading: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The whole chart.
#[derive(Clone, Debug)]
pub struct Rows {
    /// What it shows.
    pub title: &'static str,
    /// How to read it.
    pub subtitle: String,
    /// What the axis says, with its unit.
    pub axis: String,
    /// Linear bars begin at zero; points may stand on a logarithmic axis.
    pub kind: Kind,
    /// The groups.
    pub groups: Vec<Group>,
    /// Vertical marks with their names.
    pub marks: Vec<(f64, String)>,
    /// What the fills mean.
    pub legend: Vec<(Fill, String)>,
    /// Interval, n, conditions.
    pub caption: String,
}

const ROW_WIDE: f64 = 24.0;
const ROW_NARROW: f64 = 38.0;
/// Where the axis begins when the labels stand above the bars, beyond the margin.
const STACKED_LEFT: f64 = 14.0;
const BAR: f64 = 13.0;
const HEADING: f64 = 26.0;
const AXIS: f64 = 40.0;

impl Rows {
    /// Lays it out.
    #[must_use]
    pub fn scene(&self, width: Width) -> Scene {
        let mut scene = Scene::new(width.pixels());
        let mut y = header(&mut scene, self.title, &self.subtitle);
        y = self.draw_legend(&mut scene, y);
        let (left, right) = self.gutters(width);
        let stacked = left < MARGIN + STACKED_LEFT + 0.5;
        let scale = Scale::new(self.kind, self.domain(), (left, right));
        let top = y + if self.marks.is_empty() { 2.0 } else { 20.0 };
        let headings = self.groups.iter().filter(|g| !g.heading.is_empty()).count();
        let rows: f64 = self.rows().map(|row| height(row, stacked, scene.width)).sum();
        let bottom = top + headings as f64 * HEADING + rows + 4.0;
        self.draw_axis(&mut scene, &scale, (left, right), (top, bottom));
        if !stacked {
            self.draw_grid(&mut scene, &scale, (left, right), (top, bottom));
        }
        let mut y = top;
        for group in &self.groups {
            if !group.heading.is_empty() {
                let ink = Ink::new(13.0, Rgb::INK).bold();
                scene.text(MARGIN, y + HEADING / 2.0 + 2.0, group.heading.as_str(), ink);
                y += HEADING;
            }
            for line in &group.rows {
                let below = y + height(line, stacked, width.pixels());
                if stacked {
                    // Through the bars only, so that no line crosses the words above them.
                    self.draw_grid(&mut scene, &scale, (left, right), (below - 21.0, below - 3.0));
                }
                draw_row(&mut scene, line, &scale, stacked, (left, y));
                y = below;
            }
        }
        footer(&mut scene, bottom + AXIS, &self.caption);
        scene
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    /// Left and right end of the axis: beside labels and values where there is room, else under
    /// them.
    fn gutters(&self, width: Width) -> (f64, f64) {
        let widest = |of: fn(&Row) -> &str| {
            self.rows().map(|row| metrics::width(of(row), 12.0, true)).fold(0.0, f64::max)
        };
        let left = MARGIN + widest(|row| &row.label) + 10.0;
        let right = width.pixels() - MARGIN - widest(|row| &row.value) - 14.0;
        if width == Width::Wide && right - left >= 260.0 {
            (left, right)
        } else {
            (MARGIN + STACKED_LEFT, width.pixels() - MARGIN - STACKED_LEFT)
        }
    }

    fn domain(&self) -> (f64, f64) {
        let parts = self.rows().flat_map(|row| row.parts.iter().flat_map(|p| [p.from, p.to]));
        let whiskers = self.rows().filter_map(|row| row.whisker).flat_map(|(a, b)| [a, b]);
        let points = self.rows().filter_map(|row| row.point).map(|(at, _)| at);
        let marks = self.marks.iter().map(|(at, _)| *at);
        let dots =
            self.rows().flat_map(|row| &row.dots).flat_map(|d| [d.whisker.0, d.at, d.whisker.1]);
        let all = parts.chain(whiskers).chain(points).chain(marks).chain(dots);
        match self.kind {
            Kind::Linear => {
                let (low, high) = extent(all.chain([0.0])).unwrap_or((0.0, 1.0));
                (if low < 0.0 { -round_up(-low) } else { 0.0 }, round_up(high))
            }
            Kind::Log => {
                let (low, high) = extent(all.filter(|v| *v > 0.0)).unwrap_or((1.0, 10.0));
                (low / 1.5, high * 1.5)
            }
        }
    }

    fn draw_legend(&self, scene: &mut Scene, y: f64) -> f64 {
        if self.legend.is_empty() {
            return y;
        }
        let ink = Ink::new(12.0, Rgb::INK);
        let (mut x, mut y) = (MARGIN, y + 4.0);
        for (fill, name) in &self.legend {
            let wide = 18.0 + metrics::width(name, 12.0, false);
            if x > MARGIN && x + wide > scene.width - MARGIN {
                (x, y) = (MARGIN, y + 18.0);
            }
            draw_fill(scene, Area::new(x, y - 6.0, x + 12.0, y + 6.0), *fill);
            scene.text(x + 17.0, y, name.as_str(), ink);
            x += wide + 16.0;
        }
        y + 18.0
    }

    /// Vertical lines at the ticks and the marks.
    fn draw_grid(
        &self,
        scene: &mut Scene,
        scale: &Scale,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
    ) {
        for tick in ticks(scale, left, right) {
            let x = scale.map(tick);
            scene.line((x, top), (x, bottom), Rgb::GRID, 1);
        }
        for (at, _) in &self.marks {
            let x = scale.map(*at);
            scene.dashed((x, top), (x, bottom), Rgb::MUTED, 1);
        }
    }

    fn draw_axis(
        &self,
        scene: &mut Scene,
        scale: &Scale,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
    ) {
        let ink = Ink::new(11.0, Rgb::MUTED).anchor(Anchor::Middle);
        let mut free = f64::MIN;
        for tick in ticks(scale, left, right) {
            let x = scale.map(tick);
            let text = tick_label(tick);
            let area = ink.area(x, 0.0, &text);
            if area.x0 > free {
                free = area.x1 + 6.0;
                scene.text(x, bottom + 10.0, text, ink);
            }
        }
        scene.line((left, bottom), (right, bottom), Rgb::GREY, 1);
        let mut free = f64::MAX;
        // From the right, so that the larger mark keeps its name.
        for (at, name) in self.marks.iter().rev() {
            let x = scale.map(*at);
            scene.line((x, top - 7.0), (x, top - 2.0), Rgb::MUTED, 1);
            let ink = Ink::new(11.0, Rgb::MUTED).anchor(Anchor::End);
            let area = ink.area(x + 4.0, 0.0, name);
            if area.x1 < free && area.x0 > MARGIN {
                scene.text(x + 4.0, top - 13.0, name.as_str(), ink);
                free = area.x0 - 6.0;
            }
        }
        let ink = Ink::new(12.0, Rgb::MUTED).anchor(Anchor::Middle);
        let max = scene.width - 2.0 * MARGIN;
        // Centred under the axis where it fits, else on the page.
        let half = metrics::width(&self.axis, 12.0, false) / 2.0;
        let middle = f64::midpoint(left, right);
        let fits = middle - half >= MARGIN && middle + half <= scene.width - MARGIN;
        let x = if fits { middle } else { scene.width / 2.0 };
        scene.wrapped((x, bottom + 28.0), &self.axis, max, ink);
    }
}

fn ticks(scale: &Scale, left: f64, right: f64) -> Vec<f64> {
    scale.ticks(((right - left) / 70.0) as usize)
}

/// Height of a row, pixels: label, value and bar side by side or above each other.
fn height(row: &Row, stacked: bool, width: f64) -> f64 {
    if !stacked {
        return ROW_WIDE;
    }
    if one_line(row, width) { ROW_NARROW } else { ROW_NARROW + 16.0 }
}

fn one_line(row: &Row, width: f64) -> bool {
    let label = metrics::width(&row.label, 12.0, true);
    label + metrics::width(&row.value, 12.0, false) + 10.0 <= width - 2.0 * MARGIN
}

fn draw_row(scene: &mut Scene, row: &Row, scale: &Scale, stacked: bool, (left, y): (f64, f64)) {
    let label = Ink::new(12.0, row.ink).bold();
    let value = Ink::new(12.0, Rgb::INK);
    let right = scene.width - MARGIN;
    let middle = if stacked {
        let below = if one_line(row, scene.width) { 0.0 } else { 16.0 };
        scene.text(MARGIN, y + 10.0, row.label.as_str(), label);
        scene.text(right, y + 10.0 + below, row.value.as_str(), value.anchor(Anchor::End));
        y + 26.0 + below
    } else {
        let middle = y + ROW_WIDE / 2.0;
        scene.text(left - 10.0, middle, row.label.as_str(), label.anchor(Anchor::End));
        scene.text(right, middle, row.value.as_str(), value.anchor(Anchor::End));
        middle
    };
    for part in &row.parts {
        let (from, to) = (scale.map(part.from), scale.map(part.to));
        let area = Area::new(from.min(to), middle - BAR / 2.0, from.max(to), middle + BAR / 2.0);
        draw_fill(scene, area, part.fill);
    }
    if let Some((low, high)) = row.whisker {
        let (a, b) = (scale.map(low), scale.map(high));
        scene.line((a, middle), (b, middle), Rgb::INK, 1);
        for x in [a, b] {
            scene.line((x, middle - 4.0), (x, middle + 4.0), Rgb::INK, 1);
        }
    }
    if let Some((at, look)) = row.point {
        look.draw(scene, (scale.map(at), middle), 5.0, false);
    }
    for dot in &row.dots {
        let (a, b) = (scale.map(dot.whisker.0), scale.map(dot.whisker.1));
        scene.line((a, middle), (b, middle), dot.look.color, 1);
        dot.look.draw(scene, (scale.map(dot.at), middle), 4.5, false);
    }
}

fn draw_fill(scene: &mut Scene, area: Area, fill: Fill) {
    match fill {
        Fill::Solid(color) => scene.rect(area, color),
        Fill::Point(look) => {
            let middle = f64::midpoint(area.y0, area.y1);
            look.draw(scene, (f64::midpoint(area.x0, area.x1), middle), 5.0, false);
        }
        Fill::Striped(color) => {
            scene.rect(area, color.tint(0.25));
            let mut x = area.x0 + 1.0;
            while x < area.x1 {
                scene.line((x, area.y0), (x, area.y1), color, 1);
                x += 3.0;
            }
            scene.outline(area, color);
        }
    }
}

/// A tick without superfluous digits.
#[must_use]
pub fn tick_label(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    crate::report::format::grouped(if text == "-0" { "0" } else { text })
}
