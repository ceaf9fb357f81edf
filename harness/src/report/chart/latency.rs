//! How bad is the tail? Response-time percentiles, one panel per family, the floor in grey.

use std::collections::BTreeMap;

use super::labels::{LineEnd, stack};
use super::rows::tick_label;
use super::scale::{Kind, Scale};
use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{Chart, Input, MARGIN, Width, conditions, extent, footer, header, metrics};
use crate::measure::derive::latency::usable;
use crate::measure::histogram::{LatencyHistogram, supports};
use crate::record::run::{Arm, Role};
use crate::report::format;

const TITLE: &str = "How bad is the tail?";

/// One arm's percentiles.
#[derive(Clone, Debug)]
struct Curve {
    arm: String,
    color: Rgb,
    n: u64,
    /// Thousandths and nanoseconds.
    points: Vec<(u32, u64)>,
}

/// Curves of one family.
#[derive(Clone, Debug)]
struct Panel {
    name: String,
    curves: Vec<Curve>,
}

/// The chart, when latency was measured.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let floor = input.run.arms.iter().find(|arm| arm.role == Role::Baseline);
    let floor = floor.and_then(|arm| curve(input, arm, Rgb::GREY));
    let mut families: Vec<(String, Vec<Curve>)> = Vec::new();
    for arm in input.run.arms.iter().filter(|arm| arm.role == Role::Contender) {
        let family = input.run.strategies.iter().find(|s| s.id == arm.strategy);
        let family = family.map_or("other", |s| s.family.as_str());
        let Some(own) = curve(input, arm, input.palette.look(&arm.strategy).color) else {
            continue;
        };
        match families.iter_mut().find(|(name, _)| name == family) {
            Some((_, curves)) => curves.push(own),
            None => families.push((family.to_owned(), vec![own])),
        }
    }
    let panels: Vec<Panel> = families
        .into_iter()
        .map(|(name, curves)| Panel {
            name: format!("family: {name}"),
            curves: floor.iter().cloned().chain(curves).collect(),
        })
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let caption = caption(input, &panels);
    let alt = format!(
        "Lines of response time by percentile, logarithmic. {}.",
        panels.iter().flat_map(|p| &p.curves).map(spoken).collect::<Vec<_>>().join("; ")
    );
    Chart::draw("latency", TITLE, alt, |width| scene(&panels, &caption, width)).map(Some)
}

fn caption(input: &Input<'_>, panels: &[Panel]) -> String {
    let n = extent(panels.iter().flat_map(|p| &p.curves).map(|c| c.n as f64));
    let (low, high) = n.unwrap_or((0.0, 0.0));
    let (low, high) = (format::count(low as u64), format::count(high as u64));
    let n = if low == high { low } else { format!("{low} to {high}") };
    let windows = input.run.plan.as_ref().is_some_and(|plan| plan.latency_window_ms > 0);
    let source = if windows { "windows" } else { "slots" };
    format!(
        "Histograms merged over blocks ({source}), {n} requests an arm; a line ends where \
         fewer than 100 samples lie beyond. Response time counts from the intended start. The \
         lines are of this machine: differences to none, with intervals, are in the table. {}",
        conditions(input)
    )
}

fn spoken(curve: &Curve) -> String {
    let figures = [500, 900, 990, 999].into_iter().filter_map(|permille| {
        let (_, ns) = curve.points.iter().find(|(p, _)| *p == permille)?;
        Some(format!("p{} {} µs", f64::from(permille) / 10.0, format::micros(*ns)))
    });
    format!("{}: {}", curve.arm, figures.collect::<Vec<_>>().join(", "))
}

/// Merged over blocks; `None` without a readable sample.
fn curve(input: &Input<'_>, arm: &Arm, color: Rgb) -> Option<Curve> {
    let mut merged = LatencyHistogram::new();
    for cell in input.run.cells.iter().filter(|cell| cell.arm == arm.id) {
        let Ok(latency) = usable(input.run, cell) else { continue };
        if let Ok(own) = LatencyHistogram::from_record(&latency.response) {
            merged.add(&own);
        }
    }
    let steps = (0..900).step_by(25).chain((900..990).step_by(5)).chain(990..=999);
    let points: BTreeMap<u32, u64> = steps
        .filter(|permille| supports(merged.len(), *permille))
        .filter_map(|permille| Some((permille, merged.percentile(permille.max(1))?)))
        .collect();
    (points.len() > 1).then(|| Curve {
        arm: arm.id.clone(),
        color,
        n: merged.len(),
        points: points.into_iter().collect(),
    })
}

/// The axis in nines: 0, 90 %, 99 %, 99.9 % stand equally far apart.
fn nines(permille: u32) -> f64 {
    -(1.0 - f64::from(permille.min(999)) / 1000.0).log10()
}

fn scene(panels: &[Panel], caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let top = header(
        &mut scene,
        TITLE,
        "Response time, µs (logarithmic), by percentile (in nines). Lower is better; the floor \
         none is grey.",
    );
    let columns = width.pick(2, 1).min(panels.len());
    let gap = 24.0;
    let each = (width.pixels() - 2.0 * MARGIN - gap * (columns as f64 - 1.0)) / columns as f64;
    let values = panels.iter().flat_map(|p| &p.curves).flat_map(|c| &c.points);
    let (low, high) = extent(values.map(|(_, ns)| *ns as f64 / 1e3)).unwrap_or((1.0, 10.0));
    let most = panels.iter().map(|p| p.curves.len()).max().unwrap_or(0) as f64;
    let height = (most * 17.0 + 30.0).max(220.0);
    for (i, panel) in panels.iter().enumerate() {
        let x = MARGIN + (i % columns) as f64 * (each + gap);
        let y = top + (i / columns) as f64 * (height + 82.0);
        let frame = Area::new(x, y, x + each, y + height);
        draw_panel(&mut scene, panel, frame, (low / 1.1, high * 1.1));
    }
    let lines = panels.len().div_ceil(columns) as f64;
    footer(&mut scene, top + lines * (height + 82.0) - 14.0, caption);
    scene
}

fn draw_panel(scene: &mut Scene, panel: &Panel, frame: Area, domain: (f64, f64)) {
    let ink = Ink::new(11.0, Rgb::MUTED);
    scene.text(frame.x0, frame.y0 + 10.0, panel.name.as_str(), Ink::new(13.0, Rgb::INK).bold());
    let names = panel.curves.iter().map(|c| metrics::width(&c.arm, 12.0, true));
    let names = names.fold(0.0, f64::max) + 20.0;
    let probe = Scale::new(Kind::Log, domain, (0.0, 1.0)).ticks(6);
    let ticks = probe.iter().map(|t| metrics::width(&tick_label(*t), 11.0, false));
    let left = frame.x0 + ticks.fold(0.0, f64::max) + 6.0;
    let area = Area::new(left, frame.y0 + 24.0, frame.x1 - names, frame.y1 + 20.0);
    let y = Scale::new(Kind::Log, domain, (area.y1, area.y0));
    for tick in y.ticks(6) {
        scene.line((area.x0, y.map(tick)), (area.x1, y.map(tick)), Rgb::GRID, 1);
        scene.text(area.x0 - 6.0, y.map(tick), tick_label(tick), ink.anchor(Anchor::End));
    }
    let last = panel.curves.iter().filter_map(|c| c.points.last()).map(|(p, _)| nines(*p));
    let x = Scale::new(Kind::Linear, (0.0, last.fold(1.0, f64::max)), (area.x0, area.x1));
    let mut free = f64::MIN;
    for (permille, name) in [(0, "0"), (500, "50 %"), (900, "90 %"), (990, "99 %"), (999, "99.9 %")]
    {
        let at = x.map(nines(permille));
        if nines(permille) <= last_nines(panel) + 1e-9 {
            scene.line((at, area.y0), (at, area.y1), Rgb::GRID, 1);
            let ink = ink.anchor(Anchor::Middle);
            let taken = ink.area(at, 0.0, name);
            if taken.x0 > free {
                scene.text(at, area.y1 + 11.0, name, ink);
                free = taken.x1 + 4.0;
            }
        }
    }
    scene.line((area.x0, area.y1), (area.x1, area.y1), Rgb::GREY, 1);
    let middle = f64::midpoint(area.x0, area.x1);
    scene.text(middle, area.y1 + 28.0, "percentile", ink.anchor(Anchor::Middle));
    let mut ends = Vec::new();
    for curve in &panel.curves {
        let line: Vec<(f64, f64)> = curve
            .points
            .iter()
            .map(|(p, ns)| (x.map(nines(*p)), y.map(*ns as f64 / 1e3)))
            .collect();
        let Some(&end) = line.last() else { continue };
        scene.path(line, curve.color, 2);
        let color = curve.color.ink();
        ends.push(LineEnd { at: end, text: curve.arm.clone(), color });
    }
    stack(scene, &ends, area.x1 + 16.0, (area.y0, area.y1 + 8.0));
}

fn last_nines(panel: &Panel) -> f64 {
    let last = panel.curves.iter().filter_map(|c| c.points.last());
    last.map(|(p, _)| nines(*p)).fold(0.0, f64::max)
}
