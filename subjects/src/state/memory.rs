//! What an entry weighs in Redis, measured by filing many.
//!
//! Each row is of a fresh server that nobody else uses. It has served one entry before it is read
//! the first time, so that scripts are loaded; whoever filed has hung up before it is read again,
//! so that no buffer counts; and growing hash tables have been walked to the end, so that no table
//! is there twice. What remains beside the entries is the size of the tables, a power of two.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench::identity::UnixTime;
use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Visitor};
use authbench_fixture::PrivateRedis;
use redis::Connection;
use tokio::runtime::Builder;

use super::entry::{self, Entry};
use crate::bed::Bed;

/// Entries that are filed, by row of a strategy.
pub const ENTRIES: [u64; 3] = [1_000, 10_000, 100_000];

/// Keys whose `MEMORY USAGE` is asked, at least, where there are so many.
const ASKED: usize = 1_000;

/// After this long whoever filed should have hung up.
const HANG_UP_LIMIT: Duration = Duration::from_secs(5);

/// What entries of one kind weigh.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The strategy that filed them.
    pub strategy: StrategyKind,
    /// `session`, `deny-list-entry`, `version`.
    pub entry: &'static str,
    /// Entries filed.
    pub entries: u64,
    /// Redis' `used_memory` before, bytes.
    pub used_before_bytes: u64,
    /// Redis' `used_memory` after, bytes.
    pub used_after_bytes: u64,
    /// Keys in the database after, those before taken off.
    pub keys: u64,
    /// `MEMORY USAGE` of one entry's keys together, bytes: the median of those asked, by kind of
    /// key. Without the tables the keys stand in.
    pub usage_bytes: u64,
}

impl Row {
    /// What an entry weighs, its part of the tables included, bytes.
    #[must_use]
    pub fn bytes_per_entry(&self) -> f64 {
        let grown = self.used_after_bytes.saturating_sub(self.used_before_bytes);
        grown as f64 / self.entries as f64
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:16} {:16} {:>9} entries {:>9} keys {:>8.1} bytes/entry {:>6} by MEMORY USAGE",
            self.strategy.name(),
            self.entry,
            self.entries,
            self.keys,
            self.bytes_per_entry(),
            self.usage_bytes
        )
    }
}

/// Every strategy that keeps something in Redis, at each number of [`ENTRIES`].
///
/// # Errors
/// When there is no server to start, or it does not answer.
pub fn rows(bed: &Arc<Bed>) -> anyhow::Result<Vec<Row>> {
    rows_of(bed, &ENTRIES)
}

/// The same at other numbers.
///
/// # Errors
/// As [`rows`].
pub fn rows_of(bed: &Arc<Bed>, entries: &[u64]) -> anyhow::Result<Vec<Row>> {
    let kinds: Vec<StrategyKind> = super::stateful().collect();
    rows_of_kinds(bed, &kinds, entries, 0)
}

/// The same of `kinds`, one strategy for each sort of key it leaves behind: two that keep the same
/// would be weighed twice. `most`, where not 0, are filed of the first of each entry besides.
///
/// # Errors
/// As [`rows`].
pub fn rows_of_kinds(
    bed: &Arc<Bed>,
    kinds: &[StrategyKind],
    entries: &[u64],
    most: u64,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut seen: BTreeSet<(&str, Vec<Vec<u8>>)> = BTreeSet::new();
    let mut entries_seen: BTreeSet<&str> = BTreeSet::new();
    for &kind in kinds {
        let Some(entry) = Entry::of(kind) else { continue };
        if !seen.insert((entry.name(), sorts_of_keys(bed, kind)?)) {
            continue;
        }
        let more = (most > 0 && entries_seen.insert(entry.name())).then_some(most);
        for count in entries.iter().copied().chain(more) {
            rows.push(row(bed, kind, entry, count)?);
        }
    }
    Ok(rows)
}

/// What stands before the colon in the names of the keys that one entry leaves behind.
fn sorts_of_keys(bed: &Bed, kind: StrategyKind) -> anyhow::Result<Vec<Vec<u8>>> {
    let server = PrivateRedis::start()?;
    file(bed, &server, kind, 1)?;
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connect(&server)?)?;
    let sort = |key: Vec<u8>| key.split(|b| *b == b':').next().unwrap_or_default().to_vec();
    let mut sorts: Vec<Vec<u8>> = keys.into_iter().map(sort).collect();
    sorts.sort();
    sorts.dedup();
    Ok(sorts)
}

fn row(bed: &Bed, kind: StrategyKind, entry: Entry, count: u64) -> anyhow::Result<Row> {
    let server = PrivateRedis::start()?;
    file(bed, &server, kind, 1)?;
    let (used_before_bytes, keys_before) = (used_memory(&server)?, keys(&server)?);
    file(bed, &server, kind, count)?;
    let keys = keys(&server)? - keys_before;
    walk_tables(&server, keys)?;
    let used_after_bytes = used_memory(&server)?;
    let usage_bytes = usage(&server, count)?;
    Ok(Row {
        strategy: kind,
        entry: entry.name(),
        entries: count,
        used_before_bytes,
        used_after_bytes,
        keys,
        usage_bytes,
    })
}

/// Files entries over a connection of their own, which ends with its runtime.
fn file(bed: &Bed, server: &PrivateRedis, kind: StrategyKind, count: u64) -> anyhow::Result<()> {
    let mut deps = bed.deps(crate::strategies::scheme_of(kind))?;
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let settings = RedisSettings { response_timeout_ms: 10_000, ..RedisSettings::default() };
        deps.redis = Some(RedisHandle::connect(&server.url(), settings).await?);
        kind.visit(FileMany { deps, count, now: bed.now }).await
    })
}

struct FileMany {
    deps: Deps,
    count: u64,
    now: UnixTime,
}

impl Visitor for FileMany {
    type Output = anyhow::Result<()>;

    async fn visit<S: AuthStrategy>(self, _: StrategyKind) -> anyhow::Result<()> {
        let strategy = S::build(&self.deps).await?;
        entry::file(&strategy, self.count, self.now).await
    }
}

fn connect(server: &PrivateRedis) -> anyhow::Result<Connection> {
    Ok(redis::Client::open(server.url())?.get_connection()?)
}

/// A number of `INFO`.
fn info(connection: &mut Connection, section: &str, name: &str) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg(section).query(connection)?;
    let mut lines = info.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("INFO {section} has no {name}"))?.trim().parse()?)
}

/// Read by the only client there is.
fn used_memory(server: &PrivateRedis) -> anyhow::Result<u64> {
    let mut connection = connect(server)?;
    let deadline = Instant::now() + HANG_UP_LIMIT;
    while info(&mut connection, "clients", "connected_clients")? > 1 {
        anyhow::ensure!(Instant::now() < deadline, "a client of a private Redis does not hang up");
        std::thread::sleep(Duration::from_millis(5));
    }
    info(&mut connection, "memory", "used_memory")
}

fn keys(server: &PrivateRedis) -> anyhow::Result<u64> {
    Ok(redis::cmd("DBSIZE").query(&mut connect(server)?)?)
}

/// Redis moves a growing table on by one bucket with each lookup in it. A table that `keys` keys
/// outgrew has fewer buckets than that.
fn walk_tables(server: &PrivateRedis, keys: u64) -> anyhow::Result<()> {
    let mut connection = connect(server)?;
    let key: Vec<u8> = redis::cmd("RANDOMKEY").query(&mut connection)?;
    let mut lookups = redis::pipe();
    for _ in 0..1_000 {
        lookups.cmd("EXISTS").arg(&key);
    }
    for _ in 0..=keys / 1_000 {
        lookups.exec(&mut connection)?;
    }
    Ok(())
}

/// An entry has one key of every kind there is, and the kind is what stands before the colon; of a
/// kind with far fewer keys than entries it has its part.
fn usage(server: &PrivateRedis, entries: u64) -> anyhow::Result<u64> {
    let mut connection = connect(server)?;
    let mut kinds: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
    let (mut cursor, mut asked) = (0_u64, 0);
    loop {
        let scan: (u64, Vec<Vec<u8>>) =
            redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(ASKED).query(&mut connection)?;
        for key in scan.1 {
            let bytes: u64 = redis::cmd("MEMORY")
                .arg("USAGE")
                .arg(&key)
                .arg("SAMPLES")
                .arg(0)
                .query(&mut connection)?;
            let kind = key.split(|byte| *byte == b':').next().unwrap_or(&key).to_vec();
            kinds.entry(kind).or_default().push(bytes);
            asked += 1;
        }
        cursor = scan.0;
        if cursor == 0 || asked >= ASKED {
            break;
        }
    }
    // With all keys seen, those of one kind are as many as the entries, or shared by them.
    let expected = if cursor == 0 { entries } else { entries.min(asked as u64) };
    let of_one = |bytes: Vec<u64>| {
        let is_shared = (bytes.len() as u64) * 10 < expected;
        if is_shared { bytes.iter().sum::<u64>() / entries } else { median(bytes) }
    };
    Ok(kinds.into_values().map(of_one).sum())
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many that the bits of a filter, which its first entry may have laid out already, are
    /// little of what an entry is told.
    const FILED: u64 = 2_000;

    #[test]
    fn entries_weigh_more_than_nothing_and_a_session_has_two_keys() {
        let bed = Bed::without_redis().unwrap();
        let rows = match rows_of(&bed, &[FILED]) {
            Ok(rows) => rows,
            Err(why) => {
                println!("skipped: memory in Redis: {why:#}");
                return;
            }
        };
        for row in &rows {
            assert!(row.bytes_per_entry() > 30.0 && row.usage_bytes > 30, "{row}");
            // Of what all entries share, an entry is told its part.
            assert!((row.usage_bytes as f64) < 2.0 * row.bytes_per_entry(), "{row}");
        }
        // Two lists are one key with all entries in it.
        let (shared, own): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.keys == 0);
        assert_eq!((own.len(), shared.len()), (5, 2));
        for row in own {
            let per_entry = if row.entry == "session" { 2 } else { 1 };
            assert_eq!(row.keys, FILED * per_entry, "{row}");
        }
    }
}
