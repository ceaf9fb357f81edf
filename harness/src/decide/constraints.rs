//! Who is out, and by which demand: hard limits, before any price.

use std::collections::BTreeSet;

use super::figures::Facts;
use super::workload::{StoreDown, Workload};
use crate::record::decision::Assessment;
use crate::record::run::StrategyRecord;

/// Writes down every demand that the strategy does not meet. What is not known is not met.
pub(super) fn check(facts: &Facts, workload: &Workload, found: &mut Assessment) {
    let (declared, demands) = (&facts.declared, &workload.demands);
    let mut broken: Vec<&str> = Vec::new();
    let over = |value: Option<f64>, limit: Option<f64>| {
        limit.is_some_and(|limit| value.is_none_or(|value| value > limit))
    };
    let lag = found.lag;
    if over(lag.map(|lag| lag.worst_s), demands.lag_limit_s) {
        broken.push("lag_limit_s");
    }
    if over(lag.map(|lag| lag.partition_s), demands.lag_limit_partition_s) {
        broken.push("lag_limit_partition_s");
    }
    if over(found.latency_ns.map(|ns| ns.value / 1e6), demands.latency_limit_ms)
        && found.latency_ns.is_some()
    {
        broken.push("latency_limit_ms");
    }
    let longer = facts.claims_bytes.map_or(0.0, |own| (workload.claims_bytes - own) * 4.0 / 3.0);
    if over(facts.credential_bytes.map(|own| own + longer), demands.credential_limit_bytes)
        && facts.credential_bytes.is_some()
    {
        broken.push("credential_limit_bytes");
    }
    if demands.end_all && declared.revoke_all == "at-expiry" {
        broken.push("end_all");
    }
    if demands.list_sessions && !declared.counts_logins {
        broken.push("list_sessions");
    }
    if demands.third_party && !is_public(declared) {
        broken.push("third_party");
    }
    if demands.single_use != (declared.uses.as_deref() == Some("once")) {
        broken.push("single_use");
    }
    if demands.no_revival && revives(declared) {
        broken.push("no_revival");
    }
    if !holds(demands.store_down, declared) {
        broken.push("store_down");
    }
    let store = declared.store.as_ref();
    if demands.stores.as_ref().is_some_and(|may| store.is_some_and(|own| !may.contains(own))) {
        broken.push("stores");
    }
    if reach(declared) < workload.nodes {
        broken.push("nodes");
    }
    found.broken = broken.into_iter().map(str::to_owned).collect();
}

/// Whether somebody without our secrets can verify it: a signature with a public key.
fn is_public(declared: &StrategyRecord) -> bool {
    let is_token = declared.family.starts_with("token");
    is_token && declared.algorithm.as_ref().is_some_and(|alg| !alg.starts_with("HS"))
}

fn outcome<'d>(declared: &'d StrategyRecord, fault: &str) -> &'d str {
    let found = declared.faults.iter().find(|known| known.fault == fault);
    found.map_or("unaffected", |known| known.outcome.as_str())
}

fn revives(declared: &StrategyRecord) -> bool {
    ["store-lost", "store-evicts", "node-restart"]
        .iter()
        .any(|fault| outcome(declared, fault) == "revives")
}

fn holds(demand: StoreDown, declared: &StrategyRecord) -> bool {
    let outcome = outcome(declared, "store-down");
    match demand {
        StoreDown::Any => true,
        StoreDown::Closed => matches!(outcome, "closed" | "unaffected"),
        StoreDown::GoesOn => matches!(outcome, "unaffected" | "open" | "open-for"),
    }
}

/// How many processes may verify it: those of one machine count as one place.
fn reach(declared: &StrategyRecord) -> f64 {
    if declared.scope == "shared" { f64::INFINITY } else { 1.0 }
}

/// The fewest demands that no strategy meets together; empty when some strategy meets all.
#[must_use]
pub fn contradiction(assessments: &[Assessment]) -> Vec<String> {
    let broken: Vec<BTreeSet<&str>> =
        assessments.iter().map(|a| a.broken.iter().map(String::as_str).collect()).collect();
    if broken.iter().any(BTreeSet::is_empty) {
        return Vec::new();
    }
    let all: Vec<&str> =
        broken.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let hits_all =
        |set: &[&str]| broken.iter().all(|own| set.iter().any(|name| own.contains(name)));
    for size in 1..=all.len() {
        if let Some(found) = subsets(&all, size).into_iter().find(|set| hits_all(set)) {
            return found.into_iter().map(str::to_owned).collect();
        }
    }
    Vec::new()
}

fn subsets<'n>(all: &[&'n str], size: usize) -> Vec<Vec<&'n str>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut found = Vec::new();
    for (at, name) in all.iter().enumerate() {
        for mut rest in subsets(&all[at + 1..], size - 1) {
            rest.insert(0, name);
            found.push(rest);
        }
    }
    found
}
