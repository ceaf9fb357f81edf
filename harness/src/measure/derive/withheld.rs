//! What an invalid run publishes: counts, promises and the trust panel, and no figure that someone
//! could quote.

use crate::record::derived::{ArmResult, Derived, RevocationCostResult, RevocationLagResult};

/// Takes every percentile, CPU figure and verdict out of `derived`, and says why.
pub(super) fn withhold(derived: &mut Derived, reasons: &[String]) {
    let because = if reasons.is_empty() { "a gate failed".to_owned() } else { reasons.join("; ") };
    let why = format!("the run is invalid: {because}");
    derived.none_cpu_ns = None;
    // The A/A arm stays: it is a control and often the reason.
    derived.cpu_pairs.clear();
    derived.rulers.clear();
    derived.counts.iter_mut().for_each(|row| {
        (row.server_runqueue_ns, row.softirq_ns) = (None, None);
    });
    derived.regimes.clear();
    derived.layout_dependent.clear();
    derived.distance = None;
    for row in &mut derived.predictions {
        (row.measured, row.error_percent) = (None, None);
        (row.within_target, row.overlaps) = (None, None);
    }
    derived.micro.clear();
    derived.overhead.clear();
    derived.part_sums.clear();
    derived.arms.iter_mut().for_each(|arm| without_figures(arm, &why));
    derived.revocation_cost.iter_mut().for_each(without_cost);
    derived.revocation_lag.iter_mut().for_each(without_lag);
    derived.mass.clear();
    // What was admitted and denied are counts, and often the reason.
    derived.faults.iter_mut().for_each(|row| {
        (row.recovery_p50_ns, row.recovery_max_ns) = (None, None);
    });
    derived.withheld = Some(why);
}

fn without_figures(arm: &mut ArmResult, why: &str) {
    (arm.server_cpu_ns, arm.store_cpu_ns, arm.driver_cpu_ns) = (None, None, None);
    (arm.cpu_over_none, arm.cpu_above_none_ns) = (None, None);
    arm.cpu_over_none_with_driver = None;
    (arm.cpu_verdict, arm.cpu_p_adjusted, arm.cpu_rank) = (None, None, None);
    arm.driver_flips_sign = false;
    arm.cpu_note = Some(why.into());
    for row in &mut arm.latency {
        (row.response_ns, row.service_ns, row.above_none_ns) = (None, None, None);
        (row.verdict, row.p_adjusted) = (None, None);
        row.note = Some(why.into());
    }
}

/// Calls, commands and accepts are counts.
fn without_cost(row: &mut RevocationCostResult) {
    (row.cpu_ns, row.store_cpu_ns, row.p50_ns) = (None, None, None);
}

/// Trials and stale accepts are counts.
fn without_lag(row: &mut RevocationLagResult) {
    (row.median_ns, row.p95_upper_ns, row.p99_upper_ns) = (None, None, None);
    (row.max_ns, row.max_from_call_ns, row.law_error_max_ns) = (None, None, None);
    row.lags_ns.clear();
    (row.law, row.lag_law) = (None, None);
}
