//! Which strategy, by how far away the store is and how soon a logout must work?

use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{Chart, MARGIN, Width, footer, header, metrics};
use crate::decide::choice::{choose, seconds};
use crate::decide::figures::Figures;
use crate::decide::flip::shaded;
use crate::decide::workload::Workload;
use crate::report::palette::Palette;

const TITLE: &str = "Which strategy, by the store's distance and the logout's deadline?";
/// Round trips to the store, milliseconds.
const DISTANCES: [f64; 8] = [0.0, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0, 70.0];
/// Deadlines, seconds; the last is none.
const DEADLINES: [f64; 7] = [0.0, 0.1, 1.0, 2.0, 10.0, 60.0, f64::INFINITY];
/// What authentication may add to the median, milliseconds.
const LATENCY_MS: f64 = 5.0;
const ROW: f64 = 40.0;
const LEFT: f64 = 62.0;
const LEGEND: f64 = 20.0;

/// What is chosen in one cell.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    choice: Option<String>,
    /// Whether figures at the ends of their intervals choose something else.
    is_undecided: bool,
}

/// The chart.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(figures: &Figures, palette: &Palette) -> anyhow::Result<Chart> {
    let workload = Workload::default();
    let cells: Vec<Vec<Cell>> = DEADLINES
        .iter()
        .map(|s| DISTANCES.iter().map(|ms| cell(figures, &workload, *ms, *s)).collect())
        .collect();
    let caption = format!(
        "{} requests/s on {} nodes, {} sessions, tokens of {}, at most {LATENCY_MS} ms added to \
         the median; every other input as `authbench decide` has it by default. Hatched: with the \
         figures at the ends of their intervals another strategy is chosen. No mark: none meets \
         the demands.",
        workload.requests_per_second,
        workload.nodes,
        workload.sessions,
        seconds(workload.lifetime_s)
    );
    let alt = spoken(&cells);
    Chart::draw("decision-map", TITLE, alt, |width| scene(&cells, palette, &caption, width))
}

fn cell(figures: &Figures, workload: &Workload, distance_ms: f64, deadline_s: f64) -> Cell {
    let mut here = workload.with("store_rtt_ms", distance_ms).with("latency_limit_ms", LATENCY_MS);
    here.demands.lag_limit_s = deadline_s.is_finite().then_some(deadline_s);
    let choice = choose(figures, &here);
    let other = |id: &String| {
        let ends = [true, false].map(|worst| shaded(figures, id, worst));
        ends.iter().any(|figures| choose(figures, &here).as_ref() != Some(id))
    };
    Cell { is_undecided: choice.as_ref().is_some_and(other), choice }
}

fn deadline(s: f64) -> String {
    match s {
        _ if s <= 0.0 => "at once".into(),
        _ if s.is_infinite() => "any time".into(),
        _ => seconds(s),
    }
}

fn distance(ms: f64) -> String {
    format!("{ms} ms")
}

fn spoken(cells: &[Vec<Cell>]) -> String {
    let row = |(s, row): (&f64, &Vec<Cell>)| {
        let each: Vec<String> = DISTANCES
            .iter()
            .zip(row)
            .map(|(ms, cell)| {
                let name = cell.choice.as_deref().unwrap_or("none");
                format!(
                    "{} {name}{}",
                    distance(*ms),
                    if cell.is_undecided { " (undecided)" } else { "" }
                )
            })
            .collect();
        format!("{}: {}", deadline(*s), each.join(", "))
    };
    let rows: Vec<String> = DEADLINES.iter().zip(cells).map(row).collect();
    format!("Map of choices, deadline of a logout by distance of the store. {}.", rows.join("; "))
}

fn scene(cells: &[Vec<Cell>], palette: &Palette, caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let top = header(
        &mut scene,
        TITLE,
        "Down: a logout must work within. Across: round trip to the store.",
    );
    let each = (width.pixels() - MARGIN - LEFT) / DISTANCES.len() as f64;
    for (i, ms) in DISTANCES.iter().enumerate() {
        let x = LEFT + each * (i as f64 + 0.5);
        let ink = Ink::new(width.pick(11.0, 10.0), Rgb::MUTED).anchor(Anchor::Middle);
        scene.text(x, top + 8.0, distance(*ms), ink);
    }
    let top = top + 20.0;
    for (i, (s, row)) in DEADLINES.iter().zip(cells).enumerate() {
        let y = top + ROW * i as f64;
        let ink = Ink::new(11.0, Rgb::MUTED).anchor(Anchor::End);
        scene.text(LEFT - 6.0, y + ROW / 2.0, deadline(*s), ink);
        for (j, cell) in row.iter().enumerate() {
            let x = LEFT + each * j as f64;
            let area = Area::new(x + 1.0, y + 1.0, x + each - 1.0, y + ROW - 1.0);
            draw(&mut scene, cell, palette, area);
        }
    }
    let bottom = legend(&mut scene, cells, palette, top + ROW * DEADLINES.len() as f64 + 16.0);
    footer(&mut scene, bottom, caption);
    scene
}

fn draw(scene: &mut Scene, cell: &Cell, palette: &Palette, area: Area) {
    let Some(choice) = &cell.choice else { return scene.rect(area, Rgb::BAND) };
    let look = palette.look(choice);
    scene.rect(area, look.color.tint(0.18));
    if cell.is_undecided {
        let step = 8.0;
        let lines = ((area.width() / step).floor() as i32).max(1);
        for n in 0..lines {
            let x = area.x0 + step * f64::from(n);
            scene.line((x, area.y1), (x + step, area.y0), look.color.tint(0.45), 1);
        }
    }
    let middle = (f64::midpoint(area.x0, area.x1), f64::midpoint(area.y0, area.y1));
    look.draw(scene, middle, 6.0, false);
}

/// The strategies that are chosen anywhere, in the order of their first appearance.
fn legend(scene: &mut Scene, cells: &[Vec<Cell>], palette: &Palette, y: f64) -> f64 {
    let mut names: Vec<&String> = Vec::new();
    for name in cells.iter().flatten().filter_map(|cell| cell.choice.as_ref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (mut x, mut y) = (MARGIN, y);
    for name in names {
        let wide = 22.0 + metrics::width(name, 12.0, true) + 14.0;
        if x + wide > scene.width - MARGIN && x > MARGIN {
            (x, y) = (MARGIN, y + LEGEND);
        }
        let look = palette.look(name);
        look.draw(scene, (x + 7.0, y), 6.0, false);
        scene.text(x + 20.0, y, name.as_str(), Ink::new(12.0, look.color.ink()).bold());
        x += wide;
    }
    y + LEGEND
}
