//! Tests 13 and 14: intervals cover what they claim to, and the order of the arms makes no effect.

use super::Scale;
use super::verdict::Verdict;
use crate::measure::calibration::{
    CALIBRATED, Coverage, Simulation, SlotSeries, aa_coverage, aa_coverage_drift, order_effect,
};
use crate::measure::synthetic::{Shape, run_with};

fn share(coverage: &Coverage) -> String {
    format!(
        "{:.1} % of {}, half-width {:.2} %",
        coverage.share() * 100.0,
        coverage.campaigns,
        coverage.half_width * 100.0
    )
}

fn limit() -> String {
    format!("{:.0} to {:.0} % contain 0", CALIBRATED.0 * 100.0, CALIBRATED.1 * 100.0)
}

/// Test 13. Everything follows from seeds: it comes out the same anywhere.
///
/// # Errors
/// Never.
pub(super) fn coverage(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let shape = Shape { blocks: 12, rounds: 24, ..Shape::cpu_only() };
    let series = SlotSeries::from_run(&run_with(1, &shape));
    let found = aa_coverage(&series, 1_000, 1);
    verdict.check("A/A, slots of one run called A and B anew", share(&found), limit(), found.pass);
    let found = aa_coverage_drift(&Simulation::default(), 1_000, 2);
    let what = "A/A, machines with 1/f noise and luck of processes";
    verdict.check(what, share(&found), limit(), found.pass);
    let same = Simulation { process_blocks: u32::MAX, luck: 0.03, ..Simulation::default() };
    let found = aa_coverage_drift(&same, 300, 2);
    let what = "the same, one process in all blocks";
    verdict.control(what, share(&found), limit(), found.pass);
    Ok(verdict)
}

/// Test 14.
///
/// # Errors
/// Never.
pub(super) fn order(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let found = order_effect(300, 3);
    let bias = |of: f64| format!("{:+.2} %", of * 100.0);
    let what = "drift of 10 % a minute, both arms in every round";
    verdict.check(what, share(&found.blocked), limit(), found.blocked.pass);
    let small = |of: f64| of.abs() < 0.005;
    let what = "bias of the same";
    verdict.check(what, bias(found.blocked_bias), "below 0.5 %", small(found.blocked_bias));
    let what = "one arm after the other";
    verdict.control(what, share(&found.sequential), limit(), found.sequential.pass);
    let what = "bias of the same, one arm after the other";
    let held = small(found.sequential_bias);
    verdict.control(what, bias(found.sequential_bias), "below 0.5 %", held);
    Ok(verdict)
}
