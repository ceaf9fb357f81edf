//! The store at a distance: each strategy that asks Redis, with a delay line between the two,
//! beside the floor and the tokens that ask nobody.
//!
//! A window is open loop at a low rate, so that a request is seen alone: what is asked is what a
//! round trip does to a request, not what a load does to a server. All windows of a block stand in
//! random order among fresh servers. Strategies with a store are measured past the line too: the
//! difference to the line without delay is what the line itself adds.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Properties, Scope};
use rand::RngExt as _;

use crate::load::delay_line::DelayLine;
use crate::load::driver::{Driver, Mode};
use crate::load::exchange::Op;
use crate::load::outcome::{Row, ledger, nearest_rank};
use crate::load::schedule::{shuffled, stream};
use crate::measure::block::{Watcher, driver_settings};
use crate::measure::contestant::{Common, Contestant, redis_config};
use crate::measure::drive::Stamps;
use crate::measure::purse::Purses;
use crate::measure::store::Store;
use crate::os::cpu::thread_ns;
use crate::os::host;
use crate::plan::{PlannedArm, SweepPlan, usual_arm};
use crate::record::run::{DistanceCell, NotMeasured};
use crate::server::child::ServerChild;

const MS_NS: u64 = 1_000_000;
/// Stolen time that voids a window, thousandths of it: what voids a slot.
const STEAL_PERMILLE: u64 = 200;
/// Kernel ticks a second, as the host's counters have it.
const TICKS_PER_SECOND: u64 = 100;
/// Requests to each fresh server that are thrown away, at the most.
const WARM_UP_MAX: u32 = 1_000;

/// Whether a strategy asks Redis for every request, on behalf of every node.
fn asks_store(properties: &Properties) -> bool {
    properties.scope == Scope::Shared
        && properties.needs_redis()
        && properties.redis.authenticate >= 1
        && !properties.redis.cached
        && properties.redis.background_per_second == 0
}

/// Whether it is what the others are read against: the floor, or a token that asks nobody.
fn asks_nobody(properties: &Properties) -> bool {
    !properties.needs_redis() && matches!(properties.family, Family::Floor | Family::Token)
}

/// The arms of a sweep over `kinds`, or over those of them that `plan` names and the floor: those
/// that ask nobody, then those that ask the store.
#[must_use]
pub fn arms(kinds: &[StrategyKind], plan: &SweepPlan) -> (Vec<PlannedArm>, Vec<PlannedArm>) {
    let is_named = |kind: &StrategyKind| {
        let is_floor = kind.properties().family == Family::Floor;
        plan.arms.is_empty() || is_floor || plan.arms.iter().any(|id| id == kind.name())
    };
    let of = |wanted: fn(&Properties) -> bool| {
        let kinds = kinds.iter().filter(move |kind| is_named(kind) && wanted(&kind.properties()));
        kinds.map(|kind| usual_arm(*kind))
    };
    (of(asks_nobody).collect(), of(asks_store).collect())
}

/// Milliseconds of planned measuring.
#[must_use]
pub fn planned_ms(kinds: &[StrategyKind], plan: &SweepPlan) -> u64 {
    let (direct, stored) = arms(kinds, plan);
    plan.planned_ms(direct.len() as u64, stored.len() as u64)
}

/// Why there can be no sweep, if so: no store to move away, or none that a plain proxy can stand
/// in front of.
#[must_use]
pub fn obstacle(store: Option<&Store>) -> Option<NotMeasured> {
    let no = |reason: &str, remedy: &str| {
        Some(NotMeasured { what: "distance".into(), reason: reason.into(), remedy: remedy.into() })
    };
    match store {
        None => no("there is no Redis to move away", "run scripts/setup"),
        Some(store) if store.plain_address().is_none() => no(
            "the delay line speaks to Redis over plain TCP without a password",
            "name a Redis as redis://host:port, or use the private one",
        ),
        Some(_) => None,
    }
}

/// Measures every block.
///
/// # Errors
/// As [`block`].
pub fn sweep(
    common: &Common<'_>,
    kinds: &[StrategyKind],
    store: &mut Store,
    plan: &SweepPlan,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<DistanceCell>> {
    let mut purses = Purses::new();
    let mut cells = Vec::new();
    for number in 0..plan.blocks {
        let more = block(common, kinds, store, plan, &mut purses, number, watcher)
            .with_context(|| format!("in block {number} of the distance sweep"))?;
        cells.extend(more);
    }
    Ok(cells)
}

/// Measures one block: fresh servers, every window once in random order.
///
/// # Errors
/// When Redis has no plain address, when a server, the line, the driver or a clock fails, or on an
/// interruption.
pub fn block(
    common: &Common<'_>,
    kinds: &[StrategyKind],
    store: &mut Store,
    plan: &SweepPlan,
    purses: &mut Purses,
    number: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<DistanceCell>> {
    let upstream = store
        .plain_address()
        .ok_or_else(|| anyhow!("Redis has no plain address; give one as redis://host:port"))?;
    let line = DelayLine::start(upstream).context("the delay line does not start")?;
    let (direct, stored) = arms(kinds, plan);
    let mut driver = Driver::new(driver_settings(common.plan))?;
    let mut contestants = start(common, &direct, None, plan, &mut driver)?;
    contestants.extend(start(common, &stored, None, plan, &mut driver)?);
    let beyond = contestants.len();
    contestants.extend(start(common, &stored, Some(line.address()), plan, &mut driver)?);
    for contestant in &mut contestants {
        watcher.check()?;
        contestant.take_wallet(&mut driver, common, purses)?;
        contestant.warm_up(&mut driver, common.plan.warm_up_requests.min(WARM_UP_MAX))?;
    }
    let mut windows: Vec<(usize, Option<u64>)> = (0..beyond).map(|i| (i, None)).collect();
    for i in beyond..contestants.len() {
        windows.extend(plan.round_trips_us.iter().map(|us| (i, Some(us * 1_000))));
    }
    let mut rng = stream(common.seed, "distances", u64::from(number));
    let mut sweep = Sweep { common, plan, store, line: &line, driver };
    let mut cells = Vec::new();
    for (order, i) in shuffled(windows.len(), &mut rng).into_iter().enumerate() {
        watcher.check()?;
        let (who, round_trip_ns) = windows[i];
        let place = (number, u32::try_from(order)?);
        cells.push(sweep.window(&contestants[who], round_trip_ns, place)?);
        watcher.passed(plan.window_ms + plan.lead_in_ms);
    }
    Ok(cells)
}

/// Starts the servers of `arms` side by side, with their Redis at `line` where one is given.
fn start<'a>(
    common: &Common<'_>,
    arms: &'a [PlannedArm],
    line: Option<SocketAddr>,
    plan: &SweepPlan,
    driver: &mut Driver,
) -> anyhow::Result<Vec<Contestant<'a>>> {
    let servers: Vec<anyhow::Result<ServerChild>> = thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "all are started before one is waited for")]
        let starts: Vec<_> = arms
            .iter()
            .map(|arm| {
                let mut config = common.config(arm, &common.plan.settings);
                if let Some(line) = line {
                    config.redis = Some(redis_config(&format!("redis://{line}")));
                }
                scope.spawn(move || ServerChild::spawn(&config))
            })
            .collect();
        starts
            .into_iter()
            .map(|s| s.join().unwrap_or_else(|_| Err(anyhow!("the starter panicked"))))
            .collect()
    });
    arms.iter()
        .zip(servers)
        .map(|(arm, server)| Contestant::enter(arm, server?, driver, plan.connections))
        .collect()
}

/// What every window of a block works with.
struct Sweep<'a> {
    common: &'a Common<'a>,
    plan: &'a SweepPlan,
    store: &'a mut Store,
    line: &'a DelayLine,
    driver: Driver,
}

/// Clocks at one instant with nothing in flight.
struct Reading {
    server_ns: u64,
    store_ns: u64,
    steal_ticks: Option<u64>,
    is_settled: bool,
}

impl Sweep<'_> {
    fn read(&self, contestant: &Contestant<'_>) -> anyhow::Result<Reading> {
        let server = contestant.cpu.read_settled()?;
        let store = self.store.cpu().read_settled()?;
        Ok(Reading {
            server_ns: server.ns,
            store_ns: store.ns,
            steal_ticks: host::ticks().map(|ticks| ticks.steal),
            is_settled: server.settled && store.settled,
        })
    }

    /// Arrivals of `GET /me` for `length_ms`, credentials drawn from the wallet.
    fn schedule(
        &self,
        contestant: &Contestant<'_>,
        purpose: &str,
        (block, order): (u32, u32),
        length_ms: u64,
    ) -> Vec<Op> {
        let index = u64::from(block) << 32 | u64::from(order);
        let mut rng = stream(self.common.seed, purpose, index);
        let wallet = u32::try_from(contestant.exchanges.len()).unwrap_or(u32::MAX).max(1);
        let rate = self.plan.rate_per_second;
        let times = self.common.plan.arrivals.times(rate, length_ms * MS_NS, &mut rng);
        let target = contestant.account.target;
        times
            .into_iter()
            .map(|at_ns| Op { at_ns, target, exchange: rng.random_range(0..wallet) })
            .collect()
    }

    /// One arm at one distance.
    fn window(
        &mut self,
        contestant: &Contestant<'_>,
        round_trip_ns: Option<u64>,
        place: (u32, u32),
    ) -> anyhow::Result<DistanceCell> {
        self.line.set_round_trip(Duration::from_nanos(round_trip_ns.unwrap_or(0)));
        let exchanges = &contestant.exchanges;
        let lead_in = self.schedule(contestant, "distance lead-in", place, self.plan.lead_in_ms);
        self.driver.execute(&lead_in, exchanges, Mode::Open, false)?;
        let ops = self.schedule(contestant, "distance", place, self.plan.window_ms);
        ensure!(!ops.is_empty(), "a window of {} ms has no request", self.plan.window_ms);

        // Asking Redis for its counters costs it CPU: the questions stand outside the readings.
        let commands_before = self.store.counters()?.commands;
        let before = self.read(contestant)?;
        let _ = self.line.take_lateness();
        let driver_before_ns = thread_ns();
        let executed = self.driver.execute(&ops, exchanges, Mode::Open, false)?;
        let driver_cpu_ns = thread_ns() - driver_before_ns;
        let lateness = self.line.take_lateness();
        let after = self.read(contestant)?;
        let commands_after = self.store.counters()?.commands;

        let rows = &executed.rows;
        let mut stamps = Stamps::default();
        stamps.add(rows);
        let late = |permille| round_trip_ns.and_then(|_| lateness.percentile(permille));
        let begin = rows.iter().map(|r| r.intended_ns).min().unwrap_or(0);
        let end = rows.iter().map(|r| r.done_ns).max().unwrap_or(0);
        Ok(DistanceCell {
            arm: contestant.arm.record.id.clone(),
            strategy: contestant.arm.record.strategy.clone(),
            round_trip_ns,
            block: place.0,
            order: place.1,
            rate_per_second: self.plan.rate_per_second,
            connections: self.plan.connections,
            ledger: ledger(rows),
            latency: stamps.to_record(),
            server_cpu_ns: after.server_ns.saturating_sub(before.server_ns),
            store_cpu_ns: Some(after.store_ns.saturating_sub(before.store_ns)),
            driver_cpu_ns,
            redis_commands: Some(commands_after.saturating_sub(commands_before)),
            in_flight_ns: rows.iter().map(in_flight_ns).sum(),
            wall_ns: end.saturating_sub(begin),
            line_lateness_p50_ns: late(500),
            line_lateness_p99_ns: late(990),
            discarded: self.gate(rows, late(990), executed.reconnects, (&before, &after)).into(),
        })
    }

    /// The gate that discards a window, or nothing. It looks at instrument and host alone.
    fn gate(
        &self,
        rows: &[Row],
        late_p99_ns: Option<u64>,
        reconnects: u64,
        (before, after): (&Reading, &Reading),
    ) -> &'static str {
        // The line is as much a part of the instrument as the driver, and may be as late.
        let late_limit_ns = self.common.plan.slip_limit_us * 1_000;
        let mut slips: Vec<u64> = rows.iter().map(Row::slip_ns).collect();
        let stolen = after.steal_ticks.unwrap_or(0).saturating_sub(before.steal_ticks.unwrap_or(0));
        let steal_limit = self.plan.window_ms * TICKS_PER_SECOND * STEAL_PERMILLE / 1_000 / 1_000;
        if nearest_rank(&mut slips, 990) > late_limit_ns {
            "slip"
        } else if late_p99_ns.is_some_and(|ns| ns > late_limit_ns) {
            "line"
        } else if reconnects > 0 {
            "reconnect"
        } else if stolen >= steal_limit.max(1) {
            "steal"
        } else if !before.is_settled || !after.is_settled {
            "unsettled-clock"
        } else {
            ""
        }
    }
}

/// From its dispatch to its end; nothing for a request that was never sent.
const fn in_flight_ns(row: &Row) -> u64 {
    if row.written_ns == 0 { 0 } else { row.done_ns.saturating_sub(row.dispatched_ns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_strategy_is_on_its_side_by_what_it_declares() {
        let (direct, stored) = arms(StrategyKind::ALL, &SweepPlan::default());
        assert!(direct.iter().any(|arm| arm.kind.properties().family == Family::Floor));
        for arm in &direct {
            let p = arm.kind.properties();
            assert_eq!(p.redis.authenticate, 0, "{}", arm.record.id);
        }
        for kind in StrategyKind::ALL.iter().filter(|k| k.properties().needs_redis()) {
            let redis = kind.properties().redis;
            let asks = redis.authenticate > 0 && !redis.cached && redis.background_per_second == 0;
            let is_stored = stored.iter().any(|arm| arm.kind == *kind);
            assert_eq!(is_stored, asks, "{}", kind.name());
        }
        assert!(!stored.is_empty() && direct.len() > 1);
    }

    #[test]
    fn those_that_are_named_are_measured_and_the_floor() {
        let plan = SweepPlan { arms: vec!["session-redis".into()], ..SweepPlan::default() };
        let (direct, stored) = arms(StrategyKind::ALL, &plan);
        let ids = |arms: &[PlannedArm]| -> Vec<String> {
            arms.iter().map(|arm| arm.record.id.clone()).collect()
        };
        assert_eq!(
            (ids(&direct), ids(&stored)),
            (vec!["none".into()], vec!["session-redis".into()])
        );
    }

    #[test]
    fn without_a_redis_the_sweep_says_why_there_is_none() {
        let why = obstacle(None).unwrap();
        assert!(why.reason.contains("Redis") && !why.remedy.is_empty());
    }
}
