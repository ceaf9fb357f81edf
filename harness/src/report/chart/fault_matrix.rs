//! What becomes of requests when things fail? Every strategy under every fault, as measured.

use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{Chart, Input, MARGIN, Width, footer, header, metrics};
use crate::record::derived::FaultResult;
use crate::report::spectrum_tables::outcome;

const TITLE: &str = "What becomes of requests when things fail?";
const ROW_WIDE: f64 = 22.0;
const ROW_NARROW: f64 = 40.0;
const HEAD: f64 = 34.0;
const WORD: f64 = 10.0;

/// The chart, when faults were tried.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let results = &input.derived.faults;
    if results.is_empty() {
        return Ok(None);
    }
    let strategies = in_order(results.iter().map(|r| r.strategy.as_str()));
    let faults = in_order(results.iter().map(|r| r.fault.as_str()));
    let said: Vec<String> = strategies.iter().map(|s| spoken(results, s, &faults)).collect();
    let alt = format!("Matrix of outcomes, strategies by faults. {}.", said.join("; "));
    let wrong = results.iter().filter(|r| !r.matches).count();
    let agreed = if wrong == 0 {
        "Every outcome was declared before it was measured, and is as declared.".to_owned()
    } else {
        format!("{wrong} outcomes are not as declared: framed, the declaration after the slash.")
    };
    let trials = results.iter().map(|r| r.trials).min().unwrap_or(0);
    let caption = format!(
        "{agreed} Unaffected: nothing wrongly admitted or refused. Closed: good credentials \
         refused, none revoked admitted. Open for: revoked ones admitted for so long beyond the \
         promise. Open: as long as the fault lasts, after a loss until the credentials expire. \
         Revives: those revoked before are good again. n = {trials} trials each, 2 nodes; exact \
         counts. {}",
        crate::report::verdicts::status_note(input.run)
    );
    let matrix = Matrix { results, strategies: &strategies, faults: &faults };
    Chart::draw("fault-matrix", TITLE, alt, |width| matrix.scene(input, &caption, width)).map(Some)
}

/// Distinct names in the order of their first appearance.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn spoken(results: &[FaultResult], strategy: &str, faults: &[&str]) -> String {
    let of = |fault: &&str| {
        let found = find(results, strategy, fault)?;
        Some(format!("{fault} {}", words(found)))
    };
    let each: Vec<String> = faults.iter().filter_map(of).collect();
    format!("{strategy}: {}", each.join(", "))
}

fn find<'a>(results: &'a [FaultResult], strategy: &str, fault: &str) -> Option<&'a FaultResult> {
    results.iter().find(|r| r.strategy == strategy && r.fault == fault)
}

fn words(result: &FaultResult) -> String {
    if result.matches {
        return outcome(&result.observed, result.declared_open_for_ns);
    }
    format!("{} / {}", result.observed, outcome(&result.declared, result.declared_open_for_ns))
}

/// What is drawn.
struct Matrix<'a> {
    results: &'a [FaultResult],
    strategies: &'a [&'a str],
    faults: &'a [&'a str],
}

impl Matrix<'_> {
    fn scene(&self, input: &Input<'_>, caption: &str, width: Width) -> Scene {
        let mut scene = Scene::new(width.pixels());
        let top = header(&mut scene, TITLE, "Paler is better. Words and colour say the same.");
        let names = self.strategies.iter().map(|s| metrics::width(s, 12.0, true));
        let left = width.pick(MARGIN + names.fold(0.0, f64::max) + 10.0, MARGIN);
        let row = width.pick(ROW_WIDE, ROW_NARROW);
        let each = (width.pixels() - MARGIN - left) / self.faults.len() as f64;
        for (i, fault) in self.faults.iter().enumerate() {
            let x = left + each * (i as f64 + 0.5);
            let ink = Ink::new(width.pick(11.0, WORD), Rgb::MUTED).anchor(Anchor::Middle);
            scene.wrapped((x, top + 8.0), &fault.replace('-', " "), each - 4.0, ink);
        }
        let bottom = top + HEAD + row * self.strategies.len() as f64;
        for (i, strategy) in self.strategies.iter().enumerate() {
            let y = top + HEAD + row * i as f64;
            let ink = Ink::new(12.0, input.palette.look(strategy).color.ink()).bold();
            let middle = width.pick(y + row / 2.0, y + 11.0);
            scene.text(MARGIN, middle, *strategy, ink);
            let cells = width.pick((y + 1.0, y + row - 1.0), (y + 20.0, y + row - 2.0));
            for (j, fault) in self.faults.iter().enumerate() {
                let x = left + each * j as f64;
                let area = Area::new(x + 1.0, cells.0, x + each - 1.0, cells.1);
                draw_cell(&mut scene, find(self.results, strategy, fault), area);
            }
        }
        footer(&mut scene, bottom + 6.0, caption);
        scene
    }
}

fn draw_cell(scene: &mut Scene, result: Option<&FaultResult>, area: Area) {
    let Some(result) = result else {
        scene.rect(area, Rgb::BAND);
        return;
    };
    let (paper, ink) = colors(&result.observed);
    scene.rect(area, paper);
    if !result.matches {
        scene.outline(area, Rgb::INK);
    }
    let all = words(result);
    let short = all.replace("unaffected", "–").replace("open for ", "");
    // In full where there is room.
    let text = [all, short].into_iter().find(|t| metrics::width(t, WORD, false) <= area.width());
    let ink = Ink::new(WORD, ink).anchor(Anchor::Middle);
    let (x, y) = (f64::midpoint(area.x0, area.x1), f64::midpoint(area.y0, area.y1));
    scene.text(x, y, text.unwrap_or_else(|| "?".into()), ink);
}

/// Paper and ink of an outcome: the worse, the darker.
fn colors(observed: &str) -> (Rgb, Rgb) {
    let blue = Rgb(0x00_72_b2);
    let vermillion = Rgb(0xd5_5e_00);
    match observed {
        "unaffected" => (Rgb::BAND, Rgb::MUTED),
        "closed" => (blue.tint(0.25), Rgb::INK),
        "open-for" => (vermillion.tint(0.35), Rgb::INK),
        _ => (vermillion.shade(0.75), Rgb(0xff_ff_ff)),
    }
}
