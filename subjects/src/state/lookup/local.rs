//! Lookups that leave the process nowhere: a sharded map, and SQLite in a file.
//!
//! Both hand the record out by reference and have it compared in place; neither copies or parses.

use std::sync::Arc;

use anyhow::Context as _;
use authbench::store::SessionKey;
use dashmap::DashMap;
use rusqlite::Connection;
use tempfile::TempDir;

use super::record::{self, Record};
use crate::bed::{Bed, CREDENTIALS};
use crate::subject::{Batch, Name, Subject, repeat};

/// `lookup/sharded-map/record=..` and `lookup/sqlite/record=..`.
pub(super) fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    let [small, large @ ..] = Record::SIZES;
    let records: Vec<Record> = [small, Record::TYPICAL].into_iter().chain(large).collect();
    let typical = map_name(Record::TYPICAL);
    for &record in &records {
        let subject = Subject::new(map_name(record), move |bed| in_map(bed, record));
        let is_base = record == Record::TYPICAL;
        subjects.push(if is_base { subject } else { subject.against(&typical) });
    }
    for &record in &records {
        let subject = Subject::new(sqlite_name(record), move |bed| in_sqlite(bed, record));
        let is_base = record == Record::TYPICAL;
        let reference = if is_base { typical.clone() } else { sqlite_name(Record::TYPICAL) };
        subjects.push(subject.against(&reference));
    }
    subjects
}

pub(super) fn map_name(record: Record) -> Name {
    Name::new("lookup", "sharded-map").with("record", record.name)
}

fn sqlite_name(record: Record) -> Name {
    Name::new("lookup", "sqlite").with("record", record.name)
}

fn keys() -> Vec<SessionKey> {
    (0..CREDENTIALS).map(record::key).collect()
}

/// The map that `session-memory` keeps its records in, but for what is in it: bytes.
fn in_map(bed: &Arc<Bed>, record: Record) -> anyhow::Result<Batch> {
    let (keys, records) = (keys(), record.all(bed.now)?);
    let map: DashMap<SessionKey, Box<[u8]>> = DashMap::new();
    for (key, record) in keys.iter().zip(&records) {
        map.insert(*key, record.clone().into());
    }
    anyhow::ensure!(!map.contains_key(&record::key(CREDENTIALS)), "finds what was never filed");
    Ok(repeat(move |n| {
        let i = (n % CREDENTIALS) as usize;
        let found = map.get(&keys[i]).context("a record is gone")?;
        anyhow::ensure!(**found == *records[i], "another record");
        Ok(())
    }))
}

/// SQLite in write-ahead mode, its usual choice for a server. The table is its own index
/// (`WITHOUT ROWID`), so a lookup walks one tree; a row of more than about a quarter of a page,
/// here 1 KiB, is continued on pages of its own.
fn in_sqlite(bed: &Arc<Bed>, record: Record) -> anyhow::Result<Batch> {
    let (keys, records) = (keys(), record.all(bed.now)?);
    let folder = tempfile::Builder::new().prefix("authbench-sqlite-").tempdir()?;
    let table = Table { connection: open(&folder, &keys, &records)?, _folder: folder };
    let never_filed = table.holds(&record::key(CREDENTIALS), &[]);
    let is_missing = matches!(never_filed, Err(rusqlite::Error::QueryReturnedNoRows));
    anyhow::ensure!(is_missing, "finds what was never filed");
    Ok(repeat(move |n| {
        let i = (n % CREDENTIALS) as usize;
        anyhow::ensure!(table.holds(&keys[i], &records[i])?, "another record");
        Ok(())
    }))
}

/// The connection closes before the folder goes.
struct Table {
    connection: Connection,
    _folder: TempDir,
}

impl Table {
    /// Whether `expected` is filed under `key`: one prepared statement, a transaction of its own.
    fn holds(&self, key: &SessionKey, expected: &[u8]) -> rusqlite::Result<bool> {
        let mut select =
            self.connection.prepare_cached("SELECT record FROM sessions WHERE key = ?1")?;
        select.query_row([&key.as_bytes()[..]], |row| Ok(row.get_ref(0)?.as_blob()? == expected))
    }
}

fn open(folder: &TempDir, keys: &[SessionKey], records: &[Vec<u8>]) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(folder.path().join("sessions"))?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    anyhow::ensure!(mode == "wal", "SQLite keeps its journal as `{mode}`");
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL;
         CREATE TABLE sessions (key BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;",
    )?;
    let transaction = connection.transaction()?;
    for (key, record) in keys.iter().zip(records) {
        let insert = "INSERT INTO sessions (key, record) VALUES (?1, ?2)";
        transaction.execute(insert, (&key.as_bytes()[..], record))?;
    }
    transaction.commit()?;
    Ok(connection)
}
