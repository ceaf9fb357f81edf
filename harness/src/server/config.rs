//! What a server is told before it starts, and what it answers once it is ready.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use authbench::credential::Carrier;
use authbench::settings::Settings;
use authbench::store::redis::RedisSettings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::StoreKind;
use authbench::token::key::Keyring;
use serde::{Deserialize, Serialize};

/// Most worker threads a server may be given.
pub const THREADS_MAX: u32 = 256;

/// Everything one server needs to know: one line of JSON on its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// The strategy, by its registered name.
    #[serde(with = "strategy_name")]
    pub strategy: StrategyKind,
    /// How credentials travel: `bearer` or `cookie`.
    #[serde(with = "carrier_name")]
    pub carrier: Carrier,
    /// Where requests are answered; port 0 takes any free one. Loopback only.
    pub data: SocketAddr,
    /// Where the instrument asks; port 0 takes any free one. Loopback only.
    pub control: SocketAddr,
    /// Tokio worker threads; 1 is the single-threaded runtime.
    pub threads: u32,
    /// Lifetimes, leeway, issuer, audience.
    pub settings: Settings,
    /// The live keys; empty where the strategy signs nothing.
    pub keys: Keyring,
    /// The shared store, when there is one.
    pub redis: Option<RedisConfig>,
    /// The shared PostgreSQL, when there is one: `postgres://[user[:password]@]host:port/database`.
    #[serde(default)]
    pub postgres_url: Option<HiddenUrl>,
    /// The SQLite file that the servers of this machine share, when there is one.
    #[serde(default)]
    pub sqlite_file: Option<PathBuf>,
    /// Thread CPU time burnt by each `GET /me` beyond its work, nanoseconds: the ruler.
    pub spin_ns: u64,
    /// Memory that each `GET /me` reads and writes as an application's own work, KiB.
    #[serde(default)]
    pub work_kib: u32,
    /// Whether each `GET /me` sends one `PING` to the store beyond its work: the least that any
    /// lookup there costs.
    pub ping: bool,
    /// The processors this server may run on; empty for all.
    pub cpus: Vec<u32>,
    /// How far the time of day that strategies are told is ahead of the system's, seconds; below
    /// zero it is behind. `jsonwebtoken` looks at `exp` by the system's own time all the same.
    #[serde(default)]
    pub clock_offset_s: i64,
}

impl ServeConfig {
    /// Checks everything that can be checked before anything is opened.
    ///
    /// # Errors
    /// Names the first setting that cannot be used, and what it must be.
    pub fn check(&self) -> anyhow::Result<()> {
        for (name, address) in [("data", self.data), ("control", self.control)] {
            ensure!(
                address.ip().is_loopback(),
                "the {name} address {address} is not loopback, and this server logs anybody in \
                 without a password; use 127.0.0.1 or [::1]"
            );
        }
        ensure!(
            (1..=THREADS_MAX).contains(&self.threads),
            "{} threads; it must be 1 to {THREADS_MAX}",
            self.threads
        );
        self.settings.check()?;
        let properties = self.strategy.properties();
        if let Some(algorithm) = properties.algorithm {
            self.keys.of(algorithm)?;
        }
        if self.ping && self.redis.is_none() {
            bail!("a PING per request needs a Redis, and no Redis URL was given");
        }
        if properties.needs_redis() && self.redis.is_none() {
            bail!(
                "`{}` keeps its state in Redis, and no Redis URL was given; --redis-url or \
                 AUTHBENCH_REDIS_URL names one",
                self.strategy.name()
            );
        }
        if properties.store == Some(StoreKind::Postgres) && self.postgres_url.is_none() {
            bail!(
                "`{}` keeps its state in PostgreSQL, and no PostgreSQL URL was given; \
                 --postgres-url or AUTHBENCH_POSTGRES_URL names one",
                self.strategy.name()
            );
        }
        if properties.store == Some(StoreKind::Sqlite) && self.sqlite_file.is_none() {
            bail!(
                "`{}` keeps its state in a SQLite file, and none was named; --sqlite-file names \
                 one, which is made where there is none",
                self.strategy.name()
            );
        }
        Ok(())
    }

    /// Whether the strategy keeps its state in such a store.
    fn needs(&self, store: StoreKind) -> bool {
        self.strategy.properties().store == Some(store)
    }

    /// The PostgreSQL the server will talk to; `None` when it has no use for it.
    #[must_use]
    pub fn postgres_in_use(&self) -> Option<&HiddenUrl> {
        self.postgres_url.as_ref().filter(|_| self.needs(StoreKind::Postgres))
    }

    /// The SQLite file the server will open; `None` when it has no use for it.
    #[must_use]
    pub fn sqlite_in_use(&self) -> Option<&Path> {
        self.sqlite_file.as_deref().filter(|_| self.needs(StoreKind::Sqlite))
    }

    /// How the server will talk to Redis; `None` when it has no use for it.
    #[must_use]
    pub fn redis_in_use(&self) -> Option<&RedisConfig> {
        self.redis.as_ref().filter(|_| self.ping || self.strategy.properties().needs_redis())
    }
}

/// The shared store. `Debug` and `Display` hide the password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/db]` or `redis+unix:///path`.
    pub url: String,
    /// Another way to the same server, for what it pushes; `url` where there is none.
    pub feed_url: Option<String>,
    /// Timeouts and socket options.
    pub settings: RedisSettings,
}

impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.url))
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisConfig({self}, {:?})", self.settings)
    }
}

/// A URL that may hold a password. `Debug` and `Display` hide it.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HiddenUrl(pub String);

impl fmt::Display for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiddenUrl({self})")
    }
}

/// `url` without its user, password and query: what may be printed.
#[must_use]
pub fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // The last `@`, and before the query is cut: a password may hold any of `@`, `/` and `?`.
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, r)| format!("***@{r}"));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// The one line a server prints when it is ready to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeReady {
    /// Where requests are answered.
    pub data: SocketAddr,
    /// Where the instrument asks.
    pub control: SocketAddr,
    /// The server's process id.
    pub pid: u32,
}

/// The carrier of that name.
///
/// # Errors
/// When no carrier has the name.
pub fn carrier_from_name(name: &str) -> Result<Carrier, String> {
    [Carrier::Bearer, Carrier::Cookie]
        .into_iter()
        .find(|carrier| carrier.name() == name)
        .ok_or_else(|| format!("unknown carrier `{name}`; it is `bearer` or `cookie`"))
}

mod strategy_name {
    use authbench::strategy::StrategyKind;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(kind: &StrategyKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<StrategyKind, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod carrier_name {
    use authbench::credential::Carrier;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(carrier: &Carrier, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(carrier.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Carrier, D::Error> {
        super::carrier_from_name(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ServeConfig {
        ServeConfig {
            strategy: StrategyKind::None,
            carrier: Carrier::Cookie,
            data: ([127, 0, 0, 1], 0).into(),
            control: ([127, 0, 0, 1], 0).into(),
            threads: 1,
            settings: Settings::default(),
            keys: Keyring::default(),
            redis: Some(RedisConfig {
                url: "redis://app:hunter2@127.0.0.1:1".into(),
                feed_url: None,
                settings: RedisSettings::default(),
            }),
            postgres_url: Some(HiddenUrl("postgres://app:hunter2@127.0.0.1:1/app".into())),
            sqlite_file: None,
            spin_ns: 0,
            work_kib: 0,
            ping: false,
            cpus: Vec::new(),
            clock_offset_s: 0,
        }
    }

    #[test]
    fn a_store_that_is_needed_must_be_named() {
        for kind in StrategyKind::ALL.iter().copied() {
            let bare = ServeConfig {
                strategy: kind,
                redis: None,
                postgres_url: None,
                keys: Keyring::generate(&authbench::entropy::OsEntropy).unwrap(),
                ..config()
            };
            let said = bare.check().err().map(|error| error.to_string());
            let word = match kind.properties().store {
                None => None,
                Some(StoreKind::Redis) => Some("AUTHBENCH_REDIS_URL"),
                Some(StoreKind::Postgres) => Some("AUTHBENCH_POSTGRES_URL"),
                Some(StoreKind::Sqlite) => Some("--sqlite-file"),
            };
            assert_eq!(said.is_some(), word.is_some(), "{}: {said:?}", kind.name());
            assert!(said.is_none_or(|said| said.contains(word.unwrap_or_default())));
        }
    }

    #[test]
    fn the_configuration_survives_its_line_and_refuses_the_unknown() {
        let line = serde_json::to_string(&config()).unwrap();
        assert!(!line.contains('\n'));
        let back: ServeConfig = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), line);
        for (right, wrong) in
            [("\"none\"", "\"nine\""), ("\"cookie\"", "\"url\""), ("spin_ns", "spin_us")]
        {
            assert!(serde_json::from_str::<ServeConfig>(&line.replace(right, wrong)).is_err());
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = format!("{:?}", config());
        assert!(!shown.contains("hunter2"), "{shown}");
        for secret in ["hunter2", "hun@ter2", "hun/ter2", "hun?ter2", "hun#ter2"] {
            for url in [format!("redis://u:{secret}@h:1/0"), format!("u:{secret}@h")] {
                let shown = without_password(&url);
                assert!(!shown.contains("hun") && !shown.contains("ter2"), "{url}: {shown}");
            }
        }
        assert_eq!(without_password("redis://h?p=hunter2"), "redis://h");
        assert_eq!(without_password("redis://127.0.0.1:6379/1"), "redis://127.0.0.1:6379/1");
    }

    #[test]
    fn only_loopback_is_served() {
        assert!(config().check().is_ok());
        for address in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0", "[2001:db8::1]:1"] {
            let wrong = ServeConfig { data: address.parse().unwrap(), ..config() };
            assert!(wrong.check().is_err(), "{address}");
            let wrong = ServeConfig { control: address.parse().unwrap(), ..config() };
            assert!(wrong.check().is_err(), "{address}");
        }
    }
}
