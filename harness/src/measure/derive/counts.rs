//! Exact counts per request: commands, round trips, bytes, context switches, system calls.

use super::cpu::{answered, valid_sum};
use crate::measure::stats::six;
use crate::record::derived::CountResult;
use crate::record::run::{Arm, Cell, Counts, Role, Run, Slots};

/// A kernel tick, nanoseconds: Linux counts 100 a second for user space.
const TICK_NS: f64 = 1e7;

/// One row per arm that was counted.
pub(super) fn results(run: &Run) -> Vec<CountResult> {
    run.arms.iter().filter_map(|arm| result(run, arm)).collect()
}

fn result(run: &Run, arm: &Arm) -> Option<CountResult> {
    let cells: Vec<&Cell> = run.cells.iter().filter(|cell| cell.arm == arm.id).collect();
    let counts =
        cells.iter().map(|cell| cell.counts).reduce(|sum, own| Some(sum?.plus(&own?))).flatten()?;
    let requests: u64 = cells.iter().map(|cell| answered(&cell.slots)).sum();
    let each = |n: u64| (requests > 0).then(|| six(n as f64 / requests as f64));
    let total = |column: fn(&Slots) -> &Vec<u64>| -> Option<u64> {
        cells.iter().try_fold(0, |sum: u64, cell| {
            let column = column(&cell.slots);
            (!column.is_empty()).then(|| sum.saturating_add(valid_sum(&cell.slots, column)))
        })
    };
    let commands = total(|slots| &slots.redis_commands);
    let decoys = total(|slots| &slots.decoy_commands).unwrap_or(0);
    let reads = |counts: Counts| Some((commands?, counts.redis_reads?));
    let calls = run.instrument.syscalls.iter().find(|row| row.arm == arm.id);
    let per_call = |n: Option<u64>| {
        let row = calls?;
        (row.requests > 0).then_some(six(n? as f64 / row.requests as f64))
    };
    // A decoy's commands are not the strategy's; neither are the bytes and switches they cause.
    let is_own = arm.role != Role::Decoy;
    let own = |n: Option<u64>| n.filter(|_| is_own).and_then(each);
    Some(CountResult {
        arm: arm.id.clone(),
        redis_commands: commands.and_then(|n| each(n.saturating_sub(decoys))),
        redis_commands_per_read: reads(counts)
            .filter(|(commands, reads)| is_own && *commands > 0 && *reads > 0)
            .map(|(commands, reads)| six(commands as f64 / reads as f64)),
        redis_input_bytes: own(counts.redis_input_bytes),
        redis_output_bytes: own(counts.redis_output_bytes),
        server_switches: counts.server_timeslices.and_then(each),
        store_switches: own(counts.store_timeslices),
        server_syscalls: per_call(calls.and_then(|row| row.server)),
        store_syscalls: per_call(calls.and_then(|row| row.store)),
        server_runqueue_ns: total(|slots| &slots.server_runqueue_ns).and_then(each),
        softirq_ns: total(|slots| &slots.softirq_ticks)
            .filter(|_| requests > 0)
            .map(|ticks| six(ticks as f64 * TICK_NS / requests as f64)),
    })
}
