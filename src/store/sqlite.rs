//! Sessions in a SQLite file that the server processes of one machine share.
//!
//! Called where the request is: finding a key in a B-tree that is in memory takes 5 to 20
//! microseconds, and handing it to another thread and back takes longer. A write waits for the
//! operating system to take it, not for the disk (write-ahead log, `synchronous = NORMAL`): when
//! the machine loses power the last logins and logouts can be lost with it, and the file is whole.
//!
//! Deliberately absent: more than one machine. SQLite's locks do not reach across a network.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _};

use super::{SessionKey, SessionRecord, SessionStore};
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::strategy::contract::{Deps, Faults, RedisCommands, Revocation, Scope, StoreKind};

/// For how long another process's write is waited for: as long as for an answer of Redis.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// How often a file is tried that another process is just turning to a write-ahead log. SQLite
/// answers "busy" to that at once, whatever the time limit.
const OPEN_TRIES: u32 = 50;
/// How long each of these tries waits for the next.
const OPEN_PAUSE: Duration = Duration::from_millis(10);
/// Expired sessions that are dropped at once, so that no request waits long for the others.
const SWEEP_PART: i64 = 500;

/// `WITHOUT ROWID`: the record stands in the tree of the keys, so that finding it is one descent.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sessions (
    key BLOB PRIMARY KEY,
    subject INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    record BLOB NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS sessions_of ON sessions (subject);
CREATE INDEX IF NOT EXISTS sessions_by_end ON sessions (expires_at);";

const CREATE: &str = "INSERT INTO sessions (key, subject, expires_at, record) \
                      VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING";
const LOAD: &str = "SELECT record FROM sessions WHERE key = ?1";
const TOUCH: &str = "UPDATE sessions SET expires_at = ?2, record = ?3 WHERE key = ?1";
const DELETE: &str = "DELETE FROM sessions WHERE key = ?1";
const DELETE_ALL: &str = "DELETE FROM sessions WHERE subject = ?1";
const COUNT: &str = "SELECT count(*) FROM sessions WHERE subject = ?1 AND expires_at > ?2";
const SWEEP: &str = "DELETE FROM sessions WHERE key IN \
                     (SELECT key FROM sessions WHERE expires_at <= ?1 LIMIT ?2)";

/// Sessions in a SQLite file.
pub struct SqliteSessions {
    /// Never waits for a writer: a reader of a write-ahead log sees what was there before.
    reader: Mutex<Connection>,
    writer: Mutex<Connection>,
}

impl fmt::Debug for SqliteSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteSessions(..)")
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A statement that panicked has been rolled back.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection with every setting explicit.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidPath(file.to_owned()));
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn connect_patiently(file: &Path) -> Result<Connection, Outage> {
    for _ in 1..OPEN_TRIES {
        match connect(file) {
            Err(error) if is_busy(&error) => std::thread::sleep(OPEN_PAUSE),
            other => return other.map_err(|e| no_use(file, &e)),
        }
    }
    connect(file).map_err(|e| no_use(file, &e))
}

fn no_use(file: &Path, error: &rusqlite::Error) -> Outage {
    Outage::new(format!("the SQLite file {}: {error}", file.display()))
}

/// A subject as SQLite's one kind of integer, which has a sign: the same bits.
const fn whose(subject: SubjectId) -> i64 {
    subject.0.cast_signed()
}

/// A time as SQLite's one kind of integer; one past its end is its end.
fn when(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

impl SqliteSessions {
    /// Executes one statement that changes something: how many rows.
    fn change(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, Outage> {
        let writer = lock(&self.writer);
        let mut statement = writer.prepare_cached(sql).map_err(Outage::new)?;
        statement.execute(values).map_err(Outage::new)
    }
}

impl SessionStore for SqliteSessions {
    const SCOPE: Scope = Scope::Host;
    const KIND: Option<StoreKind> = Some(StoreKind::Sqlite);
    const REVOKE: Revocation = Revocation::Immediate;
    /// No server that stops, no network that parts, and the file outlives the process.
    const FAULTS: Faults = Faults::NONE;
    const REDIS: RedisCommands = RedisCommands::NONE;

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        let file = deps.sqlite_file.as_deref().ok_or_else(|| {
            BuildError::Config(
                "this strategy keeps its state in a SQLite file, and no file was named".into(),
            )
        })?;
        let writer = Mutex::new(connect_patiently(file)?);
        Ok(Self { reader: Mutex::new(connect_patiently(file)?), writer })
    }

    async fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        _now: UnixTime,
    ) -> Result<bool, Outage> {
        let row =
            (key.as_bytes(), whose(record.subject), when(record.expires_at()), record.to_json()?);
        Ok(self.change(CREATE, row)? == 1)
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        let reader = lock(&self.reader);
        let mut statement = reader.prepare_cached(LOAD).map_err(Outage::new)?;
        let mut rows = statement.query([key.as_bytes()]).map_err(Outage::new)?;
        let Some(row) = rows.next().map_err(Outage::new)? else { return Ok(None) };
        let json = row.get_ref(0).map_err(Outage::new)?.as_blob().map_err(Outage::new)?;
        SessionRecord::from_json(json).map(Some)
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        _now: UnixTime,
    ) -> Result<bool, Outage> {
        let row = (key.as_bytes(), when(record.expires_at()), record.to_json()?);
        Ok(self.change(TOUCH, row)? == 1)
    }

    async fn delete(&self, key: &SessionKey, _subject: SubjectId) -> Result<(), Outage> {
        self.change(DELETE, [key.as_bytes()]).map(drop)
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        self.change(DELETE_ALL, [whose(subject)]).map(drop)
    }

    async fn count(&self, subject: SubjectId, now: UnixTime) -> Result<u64, Outage> {
        let reader = lock(&self.reader);
        let mut statement = reader.prepare_cached(COUNT).map_err(Outage::new)?;
        let counted: Option<i64> = statement
            .query_row((whose(subject), when(now)), |row| row.get(0))
            .optional()
            .map_err(Outage::new)?;
        Ok(counted.unwrap_or(0).unsigned_abs())
    }

    fn sweep(&self, now: UnixTime) {
        // What cannot be dropped now is dropped next time: nobody is let in by it.
        while self.change(SWEEP, (when(now), SWEEP_PART)).is_ok_and(|dropped| dropped > 0) {}
    }
}
