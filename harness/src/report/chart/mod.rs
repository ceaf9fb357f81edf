//! The charts: each answers one question, drawn once for a desktop and once for a phone.

mod algorithms;
pub mod cpu;
pub mod decision_map;
mod distance;
mod fault_matrix;
mod frontier;
pub mod headline;
pub mod labels;
pub mod lag;
pub mod latency;
mod lines;
mod lookup;
mod memory;
pub mod metrics;
pub mod micro;
mod overhead;
mod parts;
mod rates;
mod reject;
pub mod revocation;
pub mod rows;
pub mod scale;
pub mod scene;
pub mod sizes;
pub mod stale;
mod wire;

use super::palette::Palette;
use crate::record::derived::{Derived, Estimate};
use crate::record::run::Run;
use scene::{Ink, LEADING, Rgb, Scene};

/// What a chart is drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What was measured.
    pub run: &'a Run,
    /// What was computed.
    pub derived: &'a Derived,
    /// Who looks how.
    pub palette: &'a Palette,
}

/// The two widths every chart is drawn at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Width {
    /// A desktop: 960 pixels.
    Wide,
    /// A phone: 380 pixels.
    Narrow,
}

impl Width {
    /// In pixels.
    #[must_use]
    pub const fn pixels(self) -> f64 {
        match self {
            Self::Wide => 960.0,
            Self::Narrow => 380.0,
        }
    }

    /// `wide` where there is room, else `narrow`.
    #[must_use]
    pub fn pick<T>(self, wide: T, narrow: T) -> T {
        match self {
            Self::Wide => wide,
            Self::Narrow => narrow,
        }
    }
}

/// A finished chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The stem of its files.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The same in words, for those who do not see it.
    pub alt: String,
    /// The SVG for a desktop.
    pub wide: String,
    /// The SVG for a phone.
    pub narrow: String,
}

impl Chart {
    /// Draws both widths.
    ///
    /// # Errors
    /// When the SVG cannot be written.
    pub fn draw(
        name: &'static str,
        title: &'static str,
        alt: String,
        scene: impl Fn(Width) -> Scene,
    ) -> anyhow::Result<Self> {
        let wide = scene(Width::Wide).to_svg(title, &alt)?;
        let narrow = scene(Width::Narrow).to_svg(title, &alt)?;
        Ok(Self { name, title, alt, wide, narrow })
    }
}

/// Every chart that the record bears, in report order.
///
/// # Errors
/// When an SVG cannot be written.
pub fn all(input: &Input<'_>) -> anyhow::Result<Vec<Chart>> {
    let charts = [
        headline::chart(input)?,
        cpu::chart(input)?,
        latency::chart(input)?,
        rates::chart(input)?,
        micro::chart(input)?,
        algorithms::verify(input)?,
        algorithms::issue(input)?,
        overhead::chart(input)?,
        parts::chart(input)?,
        reject::chart(input)?,
        lookup::chart(input)?,
        memory::chart(input)?,
        wire::chart(input)?,
        sizes::chart(input)?,
        revocation::chart(input)?,
        lag::chart(input)?,
        stale::chart(input)?,
        fault_matrix::chart(input)?,
        distance::chart(input)?,
    ];
    Ok(charts.into_iter().flatten().collect())
}

/// Left and right margin, pixels.
pub const MARGIN: f64 = 12.0;

/// Title and subtitle; the y below them.
pub fn header(scene: &mut Scene, title: &str, subtitle: &str) -> f64 {
    let max = scene.width - 2.0 * MARGIN;
    let y = scene.wrapped((MARGIN, 18.0), title, max, Ink::new(16.0, Rgb::INK).bold());
    scene.wrapped((MARGIN, y + 1.0), subtitle, max, Ink::new(12.0, Rgb::MUTED)) - 2.0
}

/// Caption at the foot; sets the height of the scene.
pub fn footer(scene: &mut Scene, y: f64, caption: &str) {
    let max = scene.width - 2.0 * MARGIN;
    let end = scene.wrapped((MARGIN, y + 10.0), caption, max, Ink::new(11.0, Rgb::MUTED));
    scene.height = end + LEADING;
}

/// The smallest and largest finite value, if there is any.
#[must_use]
pub fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    })
}

/// Of what was timed in loops: which clock, how many groups of batches, what the interval is of.
#[must_use]
pub fn loop_conditions<'a>(input: &Input<'_>, rows: impl Iterator<Item = &'a Estimate>) -> String {
    let n = extent(rows.map(|e| f64::from(e.n)));
    let n = match n {
        Some((low, high)) if low < high => format!("{low} to {high}"),
        Some((n, _)) => format!("{n}"),
        None => "0".into(),
    };
    format!(
        "Subject and reference alternate; mean and 95 % interval over n = {n} groups of \
         batches. {}",
        super::verdicts::status_note(input.run)
    )
    .trim_end()
    .to_owned()
}

/// `95 % intervals over 5 blocks; 5,000 requests per second (poisson arrivals, exact pacing)`.
#[must_use]
pub fn conditions(input: &Input<'_>) -> String {
    let note = super::verdicts::status_note(input.run);
    let Some(plan) = &input.run.plan else { return note.to_owned() };
    format!(
        "95 % intervals over n = {} blocks; {} requests/s, {} arrivals, driver pacing {}, {} \
         connections, over loopback. {}",
        input.derived.blocks,
        super::format::count(plan.rate_per_second),
        plan.arrivals,
        plan.pacing,
        plan.connections,
        note,
    )
    .trim_end()
    .to_owned()
}
