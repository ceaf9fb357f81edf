//! One block: fresh server processes, every arm once per round in random order, many rounds.

use std::thread;

use anyhow::Context as _;

use crate::load::driver::{Driver, DriverSettings, Mode};
use crate::load::outcome::ledger;
use crate::load::schedule::{shuffled, stream};
use crate::measure::contestant::{Common, Contestant, Purses};
use crate::measure::revocation;
use crate::measure::slot::{self, OpenCell, Rig, Stamps};
use crate::measure::store::Store;
use crate::os::interrupt::Interrupt;
use crate::plan::{Plan, PlannedArm};
use crate::record::run::{Cell, RevocationCost, SizeRow};
use crate::server::child::ServerChild;

/// Tampered credentials presented to each server in each block.
const TAMPERED_PER_BLOCK: usize = 16;

/// What one block measured.
#[derive(Debug, Default)]
pub struct BlockResult {
    /// One cell per arm.
    pub cells: Vec<Cell>,
    /// Logouts and logouts everywhere.
    pub revocation_cost: Vec<RevocationCost>,
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
    for contestant in &mut contestants {
        watcher.check()?;
        contestant.take_wallet(&mut driver, common, purses)?;
        contestant.warm_up(&mut driver, plan.warm_up_requests)?;
    }
    let mut rig = Rig { common, driver, store };
    let mut cells: Vec<OpenCell> = contestants.iter().map(|_| OpenCell::default()).collect();
    rounds(&mut rig, &contestants, &mut cells, block, watcher)?;
    let windows = windows(&mut rig, &contestants, block, watcher)?;

    let mut result = BlockResult::default();
    for contestant in &contestants {
        watcher.check()?;
        if block == 0 {
            result.sizes.push(revocation::size_row(contestant, purses));
        }
        result.revocation_cost.extend(revocation::cost(&mut rig, contestant, block)?);
    }
    for ((contestant, open), window) in contestants.iter().zip(cells).zip(windows) {
        let refused = contestant.present_tampered(&mut rig.driver, purses, TAMPERED_PER_BLOCK)?;
        let presented = TAMPERED_PER_BLOCK.min(plan.wallet as usize) as u64;
        let (window_latency, window_ledger) = window.unzip();
        result.cells.push(Cell {
            arm: contestant.arm.record.id.clone(),
            block,
            slots: open.slots,
            slot_latency: open.stamps.to_record(),
            window_latency,
            window_ledger,
            driver_requests: rig.driver.sent_to(contestant.account.target),
            server_requests: contestant.server.counters()?.requests,
            forged_sent: presented,
            forged_refused: refused,
        });
    }
    Ok(result)
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

fn rounds(
    rig: &mut Rig<'_>,
    contestants: &[Contestant<'_>],
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
            slot::measure(rig, &contestants[i], &mut cells[i], order, index)?;
            order += 1;
            watcher.passed(plan.slot_ms + plan.lead_in_ms);
        }
    }
    Ok(())
}

type Window = Option<(crate::record::run::Latency, crate::record::run::Ledger)>;

/// One longer window per arm, in random order: percentiles need more samples than a slot has.
fn windows(
    rig: &mut Rig<'_>,
    contestants: &[Contestant<'_>],
    block: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<Window>> {
    let plan = rig.common.plan;
    let mut windows: Vec<Window> = contestants.iter().map(|_| None).collect();
    if plan.latency_window_ms == 0 {
        return Ok(windows);
    }
    let mut rng = stream(rig.common.seed, "windows", u64::from(block));
    for i in shuffled(contestants.len(), &mut rng) {
        watcher.check()?;
        let contestant = &contestants[i];
        let index = slot_index(block, u32::try_from(i)?);
        let lead_in = plan.lead_in_ms * 1_000_000;
        let length = plan.latency_window_ms * 1_000_000 + lead_in;
        let ops = contestant.schedule(rig.common, "window", index, length);
        let executed =
            rig.driver.execute(&ops, &contestant.exchanges, Mode::Open, contestant.arm.decoy)?;
        // Cut by intended time: the lead-in's requests are sent and do not count.
        let first = ops.partition_point(|op| op.at_ns < lead_in);
        let rows = &executed.rows[first..];
        let mut stamps = Stamps::default();
        stamps.add(rows);
        windows[i] = Some((stamps.to_record(), ledger(rows)));
        watcher.passed(plan.latency_window_ms + plan.lead_in_ms);
    }
    Ok(windows)
}
