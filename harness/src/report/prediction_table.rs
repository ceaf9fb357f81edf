//! What was predicted of a run, beside what was measured.

use super::chart::Input;
use super::format::{self, MISSING, three_digits};
use super::instrument_tables;
use super::page::Table;
use super::verdicts::code;
use crate::record::derived::Estimate;
use crate::record::prediction::PredictionResult;

/// Every prediction with its error.
#[must_use]
pub fn table(input: &Input<'_>) -> Table {
    let head = [
        "condition",
        "strategy",
        "quantity",
        "predicted",
        "measured",
        "error, %",
        "target, %",
        "verdict",
    ];
    // Of an invalid run no figure is shown, and none beside the space where it would stand.
    let shown = input.derived.predictions.iter().filter(|_| input.derived.withheld.is_none());
    Table::new("Predictions, sealed before the run, and what was measured", &head)
        .with(shown.map(|result| row(input, result)))
}

fn row(input: &Input<'_>, result: &PredictionResult) -> Vec<String> {
    let regimes = &input.derived.regimes;
    let named = regimes.iter().find(|regime| result.regime.as_ref() == Some(&regime.name));
    let condition = match result.condition.as_str() {
        "regime" if named.is_some() => named.map(instrument_tables::condition).unwrap_or_default(),
        "distance" => format!("store {} ms away", result.at as f64 / 1e6),
        "nodes" => format!("{} nodes", result.at),
        _ => format!("{} requests/s", format::grouped(&result.at.to_string())),
    };
    let (quantity, unit) = quantity(&result.quantity);
    let figure = |e: &Estimate| figure([e.value, e.low, e.high], unit);
    let verdict = match (result.within_target, result.overlaps) {
        (Some(true), _) => "within",
        (Some(false), Some(true)) => "outside, but no more than the intervals",
        (Some(false), _) => "**outside**",
        (None, _) if result.measured.is_some() => "no ratio to nothing",
        (None, _) => "not measured",
    };
    vec![
        condition,
        code(&result.strategy),
        quantity.into(),
        figure(&result.predicted),
        result.measured.as_ref().map_or_else(|| MISSING.into(), figure),
        result.error_percent.map_or_else(|| MISSING.into(), three_digits),
        three_digits(result.target_percent),
        verdict.into(),
    ]
}

/// A predicted quantity in words, and what its figures are divided by.
#[must_use]
pub fn quantity(name: &str) -> (&'static str, f64) {
    match name {
        "cpu-above-none-ns" => ("CPU above none, µs", format::MICROS.per),
        "cpu-over-none" => ("CPU above none, % of none", 1e-2),
        "p50-above-none-ns" => ("p50 above none, µs", format::MICROS.per),
        "lag-max-ns" => ("longest lag, ms", format::MILLIS.per),
        "redis-commands" => ("Redis commands per request", 1.0),
        _ => ("bytes per request", 1.0),
    }
}

/// A value with its interval, where it has one, in that unit.
#[must_use]
pub fn figure([value, low, high]: [f64; 3], unit: f64) -> String {
    let digits = |value: f64| three_digits(value / unit);
    if low == high {
        digits(value)
    } else {
        format!("{} ({} to {})", digits(value), digits(low), digits(high))
    }
}

/// How many are within their target, in words; nothing where nothing was predicted.
#[must_use]
pub fn in_short(input: &Input<'_>) -> String {
    let all = &input.derived.predictions;
    let Some(predictions) = input.run.predictions.as_ref() else { return String::new() };
    let measured: Vec<&PredictionResult> =
        all.iter().filter(|r| r.within_target.is_some()).collect();
    let within = measured.iter().filter(|r| r.within_target == Some(true)).count();
    let noise = measured
        .iter()
        .filter(|r| r.within_target == Some(false) && r.overlaps == Some(true))
        .count();
    let of = |quantity: &str| {
        let mine: Vec<&&PredictionResult> =
            measured.iter().filter(|r| r.quantity == quantity).collect();
        let met = mine.iter().filter(|r| r.within_target == Some(true)).count();
        let low = mine.iter().filter(|r| r.error_percent.is_some_and(|e| e < 0.0)).count();
        (mine.len(), met, low)
    };
    let (cpu, met, low) = of("cpu-above-none-ns");
    let share = match of("cpu-over-none") {
        (0, ..) => String::new(),
        (all, met, low) => format!(
            " Of the {all} that are CPU as a share of `none`, which a faster or slower host does \
             not change, {met} are within it, and {low} were predicted too low."
        ),
    };
    format!(
        "{} figures were predicted and sealed (SHA-256 {}) before the run began; {} were measured, \
         {within} of them are within their target and {noise} are outside it by no more than the \
         intervals of both. Of the {cpu} that are CPU above `none`, {met} are within it, and \
         {low} were predicted too low.{share}",
        all.len(),
        predictions.sha256.get(..16).unwrap_or(&predictions.sha256),
        measured.len()
    )
}
