//! What a chart consists of before it is written: marks, then texts whose boxes are known.
//!
//! plotters writes the SVG; its own axes and meshes are not used, because they place texts without
//! knowing their width, and every text here has to be seen by the label placer and by the lint.

use std::fmt::Write as _;

use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{IntoDrawingArea as _, RGBColor, SVGBackend, WHITE};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontFamily, FontStyle, IntoFont as _, IntoTextStyle as _};

use super::metrics;

/// The family list written into every text: Arial or what the system takes for it.
pub const FONT: &str = "Arial, Helvetica, sans-serif";
/// plotters divides font sizes by this when it writes them.
const SVG_FONT_FACTOR: f64 = 1.24;

/// A colour, `0xRRGGBB`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rgb(pub u32);

impl Rgb {
    /// Text.
    pub const INK: Self = Self(0x1f_23_28);
    /// Captions, axes.
    pub const MUTED: Self = Self(0x57_60_6a);
    /// What is shown beside the contenders: floor, controls, rulers.
    pub const GREY: Self = Self(0x8c_95_9f);
    /// Grid lines.
    pub const GRID: Self = Self(0xe3_e6_ea);
    /// Bands.
    pub const BAND: Self = Self(0xf3_f5_f8);

    fn plotters(self) -> RGBColor {
        let [_, r, g, b] = self.0.to_be_bytes();
        RGBColor(r, g, b)
    }

    /// The colour mixed with black; `share` of it is left.
    #[must_use]
    pub fn shade(self, share: f64) -> Self {
        let part = |shift: u32| ((f64::from((self.0 >> shift) & 0xff) * share) as u32) << shift;
        Self(part(16) | part(8) | part(0))
    }

    /// Linear red, green and blue, 0 to 1 (IEC 61966-2-1).
    #[must_use]
    pub fn linear(self) -> [f64; 3] {
        [16, 8, 0].map(|shift| {
            let c = f64::from((self.0 >> shift) & 0xff) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Contrast against white (WCAG 2.2): 1 to 21.
    #[must_use]
    pub fn contrast(self) -> f64 {
        let [r, g, b] = self.linear();
        1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05)
    }

    /// The colour for words: dark enough to be read in small letters, 4.5:1 against white.
    #[must_use]
    pub fn ink(self) -> Self {
        let mut darker = (0..20).map(|step| self.shade(1.0 - f64::from(step) * 0.05));
        darker.find(|color| color.contrast() >= 4.6).unwrap_or(Self::INK)
    }

    /// The colour mixed with white; `share` of it is left.
    #[must_use]
    pub fn tint(self, share: f64) -> Self {
        let mix = |shift: u32| {
            let part = f64::from((self.0 >> shift) & 0xff);
            ((255.0 - (255.0 - part) * share).round() as u32) << shift
        };
        Self(mix(16) | mix(8) | mix(0))
    }
}

/// A rectangle, in pixels from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

impl Area {
    /// From its edges.
    #[must_use]
    pub const fn new(x0: f64, y0: f64, x1: f64, y1: f64) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// Whether the two share more than an edge.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }

    /// Whether `other` lies within.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.x0 >= self.x0 && other.x1 <= self.x1 && other.y0 >= self.y0 && other.y1 <= self.y1
    }

    /// Grown by `by` pixels on every side.
    #[must_use]
    pub fn grown(&self, by: f64) -> Self {
        Self::new(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)
    }

    /// Width, pixels.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.x1 - self.x0
    }
}

/// Which end of a text its position is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Anchor {
    /// The text begins there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ink {
    /// Font size, pixels.
    pub size: f64,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub color: Rgb,
    /// Which end its position is.
    pub anchor: Anchor,
}

impl Ink {
    /// Plain text that begins at its position.
    #[must_use]
    pub const fn new(size: f64, color: Rgb) -> Self {
        Self { size, bold: false, color, anchor: Anchor::Start }
    }

    /// The same, bold.
    #[must_use]
    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// The same, anchored elsewhere.
    #[must_use]
    pub const fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    /// The box of `text` vertically centred at `(x, y)`.
    #[must_use]
    pub fn area(&self, x: f64, y: f64, text: &str) -> Area {
        let width = metrics::width(text, self.size, self.bold);
        let x0 = match self.anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        Area::new(x0, y - self.size / 2.0, x0 + width, y + self.size / 2.0)
    }
}

#[derive(Clone, Debug)]
enum Mark {
    Path { points: Vec<(f64, f64)>, color: Rgb, width: u32 },
    Rect { area: Area, color: Rgb, filled: bool },
    Polygon { points: Vec<(f64, f64)>, color: Rgb },
    Circle { at: (f64, f64), radius: f64, color: Rgb, filled: bool, width: u32 },
}

#[derive(Clone, Debug)]
struct Words {
    x: f64,
    y: f64,
    text: String,
    ink: Ink,
}

/// A chart that is not written yet.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Width, pixels.
    pub width: f64,
    /// Height, pixels; set last, when everything has found its place.
    pub height: f64,
    marks: Vec<Mark>,
    words: Vec<Words>,
}

impl Scene {
    /// An empty one.
    #[must_use]
    pub const fn new(width: f64) -> Self {
        Self { width, height: 0.0, marks: Vec::new(), words: Vec::new() }
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: Rgb, width: u32) {
        self.path(vec![from, to], color, width);
    }

    /// A line through points.
    pub fn path(&mut self, points: Vec<(f64, f64)>, color: Rgb, width: u32) {
        self.marks.push(Mark::Path { points, color, width });
    }

    /// A broken straight line.
    pub fn dashed(&mut self, from: (f64, f64), to: (f64, f64), color: Rgb, width: u32) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let mut at = 0.0;
        while at < length {
            let end = (at + 5.0).min(length);
            let point = |t: f64| (from.0 + dx * t / length, from.1 + dy * t / length);
            self.line(point(at), point(end), color, width);
            at += 9.0;
        }
    }

    /// A filled rectangle.
    pub fn rect(&mut self, area: Area, color: Rgb) {
        self.marks.push(Mark::Rect { area, color, filled: true });
    }

    /// The outline of a rectangle.
    pub fn outline(&mut self, area: Area, color: Rgb) {
        self.marks.push(Mark::Rect { area, color, filled: false });
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: Vec<(f64, f64)>, color: Rgb) {
        self.marks.push(Mark::Polygon { points, color });
    }

    /// A disc.
    pub fn disc(&mut self, at: (f64, f64), radius: f64, color: Rgb) {
        self.marks.push(Mark::Circle { at, radius, color, filled: true, width: 1 });
    }

    /// A ring.
    pub fn ring(&mut self, at: (f64, f64), radius: f64, color: Rgb, width: u32) {
        self.marks.push(Mark::Circle { at, radius, color, filled: false, width });
    }

    /// A text, vertically centred at `(x, y)`.
    pub fn text(&mut self, x: f64, y: f64, text: impl Into<String>, ink: Ink) {
        let text = text.into();
        if !text.is_empty() {
            self.words.push(Words { x, y, text, ink });
        }
    }

    /// A text broken into lines of at most `max` pixels, the first centred at `y`; the `y` of the
    /// line that would follow.
    pub fn wrapped(&mut self, (x, y): (f64, f64), text: &str, max: f64, ink: Ink) -> f64 {
        let mut y = y;
        for line in metrics::wrap(text, max, ink.size, ink.bold) {
            self.text(x, y, line, ink);
            y += ink.size + LEADING;
        }
        y
    }

    /// Writes it, with what a screen reader says.
    ///
    /// # Errors
    /// When plotters cannot write to memory, which it can.
    pub fn to_svg(&self, title: &str, alt: &str) -> anyhow::Result<String> {
        let mut svg = String::new();
        let size = (self.width.ceil() as u32, self.height.ceil() as u32);
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let drawn = area.fill(&WHITE).and_then(|()| {
                self.marks.iter().try_for_each(|mark| draw(&area, mark))?;
                self.words.iter().try_for_each(|words| write_words(&area, words))
            });
            drawn.and_then(|()| area.present()).map_err(|e| anyhow::anyhow!("SVG: {e}"))?;
        }
        Ok(speak(&svg, title, alt))
    }
}

/// Between the lines of a wrapped text, pixels.
pub const LEADING: f64 = 4.0;

type Drawing<'a> = plotters::drawing::DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), plotters::drawing::DrawingAreaErrorKind<std::io::Error>>;

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

fn draw(area: &Drawing<'_>, mark: &Mark) -> Drawn {
    match mark {
        Mark::Path { points, color, width } => {
            let points: Vec<_> = points.iter().copied().map(pixel).collect();
            area.draw(&PathElement::new(points, color.plotters().stroke_width(*width)))
        }
        Mark::Rect { area: r, color, filled } => {
            let style = color.plotters();
            let style = if *filled { style.filled() } else { style.stroke_width(1) };
            area.draw(&Rectangle::new([pixel((r.x0, r.y0)), pixel((r.x1, r.y1))], style))
        }
        Mark::Polygon { points, color } => {
            let points: Vec<_> = points.iter().copied().map(pixel).collect();
            area.draw(&Polygon::new(points, color.plotters().filled()))
        }
        Mark::Circle { at, radius, color, filled, width } => {
            let style = color.plotters();
            let style = if *filled { style.filled() } else { style.stroke_width(*width) };
            area.draw(&Circle::new(pixel(*at), radius.round() as i32, style))
        }
    }
}

fn write_words(area: &Drawing<'_>, words: &Words) -> Drawn {
    let h_pos = match words.ink.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let weight = if words.ink.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = (FontFamily::Name(FONT), words.ink.size * SVG_FONT_FACTOR, weight).into_font();
    let style = font
        .color(&words.ink.color.plotters())
        .pos(Pos::new(h_pos, VPos::Center))
        .into_text_style(area);
    area.draw(&Text::new(words.text.as_str(), pixel((words.x, words.y)), style))
}

/// Puts role, title and description behind the opening tag: plotters writes none.
fn speak(svg: &str, title: &str, alt: &str) -> String {
    let Some((open, rest)) = svg.split_once(">\n") else { return svg.to_owned() };
    let (title, alt) = (escape(title), escape(alt));
    let mut out = String::with_capacity(svg.len() + title.len() + 2 * alt.len());
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{open} role=\"img\" aria-label=\"{title}\">");
    let _ = writeln!(out, "<title>{title}</title>\n<desc>{alt}</desc>");
    out.push_str(rest);
    out
}

/// Text as XML content or attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
