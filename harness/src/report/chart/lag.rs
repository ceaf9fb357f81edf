//! How much exposure is left? Revocation lag of every trial, as a distribution per strategy.

use super::scale::{Kind, Scale, duration_ticks};
use super::scene::{Anchor, Area, Ink, Rgb, Scene};
use super::{Chart, Input, MARGIN, Width, extent, footer, header, metrics};
use crate::record::derived::RevocationLagResult;
use crate::report::format;

const TITLE: &str = "How long does a revoked credential go on working?";
const ROW: f64 = 62.0;
const CURVE: f64 = 30.0;
/// Points of a law's line.
const LAW_STEPS: u32 = 80;
/// With more strategies than this, those without a visible lag are told in words.
const ROWS_MAX: usize = 12;
/// Height of a second line of words, pixels.
const SECOND: f64 = 16.0;

/// The chart, when anything was measured.
///
/// # Errors
/// When the SVG cannot be written.
pub fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let plain = input.derived.revocation_lag.iter().filter(|lag| lag.is_plain());
    let rows: Vec<&RevocationLagResult> = plain.filter(|lag| !lag.lags_ns.is_empty()).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let said: Vec<String> =
        rows.iter().map(|row| format!("{}: {}", row.strategy, figures(row))).collect();
    let alt = format!("Cumulative distributions of revocation lag. {}.", said.join("; "));
    let (rows, at_once) = crowded(rows);
    let law = if rows.iter().any(|row| law_period(row).is_some()) {
        "Thin dark line: the law that was declared, a uniform lag. "
    } else {
        ""
    };
    let caption = format!(
        "{at_once}{law}Each line: share of trials (0 to 100 %) with at most this lag, from the \
         acknowledgement of the revoke call to the first-sent time of the last request accepted on \
         any node. Trials below the resolution of the probes are counted at the left edge. Stale \
         accepts: requests first sent after the acknowledgement and accepted. {}",
        crate::report::verdicts::status_note(input.run)
    );
    Chart::draw("revocation-lag", TITLE, alt, |w| scene(input, &rows, &caption, w)).map(Some)
}

/// Of many rows, those with something to see; the others in a sentence.
fn crowded(rows: Vec<&RevocationLagResult>) -> (Vec<&RevocationLagResult>, String) {
    if rows.len() <= ROWS_MAX {
        return (rows, String::new());
    }
    let (seen, unseen): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| below(row) < row.lags_ns.len());
    let names: Vec<String> = unseen.iter().map(|row| label(row)).collect();
    if seen.is_empty() {
        return (unseen, String::new());
    }
    let trials = extent(unseen.iter().map(|row| f64::from(row.trials))).map_or(0.0, |(n, _)| n);
    let said = format!(
        "Below the resolution of the probes in every one of {trials} trials or more: {}. ",
        format::list(&names)
    );
    (seen, said)
}

/// The period of a uniform law: of a kept verdict, of polls, of what is left of a lifetime.
fn law_period(row: &RevocationLagResult) -> Option<f64> {
    let law = row.lag_law.as_ref()?;
    match law.law.as_str() {
        "uniform" => law.period_ns.map(|ns| ns as f64),
        "remaining" => Some(row.lifetime_s as f64 * 1e9),
        _ => None,
    }
}

fn below(row: &RevocationLagResult) -> usize {
    row.lags_ns.iter().filter(|ns| **ns <= row.resolution_ns as i64).count()
}

fn figures(row: &RevocationLagResult) -> String {
    let s = if row.stale_accepts == 1 { "" } else { "s" };
    let unrefused = match row.unrefused {
        0 => String::new(),
        n => format!("; {n} never refused"),
    };
    format!(
        "{} of {} below {}; {} stale accept{s}{unrefused}",
        below(row),
        row.trials,
        format::duration(row.resolution_ns as f64),
        format::count(row.stale_accepts),
    )
}

fn scene(input: &Input<'_>, rows: &[&RevocationLagResult], caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let top = header(&mut scene, TITLE, "Further left is better. The axis is logarithmic.");
    let left = MARGIN + metrics::width("100 %", 10.0, false) + 6.0;
    let right = width.pixels() - MARGIN - 10.0;
    let resolution = rows.iter().map(|row| row.resolution_ns as f64).fold(1e3, f64::max);
    let largest = extent(rows.iter().filter_map(|row| row.max_ns).map(|ns| ns as f64));
    let to = largest.map_or(resolution * 1e3, |(_, max)| max.max(resolution * 1e3)) * 1.5;
    let x = Scale::new(Kind::Log, (resolution, to), (left, right));
    let beside = rows.iter().all(|row| fits_beside(row, width.pixels()));
    let each = if beside { ROW } else { ROW + SECOND };
    let bottom = top + each * rows.len() as f64;
    let ink = Ink::new(11.0, Rgb::MUTED).anchor(Anchor::Middle);
    let mut free = f64::MIN;
    for tick in duration_ticks(resolution, to) {
        let text = format::duration(tick);
        let area = ink.area(x.map(tick), 0.0, &text);
        if area.x0 > free && area.x1 <= scene.width {
            scene.text(x.map(tick), bottom + 10.0, text, ink);
            free = area.x1 + 6.0;
        }
    }
    let title = width.pick(
        "Revocation lag (logarithmic), from the probes' resolution on",
        "Revocation lag (logarithmic)",
    );
    let ink = Ink::new(12.0, Rgb::MUTED).anchor(Anchor::Middle);
    scene.text(f64::midpoint(left, right), bottom + 28.0, title, ink);
    for (i, row) in rows.iter().enumerate() {
        let y = top + each * i as f64;
        let below = if beside { 0.0 } else { SECOND };
        let ends = Area::new(left, y + below, right, y + each);
        let color = input.palette.look(&row.strategy).color;
        scene.text(MARGIN, y + 10.0, label(row), Ink::new(12.0, color.ink()).bold());
        let (end, anchor) =
            if beside { (scene.width - MARGIN, Anchor::End) } else { (MARGIN, Anchor::Start) };
        let ink = Ink::new(11.0, Rgb::INK).anchor(anchor);
        scene.text(end, y + 10.0 + below, figures(row), ink);
        draw_row(&mut scene, row, color, &x, ends);
    }
    footer(&mut scene, bottom + 42.0, caption);
    scene
}

fn label(row: &RevocationLagResult) -> String {
    format!("{}{}", row.strategy, if row.node_scoped { " (one node)" } else { "" })
}

/// Whether label and figures stand side by side.
fn fits_beside(row: &RevocationLagResult, width: f64) -> bool {
    let words =
        metrics::width(&label(row), 12.0, true) + metrics::width(&figures(row), 11.0, false);
    words + 10.0 <= width - 2.0 * MARGIN
}

fn draw_row(scene: &mut Scene, row: &RevocationLagResult, color: Rgb, x: &Scale, at: Area) {
    let (high, low) = (at.y0 + 22.0, at.y0 + 22.0 + CURVE);
    scene.rect(Area::new(at.x0, high, at.x1, low), Rgb::BAND);
    let small = Ink::new(10.0, Rgb::MUTED).anchor(Anchor::End);
    scene.text(at.x0 - 5.0, high + 3.0, "100 %", small);
    scene.text(at.x0 - 5.0, low - 3.0, "0 %", small);
    let n = row.lags_ns.len() as f64;
    let y = |count: usize| low - count as f64 / n * CURVE;
    let mut line = vec![(at.x0, low), (at.x0, y(below(row)))];
    for (i, ns) in row.lags_ns.iter().enumerate().skip(below(row)) {
        let px = x.map(*ns as f64);
        line.push((px, y(i)));
        line.push((px, y(i + 1)));
    }
    // A trial without a refusal lasted longer than was watched: its end is not known.
    if row.unrefused == 0 {
        line.push((at.x1, high));
    }
    scene.path(line, color, 2);
    if let Some(period) = law_period(row) {
        // The node that took the logout knows at once; the last of the others is what is seen. A
        // token's end comes to all of them together.
        let is_shared = row.lag_law.as_ref().is_some_and(|law| law.law == "remaining");
        let others = if is_shared { 1 } else { row.nodes.saturating_sub(1).max(1) };
        let share = |ns: f64| (ns / period).clamp(0.0, 1.0).powi(others.cast_signed());
        let steps = (0..=LAW_STEPS).map(|i| f64::from(i) / f64::from(LAW_STEPS));
        let curve = steps.map(|t| {
            let px = at.x0 + t * (at.x1 - at.x0);
            (px, low - share(x.invert(px)) * CURVE)
        });
        scene.path(curve.collect(), Rgb::INK, 1);
    }
}
