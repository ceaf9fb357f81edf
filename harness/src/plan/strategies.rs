//! What a strategy declares of itself, as it stands in records and in `authbench list`.

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Fault, FaultOutcome, Faults, Remembers, Revocation};
use authbench::strategy::law::LagLaw;

use crate::record::run::{DeclaredFault, Remembered, StrategyRecord};

/// The record of one registered strategy.
#[must_use]
pub fn record(kind: StrategyKind) -> StrategyRecord {
    let properties = kind.properties();
    let within_ns = |promise| match promise {
        Revocation::Within(bound) => u64::try_from(bound.as_nanos()).ok(),
        Revocation::Immediate | Revocation::AtExpiry => None,
    };
    let period_ns = match kind.lag_law() {
        LagLaw::Uniform(period) => u64::try_from(period.as_nanos()).ok(),
        LagLaw::AtOnce | LagLaw::Push | LagLaw::Remaining => None,
    };
    // What authenticates nobody takes nothing back: no law of it is claimed.
    let is_floor = properties.family == Family::Floor;
    StrategyRecord {
        id: kind.name().into(),
        about: kind.about().into(),
        family: properties.family.name().into(),
        algorithm: properties.algorithm.map(|a| a.name().into()),
        revoke: properties.revoke.name().into(),
        revoke_within_ns: within_ns(properties.revoke),
        granularity: properties.granularity.name().into(),
        revoke_all: properties.revoke_all.name().into(),
        revoke_all_within_ns: within_ns(properties.revoke_all),
        lag_law: (!is_floor).then(|| kind.lag_law().name().into()),
        lag_period_ns: period_ns.filter(|_| !is_floor),
        scope: properties.scope.name().into(),
        store_down: properties.faults.store_down.name().into(),
        store_lost: properties.faults.store_lost.name().into(),
        node_restart: properties.faults.node_restart.name().into(),
        redis_commands_per_request: properties.redis.authenticate,
        redis_cached: properties.redis.cached,
        redis_background_per_second: properties.redis.background_per_second,
        store: properties.store.map(|store| store.name().into()),
        renewal: Some(properties.renewal.name().into()),
        uses: Some(properties.uses.name().into()),
        counts_logins: properties.counts_live,
        hops_verify: properties.hops_verify.map(|a| a.name().into()),
        remembers: remembered(properties.remembers),
        faults: Fault::ALL.iter().map(|fault| declared(&properties.faults, *fault)).collect(),
    }
}

fn remembered(remembers: Remembers) -> Option<Remembered> {
    let (for_ns, entries) = match remembers {
        Remembers::Nothing => return None,
        Remembers::For(life, entries) => (u64::try_from(life.as_nanos()).ok(), entries),
        Remembers::UntilChanged(entries) => (None, entries),
    };
    Some(Remembered { for_ns, entries: entries as u64 })
}

fn declared(faults: &Faults, fault: Fault) -> DeclaredFault {
    let outcome = faults.of(fault);
    let open_for_ns = match outcome {
        FaultOutcome::OpenFor(bound) => u64::try_from(bound.as_nanos()).ok(),
        FaultOutcome::Unaffected
        | FaultOutcome::Closed
        | FaultOutcome::Open
        | FaultOutcome::Revives => None,
    };
    DeclaredFault { fault: fault.name().into(), outcome: outcome.name().into(), open_for_ns }
}
