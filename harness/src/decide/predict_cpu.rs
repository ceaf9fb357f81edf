//! CPU that is predicted: at a rate, with more claims in the token, in a mix of operations.
//!
//! Each twice: in nanoseconds above `none`, and as a share of what `none` takes beside it. A host
//! that is faster or slower than it was is in the first and not in the second.

use super::figures::Source;
use super::predict::{between, row};
use super::{claims, mixes, rates};
use crate::load::mix::Mix;
use crate::record::decision::Interval;
use crate::record::derived::Estimate;
use crate::record::prediction::Prediction;

/// In what CPU is predicted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    /// Nanoseconds above `none`.
    AboveNone,
    /// Of the CPU of `none`, as a share.
    OverNone,
}

impl Unit {
    pub(super) const ALL: [Self; 2] = [Self::AboveNone, Self::OverNone];

    const fn quantity(self) -> &'static str {
        match self {
            Self::AboveNone => "cpu-above-none-ns",
            Self::OverNone => "cpu-over-none",
        }
    }

    /// The figure of that unit.
    pub(super) const fn of(
        self,
        above_none_ns: Option<Estimate>,
        over_none: Option<Estimate>,
    ) -> Option<Estimate> {
        match self {
            Self::AboveNone => above_none_ns,
            Self::OverNone => over_none,
        }
    }
}

/// A figure, and how it came about.
type Said = (Estimate, String);

/// On a straight line over the logarithm of the rate.
fn on_the_line(source: &Source<'_>, strategy: &str, rate: u64, unit: Unit) -> Option<Said> {
    let measured = rates::measured(source, strategy);
    let point = |at: &rates::AtRate| {
        Some(((at.per_second as f64).ln(), unit.of(at.above_none_ns, at.over_none)?))
    };
    let mut points: Vec<(f64, Estimate)> = measured.iter().filter_map(point).collect();
    let (is, [from, to]) = between(&mut points, (rate as f64).ln())?;
    let by = format!(
        "a line over the logarithm of the rate, from {:.0} to {:.0}/s, in {}",
        from.exp(),
        to.exp(),
        source.name
    );
    Some((is, by))
}

/// At a rate between two that were measured.
pub(super) fn at_rate(
    sources: &[&Source<'_>],
    strategy: &str,
    (condition, rate): (&str, u64),
) -> Vec<Prediction> {
    let said = |unit: Unit| {
        let (is, by) = sources.iter().find_map(|s| on_the_line(s, strategy, rate, unit))?;
        Some(row((condition, rate), strategy, unit.quantity(), is, by))
    };
    Unit::ALL.into_iter().filter_map(said).collect()
}

/// With more claims in the token: what it costs at the rate, and what they add.
pub(super) fn with_claims(
    sources: &[&Source<'_>],
    strategy: &str,
    rate: u64,
    extra_bytes: f64,
) -> Vec<Prediction> {
    let said = |unit: Unit| {
        let (source, (usual, by)) = sources
            .iter()
            .find_map(|source| Some((source, on_the_line(source, strategy, rate, unit)?)))?;
        let none_by_rate = rates::floor(source);
        let none = rates::at(&none_by_rate, rate as f64)?.cpu_ns()?.value;
        let (more, name) = sources.iter().find_map(|s| {
            let points = claims::points(s, strategy);
            Some((claims::at(&points, &none_by_rate, extra_bytes)?, s.name))
        })?;
        let more = match unit {
            Unit::AboveNone => more,
            Unit::OverNone => more.times(1.0 / none),
        };
        let is = estimate(Interval::from(usual).plus(more));
        let by = format!("{by}; and a line over the bytes of further claims, in {name}");
        Some(row(("rate", rate), strategy, unit.quantity(), is, by))
    };
    Unit::ALL.into_iter().filter_map(said).collect()
}

/// In a mix that other mixes make up.
pub(super) fn of_mix(
    sources: &[&Source<'_>],
    strategy: &str,
    rate: u64,
    mix: &Mix,
) -> Vec<Prediction> {
    let said = |unit: Unit| {
        sources.iter().find_map(|source| {
            let (is, parts) = mixes::cpu(source, strategy, mix, rate, unit)?;
            let parts = parts.join(", ");
            let by = format!("the sum of good credentials, {parts} in {}", source.name);
            Some(row(("regime", rate), strategy, unit.quantity(), estimate(is), by))
        })
    };
    Unit::ALL.into_iter().filter_map(said).collect()
}

const fn estimate(is: Interval) -> Estimate {
    Estimate { value: is.value, low: is.low, high: is.high, n: 0 }
}
