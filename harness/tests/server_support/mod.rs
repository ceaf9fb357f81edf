//! What the server tests share: configurations, children, and an HTTP client that hides nothing.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use authbench::credential::Carrier;
use authbench::entropy::OsEntropy;
use authbench::settings::Settings;
use authbench::store::redis::RedisSettings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, StoreKind};
use authbench::token::key::Keyring;
use authbench_fixture::PrivateRedis;
use authbench_harness::server::child::ServerChild;
use authbench_harness::server::config::{RedisConfig, ServeConfig};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_authbench");
/// A test subject.
pub(crate) const SUBJECT: &str = "u-00000000000004d2";

/// A configuration on free ports.
pub(crate) fn config(
    strategy: StrategyKind,
    carrier: Carrier,
    redis: Option<&PrivateRedis>,
) -> ServeConfig {
    // Generated once: RSA keys take longer than a server takes to start.
    static KEYS: LazyLock<Keyring> = LazyLock::new(|| Keyring::generate(&OsEntropy).unwrap());
    let keys = KEYS.clone();
    ServeConfig {
        strategy,
        carrier,
        data: ([127, 0, 0, 1], 0).into(),
        control: ([127, 0, 0, 1], 0).into(),
        threads: 1,
        settings: Settings::default(),
        keys,
        redis: redis.map(|r| RedisConfig {
            url: r.url(),
            feed_url: None,
            settings: RedisSettings::default(),
        }),
        postgres_url: None,
        // In the build's folder: nobody is left to remove it from another.
        sqlite_file: Some(
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sessions-{}", std::process::id())),
        ),
        work_kib: 0,
        spin_ns: 0,
        ping: false,
        cpus: Vec::new(),
        clock_offset_s: 0,
    }
}

/// The request that says who a credential stands for.
pub(crate) fn use_line(strategy: StrategyKind) -> &'static str {
    match strategy.properties().family {
        Family::Link => "POST /redeem",
        _ => "GET /me",
    }
}

/// Starts the server of a configuration.
pub(crate) fn start(config: &ServeConfig) -> ServerChild {
    ServerChild::spawn_program(Path::new(PROGRAM), config).unwrap()
}

/// Every strategy that can run here; says which cannot, and why.
pub(crate) fn runnable(redis: Option<&PrivateRedis>) -> Vec<StrategyKind> {
    let why_not = |kind: StrategyKind| match kind.properties().store {
        Some(StoreKind::Redis) if redis.is_none() => {
            Some("no redis-server or valkey-server was found")
        }
        Some(StoreKind::Postgres) => {
            Some("tests/server_postgres.rs has a server of its own for it")
        }
        _ => None,
    };
    let mut run = Vec::new();
    for kind in StrategyKind::ALL.iter().copied() {
        match why_not(kind) {
            None => run.push(kind),
            Some(why) => println!("skipped: {}: {why}", kind.name()),
        }
    }
    run
}

/// An answer, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names, in order, without `date`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Every value of one header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The credential a login handed out.
    pub(crate) fn credential(&self, carrier: Carrier) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        match carrier {
            Carrier::Bearer => self.json()["access_token"].as_str().unwrap().to_owned(),
            Carrier::Cookie => {
                let line = self.all("set-cookie")[0];
                let value = line.strip_prefix("__Host-authbench=").unwrap();
                value.split(';').next().unwrap().to_owned()
            }
        }
    }
}

/// One request on a connection of its own; `head` is every header line but Host and Connection.
pub(crate) fn request(address: SocketAddr, line: &str, head: &[&str], body: &str) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in head {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    parse(&answer)
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Answer { status, headers, body: body.to_owned() }
}

pub(crate) fn login(address: SocketAddr, subject: &str) -> Answer {
    let body = format!("{{\"subject\":\"{subject}\"}}");
    request(address, "POST /login", &["Content-Type: application/json"], &body)
}

/// The header line that carries a credential.
pub(crate) fn header(carrier: Carrier, credential: &str) -> String {
    match carrier {
        Carrier::Bearer => format!("Authorization: Bearer {credential}"),
        Carrier::Cookie => format!("Cookie: theme=dark; __Host-authbench={credential}"),
    }
}

/// A request that carries `credential` and no body.
pub(crate) fn with(address: SocketAddr, line: &str, carrier: Carrier, credential: &str) -> Answer {
    request(address, line, &[&header(carrier, credential)], "")
}

/// A zombie waiting for its reaper counts as gone.
pub(crate) fn is_running(pid: u32) -> bool {
    if !cfg!(target_os = "linux") {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        return nix::sys::signal::kill(pid, None).is_ok();
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|s| s.chars().next());
    matches!(state, Some(c) if c != 'Z' && c != 'X')
}

/// Waits until `done`, and says so when it never came.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
