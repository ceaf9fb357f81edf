//! The longer window of an arm in a block: latency, and what was observed beside it.

use crate::load::driver::{Executed, Mode};
use crate::load::exchange::Op;
use crate::load::outcome::{Row, ledger};
use crate::measure::contestant::Contestant;
use crate::measure::drive::Stamps;
use crate::measure::sabotage;
use crate::measure::slot::Rig;
use crate::measure::stationarity::stationarity;
use crate::os::hiccup::Hiccups;
use crate::os::host;
use crate::record::run::{Latency, Ledger, WindowFacts};

/// Dispatched requests are compared with scheduled ones in bins of this length.
const BIN_NS: u64 = 100_000_000;

/// What a window left behind.
#[derive(Debug)]
pub struct Window {
    /// Latency of the requests answered as expected.
    pub latency: Latency,
    /// What became of all.
    pub ledger: Ledger,
    /// What was observed beside it.
    pub facts: WindowFacts,
}

/// Measures one window of `contestant`.
///
/// # Errors
/// When the driver fails, or the observer of the host cannot be started.
pub fn measure(
    rig: &mut Rig<'_>,
    contestant: &mut Contestant<'_>,
    index: u64,
) -> anyhow::Result<Window> {
    let plan = rig.common.plan;
    let lead_in = plan.lead_in_ms * 1_000_000;
    let length = plan.latency_window_ms * 1_000_000 + lead_in;
    let mut ops = contestant.schedule(rig.common, "window", index, length);
    let purpose = ("window", index);
    contestant.hand_out(&mut rig.driver, rig.common, purpose, &mut [&mut ops])?;
    let sabotage = rig.common.sabotage;
    let fault = sabotage::in_window(sabotage, &mut rig.driver, contestant, length);
    let exchanges = sabotage::exchanges(sabotage, "window-reconnect", &contestant.exchanges);
    let before = host::ticks();
    let hiccups = Hiccups::start()?;
    let mut executed = rig.driver.execute(&ops, &exchanges, Mode::Open, contestant.arm.decoy)?;
    let hiccup = hiccups.stop();
    let after = host::ticks();
    drop(fault);
    if let Some(row) = executed.rows.last_mut()
        && sabotage::is(sabotage, "out-of-range")
    {
        row.done_ns += 130_000_000_000;
    }
    if sabotage::is(sabotage, "little") {
        executed.in_flight_ns += executed.in_flight_ns / 10;
    }
    // Cut by intended time: the lead-in's requests are sent and do not count.
    let first = ops.partition_point(|op| op.at_ns < lead_in);
    let mut stamps = Stamps::default();
    stamps.add(&executed.rows[first..]);
    let steal_ticks = before.zip(after).map(|(b, a)| a.steal.saturating_sub(b.steal));
    Ok(Window {
        latency: stamps.to_record(),
        ledger: ledger(&executed.rows[first..]),
        facts: WindowFacts {
            hiccup: hiccup.to_record(),
            steal_ticks,
            ..facts(&executed, &ops, first)
        },
    })
}

/// What follows from the rows. The integral of the requests in flight is of the whole execution,
/// lead-in included, so the sum over the rows is too.
fn facts(executed: &Executed, ops: &[Op], first: usize) -> WindowFacts {
    let rows = &executed.rows[first..];
    let steady = stationarity(rows);
    WindowFacts {
        hiccup: crate::measure::histogram::LatencyHistogram::new().to_record(),
        first_half_p50_ns: half(steady.first_median_ns),
        second_half_p50_ns: half(steady.second_median_ns),
        in_flight_mean_milli: (steady.in_flight_mean * 1e3).round() as u64,
        in_flight_slope_milli: (steady.in_flight_slope_per_s * 1e3).round() as i64,
        in_flight_ns: executed.in_flight_ns,
        held_ns: executed.rows.iter().map(held_ns).sum(),
        dispatched_elsewhere: dispatched_elsewhere(rows, &ops[first..]),
        reconnects: executed.reconnects,
        steal_ticks: None,
    }
}

/// A median as it is recorded; 0 means that nothing was answered.
fn half(median_ns: f64) -> Option<u64> {
    (median_ns > 0.0).then_some(median_ns.round() as u64)
}

/// Time from dispatch to end; 0 for a request that was shed.
const fn held_ns(row: &Row) -> u64 {
    row.done_ns.saturating_sub(row.dispatched_ns)
}

/// Requests that left in another bin than they were due in: half the sum of the differences of
/// the two counts over all bins.
fn dispatched_elsewhere(rows: &[Row], ops: &[Op]) -> u64 {
    let Some((row, op)) = rows.first().zip(ops.first()) else { return 0 };
    let base_ns = row.intended_ns.saturating_sub(op.at_ns);
    let last = rows.iter().map(|row| row.dispatched_ns.max(row.intended_ns)).max().unwrap_or(0);
    let bins = usize::try_from((last - base_ns) / BIN_NS + 1).unwrap_or(1);
    let (mut due, mut left) = (vec![0_u64; bins], vec![0_u64; bins]);
    let bin = |ns: u64| usize::try_from(ns.saturating_sub(base_ns) / BIN_NS).unwrap_or(0);
    for row in rows {
        due[bin(row.intended_ns)] += 1;
        left[bin(row.dispatched_ns)] += 1;
    }
    due.iter().zip(&left).map(|(due, left)| due.abs_diff(*left)).sum::<u64>() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_leaves_in_another_bin_is_counted_once() {
        let ops: Vec<Op> =
            (0..10).map(|i| Op { at_ns: i * 50_000_000, target: 0, exchange: 0 }).collect();
        let on_time: Vec<Row> = ops
            .iter()
            .map(|op| Row {
                intended_ns: 7_000 + op.at_ns,
                dispatched_ns: 9_000 + op.at_ns,
                ..Row::NEVER_SENT
            })
            .collect();
        assert_eq!(dispatched_elsewhere(&on_time, &ops), 0);
        let mut late = on_time.clone();
        late[3].dispatched_ns += 100_000_000;
        assert_eq!(dispatched_elsewhere(&late, &ops), 1);
        assert_eq!(dispatched_elsewhere(&[], &[]), 0);
    }
}
