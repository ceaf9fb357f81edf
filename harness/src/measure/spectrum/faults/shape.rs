//! When things happen in a trial of a fault, and which strategies share one.

use std::time::Duration;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Fault, FaultOutcome, Revocation, Scope, StoreKind};

/// Server processes that share the store and the keys.
pub(super) const NODES: usize = 2;
/// So long before its end a fault, or a trial, is asked whether what was revoked is still good. An
/// answer may come from after the end when the store was waited for: longer than that wait.
pub(super) const TAIL_NS: u64 = 350 * MS;

const MS: u64 = 1_000_000;
/// The credential that is revoked before the fault is used until then.
const LOGOUT_BEFORE_NS: u64 = 60 * MS;
/// From when that revocation is due to the fault.
const SETTLE_NS: u64 = 240 * MS;
/// The same where a logout waits for every node and the store has just forgotten who they are.
const SETTLE_WAITING_NS: u64 = 1_500 * MS;
/// The store does not answer for so long, at the least.
const STORE_DOWN_NS: u64 = 2_000 * MS;
/// What is black-holed is so for this long, at the least.
const SILENCE_NS: u64 = 1_000 * MS;
/// Beyond what was declared, a fault or a trial goes on for this long, the tail excluded.
const BEYOND_NS: u64 = 400 * MS;
/// After a fault the servers are watched for this long.
const AFTER_NS: u64 = 800 * MS;
/// A fault that strikes at an instant still takes a while to bring about.
const STRIKE_NS: u64 = 500 * MS;
/// Writing a store full takes longer.
const FILL_NS: u64 = 700 * MS;
/// From the begin of a fault to the logout during it, one trial after another. A cut feed is
/// repaired within milliseconds, so the logouts are spread over that.
const CUT_OFFSETS_NS: [u64; 8] = [MS / 2, 20 * MS, 2 * MS, 50 * MS, MS, 10 * MS, 5 * MS, 100 * MS];

/// A revocation that the store is to lose again is filed this long before it does.
const JUST_BEFORE_NS: u64 = 25 * MS;

/// How far the clock of a node is behind, seconds.
pub(super) const BEHIND_S: i64 = 30;

/// The times of one trial, nanoseconds from its begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    /// The logout before the fault.
    pub(super) logout_before_ns: u64,
    /// The fault.
    pub(super) fault_at_ns: u64,
    /// How long it lasts; 0 for one that strikes at an instant.
    pub(super) fault_ns: u64,
    /// The last probe.
    pub(super) end_ns: u64,
}

impl Shape {
    /// The times of a trial of `fault` in which `kinds` take part: long enough for each to keep
    /// what it promises and to show that it goes no further than it declares.
    #[must_use]
    pub(super) fn of(fault: Fault, kinds: &[StrategyKind]) -> Self {
        let bound_ns = kinds.iter().filter_map(|k| promise_ns(*k)).max().unwrap_or(0);
        let late_ns = kinds.iter().map(|k| needed_ns(fault, *k)).max().unwrap_or(0);
        let shown_ns = late_ns + TAIL_NS + BEYOND_NS;
        let waits = kinds.iter().any(|kind| waits_for_nodes(*kind));
        let settle_ns = if waits && forgets(fault) { SETTLE_WAITING_NS } else { SETTLE_NS };
        let fault_at_ns = LOGOUT_BEFORE_NS + bound_ns + settle_ns;
        let (fault_ns, after_ns) = match fault {
            Fault::FeedSilent => (shown_ns.max(SILENCE_NS), AFTER_NS),
            // Longer than a node may go on by what it knows, whatever it promises of logouts.
            Fault::Partition | Fault::StoreDown => (shown_ns.max(STORE_DOWN_NS), AFTER_NS),
            Fault::FeedCut => (0, shown_ns.max(AFTER_NS)),
            Fault::StoreLost | Fault::NodeRestart => (0, STRIKE_NS + shown_ns.max(AFTER_NS)),
            Fault::StoreEvicts => (0, FILL_NS + shown_ns.max(AFTER_NS)),
            Fault::ClockBehind => (0, shown_ns),
        };
        let end_ns = fault_at_ns + fault_ns + after_ns;
        Self { logout_before_ns: LOGOUT_BEFORE_NS, fault_at_ns, fault_ns, end_ns }
    }

    /// When the logout during the fault is sent in the trial of that number.
    #[must_use]
    pub(super) const fn logout_during_ns(&self, fault: Fault, trial: usize) -> u64 {
        let offset_ns = match fault {
            Fault::FeedCut => CUT_OFFSETS_NS[trial % CUT_OFFSETS_NS.len()],
            // Just before, so that it is lost as well, and known to those alone who heard of it.
            Fault::StoreEvicts => return self.fault_at_ns - JUST_BEFORE_NS,
            // Just before, in its absence and after its return, in turn.
            Fault::StoreLost => match trial % 4 {
                0 => return self.fault_at_ns - JUST_BEFORE_NS,
                later => (1 + 150 * (later as u64 - 1)) * MS,
            },
            Fault::StoreDown => 100 * MS,
            Fault::FeedSilent | Fault::Partition | Fault::NodeRestart | Fault::ClockBehind => {
                50 * MS
            }
        };
        self.fault_at_ns + offset_ns
    }
}

/// Whether the store comes out of the fault with less than it knew.
const fn forgets(fault: Fault) -> bool {
    matches!(fault, Fault::StoreLost | Fault::StoreEvicts)
}

/// Whether a logout waits until every node knows: at once by promise, and by word of the nodes.
fn waits_for_nodes(kind: StrategyKind) -> bool {
    let properties = kind.properties();
    properties.revoke == Revocation::Immediate && properties.redis.background_per_second > 0
}

/// Whether the fault has an end of its own, before which it is asked what is still good.
#[must_use]
pub(super) const fn lasts(fault: Fault) -> bool {
    match fault {
        Fault::FeedSilent | Fault::Partition | Fault::StoreDown | Fault::ClockBehind => true,
        Fault::FeedCut | Fault::StoreLost | Fault::StoreEvicts | Fault::NodeRestart => false,
    }
}

/// From a logout's acknowledgement to when it is due; `None` where it waits for expiry.
#[must_use]
pub(super) fn promise_ns(kind: StrategyKind) -> Option<u64> {
    match kind.properties().revoke {
        Revocation::Immediate => Some(0),
        Revocation::Within(bound) => Some(in_ns(bound)),
        Revocation::AtExpiry => None,
    }
}

/// The bound of a declared `open-for`.
#[must_use]
pub(super) fn open_for_ns(fault: Fault, kind: StrategyKind) -> Option<u64> {
    match kind.properties().faults.of(fault) {
        FaultOutcome::OpenFor(bound) => Some(in_ns(bound)),
        FaultOutcome::Unaffected
        | FaultOutcome::Closed
        | FaultOutcome::Open
        | FaultOutcome::Revives => None,
    }
}

/// From a logout to the last moment at which its credential may be good by declaration.
fn needed_ns(fault: Fault, kind: StrategyKind) -> u64 {
    promise_ns(kind).unwrap_or(0) + open_for_ns(fault, kind).unwrap_or(0)
}

fn in_ns(bound: Duration) -> u64 {
    // An hour is longer than anybody watches; the sum of two must not overflow.
    u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX).min(3_600_000 * MS)
}

/// Server processes of a strategy: one, where a credential is good on its issuer alone.
#[must_use]
pub(super) fn nodes_of(kind: StrategyKind) -> usize {
    if kind.properties().scope == Scope::Node { 1 } else { NODES }
}

/// Streams of probes: each credential on each node.
#[must_use]
pub(super) fn streams_of(kind: StrategyKind) -> usize {
    nodes_of(kind) * if promise_ns(kind).is_some() { 3 } else { 1 }
}

/// Why the fault cannot be brought about for a strategy, where it cannot: it strikes at Redis.
#[must_use]
pub(super) fn obstacle(fault: Fault, kind: StrategyKind) -> Option<String> {
    let store = kind.properties().store?;
    let is_elsewhere = match fault {
        Fault::NodeRestart | Fault::ClockBehind => false,
        Fault::FeedCut
        | Fault::FeedSilent
        | Fault::Partition
        | Fault::StoreDown
        | Fault::StoreLost
        | Fault::StoreEvicts => store != StoreKind::Redis,
    };
    is_elsewhere.then(|| {
        format!("its state is in {}, and this fault is brought about in Redis alone", store.name())
    })
}

/// Sorts `kinds` into groups that are struck together: those that take about as long side by side,
/// no group probed more often than `rate_max` times a second.
#[must_use]
pub(super) fn groups(
    fault: Fault,
    mut kinds: Vec<StrategyKind>,
    interval_ns: u64,
    rate_max: u64,
) -> Vec<Vec<StrategyKind>> {
    kinds.sort_by_key(|kind| needed_ns(fault, *kind));
    let rate = |kind: StrategyKind| streams_of(kind) as u64 * 1_000_000_000 / interval_ns.max(1);
    let total: u64 = kinds.iter().map(|kind| rate(*kind)).sum();
    let share = total.div_ceil(total.div_ceil(rate_max.max(1)).max(1));
    let mut groups: Vec<Vec<StrategyKind>> = Vec::new();
    let mut sum = 0;
    for kind in kinds {
        if groups.is_empty() || (sum + rate(kind) > rate_max || sum >= share) {
            groups.push(Vec::new());
            sum = 0;
        }
        sum += rate(kind);
        groups.last_mut().expect("one was pushed").push(kind);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_everybody_once_and_keep_to_the_rate() {
        let kinds = StrategyKind::ALL.to_vec();
        for rate_max in [400, 1_000, 4_000, 1_000_000] {
            let found = groups(Fault::StoreDown, kinds.clone(), 20_000_000, rate_max);
            let all: Vec<StrategyKind> = found.iter().flatten().copied().collect();
            assert_eq!(all.len(), kinds.len());
            assert!(kinds.iter().all(|kind| all.contains(kind)));
            for group in &found {
                let streams: usize = group.iter().map(|kind| streams_of(*kind)).sum();
                assert!(streams as u64 * 50 <= rate_max, "{group:?}");
            }
        }
    }

    #[test]
    fn a_trial_is_long_enough_for_what_is_declared() {
        for fault in Fault::ALL {
            for kind in StrategyKind::ALL {
                let shape = Shape::of(fault, &[*kind]);
                let before_ns = shape.logout_before_ns + promise_ns(*kind).unwrap_or(0);
                assert!(before_ns < shape.fault_at_ns);
                let revoked_ns = shape.logout_during_ns(fault, 0) + needed_ns(fault, *kind);
                let judged_ns = match fault {
                    Fault::FeedSilent | Fault::Partition | Fault::StoreDown => {
                        shape.fault_at_ns + shape.fault_ns
                    }
                    _ => shape.end_ns,
                };
                assert!(revoked_ns + TAIL_NS < judged_ns, "{fault:?} of {}", kind.name());
            }
        }
    }
}
