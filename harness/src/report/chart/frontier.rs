//! The frontier of the headline: what no other point beats on both axes.

use super::headline::{Plane, Point};
use super::scene::{Area, Rgb, Scene};

/// Draws the frontier; the areas that labels must keep off.
pub(super) fn draw_frontier(scene: &mut Scene, points: &[Point], plane: &Plane) -> Vec<Area> {
    let shared: Vec<&Point> = points.iter().filter(|p| p.shared && comparable(p, points)).collect();
    let all: Vec<&Point> = points.iter().filter(|p| comparable(p, points)).collect();
    let steps_shared = steps(&shared, plane);
    let steps_all = steps(&all, plane);
    // Labels keep off both lines.
    let taken = steps_all.windows(2).chain(steps_shared.windows(2)).map(|pair| {
        let [(ax, ay), (bx, by)] = [pair[0], pair[1]];
        Area::new(ax.min(bx), ay.min(by), ax.max(bx), ay.max(by)).grown(1.5)
    });
    let taken: Vec<Area> = taken.collect();
    if steps_all != steps_shared {
        for pair in steps_all.windows(2) {
            scene.dashed(pair[0], pair[1], Rgb::GREY, 1);
        }
    }
    if steps_shared.len() > 1 {
        scene.path(steps_shared, Rgb(0xb4_bb_c4), 3);
    }
    taken
}

/// A token measured at a short lifetime is not a choice of its own: its point by law is.
fn comparable(point: &Point, all: &[Point]) -> bool {
    point.hollow || !all.iter().any(|other| other.hollow && other.arm == point.arm)
}

fn steps(points: &[&Point], plane: &Plane) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| {
        let by_lag = a.lag.rank().total_cmp(&b.lag.rank());
        by_lag.then(a.cpu.value.total_cmp(&b.cpu.value))
    });
    let mut line: Vec<(f64, f64)> = Vec::new();
    let mut best = f64::INFINITY;
    for point in sorted {
        if point.cpu.value >= best {
            continue;
        }
        best = point.cpu.value;
        let (x, y) = (plane.x_of(point.lag), plane.y.map(best / 1e3));
        if let Some(&(_, above)) = line.last() {
            line.push((x, above));
        } else {
            line.push((plane.area.x0, y));
        }
        line.push((x, y));
    }
    if let Some(&(_, y)) = line.last() {
        line.push((plane.area.x1, y));
    }
    line
}
