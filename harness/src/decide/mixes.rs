//! What a mix of operations costs, from other mixes that were measured.
//!
//! A request's cost is taken to be the mean of its kinds' costs, each weighted by its share. Mixes
//! with different proportions of other operations than good credentials are added up until they
//! make the mix that is asked for; good credentials alone are one of them.

use super::figures::Source;
use super::predict_cpu::Unit;
use super::rates;
use crate::load::mix::{Kind, Mix};
use crate::record::decision::Interval;
use crate::record::derived::RegimeResult;

/// The kinds that are not good credentials.
fn others() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| *kind != Kind::Valid)
}

/// How often `part`, the kinds of it apart from good credentials, goes into `whole`; nothing where
/// their proportions differ, or it has no others.
fn times_in(part: &Mix, whole: &Mix) -> Option<f64> {
    let mut ratios = others()
        .filter(|kind| part.weight(*kind) > 0)
        .map(|kind| f64::from(whole.weight(kind)) / f64::from(part.weight(kind)));
    let first = ratios.next()?;
    let is_alike = ratios.all(|ratio| (ratio - first).abs() < 1e-9);
    (is_alike && first > 0.0).then_some(first)
}

/// The cost of `wanted`, from that of good credentials alone and of other mixes; nothing where they
/// do not add up to it, a share of good credentials would be below nothing, or subjects are not
/// drawn uniformly, as they are where good credentials are alone.
#[must_use]
fn composed(wanted: &Mix, usual: Interval, measured: &[(Mix, Interval)]) -> Option<Interval> {
    let is_uniform = |mix: &Mix| mix.zipf_milli == 0;
    let parts: Vec<(f64, &Mix, Interval)> = measured
        .iter()
        .filter(|(mix, _)| is_uniform(mix))
        .filter_map(|(mix, cost)| Some((times_in(mix, wanted)?, mix, *cost)))
        .collect();
    let is_made_up = others().all(|kind| {
        let sum: f64 =
            parts.iter().map(|(share, mix, _)| share * f64::from(mix.weight(kind))).sum();
        (sum - f64::from(wanted.weight(kind))).abs() < 1e-6
    });
    let rest = 1.0 - parts.iter().map(|(share, ..)| share).sum::<f64>();
    let add = |sum: Interval, part: &(f64, &Mix, Interval)| sum.plus(part.2.times(part.0));
    let is_sound = is_uniform(wanted) && !parts.is_empty() && rest >= 0.0;
    (is_made_up && is_sound).then(|| parts.iter().fold(usual.times(rest), add))
}

/// CPU of `wanted` at `rate` in that unit, and the names of the conditions that it is made of.
pub(super) fn cpu(
    source: &Source<'_>,
    strategy: &str,
    wanted: &Mix,
    rate: u64,
    unit: Unit,
) -> Option<(Interval, Vec<String>)> {
    let measured = rates::measured(source, strategy);
    let usual = measured.iter().find(|at| at.per_second == rate)?;
    let usual = unit.of(usual.above_none_ns, usual.over_none)?.into();
    let of = |regime: &RegimeResult| -> Option<(String, Mix, Interval)> {
        let mix: Mix = regime.mix.as_ref()?.parse().ok()?;
        let is_one = regime.rate_per_second == rate && rates::is_served_alike(regime);
        let arm = regime.arms.iter().find(|arm| is_one && arm.arm == strategy)?;
        let is = unit.of(arm.cpu_above_none_ns, arm.cpu_over_none)?.into();
        Some((regime.name.clone(), mix, is))
    };
    let found: Vec<_> = source.derived.regimes.iter().filter_map(of).collect();
    let parts: Vec<(Mix, Interval)> = found.iter().map(|(_, mix, is)| (*mix, *is)).collect();
    let is = composed(wanted, usual, &parts)?;
    let is_used = |mix: &Mix| mix.zipf_milli == 0 && times_in(mix, wanted).is_some();
    let used = found.into_iter().filter(|(_, mix, _)| is_used(mix));
    Some((is, used.map(|(name, ..)| name).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Mix = Mix {
        valid: 0,
        expired: 0,
        forged: 0,
        revoked: 0,
        login: 0,
        logout: 0,
        refresh: 0,
        zipf_milli: 0,
    };
    const REFUSED: Mix = Mix { valid: 500, expired: 300, forged: 200, ..NOTHING };
    const LOGINS: Mix = Mix { valid: 600, login: 200, logout: 200, ..NOTHING };

    fn is(value: f64) -> Interval {
        Interval { value, low: value - 1.0, high: value + 1.0 }
    }

    #[test]
    fn each_part_counts_by_its_share() {
        let wanted = Mix { valid: 850, expired: 30, forged: 20, login: 50, logout: 50, ..NOTHING };
        let measured = [(REFUSED, is(40.0)), (LOGINS, is(200.0))];
        let found = composed(&wanted, is(100.0), &measured).unwrap();
        // A tenth of the one, a quarter of the other.
        assert!((found.value - (65.0 + 4.0 + 50.0)).abs() < 1e-9, "{found:?}");
        assert!((found.high - found.low - 2.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn what_does_not_add_up_is_not_predicted() {
        let measured = [(REFUSED, is(40.0)), (LOGINS, is(200.0))];
        for wanted in [
            // Other proportions, a kind that nobody measured, another law, more than all of it.
            Mix { valid: 900, expired: 50, forged: 50, ..NOTHING },
            Mix { valid: 990, refresh: 10, ..NOTHING },
            Mix { valid: 950, expired: 30, forged: 20, zipf_milli: 1_000, ..NOTHING },
            Mix { valid: 0, expired: 600, forged: 400, ..NOTHING },
            Mix { valid: 1_000, zipf_milli: 1_000, ..NOTHING },
        ] {
            assert_eq!(composed(&wanted, is(100.0), &measured), None, "{wanted}");
        }
    }
}
