//! Predictions beside what was measured of them.

use crate::decide::predict::net_commands;
use crate::decide::rates::is_plain;
use crate::measure::stats::six;
use crate::record::derived::{Derived, Estimate, RegimeResult};
use crate::record::prediction::{Prediction, PredictionResult};
use crate::record::run::Run;

/// No error of a count above this, per cent.
const COUNTS: f64 = 1.0;
/// No error of CPU above this, per cent.
const CPU: f64 = 10.0;
/// No error of a median or a lag above this, per cent.
const TIMES: f64 = 15.0;

/// One result for each prediction, in their order. `derived` holds everything else already.
#[must_use]
pub fn results(run: &Run, derived: &Derived) -> Vec<PredictionResult> {
    let Some(predictions) = &run.predictions else { return Vec::new() };
    predictions.rows.iter().map(|row| result(row, measured(row, derived))).collect()
}

/// The target of a quantity, per cent.
fn target(quantity: &str) -> f64 {
    match quantity {
        "cpu-above-none-ns" | "cpu-over-none" => CPU,
        "redis-commands" | "request-bytes" => COUNTS,
        _ => TIMES,
    }
}

fn result(row: &Prediction, measured: Option<Estimate>) -> PredictionResult {
    let predicted =
        Estimate { value: six(row.value), low: six(row.low), high: six(row.high), n: 0 };
    let target_percent = target(&row.quantity);
    let error = measured.and_then(|is| {
        let same = is.value == row.value;
        let percent = if same { 0.0 } else { 100.0 * (row.value - is.value) / is.value };
        percent.is_finite().then(|| six(percent))
    });
    PredictionResult {
        condition: row.condition.clone(),
        at: row.at,
        regime: row.regime.clone(),
        strategy: row.strategy.clone(),
        quantity: row.quantity.clone(),
        predicted,
        measured,
        error_percent: error,
        target_percent,
        within_target: error.map(|percent| percent.abs() <= target_percent),
        overlaps: measured.map(|is| is.low <= row.high && row.low <= is.high),
    }
}

/// Whether it was predicted of that condition: by its name; by its rate where none was written.
fn is_of(regime: &RegimeResult, row: &Prediction) -> bool {
    row.regime.as_ref().map_or_else(
        || is_plain(regime) && regime.rate_per_second == row.at,
        |name| *name == regime.name,
    )
}

fn measured(row: &Prediction, derived: &Derived) -> Option<Estimate> {
    let exactly =
        |value: f64| Estimate { value: six(value), low: six(value), high: six(value), n: 0 };
    let own = || derived.arms.iter().find(|arm| arm.arm == row.strategy);
    match (row.condition.as_str(), row.quantity.as_str()) {
        ("rate", "cpu-above-none-ns") => own()?.cpu_above_none_ns,
        ("rate", "cpu-over-none") => own()?.cpu_over_none,
        ("rate", "redis-commands") => net_commands(derived, &row.strategy).map(exactly),
        ("rate", "request-bytes") => own()?.request_bytes.map(exactly),
        ("regime", quantity) => {
            let regime = derived.regimes.iter().find(|regime| is_of(regime, row))?;
            let arm = regime.arms.iter().find(|arm| arm.arm == row.strategy)?;
            match quantity {
                "cpu-above-none-ns" => arm.cpu_above_none_ns,
                "cpu-over-none" => arm.cpu_over_none,
                _ => None,
            }
        }
        ("distance", quantity) => {
            let rows = &derived.distance.as_ref()?.rows;
            let here = rows
                .iter()
                .find(|cell| cell.arm == row.strategy && cell.round_trip_ns == Some(row.at))?;
            match quantity {
                "p50-above-none-ns" => here.p50_above_none_ns,
                "cpu-above-none-ns" => here.cpu_above_none_ns,
                _ => None,
            }
        }
        ("nodes", "lag-max-ns") => {
            let lag = derived.revocation_lag.iter().find(|lag| {
                lag.strategy == row.strategy
                    && u64::from(lag.nodes) == row.at
                    && lag.operation == "logout"
                    && lag.load_per_second == 0
            })?;
            lag.max_ns.map(|ns| exactly(ns as f64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(quantity: &str, value: f64) -> Prediction {
        Prediction {
            condition: "rate".into(),
            at: 2_000,
            regime: None,
            strategy: "toy".into(),
            quantity: quantity.into(),
            value,
            low: value * 0.9,
            high: value * 1.1,
            by: String::new(),
        }
    }

    fn is(value: f64) -> Option<Estimate> {
        Some(Estimate { value, low: value * 0.99, high: value * 1.01, n: 6 })
    }

    #[test]
    fn an_error_is_of_what_was_measured_and_held_against_its_target() {
        let good = result(&row("cpu-above-none-ns", 108.0), is(100.0));
        assert_eq!((good.error_percent, good.within_target), (Some(8.0), Some(true)));
        let bad = result(&row("cpu-above-none-ns", 88.0), is(100.0));
        assert_eq!((bad.error_percent, bad.within_target), (Some(-12.0), Some(false)));
        assert_eq!(bad.overlaps, Some(false));
        let count = result(&row("redis-commands", 1.02), is(1.0));
        assert_eq!((count.within_target, count.target_percent), (Some(false), 1.0));
        let none = result(&row("redis-commands", 0.0), is(0.0));
        assert_eq!((none.error_percent, none.within_target), (Some(0.0), Some(true)));
        let nothing = result(&row("p50-above-none-ns", 1.0), None);
        assert_eq!((nothing.error_percent, nothing.within_target), (None, None));
    }
}
