//! What a request costs at a rate, from the rates that were measured.
//!
//! Between two measured rates it is read off a straight line over the logarithm of the rate. Below
//! the lowest it is taken to stay as it is there, for strategies whose nodes do nothing unasked;
//! how far that is from what was measured lower still widens the interval. Above the highest
//! nothing is said: there processes stop sleeping, and how soon they do was not measured.

use serde::{Deserialize, Serialize};

use super::figures::{Figure, Source, figure};
use crate::record::decision::Interval;
use crate::record::derived::{Estimate, RegimeResult};
use crate::record::run::Role;

/// A rate, or a number of bytes, is taken for a measured one within this part of it.
pub(super) const SAME: f64 = 1.1;

/// CPU at one rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// Requests per second on one server.
    pub per_second: f64,
    /// CPU per request, nanoseconds.
    #[serde(flatten)]
    pub cpu_ns: Figure,
}

/// Where a rate lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At<'p> {
    /// Between these two, at that share of the way; the same one twice on a measured one.
    Between(&'p RatePoint, &'p RatePoint, f64),
    /// Below the lowest, which is this.
    Below(&'p RatePoint),
    /// Above the highest, which is this.
    Above(&'p RatePoint),
}

/// Where `per_second` lies among `points`, which ascend; nothing without any.
#[must_use]
pub fn at(points: &[RatePoint], per_second: f64) -> Option<At<'_>> {
    let (first, last) = (points.first()?, points.last()?);
    if per_second > last.per_second * SAME {
        return Some(At::Above(last));
    }
    if per_second >= last.per_second {
        return Some(At::Between(last, last, 0.0));
    }
    if per_second < first.per_second / SAME {
        return Some(At::Below(first));
    }
    let upper = points.iter().position(|point| point.per_second > per_second)?;
    let (a, b) = (&points[upper.saturating_sub(1)], &points[upper]);
    let whole = (b.per_second / a.per_second).ln();
    let share = if whole > 0.0 { (per_second / a.per_second).ln() / whole } else { 0.0 };
    Some(At::Between(a, b, share.clamp(0.0, 1.0)))
}

impl At<'_> {
    /// The CPU there; nothing above the highest.
    #[must_use]
    pub fn cpu_ns(&self) -> Option<Interval> {
        match self {
            Self::Above(_) => None,
            Self::Below(point) => Some(point.cpu_ns.is),
            Self::Between(a, b, share) => {
                let (a, b) = (a.cpu_ns.is, b.cpu_ns.is);
                Some(a.times(1.0 - share).plus(b.times(*share)))
            }
        }
    }
}

/// Whether a condition differs from the plan's own in its rate alone.
#[must_use]
pub fn is_plain(regime: &RegimeResult) -> bool {
    regime.mix.is_none() && is_served_alike(regime)
}

/// Whether it differs in its rate and in what is asked for, at most.
pub(super) fn is_served_alike(regime: &RegimeResult) -> bool {
    regime.mode == "open"
        && regime.work_kib.is_none()
        && regime.pacing == "exact"
        && regime.layout == "unpinned"
        && regime.protocol == "http/1.1"
}

/// What a record says of one rate: of `none`, and of a strategy where it was measured there.
#[derive(Clone, Debug)]
pub struct AtRate {
    /// Requests per second.
    pub per_second: u64,
    /// CPU of `none` per request, nanoseconds, and where it stands.
    none_ns: Option<f64>,
    none_pointer: String,
    /// CPU of the strategy above `none`, nanoseconds.
    pub above_none_ns: Option<Estimate>,
    /// The same as a share of what `none` takes.
    pub over_none: Option<Estimate>,
    /// Where the strategy stands.
    pointer: String,
}

/// What a record says of a strategy's usual arm at each rate that it measured in an open loop,
/// woken exactly, unpinned; ascending.
#[must_use]
pub fn measured(source: &Source<'_>, strategy: &str) -> Vec<AtRate> {
    let plan = source.run.plan.as_ref().filter(|plan| plan.extra_claims_bytes.is_none());
    let Some(own_rate) = plan.map(|plan| plan.rate_per_second) else { return Vec::new() };
    let derived = source.derived;
    let own = derived.arms.iter().position(|a| a.arm == strategy && a.role == Role::Contender);
    let mut found = vec![AtRate {
        per_second: own_rate,
        none_ns: derived.none_cpu_ns,
        none_pointer: "/none_cpu_ns".into(),
        above_none_ns: own.and_then(|i| derived.arms[i].cpu_above_none_ns),
        over_none: own.and_then(|i| derived.arms[i].cpu_over_none),
        pointer: format!("/arms/{}/cpu_above_none_ns", own.unwrap_or_default()),
    }];
    for (r, regime) in derived.regimes.iter().enumerate() {
        if !is_plain(regime) || regime.rate_per_second == own_rate {
            continue;
        }
        let own = regime.arms.iter().position(|arm| arm.arm == strategy);
        found.push(AtRate {
            per_second: regime.rate_per_second,
            none_ns: regime.none_cpu_ns,
            none_pointer: format!("/regimes/{r}/none_cpu_ns"),
            above_none_ns: own.and_then(|i| regime.arms[i].cpu_above_none_ns),
            over_none: own.and_then(|i| regime.arms[i].cpu_over_none),
            pointer: format!("/regimes/{r}/arms/{}/cpu_above_none_ns", own.unwrap_or_default()),
        });
    }
    found.sort_by_key(|at| at.per_second);
    found
}

/// CPU above `none` of a strategy at each of those rates.
#[must_use]
pub fn points(source: &Source<'_>, strategy: &str) -> Vec<RatePoint> {
    let point = |at: AtRate| {
        let cpu_ns = figure(source, at.above_none_ns?, &at.pointer);
        Some(RatePoint { per_second: at.per_second as f64, cpu_ns })
    };
    measured(source, strategy).into_iter().filter_map(point).collect()
}

/// CPU of `none` at each of those rates.
#[must_use]
pub fn floor(source: &Source<'_>) -> Vec<RatePoint> {
    let point = |at: AtRate| {
        let is = Interval::exactly(at.none_ns?);
        let row = format!("{}#{}", source.name, at.none_pointer);
        Some(RatePoint { per_second: at.per_second as f64, cpu_ns: Figure { is, row } })
    };
    measured(source, "none").into_iter().filter_map(point).collect()
}

/// The rates at which most of the strategies of a record were measured: what two of them are
/// compared at must not depend on which was measured at more.
#[must_use]
pub fn common(all: &[Vec<RatePoint>]) -> Vec<f64> {
    let mut counts: Vec<(f64, usize)> = Vec::new();
    for point in all.iter().flatten() {
        match counts.iter_mut().find(|(rate, _)| *rate == point.per_second) {
            Some((_, count)) => *count += 1,
            None => counts.push((point.per_second, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let mut rates: Vec<f64> =
        counts.into_iter().filter(|(_, count)| *count == most).map(|(rate, _)| rate).collect();
    rates.sort_by(f64::total_cmp);
    rates
}

/// Below the lowest rate at which most strategies were measured the cost stays: what that was
/// checked on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdleLaw {
    /// The lowest rate at which most strategies were measured, per second.
    pub from: f64,
    /// Points below it that were held against the one at it.
    pub points: usize,
    /// The lowest rate checked, per second.
    pub lowest: f64,
    /// The largest difference between law and measurement, nanoseconds.
    pub error_ns: f64,
    /// The largest of any strategy, per cent of what it costs at `from`.
    pub error_percent: f64,
}

/// A law that is further off than this, per cent, is none.
const ERROR_MAX: f64 = 50.0;

impl IdleLaw {
    /// What it says of a strategy that costs `lowest` at its lowest rate: the same, with the
    /// largest difference that was seen on both sides.
    #[must_use]
    pub fn around(&self, lowest: Interval) -> Interval {
        Interval {
            value: lowest.value,
            low: lowest.low - self.error_ns,
            high: lowest.high + self.error_ns,
        }
    }

    /// Whether it may be used of a strategy whose lowest rate is that one, with nodes that send so
    /// many commands a second unasked: not above what it was checked from, and not where there is
    /// work that fewer requests have to bear.
    #[must_use]
    pub fn holds(&self, lowest: f64, background_per_second: u32) -> bool {
        lowest <= self.from * SAME && background_per_second == 0
    }
}

/// Checks it on the strategies that were measured lower than `from`; nothing below three points, or
/// where it does not hold.
#[must_use]
pub fn idle_law(all: &[Vec<RatePoint>]) -> Option<IdleLaw> {
    let from = common(all).first().copied()?;
    let mut law =
        IdleLaw { from, points: 0, lowest: f64::INFINITY, error_ns: 0.0, error_percent: 0.0 };
    for points in all {
        let Some(held) = points.iter().find(|point| point.per_second == from) else { continue };
        for point in points.iter().filter(|point| point.per_second < from) {
            law.points += 1;
            law.lowest = law.lowest.min(point.per_second);
            let error_ns = (point.cpu_ns.is.value - held.cpu_ns.is.value).abs();
            law.error_ns = law.error_ns.max(error_ns);
            let percent = 100.0 * error_ns / held.cpu_ns.is.value.abs();
            law.error_percent = law.error_percent.max(percent);
        }
    }
    (law.points >= 3 && law.error_percent <= ERROR_MAX).then_some(law)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(per_second: f64, value: f64) -> RatePoint {
        let is = Interval { value, low: value - 1.0, high: value + 2.0 };
        RatePoint { per_second, cpu_ns: Figure { is, row: String::new() } }
    }

    #[test]
    fn it_goes_straight_between_rates_and_refuses_above_them() {
        let points = [point(10.0, 40.0), point(100.0, 20.0), point(10_000.0, 0.0)];
        let value = |rate: f64| at(&points, rate).unwrap().cpu_ns().map(|cpu| cpu.value);
        assert_eq!([10.0, 100.0, 1_000.0, 10_000.0].map(value), [40.0, 20.0, 10.0, 0.0].map(Some));
        let half = at(&points, 1_000.0).unwrap().cpu_ns().unwrap();
        assert_eq!((half.low, half.high), (9.0, 12.0));
        // A tenth above the highest is the highest; more is not measured.
        assert_eq!(value(10_900.0), Some(0.0));
        assert_eq!(value(11_100.0), None);
        // Below the lowest it stays.
        assert_eq!(value(0.1), Some(40.0));
        assert!(matches!(at(&points, 0.1), Some(At::Below(_))));
        assert!(matches!(at(&points, 9.5), Some(At::Between(..))));
        assert_eq!(at(&[], 1.0), None);
    }

    #[test]
    fn the_law_below_is_what_the_lower_points_differ_by() {
        let low = |at_20: f64| vec![point(20.0, at_20), point(60.0, 50.0), point(250.0, 40.0)];
        let high = || vec![point(60.0, 90.0), point(250.0, 70.0)];
        let all = [low(51.0), low(48.0), low(50.0), high()];
        assert_eq!(common(&all), [60.0, 250.0], "not at the rate of the few");
        let law = idle_law(&all).unwrap();
        assert_eq!((law.from, law.points, law.lowest), (60.0, 3, 20.0));
        assert_eq!((law.error_ns, law.error_percent), (2.0, 4.0));
        assert!(law.holds(60.0, 0) && law.holds(20.0, 0));
        assert!(!law.holds(60.0, 1), "work that fewer requests have to bear");
        assert!(!law.holds(4_000.0, 0), "what was never measured so low");
        assert_eq!(idle_law(&[low(51.0), low(48.0), high()]), None, "two points are no check");
        assert_eq!(idle_law(&[low(51.0), low(48.0), low(90.0), high()]), None, "it does not hold");
    }
}
