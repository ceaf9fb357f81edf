//! The Redis of a run: the instrument's own or the reader's, its commands and its CPU counted.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};
use authbench_fixture::{FixtureError, PrivateRedis};
use authbench_subjects::bed::own_account;
use redis::{Client, Connection};

use crate::os::cpu::ProcessCpu;
use crate::server::config::without_password;

/// The environment variable that names a Redis to use instead of a private one.
pub const REDIS_URL_VARIABLE: &str = "AUTHBENCH_REDIS_URL";

/// A Redis to measure with. The private one ends with this value.
pub struct Store {
    url: String,
    version: String,
    connection: Connection,
    cpu: ProcessCpu,
    address: Option<SocketAddr>,
    private: Option<PrivateRedis>,
    asked: Asked,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({}, {})", without_password(&self.url), self.version)
    }
}

/// Why there is no Redis, and what to do about it.
#[derive(Clone, Debug)]
pub struct NoStore {
    /// Why.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Store {
    /// The reader's Redis where [`REDIS_URL_VARIABLE`] names one, else a private one; the inner
    /// error when none is installed, which costs the Redis rows and nothing else.
    ///
    /// # Errors
    /// When the named Redis cannot be used, or the private one does not start.
    pub fn open() -> anyhow::Result<Result<Self, NoStore>> {
        if let Ok(url) = std::env::var(REDIS_URL_VARIABLE) {
            return Self::external(url).map(Ok);
        }
        match PrivateRedis::start() {
            Ok(private) => Self::private(private).map(Ok),
            Err(error @ FixtureError::NotInstalled) => Ok(Err(NoStore {
                reason: error.to_string(),
                remedy: format!("run scripts/setup, or set {REDIS_URL_VARIABLE}"),
            })),
            Err(error) => Err(error.into()),
        }
    }

    fn private(private: PrivateRedis) -> anyhow::Result<Self> {
        let mut store = Self::connect(private.url())?;
        store.address = Some(private.address());
        if let Ok(pid) = u32::try_from(private.pid()) {
            let own_account = own_account(private.url());
            store.cpu = ProcessCpu::of(pid, own_account);
        }
        store.private = Some(private);
        Ok(store)
    }

    fn external(url: String) -> anyhow::Result<Self> {
        let shown = without_password(&url);
        let mut store = Self::connect(url)
            .with_context(|| format!("the Redis of {REDIS_URL_VARIABLE} ({shown}) is no use"))?;
        store.address = plain_address(&store.url);
        // A process id says something only about this machine, and a container has its own.
        Ok(store)
    }

    pub(super) fn connect(url: String) -> anyhow::Result<Self> {
        let limit = std::time::Duration::from_secs(2);
        let client = Client::open(url.as_str())?;
        let connection = client.get_connection_with_timeout(limit)?;
        connection.set_read_timeout(Some(limit))?;
        let mut store = Self {
            version: String::new(),
            connection,
            cpu: ProcessCpu::reported(own_account(url.clone())),
            url,
            address: None,
            private: None,
            asked: Asked::default(),
        };
        let info = store.info("server")?;
        let version = field(&info, "valkey_version")
            .map(|v| format!("valkey {v}"))
            .or_else(|| field(&info, "redis_version").map(|v| format!("redis {v}")));
        store.version = version.context("INFO names no version; is this a Redis?")?;
        Ok(store)
    }

    fn info(&mut self, section: &str) -> anyhow::Result<String> {
        redis::cmd("INFO")
            .arg(section)
            .query(&mut self.connection)
            .map_err(|e| anyhow!("Redis does not answer INFO: {e}"))
    }

    /// Where strategies connect to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Product and version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The address for a plain connection without TLS, password or database, if that is enough.
    #[must_use]
    pub const fn plain_address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The CPU account of the Redis process: its clock where it is ours, else its own word.
    #[must_use]
    pub const fn cpu(&self) -> &ProcessCpu {
        &self.cpu
    }

    /// Whether it is the instrument's own.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// The process id, when it is the instrument's own.
    #[must_use]
    pub fn private_pid(&self) -> Option<u32> {
        self.private.as_ref().and_then(|private| u32::try_from(private.pid()).ok())
    }

    /// A command that no strategy sent: what a gate has to notice.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn stray_command(&mut self) -> anyhow::Result<()> {
        redis::cmd("PING")
            .query(&mut self.connection)
            .map_err(|e| anyhow!("Redis does not answer PING: {e}"))
    }

    /// Changes of its keys so far, by Redis's own count (`rdb_changes_since_last_save`).
    ///
    /// # Errors
    /// When Redis does not answer, or does not say.
    pub fn changes(&mut self) -> anyhow::Result<u64> {
        let info = self.info("persistence")?;
        self.asked = self.asked.with("persistence").answered(&info);
        let changes = field(&info, "rdb_changes_since_last_save").and_then(|n| n.parse().ok());
        changes.context("INFO names no number of changes")
    }

    /// What Redis has counted so far, this instrument's own questions excluded.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn counters(&mut self) -> anyhow::Result<StoreCounters> {
        let stats = self.info("stats")?;
        let asked = self.asked.with("stats");
        let count = |name| field(&stats, name).and_then(|text| text.parse::<u64>().ok());
        // What it counts here includes this question, whose answer is still to come.
        let net = |name, own: u64| count(name).map(|all| all.saturating_sub(own));
        // An account that Redis gives of its own CPU is asked for over connections of its own,
        // whose bytes and reads are not known here.
        let is_alone = self.cpu.kind() == "process-clock";
        let net = |name, own| net(name, own).filter(|_| is_alone);
        let counters = StoreCounters {
            input_bytes: net("total_net_input_bytes", asked.input_bytes),
            output_bytes: net("total_net_output_bytes", self.asked.output_bytes),
            reads: net("total_reads_processed", asked.questions),
            commands: 0,
        };
        let commands = self.info("commandstats")?;
        self.asked = asked.answered(&stats).with("commandstats").answered(&commands);
        Ok(StoreCounters { commands: count_commands(&commands), ..counters })
    }
}

/// What Redis counts of itself. Differences of two readings are of what happened between.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StoreCounters {
    /// Commands processed, `INFO` excluded, those inside scripts included.
    pub commands: u64,
    /// Bytes read from clients.
    pub input_bytes: Option<u64>,
    /// Bytes written to clients.
    pub output_bytes: Option<u64>,
    /// Times something was read from a client; unknown before Redis 7.
    pub reads: Option<u64>,
}

/// What the instrument's own questions put on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    questions: u64,
    input_bytes: u64,
    output_bytes: u64,
}

impl Asked {
    /// One more `INFO` of a section, in RESP2: `*2 $4 INFO $n section`.
    fn with(self, section: &str) -> Self {
        let n = section.len();
        let bytes = format!("*2\r\n$4\r\nINFO\r\n${n}\r\n{section}\r\n").len() as u64;
        Self {
            questions: self.questions + 1,
            input_bytes: self.input_bytes + bytes,
            output_bytes: self.output_bytes,
        }
    }

    /// One more answer: a bulk string.
    fn answered(self, text: &str) -> Self {
        let bytes = format!("${}\r\n\r\n", text.len()).len() + text.len();
        Self { output_bytes: self.output_bytes + bytes as u64, ..self }
    }
}

/// The sum of all calls in an `INFO commandstats`, the instrument's own `INFO` excluded.
fn count_commands(info: &str) -> u64 {
    info.lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'))
        // A new connection of the account names its library.
        .filter(|(name, _)| *name != "info" && !name.starts_with("client"))
        .filter_map(|(_, figures)| {
            figures.strip_prefix("calls=")?.split(',').next()?.parse::<u64>().ok()
        })
        .sum()
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The socket address in `redis://host:port`, when the URL has nothing else in it.
fn plain_address(url: &str) -> Option<SocketAddr> {
    let rest = url.strip_prefix("redis://")?.trim_end_matches('/');
    if rest.contains(['@', '/', '?']) {
        return None;
    }
    let with_port = if rest.contains(':') { rest.to_owned() } else { format!("{rest}:6379") };
    std::net::ToSocketAddrs::to_socket_addrs(&with_port).ok()?.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_without_the_instruments_own() {
        let info = "# Commandstats\r\ncmdstat_info:calls=7,usec=1\r\n\
                    cmdstat_get:calls=40,usec=9,usec_per_call=0.2\r\n\
                    cmdstat_set:calls=2,usec=1\r\n";
        assert_eq!(count_commands(info), 42);
        assert_eq!(count_commands(""), 0);
    }

    #[test]
    fn only_a_plain_url_has_a_plain_address() {
        assert_eq!(plain_address("redis://127.0.0.1:6380"), "127.0.0.1:6380".parse().ok());
        assert_eq!(plain_address("redis://127.0.0.1"), "127.0.0.1:6379".parse().ok());
        for url in ["redis://:pw@127.0.0.1:1", "rediss://127.0.0.1:1", "redis://127.0.0.1:1/3"] {
            assert_eq!(plain_address(url), None, "{url}");
        }
    }
}
