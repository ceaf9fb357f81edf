//! What a credential weighs on the node: the growth of a server process that has met many.
//!
//! Entries in Redis are weighed elsewhere, to the byte. A process's resident memory moves in pages
//! and its allocator keeps some in reserve, so this is good to about ten bytes an entry, and the
//! strategies that keep nothing show how good.

use std::time::Duration;

use anyhow::Context as _;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Granularity, Uses};

use super::stage::Stage;
use crate::load::driver::Driver;
use crate::load::exchange::{Exchange, Expect};
use crate::load::wallet::{Account, call_all, log_in};
use crate::measure::contestant::{Common, fresh_subjects};
use crate::os::processes::resident_bytes;
use crate::record::run::{NodeMemoryRow, NotMeasured};

/// Entries met before the first reading, so that the first growth of buffers and tables is over.
const BEFORE: u32 = 2_000;
/// Entries that one call of the driver handles.
const BATCH: usize = 2_000;
/// What a feed or a poll brings is on the node after this long.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Milliseconds that weighing `entries` of every kind takes by plan: three requests each.
#[must_use]
pub fn planned_ms(kinds: usize, entries: u32) -> u64 {
    kinds as u64 * (2_000 + u64::from(entries + BEFORE) * 3 / 5)
}

/// Why no node can be weighed here, if none can.
#[must_use]
pub fn impossible() -> Option<NotMeasured> {
    resident_bytes(std::process::id()).is_none().then(|| NotMeasured {
        what: "memory on the nodes".into(),
        reason: "the resident memory of another process cannot be read here".into(),
        remedy: "measure on Linux".into(),
    })
}

/// Weighs `entries` credentials of `kind`, logged in and used once each; and as many revocations,
/// where there is something to take back by. Nothing where a credential is good once only.
///
/// # Errors
/// When a server or a request fails.
pub fn measure(
    common: &Common<'_>,
    kind: StrategyKind,
    entries: u32,
) -> anyhow::Result<Vec<NodeMemoryRow>> {
    if kind.properties().uses == Uses::Once {
        return Ok(Vec::new());
    }
    let Stage { servers, mut driver, accounts, .. } =
        Stage::open(common, kind, &common.plan.settings, 1)?;
    let (pid, account) = (servers[0].pid(), accounts[0]);
    let resident = || resident_bytes(pid).context("the server's memory cannot be read");

    let warm = meet(common, &mut driver, account, kind, BEFORE)?;
    let takes_back = takes_back(kind);
    if takes_back {
        revoke(&mut driver, account, &warm)?;
    }
    let row = |entry: &str, before: u64, after: u64| NodeMemoryRow {
        strategy: kind.name().into(),
        entry: entry.into(),
        entries,
        resident_before_bytes: before,
        resident_after_bytes: after,
    };
    let before = resident()?;
    let credentials = meet(common, &mut driver, account, kind, entries)?;
    let met = resident()?;
    let mut rows = vec![row("credential", before, met)];
    if takes_back {
        revoke(&mut driver, account, &credentials)?;
        std::thread::sleep(SETTLE);
        rows.push(row("revocation", met, resident()?));
    }
    Ok(rows)
}

/// Whether a logout leaves something behind: an entry on a list of what is not good.
fn takes_back(kind: StrategyKind) -> bool {
    let properties = kind.properties();
    properties.family == Family::TokenWithState && properties.granularity != Granularity::Nothing
}

/// Logs in `count` subjects and presents each credential once.
fn meet(
    common: &Common<'_>,
    driver: &mut Driver,
    account: Account,
    kind: StrategyKind,
    count: u32,
) -> anyhow::Result<Vec<String>> {
    let purpose = format!("memory of {}", kind.name());
    let subjects = fresh_subjects(common, &purpose, u64::from(count), count);
    let mut credentials = Vec::with_capacity(subjects.len());
    for some in subjects.chunks(BATCH) {
        let (own, _) = log_in(driver, account, some)?;
        call(driver, account, "GET", "/me", &own)?;
        credentials.extend(own);
    }
    Ok(credentials)
}

fn revoke(driver: &mut Driver, account: Account, credentials: &[String]) -> anyhow::Result<()> {
    credentials.chunks(BATCH).try_for_each(|some| call(driver, account, "POST", "/logout", some))
}

fn call(
    driver: &mut Driver,
    account: Account,
    method: &str,
    path: &str,
    credentials: &[String],
) -> anyhow::Result<()> {
    let exchange = |c: &String| account.exchange(method, path, c, Expect::Status(200));
    let exchanges: Vec<Exchange> = credentials.iter().map(exchange).collect();
    let (rows, _) = call_all(driver, account.target, &exchanges)?;
    let failed = rows.iter().find(|row| row.status != 200);
    failed.map_or(Ok(()), |row| {
        anyhow::bail!("{method} {path} was answered with status {}", row.status)
    })
}
