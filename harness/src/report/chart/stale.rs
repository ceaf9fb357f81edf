//! How many requests does a thief get through? Stale accepts, by strategy.

use super::rows::{Fill, Group, Row, Rows};
use super::scale::Kind;
use super::{Chart, Input};
use crate::record::derived::RevocationLagResult;
use crate::report::format::{self, count};

const TITLE: &str = "How many requests does a thief get through after the logout?";
/// Where a strategy stands that let none through: the left end of a logarithmic axis.
const NONE_AT: f64 = 0.005;

/// The chart, when lags were measured.
///
/// # Errors
/// When the SVG cannot be written.
pub(super) fn chart(input: &Input<'_>) -> anyhow::Result<Option<Chart>> {
    let mut found: Vec<(f64, &RevocationLagResult)> = input
        .derived
        .revocation_lag
        .iter()
        .filter(|lag| lag.is_plain())
        .filter_map(|lag| Some((accepts(lag)?, lag)))
        .collect();
    if found.is_empty() {
        return Ok(None);
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.strategy.cmp(&b.1.strategy)));
    let rows = found.iter().map(|(each, lag)| row(input, *each, lag)).collect();
    let chart = Rows {
        title: TITLE,
        subtitle: "Requests accepted per logout, at 1,000 requests per second. Further left is \
                   better."
            .into(),
        axis: "Stale accepts per logout at 1,000 requests/s (logarithmic)".into(),
        kind: Kind::Log,
        groups: vec![Group { heading: String::new(), rows }],
        marks: vec![(NONE_AT, "none seen".into())],
        legend: legend(input, &found),
        caption: format!(
            "Stale accept: first sent after the logout was acknowledged, and accepted. Mean over \
             the trials, scaled from the rate of the probes to 1,000 requests per second on all \
             nodes together. By law: half of the lifetime. {}",
            crate::report::verdicts::status_note(input.run)
        ),
    };
    let said: Vec<String> =
        chart.groups[0].rows.iter().map(|r| format!("{}: {}", r.label, r.value)).collect();
    let alt = format!("Points of stale accepts per logout. {}.", said.join("; "));
    Chart::draw("stale-accepts", TITLE, alt, |width| chart.scene(width)).map(Some)
}

/// Requests that a thief who sends 1,000 per second gets through on average.
#[must_use]
pub fn accepts(lag: &RevocationLagResult) -> Option<f64> {
    if lag.basis == "by-law" {
        return Some(lag.median_ns? as f64 / 1e9 * 1_000.0);
    }
    let per_trial = lag.stale_accepts as f64 / f64::from(lag.trials.max(1));
    // Each node is probed at this rate.
    let rate = 1e9 / lag.resolution_ns.max(1) as f64 * f64::from(lag.nodes.max(1));
    (lag.trials > 0 && lag.max_ns.is_some()).then_some(per_trial / rate * 1_000.0)
}

fn legend(input: &Input<'_>, found: &[(f64, &RevocationLagResult)]) -> Vec<(Fill, String)> {
    let any = found.first().map(|(_, lag)| input.palette.look(&lag.strategy));
    any.map(|look| (Fill::Point(look), "measured, or by law where it says so".into()))
        .into_iter()
        .collect()
}

fn row(input: &Input<'_>, each: f64, lag: &RevocationLagResult) -> Row {
    let look = input.palette.look(&lag.strategy);
    let life = format::duration(lag.lifetime_s as f64 * 1e9);
    let by_law = lag.basis == "by-law";
    let value = if by_law {
        format!("{} by law, T = {life}", count(each.round() as u64))
    } else if lag.stale_accepts == 0 {
        format!("0 in {} trials", lag.trials)
    } else if lag.law_error_max_ns.is_some() {
        format!("{} (T = {life}, {} trials)", format::three_digits(each), lag.trials)
    } else {
        format!("{} ({} trials)", format::three_digits(each), lag.trials)
    };
    Row {
        label: lag.strategy.clone(),
        value,
        ink: look.color.ink(),
        parts: vec![],
        whisker: None,
        point: Some((each.max(NONE_AT), look)),
        dots: vec![],
    }
}
