//! What a server tells the instrument about itself, and the listener it tells it on.

use std::collections::BTreeMap;

use authbench::settings::Settings;
use authbench::store::redis::RedisSettings;
use serde::{Deserialize, Serialize};

/// What a server runs: asked for before any load, and compared with what was ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The instrument's version.
    pub version: String,
    /// SHA-256 of the running binary, hexadecimal.
    pub binary_sha256: String,
    /// The strategy's registered name.
    pub strategy: String,
    /// `bearer` or `cookie`.
    pub carrier: String,
    /// Lifetimes, leeway, issuer, audience.
    pub settings: Settings,
    /// Tokio worker threads.
    pub threads: u32,
    /// Thread CPU time burnt by each `GET /me` beyond its work, nanoseconds.
    pub spin_ns: u64,
    /// The server's process id.
    pub pid: u32,
    /// How it talks to Redis; `null` when its strategy has no use for it.
    pub redis: Option<RedisSettings>,
}

/// What a server has seen since it started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Requests on the data listener, whatever became of them.
    pub requests: u64,
    /// Requests whose credential was accepted.
    pub admitted: u64,
    /// Requests turned away (401), by the denial's name; every denial is listed.
    pub denied: BTreeMap<String, u64>,
    /// Requests that could not be judged or served (503).
    pub outages: u64,
    /// Credentials handed out.
    pub logins: u64,
    /// Logouts acknowledged, one credential or all of a subject's.
    pub revocations: u64,
    /// CPU of this process by its own account, user and system, nanoseconds (`getrusage`).
    pub cpu_ns: u64,
}

impl Counters {
    /// Requests turned away, for whatever reason.
    #[must_use]
    pub fn denied_total(&self) -> u64 {
        self.denied.values().sum()
    }
}
