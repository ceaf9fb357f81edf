//! The fault matrix: what each strategy makes of each fault, measured against what it declares.
//!
//! Many strategies stand side by side and one fault strikes them all. Each has two server
//! processes, a good credential, one revoked before the fault and one revoked during it; all three
//! are presented to both processes at equal intervals, open loop, from before the fault until well
//! after it. What the strategies themselves made of it is for [`crate::measure::derive::faults`].
//!
//! Deliberately absent: expired tokens at a node whose clock is behind. `jsonwebtoken` compares
//! `exp` with the system's clock, which cannot be set back for one process; a machine that is
//! really behind accepts every token that much longer, whatever library it uses.

mod judge;
mod schedule;
mod shape;
mod stage;
mod store;
mod strike;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Fault, Uses};
use authbench_fixture::{FixtureError, PrivateRedis, find_server};

use self::judge::{Disturbed, Frame, judge};
use self::schedule::{Part, Script};
use self::shape::{Shape, groups, nodes_of, obstacle, open_for_ns, promise_ns};
use self::stage::Stage;
use self::strike::strike;
use crate::load::driver::{Driver, DriverSettings, Mode};
use crate::load::outcome::Row;
use crate::load::pacer::Pacing;
use crate::measure::block::Watcher;
use crate::measure::contestant::Common;
use crate::record::run::{FaultSeries, FaultTrial, NotMeasured};

/// Longer than any logout takes that waits for every node.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A prober that is later than this did not see what it was there to see.
const SLIP_MAX_NS: u64 = 100_000_000;
/// Trials that may be repeated for each that counts, and for all together.
const REPEATS: (u32, u32) = (1, 3);

/// What of the matrix is measured, and how.
#[derive(Clone, Debug)]
pub struct FaultSettings {
    /// Trials for each strategy and fault.
    pub trials: u32,
    /// From one probe of a credential on a node to its next, nanoseconds.
    pub interval_ns: u64,
    /// Probes per second, all together, at the most.
    pub rate_max: u64,
    /// The program that is started as a server; this one by default.
    pub program: Option<PathBuf>,
}

impl Default for FaultSettings {
    fn default() -> Self {
        Self { trials: 20, interval_ns: 20_000_000, rate_max: 4_000, program: None }
    }
}

/// Milliseconds that the matrix of `kinds` takes by plan, starts of servers excluded.
#[must_use]
pub fn planned_ms(kinds: &[StrategyKind], settings: &FaultSettings) -> u64 {
    let of_fault = |fault: &Fault| -> u64 {
        let all = groups_of(*fault, kinds, settings);
        all.iter().map(|group| Shape::of(*fault, group).end_ns / 1_000_000).sum()
    };
    Fault::ALL.iter().map(of_fault).sum::<u64>() * u64::from(settings.trials)
}

/// Those of `kinds` that the fault can be brought about for, in the groups that it strikes.
fn groups_of(
    fault: Fault,
    kinds: &[StrategyKind],
    settings: &FaultSettings,
) -> Vec<Vec<StrategyKind>> {
    let of_fault = kinds
        .iter()
        .copied()
        .filter(|kind| kind.properties().uses == Uses::Many && obstacle(fault, *kind).is_none());
    groups(fault, of_fault.collect(), settings.interval_ns, settings.rate_max)
}

/// Why no fault can be brought about here, if none can.
#[must_use]
pub fn impossible() -> Option<NotMeasured> {
    find_server().is_none().then(|| NotMeasured {
        what: "the fault matrix".into(),
        reason: format!(
            "faults strike a private Redis, never the reader's: {}",
            FixtureError::NotInstalled
        ),
        remedy: "run scripts/setup".into(),
    })
}

/// Measures what `kinds` make of `fault`, those apart whose credentials are good once only. It has
/// a Redis of its own: no fault ever strikes the reader's.
///
/// # Errors
/// When a server, the store or the driver fails, a fault cannot be brought about or undone, trials
/// are disturbed again and again, or on an interruption.
pub fn measure(
    common: &Common<'_>,
    (fault, kinds): (Fault, &[StrategyKind]),
    settings: &FaultSettings,
    watcher: &dyn Watcher,
) -> anyhow::Result<(Vec<FaultSeries>, Vec<NotMeasured>)> {
    let mut measured = Vec::new();
    for group in groups_of(fault, kinds, settings) {
        watcher.check()?;
        let redis = PrivateRedis::start()?;
        let found = measure_group(common, &group, fault, settings, redis, watcher)
            .with_context(|| format!("under the fault {}", fault.name()))?;
        measured.extend(found);
    }
    let reusable = kinds.iter().filter(|kind| kind.properties().uses == Uses::Many);
    let missing = reusable.filter_map(|kind| {
        Some(NotMeasured {
            what: format!("{} under {}", kind.name(), fault.name()),
            reason: obstacle(fault, *kind)?,
            remedy: "none: read what it declares as a declaration".into(),
        })
    });
    Ok((measured, missing.collect()))
}

/// Puts series in report order: by strategy, then by fault.
pub fn sort(series: &mut [FaultSeries]) {
    series.sort_by_key(|row| {
        let kind = StrategyKind::ALL.iter().position(|kind| kind.name() == row.strategy);
        (kind, Fault::ALL.iter().position(|fault| fault.name() == row.fault))
    });
}

fn measure_group(
    common: &Common<'_>,
    kinds: &[StrategyKind],
    fault: Fault,
    settings: &FaultSettings,
    redis: PrivateRedis,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<FaultSeries>> {
    let pacing = Pacing::Tick;
    let driver =
        Driver::new(DriverSettings { pacing, timeout: TIMEOUT, ..DriverSettings::DEFAULT })?;
    let program = settings.program.as_deref();
    let mut stage = Stage::set(common, kinds, fault, redis, program, driver)?;
    let shape = Shape::of(fault, kinds);
    let begin = |kind: &StrategyKind| series(*kind, fault, settings.interval_ns, &shape);
    let mut all: Vec<FaultSeries> = kinds.iter().map(begin).collect();
    let is_done = |row: &FaultSeries| row.trials.len() >= settings.trials as usize;
    let (each, more) = REPEATS;
    let most = settings.trials.saturating_mul(1 + each).saturating_add(more);
    let mut last = None;
    for number in 0..most {
        if all.iter().all(is_done) {
            break;
        }
        watcher.check()?;
        let found = trial(common, &mut stage, fault, &shape, number as usize, settings);
        let found = found.with_context(|| format!("in trial {number}"))?;
        for (row, judged) in all.iter_mut().zip(found) {
            match judged {
                _ if is_done(row) => {}
                Ok(trial) => row.trials.push(trial),
                Err(Disturbed(why)) => {
                    row.disturbed += 1;
                    last = Some(format!("{}: {why}", row.strategy));
                }
            }
        }
        if number < settings.trials {
            watcher.passed(shape.end_ns / 1_000_000);
        }
    }
    ensure!(
        all.iter().all(is_done),
        "trials were disturbed again and again; the last one was of {}",
        last.unwrap_or_default()
    );
    Ok(all)
}

/// The record of a strategy under a fault, before its first trial.
fn series(kind: StrategyKind, fault: Fault, interval_ns: u64, shape: &Shape) -> FaultSeries {
    FaultSeries {
        strategy: kind.name().into(),
        fault: fault.name().into(),
        declared: kind.properties().faults.of(fault).name().into(),
        open_for_ns: open_for_ns(fault, kind),
        promise_ns: promise_ns(kind),
        nodes: u32::try_from(nodes_of(kind)).unwrap_or(u32::MAX),
        probe_interval_ns: interval_ns,
        fault_ns: shape.fault_ns,
        disturbed: 0,
        trials: Vec::new(),
    }
}

/// One fault: what each strategy made of it, in their order.
fn trial(
    common: &Common<'_>,
    stage: &mut Stage,
    fault: Fault,
    shape: &Shape,
    number: usize,
    settings: &FaultSettings,
) -> anyhow::Result<Vec<Result<FaultTrial, Disturbed>>> {
    let casts = stage.cast(common)?;
    let script = Script::new(&casts, shape, fault, number, settings.interval_ns);
    let clock = stage.driver.clock();
    let (driver, scene) = (&mut stage.driver, &mut stage.scene);
    let begin_ns = clock.now_ns();
    // A clock that is behind is so from the first moment.
    let at_ns = if fault == Fault::ClockBehind { begin_ns } else { begin_ns + shape.fault_at_ns };
    let (executed, spans) = std::thread::scope(|scope| {
        let striking = scope.spawn(|| strike(scene, fault, clock, (at_ns, shape.fault_ns), number));
        let executed = driver.execute(&script.ops, &script.exchanges, Mode::Open, false);
        (executed, striking.join().unwrap_or_else(|_| Err(anyhow!("the fault panicked"))))
    });
    let (executed, spans) = (executed?, spans?);
    let slip_ns = executed.rows.iter().map(Row::slip_ns).max().unwrap_or(0);
    let mut sorted: Vec<Vec<(Part, Row)>> = vec![Vec::new(); casts.len()];
    for (op, row) in script.ops.iter().zip(&executed.rows) {
        let (who, part) = script.parts[op.exchange as usize];
        sorted[who].push((part, *row));
    }
    let kinds = stage.scene.players.iter().map(|player| player.kind);
    let judged = kinds.zip(spans).zip(sorted).map(|((kind, span_ns), rows)| {
        if slip_ns > SLIP_MAX_NS {
            return Err(Disturbed(format!("the prober was {} ms late", slip_ns / 1_000_000)));
        }
        let promise_ns = promise_ns(kind);
        let frame = Frame {
            fault,
            promise_ns,
            tolerance_ns: if promise_ns == Some(0) { 0 } else { settings.interval_ns },
            span_ns,
            end_ns: begin_ns + shape.end_ns,
            nodes: nodes_of(kind),
        };
        judge(&frame, &rows)
    });
    Ok(judged.collect())
}
