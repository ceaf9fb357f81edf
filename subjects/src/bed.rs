//! What subjects are made on: keys, the time, a Redis and the runtime its connections live on.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use authbench::entropy::OsEntropy;
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench::strategy::contract::Deps;
use authbench::token::key::{Algorithm, Key, Keyring, generate_rsa_key};
use authbench_fixture::PrivateRedis;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::clock::{ProcessCpu, SystemClock};
use crate::tokens::provider;

/// Distinct credentials that are cycled through: one alone would live in the branch predictor.
pub const CREDENTIALS: u64 = 1_024;

/// An algorithm and, for RSA, a key length.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Scheme {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Bits of the RSA modulus, where it is not the usual 2,048.
    pub rsa_bits: Option<u32>,
}

impl Scheme {
    /// The algorithm with a key of the usual length.
    #[must_use]
    pub const fn of(algorithm: Algorithm) -> Self {
        Self { algorithm, rsa_bits: None }
    }

    /// RS256 with a longer key.
    #[must_use]
    pub const fn rs256(bits: u32) -> Self {
        Self { algorithm: Algorithm::Rs256, rsa_bits: Some(bits) }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        self.rsa_bits.map_or(Ok(()), |bits| write!(f, "-{bits}"))
    }
}

/// A Redis, and how to reach it.
#[derive(Debug)]
pub struct RedisStage {
    /// The shared multiplexed connection that strategies use.
    pub handle: RedisHandle,
    /// Where it is.
    pub url: String,
    /// Its Unix socket, when it is the bed's own.
    pub unix_url: Option<String>,
    /// The CPU account of its process.
    pub cpu: ProcessCpu,
    _server: Option<PrivateRedis>,
}

impl RedisStage {
    /// Whether it is the bed's own, to be filled and flushed at will. One that was named may hold
    /// somebody's data.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.unix_url.is_some()
    }
}

/// What subjects are made on.
#[derive(Debug)]
pub struct Bed {
    /// When tokens are issued and checked: the start of the program.
    pub now: UnixTime,
    /// Single-threaded: what a subject does happens on the thread that drives it.
    pub runtime: Runtime,
    /// A Redis, or why there is none.
    pub redis: Result<RedisStage, String>,
    /// Where the SQLite file is; it goes with the bed.
    sqlite: TempDir,
    rings: Mutex<HashMap<Scheme, Arc<Keyring>>>,
}

impl Bed {
    /// A bed with the Redis that `AUTHBENCH_REDIS_URL` names, else a private one, else none.
    ///
    /// # Errors
    /// When the named Redis cannot be used, or the clock stands before 1970.
    pub fn with_redis() -> anyhow::Result<Arc<Self>> {
        let runtime = runtime()?;
        let redis = match std::env::var("AUTHBENCH_REDIS_URL") {
            Ok(url) => Ok(connect(&runtime, url, None)?),
            Err(_) => match PrivateRedis::start() {
                Ok(server) => Ok(connect(&runtime, server.url(), Some(server))?),
                Err(why) => Err(why.to_string()),
            },
        };
        Self::new(runtime, redis)
    }

    /// A bed for subjects that need no Redis.
    ///
    /// # Errors
    /// When the clock stands before 1970.
    pub fn without_redis() -> anyhow::Result<Arc<Self>> {
        Self::new(runtime()?, Err("none was asked for".into()))
    }

    fn new(runtime: Runtime, redis: Result<RedisStage, String>) -> anyhow::Result<Arc<Self>> {
        // Before anything uses the library, which would choose for the whole process.
        provider::install()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
        let now = UnixTime(since.as_secs());
        let sqlite = tempfile::tempdir().context("no folder for a SQLite file")?;
        Ok(Arc::new(Self { now, runtime, redis, sqlite, rings: Mutex::default() }))
    }

    /// The Redis.
    ///
    /// # Errors
    /// There is none; the text says why.
    pub fn stage(&self) -> anyhow::Result<&RedisStage> {
        self.redis.as_ref().map_err(|why| anyhow::anyhow!("{why}"))
    }

    /// Two keys of `scheme`, the current and the previous one: the same at every call.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn keys(&self, scheme: Scheme) -> anyhow::Result<Arc<Keyring>> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ring) = rings.get(&scheme) {
            return Ok(Arc::clone(ring));
        }
        let made = ["current", "previous"].map(|age| new_key(scheme, age));
        let keys = made.into_iter().collect::<Result<Vec<Key>, _>>()?;
        let ring = Arc::new(Keyring::new(keys));
        rings.insert(scheme, Arc::clone(&ring));
        Ok(ring)
    }

    /// Default settings, but tokens that outlive any bench; the keys of `scheme`; the Redis.
    ///
    /// # Errors
    /// As [`Bed::keys`].
    pub fn deps(&self, scheme: Scheme) -> anyhow::Result<Deps> {
        Ok(Deps {
            settings: Settings { token_lifetime_s: 3_600, ..Settings::default() },
            keys: self.keys(scheme)?,
            redis: self.redis.as_ref().ok().map(|stage| stage.handle.clone()),
            postgres_url: None,
            sqlite_file: Some(self.sqlite.path().join("sessions")),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(OsEntropy),
        })
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("no runtime")
}

fn new_key(scheme: Scheme, age: &str) -> anyhow::Result<Key> {
    let kid = format!("{}-{age}", scheme.to_string().to_ascii_lowercase());
    let key = match scheme.rsa_bits {
        Some(bits) => generate_rsa_key(kid, scheme.algorithm, bits),
        None => authbench::token::key::generate_key(kid, scheme.algorithm, &OsEntropy),
    };
    key.map_err(|e| anyhow::anyhow!("no {scheme} key: {e}"))
}

fn connect(
    runtime: &Runtime,
    url: String,
    server: Option<PrivateRedis>,
) -> anyhow::Result<RedisStage> {
    let handle = runtime
        .block_on(RedisHandle::connect(&url, RedisSettings::default()))
        .map_err(|outage| anyhow::anyhow!("{outage}"))?;
    let report = own_account(url.clone());
    let cpu = match server.as_ref().and_then(|s| u32::try_from(s.pid()).ok()) {
        Some(pid) => ProcessCpu::of(pid, report),
        None => ProcessCpu::reported(report),
    };
    let unix_url = server.as_ref().map(PrivateRedis::unix_url);
    Ok(RedisStage { handle, url, unix_url, cpu, _server: server })
}

/// Asks the Redis at `url` for its own account of its CPU, microsecond grain: user and system time
/// of `INFO cpu`, nanoseconds. The connection is kept: a new one at each reading would be part of
/// what is read.
pub fn own_account(url: String) -> impl Fn() -> anyhow::Result<u64> + Send + Sync + 'static {
    let connection: Mutex<Option<redis::Connection>> = Mutex::new(None);
    move || {
        let mut slot = connection.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(redis::Client::open(url.as_str())?.get_connection()?);
        }
        let connection = slot.as_mut().context("no connection to Redis")?;
        let info: String = redis::cmd("INFO").arg("cpu").query(connection)?;
        let seconds = |name: &str| -> anyhow::Result<f64> {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("INFO cpu has no {name}"))?.trim().parse()?)
        };
        let seconds = seconds("used_cpu_user:")? + seconds("used_cpu_sys:")?;
        Ok((seconds * 1e9) as u64)
    }
}
