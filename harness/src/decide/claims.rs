//! What further claims in a token cost: from arms whose tokens carry more, in the same blocks as
//! the arm of the same strategy whose tokens do not.
//!
//! Between the measured sizes it is read off a straight line that begins at nothing; beyond the
//! largest nothing is said.

use serde::{Deserialize, Serialize};

use super::figures::{Figure, Source};
use super::rates::{self, RatePoint, SAME};
use crate::record::decision::Interval;
use crate::record::derived::Estimate;

/// CPU of so many bytes of claims more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimsPoint {
    /// Whose tokens.
    pub strategy: String,
    /// Bytes of JSON beyond the claims of the record's own tokens.
    pub extra_bytes: f64,
    /// At that rate, requests per second.
    pub per_second: f64,
    /// CPU per request that they cost, as a share of what `none` takes at that rate.
    #[serde(flatten)]
    pub of_none: Figure,
}

/// The points of a strategy, ascending.
#[must_use]
pub fn points(source: &Source<'_>, strategy: &str) -> Vec<ClaimsPoint> {
    let (run, derived) = (source.run, source.derived);
    let Some(plan) = &run.plan else { return Vec::new() };
    let usual = derived.arms.iter().find(|arm| arm.arm == strategy);
    let Some(usual) = usual.and_then(|arm| arm.cpu_over_none) else { return Vec::new() };
    let longer = run.arms.iter().filter(|a| a.strategy == strategy && a.extra_claims_bytes > 0);
    let mut found: Vec<ClaimsPoint> = longer
        .filter_map(|arm| {
            let i = derived.arms.iter().position(|own| own.arm == arm.id)?;
            let of_none = Figure {
                is: difference(derived.arms[i].cpu_over_none?, usual),
                row: format!("{}#/arms/{i}/cpu_over_none", source.name),
            };
            let extra_bytes = f64::from(arm.extra_claims_bytes);
            Some(ClaimsPoint {
                strategy: strategy.to_owned(),
                extra_bytes,
                per_second: plan.rate_per_second as f64,
                of_none,
            })
        })
        .collect();
    found.sort_by(|a, b| a.extra_bytes.total_cmp(&b.extra_bytes));
    found
}

/// Of two figures of the same blocks; their errors are taken to be independent, which is more than
/// they are.
fn difference(with: Estimate, usual: Estimate) -> Interval {
    let value = with.value - usual.value;
    let apart = |with: f64, usual: f64| with.hypot(usual);
    Interval {
        value,
        low: value - apart(with.value - with.low, usual.high - usual.value),
        high: value + apart(with.high - with.value, usual.value - usual.low),
    }
}

/// What `extra_bytes` more cost, nanoseconds, where `none` takes what `none_by_rate` says: nothing
/// or more; `None` beyond the largest measured.
#[must_use]
pub fn at(
    points: &[ClaimsPoint],
    none_by_rate: &[RatePoint],
    extra_bytes: f64,
) -> Option<Interval> {
    let last = points.last()?;
    if extra_bytes > last.extra_bytes * SAME {
        return None;
    }
    let x = extra_bytes.clamp(0.0, last.extra_bytes);
    let upper = points.iter().position(|point| point.extra_bytes >= x)?;
    let cpu_ns = |point: &ClaimsPoint| {
        let none = rates::at(none_by_rate, point.per_second)?.cpu_ns()?.value;
        Some(point.of_none.is.times(none))
    };
    let b = &points[upper];
    let (from, is) = match upper.checked_sub(1).map(|lower| &points[lower]) {
        Some(a) => (a.extra_bytes, cpu_ns(a)?),
        None => (0.0, Interval::exactly(0.0)),
    };
    let share = (x - from) / (b.extra_bytes - from);
    let line = is.times(1.0 - share).plus(cpu_ns(b)?.times(share));
    // More to read is never less work: below nothing is noise.
    Some(Interval { value: line.value.max(0.0), high: line.high.max(0.0), ..line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(extra_bytes: f64, share: f64) -> ClaimsPoint {
        let is = Interval { value: share, low: share - 0.2, high: share + 0.2 };
        let of_none = Figure { is, row: String::new() };
        let strategy = "jwt-hs256".to_owned();
        ClaimsPoint { strategy, extra_bytes, per_second: 4_000.0, of_none }
    }

    /// `none` takes 10 ns at the rate of the points.
    fn none() -> Vec<RatePoint> {
        let at = |per_second, ns| {
            let cpu_ns = Figure { is: Interval::exactly(ns), row: String::new() };
            RatePoint { per_second, cpu_ns }
        };
        vec![at(1_000.0, 50.0), at(4_000.0, 10.0), at(8_000.0, 9.0)]
    }

    #[test]
    fn it_begins_at_nothing_and_ends_at_the_largest() {
        let points = [measured(800.0, 0.8), measured(3_800.0, 2.0)];
        let value = |bytes: f64| at(&points, &none(), bytes).map(|is| is.value);
        let found = [-5.0, 0.0, 400.0, 800.0, 2_300.0, 3_800.0, 4_100.0].map(value);
        assert_eq!(found, [0.0, 0.0, 4.0, 8.0, 14.0, 20.0, 20.0].map(Some));
        assert_eq!(value(4_200.0), None);
        assert_eq!(at(&[], &none(), 0.0), None);
        let half = at(&points, &none(), 400.0).unwrap();
        assert!((half.low - 3.0).abs() + (half.high - 5.0).abs() < 1e-9, "{half:?}");
    }

    #[test]
    fn it_is_not_negative() {
        let is = at(&[measured(800.0, -0.1)], &none(), 800.0).unwrap();
        assert_eq!((is.value, is.high), (0.0, 1.0));
        assert!(is.low < -2.9, "{is:?}");
    }
}
