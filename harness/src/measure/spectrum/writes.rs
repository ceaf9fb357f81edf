//! What sliding expiry writes: sessions that are used at several paces, and what Redis counts.

use anyhow::ensure;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Renewal, Uses};

use super::stage::Stage;
use crate::load::driver::Mode;
use crate::load::exchange::Op;
use crate::load::outcome::Outcome;
use crate::load::wallet;
use crate::measure::block::Watcher;
use crate::measure::contestant::{Common, fresh_subjects};
use crate::measure::store::Store;
use crate::record::run::WriteRow;

/// The idle time-out here, seconds: short, so that a run sees sessions through it.
const IDLE_S: u64 = 10;
/// Sessions in use.
const SESSIONS: u32 = 100;
/// Requests of each session within the idle time-out: a reader, a page with its parts, a machine.
const PACES: [u32; 3] = [4, 40, 400];

/// The strategies whose sessions live on by being used, in Redis.
#[must_use]
pub fn subjects_of(kinds: &[StrategyKind]) -> Vec<StrategyKind> {
    let slides = |kind: &&StrategyKind| {
        let properties = kind.properties();
        matches!(properties.renewal, Renewal::Sliding | Renewal::SlidingInStore)
            && properties.needs_redis()
            && properties.uses == Uses::Many
    };
    kinds.iter().filter(slides).copied().collect()
}

/// Milliseconds that it takes by plan.
#[must_use]
pub fn planned_ms(kinds: &[StrategyKind]) -> u64 {
    subjects_of(kinds).len() as u64 * PACES.len() as u64 * (IDLE_S * 1_000 + 500)
}

/// Uses sessions of `kind`, which slides, at each pace for one idle time-out.
///
/// # Errors
/// When a server, Redis or a request fails, or on an interruption.
pub fn measure(
    common: &Common<'_>,
    store: &mut Store,
    kind: StrategyKind,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<WriteRow>> {
    let mut rows = Vec::new();
    for pace in PACES {
        watcher.check()?;
        rows.push(use_sessions(common, store, kind, pace)?);
        watcher.passed(IDLE_S * 1_000 + 500);
    }
    Ok(rows)
}

fn use_sessions(
    common: &Common<'_>,
    store: &mut Store,
    kind: StrategyKind,
    pace: u32,
) -> anyhow::Result<WriteRow> {
    let mut settings = common.plan.settings.clone();
    settings.session_idle_s = IDLE_S;
    let mut stage = Stage::open(common, kind, &settings, 1)?;
    let account = stage.accounts[0];
    let purpose = format!("writes of {}", kind.name());
    let subjects = fresh_subjects(common, &purpose, pace.into(), SESSIONS);
    let wallet = wallet::fill(&mut stage.driver, account, &subjects)?;

    let ops = schedule(account.target, pace);
    let (counted, changed) = (store.counters()?, store.changes()?);
    let (server_before, store_before) = (stage.server_cpu_ns(1)?, store.cpu().read_settled()?.ns);
    let executed = stage.driver.execute(&ops, &wallet.exchanges, Mode::Open, false)?;
    let (server_after, store_after) = (stage.server_cpu_ns(1)?, store.cpu().read_settled()?.ns);
    let (changed_after, counted_after) = (store.changes()?, store.counters()?);
    let admitted = executed.rows.iter().filter(|row| row.outcome == Outcome::Expected).count();
    ensure!(admitted == ops.len(), "{} of {} requests failed", ops.len() - admitted, ops.len());
    Ok(WriteRow {
        strategy: kind.name().into(),
        sessions: SESSIONS,
        requests_per_idle: pace,
        requests: admitted as u64,
        redis_commands: counted_after.commands - counted.commands,
        redis_writes: changed_after - changed,
        server_cpu_ns: server_after.saturating_sub(server_before),
        store_cpu_ns: Some(store_after.saturating_sub(store_before)),
    })
}

/// Every session at equal intervals, one after another, for one idle time-out.
fn schedule(target: u32, pace: u32) -> Vec<Op> {
    let each_ns = IDLE_S * 1_000_000_000 / u64::from(pace);
    let apart_ns = each_ns / u64::from(SESSIONS);
    let turns = (0..u64::from(pace)).flat_map(|turn| (0..SESSIONS).map(move |s| (turn, s)));
    turns
        .map(|(turn, exchange)| Op {
            at_ns: turn * each_ns + u64::from(exchange) * apart_ns,
            target,
            exchange,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_is_used_at_its_pace_in_order_of_time() {
        for pace in PACES {
            let ops = schedule(0, pace);
            assert_eq!(ops.len(), (pace * SESSIONS) as usize);
            assert!(ops.is_sorted_by_key(|op| op.at_ns));
            assert!(ops.iter().all(|op| op.at_ns < IDLE_S * 1_000_000_000));
            let of_one = ops.iter().filter(|op| op.exchange == 7).count();
            assert_eq!(of_one, pace as usize);
        }
    }
}
