//! Whether revocations kept their promise, and whether their lags follow the law that was declared.
//!
//! Nothing is judged of a strategy that declared no law: records that are older have none.

use crate::measure::stats::{kolmogorov, six};
use crate::record::derived::{LagLawResult, RevocationLagResult};
use crate::record::run::{Check, LagTrial, PlanRecord, RevocationLag, Run, StrategyRecord};

const NS_PER_S: u64 = 1_000_000_000;
/// Tokens count their time in whole seconds.
const WHOLE_SECOND_NS: u64 = NS_PER_S;
/// An announcement takes, in the middle, no more than this part of the bound that is promised.
const PUSH_PART: u64 = 20;
/// How often a law that holds may be doubted.
const LEVEL: f64 = 0.05;
/// The name of the check.
pub const CHECK: &str = "promises-kept";

/// Whether revocations of all strategies kept their promises; `None` where no law was declared or
/// no lag measured. A failure is a finding about a strategy: it voids nothing.
#[must_use]
pub fn check(run: &Run) -> Option<Check> {
    let plan = run.plan.as_ref()?;
    let declared = |id: &str| run.strategies.iter().find(|record| record.id == id);
    let mut judged = 0;
    let mut broken: Vec<String> = Vec::new();
    for lag in &run.revocation_lag {
        let Some(promise_ns) = declared(&lag.strategy).and_then(|s| promise_ns(lag, s, plan))
        else {
            continue;
        };
        judged += 1;
        if !is_kept(lag, promise_ns) {
            broken.push(format!("{} ({})", lag.strategy, words(lag)));
        }
    }
    let detail = match broken.len() {
        0 => format!("{judged} series of revocations, every one within its promise"),
        _ => format!("not kept by {}", broken.join(", ")),
    };
    (judged > 0).then(|| Check {
        name: CHECK.into(),
        scope: "strategy".into(),
        arm: None,
        block: None,
        pass: broken.is_empty(),
        detail,
    })
}

fn words(lag: &RevocationLag) -> String {
    let load = if lag.load_per_second > 0 { ", under load" } else { "" };
    format!("{}, nodes: {}{load}", lag.operation, lag.nodes)
}

/// Says of `row`, computed from `lag`, what was promised and what law should hold.
pub(super) fn judge(
    lag: &RevocationLag,
    strategy: &StrategyRecord,
    plan: &PlanRecord,
    row: &mut RevocationLagResult,
) {
    row.promise_ns = promise_ns(lag, strategy, plan);
    row.within_promise = row.promise_ns.map(|promise_ns| is_kept(lag, promise_ns));
    if lag.operation == "logout" && !lag.trials.is_empty() {
        row.lag_law = law(lag, strategy, row);
    }
}

/// The longest lag that is promised, nanoseconds; `None` without a declared law.
fn promise_ns(lag: &RevocationLag, strategy: &StrategyRecord, plan: &PlanRecord) -> Option<u64> {
    strategy.lag_law.as_ref()?;
    let (promise, within_ns) = match lag.operation.as_str() {
        "logout-all" => (&strategy.revoke_all, strategy.revoke_all_within_ns),
        _ => (&strategy.revoke, strategy.revoke_within_ns),
    };
    match promise.as_str() {
        "immediate" => Some(0),
        "within" => within_ns,
        _ => Some(lag.lifetime_s.saturating_add(plan.leeway_s).saturating_mul(NS_PER_S)),
    }
}

/// Every trial saw its credential refused, and accepted none first sent later than promised.
fn is_kept(lag: &RevocationLag, promise_ns: u64) -> bool {
    let promise_ns = i64::try_from(promise_ns).unwrap_or(i64::MAX);
    let kept =
        |trial: &LagTrial| trial.first_refused_ns.is_some() && trial.last_accepted_ns <= promise_ns;
    lag.trials.iter().all(kept) && lag.accepted_afterwards == 0
}

fn law(
    lag: &RevocationLag,
    strategy: &StrategyRecord,
    row: &RevocationLagResult,
) -> Option<LagLawResult> {
    let name = strategy.lag_law.as_deref()?;
    let n = lag.trials.len();
    let mut result = LagLawResult {
        law: name.into(),
        period_ns: strategy.lag_period_ns,
        distance: None,
        critical: None,
        n: u32::try_from(n).unwrap_or(u32::MAX),
        agrees: false,
        detail: String::new(),
    };
    match name {
        "at-once" => {
            result.agrees = row.stale_accepts == 0;
            let stale = row.stale_accepts;
            result.detail = format!("{stale} requests accepted after the acknowledgement, of 0");
        }
        "push" => {
            let limit_ns = strategy.revoke_within_ns? / PUSH_PART;
            let median_ns = row.median_ns?;
            result.agrees = median_ns <= i64::try_from(limit_ns).unwrap_or(i64::MAX);
            result.detail = format!(
                "median {} ms; at most a {PUSH_PART}th of the promise, {} ms",
                six(median_ns as f64 / 1e6),
                six(limit_ns as f64 / 1e6)
            );
        }
        "remaining" => {
            let error_ns = row.law_error_max_ns?;
            let limit_ns = WHOLE_SECOND_NS + 2 * lag.probe_interval_ns;
            result.agrees = error_ns <= limit_ns;
            result.detail = format!(
                "no lag further than {} ms from what was left of the lifetime; at most {} ms",
                six(error_ns as f64 / 1e6),
                six(limit_ns as f64 / 1e6)
            );
        }
        "uniform" => uniform(lag, strategy.lag_period_ns?, &mut result),
        _ => return None,
    }
    Some(result)
}

/// Each node that did not take the logout against the uniform law. When in a call the store was
/// told is not known, nor when between two probes a node stopped accepting: each lag is known to
/// lie in an interval.
fn uniform(lag: &RevocationLag, period_ns: u64, result: &mut LagLawResult) {
    // The node that took the logout may know of it at once.
    let nodes = lag.node_lags_ns.get(1..).unwrap_or_default();
    if nodes.is_empty() {
        result.detail = "no node but the one that took the logout was probed".into();
        return;
    }
    let period = period_ns.max(1) as f64;
    let of_node = |lags: &Vec<i64>| {
        let interval = |(last, trial): (&i64, &LagTrial)| {
            let low = *last as f64;
            (low, low + (lag.probe_interval_ns + trial.call_ns) as f64)
        };
        let intervals: Vec<(f64, f64)> = lags.iter().zip(&lag.trials).map(interval).collect();
        kolmogorov::distance(&intervals, |ns| (ns / period).clamp(0.0, 1.0))
    };
    let worst = nodes.iter().filter_map(of_node).reduce(f64::max);
    let critical = kolmogorov::critical(lag.trials.len(), LEVEL / nodes.len() as f64);
    result.distance = worst.map(six);
    result.critical = Some(six(critical));
    result.agrees = worst.is_some_and(|distance| distance <= critical);
    result.detail = format!(
        "distance {} of {} lags to the uniform law on {} ms, of {} node{} the worst; at most {}",
        worst.map_or_else(|| "unknown".to_owned(), |d| six(d).to_string()),
        lag.trials.len(),
        six(period / 1e6),
        nodes.len(),
        if nodes.len() == 1 { "" } else { "s" },
        six(critical)
    );
}
