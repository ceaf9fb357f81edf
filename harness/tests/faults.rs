//! The fault matrix of every registered strategy, measured: it must be what they declare, and what
//! was struck must be gone afterwards.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use authbench::entropy::OsEntropy;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Fault, Properties, StoreKind};
use authbench::token::key::Keyring;
use authbench_fixture::find_server;
use authbench_harness::load::driver::Mode;
use authbench_harness::measure::block::{Interrupted, Silent, Watcher};
use authbench_harness::measure::contestant::Common;
use authbench_harness::measure::derive::faults::result;
use authbench_harness::measure::spectrum::faults::{FaultSettings, measure, planned_ms};
use authbench_harness::measure::stores::Stores;
use authbench_harness::os::interrupt::Interrupt;
use authbench_harness::os::processes::{descendants, is_gone};
use authbench_harness::plan::{Plan, Profile};
use authbench_harness::record::derived::FaultResult;
use authbench_harness::record::run::FaultSeries;

/// One trial of each, and two of the fault whose trials take turns at two policies.
const fn trials(fault: Fault) -> u32 {
    if matches!(fault, Fault::StoreEvicts) { 2 } else { 1 }
}

fn settings(fault: Fault) -> FaultSettings {
    let program = Some(PathBuf::from(env!("CARGO_BIN_EXE_authbench")));
    FaultSettings { trials: trials(fault), program, ..FaultSettings::default() }
}

/// The first strategy of each kind that differs from those before it in what it declares of faults
/// and logouts; a kept record has them all. No other store is there.
fn kinds() -> Vec<StrategyKind> {
    let mut found: Vec<StrategyKind> = Vec::new();
    for kind in StrategyKind::ALL {
        let p = kind.properties();
        let declares = |p: Properties| (p.faults, p.revoke, p.store, p.redis.cached);
        let is_new = found.iter().all(|other| declares(other.properties()) != declares(p));
        if is_new && matches!(p.store, None | Some(StoreKind::Redis)) {
            found.push(*kind);
        }
    }
    found
}

/// One matrix at a time: the next one's processes are not what this one left behind.
static STAGE: Mutex<()> = Mutex::new(());

/// Measures each of `faults`, and leaves nothing behind.
fn matrix(faults: &[Fault], watcher: &dyn Watcher) -> Option<anyhow::Result<Vec<FaultSeries>>> {
    if find_server().is_none() {
        println!("skipped: no redis-server or valkey-server was found");
        return None;
    }
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = Plan::shipped(Profile::Smoke).unwrap();
    let keys = Keyring::generate(&OsEntropy).unwrap();
    let stores = Stores::default();
    let common = Common {
        plan: &plan,
        seed: 5,
        keys: &keys,
        redis: None,
        stores: &stores,
        mode: Mode::Open,
        server_cpus: Vec::new(),
        mix: None,
        work_kib: 0,
        http2_connections: None,
        sabotage: None,
    };
    let kinds = kinds();
    let each = |fault: &Fault| measure(&common, (*fault, &kinds), &settings(*fault), watcher);
    let found: anyhow::Result<Vec<_>> = faults.iter().map(each).collect();
    let left = descendants(std::process::id()).into_iter().filter(|pid| !is_gone(*pid));
    let left: Vec<u32> = left.collect();
    assert!(left.is_empty(), "processes are left behind: {left:?}");
    Some(found.map(|all| {
        let (found, missing): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        for row in missing.iter().flatten() {
            println!("not measured: {}: {}", row.what, row.reason);
        }
        found.concat()
    }))
}

fn undisturbed(faults: &[Fault]) -> Option<Vec<FaultSeries>> {
    Some(matrix(faults, &Silent(Interrupt::default()))?.unwrap())
}

fn told(row: &FaultResult) -> String {
    format!(
        "{:20} {:13} {:10} seen {:10} {:5} wrong allows {:4}/{:4}, denies {:3}, 503 {:3}/{:4}, \
         refused {}, late {:?}, recovery {:?}",
        row.strategy,
        row.fault,
        row.declared,
        row.observed,
        row.matches,
        row.wrong_allows,
        row.revoked_presented,
        row.wrong_denies,
        row.unavailable,
        row.valid_presented,
        row.revocations_refused,
        row.observed_open_for_ns.map(|ns| ns / 1_000_000),
        row.recovery_max_ns.map(|ns| ns / 1_000_000),
    )
}

fn must_be_as_declared(faults: &[Fault]) {
    let Some(found) = undisturbed(faults) else { return };
    let results: Vec<FaultResult> = found.iter().map(result).collect();
    for (row, series) in results.iter().zip(&found) {
        let lasted_ms: Vec<u64> = series.trials.iter().map(|t| t.fault_ns / 1_000_000).collect();
        println!("{}, lasted {lasted_ms:?} ms, {} disturbed", told(row), series.disturbed);
    }
    let wrong: Vec<String> = results.iter().filter(|row| !row.matches).map(told).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (series, row) in found.iter().zip(&results) {
        assert_eq!(series.trials.len(), 1);
        assert!(row.valid_presented > 0, "{}", told(row));
        let was_shown = row.revoked_presented > 0;
        assert_eq!(was_shown, series.promise_ns.is_some(), "{}", told(row));
        assert!(row.declared != "revives" || row.wrong_allows > 0, "{}", told(row));
    }
}

#[test]
fn a_feed_that_is_cut_or_silent_is_as_declared() {
    must_be_as_declared(&[Fault::FeedCut, Fault::FeedSilent]);
}

#[test]
fn a_store_out_of_reach_is_as_declared() {
    must_be_as_declared(&[Fault::Partition, Fault::StoreDown]);
}

#[test]
fn a_store_that_forgets_is_as_declared_and_a_wrong_declaration_is_reported() {
    let faults = [Fault::StoreLost, Fault::StoreEvicts];
    let Some(found) = undisturbed(&faults) else { return };
    let results: Vec<FaultResult> = found.iter().map(result).collect();
    for (row, series) in results.iter().zip(&found) {
        let lasted_ms: Vec<u64> = series.trials.iter().map(|t| t.fault_ns / 1_000_000).collect();
        println!("{}, lasted {lasted_ms:?} ms, {} disturbed", told(row), series.disturbed);
    }
    let wrong: Vec<String> = results.iter().filter(|row| !row.matches).map(told).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(results.iter().any(|row| row.observed == "revives" && row.wrong_allows > 0));
    // Whatever was seen, any other word for it is refused.
    for series in &found {
        let truth = result(series).observed;
        for lie in ["unaffected", "closed", "open-for", "open", "revives"] {
            let told = result(&FaultSeries { declared: lie.into(), ..series.clone() });
            assert_eq!(told.matches, lie == truth, "{told:?}");
        }
    }
}

#[test]
fn a_restart_and_a_clock_that_is_behind_are_as_declared() {
    must_be_as_declared(&[Fault::NodeRestart, Fault::ClockBehind]);
}

#[test]
fn the_whole_matrix_is_affordable() {
    let twenty = FaultSettings::default();
    let minutes = planned_ms(StrategyKind::ALL, &twenty) / 60_000;
    println!("{} strategies: {minutes} minutes by plan", StrategyKind::ALL.len());
    assert!(minutes < 30, "{minutes} minutes");
}

/// Somebody who loses patience in the middle of the trials.
struct Impatient(Cell<u32>);

impl Watcher for Impatient {
    fn passed(&self, _ms: u64) {}

    fn check(&self) -> Result<(), Interrupted> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > 1 { Err(Interrupted) } else { Ok(()) }
    }
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    let Some(found) = matrix(&[Fault::StoreDown], &Impatient(Cell::new(0))) else { return };
    assert!(found.unwrap_err().is::<Interrupted>());
}
