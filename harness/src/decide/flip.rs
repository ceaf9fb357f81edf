//! What would change the answer: for each input of the workload, the nearest value in either
//! direction from which on another strategy is chosen.
//!
//! Found by looking, not by formula: a grid of ratios, then halving. So it holds whatever the model
//! becomes, and crossing a printed value does change the choice.

use super::choice::{Reason, choose, rank_briefly, reason};
use super::figures::{Facts, Figures};
use super::workload::{NUMBERS, Workload};
use crate::record::decision::{Assessment, Flip};

/// The inputs that are turned.
const TURNED: [&str; 16] = [
    "requests_per_second",
    "internal_hops",
    "sessions",
    "session_s",
    "nodes",
    "burst",
    "store_rtt_ms",
    "lifetime_s",
    "period_s",
    "revocations_per_second",
    "claims_bytes",
    "application_ms",
    "core",
    "memory_gib",
    "lag_limit_s",
    "latency_limit_ms",
];
/// A grid step is this ratio, and an input is turned by this many of them: a factor of a thousand.
const STEP: f64 = 1.25;
const STEPS: i32 = 31;
/// Halvings between two grid points.
const HALVINGS: u32 = 40;
/// Where an input that is zero, or a limit that is not set, begins.
const FROM_NOTHING: [(&str, f64); 5] = [
    ("internal_hops", 0.25),
    ("store_rtt_ms", 0.01),
    ("memory_gib", 0.1),
    ("lag_limit_s", 100_000.0),
    ("latency_limit_ms", 1_000.0),
];

/// Every flip, the nearest by ratio first.
#[must_use]
pub fn flips(figures: &Figures, workload: &Workload, choice: &str) -> Vec<Flip> {
    let worst = shaded(figures, choice, true);
    let best = shaded(figures, choice, false);
    let mut found = Vec::new();
    for input in TURNED {
        for up in [true, false] {
            let Some(at) = crossing(figures, workload, input, up, choice) else { continue };
            let now = workload.number(input);
            let beyond = workload.with(input, step_over(at, up));
            let becomes = choose(figures, &beyond);
            let ends = [&worst, &best].map(|shade| crossing(shade, workload, input, up, choice));
            let because = because(figures, workload, &beyond, choice, becomes.as_deref());
            found.push(Flip { input: input.into(), now, at, interval: ends, becomes, because });
        }
    }
    // What is not demanded now is far from everything.
    let far = |flip: &Flip| {
        let now = flip.now.unwrap_or(f64::INFINITY);
        (flip.at.max(1e-12) / now.max(1e-12)).ln().abs()
    };
    found.sort_by(|a, b| far(a).total_cmp(&far(b)));
    found
}

/// A hair beyond `at`.
fn step_over(at: f64, up: bool) -> f64 {
    if up { at * (1.0 + 1e-9) } else { at * (1.0 - 1e-9) }
}

/// Where the choice changes from `choice` to another as `input` is turned that way.
fn crossing(
    figures: &Figures,
    workload: &Workload,
    input: &str,
    up: bool,
    choice: &str,
) -> Option<f64> {
    let given = workload.number(input);
    let bounds = NUMBERS.iter().find(|(name, ..)| *name == input);
    let (low, high) = bounds.map_or((0.0, f64::INFINITY), |(_, low, high)| (*low, *high));
    let nothing = || FROM_NOTHING.iter().find(|(name, _)| *name == input).map(|(_, value)| *value);
    let start = given.filter(|value| *value > 0.0).or_else(nothing)?;
    // What is nothing can only grow, and a limit that is not set can only shrink.
    if (given == Some(0.0) && !up) || (given.is_none() && up) {
        return None;
    }
    let is_kept =
        |value: f64| choose(figures, &workload.with(input, value)).as_deref() == Some(choice);
    let has_price = |workload: &Workload| {
        let all = rank_briefly(figures, workload);
        let is_priced = |a: &Assessment| a.monthly.is_some();
        let own = all.iter().find(|a| a.strategy == choice);
        all.first().is_some_and(is_priced) && own.is_some_and(is_priced)
    };
    let now = given.unwrap_or(start);
    if choose(figures, workload).as_deref() != Some(choice) {
        // With the figures at these ends another one is chosen as things are.
        return Some(now);
    }
    let priced = has_price(workload);
    let mut kept = now;
    for n in 0..=STEPS {
        let wanted = start * if up { STEP.powi(n) } else { STEP.powi(-n) };
        let value = wanted.clamp(low, high);
        // Where no price was measured any more, nothing is compared.
        if priced && !has_price(&workload.with(input, value)) {
            return None;
        }
        if is_kept(value) {
            kept = value;
            if value != wanted {
                return None;
            }
            continue;
        }
        let mut other = value;
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(kept, other);
            if is_kept(middle) { kept = middle } else { other = middle }
        }
        return Some(other);
    }
    None
}

/// The figures with those of `choice` at one end of their intervals and all others at the other.
#[must_use]
pub fn shaded(figures: &Figures, choice: &str, is_worst: bool) -> Figures {
    let mut copy = figures.clone();
    for facts in &mut copy.strategies {
        let high = (facts.declared.id == choice) == is_worst;
        shade(facts, high);
    }
    copy
}

fn shade(facts: &mut Facts, high: bool) {
    let by_rate = facts.cpu_by_rate.iter_mut().map(|point| &mut point.cpu_ns);
    let by_claims = facts.cpu_by_claims.iter_mut().map(|point| &mut point.of_none);
    let others = [&mut facts.cpu_ns, &mut facts.p50_ns].into_iter().flatten();
    for figure in others.chain(by_rate).chain(by_claims) {
        figure.is.value = if high { figure.is.high } else { figure.is.low };
    }
}

/// What makes the difference: a demand that the choice breaks then, or that its successor met only
/// then; else what puts the successor first.
fn because(
    figures: &Figures,
    now: &Workload,
    beyond: &Workload,
    choice: &str,
    becomes: Option<&str>,
) -> String {
    let all = rank_briefly(figures, beyond);
    let of = |all: &[Assessment], id: &str| all.iter().find(|a| a.strategy == id).cloned();
    let Some(own) = of(&all, choice) else { return String::new() };
    if let Some(name) = own.broken.first() {
        return name.clone();
    }
    let Some(next) = becomes.and_then(|id| of(&all, id)) else { return String::new() };
    let before =
        of(&rank_briefly(figures, now), &next.strategy).map(|a| a.broken).unwrap_or_default();
    if let Some(name) = before.first() {
        return name.clone();
    }
    let why = match reason(&all, &next, &own, beyond) {
        Reason::Demands => "demands",
        Reason::Measured => "what was measured",
        Reason::Price => "price",
        Reason::LagCutOff => "lag when cut off",
        Reason::Lag => "lag",
        Reason::Latency => "latency",
        Reason::Plainness => "plainness",
    };
    why.into()
}
