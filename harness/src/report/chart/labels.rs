//! Where the direct labels go: beside their point, over nothing, inside the plot. Deterministic.

use super::metrics;
use super::scene::{Anchor, Area, Ink, Rgb, Scene};

/// A point that wants a label.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The point.
    pub at: (f64, f64),
    /// Radius of its marker, pixels.
    pub radius: f64,
    /// The lines of the label; the first is the name.
    pub lines: Vec<String>,
    /// Colour of the name.
    pub color: Rgb,
    /// Whether the label should rather stand to the left of the point.
    pub to_left: bool,
}

/// A label that found its place.
#[derive(Clone, Debug)]
struct Placed {
    area: Area,
    leader: Option<((f64, f64), (f64, f64))>,
    to_left: bool,
}

const SIZE: f64 = 12.0;
const LINE: f64 = 14.0;
const GAP: f64 = 5.0;

/// Draws a label for every point, or says that there is no room.
#[must_use]
pub fn place(scene: &mut Scene, wanted: &[Wanted], bounds: &Area, obstacles: &[Area]) -> bool {
    let mut blocked: Vec<Area> = obstacles.to_vec();
    blocked.extend(wanted.iter().map(|w| square(w.at, w.radius + 1.0)));
    let mut placed: Vec<Option<Placed>> = vec![None; wanted.len()];
    // From the top down, so that neighbours push each other in one direction only.
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |i: usize| (wanted[i].at.1, wanted[i].at.0);
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    for i in order {
        let others: Vec<&Placed> = placed.iter().flatten().collect();
        let Some(found) = best(&wanted[i], i, wanted, bounds, &blocked, &others) else {
            return false;
        };
        placed[i] = Some(found);
    }
    for (label, want) in placed.iter().flatten().zip(wanted) {
        draw(scene, label, want);
    }
    true
}

fn square((x, y): (f64, f64), r: f64) -> Area {
    Area::new(x - r, y - r, x + r, y + r)
}

fn size(want: &Wanted) -> (f64, f64) {
    let widths = want.lines.iter().enumerate().map(|(i, l)| metrics::width(l, SIZE, i == 0));
    (widths.fold(0.0, f64::max), LINE * want.lines.len() as f64)
}

/// The free place nearest to the point; a place on the wrong side counts as further away.
fn best(
    want: &Wanted,
    own: usize,
    all: &[Wanted],
    bounds: &Area,
    blocked: &[Area],
    others: &[&Placed],
) -> Option<Placed> {
    let (w, h) = size(want);
    let (x, y) = want.at;
    let mut best: Option<(f64, Placed)> = None;
    for side in [want.to_left, !want.to_left] {
        for shift in 0..12 {
            let away = GAP + want.radius + f64::from(shift) * 14.0;
            let x0 = if side { x - away - w } else { x + away };
            for step in -60..=60 {
                let middle = y + f64::from(step) * 5.0;
                let area = Area::new(x0, middle - h / 2.0, x0 + w, middle + h / 2.0);
                let cost = f64::from(step).abs() * 5.0
                    + f64::from(shift) * 9.0
                    + if side == want.to_left { 0.0 } else { 60.0 };
                if best.as_ref().is_some_and(|(least, _)| *least <= cost) {
                    continue;
                }
                let near = shift == 0 && f64::from(step).abs() * 5.0 <= h / 2.0 + 2.0;
                let edge = (if side { area.x1 + 2.0 } else { area.x0 - 2.0 }, middle);
                let leader = (!near).then_some((want.at, edge));
                let candidate = Placed { area, leader, to_left: side };
                let free = bounds.contains(&area)
                    && !blocked.iter().any(|b| b.overlaps(&area))
                    && !collides(&candidate, others)
                    && !leader.is_some_and(|l| meets_marker(l, own, all));
                if free {
                    best = Some((cost, candidate));
                }
            }
        }
    }
    best.map(|(_, placed)| placed)
}

fn collides(candidate: &Placed, others: &[&Placed]) -> bool {
    let area = candidate.area.grown(1.0);
    others.iter().any(|other| {
        area.overlaps(&other.area)
            || other.leader.is_some_and(|l| crosses(l, &area))
            || candidate.leader.is_some_and(|l| crosses(l, &other.area.grown(1.0)))
            || matches!((candidate.leader, other.leader), (Some(a), Some(b)) if intersect(a, b))
    })
}

fn meets_marker(leader: ((f64, f64), (f64, f64)), own: usize, all: &[Wanted]) -> bool {
    let others = all.iter().enumerate().filter(|(i, _)| *i != own);
    others
        // A point under this one cannot be avoided.
        .filter(|(_, w)| !square(w.at, w.radius).overlaps(&square(leader.0, 1.0)))
        .any(|(_, w)| crosses(leader, &square(w.at, w.radius)))
}

/// Whether a segment passes through `area`, sampled every two pixels or finer.
fn crosses((from, to): ((f64, f64), (f64, f64)), area: &Area) -> bool {
    let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 2.0).ceil().max(1.0) as u32;
    (0..=steps).any(|i| {
        let t = f64::from(i) / f64::from(steps);
        let (x, y) = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
        x > area.x0 && x < area.x1 && y > area.y0 && y < area.y1
    })
}

type Segment = ((f64, f64), (f64, f64));

fn intersect((a, b): Segment, (c, d): Segment) -> bool {
    let side = |p: (f64, f64), q: (f64, f64), r: (f64, f64)| {
        (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0)
    };
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

fn draw(scene: &mut Scene, label: &Placed, want: &Wanted) {
    if let Some((from, to)) = label.leader {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        // The line begins at the marker's edge, so that hollow markers stay hollow.
        let t = ((want.radius + 2.0) / length).min(1.0);
        let start = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
        scene.line(start, to, Rgb::GREY, 1);
    }
    let (x, anchor) =
        if label.to_left { (label.area.x1, Anchor::End) } else { (label.area.x0, Anchor::Start) };
    for (i, line) in want.lines.iter().enumerate() {
        let ink = if i == 0 {
            Ink::new(SIZE, want.color).bold()
        } else {
            Ink::new(SIZE - 1.0, Rgb::MUTED)
        };
        let y = label.area.y0 + LINE * (i as f64 + 0.5);
        scene.text(x, y, line.as_str(), ink.anchor(anchor));
    }
}
