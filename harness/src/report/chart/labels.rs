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

/// Draws a label for every point, or says that there is no room. Behind each label, what it
/// covers is painted over with the `papers` it stands on. `strict` allows no leader across
/// another, a label or a marker.
#[must_use]
pub fn place(
    scene: &mut Scene,
    wanted: &[Wanted],
    bounds: &Area,
    obstacles: &[Area],
    papers: &[(Area, Rgb)],
    strict: bool,
) -> bool {
    let mut blocked: Vec<Area> = obstacles.to_vec();
    blocked.extend(wanted.iter().map(|w| square(w.at, w.radius + 1.0)));
    let world = World { wanted, bounds, blocked: &blocked };
    let mut down: Vec<usize> = (0..wanted.len()).collect();
    down.sort_by(|&a, &b| {
        let (a, b) = (wanted[a].at, wanted[b].at);
        a.1.total_cmp(&b.1).then(a.0.total_cmp(&b.0))
    });
    let up: Vec<usize> = down.iter().rev().copied().collect();
    // Greedy, once in each direction.
    let tries = [&down, &up].into_iter().filter_map(|order| world.place(order, strict));
    let Some((_, placed)) = tries.min_by(|a, b| a.0.total_cmp(&b.0)) else { return false };
    for (label, want) in placed.iter().flatten().zip(wanted) {
        draw(scene, label, want, papers);
    }
    true
}

/// The end of a line that wants a label.
#[derive(Clone, Debug)]
pub struct LineEnd {
    /// Where the line ends.
    pub at: (f64, f64),
    /// The label.
    pub text: String,
    /// Its colour.
    pub color: Rgb,
}

/// Labels lines in a column at `x`, in the order of their ends, between `top` and `bottom`.
pub fn stack(scene: &mut Scene, ends: &[LineEnd], x: f64, (top, bottom): (f64, f64)) {
    const STEP: f64 = SIZE + 3.0;
    let mut ends: Vec<&LineEnd> = ends.iter().collect();
    ends.sort_by(|a, b| a.at.1.total_cmp(&b.at.1));
    let mut places: Vec<f64> = Vec::new();
    for end in &ends {
        let free = places.last().map_or(top + STEP / 2.0, |last| last + STEP);
        places.push(end.at.1.max(free));
    }
    // Pushed past the bottom, they move up again.
    let mut limit = bottom - STEP / 2.0;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - STEP;
    }
    for (end, place) in ends.iter().zip(places) {
        scene.line((end.at.0 + 2.0, end.at.1), (x - 3.0, place), Rgb::GREY, 1);
        scene.text(x, place, end.text.as_str(), Ink::new(SIZE, end.color).bold());
    }
}

/// What the labels have to share.
struct World<'a> {
    wanted: &'a [Wanted],
    bounds: &'a Area,
    blocked: &'a [Area],
}

impl World<'_> {
    /// Places in this order; `None` when one finds no room.
    fn place(&self, order: &[usize], strict: bool) -> Option<(f64, Vec<Option<Placed>>)> {
        let mut placed: Vec<Option<Placed>> = vec![None; self.wanted.len()];
        let mut total = 0.0;
        for &i in order {
            let others: Vec<&Placed> = placed.iter().flatten().collect();
            let (cost, found) = self.best(i, &others, strict)?;
            total += cost;
            placed[i] = Some(found);
        }
        Some((total, placed))
    }

    /// The free place nearest to the point; one on the wrong side counts as further away.
    fn best(&self, own: usize, others: &[&Placed], strict: bool) -> Option<(f64, Placed)> {
        let want = &self.wanted[own];
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
                    if self.is_free(own, &candidate, others, strict) {
                        best = Some((cost, candidate));
                    }
                }
            }
        }
        best
    }

    fn is_free(&self, own: usize, label: &Placed, others: &[&Placed], strict: bool) -> bool {
        let covers = self.blocked.iter().any(|b| b.overlaps(&label.area));
        let leads_over = strict && label.leader.is_some_and(|l| meets_marker(l, own, self.wanted));
        let taken = covers || leads_over || collides(label, others, strict);
        self.bounds.contains(&label.area) && !taken
    }
}

fn square((x, y): (f64, f64), r: f64) -> Area {
    Area::new(x - r, y - r, x + r, y + r)
}

fn size(want: &Wanted) -> (f64, f64) {
    let widths = want.lines.iter().enumerate().map(|(i, l)| metrics::width(l, SIZE, i == 0));
    (widths.fold(0.0, f64::max), LINE * want.lines.len() as f64)
}

fn collides(candidate: &Placed, others: &[&Placed], strict: bool) -> bool {
    let area = candidate.area.grown(1.0);
    if others.iter().any(|other| area.overlaps(&other.area)) {
        return true;
    }
    strict
        && others.iter().any(|other| {
            other.leader.is_some_and(|l| crosses(l, &area))
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

fn draw(scene: &mut Scene, label: &Placed, want: &Wanted, papers: &[(Area, Rgb)]) {
    for (paper, color) in papers {
        let (x0, x1) = (label.area.x0.max(paper.x0), label.area.x1.min(paper.x1));
        if x0 < x1 {
            scene.rect(Area::new(x0, label.area.y0 + 1.0, x1, label.area.y1 - 1.0), *color);
        }
    }
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
