//! Percentiles in which a failure is slower than every success.
//!
//! A percentile of the successes alone improves when the slowest requests fail. Where failures are
//! ranked above every success it cannot: with 2 % of them, the 99th percentile is one of them.

use std::fmt;
use std::time::Duration;

use super::histogram::{LatencyHistogram, rank_of, supports};

/// Latencies of the successes, and how many requests have none.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    /// The successes.
    pub ok: &'a LatencyHistogram,
    /// Requests that failed in any way.
    pub failed: u64,
    /// How long a request was waited for.
    pub timeout: Duration,
}

/// What stands at a rank.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rank {
    /// A success of this many nanoseconds.
    Value(u64),
    /// A failure: more than the timeout, or no answer at all.
    Beyond(Duration),
}

impl Ranked<'_> {
    /// Successes and failures.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.ok.len().saturating_add(self.ok.out_of_range()).saturating_add(self.failed)
    }

    /// Whether there was no request at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `permille` thousandths of all requests do not exceed; `None` of nothing.
    #[must_use]
    pub fn all(&self, permille: u32) -> Option<Rank> {
        if self.is_empty() {
            return None;
        }
        let rank = rank_of(self.len(), permille);
        if permille >= 1000 && self.ok.len() == self.len() {
            return self.ok.max_ns().map(Rank::Value);
        }
        Some(self.ok.value_at_rank(rank).map_or(Rank::Beyond(self.timeout), Rank::Value))
    }

    /// As [`Self::all`], but only with enough requests beyond it, as [`supports`] says; the maximum
    /// always.
    #[must_use]
    pub fn supported_all(&self, permille: u32) -> Option<Rank> {
        (permille >= 1000 || supports(self.len(), permille)).then(|| self.all(permille)).flatten()
    }

    /// What `permille` thousandths of the successes do not exceed, nanoseconds. Whoever prints it
    /// says `ok-only` beside it.
    #[must_use]
    pub fn ok_only(&self, permille: u32) -> Option<u64> {
        if permille >= 1000 { self.ok.max_ns() } else { self.ok.percentile(permille) }
    }

    /// As [`Self::ok_only`], but only with enough successes beyond it; the maximum always.
    #[must_use]
    pub fn supported_ok_only(&self, permille: u32) -> Option<u64> {
        let is_supported = permille >= 1000 || supports(self.ok.len(), permille);
        is_supported.then(|| self.ok_only(permille)).flatten()
    }
}

impl Rank {
    /// The value, nanoseconds, where there is one.
    #[must_use]
    pub const fn value_ns(self) -> Option<u64> {
        match self {
            Self::Value(ns) => Some(ns),
            Self::Beyond(_) => None,
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(ns) => write!(f, "{:.1} us", *ns as f64 / 1e3),
            Self::Beyond(timeout) if timeout.subsec_nanos() == 0 => {
                write!(f, ">{} s", timeout.as_secs())
            }
            Self::Beyond(timeout) => write!(f, ">{} ms", timeout.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn of(n: u64) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::new();
        (1..=n).for_each(|i| histogram.record(i * 1_000));
        histogram
    }

    #[test]
    fn with_two_percent_of_failures_p99_is_one_of_them() {
        let ok = of(9_800);
        let ranked = Ranked { ok: &ok, failed: 200, timeout: TIMEOUT };
        assert_eq!(ranked.supported_all(990), Some(Rank::Beyond(TIMEOUT)));
        assert_eq!(ranked.all(990).unwrap().to_string(), ">5 s");
        assert_eq!(ranked.all(1_000).unwrap().to_string(), ">5 s");
        // The successes alone would call it 9.7 ms; their own p99 asks for 10,000 of them.
        let alone = ranked.ok_only(990).unwrap();
        assert!(alone.abs_diff(9_702_000) <= 9_702, "{alone}");
        assert_eq!(ranked.supported_ok_only(990), None);
        // Below the failures the ranks are those of all requests, not of the successes.
        let p50 = ranked.all(500).unwrap().value_ns().unwrap();
        assert!(p50.abs_diff(5_000_000) <= 5_000, "{p50}");
    }

    #[test]
    fn the_last_success_and_the_first_failure_are_neighbours() {
        let ok = of(990);
        let ranked = |failed| Ranked { ok: &ok, failed, timeout: Duration::from_millis(1_500) };
        assert!(matches!(ranked(10).all(990), Some(Rank::Value(ns)) if ns == 990_000));
        assert_eq!(ranked(11).all(990).unwrap().to_string(), ">1500 ms");
    }

    #[test]
    fn without_failures_both_are_the_same_and_of_nothing_there_is_nothing() {
        let ok = of(20_000);
        let ranked = Ranked { ok: &ok, failed: 0, timeout: TIMEOUT };
        for permille in [1, 500, 900, 990, 999, 1_000] {
            assert_eq!(ranked.all(permille).unwrap().value_ns(), ranked.ok_only(permille));
        }
        let nothing = of(0);
        let none = Ranked { ok: &nothing, failed: 0, timeout: TIMEOUT };
        assert_eq!((none.all(500), none.ok_only(1_000)), (None, None));
        let failed = Ranked { failed: 1, ..none };
        assert_eq!(failed.all(1), Some(Rank::Beyond(TIMEOUT)));
    }

    #[test]
    fn a_success_too_slow_to_record_ranks_with_the_failures() {
        let mut ok = of(98);
        ok.record(u64::MAX);
        ok.record(u64::MAX);
        let ranked = Ranked { ok: &ok, failed: 0, timeout: TIMEOUT };
        assert_eq!(ranked.len(), 100);
        assert_eq!(ranked.all(990), Some(Rank::Beyond(TIMEOUT)));
    }
}
