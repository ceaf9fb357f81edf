//! What a logout costs, and how long a revoked credential goes on working.

use super::law;
use crate::measure::histogram::LatencyHistogram;
use crate::measure::stats::{median, six, t95, upper_bound_rank};
use crate::record::derived::{MassResult, RevocationCostResult, RevocationLagResult};
use crate::record::run::{
    LagTrial, MassRow, PlanRecord, RevocationCost, RevocationLag, Run, StrategyRecord,
};

const NS_PER_S: u64 = 1_000_000_000;

/// One row per strategy and kind of logout, in the run's order.
#[must_use]
pub fn costs(run: &Run) -> Vec<RevocationCostResult> {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for row in &run.revocation_cost {
        let key = (row.strategy.as_str(), row.operation.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.into_iter().filter_map(|(strategy, operation)| cost(run, strategy, operation)).collect()
}

fn cost(run: &Run, strategy: &str, operation: &str) -> Option<RevocationCostResult> {
    let own = |row: &&RevocationCost| row.strategy == strategy && row.operation == operation;
    let rows: Vec<&RevocationCost> = run.revocation_cost.iter().filter(own).collect();
    let sum = |of: fn(&RevocationCost) -> u64| {
        rows.iter().map(|row| of(row)).fold(0, u64::saturating_add)
    };
    let called = || rows.iter().filter(|row| row.calls > 0);
    let net = |row: &RevocationCost| {
        let whole = per_call(row, row.store_cpu_ns?);
        let sent_nothing = row.redis_commands == Some(0);
        Some(if sent_nothing { 0.0 } else { (whole - housekeeping(run, row)).max(0.0) })
    };
    let cpu: Vec<f64> =
        called().map(|row| per_call(row, row.server_cpu_ns) + net(row).unwrap_or(0.0)).collect();
    let store: Vec<f64> = called().filter_map(|row| net(row)).collect();
    let commands: Option<Vec<u64>> = rows.iter().map(|row| row.redis_commands).collect();
    let calls = sum(|row| row.calls);
    let mut latency = LatencyHistogram::new();
    for row in &rows {
        // One that cannot be read is a finding of the record's check, not a figure.
        if let Ok(read) = LatencyHistogram::from_record(&row.latency) {
            latency.add(&read);
        }
    }
    let declared = run.strategies.iter().find(|record| record.id == strategy);
    let promise = declared.map(|record| match operation {
        "logout-all" => record.revoke_all.clone(),
        _ => record.revoke.clone(),
    });
    Some(RevocationCostResult {
        strategy: strategy.into(),
        operation: operation.into(),
        promise: promise.unwrap_or_else(|| "unknown".into()),
        credentials_per_call: rows.first()?.credentials_per_call,
        calls,
        cpu_ns: t95(&cpu).map(|interval| interval.estimate()),
        store_cpu_ns: median(&store).map(six),
        redis_commands: commands
            .filter(|_| calls > 0)
            .map(|each| six(each.iter().map(|n| *n as f64).sum::<f64>() / calls as f64)),
        p50_ns: latency.supported_percentile(500),
        accepted_afterwards: sum(|row| row.accepted_afterwards),
        presented_afterwards: sum(|row| row.presented_afterwards),
    })
}

fn per_call(row: &RevocationCost, ns: u64) -> f64 {
    ns as f64 / row.calls as f64
}

/// What Redis spends on itself while calls like those of `row` are made: the median, in the same
/// block, over the strategies that sent it nothing. Redis runs its timer in every arm.
fn housekeeping(run: &Run, row: &RevocationCost) -> f64 {
    let idle: Vec<f64> = run
        .revocation_cost
        .iter()
        .filter(|r| (&r.operation, r.block) == (&row.operation, row.block))
        .filter(|r| r.redis_commands == Some(0) && r.calls > 0)
        .filter_map(|r| Some(per_call(r, r.store_cpu_ns?)))
        .collect();
    median(&idle).unwrap_or(0.0)
}

/// The measured rows, then a row by law for each self-contained token at the plan's lifetime.
///
/// A token is measured at a short lifetime, because its lag is that long; so a strategy can have
/// both a measured row and one by law.
#[must_use]
pub fn lags(run: &Run) -> Vec<RevocationLagResult> {
    let Some(plan) = &run.plan else { return vec![] };
    let declared = |id: &str| run.strategies.iter().find(|record| record.id == id);
    let mut rows: Vec<RevocationLagResult> = Vec::new();
    let mut checked: Option<(&RevocationLag, u64)> = None;
    for lag in &run.revocation_lag {
        let lawful = declared(&lag.strategy).is_some_and(is_self_contained);
        let error = if lawful { law_error(lag, plan.leeway_s) } else { None };
        if let (None, Some(error)) = (checked, error) {
            checked = Some((lag, error));
        }
        let mut row = measured(lag, error);
        if let Some(strategy) = declared(&lag.strategy) {
            law::judge(lag, strategy, plan, &mut row);
        }
        rows.push(row);
    }
    for strategy in run.strategies.iter().filter(|record| is_self_contained(record)) {
        let own = run.revocation_lag.iter().find(|lag| lag.strategy == strategy.id);
        if own.is_none_or(|lag| lag.lifetime_s != lifetime_s(strategy, plan)) {
            rows.push(by_law(strategy, plan, checked));
        }
    }
    rows
}

/// A signed token that nothing can take back.
fn is_self_contained(strategy: &StrategyRecord) -> bool {
    let holds_claims = matches!(strategy.family.as_str(), "token" | "hybrid" | "link");
    holds_claims && strategy.revoke == "at-expiry"
}

/// How long its credential lives by the plan, seconds.
fn lifetime_s(strategy: &StrategyRecord, plan: &PlanRecord) -> u64 {
    let own = match strategy.family.as_str() {
        "hybrid" => plan.access_lifetime_s,
        "link" => plan.link_lifetime_s,
        _ => None,
    };
    own.unwrap_or(plan.token_lifetime_s)
}

/// Largest distance of a trial's lag from the remaining lifetime: what was left of the lifetime at
/// the revoke call, less the call.
fn law_error(lag: &RevocationLag, leeway_s: u64) -> Option<u64> {
    let whole = (i128::from(lag.lifetime_s) + i128::from(leeway_s)) * i128::from(NS_PER_S);
    let error = |trial: &LagTrial| {
        let remaining = whole - i128::from(trial.age_ns) - i128::from(trial.call_ns);
        remaining.abs_diff(i128::from(trial.last_accepted_ns))
    };
    lag.trials.iter().map(error).max().map(|worst| u64::try_from(worst).unwrap_or(u64::MAX))
}

fn measured(lag: &RevocationLag, law_error_max_ns: Option<u64>) -> RevocationLagResult {
    let mut lags_ns: Vec<i64> = lag.trials.iter().map(|trial| trial.last_accepted_ns).collect();
    lags_ns.sort_unstable();
    // A trial without a refusal lasted longer than was watched: it ranks above all others.
    let unrefused = lag.trials.iter().filter(|trial| trial.first_refused_ns.is_none()).count();
    let seen: Vec<i64> = {
        let ended = lag.trials.iter().filter(|trial| trial.first_refused_ns.is_some());
        let mut seen: Vec<i64> = ended.map(|trial| trial.last_accepted_ns).collect();
        seen.sort_unstable();
        seen
    };
    let n = lags_ns.len();
    let bound = |permille| upper_bound_rank(n, permille).and_then(|k| seen.get(k - 1).copied());
    let from_call = |trial: &LagTrial| {
        trial.last_accepted_ns.saturating_add(i64::try_from(trial.call_ns).unwrap_or(i64::MAX))
    };
    RevocationLagResult {
        strategy: lag.strategy.clone(),
        basis: "measured".into(),
        law: None,
        operation: lag.operation.clone(),
        credentials_per_call: lag.credentials_per_call,
        load_per_second: lag.load_per_second,
        promise_ns: None,
        within_promise: None,
        lag_law: None,
        trials: n as u32,
        unrefused: unrefused as u32,
        lifetime_s: lag.lifetime_s,
        nodes: lag.nodes,
        node_scoped: lag.scope_note.is_some(),
        resolution_ns: lag.probe_interval_ns,
        median_ns: n.checked_sub(1).and_then(|last| seen.get(last / 2).copied()),
        p95_upper_ns: bound(950),
        p99_upper_ns: bound(990),
        max_ns: lags_ns.last().copied(),
        max_from_call_ns: lag.trials.iter().map(from_call).max(),
        stale_accepts: stale_accepts(lag),
        lags_ns,
        law_error_max_ns,
        presented_afterwards: lag.presented_afterwards,
        accepted_afterwards: lag.accepted_afterwards,
    }
}

/// One row per mass, in the run's order.
#[must_use]
pub fn masses(run: &Run) -> Vec<MassResult> {
    let mass = |row: &MassRow| {
        let per_logout =
            |ns: u64| (row.burst_logouts > 0).then(|| six(ns as f64 / row.burst_logouts as f64));
        let seconds = row.burst_ns as f64 / 1e9;
        let store_cpu_ns = row.burst_store_cpu_ns;
        MassResult {
            strategy: row.strategy.clone(),
            nodes: row.nodes,
            logouts: row.logouts,
            per_second: (row.burst_ns > 0).then(|| six(row.burst_logouts as f64 / seconds)),
            cpu_ns: per_logout(row.burst_server_cpu_ns.saturating_add(store_cpu_ns.unwrap_or(0))),
            store_cpu_ns: store_cpu_ns.and_then(per_logout),
            redis_commands: row.burst_redis_commands.and_then(per_logout),
            all_refused_after_ns: row.all_refused_after_ns,
            rate_per_second: row.rate_per_second,
        }
    };
    run.spectrum.mass.iter().map(mass).collect()
}

/// Requests first sent after the acknowledgement and accepted, in all trials.
#[must_use]
pub fn stale_accepts(lag: &RevocationLag) -> u64 {
    lag.trials.iter().map(|trial| trial.stale_accepts).fold(0, u64::saturating_add)
}

/// Revoked at a uniformly random age, a token of lifetime T works for T/2 more on average.
fn by_law(
    strategy: &StrategyRecord,
    plan: &PlanRecord,
    checked: Option<(&RevocationLag, u64)>,
) -> RevocationLagResult {
    let (lifetime_s, leeway_s) = (lifetime_s(strategy, plan), plan.leeway_s);
    let ns = |seconds: u64| i64::try_from(seconds.saturating_mul(NS_PER_S)).unwrap_or(i64::MAX);
    let worst = ns(lifetime_s.saturating_add(leeway_s));
    let basis = match checked {
        Some((lag, error)) => format!(
            "checked on {} in {} trials at a lifetime of {} s, where no lag was further than {} ms \
             from it",
            lag.strategy,
            lag.trials.len(),
            lag.lifetime_s,
            error.div_ceil(1_000_000)
        ),
        None => "not checked in this run".into(),
    };
    RevocationLagResult {
        strategy: strategy.id.clone(),
        basis: "by-law".into(),
        law: Some(format!(
            "nothing takes it back, so it works for what is left of its lifetime: with a lifetime \
             of {lifetime_s} s, a leeway of {leeway_s} s and revocation at a uniformly random age, \
             half of it on average and all of it at worst; {basis}"
        )),
        operation: "logout".into(),
        credentials_per_call: 1,
        load_per_second: 0,
        promise_ns: None,
        within_promise: None,
        lag_law: None,
        trials: 0,
        unrefused: 0,
        lifetime_s,
        nodes: 0,
        node_scoped: false,
        resolution_ns: 0,
        median_ns: Some(ns(leeway_s).saturating_add(ns(lifetime_s) / 2)),
        p95_upper_ns: None,
        p99_upper_ns: None,
        max_ns: Some(worst),
        max_from_call_ns: Some(worst),
        stale_accepts: 0,
        lags_ns: vec![],
        law_error_max_ns: checked.map(|(_, error)| error),
        presented_afterwards: 0,
        accepted_afterwards: 0,
    }
}
