//! The stage for the conformance suite: keys, a clock, and a store of the check's own.

use std::cell::RefCell;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use authbench::clock::ManualClock;
use authbench::conformance::{StoreServer, World};
use authbench::entropy::OsEntropy;
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench::strategy::contract::{Deps, StoreKind};
use authbench::token::key::Keyring;
use authbench_fixture::{FixtureError, PrivatePostgres, PrivateRedis, find_postgres, find_server};
use tempfile::TempDir;

/// RSA keys take a while to find, so one ring serves all checks. None of them changes it.
static KEYS: LazyLock<Arc<Keyring>> =
    LazyLock::new(|| Arc::new(Keyring::generate(&OsEntropy).expect("the generator works")));

/// A PostgreSQL to use where none is installed.
const POSTGRES_URL: &str = "AUTHBENCH_POSTGRES_URL";

thread_local! {
    /// The folder of this thread's last SQLite file: gone with the next one, or with the thread.
    static FOLDERS: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// A private Redis that can be stopped. The clients are told to wait no longer than this.
const RESPONSE_TIMEOUT_MS: u64 = 200;

/// A server of the check's own. Signals reach it and every process of it.
#[derive(Debug)]
enum Own {
    Redis(PrivateRedis),
    Postgres(PrivatePostgres),
}

impl Own {
    fn signal(&self, name: &str) {
        let processes = match self {
            Self::Redis(redis) => vec![redis.pid()],
            Self::Postgres(postgres) => postgres.processes(),
        };
        let send = |processes: &[i32]| {
            let names = processes.iter().map(ToString::to_string);
            Command::new("kill").arg(name).args(names).output()
        };
        let (server, children) = processes.split_at(1);
        let sent = send(server).is_ok_and(|output| output.status.success());
        assert!(sent, "the signal {name} was not sent");
        // A connection's process may have ended since it was listed.
        let _ = send(children);
    }
}

impl StoreServer for Own {
    fn freeze(&self) {
        self.signal("-STOP");
    }

    fn thaw(&self) {
        self.signal("-CONT");
    }

    fn kill(&self) {
        self.signal("-KILL");
    }
}

fn system_now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    UnixTime(since.as_secs())
}

/// Held during a check, where checks may have no store of their own: all log in the same subjects,
/// so on a shared one they take turns.
pub(crate) fn turn() -> Option<MutexGuard<'static, ()>> {
    static SHARED: Mutex<()> = Mutex::new(());
    let is_shared = find_server().is_none() || find_postgres().is_none();
    is_shared.then(|| SHARED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A fresh stage, with a Redis where one is needed; or why there is none.
pub(crate) async fn world(store: Option<StoreKind>) -> Result<World, String> {
    let clock = Arc::new(ManualClock::default());
    let mut deps = Deps {
        settings: Settings::default(),
        keys: Arc::clone(&KEYS),
        redis: None,
        postgres_url: None,
        sqlite_file: None,
        clock: Arc::clone(&clock) as _,
        entropy: Arc::new(OsEntropy),
    };
    let mut server: Option<Box<dyn StoreServer>> = None;
    if store == Some(StoreKind::Redis) {
        let url = match (PrivateRedis::start(), std::env::var("AUTHBENCH_REDIS_URL")) {
            (Ok(redis), _) => {
                let url = redis.url();
                server = Some(Box::new(Own::Redis(redis)));
                url
            }
            (Err(FixtureError::NotInstalled), Ok(url)) => url,
            (Err(why), _) => return Err(why.to_string()),
        };
        let settings =
            RedisSettings { response_timeout_ms: RESPONSE_TIMEOUT_MS, ..RedisSettings::default() };
        let redis = RedisHandle::connect(&url, settings).await;
        deps.redis = Some(redis.map_err(|e| e.to_string())?);
    }
    if store == Some(StoreKind::Postgres) {
        // A cluster for each check, half a second: some stop and kill it. None waits for the disk,
        // which may take longer than an answer may, where many checks run at once.
        deps.postgres_url = Some(match (PrivatePostgres::start(), std::env::var(POSTGRES_URL)) {
            (Ok(postgres), _) => {
                let url = postgres.url() + "?options=-c%20synchronous_commit%3Doff";
                server = Some(Box::new(Own::Postgres(postgres)));
                url
            }
            (Err(FixtureError::PostgresNotInstalled), Ok(url)) => url,
            (Err(why), _) => return Err(why.to_string()),
        });
    }
    if store == Some(StoreKind::Sqlite) {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        deps.sqlite_file = Some(folder.path().join("sessions"));
        // Removed when the check is over, as far as the strategy is: its files are open until then.
        FOLDERS.with_borrow_mut(|kept| *kept = Some(folder));
    }
    Ok(World { deps, now: system_now(), clock, server })
}
