//! Percentiles of several checks one after another, drawn from measured response times.
//!
//! Percentiles do not add up: the slowest hundredth of a sum is not the sum of the slowest
//! hundredths. So sums are drawn: one response for each check, again and again, of the strategy and
//! of `none`, and the percentiles of the two are subtracted.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::figures::Source;
use crate::measure::derive::latency::usable;
use crate::measure::histogram::LatencyHistogram;
use crate::record::run::{Arm, Role, Run};

/// Points that stand for a distribution, each for as many requests as every other.
const POINTS: u64 = 2_000;
/// Fewer requests than this say nothing of the slowest hundredth.
const REQUESTS_MIN: u64 = 10_000;
/// Sums drawn.
const DRAWS: usize = 20_000;
/// The draws are the same each time.
const SEED: u128 = 0x5eed_0f99;

/// Response times, nanoseconds, ascending, all of the same weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Responses(Vec<f64>);

impl Responses {
    /// Of one strategy's arm; nothing where too few requests were measured.
    #[must_use]
    pub fn of(source: &Source<'_>, is_it: impl Fn(&Arm) -> bool) -> Option<Self> {
        let run: &Run = source.run;
        let arm = run.arms.iter().find(|arm| is_it(arm))?;
        let mut all = LatencyHistogram::new();
        for cell in run.cells.iter().filter(|cell| cell.arm == arm.id) {
            if let Ok(latency) = usable(run, cell) {
                all.add(&LatencyHistogram::from_record(&latency.response).ok()?);
            }
        }
        let n = all.len();
        if n < REQUESTS_MIN {
            return None;
        }
        let rank = |point: u64| (n * (2 * point + 1)).div_ceil(2 * POINTS).max(1);
        let points = (0..POINTS).filter_map(|p| all.value_at_rank(rank(p)));
        Some(Self(points.map(|ns| ns as f64).collect()))
    }

    /// Of the floor.
    #[must_use]
    pub fn of_none(source: &Source<'_>) -> Option<Self> {
        Self::of(source, |arm| arm.role == Role::Baseline)
    }

    /// The 99th percentile of the sum of that many, nanoseconds.
    fn p99_of_sum(&self, checks: usize) -> f64 {
        let mut rng = Pcg64Mcg::from_seed(SEED.to_le_bytes());
        let mut sums: Vec<f64> = (0..DRAWS)
            .map(|_| (0..checks).map(|_| self.0[rng.random_range(0..self.0.len())]).sum())
            .collect();
        sums.sort_by(f64::total_cmp);
        sums[DRAWS * 99 / 100]
    }
}

/// What the strategy adds to the 99th percentile of `checks` requests one after another, with
/// `away_ns` of round trips in all beside what was measured.
#[must_use]
pub fn added_p99_ns(own: &Responses, none: &Responses, checks: usize, away_ns: f64) -> f64 {
    own.p99_of_sum(checks) - none.p99_of_sum(checks) + away_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn responses(slow: usize) -> Responses {
        // As many of a thousand are ten times as slow.
        Responses((0..1_000).map(|i| if i >= 1_000 - slow { 10.0 } else { 1.0 }).collect())
    }

    #[test]
    fn percentiles_are_of_the_sum_and_do_not_add_up() {
        let none = responses(0);
        // One in a hundred and a bit is slow: the 99th percentile of one check is.
        assert_eq!(added_p99_ns(&responses(15), &none, 1, 0.0), 9.0);
        // Of ten checks at most two are slow, hardly ever more: not ten times nine.
        let ten = added_p99_ns(&responses(15), &none, 10, 0.0);
        assert!((9.0..=18.0).contains(&ten), "{ten}");
        // Too rare for one, not for ten.
        assert_eq!(added_p99_ns(&responses(5), &none, 1, 0.0), 0.0);
        assert_eq!(added_p99_ns(&responses(5), &none, 10, 0.0), 9.0);
        assert_eq!(added_p99_ns(&none, &none, 3, 100.0), 100.0);
    }
}
