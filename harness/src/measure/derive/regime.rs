//! What was found under other conditions: the same computations on the regime's own cells.

use super::cpu::{CpuTable, answered, times, valid_sum};
use crate::measure::stats::{median, six, t95};
use crate::record::derived::{Estimate, RegimeArm, RegimeResult};
use crate::record::run::{Arm, Cell, PlanRecord, Regime, Role, Run};

/// The regime as if it had been a run: its cells, the arms it has, its rate.
#[must_use]
pub fn as_run(run: &Run, regime: &Regime) -> Run {
    let is_there = |arm: &&Arm| regime.cells.iter().any(|cell| cell.arm == arm.id);
    let plan = run.plan.as_ref().map(|plan| PlanRecord {
        rate_per_second: regime.rate_per_second,
        slot_ms: regime.slot_ms.unwrap_or(plan.slot_ms),
        blocks: regime.blocks,
        latency_window_ms: 0,
        ..plan.clone()
    });
    Run {
        arms: run.arms.iter().filter(is_there).cloned().collect(),
        cells: regime.cells.clone(),
        plan,
        schema: run.schema.clone(),
        method_version: run.method_version,
        run: run.run.clone(),
        provenance: run.provenance.clone(),
        environment: run.environment.clone(),
        strategies: run.strategies.clone(),
        ..empty(run)
    }
}

/// `run` without anything that was measured.
fn empty(run: &Run) -> Run {
    Run { cells: vec![], regimes: vec![], micro: vec![], revocation_lag: vec![], ..run.clone() }
}

/// Every regime's arms against its own `none`.
pub(super) fn results(run: &Run) -> Vec<RegimeResult> {
    run.regimes.iter().map(|regime| result(run, regime)).collect()
}

fn result(run: &Run, regime: &Regime) -> RegimeResult {
    let under = as_run(run, regime);
    let table = CpuTable::new(&under);
    let closed = regime.mode == "closed";
    let pairs = table.pairs();
    let arms = under.arms.iter().map(|arm| {
        let against = table.against_none(arm, &pairs);
        let above = against.as_ref().zip(table.none_ns());
        let cpu = table.each(arm, |own| own.server + own.store);
        RegimeArm {
            arm: arm.id.clone(),
            cpu_over_none: against.as_ref().map(|pair| pair.difference),
            cpu_above_none_ns: above.map(|(pair, none)| times(&pair.difference, none)),
            cpu_verdict: against.as_ref().map(|pair| pair.verdict),
            cpu_ns: median(&cpu).map(six),
            throughput_over_none: table
                .baseline()
                .filter(|none| closed && none.id != arm.id)
                .and_then(|none| throughput(&under, arm, none)),
        }
    });
    RegimeResult {
        name: regime.name.clone(),
        mode: regime.mode.clone(),
        rate_per_second: regime.rate_per_second,
        pacing: regime.pacing.clone(),
        layout: regime.layout.clone(),
        protocol: regime.protocol.clone(),
        mix: regime.mix.clone(),
        work_kib: regime.work_kib,
        blocks: table.whole_blocks(),
        none_cpu_ns: table.none_ns().map(six),
        arms: arms.collect(),
    }
}

/// Requests answered per second of slot, arm over `none` within a block, over blocks.
fn throughput(under: &Run, arm: &Arm, none: &Arm) -> Option<Estimate> {
    let rate = |arm: &Arm, block: u32| {
        let cell = under.cells.iter().find(|cell| cell.arm == arm.id && cell.block == block)?;
        per_second(cell)
    };
    let logs: Vec<f64> = (0..under.plan.as_ref()?.blocks)
        .filter_map(|block| Some((rate(arm, block)? / rate(none, block)?).ln()))
        .collect();
    let interval = t95(&logs)?;
    Some(Estimate {
        value: six(interval.mean.exp()),
        low: six(interval.low.exp()),
        high: six(interval.high.exp()),
        n: u32::try_from(interval.n).ok()?,
    })
}

fn per_second(cell: &Cell) -> Option<f64> {
    let wall = valid_sum(&cell.slots, &cell.slots.wall_ns);
    (wall > 0).then(|| answered(&cell.slots) as f64 / (wall as f64 / 1e9))
}

/// Pairs of contenders whose order on CPU changes with where the processes run: both orders are
/// decided at 95 %, in layouts that differ in nothing else. The plan's own cells are one of them.
pub(super) fn layout_dependent(run: &Run) -> Vec<String> {
    let Some(plan) = &run.plan else { return vec![] };
    let is_alike = |regime: &&Regime| {
        regime.mode == "open"
            && regime.mix.is_none()
            && regime.work_kib.is_none()
            && regime.protocol == "http/1.1"
            && regime.rate_per_second == plan.rate_per_second
            && regime.pacing == plan.pacing
    };
    let layouts: Vec<Run> =
        run.regimes.iter().filter(is_alike).map(|regime| as_run(run, regime)).collect();
    let tables: Vec<CpuTable<'_>> =
        layouts.iter().chain(std::iter::once(run)).map(CpuTable::new).collect();
    let own: Vec<&Arm> = run.arms.iter().filter(|arm| arm.role == Role::Contender).collect();
    let flips = |arm: &Arm, other: &Arm| {
        let decided = tables.iter().filter_map(|table| {
            let interval = t95(&table.log_ratios(arm, other, false))?;
            (!interval.contains(0.0)).then_some(interval.mean > 0.0)
        });
        let signs: Vec<bool> = decided.collect();
        signs.contains(&true) && signs.contains(&false)
    };
    let mut found = Vec::new();
    for (i, arm) in own.iter().enumerate() {
        let others = own[i + 1..].iter().filter(|other| flips(arm, other));
        found.extend(others.map(|other| format!("{} against {}", arm.id, other.id)));
    }
    found
}
