//! All that is computed from a record: a pure function, reproducible byte for byte.

mod composed;
mod counts;
pub mod cpu;
mod distance;
pub mod faults;
pub mod latency;
pub mod law;
pub mod micro;
pub mod predictions;
pub mod regime;
pub mod revocation;
pub mod tools;
mod trust;
mod withheld;

use crate::measure::stats::{median, six};
use crate::record::derived::{ArmResult, Derived, PairResult, Verdict};
use crate::record::run::{Arm, Cell, Role, Run, Status};
use crate::record::{DERIVED_METHOD_VERSION, DERIVED_SCHEMA};
use cpu::{CpuTable, answered, rank, times, valid_slots, valid_sum};
use latency::{ArmLatency, all_percentiles};

/// Computes everything that the reports and the decision draw on. `run_sha256` is that of the file
/// the run was read from, hexadecimal.
///
/// It never fails: what the record does not bear is missing from the result, and of an invalid run
/// every figure but counts and the trust panel. Whether the record may
/// be believed at all is for [`crate::measure::gates`] and [`crate::record::integrity`] to say.
#[must_use]
pub fn derive(run: &Run, run_sha256: &str) -> Derived {
    let table = CpuTable::new(run);
    let latencies: Vec<ArmLatency> = run.arms.iter().map(|arm| ArmLatency::new(run, arm)).collect();
    let none = run.arms.iter().position(|arm| arm.role == Role::Baseline);
    let pairs = table.pairs();
    let floor = none.map_or("", |none| run.arms[none].id.as_str());
    let mut percentiles = all_percentiles(run, &latencies, none).into_iter();
    let arms = run.arms.iter().map(|arm| {
        let mut result = arm_result(run, arm, &table, &pairs);
        result.latency = percentiles.next().unwrap_or_default();
        result.cpu_rank = rank(&arm.id, &pairs, floor);
        result
    });
    let mut arms: Vec<ArmResult> = arms.collect();
    let micro = micro::results(run);
    let part_sums = composed::part_sums(&micro);
    let trust = trust::rows(run, &table, &latencies, &part_sums);
    latency::without_unfit_claims(&mut arms, &trust);
    let mut derived = Derived {
        schema: DERIVED_SCHEMA.into(),
        method_version: DERIVED_METHOD_VERSION,
        run_id: run.run.id.clone(),
        run_sha256: run_sha256.into(),
        status: run.run.status,
        withheld: None,
        blocks: table.whole_blocks(),
        none_cpu_ns: table.none_ns().map(six),
        noise_floor: table.noise_floor(),
        trust,
        arms,
        rulers: table.rulers(),
        overhead: composed::overhead(run, &micro),
        counts: counts::results(run),
        regimes: regime::results(run),
        layout_dependent: regime::layout_dependent(run),
        part_sums,
        memory: composed::memory(run),
        tools: tools::tools(run),
        micro,
        revocation_cost: revocation::costs(run),
        revocation_lag: revocation::lags(run),
        mass: revocation::masses(run),
        faults: faults::results(run),
        distance: distance::result(run),
        cpu_pairs: pairs,
        predictions: Vec::new(),
    };
    derived.predictions = predictions::results(run, &derived);
    if run.run.status == Status::Invalid {
        withheld::withhold(&mut derived, &run.run.reasons);
    }
    derived
}

/// All but latency and rank.
fn arm_result(run: &Run, arm: &Arm, table: &CpuTable<'_>, pairs: &[PairResult]) -> ArmResult {
    let cells: Vec<&Cell> = run.cells.iter().filter(|cell| cell.arm == arm.id).collect();
    let count =
        |of: &dyn Fn(&Cell) -> u64| cells.iter().map(|cell| of(cell)).fold(0, u64::saturating_add);
    let requests = count(&|cell| answered(&cell.slots));
    let slots = count(&|cell| cell.slots.discarded.len() as u64);
    let valid = count(&|cell| valid_slots(&cell.slots).count() as u64);
    let mean = |bytes: u64| (requests > 0).then(|| six(bytes as f64 / requests as f64));
    let pair = table.against_none(arm, pairs);
    let over_none = pair.as_ref().map(|pair| pair.difference);
    let with_driver = table.over_none_with_driver(arm);
    let verdict = pair.as_ref().map(|pair| pair.verdict);
    let decided = matches!(verdict, Some(Verdict::Cheaper | Verdict::Dearer));
    let flips = over_none.zip(with_driver).is_some_and(|(own, all)| own.value * all.mean < 0.0);
    let declared = run.strategies.iter().find(|record| record.id == arm.strategy);
    let has_redis = cells.iter().any(|cell| !cell.slots.redis_commands.is_empty());
    ArmResult {
        arm: arm.id.clone(),
        strategy: arm.strategy.clone(),
        carrier: arm.carrier.clone(),
        role: arm.role,
        requests,
        slots,
        slots_discarded: slots - valid,
        server_cpu_ns: median(&table.each(arm, |own| own.server)).map(six),
        store_cpu_ns: table.net_store(arm),
        driver_cpu_ns: median(&table.each(arm, |own| own.driver)).map(six),
        cpu_over_none: over_none,
        cpu_above_none_ns: over_none.zip(table.none_ns()).map(|(share, none)| times(&share, none)),
        cpu_verdict: verdict,
        cpu_p_adjusted: pair.as_ref().and_then(|pair| pair.p_adjusted),
        cpu_note: pair.and_then(|pair| pair.note),
        cpu_over_none_with_driver: with_driver.map(|interval| interval.estimate()),
        driver_flips_sign: decided && flips,
        cpu_rank: None,
        latency: vec![],
        request_bytes: mean(count(&|cell| valid_sum(&cell.slots, &cell.slots.request_bytes))),
        response_bytes: mean(count(&|cell| valid_sum(&cell.slots, &cell.slots.response_bytes))),
        redis_declared: declared.map_or(0, |record| record.redis_commands_per_request),
        redis_counted: has_redis.then(|| {
            count(&|cell| {
                let decoys = valid_sum(&cell.slots, &cell.slots.decoy_commands);
                valid_sum(&cell.slots, &cell.slots.redis_commands).saturating_sub(decoys)
            })
        }),
    }
}
