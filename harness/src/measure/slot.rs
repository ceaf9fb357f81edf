//! One slot: about 100 ms of one arm, its CPU read with nothing in flight on either side.

use crate::load::driver::{Driver, Executed};
use crate::load::exchange::{Exchange, Op};
use crate::load::h2::H2Driver;
use crate::load::outcome::{Row, ledger, nearest_rank};
use crate::measure::contestant::{Common, Contestant};
use crate::measure::drive::Stamps;
use crate::measure::sabotage;
use crate::measure::store::{Store, StoreCounters};
use crate::os::cpu::{burn_thread_ns, thread_ns};
use crate::os::host::{self, Scheduling};
use crate::record::run::{Counts, Slots};

const MS_NS: u64 = 1_000_000;

/// Kernel ticks of stolen time in one slot that void it: 20 ms of 100.
const STEAL_LIMIT_TICKS: u64 = 2;

/// One arm in one block while it is measured.
#[derive(Debug, Default)]
pub struct OpenCell {
    /// Its slots so far.
    pub slots: Slots,
    /// The latency in the valid ones.
    pub stamps: Stamps,
    /// Counts over the valid ones.
    pub counts: Option<Counts>,
}

/// CPU and counts at one instant with nothing in flight.
#[derive(Debug)]
struct Reading {
    server_ns: u64,
    store_ns: Option<u64>,
    decoy_commands: u64,
    server: Option<Scheduling>,
    redis: Option<Scheduling>,
    driver: Option<Scheduling>,
    ticks: Option<host::Ticks>,
    settled: bool,
}

/// What everything in a block works with.
#[derive(Debug)]
pub struct Rig<'a> {
    /// The run's shared parts.
    pub common: &'a Common<'a>,
    /// The driver, connected to every server of the block.
    pub driver: Driver,
    /// The driver of HTTP/2, where that is the way.
    pub http2: Option<H2Driver>,
    /// Redis, when there is one.
    pub store: &'a mut Option<Store>,
}

impl Rig<'_> {
    fn redis_counters(&mut self) -> anyhow::Result<Option<StoreCounters>> {
        self.store.as_mut().map(Store::counters).transpose()
    }

    fn read_clocks(&self, contestant: &Contestant<'_>) -> anyhow::Result<Reading> {
        let server = contestant.cpu.read_settled()?;
        let redis = self.store.as_ref().map(|s| s.cpu().read_settled()).transpose()?;
        let store = self.common.stores.with_own_cpu(contestant.arm, redis)?;
        Ok(Reading {
            server_ns: server.ns,
            store_ns: store.map(|r| r.ns),
            decoy_commands: self.driver.decoy_commands(),
            server: host::scheduling(contestant.server.pid()),
            redis: self.store.as_ref().and_then(Store::private_pid).and_then(host::scheduling),
            driver: host::own_scheduling(),
            ticks: host::ticks(),
            settled: server.settled && store.is_none_or(|r| r.settled),
        })
    }

    /// Executes `ops`, over HTTP/2 where that is the way: what became of them, and the bytes
    /// written and read.
    fn execute(
        &mut self,
        contestant: &Contestant<'_>,
        exchanges: &[Exchange],
        ops: &[Op],
    ) -> anyhow::Result<(Executed, (u64, u64))> {
        let mode = self.common.mode;
        if let (Some(driver), Some(way)) = (&mut self.http2, &contestant.http2) {
            let ops: Vec<Op> = ops.iter().map(|op| Op { target: way.target, ..*op }).collect();
            let done = driver.execute(&ops, &way.exchanges, mode)?;
            return Ok((done.executed, (done.bytes_written, done.bytes_read)));
        }
        let executed = self.driver.execute(ops, exchanges, mode, contestant.arm.decoy)?;
        let sum = |of: fn(&Row) -> u32| executed.rows.iter().map(|row| u64::from(of(row))).sum();
        let bytes = (sum(|row| row.request_bytes), sum(|row| row.response_bytes));
        Ok((executed, bytes))
    }

    /// Executes `ops` between two readings. Asking Redis for its counters costs it CPU, so the
    /// questions stand outside the clock readings.
    ///
    /// # Errors
    /// When the driver, a clock or Redis fails.
    pub fn between_readings(
        &mut self,
        contestant: &Contestant<'_>,
        exchanges: &[Exchange],
        ops: &[Op],
    ) -> anyhow::Result<Measured> {
        let counted_before = self.redis_counters()?;
        if let Some(store) = self.store
            && sabotage::is(self.common.sabotage, "redis-commands")
        {
            store.stray_command()?;
        }
        let before = self.read_clocks(contestant)?;
        let driver_before_ns = thread_ns();
        let (executed, bytes) = self.execute(contestant, exchanges, ops)?;
        if sabotage::is(self.common.sabotage, "driver-share") {
            burn_thread_ns(self.common.plan.slot_ms * MS_NS);
        }
        let driver_cpu_ns = thread_ns() - driver_before_ns;
        let after = self.read_clocks(contestant)?;
        let counted_after = self.redis_counters()?;
        Ok(Measured {
            server_cpu_ns: after.server_ns.saturating_sub(before.server_ns),
            store_cpu_ns: difference(before.store_ns, after.store_ns),
            driver_cpu_ns,
            redis_commands: difference(
                counted_before.map(|c| c.commands),
                counted_after.map(|c| c.commands),
            ),
            decoy_commands: after.decoy_commands - before.decoy_commands,
            runqueue_ns: difference(waited(before.server), waited(after.server)),
            counts: counts(&before, &after, counted_before, counted_after),
            steal_ticks: difference(before.ticks.map(|t| t.steal), after.ticks.map(|t| t.steal)),
            softirq_ticks: difference(
                before.ticks.map(|t| t.softirq),
                after.ticks.map(|t| t.softirq),
            ),
            settled: before.settled && after.settled,
            bytes,
            rows: executed.rows,
            reconnects: executed.reconnects,
        })
    }
}

/// CPU and counts between two instants with nothing in flight.
#[derive(Debug)]
pub struct Measured {
    /// One row per request.
    pub rows: Vec<Row>,
    /// Bytes written and read, counted at the socket.
    pub bytes: (u64, u64),
    /// Connections opened anew.
    pub reconnects: u64,
    /// CPU of the server.
    pub server_cpu_ns: u64,
    /// CPU of Redis.
    pub store_cpu_ns: Option<u64>,
    /// CPU of the driver's thread.
    pub driver_cpu_ns: u64,
    /// Redis commands, `INFO` excluded.
    pub redis_commands: Option<u64>,
    /// The decoy's commands.
    pub decoy_commands: u64,
    /// Time the server's threads waited for a processor.
    pub runqueue_ns: Option<u64>,
    /// What else was counted.
    pub counts: Counts,
    /// Time the host took away.
    pub steal_ticks: Option<u64>,
    /// Softirq time of the whole host.
    pub softirq_ticks: Option<u64>,
    /// Whether every clock came to rest on both sides.
    pub settled: bool,
}

/// Measures one slot of `contestant` and appends it to `cell`.
///
/// # Errors
/// When the driver, a clock or Redis fails.
pub fn measure(
    rig: &mut Rig<'_>,
    contestant: &mut Contestant<'_>,
    cell: &mut OpenCell,
    order: u32,
    index: u64,
) -> anyhow::Result<()> {
    let plan = rig.common.plan;
    let mut lead_in = contestant.deal(rig.common, "lead-in", index, plan.lead_in_ms * MS_NS)?;
    let mut ops = contestant.deal(rig.common, "slot", index, plan.slot_ms * MS_NS)?;
    let schedules = &mut [&mut lead_in, &mut ops];
    contestant.hand_out(&mut rig.driver, rig.common, ("slot", index), schedules)?;
    rig.execute(contestant, contestant.dealt_exchanges(), &lead_in)?;
    let sabotage = rig.common.sabotage;
    let fault = sabotage::in_slot(sabotage, &mut rig.driver, contestant, order);
    let exchanges = sabotage::exchanges(sabotage, "reconnect", contestant.dealt_exchanges());
    let mut measured = rig.between_readings(contestant, &exchanges, &ops)?;
    drop(fault);
    sabotage::falsify(sabotage, &mut measured);

    let mut slips: Vec<u64> = measured.rows.iter().map(Row::slip_ns).collect();
    let slip_p99_ns = nearest_rank(&mut slips, 990);
    let discarded = gate(&measured, slip_p99_ns, plan.slip_limit_us * 1_000);
    if discarded.is_empty() {
        cell.stamps.add(&measured.rows);
        let sum = cell.counts.map_or(measured.counts, |sum| sum.plus(&measured.counts));
        cell.counts = Some(sum);
    }
    append(&mut cell.slots, order, &measured, slip_p99_ns, discarded);
    Ok(())
}

/// The gate that discards a slot, or nothing. Gates look at the instrument and the host alone: a
/// slot is never discarded for what the server answered.
fn gate(measured: &Measured, slip_p99_ns: u64, slip_limit_ns: u64) -> &'static str {
    if slip_p99_ns > slip_limit_ns {
        "slip"
    } else if measured.reconnects > 0 {
        "reconnect"
    } else if measured.steal_ticks.is_some_and(|ticks| ticks >= STEAL_LIMIT_TICKS) {
        "steal"
    } else if !measured.settled {
        "unsettled-clock"
    } else {
        ""
    }
}

fn waited(of: Option<Scheduling>) -> Option<u64> {
    of.map(|scheduling| scheduling.wait_ns)
}

fn sliced(of: Option<Scheduling>) -> Option<u64> {
    of.map(|scheduling| scheduling.timeslices)
}

fn counts(
    before: &Reading,
    after: &Reading,
    counted_before: Option<StoreCounters>,
    counted_after: Option<StoreCounters>,
) -> Counts {
    let counted = |of: fn(&StoreCounters) -> Option<u64>| {
        difference(of(&counted_before?), of(&counted_after?))
    };
    Counts {
        server_timeslices: difference(sliced(before.server), sliced(after.server)),
        store_timeslices: difference(sliced(before.redis), sliced(after.redis)),
        driver_timeslices: difference(sliced(before.driver), sliced(after.driver)),
        store_runqueue_ns: difference(waited(before.redis), waited(after.redis)),
        driver_runqueue_ns: difference(waited(before.driver), waited(after.driver)),
        redis_input_bytes: counted(|c| c.input_bytes),
        redis_output_bytes: counted(|c| c.output_bytes),
        redis_reads: counted(|c| c.reads),
    }
}

fn difference(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

fn append(slots: &mut Slots, order: u32, measured: &Measured, slip_p99_ns: u64, discarded: &str) {
    let rows = &measured.rows;
    let ledger = ledger(rows);
    let begin = rows.iter().map(|r| r.intended_ns).min().unwrap_or(0);
    let end = rows.iter().map(|r| r.done_ns).max().unwrap_or(0);
    slots.order.push(order);
    slots.scheduled.push(ledger.scheduled);
    slots.expected.push(ledger.expected);
    slots.wrong_outcome.push(ledger.wrong_outcome);
    slots.http_error.push(ledger.http_error);
    slots.connection_error.push(ledger.connection_error);
    slots.timeout.push(ledger.timeout);
    slots.shed.push(ledger.shed);
    slots.server_cpu_ns.push(measured.server_cpu_ns);
    slots.store_cpu_ns.extend(measured.store_cpu_ns);
    slots.driver_cpu_ns.push(measured.driver_cpu_ns);
    slots.wall_ns.push(end.saturating_sub(begin));
    slots.request_bytes.push(measured.bytes.0);
    slots.response_bytes.push(measured.bytes.1);
    slots.redis_commands.extend(measured.redis_commands);
    slots.decoy_commands.push(measured.decoy_commands);
    slots.slip_p99_ns.push(slip_p99_ns);
    slots.server_runqueue_ns.extend(measured.runqueue_ns);
    slots.steal_ticks.extend(measured.steal_ticks);
    slots.softirq_ticks.extend(measured.softirq_ticks);
    slots.discarded.push(discarded.to_owned());
}
