//! Sessions in PostgreSQL, over one connection on which requests are pipelined.
//!
//! A login and a logout are on the disk when they are acknowledged (`synchronous_commit` as the
//! server has it, which is on). One connection is one server process there, as one multiplexed
//! connection is all that the Redis strategies have.
//!
//! Deliberately absent: TLS, read replicas (they lag, and a logout must not), a second try of what
//! failed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

use super::{SessionKey, SessionRecord, SessionStore};
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::strategy::contract::{
    Deps, FaultOutcome, Faults, RedisCommands, Revocation, Scope, StoreKind,
};

/// An answer later than this is an outage, as with Redis. Opening a lost connection anew counts.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(250);
/// Connecting for the first time, and making the table, may take this long.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// What was sent and is not acknowledged by the other machine for this long ends the connection:
/// else one that leads nowhere is kept for a quarter of an hour. Linux only.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(10);

/// Two nodes that start at once must not both make the table: `IF NOT EXISTS` alone lets both look
/// before either has made it, and one fails. The number is any that nobody else takes.
const SCHEMA: &str = "
BEGIN;
SELECT pg_advisory_xact_lock(4703114208);
CREATE TABLE IF NOT EXISTS sessions (
    key bytea PRIMARY KEY,
    subject bigint NOT NULL,
    expires_at bigint NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_of ON sessions (subject);
CREATE INDEX IF NOT EXISTS sessions_by_end ON sessions (expires_at);
COMMIT";

const CREATE: &str = "INSERT INTO sessions (key, subject, expires_at, record) \
                      VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING";
const LOAD: &str = "SELECT record FROM sessions WHERE key = $1";
const TOUCH: &str = "UPDATE sessions SET expires_at = $2, record = $3 WHERE key = $1";
const DELETE: &str = "DELETE FROM sessions WHERE key = $1";
const DELETE_ALL: &str = "DELETE FROM sessions WHERE subject = $1";
const COUNT: &str = "SELECT count(*) FROM sessions WHERE subject = $1 AND expires_at > $2";
const SWEEP: &str = "DELETE FROM sessions WHERE expires_at <= $1";

/// A live connection, and what was prepared on it.
struct Link {
    client: Client,
    create: Statement,
    load: Statement,
    touch: Statement,
    delete: Statement,
    delete_all: Statement,
    count: Statement,
    sweep: Statement,
}

impl Link {
    async fn open(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        // It ends with the client, or with an error, and then every request says so.
        tokio::spawn(connection);
        Ok(Self {
            create: client.prepare(CREATE).await?,
            load: client.prepare(LOAD).await?,
            touch: client.prepare(TOUCH).await?,
            delete: client.prepare(DELETE).await?,
            delete_all: client.prepare(DELETE_ALL).await?,
            count: client.prepare(COUNT).await?,
            sweep: client.prepare(SWEEP).await?,
            client,
        })
    }
}

/// What the server said, not only that it said something.
fn outage(error: tokio_postgres::Error) -> Outage {
    match error.as_db_error() {
        Some(said) => Outage::new(format!("PostgreSQL: {}", said.message())),
        None => Outage::new(error),
    }
}

/// Waits no longer than `limit`.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Outage>>,
) -> Result<T, Outage> {
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(Outage::new(format!("no answer within {} ms", limit.as_millis()))))
}

/// Where the server is, for messages: never with a password.
fn address_of(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".into(),
    };
    format!("{host}:{}", config.get_ports().first().unwrap_or(&5_432))
}

/// The connection, and how to open it anew.
struct Database {
    config: Config,
    link: Mutex<Option<Arc<Link>>>,
    /// Held by whoever opens it, so that a thousand requests open one.
    opening: tokio::sync::Mutex<()>,
}

impl Database {
    /// The link, if it is not known to be dead.
    fn live(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| !link.client.is_closed()).map(Arc::clone)
    }

    /// The link. One that is gone is opened anew: the request that finds it broken has failed, the
    /// next one tries.
    async fn link(&self) -> Result<Arc<Link>, Outage> {
        if let Some(link) = self.live() {
            return Ok(link);
        }
        let _opening = self.opening.lock().await;
        if let Some(link) = self.live() {
            return Ok(link);
        }
        let link = Arc::new(Link::open(&self.config).await.map_err(outage)?);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Executes one statement: how many rows it changed.
    async fn change(
        &self,
        statement: impl Fn(&Link) -> &Statement + Send,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Outage> {
        within(RESPONSE_TIMEOUT, async {
            let link = self.link().await?;
            link.client.execute(statement(&link), values).await.map_err(outage)
        })
        .await
    }

    /// Executes one statement: the row it found.
    async fn find(
        &self,
        statement: impl Fn(&Link) -> &Statement + Send,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Outage> {
        within(RESPONSE_TIMEOUT, async {
            let link = self.link().await?;
            link.client.query_opt(statement(&link), values).await.map_err(outage)
        })
        .await
    }
}

/// Sessions in PostgreSQL.
#[derive(Clone)]
pub struct PostgresSessions {
    database: Arc<Database>,
}

impl fmt::Debug for PostgresSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSessions({})", address_of(&self.database.config))
    }
}

/// A subject as PostgreSQL's 64-bit integer, which has a sign: the same bits.
const fn whose(subject: SubjectId) -> i64 {
    subject.0.cast_signed()
}

/// A time as PostgreSQL's 64-bit integer; one past its end is its end.
fn when(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

impl PostgresSessions {
    /// Connects to `url` (`postgres://user@host:port/database`), and makes the table where there
    /// is none.
    ///
    /// # Errors
    /// A URL that cannot be read, a refusal, a timeout. The text names the address and never the
    /// password.
    pub async fn connect(url: &str) -> Result<Self, Outage> {
        // The parser's own words could repeat the URL, and with it the password.
        let mut config: Config = url.parse().map_err(|_| {
            Outage::new(
                "the PostgreSQL URL cannot be read; it looks like \
                 postgres://user@127.0.0.1:5432/database, and special characters in a password \
                 are percent-encoded",
            )
        })?;
        config.application_name("authbench").tcp_user_timeout(UNACKNOWLEDGED_LIMIT);
        let address = address_of(&config);
        let (link, opening) = (Mutex::default(), tokio::sync::Mutex::default());
        let database = Database { config, link, opening };
        let ready = within(OPEN_TIMEOUT, async {
            let (client, connection) = database.config.connect(NoTls).await.map_err(outage)?;
            tokio::spawn(connection);
            client.batch_execute(SCHEMA).await.map_err(outage)?;
            database.link().await
        });
        match ready.await {
            Ok(_) => Ok(Self { database: Arc::new(database) }),
            Err(why) => Err(Outage::new(format!("PostgreSQL at {address}: {}", why.cause()))),
        }
    }
}

impl SessionStore for PostgresSessions {
    const SCOPE: Scope = Scope::Shared;
    const KIND: Option<StoreKind> = Some(StoreKind::Postgres);
    const REVOKE: Revocation = Revocation::Immediate;
    /// What it has acknowledged is on the disk. Killed and started again it has forgotten nothing:
    /// refused is who asks while it is away, and "lost" is here what "down" is. It has no memory
    /// limit at which it drops rows.
    const FAULTS: Faults = Faults { store_evicts: FaultOutcome::Unaffected, ..Faults::ALLOW_LIST };
    const REDIS: RedisCommands = RedisCommands::NONE;

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        let url = deps.postgres_url.as_deref().ok_or_else(|| {
            BuildError::Config(
                "this strategy keeps its state in PostgreSQL, and no PostgreSQL URL was given"
                    .into(),
            )
        })?;
        Ok(Self::connect(url).await?)
    }

    async fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        _now: UnixTime,
    ) -> Result<bool, Outage> {
        let (key, json) = (&key.as_bytes()[..], record.to_json()?);
        let (subject, end) = (whose(record.subject), when(record.expires_at()));
        Ok(self.database.change(|link| &link.create, &[&key, &subject, &end, &json]).await? == 1)
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        let key = &key.as_bytes()[..];
        let found = self.database.find(|link| &link.load, &[&key]).await?;
        let Some(row) = found else { return Ok(None) };
        SessionRecord::from_json(row.try_get(0).map_err(outage)?).map(Some)
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        _now: UnixTime,
    ) -> Result<bool, Outage> {
        let (key, json) = (&key.as_bytes()[..], record.to_json()?);
        let end = when(record.expires_at());
        Ok(self.database.change(|link| &link.touch, &[&key, &end, &json]).await? == 1)
    }

    async fn delete(&self, key: &SessionKey, _subject: SubjectId) -> Result<(), Outage> {
        let key = &key.as_bytes()[..];
        self.database.change(|link| &link.delete, &[&key]).await.map(drop)
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        // A login that comes meanwhile is not seen by the statement: it was issued after.
        self.database.change(|link| &link.delete_all, &[&whose(subject)]).await.map(drop)
    }

    async fn count(&self, subject: SubjectId, now: UnixTime) -> Result<u64, Outage> {
        let found = self.database.find(|link| &link.count, &[&whose(subject), &when(now)]).await?;
        let counted: i64 = match found {
            Some(row) => row.try_get(0).map_err(outage)?,
            None => 0,
        };
        Ok(counted.unsigned_abs())
    }

    fn sweep(&self, now: UnixTime) {
        // Nobody waits for it, and what it cannot drop now it drops next time.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let database = Arc::clone(&self.database);
            let until = when(now);
            drop(runtime.spawn(async move {
                let _ = database.change(|link| &link.sweep, &[&until]).await;
            }));
        }
    }
}
