//! A whole run: blocks, then lag, then micro; written as it goes, valid whenever it stops.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench::entropy::OsEntropy;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{StoreKind, Uses};
use authbench::token::key::Keyring;

use crate::load::driver::Mode;
use crate::measure::block::{self, Interrupted, Watcher};
use crate::measure::contestant::{Common, redis_config};
use crate::measure::opening::{Opening, begin, plan_record};
use crate::measure::purse::Purses;
use crate::measure::sabotage::Sabotage;
use crate::measure::spectrum::{self, lag, series};
use crate::measure::store::{NoStore, Store};
use crate::measure::stores::Stores;
use crate::measure::{distance, gates, micro, regime};
use crate::plan::{Plan, PlannedArm};
use crate::record::io;
use crate::record::run::{NotMeasured, Predictions, Run, Status};

/// What a run is asked to do.
#[derive(Debug)]
pub struct Order {
    /// The plan.
    pub plan: Plan,
    /// Its arms, those that need a missing Redis included.
    pub arms: Vec<PlannedArm>,
    /// Everything random follows from it.
    pub seed: u64,
    /// Where the record goes as it grows; must not exist. `None`: it is handed back alone.
    pub folder: Option<PathBuf>,
    /// The name behind the date.
    pub label: String,
    /// The arguments, without paths.
    pub argv: Vec<String>,
    /// The fault that is brought about, when the gates themselves are tested.
    pub sabotage: Option<Sabotage>,
    /// What was predicted of it; kept in the record before anything is measured.
    pub predictions: Option<Predictions>,
}

/// Writes the record as it grows, where one is kept.
pub type Keep<'a> = &'a dyn Fn(&Run) -> anyhow::Result<()>;

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The record as written.
    pub run: Run,
    /// What stopped it, if it did not come to its end.
    pub stopped: Option<anyhow::Error>,
}

/// Milliseconds of planned measuring, for a progress bar. Starting servers and filling wallets come
/// on top.
#[must_use]
pub fn planned_ms(plan: &Plan, arms: &[PlannedArm]) -> u64 {
    let slot = plan.slot_ms + plan.lead_in_ms;
    let window =
        if plan.latency_window_ms == 0 { 0 } else { plan.latency_window_ms + plan.lead_in_ms };
    let per_arm = u64::from(plan.rounds_per_block) * slot + window;
    let blocks = u64::from(plan.blocks) * arms.len() as u64 * per_arm;
    let common = Common {
        plan,
        seed: 0,
        keys: &Keyring::default(),
        redis: None,
        stores: &Stores::default(),
        mode: Mode::Open,
        server_cpus: Vec::new(),
        mix: None,
        work_kib: 0,
        http2_connections: None,
        sabotage: None,
    };
    let lags: u64 = match &plan.spectrum {
        Some(spectrum) => spectrum::planned_ms(&common, spectrum, arms),
        None => {
            let kinds = series::subjects_of(&common, arms).into_iter();
            kinds.map(|kind| series::planned_ms(&common, kind)).sum()
        }
    };
    let sweep = plan.distance.as_ref();
    let sweep = sweep.map_or(0, |sweep| distance::planned_ms(&reusable(arms), sweep));
    blocks + regime::planned_ms(plan, arms) + sweep + lags + plan.micro_ms
}

/// Takes out what needs the Redis that is not there, and says so.
fn without_redis(arms: Vec<PlannedArm>, why: &NoStore) -> (Vec<PlannedArm>, Vec<NotMeasured>) {
    let (kept, dropped): (Vec<_>, Vec<_>) = arms.into_iter().partition(|arm| !arm.needs_redis());
    (kept, not_measured(dropped, why))
}

fn not_measured(dropped: Vec<PlannedArm>, why: &NoStore) -> Vec<NotMeasured> {
    let say = |arm: PlannedArm| NotMeasured {
        what: arm.record.id,
        reason: why.reason.clone(),
        remedy: why.remedy.clone(),
    };
    dropped.into_iter().map(say).collect()
}

/// Opens the stores beside Redis that some arm needs. Takes out the arms whose store is not there,
/// and says so; and what of a store cannot be counted.
fn open_stores(
    arms: Vec<PlannedArm>,
) -> anyhow::Result<(Stores, Vec<PlannedArm>, Vec<NotMeasured>)> {
    let (stores, missing) = Stores::open(&arms)?;
    let Some(why) = missing else {
        let uncounted = stores.uncounted(&arms);
        return Ok((stores, arms, uncounted));
    };
    eprintln!("note: {}; its rows are not measured", why.reason);
    let (dropped, kept): (Vec<_>, Vec<_>) =
        arms.into_iter().partition(|arm| arm.needs(StoreKind::Postgres));
    Ok((stores, kept, not_measured(dropped, &why)))
}

/// Why no decoy can load that store, if none can.
fn without_decoy(store: &Store) -> Option<NotMeasured> {
    store.plain_address().is_none().then(|| NotMeasured {
        what: "decoy".into(),
        reason: "the decoy speaks to Redis over plain TCP without a password".into(),
        remedy: "name a Redis as redis://host:port, or use the private one".into(),
    })
}

/// Executes `order`. The record is written after every part; an error after the first write leaves
/// a partial record and comes back in [`Finished::stopped`].
///
/// # Errors
/// When the run cannot begin: the folder exists, Redis is named and no use, no clock, no keys.
pub fn execute(order: Order, watcher: &dyn Watcher) -> anyhow::Result<Finished> {
    let started = Instant::now();
    let (mut store, arms, not_measured) = match Store::open()? {
        Ok(store) => (Some(store), order.arms, Vec::new()),
        Err(why) => {
            eprintln!("note: {}; its rows are not measured", why.reason);
            let (arms, missing) = without_redis(order.arms, &why);
            (None, arms, missing)
        }
    };
    let (stores, arms, missing) = open_stores(arms)?;
    let not_measured = [not_measured, missing].concat();
    let keys = Keyring::generate(&OsEntropy)?;
    let plan = &order.plan;
    let opening = Opening {
        label: order.label,
        profile: plan.name.clone(),
        seed: order.seed,
        argv: order.argv,
        citable: plan.citable,
        redis_server: store.as_ref().map(|s| s.version().to_owned()),
    };
    let mut run = begin(opening, &kinds_of(&arms))?;
    run.plan = Some(plan_record(plan));
    run.predictions = order.predictions;
    run.not_measured = not_measured;
    run.not_measured.extend(store.as_ref().and_then(without_decoy));
    let arms: Vec<PlannedArm> = arms
        .into_iter()
        .filter(|arm| !arm.decoy || store.as_ref().is_some_and(|s| s.plain_address().is_some()))
        .collect();
    // Without blocks nothing is compared: the strategies have no arms.
    if plan.blocks > 0 {
        run.arms = arms.iter().map(|arm| arm.record.clone()).collect();
    }
    let folder = order.folder.as_deref();
    if let Some(folder) = folder {
        io::create_folder(folder)
            .with_context(|| format!("cannot make the results folder {}", folder.display()))?;
    }
    let keep =
        |run: &Run| folder.map_or(Ok(()), |folder| Ok(io::write_run(folder, run).map(|_| ())?));
    keep(&run)?;

    let redis = store.as_ref().map(|s| redis_config(s.url()));
    let (seed, sabotage) = (order.seed, order.sabotage);
    let common = Common {
        plan,
        seed,
        keys: &keys,
        redis,
        stores: &stores,
        mode: Mode::Open,
        server_cpus: Vec::new(),
        mix: None,
        work_kib: 0,
        http2_connections: None,
        sabotage,
    };
    let stopped = measure(&common, &arms, &mut store, &mut run, (watcher, &keep)).err();
    finish(&mut run, stopped.as_ref(), started);
    keep(&run)?;
    Ok(Finished { run, stopped })
}

fn measure(
    common: &Common<'_>,
    arms: &[PlannedArm],
    store: &mut Option<Store>,
    run: &mut Run,
    (watcher, keep): (&dyn Watcher, Keep<'_>),
) -> anyhow::Result<()> {
    let plan = common.plan;
    let mut purses = Purses::new();
    for number in 0..plan.blocks {
        let block = block::measure(common, arms, store, &mut purses, number, watcher)
            .with_context(|| format!("in block {number}"))?;
        run.cells.extend(block.cells);
        run.revocation_cost.extend(block.revocation_cost);
        run.sizes.extend(block.sizes);
        if let Some(instrument) = block.instrument {
            run.instrument = instrument;
        }
        keep(run)?;
    }
    if let Some(regimes) = &plan.regimes {
        for each in &regimes.each {
            let purses = &mut purses;
            match regime::measure(common, regimes, each, arms, store, purses, watcher)? {
                Ok(measured) => run.regimes.push(measured),
                Err(why) => run.not_measured.push(why),
            }
            keep(run)?;
        }
    }
    if let Some(sweep) = &plan.distance {
        if let Some(why) = distance::obstacle(store.as_ref()) {
            run.not_measured.push(why);
        } else if let Some(store) = store {
            run.distance = distance::sweep(common, &reusable(arms), store, sweep, watcher)?;
            keep(run)?;
        }
    }
    match &plan.spectrum {
        Some(spectrum) => {
            spectrum::measure(common, spectrum, arms, store, run, (watcher, keep))?;
        }
        None => {
            for kind in series::subjects_of(common, arms) {
                run.revocation_lag.push(lag::measure(common, kind, watcher)?);
            }
        }
    }
    if plan.micro_ms > 0 {
        watcher.check()?;
        let budget = Duration::from_millis(plan.micro_ms);
        run.micro = micro::micro_pass(budget, common.seed, &reusable(arms), watcher)?;
    }
    Ok(())
}

/// The strategies behind `arms`, each once, in report order.
fn kinds_of(arms: &[PlannedArm]) -> Vec<StrategyKind> {
    let is_planned = |kind: &StrategyKind| arms.iter().any(|arm| arm.kind == *kind);
    StrategyKind::ALL.iter().copied().filter(is_planned).collect()
}

/// Those of them whose credentials are not used up by being used.
fn reusable(arms: &[PlannedArm]) -> Vec<StrategyKind> {
    kinds_of(arms).into_iter().filter(|kind| kind.properties().uses == Uses::Many).collect()
}

/// Says how the run ended: its time, its checks, its status with the reasons.
pub fn finish(run: &mut Run, stopped: Option<&anyhow::Error>, started: Instant) {
    run.run.finished_utc = Some(io::utc_now());
    run.run.wall_ms = u64::try_from(started.elapsed().as_millis()).ok();
    run.checks = gates::checks(run);
    let mut reasons: Vec<String> = run
        .checks
        .iter()
        .filter(|check| !check.pass && check.scope == "run")
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    let is_invalid = !reasons.is_empty();
    if let Some(error) = stopped {
        reasons.push(if error.is::<Interrupted>() {
            "interrupted".into()
        } else {
            format!("stopped by an error: {error:#}")
        });
    }
    run.run.status = match (is_invalid, stopped) {
        (true, _) => Status::Invalid,
        (false, Some(_)) => Status::Partial,
        (false, None) => Status::Complete,
    };
    run.run.reasons = reasons;
}
