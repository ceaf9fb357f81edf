//! What further claims in a token cost: from the conditions in which tokens carried more.
//!
//! The cost is what a request with longer tokens took above `none` less what it takes with those of
//! the rest of the record at the same rate. Between the measured sizes it is read off a straight
//! line that begins at nothing; beyond the largest nothing is said.

use serde::{Deserialize, Serialize};

use super::figures::{Figure, Source};
use super::rates;
use crate::record::decision::Interval;
use crate::record::derived::RegimeResult;

/// A number of bytes is taken for a measured one within this part of it.
const SAME: f64 = 1.1;

/// CPU of so many bytes of claims more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimsPoint {
    /// Bytes of JSON beyond the claims of the record's own tokens.
    pub extra_bytes: f64,
    /// CPU per request that they cost, nanoseconds.
    #[serde(flatten)]
    pub cpu_ns: Figure,
}

/// The points of a strategy, ascending.
#[must_use]
pub fn points(source: &Source<'_>, strategy: &str) -> Vec<ClaimsPoint> {
    let base = rates::points(source, strategy);
    let regimes = source.derived.regimes.iter().enumerate();
    let mut found: Vec<ClaimsPoint> = regimes
        .filter_map(|(r, regime)| {
            let i = regime.arms.iter().position(|arm| arm.arm == strategy)?;
            let pointer = format!("/regimes/{r}/arms/{i}/cpu_above_none_ns");
            point(source, &base, regime, (i, &pointer))
        })
        .collect();
    found.sort_by(|a, b| a.extra_bytes.total_cmp(&b.extra_bytes));
    found
}

fn point(
    source: &Source<'_>,
    base: &[rates::RatePoint],
    regime: &RegimeResult,
    (arm, pointer): (usize, &str),
) -> Option<ClaimsPoint> {
    let extra_bytes = regime.extra_claims_bytes.filter(|_| rates::is_usual(regime))? as f64;
    let with = regime.arms[arm].cpu_above_none_ns?;
    let rate = regime.rate_per_second as f64;
    let usual = base.iter().find(|point| point.per_second == rate)?.cpu_ns.is;
    // Measured minutes apart: the errors of the two are independent.
    let value = with.value - usual.value;
    let apart = |with: f64, usual: f64| with.hypot(usual);
    let is = Interval {
        value,
        low: value - apart(with.value - with.low, usual.high - usual.value),
        high: value + apart(with.high - with.value, usual.value - usual.low),
    };
    let row = format!("{}#{pointer}", source.name);
    Some(ClaimsPoint { extra_bytes, cpu_ns: Figure { is, row } })
}

/// What `extra_bytes` more cost, nothing or more; `None` beyond the largest measured.
#[must_use]
pub fn at(points: &[ClaimsPoint], extra_bytes: f64) -> Option<Interval> {
    let last = points.last()?;
    if extra_bytes > last.extra_bytes * SAME {
        return None;
    }
    let x = extra_bytes.clamp(0.0, last.extra_bytes);
    let upper = points.iter().position(|point| point.extra_bytes >= x)?;
    let b = &points[upper];
    let (from, is) = match upper.checked_sub(1).map(|lower| &points[lower]) {
        Some(a) => (a.extra_bytes, a.cpu_ns.is),
        None => (0.0, Interval::exactly(0.0)),
    };
    let share = (x - from) / (b.extra_bytes - from);
    let line = is.times(1.0 - share).plus(b.cpu_ns.is.times(share));
    // More to read is never less work: below nothing is noise.
    Some(Interval { value: line.value.max(0.0), high: line.high.max(0.0), ..line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(extra_bytes: f64, value: f64) -> ClaimsPoint {
        let is = Interval { value, low: value - 2.0, high: value + 2.0 };
        ClaimsPoint { extra_bytes, cpu_ns: Figure { is, row: String::new() } }
    }

    #[test]
    fn it_begins_at_nothing_and_ends_at_the_largest() {
        let points = [measured(800.0, 8.0), measured(3_800.0, 20.0)];
        let value = |bytes: f64| at(&points, bytes).map(|is| is.value);
        let found = [-5.0, 0.0, 400.0, 800.0, 2_300.0, 3_800.0, 4_100.0].map(value);
        assert_eq!(found, [0.0, 0.0, 4.0, 8.0, 14.0, 20.0, 20.0].map(Some));
        assert_eq!(value(4_200.0), None);
        assert_eq!(at(&[], 0.0), None);
        let half = at(&points, 400.0).unwrap();
        assert_eq!((half.low, half.high), (3.0, 5.0));
    }

    #[test]
    fn it_is_not_negative() {
        let is = at(&[measured(800.0, -1.0)], 800.0).unwrap();
        assert_eq!((is.value, is.low, is.high), (0.0, -3.0, 1.0));
    }
}
