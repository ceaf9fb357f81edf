//! What does faster revocation cost? CPU above `none` against revocation lag: the headline.

use super::frontier::draw_frontier;
use super::labels::{Wanted, place};
use super::rows::tick_label;
use super::scale::{Kind, Scale, duration_ticks, round_up};
use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{Chart, Input, MARGIN, Width, conditions, extent, footer, header, metrics};
use crate::record::derived::{ArmResult, Estimate, RevocationLagResult};
use crate::record::run::Role;
use crate::report::format;
use crate::report::palette::Look;

const TITLE: &str = "What does faster revocation cost?";

/// Where a point stands on the lag axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lag {
    /// No revoked credential was accepted for longer than the probes can see.
    BelowResolution,
    /// Measured: the bound that stands for it and the largest seen, nanoseconds.
    Measured(f64, f64),
    /// Until the credential expires.
    UntilExpiry,
}

impl Lag {
    /// For the frontier: further right is worse.
    pub(super) const fn rank(self) -> f64 {
        match self {
            Self::BelowResolution => 0.0,
            Self::Measured(ns, _) => ns,
            Self::UntilExpiry => f64::INFINITY,
        }
    }
}

/// One point of the chart.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) arm: String,
    pub(super) lag: Lag,
    pub(super) cpu: Estimate,
    bytes: f64,
    pub(super) hollow: bool,
    note: Option<String>,
    pub(super) shared: bool,
    look: Look,
}

/// The chart, when any contender has both figures.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let mut points: Vec<Point> = Vec::new();
    let mut left_out: Vec<String> = Vec::new();
    for arm in input.derived.arms.iter().filter(|arm| arm.role == Role::Contender) {
        let before = points.len();
        if let Some(cpu) = arm.cpu_above_none_ns {
            points.extend(points_of(input, arm, cpu));
        }
        if points.len() == before {
            left_out.push(arm.arm.clone());
        }
    }
    if points.is_empty() {
        return Ok(None);
    }
    let caption = caption(input, &left_out);
    let said: Vec<String> = points.iter().map(spoken).collect();
    let alt = format!(
        "Scatter plot of CPU above none, in microseconds per request, against revocation lag. {}.",
        said.join("; ")
    );
    Chart::draw("headline", TITLE, alt, |width| {
        let height = width.pick(430.0, 470.0);
        // More room until every label has found a place; crossing leaders only as a last resort.
        let tries = [(1.0, true), (1.25, true), (1.6, true), (2.0, true), (2.0, false)];
        let draw =
            |(factor, strict)| scene(input, &points, &caption, width, (height * factor, strict));
        let found = tries.into_iter().map(draw).find(|(_, done)| *done);
        found.map_or_else(|| draw((4.0, false)).0, |(scene, _)| scene)
    })
    .map(Some)
}

fn points_of(input: &Input<'_>, arm: &ArmResult, cpu: Estimate) -> Vec<Point> {
    let declared = input.run.strategies.iter().find(|s| s.id == arm.strategy);
    let expires = declared.is_some_and(|s| s.revoke == "at-expiry");
    let lags = input.derived.revocation_lag.iter();
    let lags = lags.filter(|lag| lag.strategy == arm.strategy && stands_for(lag));
    let point = |lag, hollow, note, shared| Point {
        arm: arm.arm.clone(),
        lag,
        cpu,
        bytes: arm.request_bytes.unwrap_or(0.0),
        hollow,
        note,
        shared,
        look: input.palette.look(&arm.strategy),
    };
    let mut points: Vec<Point> = Vec::new();
    for row in lags {
        let shared = !row.node_scoped;
        let life = format::duration(row.lifetime_s as f64 * 1e9);
        if row.basis == "by-law" {
            let note = Some(format!("by law, T = {life}"));
            points.push(point(Lag::UntilExpiry, true, note, shared));
        } else if let Some(lag) = measured(row) {
            let bound = declared.and_then(|s| s.revoke_within_ns);
            let note = if expires {
                Some(format!("measured, T = {life}"))
            } else if let Some(bound) = bound {
                Some(format!("bound {}", format::duration(bound as f64)))
            } else {
                row.node_scoped.then(|| "one node only".to_owned())
            };
            points.push(point(lag, false, note, shared));
        }
    }
    let by_law = points.iter().any(|p| p.lag == Lag::UntilExpiry);
    if expires && !by_law && points.is_empty() {
        let life = input.run.plan.as_ref().map(|plan| plan.token_lifetime_s as f64 * 1e9);
        let note = life.map(|ns| format!("by law, T = {}", format::duration(ns)));
        points.push(point(Lag::UntilExpiry, true, note, true));
    }
    points
}

/// Whether a lag is its strategy's own: of a single logout on two nodes at rest, or by law. The
/// others - more nodes, under load, many at once - are told in their table.
pub(super) fn stands_for(lag: &RevocationLagResult) -> bool {
    lag.nodes <= 2
}

/// The best bound that the trials bear.
fn measured(row: &RevocationLagResult) -> Option<Lag> {
    let max = row.max_ns? as f64;
    let shown = row.p99_upper_ns.or(row.p95_upper_ns).map_or(max, |ns| ns as f64);
    let resolution = row.resolution_ns as f64;
    Some(if shown <= resolution {
        Lag::BelowResolution
    } else {
        Lag::Measured(shown, max.max(shown))
    })
}

/// The coarsest resolution among those whose lag is below it: what the band on the left stands for.
fn band_resolution(input: &Input<'_>) -> Option<u64> {
    let rows = input.derived.revocation_lag.iter();
    let below = rows.filter(|row| matches!(measured(row), Some(Lag::BelowResolution)));
    below.map(|row| row.resolution_ns).filter(|ns| *ns > 0).max()
}

fn spoken(point: &Point) -> String {
    let lag = match point.lag {
        Lag::BelowResolution => "lag below probe resolution".to_owned(),
        Lag::Measured(ns, _) => format!("lag {}", format::duration(ns)),
        Lag::UntilExpiry => "until expiry".to_owned(),
    };
    let note = point.note.as_ref().map(|n| format!(" ({n})")).unwrap_or_default();
    let cpu = format::estimate(&point.cpu, format::MICROS);
    format!("{}: {cpu} above none, {lag}{note}, {:.0} bytes", point.arm, point.bytes)
}

fn caption(input: &Input<'_>, left_out: &[String]) -> String {
    let lags = input.derived.revocation_lag.iter().filter(|lag| lag.basis == "measured");
    let trials = extent(lags.map(|lag| f64::from(lag.trials)));
    let trials = match trials {
        Some((a, b)) if a < b => format!("{a} to {b} trials"),
        Some((a, _)) => format!("{a} trials"),
        None => "no trials".to_owned(),
    };
    let left_out = if left_out.is_empty() {
        String::new()
    } else {
        format!(" Without a place here, for want of a figure: {}.", format::list(left_out))
    };
    format!(
        "Filled: measured. Hollow: by law, nothing takes the credential back before it expires. \
         Lag: one-sided 95 % upper bound of p99 (of p95 below 299 trials, the largest below 59); \
         {trials} each. Marker area: bytes of one request. Whiskers: {} Grey steps: frontier of \
         the estimates that hold on every node; dotted: with those of one node.{left_out}",
        conditions(input)
    )
}

/// The plane of the plot.
pub(super) struct Plane {
    pub(super) area: Area,
    band: f64,
    x: Scale,
    pub(super) y: Scale,
}

impl Plane {
    pub(super) fn x_of(&self, lag: Lag) -> f64 {
        match lag {
            Lag::BelowResolution => self.area.x0 + self.band / 2.0,
            Lag::Measured(ns, _) => self.x.map(ns),
            Lag::UntilExpiry => self.area.x1 - self.band / 2.0,
        }
    }
}

fn scene(
    input: &Input<'_>,
    points: &[Point],
    caption: &str,
    width: Width,
    (height, strict): (f64, bool),
) -> (Scene, bool) {
    let mut scene = Scene::new(width.pixels());
    let top = header(
        &mut scene,
        TITLE,
        "CPU above none, server + Redis, µs per request (linear). Lower is better; further left \
         is better.",
    );
    let plane = plane(input, points, width, (top + 4.0, height));
    let names = draw_plane(&mut scene, input, &plane, width);
    let places = dodge(points, &plane);
    let mut obstacles = vec![names];
    obstacles.extend(draw_frontier(&mut scene, points, &plane));
    for (point, at) in points.iter().zip(&places) {
        obstacles.extend(draw_point(&mut scene, point, *at, &plane, points));
    }
    let wanted: Vec<Wanted> = points
        .iter()
        .zip(&places)
        .map(|(point, at)| Wanted {
            at: *at,
            radius: radius(point, points),
            lines: [Some(point.arm.clone()), point.note.clone()].into_iter().flatten().collect(),
            color: point.look.color.ink(),
            to_left: at.0 > f64::midpoint(plane.area.x0, plane.area.x1),
        })
        .collect();
    let (x0, x1) = (plane.area.x0 + plane.band, plane.area.x1 - plane.band);
    let papers = [
        (Area::new(plane.area.x0, 0.0, x0, f64::MAX), Rgb::BAND),
        (Area::new(x0, 0.0, x1, f64::MAX), Rgb(0xff_ff_ff)),
        (Area::new(x1, 0.0, plane.area.x1, f64::MAX), Rgb::BAND),
    ];
    let done = place(&mut scene, &wanted, &plane.area.grown(-2.0), &obstacles, &papers, strict);
    footer(&mut scene, plane.area.y1 + 44.0, caption);
    (scene, done)
}

fn plane(input: &Input<'_>, points: &[Point], width: Width, (top, height): (f64, f64)) -> Plane {
    let values = points.iter().flat_map(|p| [p.cpu.low, p.cpu.high, p.cpu.value, 0.0]);
    let (low, high) = extent(values).unwrap_or((0.0, 1.0));
    let (low, high) = (low / 1e3, high / 1e3);
    let high = round_up(high * 1.04);
    let low = if low < 0.0 { low - (high - low) * 0.08 } else { -(high * 0.1) };
    let labels = Scale::new(Kind::Linear, (low, high), (0.0, 1.0));
    let gutter = labels.ticks(7).into_iter().map(|t| metrics::width(&tick_label(t), 11.0, false));
    let left = MARGIN + gutter.fold(0.0, f64::max) + 6.0;
    let area = Area::new(left, top, width.pixels() - MARGIN, top + height);
    let band = width.pick(130.0, 76.0);
    let resolution = input.derived.revocation_lag.iter().map(|l| l.resolution_ns as f64);
    let lags = points.iter().filter_map(|p| match p.lag {
        Lag::Measured(ns, max) => Some([ns, max]),
        _ => None,
    });
    let life = input.run.plan.as_ref().map(|plan| plan.token_lifetime_s as f64 * 1e9);
    let domain = extent(resolution.filter(|v| *v > 0.0).chain(lags.flatten()).chain(life));
    let (from, to) = domain.unwrap_or((1e6, 1e12));
    Plane {
        x: Scale::new(Kind::Log, (from, to * 1.2), (area.x0 + band, area.x1 - band)),
        y: Scale::new(Kind::Linear, (low, high), (area.y1, area.y0)),
        area,
        band,
    }
}

/// Bands, grid, axes; the area that the names of the bands take.
fn draw_plane(scene: &mut Scene, input: &Input<'_>, plane: &Plane, width: Width) -> Area {
    let Area { x0, y0, x1, y1 } = plane.area;
    scene.rect(Area::new(x0, y0, x0 + plane.band, y1), Rgb::BAND);
    scene.rect(Area::new(x1 - plane.band, y0, x1, y1), Rgb::BAND);
    let ink = Ink::new(11.0, Rgb::MUTED);
    for tick in plane.y.ticks(7) {
        let y = plane.y.map(tick);
        scene.line((x0, y), (x1, y), if tick == 0.0 { Rgb::GREY } else { Rgb::GRID }, 1);
        scene.text(x0 - 6.0, y, tick_label(tick), ink.anchor(Anchor::End));
    }
    let mut free = f64::MIN;
    for ns in duration_ticks(0.0, f64::MAX) {
        let (x, text) = (plane.x.map(ns), format::duration(ns));
        if x <= x0 + plane.band || x >= x1 - plane.band {
            continue;
        }
        scene.line((x, y0), (x, y1), Rgb::GRID, 1);
        let ink = ink.anchor(Anchor::Middle);
        let area = ink.area(x, y1 + 11.0, &text);
        if area.x0 > free {
            free = area.x1 + 6.0;
            scene.text(x, y1 + 11.0, text, ink);
        }
    }
    scene.line((x0, y1), (x1, y1), Rgb::GREY, 1);
    let resolution = band_resolution(input).map_or_else(String::new, nearby);
    let ink = ink.anchor(Anchor::Middle);
    let max = plane.band - 6.0;
    let first = format!("below probe resolution{resolution}");
    let a = scene.wrapped((x0 + plane.band / 2.0, y0 + 10.0), &first, max, ink);
    let b = scene.wrapped((x1 - plane.band / 2.0, y0 + 10.0), "until expiry", max, ink);
    let title = width.pick(
        "Revocation lag, from acknowledgement to last acceptance (logarithmic between the bands)",
        "Revocation lag (logarithmic between bands)",
    );
    let ink = Ink::new(12.0, Rgb::MUTED).anchor(Anchor::Middle);
    scene.text(f64::midpoint(x0, x1), y1 + 30.0, title, ink);
    // Labels keep below the names over the whole width: simple, and nothing is lost.
    Area::new(x0, y0, x1, a.max(b) - 6.0)
}

/// ` (2 ms)`; the number and its unit stay together.
fn nearby(ns: u64) -> String {
    format!(" ({})", format::duration(ns as f64).replace(' ', "\u{a0}"))
}

/// Radius whose area is proportional to the bytes.
fn radius(point: &Point, all: &[Point]) -> f64 {
    let most = all.iter().map(|p| p.bytes).fold(1.0, f64::max);
    (11.0 * (point.bytes / most).sqrt()).max(4.0)
}

/// Inside a band, x has no meaning: points that would cover each other move apart.
fn dodge(points: &[Point], plane: &Plane) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| points[a].cpu.value.total_cmp(&points[b].cpu.value));
    let mut places: Vec<Option<(f64, f64)>> = vec![None; points.len()];
    for i in order {
        let (x, y) = (plane.x_of(points[i].lag), plane.y.map(points[i].cpu.value / 1e3));
        let r = radius(&points[i], points);
        let room = plane.band / 2.0 - r - 2.0;
        // Distance to the nearest point, in sums of radii; beyond 1.4 it no longer matters.
        let clear = |x: f64| {
            let others = places.iter().enumerate().filter_map(|(j, at)| Some((j, (*at)?)));
            let apart = |(j, at): (usize, (f64, f64))| {
                (at.0 - x).hypot(at.1 - y) / (r + radius(&points[j], points))
            };
            others.map(apart).fold(1.4, f64::min)
        };
        let banded = !matches!(points[i].lag, Lag::Measured(..));
        let shifts = (0..24).map(|k| f64::from((k + 1) / 2) * if k % 2 == 0 { -6.0 } else { 6.0 });
        let shifts = shifts.filter(|s| banded && s.abs() <= room);
        // The first of the best: nearest to the middle.
        let best = shifts.fold((0.0, -1.0), |(best, most), s| {
            let here = clear(x + s);
            if here > most { (s, here) } else { (best, most) }
        });
        places[i] = Some((x + best.0, y));
    }
    places.into_iter().flatten().collect()
}

/// Whiskers and marker; the areas that labels must keep off.
fn draw_point(
    scene: &mut Scene,
    point: &Point,
    (x, y): (f64, f64),
    plane: &Plane,
    all: &[Point],
) -> Vec<Area> {
    let (low, high) = (plane.y.map(point.cpu.low / 1e3), plane.y.map(point.cpu.high / 1e3));
    let color = point.look.color;
    scene.line((x, low), (x, high), color, 1);
    for end in [low, high] {
        scene.line((x - 3.0, end), (x + 3.0, end), color, 1);
    }
    let mut taken = vec![Area::new(x - 3.0, high - 1.0, x + 3.0, low + 1.0)];
    if let Lag::Measured(_, max) = point.lag {
        let end = plane.x.map(max);
        if end > x + 1.0 {
            scene.line((x, y), (end, y), color, 1);
            scene.line((end, y - 3.0), (end, y + 3.0), color, 1);
            taken.push(Area::new(x, y - 3.0, end, y + 3.0));
        }
    }
    point.look.draw(scene, (x, y), radius(point, all), point.hollow);
    taken
}
