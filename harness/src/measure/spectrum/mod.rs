//! Taking credentials back, in full: lag on several nodes, at rest and under load, of one logout,
//! of logouts everywhere and of many at once; then faults, races, keys, writes, memory.

pub mod faults;
pub mod keys;
pub mod lag;
pub mod layout;
mod load;
pub mod mass;
pub mod memory;
pub mod parts;
pub mod races;
pub mod renewals;
pub mod series;
pub mod stage;
pub mod trial;
pub mod writes;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Revocation;

use self::series::{Operation, Series, series, series_ms, subjects_of};
use self::stage::Stage;
use crate::measure::block::{Interrupted, Watcher};
use crate::measure::contestant::Common;
use crate::measure::run::Keep;
use crate::measure::store::Store;
use crate::plan::{Part, PlannedArm, SpectrumPlan};
use crate::record::run::{NotMeasured, Run};

/// Milliseconds of planned measuring over `arms`.
#[must_use]
pub fn planned_ms(common: &Common<'_>, plan: &SpectrumPlan, arms: &[PlannedArm]) -> u64 {
    let lags: u64 = if plan.has(Part::Lag) {
        subjects_of(common, arms).into_iter().map(|kind| lags_ms(common, plan, kind)).sum()
    } else {
        0
    };
    lags + parts::planned_ms(plan, arms)
}

fn lags_ms(common: &Common<'_>, plan: &SpectrumPlan, kind: StrategyKind) -> u64 {
    let all = series_of(common, plan, kind);
    let masses = all
        .first()
        .filter(|first| is_mass(first))
        .map_or(0, |first| plan.mass.iter().map(|mass| mass::planned_ms(first, *mass)).sum());
    let expiry = if kind.properties().revoke == Revocation::AtExpiry {
        series::planned_ms(common, kind)
    } else {
        0
    };
    all.iter().map(|series| series_ms(common, series)).sum::<u64>() + masses + expiry
}

fn series_of(common: &Common<'_>, plan: &SpectrumPlan, kind: StrategyKind) -> Vec<Series> {
    series(plan, &kind.properties(), common.plan.logout_all_credentials)
}

/// Whether masses are logged out under these conditions: those of the plain logout.
fn is_mass(series: &Series) -> bool {
    series.operation == Operation::Logout && series.load_per_second == 0
}

/// Measures the strategies of `arms`; `keep` is told after each. What fails is listed with its
/// reason, and the rest is measured.
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
    let subjects = if plan.has(Part::Lag) { subjects_of(common, arms) } else { vec![] };
    for kind in subjects {
        if kind.properties().revoke == Revocation::AtExpiry {
            match lag::until_expiry(common, kind, watcher) {
                Ok(lag) => run.revocation_lag.push(lag),
                Err(error) => fail(run, &format!("revocation lag of {}", kind.name()), error)?,
            }
        }
        lags(common, plan, kind, store, run, watcher)?;
        keep(run)?;
    }
    parts::measure(common, plan, arms, store, run, (watcher, keep))
}

/// Every series of one strategy, on the same servers.
fn lags(
    common: &Common<'_>,
    plan: &SpectrumPlan,
    kind: StrategyKind,
    store: &mut Option<Store>,
    run: &mut Run,
    watcher: &dyn Watcher,
) -> anyhow::Result<()> {
    let all = series_of(common, plan, kind);
    let Some(nodes) = all.iter().map(|series| series.nodes).max() else { return Ok(()) };
    let mut stage = match Stage::open(common, kind, &common.plan.settings, nodes) {
        Ok(stage) => stage,
        Err(error) => return fail(run, &format!("revocation lag of {}", kind.name()), error),
    };
    for series in &all {
        match lag::run(common, &mut stage, series, watcher) {
            Ok(lag) => run.revocation_lag.push(lag),
            Err(error) => {
                let what = format!("revocation lag of {}, {}", kind.name(), series.words());
                fail(run, &what, error)?;
            }
        }
    }
    let Some(first) = all.first().filter(|first| is_mass(first)) else { return Ok(()) };
    for logouts in plan.masses(kind.name()) {
        watcher.check()?;
        match mass::measure(common, (plan, first), &mut stage, store, logouts) {
            Ok((lag, row)) => {
                run.revocation_lag.push(lag);
                run.spectrum.mass.push(row);
            }
            Err(error) => {
                let what = format!("{logouts} logouts at once of {}", kind.name());
                fail(run, &what, error)?;
            }
        }
        watcher.passed(mass::planned_ms(first, logouts));
    }
    Ok(())
}

/// Lists what could not be measured; an interruption ends the run instead.
fn fail(run: &mut Run, what: &str, error: anyhow::Error) -> anyhow::Result<()> {
    if error.is::<Interrupted>() {
        return Err(error);
    }
    eprintln!("note: {what}: {error:#}");
    run.not_measured.push(NotMeasured {
        what: what.into(),
        reason: format!("{error:#}"),
        remedy: "measure again on a machine that is not busy; if it fails again, the strategy \
                 does not answer as it must"
            .into(),
    });
    Ok(())
}
