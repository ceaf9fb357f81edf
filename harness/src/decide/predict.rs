//! Predictions of a run that has not been made, from records that have.
//!
//! Only what lies between measured points is predicted: CPU on a straight line over the logarithm
//! of the rate, latency and CPU on straight lines over the distance. What lies outside, or of which
//! only one point is known, is not.

use super::figures::{Source, commands_of};
use super::predict_cpu as cpu;
use crate::os::affinity::Layout;
use crate::plan::{Plan, PlannedArm, RegimePlan, expand};
use crate::record::derived::{Derived, Estimate};
use crate::record::prediction::Prediction;
use crate::record::run::Role;

/// A measured point: where, and what.
type Point = (f64, Estimate);

/// Predicts what `plan` will measure of its strategies.
#[must_use]
pub fn predict(sources: &[Source<'_>], plan: &Plan, strategies: &[String]) -> Vec<Prediction> {
    // Not from a run that was predicted itself: the next one of the same plan would repeat it.
    let is_source = |s: &&Source<'_>| s.derived.withheld.is_none() && s.run.predictions.is_none();
    let mut valid: Vec<&Source<'_>> = sources.iter().filter(is_source).collect();
    // The latest first: machines change.
    valid.sort_by_key(|s| std::cmp::Reverse(s.run.run.started_utc.clone()));
    // A plan that cannot be expanded has no arm that could be predicted.
    let arms = expand(plan, &[]).unwrap_or_default();
    let mut rows = Vec::new();
    for strategy in strategies {
        let rate = plan.rate_per_second;
        let arm = arms.iter().map(|arm| &arm.record).find(|arm| arm.id == *strategy);
        if let Some(arm) = arm.filter(|arm| arm.extra_claims_bytes > 0) {
            let extra = f64::from(arm.extra_claims_bytes);
            rows.extend(with_claims(&valid, (&arm.strategy, strategy), rate, extra));
            continue;
        }
        rows.extend(cpu::at_rate(&valid, strategy, ("rate", rate)));
        rows.extend(counts(&valid, strategy, rate));
        for regime in plan.regimes.iter().flat_map(|regimes| &regimes.each) {
            rows.extend(under(&valid, strategy, (plan, &arms), regime));
        }
        for us in plan.distance.iter().flat_map(|sweep| &sweep.round_trips_us) {
            if *us > 0 {
                rows.extend(at_distance(&valid, strategy, us * 1_000));
            }
        }
        for nodes in plan.spectrum.iter().flat_map(|spectrum| &spectrum.nodes) {
            rows.extend(longest_lag(&valid, strategy, *nodes));
        }
    }
    rows
}

/// Under a condition that differs in its rate and in what is asked for, at most.
fn under(
    sources: &[&Source<'_>],
    strategy: &str,
    (plan, arms): (&Plan, &[PlannedArm]),
    regime: &RegimePlan,
) -> Vec<Prediction> {
    let is_served_alike = !regime.closed
        && regime.work_kib == 0
        && regime.pacing.is_none()
        && regime.layout == Layout::default()
        && regime.http2_connections.is_none();
    let rate = regime.rate_per_second.unwrap_or(plan.rate_per_second);
    let rows = match regime.mix {
        _ if !is_served_alike || !has(plan, regime, arms, strategy) => Vec::new(),
        None if regime.rate_per_second.is_none() => Vec::new(),
        None => cpu::at_rate(sources, strategy, ("regime", rate)),
        Some(mix) => cpu::of_mix(sources, strategy, rate, &mix),
    };
    let named = |row| Prediction { regime: Some(regime.name.clone()), ..row };
    rows.into_iter().map(named).collect()
}

/// Whether the condition measures the strategy, of all arms.
fn has(plan: &Plan, regime: &RegimePlan, arms: &[PlannedArm], strategy: &str) -> bool {
    let picked = plan.regimes.as_ref().map(|regimes| regimes.pick(regime, arms));
    picked.is_some_and(|picked| picked.iter().any(|arm| arm.record.id == strategy))
}

/// CPU and bytes of an arm whose tokens are longer than those of its strategy. Of base64url there
/// are four characters for three bytes.
fn with_claims(
    sources: &[&Source<'_>],
    (usual, arm): (&str, &str),
    rate: u64,
    extra_bytes: f64,
) -> Vec<Prediction> {
    let cpu = cpu::with_claims(sources, usual, rate, extra_bytes).into_iter();
    let more = (extra_bytes * 4.0 / 3.0).round();
    let bytes = counts(sources, usual, rate).into_iter();
    let bytes = bytes.filter(|row| row.quantity == "request-bytes").map(|row| Prediction {
        value: row.value + more,
        low: row.low + more,
        high: row.high + more,
        by: format!("{}, and four characters for three bytes of claims", row.by),
        ..row
    });
    cpu.chain(bytes).map(|row| Prediction { strategy: arm.into(), ..row }).collect()
}

/// A figure without an interval.
const fn exactly(value: f64) -> Estimate {
    Estimate { value, low: value, high: value, n: 0 }
}

/// The straight line between the two points around `at`; nothing outside of all points.
pub(super) fn between(points: &mut [Point], at: f64) -> Option<(Estimate, [f64; 2])> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pair = points.windows(2).find(|two| two[0].0 <= at && at <= two[1].0)?;
    let ((x0, a), (x1, b)) = (pair[0], pair[1]);
    let share = if x1 > x0 { (at - x0) / (x1 - x0) } else { 0.0 };
    let mix = |a: f64, b: f64| a + share * (b - a);
    let mixed = Estimate {
        value: mix(a.value, b.value),
        low: mix(a.low, b.low),
        high: mix(a.high, b.high),
        n: a.n.min(b.n),
    };
    Some((mixed, [x0, x1]))
}

pub(super) fn row(
    (condition, at): (&str, u64),
    strategy: &str,
    quantity: &str,
    is: Estimate,
    by: String,
) -> Prediction {
    Prediction {
        condition: condition.into(),
        at,
        regime: None,
        strategy: strategy.into(),
        quantity: quantity.into(),
        value: is.value,
        low: is.low,
        high: is.high,
        by,
    }
}

/// Commands and bytes of a request: the same at every rate. Of commands what `none` causes is taken
/// off, and nothing is said where nodes ask by themselves or remember answers: that is per second.
fn counts(sources: &[&Source<'_>], strategy: &str, rate: u64) -> Vec<Prediction> {
    let found = sources.iter().find_map(|source| {
        let arm = source.derived.arms.iter().find(|arm| arm.arm == strategy)?;
        (arm.requests > 0).then_some((source, arm))
    });
    let Some((source, arm)) = found else { return Vec::new() };
    let by = || format!("as in {}", source.name);
    let mut rows = Vec::new();
    let declared = source.run.strategies.iter().find(|s| s.id == strategy);
    let is_steady = declared.is_some_and(|s| !s.redis_cached && s.redis_background_per_second == 0);
    if let Some(each) = net_commands(source.derived, strategy).filter(|_| is_steady) {
        rows.push(row(("rate", rate), strategy, "redis-commands", exactly(each), by()));
    }
    if let Some(bytes) = arm.request_bytes {
        rows.push(row(("rate", rate), strategy, "request-bytes", exactly(bytes), by()));
    }
    rows
}

/// Store commands per request above those of `none`, which are the instrument's own.
#[must_use]
pub fn net_commands(derived: &Derived, strategy: &str) -> Option<f64> {
    let own = derived.arms.iter().find(|arm| arm.arm == strategy)?;
    let floor = derived.arms.iter().find(|arm| arm.role == Role::Baseline)?;
    let net = commands_of(own)? - commands_of(floor)?;
    Some((net.max(0.0) * 1e2).round() / 1e2)
}

/// The median and the CPU with the store that far away.
fn at_distance(sources: &[&Source<'_>], strategy: &str, ns: u64) -> Vec<Prediction> {
    let mut rows = Vec::new();
    for (quantity, is_p50) in [("p50-above-none-ns", true), ("cpu-above-none-ns", false)] {
        rows.extend(sources.iter().find_map(|source| {
            let sweep = source.derived.distance.as_ref()?;
            let own = sweep.rows.iter().filter(|row| row.arm == strategy);
            let mut points: Vec<Point> = own
                .filter_map(|row| {
                    let is = if is_p50 { row.p50_above_none_ns } else { row.cpu_above_none_ns };
                    Some((row.round_trip_ns? as f64, is?))
                })
                .collect();
            let (is, [from, to]) = between(&mut points, ns as f64)?;
            let by = format!(
                "a line over the distance, from {} to {} ms, in {}",
                from / 1e6,
                to / 1e6,
                source.name
            );
            Some(row(("distance", ns), strategy, quantity, is, by))
        }));
    }
    rows
}

/// The longest of many lags that are uniform over a period is the period.
fn longest_lag(sources: &[&Source<'_>], strategy: &str, nodes: u32) -> Option<Prediction> {
    let declared = sources.iter().flat_map(|s| &s.run.strategies).find(|s| s.id == strategy)?;
    let period = declared.lag_period_ns.or(declared.revoke_within_ns)?;
    let is_uniform = declared.lag_law.as_deref() == Some("uniform");
    let is = exactly(period as f64);
    let by = "the longest of many that are uniform over the period is the period".to_owned();
    is_uniform.then(|| row(("nodes", nodes.into()), strategy, "lag-max-ns", is, by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::derive::derive;
    use crate::measure::synthetic;
    use crate::plan::Profile;
    use crate::record::derived::{ArmResult, RegimeArm, RegimeResult};
    use crate::record::prediction::Predictions;
    use crate::record::run::{Arm, Run};

    fn point(at: f64, value: f64) -> Point {
        (at, Estimate { value, low: value - 1.0, high: value + 2.0, n: 6 })
    }

    #[test]
    fn it_goes_straight_between_points_and_not_beyond_them() {
        let mut points = [point(4.0, 40.0), point(1.0, 10.0), point(8.0, 0.0)];
        let (is, ends) = between(&mut points, 2.0).unwrap();
        assert_eq!((is.value, is.low, is.high, ends), (20.0, 19.0, 22.0, [1.0, 4.0]));
        assert_eq!(between(&mut points, 4.0).unwrap().0.value, 40.0);
        assert!(between(&mut points, 0.9).is_none() && between(&mut points, 8.1).is_none());
        assert!(between(&mut points[..1], 4.0).is_none(), "one point is no line");
    }

    /// A condition in which every arm costs `value` above `none`, on a host twice as slow.
    fn regime(derived: &Derived, name: &str, rate: u64, value: f64) -> RegimeResult {
        let none = derived.none_cpu_ns.unwrap();
        let is = |unit: f64| {
            let value = value * unit;
            Estimate { value, low: value - 2.0 * unit, high: value + 2.0 * unit, n: 8 }
        };
        let arm = |arm: &ArmResult| RegimeArm {
            arm: arm.arm.clone(),
            cpu_over_none: Some(is(1.0 / none)),
            cpu_above_none_ns: Some(is(2.0)),
            cpu_verdict: None,
            cpu_ns: None,
            throughput_over_none: None,
        };
        RegimeResult {
            name: name.into(),
            mode: "open".into(),
            rate_per_second: rate,
            pacing: "exact".into(),
            layout: "unpinned".into(),
            protocol: "http/1.1".into(),
            mix: None,
            work_kib: None,
            blocks: 8,
            none_cpu_ns: Some(2.0 * none),
            arms: derived.arms.iter().map(arm).collect(),
        }
    }

    /// The held-out plan at the rate of `run`, with `regimes` instead of its own.
    fn plan(run: &Run, regimes: &str) -> Plan {
        let text = Profile::HeldOut.source().1;
        let head = text.split("[regimes]").next().unwrap();
        let rate = run.plan.as_ref().unwrap().rate_per_second;
        let head = head.replacen("rate_per_second = 2000", &format!("rate_per_second = {rate}"), 1);
        Plan::parse("p", &format!("{head}{regimes}")).unwrap()
    }

    #[test]
    fn a_mix_is_predicted_from_conditions_that_make_it_up() {
        let run = synthetic::run(0);
        let mut derived = derive(&run, "");
        let rate = run.plan.as_ref().unwrap().rate_per_second;
        let id = "jwt-hs256".to_owned();
        let own = derived.arms.iter().find(|arm| arm.arm == id).unwrap();
        let usual = own.cpu_above_none_ns.unwrap().value;
        let refused = regime(&derived, "refused", rate, usual - 100.0);
        let mix = Some("50 % valid, 50 % forged".to_owned());
        derived.regimes = vec![RegimeResult { mix, ..refused }];
        let regimes = format!(
            "[regimes]\nblocks = 2\nrounds_per_block = 2\narms = [\"{id}\"]\n\
             [[regimes.each]]\nname = \"b\"\nmix = {{ valid = 900, forged = 100 }}\n\
             [[regimes.each]]\nname = \"c\"\nmix = {{ valid = 900, expired = 100 }}\n"
        );
        let source = Source { name: "it", run: &run, derived: &derived };
        let rows = predict(&[source], &plan(&run, &regimes), std::slice::from_ref(&id));
        let share = |name: &str| {
            let is = |row: &&Prediction| {
                row.regime.as_deref() == Some(name) && row.quantity == "cpu-over-none"
            };
            rows.iter().find(is).map(|row| row.value)
        };
        let none = derived.none_cpu_ns.unwrap();
        let less = share("b").map(|share| (share * none - usual).round());
        assert_eq!(less, Some(-20.0), "a fifth of what five times as many cost");
        assert_eq!(share("c"), None, "nobody measured the expired");
    }

    #[test]
    fn longer_tokens_are_predicted_from_longer_ones_in_the_same_blocks() {
        let mut run = synthetic::run(0);
        let mut derived = derive(&run, "");
        let none = derived.none_cpu_ns.unwrap();
        let own = derived.arms.iter().find(|arm| arm.arm == "jwt-hs256").unwrap().clone();
        let usual = own.cpu_above_none_ns.unwrap().value;
        // Twice as many bytes as the plan's, for 300 ns more.
        let arm = run.arms.iter().find(|arm| arm.id == "jwt-hs256").unwrap();
        let (id, extra_claims_bytes) = ("jwt-hs256+4000B".to_owned(), 4_000);
        let arm = Arm { id: id.clone(), extra_claims_bytes, ..arm.clone() };
        let share = own.cpu_over_none.unwrap();
        let more = Estimate { value: share.value + 300.0 / none, ..share };
        derived.arms.push(ArmResult { arm: id, cpu_over_none: Some(more), ..own });
        run.arms.push(arm);
        derived.regimes = vec![regime(&derived, "low", 100, usual)];
        let plan = plan(&run, "");
        let said = |arm: &str, quantity: &str| {
            let source = Source { name: "it", run: &run, derived: &derived };
            let rows = predict(&[source], &plan, &[arm.to_owned()]);
            let row = rows.into_iter().find(|row| row.quantity == quantity)?;
            assert_eq!(row.strategy, arm);
            Some(row.value)
        };
        let longer = "jwt-hs256+2000B";
        let above = said(longer, "cpu-above-none-ns").map(|ns| (ns - usual).round());
        let over = said(longer, "cpu-over-none").map(|share| (share * none - usual).round());
        assert_eq!((above, over), (Some(150.0), Some(150.0)));
        let bytes = |arm| said(arm, "request-bytes").unwrap();
        assert_eq!(bytes(longer) - bytes("jwt-hs256"), 2_667.0);
        assert_eq!(said("jwt-es256+2000B", "cpu-over-none"), None, "only of who has longer ones");
    }

    #[test]
    fn a_run_that_was_predicted_predicts_nothing() {
        let mut run = synthetic::run(0);
        let derived = derive(&run, "");
        let id = derived.arms.iter().find(|arm| arm.role == Role::Contender).unwrap().arm.clone();
        let plan = Plan::shipped(Profile::HeldOut).unwrap();
        let from = |run: &Run| {
            let source = Source { name: "it", run, derived: &derived };
            predict(&[source], &plan, std::slice::from_ref(&id)).len()
        };
        assert!(from(&run) > 0);
        run.predictions = Some(Predictions::sealed(vec![], vec![]).unwrap());
        assert_eq!(from(&run), 0, "it would be its own repetition");
    }
}
