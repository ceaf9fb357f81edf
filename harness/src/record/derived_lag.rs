//! What is computed of revocation lags: bounds, whether the promise was kept, and the law.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{is_logout, is_none, is_one, logout, one};

/// How long revoked credentials went on working.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationLagResult {
    /// The strategy's id.
    pub strategy: String,
    /// `measured` or `by-law` (extrapolated from a measured one).
    pub basis: String,
    /// The law, in words, where `basis` is `by-law`, with what it was checked on.
    pub law: Option<String>,
    /// `logout`, `logout-all`, or `mass`: many logouts at once.
    #[serde(default = "logout", skip_serializing_if = "is_logout")]
    pub operation: String,
    /// Credentials taken back together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub credentials_per_call: u32,
    /// Other requests per second meanwhile, on all nodes together; 0 at rest.
    #[serde(default, skip_serializing_if = "is_none")]
    pub load_per_second: u64,
    /// The longest lag that is promised, nanoseconds: 0 for an immediate promise, the lifetime and
    /// the leeway for one at expiry. `null` in records that are older than laws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise_ns: Option<u64>,
    /// Whether every trial ended within it, and no credential was accepted afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_promise: Option<bool>,
    /// Whether the lags follow the law that was declared; only of single logouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_law: Option<LagLawResult>,
    /// Trials; 0 by law.
    pub trials: u32,
    /// Trials that ended before a refusal was seen: they lasted longer than was watched.
    pub unrefused: u32,
    /// Lifetime of the credentials, seconds.
    pub lifetime_s: u64,
    /// Server processes probed.
    pub nodes: u32,
    /// Whether it is probed on its owner alone.
    pub node_scoped: bool,
    /// The resolution: interval between probes, nanoseconds.
    pub resolution_ns: u64,
    /// Median lag, nanoseconds. By law it is also the mean.
    pub median_ns: Option<i64>,
    /// One-sided 95 % upper bound of the 95th percentile (59 trials or more), nanoseconds.
    pub p95_upper_ns: Option<i64>,
    /// One-sided 95 % upper bound of the 99th percentile (299 trials or more), nanoseconds.
    pub p99_upper_ns: Option<i64>,
    /// The largest lag seen, nanoseconds.
    pub max_ns: Option<i64>,
    /// The largest lag counted from the revoke call instead of its acknowledgement, nanoseconds.
    pub max_from_call_ns: Option<i64>,
    /// Requests first sent after the acknowledgement and accepted, in all trials (none by law).
    pub stale_accepts: u64,
    /// Lags of all trials, ascending, nanoseconds: for the distribution chart.
    pub lags_ns: Vec<i64>,
    /// For a self-contained token: largest distance of a trial's lag from the remaining lifetime
    /// that the law predicts, nanoseconds.
    pub law_error_max_ns: Option<u64>,
    /// Revoked credentials presented after the last trial, where every one was.
    #[serde(default, skip_serializing_if = "is_none")]
    pub presented_afterwards: u64,
    /// Of these, those accepted.
    #[serde(default, skip_serializing_if = "is_none")]
    pub accepted_afterwards: u64,
}

impl RevocationLagResult {
    /// Whether this is what a strategy is known by: one logout at rest, on no more nodes than it
    /// takes to see that they differ.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.operation == "logout" && self.load_per_second == 0 && self.nodes <= 2
    }
}

/// The lags of single logouts against the law that was declared for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LagLawResult {
    /// `at-once`, `uniform`, `push`, `remaining`.
    pub law: String,
    /// The period of `uniform`, nanoseconds.
    pub period_ns: Option<u64>,
    /// For `uniform`: Kolmogorov and Smirnov's distance to it, of the node where it is largest
    /// (that which took the logout left out), every lag placed within its interval as the law would
    /// have it.
    pub distance: Option<f64>,
    /// What that distance exceeds once in twenty times when all nodes follow the law.
    pub critical: Option<f64>,
    /// Lags of one node behind it.
    pub n: u32,
    /// Whether the lags follow the law.
    pub agrees: bool,
    /// What was compared, in words.
    pub detail: String,
}

/// Many logouts at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MassResult {
    /// The strategy's id.
    pub strategy: String,
    /// Server processes that shared the store.
    pub nodes: u32,
    /// Logouts in all.
    pub logouts: u64,
    /// Logouts per second that one driver achieved.
    pub per_second: Option<f64>,
    /// CPU of all nodes and of Redis per logout, nanoseconds.
    pub cpu_ns: Option<f64>,
    /// Redis' share, nanoseconds.
    pub store_cpu_ns: Option<f64>,
    /// Redis commands per logout, those that nodes sent by themselves included.
    pub redis_commands: Option<f64>,
    /// At this many logouts per second, from the first to when every probed credential was refused
    /// on every node, nanoseconds.
    pub all_refused_after_ns: Option<u64>,
    /// That rate, per second.
    pub rate_per_second: u64,
}
