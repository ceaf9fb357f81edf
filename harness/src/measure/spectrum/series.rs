//! The conditions under which one strategy's lag is measured: which series, how many trials, how
//! finely probed. Pure: nothing is started here.

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Properties, Revocation, Scope, Uses};

use super::layout::{Pace, REFUSALS};
use crate::measure::contestant::Common;
use crate::plan::{PlannedArm, SpectrumPlan};

/// Server processes that share the store and the keys, where no plan says otherwise.
pub(super) const NODES: u32 = 2;
/// Trials whose probes overlap, where no plan says otherwise.
const OVERLAP: u64 = 3;
/// Trials of one batch, where a plan has a `[spectrum]`.
const BATCH: u32 = 60;
/// What a revoke call may take, in intervals between probes, at the first attempt and the second.
pub(super) const SLACK: [u64; 2] = [10, 300];
/// A bound is probed in at most so many steps where its law is not drawn.
const COARSE_STEPS: u64 = 200;

/// What takes credentials back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// The one that is presented.
    Logout,
    /// Every one of its subject.
    LogoutAll,
}

impl Operation {
    /// Its name in records, and its path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout-all",
        }
    }

    /// What `properties` promise of it.
    #[must_use]
    pub const fn promise(self, properties: &Properties) -> Revocation {
        match self {
            Self::Logout => properties.revoke,
            Self::LogoutAll => properties.revoke_all,
        }
    }
}

/// Many trials under one set of conditions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Series {
    /// What takes credentials back.
    pub operation: Operation,
    /// When that takes effect, by promise.
    pub promise: Revocation,
    /// Server processes that are probed.
    pub nodes: u32,
    /// Trials.
    pub trials: u32,
    /// Trials of one batch.
    pub batch: u32,
    /// From one probe of a node to its next, nanoseconds.
    pub interval_ns: u64,
    /// Probes per second in all.
    pub probes_per_second: u64,
    /// Other requests per second meanwhile.
    pub load_per_second: u64,
    /// Credentials that one call takes back.
    pub credentials: u32,
}

impl Series {
    /// The conditions in words.
    #[must_use]
    pub fn words(&self) -> String {
        let load = match self.load_per_second {
            0 => "at rest".to_owned(),
            rate => format!("under {rate} requests per second"),
        };
        let s = if self.nodes == 1 { "" } else { "s" };
        format!("{} on {} node{s} {load}", self.operation.name(), self.nodes)
    }

    pub(super) const fn pace(&self, trials: u32, slack: u64) -> Pace {
        Pace {
            trials,
            nodes: self.nodes as u64,
            bound_ns: bound_ns(self.promise),
            interval_ns: self.interval_ns,
            slack_ns: slack * self.interval_ns,
            probes_per_second: self.probes_per_second,
        }
    }
}

/// The bound of a promise, nanoseconds; 0 where it has none.
#[must_use]
pub const fn bound_ns(promise: Revocation) -> u64 {
    match promise {
        Revocation::Within(bound) => {
            bound.as_secs().saturating_mul(1_000_000_000) + bound.subsec_nanos() as u64
        }
        Revocation::Immediate | Revocation::AtExpiry => 0,
    }
}

/// The series of a strategy under a plan's `[spectrum]`, in order; those that wait for expiry have
/// one, and it is counted elsewhere.
#[must_use]
pub fn series(plan: &SpectrumPlan, properties: &Properties, credentials: u32) -> Vec<Series> {
    let mut nodes = plan.nodes.clone();
    if properties.scope == Scope::Node {
        nodes = vec![1];
    }
    let first = nodes.first().copied().unwrap_or(NODES);
    let of = |operation: Operation, nodes: u32, trials: u32, steps: u64, load: u64| {
        let promise = operation.promise(properties);
        let every_ns = bound_ns(promise).div_ceil(steps);
        Series {
            operation,
            promise,
            nodes,
            trials,
            batch: BATCH,
            interval_ns: every_ns.max(plan.probe_us * 1_000),
            // What the load takes of the driver is not there for probes.
            probes_per_second: plan.probes_per_second.saturating_sub(load).max(1_000),
            load_per_second: load,
            credentials: if operation == Operation::Logout { 1 } else { credentials.max(1) },
        }
    };
    let coarse = plan.within_steps.min(COARSE_STEPS);
    let mut all = Vec::new();
    if properties.revoke != Revocation::AtExpiry {
        all.push(of(Operation::Logout, first, plan.trials, plan.within_steps, 0));
        let more = nodes.iter().skip(1);
        all.extend(more.map(|n| of(Operation::Logout, *n, plan.other_trials, coarse, 0)));
        if plan.load_per_second > 0 {
            let immediate = properties.revoke == Revocation::Immediate;
            let trials = if immediate { plan.load_trials } else { plan.other_trials };
            all.push(of(Operation::Logout, first, trials, coarse, plan.load_per_second));
        }
    }
    if properties.revoke_all != Revocation::AtExpiry {
        all.push(of(Operation::LogoutAll, first, plan.other_trials, coarse, 0));
    }
    all.retain(|series| series.trials > 0);
    all
}

/// The only series of a strategy where a plan has no `[spectrum]`.
pub(super) fn plain(common: &Common<'_>, kind: StrategyKind) -> Series {
    let (plan, properties) = (common.plan, kind.properties());
    let nodes = if properties.scope == Scope::Node { 1 } else { NODES };
    let at_expiry = properties.revoke == Revocation::AtExpiry;
    let interval_us = if at_expiry { plan.lag_token_probe_us } else { plan.lag_probe_us };
    let trials = if at_expiry { plan.lag_token_trials } else { plan.lag_trials };
    let interval_ns = interval_us * 1_000;
    Series {
        operation: Operation::Logout,
        promise: properties.revoke,
        nodes,
        trials,
        batch: trials.max(1),
        interval_ns,
        probes_per_second: (OVERLAP * u64::from(nodes) * 1_000_000_000 / interval_ns).max(1),
        load_per_second: 0,
        credentials: 1,
    }
}

/// Which strategies of `arms` have a lag to measure, and how: those whose logout takes effect, and
/// as many of those that wait for expiry as the plan asks for. What is used up by being presented
/// cannot be probed.
#[must_use]
pub fn subjects_of(common: &Common<'_>, arms: &[PlannedArm]) -> Vec<StrategyKind> {
    let mut at_expiry = 0;
    let mut kinds: Vec<StrategyKind> = Vec::new();
    for kind in arms.iter().map(|arm| arm.kind) {
        let properties = kind.properties();
        let is_floor = properties.family == Family::Floor;
        if kinds.contains(&kind) || is_floor || properties.uses == Uses::Once {
            continue;
        }
        if properties.revoke == Revocation::AtExpiry {
            if at_expiry == common.plan.lag_token_strategies {
                continue;
            }
            at_expiry += 1;
        }
        kinds.push(kind);
    }
    kinds
}

/// Milliseconds the trials of `kind` take by a plan without `[spectrum]`.
#[must_use]
pub fn planned_ms(common: &Common<'_>, kind: StrategyKind) -> u64 {
    series_ms(common, &plain(common, kind))
}

/// Milliseconds that a series takes by plan, starting servers left out.
#[must_use]
pub fn series_ms(common: &Common<'_>, series: &Series) -> u64 {
    let plan = common.plan;
    if series.promise == Revocation::AtExpiry {
        let after = REFUSALS * plan.lag_token_probe_us / 1_000;
        return 1_000 + plan.lag_token_lifetime_s * 1_000 + after + 300;
    }
    let batches = u64::from(series.trials.div_ceil(series.batch.max(1)));
    let trials = series.trials.min(series.batch);
    batches * (series.pace(trials, SLACK[0]).length_ns() / 1_000_000 + 100)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use authbench::strategy::contract::Granularity;

    use super::*;

    /// A made-up strategy of these promises; what else it declares does not matter here.
    fn properties(revoke: Revocation, revoke_all: Revocation, scope: Scope) -> Properties {
        let any = StrategyKind::ALL[0].properties();
        Properties { revoke, revoke_all, scope, granularity: Granularity::Credential, ..any }
    }

    fn laid_out(revoke: Revocation, revoke_all: Revocation, scope: Scope) -> Vec<Series> {
        series(&SpectrumPlan::default(), &properties(revoke, revoke_all, scope), 5)
    }

    fn in_words(all: &[Series]) -> Vec<String> {
        all.iter().map(|s| format!("{} x {}", s.trials, s.words())).collect()
    }

    #[test]
    fn an_immediate_promise_is_held_to_its_99th_percentile_under_load_too() {
        let all = laid_out(Revocation::Immediate, Revocation::AtExpiry, Scope::Shared);
        let wanted = [
            "300 x logout on 2 nodes at rest",
            "60 x logout on 4 nodes at rest",
            "300 x logout on 2 nodes under 2000 requests per second",
        ];
        assert_eq!(in_words(&all), wanted);
        assert!(all.iter().all(|s| s.interval_ns == 1_000_000 && s.credentials == 1));
    }

    #[test]
    fn a_bound_is_probed_finely_at_rest_and_coarsely_elsewhere() {
        let bound = Revocation::Within(Duration::from_secs(2));
        let all = laid_out(bound, bound, Scope::Shared);
        let wanted = [
            "300 x logout on 2 nodes at rest",
            "60 x logout on 4 nodes at rest",
            "60 x logout on 2 nodes under 2000 requests per second",
            "60 x logout-all on 2 nodes at rest",
        ];
        assert_eq!(in_words(&all), wanted);
        let intervals: Vec<u64> = all.iter().map(|s| s.interval_ns / 1_000_000).collect();
        assert_eq!(intervals, [2, 10, 10, 10]);
        assert_eq!(all[3].credentials, 5);
        for series in &all {
            let length_ns = series.pace(series.trials, SLACK[0]).length_ns();
            assert!(length_ns > bound_ns(bound) + REFUSALS * series.interval_ns);
        }
    }

    #[test]
    fn one_process_is_probed_alone_and_expiry_is_measured_elsewhere() {
        let own = laid_out(Revocation::Immediate, Revocation::Immediate, Scope::Node);
        assert!(own.iter().all(|s| s.nodes == 1));
        assert_eq!(own.len(), 3);
        assert!(laid_out(Revocation::AtExpiry, Revocation::AtExpiry, Scope::Shared).is_empty());
    }
}
