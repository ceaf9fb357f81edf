//! Do big tokens hurt, and where? The size of a credential against its bytes on the wire.

use std::collections::BTreeMap;

use super::algorithms::distinct;
use super::lines::{Line, Panel, draw};
use super::scene::{Rgb, Scene};
use super::{Chart, Input, Width, footer, header};
use crate::record::run::{HeaderBlock, WireRow};
use crate::report::format::count;
use crate::report::palette::COLORS;

const TITLE: &str = "What does a credential of this size put on the wire?";

/// The chart, when credentials of two sizes or more were sized.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let carriers = distinct(input.run.wire.iter().map(|row| row.carrier.as_str()));
    let panels: Vec<Panel> =
        carriers.into_iter().filter_map(|carrier| panel(input, carrier)).collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let caption = format!(
        "Exact, no interval: n = {} credentials encoded, none timed. h2: the HTTP/2 header block \
         (RFC 7541) of the same request, of the first and of a later one on a connection, by the \
         encoder's policy; policies that agree share a line. Dashed: limits on the way; the claims \
         that cross them are in the table. {}",
        input.run.wire.len(),
        crate::report::verdicts::status_note(input.run)
    );
    let alt = format!("Lines of bytes by size of the credential. {}.", spoken(&panels));
    Chart::draw("wire", TITLE, alt, |width| scene(&panels, caption.trim_end(), width)).map(Some)
}

fn scene(panels: &[Panel], caption: &str, width: Width) -> Scene {
    let mut scene = Scene::new(width.pixels());
    let words = "Lower is better. Both axes are logarithmic.";
    let top = header(&mut scene, TITLE, words);
    let end = draw(&mut scene, panels, ("bytes of the credential", &[]), top, width);
    footer(&mut scene, end - 18.0, caption);
    scene
}

fn spoken(panels: &[Panel]) -> String {
    let line = |line: &Line| {
        let ends = [line.points.first(), line.points.last()].into_iter().flatten();
        let ends: Vec<String> = ends.map(|(x, y)| format!("{x} to {y}")).collect();
        format!("{} {}", line.name, ends.join(", "))
    };
    let panel = |panel: &Panel| {
        let lines: Vec<String> = panel.lines.iter().map(line).collect();
        format!("{}: {}", panel.name, lines.join("; "))
    };
    panels.iter().map(panel).collect::<Vec<_>>().join(". ")
}

fn panel(input: &Input<'_>, carrier: &str) -> Option<Panel> {
    let rows: Vec<&WireRow> = input.run.wire.iter().filter(|row| row.carrier == carrier).collect();
    let curve = |of: &dyn Fn(&WireRow) -> Option<u64>| -> Vec<(f64, f64)> {
        let points: BTreeMap<u64, u64> =
            rows.iter().filter_map(|row| Some((row.credential_bytes, of(row)?))).collect();
        points
            .into_iter()
            .filter(|p| p.0 > 0 && p.1 > 0)
            .map(|(x, y)| (x as f64, y as f64))
            .collect()
    };
    let mut curves = vec![("HTTP/1.1 line".to_owned(), curve(&|row| Some(row.header_line_bytes)))];
    let blocks = rows.iter().flat_map(|row| &row.header_blocks);
    for policy in distinct(blocks.map(|block| block.policy.as_str())) {
        let of = |row: &WireRow, bytes: fn(&HeaderBlock) -> u64| {
            row.header_blocks.iter().find(|block| block.policy == policy).map(bytes)
        };
        let first = curve(&|row| of(row, |block| block.first_bytes));
        let later = curve(&|row| of(row, |block| block.later_bytes));
        curves.push((format!("h2 first, {policy}"), first));
        curves.push((format!("h2 later, {policy}"), later));
    }
    let curves = merged(curves);
    let color = |i: usize| if i == 0 { Rgb::INK } else { COLORS[(i - 1) % COLORS.len()] };
    let lines: Vec<Line> = (curves.into_iter().enumerate())
        .filter(|(_, (_, points))| points.len() > 1)
        .map(|(i, (name, points))| Line { name, color: color(i), points })
        .collect();
    let most = lines.iter().flat_map(|line| &line.points).map(|p| p.1).fold(0.0, f64::max);
    (!lines.is_empty()).then(|| Panel {
        name: format!("{carrier}: header line or header block, bytes"),
        marks: marks(input, carrier, most),
        lines,
    })
}

/// Curves that nobody could tell apart become one, under what their names have in common.
fn merged(curves: Vec<(String, Vec<(f64, f64)>)>) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut kept: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (name, points) in curves {
        let same = |(_, other): &&mut (String, Vec<(f64, f64)>)| {
            other.len() == points.len()
                && other.iter().zip(&points).all(|(a, b)| (a.1 / b.1 - 1.0).abs() < 0.02)
        };
        match kept.iter_mut().find(same) {
            Some((known, _)) => {
                // `h2 first, a` and `h2 first, b` become `h2 first`.
                let begin = |n: &str| n.split(", ").next().unwrap_or_default().to_owned();
                if begin(known) == begin(&name) {
                    *known = begin(known);
                }
            }
            None => kept.push((name, points)),
        }
    }
    kept
}

/// The limits of this carrier, each once; one far beyond the lines would only squeeze them.
fn marks(input: &Input<'_>, carrier: &str, most: f64) -> Vec<(f64, String)> {
    let mut marks: BTreeMap<u64, String> = BTreeMap::new();
    let own = input.run.limits.iter().filter(|row| row.carrier == carrier);
    for row in own.filter(|row| row.claims_bytes.is_some() && row.limit_bytes as f64 <= most * 2.2)
    {
        marks
            .entry(row.limit_bytes)
            .or_insert_with(|| format!("{}: {} B", row.limit, count(row.limit_bytes)));
    }
    marks.into_iter().map(|(bytes, name)| (bytes as f64, name)).collect()
}
