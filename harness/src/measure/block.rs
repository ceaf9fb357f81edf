//! One block: fresh server processes, every arm once per round in random order, many rounds.

use std::thread;

use anyhow::Context as _;

use crate::load::driver::{Driver, DriverSettings};
use crate::load::h2::{H2Driver, H2Exchange};
use crate::load::schedule::{shuffled, stream};
use crate::measure::contestant::{Common, Contestant, Http2};
use crate::measure::purse::Purses;
use crate::measure::slot::{self, OpenCell, Rig};
use crate::measure::store::Store;
use crate::measure::window::{self, Window};
use crate::measure::{counting, revocation, sabotage};
use crate::os::interrupt::Interrupt;
use crate::plan::{Plan, PlannedArm};
use crate::record::run::{Cell, Instrument, RevocationCost, Role, SizeRow};
use crate::server::child::ServerChild;

/// Requests in flight on one HTTP/2 connection, at the most.
const HTTP2_STREAMS: usize = 16;

/// Tampered credentials presented to each server in each block.
const TAMPERED_PER_BLOCK: usize = 16;

/// What one block measured.
#[derive(Debug, Default)]
pub struct BlockResult {
    /// One cell per arm.
    pub cells: Vec<Cell>,
    /// Logouts and logouts everywhere.
    pub revocation_cost: Vec<RevocationCost>,
    /// What is counted once, in the first block.
    pub instrument: Option<Instrument>,
    /// Sizes, counted in the first block.
    pub sizes: Vec<SizeRow>,
}

/// The run was interrupted: the block is incomplete and not kept.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Whom a block tells how far it has come, and who may stop it.
pub trait Watcher {
    /// `ms` more of planned time have passed.
    fn passed(&self, ms: u64);

    /// Stops the run between two slots.
    ///
    /// # Errors
    /// [`Interrupted`], when somebody asked for it.
    fn check(&self) -> Result<(), Interrupted>;
}

/// A watcher that reports nothing and stops on a signal.
#[derive(Debug)]
pub struct Silent(pub Interrupt);

impl Watcher for Silent {
    fn passed(&self, _ms: u64) {}

    fn check(&self) -> Result<(), Interrupted> {
        if self.0.is_set() { Err(Interrupted) } else { Ok(()) }
    }
}

/// The driver's settings under `plan`.
#[must_use]
pub const fn driver_settings(plan: &Plan) -> DriverSettings {
    DriverSettings {
        pacing: plan.pacing,
        timeout: std::time::Duration::from_millis(plan.timeout_ms),
        backlog_limit: plan.backlog_limit as usize,
        ..DriverSettings::DEFAULT
    }
}

/// Measures block `block` of `arms`.
///
/// # Errors
/// When a server, the driver or Redis fails, or on [`Interrupted`].
pub fn measure(
    common: &Common<'_>,
    arms: &[PlannedArm],
    store: &mut Option<Store>,
    purses: &mut Purses,
    block: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<BlockResult> {
    let plan = common.plan;
    let mut driver = Driver::new(driver_settings(plan))?;
    let mut contestants = start(common, arms, &mut driver)?;
    if let Some(address) = store.as_ref().and_then(Store::plain_address)
        && arms.iter().any(|arm| arm.decoy)
    {
        driver.add_decoy(address).context("cannot connect the decoy to Redis")?;
    }
    prepare(common, &mut contestants, &mut driver, purses, block, watcher)?;
    let http2 = over_http2(common, &mut contestants)?;
    let mut rig = Rig { common, driver, http2, store };
    let mut open: Vec<OpenCell> = contestants.iter().map(|_| OpenCell::default()).collect();
    rounds(&mut rig, &mut contestants, &mut open, block, watcher)?;
    let agreed = contestants.iter().map(Contestant::counted_alike);
    let agreed = agreed.collect::<anyhow::Result<Vec<Option<bool>>>>()?;
    let windows = windows(&mut rig, &mut contestants, block, watcher)?;

    let mut result = BlockResult::default();
    if block == 0 && (plan.judge_host || plan.count_syscalls) {
        watcher.check()?;
        result.instrument = Some(counting::count(&mut rig, &contestants)?);
    }
    for contestant in &contestants {
        watcher.check()?;
        if block == 0 {
            result.sizes.push(revocation::size_row(contestant, purses));
        }
        result.revocation_cost.extend(revocation::cost(&mut rig, contestant, block)?);
    }
    for (((contestant, open), window), agreed) in
        contestants.iter().zip(open).zip(windows).zip(agreed)
    {
        let mut cell = close(&mut rig, contestant, open, purses, block)?;
        cell.operations_agree = agreed;
        if let Some(Window { latency, ledger, facts }) = window {
            cell.window_latency = Some(latency);
            cell.window_ledger = Some(ledger);
            cell.window_facts = Some(facts);
        }
        result.cells.push(cell);
    }
    Ok(result)
}

/// Fills wallets, warms servers up, prepares the mix where there is one.
fn prepare(
    common: &Common<'_>,
    contestants: &mut [Contestant<'_>],
    driver: &mut Driver,
    purses: &mut Purses,
    block: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<()> {
    let plan = common.plan;
    for contestant in contestants {
        watcher.check()?;
        contestant.take_wallet(driver, common, purses)?;
        if contestant.arm.is_used_up() {
            contestant.use_up(driver, common, (block, plan.warm_up_requests))?;
        } else {
            contestant.warm_up(driver, plan.warm_up_requests)?;
        }
        contestant.prepare_mix(driver, common, purses, (block, requests_of_a_block(plan)))?;
        let is_contender = contestant.arm.record.role == Role::Contender;
        if is_contender && sabotage::is(common.sabotage, "outcomes") {
            contestant.log_out_one(driver, purses)?;
        }
    }
    Ok(())
}

/// Presents tampered credentials and asks both sides for their counts: the end of an arm's block.
fn close(
    rig: &mut Rig<'_>,
    contestant: &Contestant<'_>,
    open: OpenCell,
    purses: &Purses,
    block: u32,
) -> anyhow::Result<Cell> {
    let (plan, sabotage) = (rig.common.plan, rig.common.sabotage);
    let count = TAMPERED_PER_BLOCK;
    let (forged_sent, forged_refused) =
        contestant.present_tampered(&mut rig.driver, purses, count, sabotage)?;
    if sabotage::is(sabotage, "cross-count") {
        sabotage::ask(contestant.account.address, "/health")?;
    }
    let over_http2 = rig.http2.as_ref().zip(contestant.http2.as_ref());
    let over_http2 = over_http2.map_or(0, |(driver, way)| driver.sent_to(way.target));
    let mut cell = Cell {
        arm: contestant.arm.record.id.clone(),
        block,
        slots: open.slots,
        slot_latency: plan.latency_from_slots().then(|| open.stamps.to_record()),
        window_latency: None,
        window_ledger: None,
        window_facts: None,
        counts: open.counts,
        operations_agree: None,
        driver_requests: rig.driver.sent_to(contestant.account.target) + over_http2,
        server_requests: contestant.server.counters()?.requests,
        forged_sent,
        forged_refused,
    };
    if sabotage::is(sabotage, "ledger-closes") {
        cell.slots.expected[0] -= 1;
    }
    Ok(cell)
}

/// More than any arm is sent in the slots of a block: arrivals at random vary.
fn requests_of_a_block(plan: &Plan) -> u64 {
    let slot_ms = plan.slot_ms + plan.lead_in_ms;
    u64::from(plan.rounds_per_block) * slot_ms * plan.rate_per_second / 1_000 * 3 / 2 + 100
}

/// Starts every arm's server, side by side, and connects the driver to each.
fn start<'a>(
    common: &Common<'_>,
    arms: &'a [PlannedArm],
    driver: &mut Driver,
) -> anyhow::Result<Vec<Contestant<'a>>> {
    let servers: Vec<anyhow::Result<ServerChild>> = thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "all are started before one is waited for")]
        let starts: Vec<_> = arms
            .iter()
            .map(|arm| {
                let config = common.config(arm, &common.plan.settings);
                scope.spawn(move || ServerChild::spawn(&config))
            })
            .collect();
        starts
            .into_iter()
            .map(|s| s.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the starter panicked"))))
            .collect()
    });
    arms.iter()
        .zip(servers)
        .map(|(arm, server)| {
            let server = server
                .with_context(|| format!("the server of `{}` did not start", arm.record.id))?;
            Contestant::enter(arm, server, driver, common.plan.connections)
        })
        .collect()
}

/// A number for everything random in one slot: no two slots of a run share it.
fn slot_index(block: u32, order: u32) -> u64 {
    u64::from(block) << 32 | u64::from(order)
}

/// Connects the driver of HTTP/2 to every server, where that is the way.
fn over_http2(
    common: &Common<'_>,
    contestants: &mut [Contestant<'_>],
) -> anyhow::Result<Option<H2Driver>> {
    let Some(connections) = common.http2_connections else { return Ok(None) };
    let mut driver = H2Driver::new(driver_settings(common.plan), HTTP2_STREAMS)?;
    for contestant in contestants {
        let target = driver.add_target(contestant.account.address, connections as usize)?;
        let exchanges = H2Exchange::parse_all(contestant.dealt_exchanges())?;
        contestant.http2 = Some(Http2 { target, exchanges });
    }
    Ok(Some(driver))
}

fn rounds(
    rig: &mut Rig<'_>,
    contestants: &mut [Contestant<'_>],
    cells: &mut [OpenCell],
    block: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<()> {
    let plan = rig.common.plan;
    let mut order = 0;
    for round in 0..plan.rounds_per_block {
        let mut rng = stream(rig.common.seed, "round", slot_index(block, round));
        for i in shuffled(contestants.len(), &mut rng) {
            watcher.check()?;
            let index = slot_index(block, order);
            slot::measure(rig, &mut contestants[i], &mut cells[i], order, index)?;
            order += 1;
            watcher.passed(plan.slot_ms + plan.lead_in_ms);
        }
    }
    Ok(())
}

/// One longer window per arm, in random order: percentiles need more samples than a slot has.
fn windows(
    rig: &mut Rig<'_>,
    contestants: &mut [Contestant<'_>],
    block: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<Option<Window>>> {
    let plan = rig.common.plan;
    let mut windows: Vec<Option<Window>> = contestants.iter().map(|_| None).collect();
    if plan.latency_window_ms == 0 {
        return Ok(windows);
    }
    let mut rng = stream(rig.common.seed, "windows", u64::from(block));
    for i in shuffled(contestants.len(), &mut rng) {
        watcher.check()?;
        let index = slot_index(block, u32::try_from(i)?);
        windows[i] = Some(window::measure(rig, &mut contestants[i], index)?);
        watcher.passed(plan.latency_window_ms + plan.lead_in_ms);
    }
    Ok(windows)
}
