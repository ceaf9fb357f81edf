//! The experiments beside lag, one after another: faults, races, keys, writes, memory.

use std::sync::Arc;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Fault, Renewal, Uses};
use authbench_subjects::bed::Bed;
use authbench_subjects::state::memory as entries;

use super::faults::{self, FaultSettings};
use super::races::{self, Race, What};
use super::{fail, keys, memory, renewals, writes};
use crate::measure::block::{Watcher, driver_settings};
use crate::measure::contestant::{Common, fresh_subjects};
use crate::measure::loops::memory_row;
use crate::measure::run::Keep;
use crate::measure::store::Store;
use crate::plan::{Part, PlannedArm, SpectrumPlan, usual_arm};
use crate::record::run::Run;
use crate::server::child::ServerChild;

/// Waves of tokens in each scenario of keys.
const KEY_WAVES: u32 = 250;
/// Entries that each node is filled with.
const NODE_ENTRIES: u32 = 20_000;
/// Entries that Redis is filled with: of every kind, and of one strategy for each kind of entry.
const STORE_ENTRIES: ([u64; 3], u64) = ([1_000, 10_000, 100_000], 1_000_000);
/// Renewals whose cost is counted: of so many clients, so often each.
const RENEWALS: (u32, u32) = (500, 8);
/// Clients whose tokens end at once, and the jitter that spreads them, nanoseconds.
const HERD: (u32, [u64; 2]) = (2_000, [0, 10_000_000_000]);
/// Over how long the requests of one slow client are spread, nanoseconds.
const SPREAD_NS: u64 = 3_000_000_000;
/// Milliseconds that one race takes, about.
const RACE_MS: u64 = 12;

/// Milliseconds of planned measuring.
#[must_use]
pub fn planned_ms(plan: &SpectrumPlan, arms: &[PlannedArm]) -> u64 {
    let kinds = kinds_of(arms);
    let of = |part, ms: u64| if plan.has(part) { ms } else { 0 };
    let settings = fault_settings(plan);
    let races = races_of(plan, &kinds).len() as u64 * u64::from(plan.race_repetitions) * RACE_MS;
    of(Part::Faults, faults::planned_ms(&kinds, &settings))
        + of(Part::Races, races + 30_000)
        + of(Part::Keys, 20_000)
        + of(Part::Writes, writes::planned_ms(&kinds))
        + of(Part::Memory, memory::planned_ms(kinds.len(), NODE_ENTRIES) + 120_000)
}

/// The strategies of `arms`, once each; with all that can be reused come those that cannot, which
/// are never arms.
fn kinds_of(arms: &[PlannedArm]) -> Vec<StrategyKind> {
    let has = |kind: &StrategyKind| arms.iter().any(|arm| arm.kind == *kind);
    let once = |kind: &&StrategyKind| kind.properties().uses == Uses::Once;
    let is_whole = StrategyKind::ALL.iter().filter(|kind| !once(kind)).all(has);
    StrategyKind::ALL.iter().filter(|kind| has(kind) || (is_whole && once(kind))).copied().collect()
}

fn fault_settings(plan: &SpectrumPlan) -> FaultSettings {
    FaultSettings { trials: plan.fault_trials, ..FaultSettings::default() }
}

/// Measures what `plan` asks for; what fails is listed with its reason, and the rest is measured.
///
/// # Errors
/// On an interruption, or when the record cannot be kept.
pub fn measure(
    common: &Common<'_>,
    plan: &SpectrumPlan,
    arms: &[PlannedArm],
    store: &mut Option<Store>,
    run: &mut Run,
    (watcher, keep): (&dyn Watcher, Keep<'_>),
) -> anyhow::Result<()> {
    let kinds = kinds_of(arms);
    for part in &plan.parts {
        watcher.check()?;
        let done = match part {
            Part::Lag => Ok(()),
            Part::Faults => strike(common, plan, &kinds, run, (watcher, keep)),
            Part::Races => race(common, plan, (&kinds, store), run, watcher),
            Part::Keys => keys::measure(KEY_WAVES).map(|rows| {
                run.spectrum.keys = rows;
                watcher.passed(20_000);
            }),
            Part::Writes => write(common, (&kinds, store), run, (watcher, keep)),
            Part::Memory => weigh(common, &kinds, run, (watcher, keep)),
        };
        if let Err(error) = done {
            fail(run, &format!("{part:?}").to_lowercase(), error)?;
        }
        keep(run)?;
    }
    Ok(())
}

/// One fault after another, so that what is measured is kept when a later one fails.
fn strike(
    common: &Common<'_>,
    plan: &SpectrumPlan,
    kinds: &[StrategyKind],
    run: &mut Run,
    (watcher, keep): (&dyn Watcher, Keep<'_>),
) -> anyhow::Result<()> {
    if let Some(why) = faults::impossible() {
        run.not_measured.push(why);
        return Ok(());
    }
    let settings = fault_settings(plan);
    for fault in Fault::ALL {
        match faults::measure(common, (fault, kinds), &settings, watcher) {
            Ok((found, missing)) => {
                run.spectrum.faults.extend(found);
                faults::sort(&mut run.spectrum.faults);
                run.not_measured.extend(missing);
            }
            Err(error) => fail(run, &format!("fault {}", fault.name()), error)?,
        }
        keep(run)?;
    }
    Ok(())
}

/// Which races are run: of every strategy that rotates, at each grace; of every link.
fn races_of(plan: &SpectrumPlan, kinds: &[StrategyKind]) -> Vec<(StrategyKind, Race)> {
    let race = |what, grace_s, spread_ns| Race {
        what,
        at_once: plan.at_once,
        spread_ns,
        repetitions: plan.race_repetitions,
        grace_s,
    };
    let mut all = Vec::new();
    for kind in kinds {
        let properties = kind.properties();
        if properties.renewal == Renewal::Rotating {
            // At one instant, then as the requests of one client would come that is slow.
            for spread_ns in [0, SPREAD_NS] {
                let graces = plan.grace_s.iter();
                all.extend(graces.map(|s| (*kind, race(What::Refresh, *s, spread_ns))));
            }
        }
        if properties.family == Family::Link {
            all.push((*kind, race(What::Redeem, 0, 0)));
        }
    }
    all
}

/// Runs the races, then counts what renewals cost.
fn race(
    common: &Common<'_>,
    plan: &SpectrumPlan,
    (kinds, store): (&[StrategyKind], &mut Option<Store>),
    run: &mut Run,
    watcher: &dyn Watcher,
) -> anyhow::Result<()> {
    for (kind, race) in races_of(plan, kinds) {
        if kind.properties().needs_redis() && common.redis.is_none() {
            continue;
        }
        run.spectrum.races.push(races::measure(common, kind, &race, watcher)?);
        watcher.passed(u64::from(race.repetitions) * RACE_MS);
    }
    let (Some(store), true) = (store, common.redis.is_some()) else { return Ok(()) };
    let rotating = kinds.iter().filter(|k| k.properties().renewal == Renewal::Rotating);
    for &kind in rotating {
        renew(common, kind, store, run, watcher)?;
    }
    watcher.passed(30_000);
    Ok(())
}

/// The cost of renewals of `kind`, of session lookups beside them, and of herds.
fn renew(
    common: &Common<'_>,
    kind: StrategyKind,
    store: &mut Store,
    run: &mut Run,
    watcher: &dyn Watcher,
) -> anyhow::Result<()> {
    let is_session = |k: &&StrategyKind| {
        let p = k.properties();
        p.family == Family::Session && p.needs_redis() && !p.redis.cached
    };
    let session = StrategyKind::ALL.iter().find(is_session).copied();
    let settings = driver_settings(common.plan);
    for kind in [Some(kind), session].into_iter().flatten() {
        let arm = PlannedArm { carrier: authbench::credential::Carrier::Bearer, ..usual_arm(kind) };
        let server = ServerChild::spawn(&common.config(&arm, &common.plan.settings))?;
        let purpose = format!("renewals of {}", kind.name());
        let subjects = fresh_subjects(common, &purpose, 0, RENEWALS.0);
        let commands = || Ok(store.counters()?.commands);
        let who = (&*subjects, RENEWALS.1);
        run.spectrum
            .renewals
            .push(renewals::cost(kind, &server, commands, who, settings, watcher)?);
        if kind.properties().renewal != Renewal::Rotating {
            continue;
        }
        for jitter_ns in HERD.1 {
            let subjects = fresh_subjects(common, &purpose, 1 + jitter_ns, HERD.0);
            let who = (&*subjects, jitter_ns);
            run.spectrum.herds.push(renewals::herd(kind, server.data(), who, settings, watcher)?);
        }
    }
    Ok(())
}

/// What sliding expiry writes, one strategy after another.
fn write(
    common: &Common<'_>,
    (kinds, store): (&[StrategyKind], &mut Option<Store>),
    run: &mut Run,
    (watcher, keep): (&dyn Watcher, Keep<'_>),
) -> anyhow::Result<()> {
    let Some(store) = store else { return Ok(()) };
    for kind in writes::subjects_of(kinds) {
        match writes::measure(common, store, kind, watcher) {
            Ok(rows) => run.spectrum.writes.extend(rows),
            Err(error) => fail(run, &format!("writes of {}", kind.name()), error)?,
        }
        keep(run)?;
    }
    Ok(())
}

/// Entries in Redis, then what credentials add to a node, one strategy after another.
fn weigh(
    common: &Common<'_>,
    kinds: &[StrategyKind],
    run: &mut Run,
    (watcher, keep): (&dyn Watcher, Keep<'_>),
) -> anyhow::Result<()> {
    if common.redis.is_some() && authbench_fixture::find_server().is_some() {
        let bed: Arc<Bed> = Bed::without_redis()?;
        let rows = entries::rows_of_kinds(&bed, kinds, &STORE_ENTRIES.0, STORE_ENTRIES.1)?;
        run.memory = rows.into_iter().map(memory_row).collect();
    }
    watcher.passed(120_000);
    keep(run)?;
    if let Some(why) = memory::impossible() {
        run.not_measured.push(why);
        return Ok(());
    }
    for &kind in kinds {
        watcher.check()?;
        match memory::measure(common, kind, NODE_ENTRIES) {
            Ok(rows) => run.spectrum.node_memory.extend(rows),
            Err(error) => fail(run, &format!("memory of {}", kind.name()), error)?,
        }
        watcher.passed(memory::planned_ms(1, NODE_ENTRIES));
        keep(run)?;
    }
    Ok(())
}
