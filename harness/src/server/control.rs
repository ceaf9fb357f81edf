//! What a server tells the instrument about itself, and the listener it tells it on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use authbench::settings::Settings;
use authbench::store::redis::RedisSettings;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::Stop;
use super::config::ServeConfig;
use super::counters::Tally;
use super::reply;
use crate::os::provenance;

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
    /// Memory that each `GET /me` reads and writes as an application's own work, KiB.
    pub work_kib: u32,
    /// Whether each `GET /me` pings the store beyond its work.
    pub ping: bool,
    /// The processors it may run on; empty for all.
    pub cpus: Vec<u32>,
    /// How far its time of day is ahead of the system's, seconds.
    pub clock_offset_s: i64,
    /// The server's process id.
    pub pid: u32,
    /// How it talks to Redis; `null` when its strategy has no use for it.
    pub redis: Option<RedisSettings>,
    /// The PostgreSQL it talks to, without the password; `null` when its strategy has no use for
    /// it.
    pub postgres: Option<String>,
    /// The SQLite file it keeps its state in; `null` when its strategy has no use for it.
    pub sqlite_file: Option<PathBuf>,
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
    /// Credentials handed out to logins.
    pub logins: u64,
    /// Credentials traded for fresh ones.
    #[serde(default)]
    pub refreshes: u64,
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

/// What the control listener answers from.
#[derive(Debug)]
pub(super) struct Control {
    receipt: Receipt,
    tally: Arc<Tally>,
    stop: Stop,
}

impl Control {
    pub(super) fn new(config: &ServeConfig, tally: Arc<Tally>, stop: Stop) -> Self {
        let receipt = Receipt {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // Hashed when somebody asks: a large binary would delay every start.
            binary_sha256: String::new(),
            strategy: config.strategy.name().to_owned(),
            carrier: config.carrier.name().to_owned(),
            settings: config.settings.clone(),
            threads: config.threads,
            spin_ns: config.spin_ns,
            work_kib: config.work_kib,
            ping: config.ping,
            cpus: config.cpus.clone(),
            clock_offset_s: config.clock_offset_s,
            pid: std::process::id(),
            redis: config.redis_in_use().map(|redis| redis.settings),
            postgres: config.postgres_in_use().map(ToString::to_string),
            sqlite_file: config.sqlite_in_use().map(Into::into),
        };
        Self { receipt, tally, stop }
    }
}

pub(super) fn router(control: Control) -> Router {
    Router::new()
        .route("/receipt", get(receipt))
        .route("/counters", get(counters))
        .route("/stop", post(stop))
        .with_state(Arc::new(control))
}

async fn receipt(State(control): State<Arc<Control>>) -> Response {
    let Ok(binary_sha256) = provenance::own_binary_sha256() else {
        return reply::error(StatusCode::INTERNAL_SERVER_ERROR, "own_binary_cannot_be_read");
    };
    answer(&Receipt { binary_sha256, ..control.receipt.clone() })
}

async fn counters(State(control): State<Arc<Control>>) -> Response {
    answer(&control.tally.read())
}

async fn stop(State(control): State<Arc<Control>>) -> Response {
    control.stop.now();
    reply::json(StatusCode::OK, "{\"stopping\":true}")
}

fn answer(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => reply::json(StatusCode::OK, body),
        Err(_) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "not_json"),
    }
}
