//! The measured part of `run.json`: slots, histograms, batches, trials, checks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instrument::{Counts, WindowFacts};

/// One arm in one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The arm's id.
    pub arm: String,
    /// The block, from 0.
    pub block: u32,
    /// The slots, column by column.
    pub slots: Slots,
    /// Latency of the admitted requests in the valid slots' measured part, where there is no longer
    /// window to take it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_latency: Option<Latency>,
    /// Latency in the longer window, when the plan has one.
    pub window_latency: Option<Latency>,
    /// The longer window's ledger.
    pub window_ledger: Option<Ledger>,
    /// What was observed beside the longer window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_facts: Option<WindowFacts>,
    /// Counts over the valid slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Whether the server counted the operations of the mix that were sent: admitted, denied,
    /// logged in, logged out. `null` without a mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations_agree: Option<bool>,
    /// Every request the driver sent to this server in the block, warm-up and lead-in included.
    pub driver_requests: u64,
    /// The same count by the server itself.
    pub server_requests: u64,
    /// Tampered credentials presented in this block.
    pub forged_sent: u64,
    /// How many of them were refused with 401. Anything less invalidates the run.
    pub forged_refused: u64,
}

/// Slots in the order they ran; entry `i` of every column belongs to one slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slots {
    /// Position in the whole block, from 0.
    pub order: Vec<u32>,
    /// Requests the schedule asked for.
    pub scheduled: Vec<u64>,
    /// Answered as expected.
    pub expected: Vec<u64>,
    /// Answered, but not as expected.
    pub wrong_outcome: Vec<u64>,
    /// Answered with another status or a body that cannot be read.
    pub http_error: Vec<u64>,
    /// The connection failed.
    pub connection_error: Vec<u64>,
    /// Not answered in time.
    pub timeout: Vec<u64>,
    /// Never sent: the backlog was full.
    pub shed: Vec<u64>,
    /// CPU of the server process, nanoseconds.
    pub server_cpu_ns: Vec<u64>,
    /// CPU of the Redis process, nanoseconds; empty without a Redis.
    pub store_cpu_ns: Vec<u64>,
    /// CPU of the driver's thread, nanoseconds.
    pub driver_cpu_ns: Vec<u64>,
    /// First intended start to last byte read, nanoseconds.
    pub wall_ns: Vec<u64>,
    /// Bytes written to the socket.
    pub request_bytes: Vec<u64>,
    /// Bytes read from the socket.
    pub response_bytes: Vec<u64>,
    /// Redis commands processed, the instrument's own excluded; empty without a Redis.
    pub redis_commands: Vec<u64>,
    /// The decoy's share of them.
    pub decoy_commands: Vec<u64>,
    /// 99th percentile of dispatch minus intended start, nanoseconds.
    pub slip_p99_ns: Vec<u64>,
    /// Time the server's threads were runnable and waiting, nanoseconds; empty where unknown.
    pub server_runqueue_ns: Vec<u64>,
    /// Time the host took away, in kernel ticks; empty where unknown.
    pub steal_ticks: Vec<u64>,
    /// Softirq time of the whole host, in kernel ticks; empty where unknown.
    pub softirq_ticks: Vec<u64>,
    /// Empty when valid, else the gate that discarded the slot.
    pub discarded: Vec<String>,
}

/// What became of every scheduled request. The parts add up to `scheduled`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Requests the schedule asked for.
    pub scheduled: u64,
    /// Answered as expected.
    pub expected: u64,
    /// Answered, but not as expected.
    pub wrong_outcome: u64,
    /// Answered with another status or a body that cannot be read.
    pub http_error: u64,
    /// The connection failed.
    pub connection_error: u64,
    /// Not answered in time.
    pub timeout: u64,
    /// Never sent: the backlog was full.
    pub shed: u64,
}

impl Ledger {
    /// Sum of the parts, saturating.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        [
            self.expected,
            self.wrong_outcome,
            self.http_error,
            self.connection_error,
            self.timeout,
            self.shed,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Whether every scheduled request is accounted for, once.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.accounted() == self.scheduled
    }
}

/// Latency of one arm in one block. Failures are not in it; the ledger has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Intended start to last byte read.
    pub response: Histogram,
    /// First byte written to last byte read.
    pub service: Histogram,
    /// Dispatch to first byte written: the wait for a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_wait: Option<Histogram>,
    /// Intended start to dispatch: the driver's own lateness.
    pub slip: Histogram,
}

/// A histogram of nanoseconds, 1 to 120 s, three significant digits, with exact extremes and sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Values recorded.
    pub n: u64,
    /// Smallest, exactly; `null` when empty.
    pub min_ns: Option<u64>,
    /// Largest, exactly; `null` when empty.
    pub max_ns: Option<u64>,
    /// Sum, exactly.
    pub sum_ns: u64,
    /// Values above 120 s: counted here and in nothing else, never clamped.
    pub out_of_range: u64,
    /// HdrHistogram V2 + DEFLATE, base64.
    pub hdr_v2_deflate_base64: String,
}

/// Sizes of one arm's messages, counted on real ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SizeRow {
    /// The arm's id.
    pub arm: String,
    /// The credential itself, bytes.
    pub credential_bytes: u64,
    /// JSON of the claims, where it carries any, bytes.
    pub claims_bytes: Option<u64>,
    /// The header line that carries it (`Authorization: ..` or `Cookie: ..`), CRLF included, bytes.
    pub header_line_bytes: u64,
    /// A whole request as sent, bytes.
    pub request_bytes: u64,
    /// A whole answer as received, bytes.
    pub response_bytes: u64,
    /// The answer to the login that handed it out, bytes.
    pub login_response_bytes: u64,
}

/// What one kind of logout costs one strategy in one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationCost {
    /// The strategy's id.
    pub strategy: String,
    /// `logout` or `logout-all`.
    pub operation: String,
    /// The block, from 0.
    pub block: u32,
    /// Credentials each call takes back.
    pub credentials_per_call: u32,
    /// Calls made and acknowledged.
    pub calls: u64,
    /// CPU of the server, nanoseconds in all.
    pub server_cpu_ns: u64,
    /// CPU of Redis, nanoseconds in all; `null` without a Redis.
    pub store_cpu_ns: Option<u64>,
    /// Redis commands in all, those inside a script included.
    pub redis_commands: Option<u64>,
    /// Request to acknowledgement.
    pub latency: Histogram,
    /// Revoked credentials presented afterwards and accepted; 0 where the promise is `immediate`.
    pub accepted_afterwards: u64,
    /// Revoked credentials presented afterwards.
    pub presented_afterwards: u64,
}

/// How long revoked credentials of one strategy went on working.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationLag {
    /// The strategy's id.
    pub strategy: String,
    /// Server processes that were probed; `node` strategies are probed on their owner alone.
    pub nodes: u32,
    /// Why `nodes` is 1, where it is.
    pub scope_note: Option<String>,
    /// Interval between probes of one node, nanoseconds: the resolution.
    pub probe_interval_ns: u64,
    /// The credential's lifetime in this experiment, seconds.
    pub lifetime_s: u64,
    /// What revoked: `logout`, `logout-all`, or `mass` (many logouts at once).
    #[serde(default = "logout", skip_serializing_if = "is_logout")]
    pub operation: String,
    /// Credentials taken back together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub credentials_per_call: u32,
    /// Other requests per second meanwhile, on all nodes together; 0 at rest.
    #[serde(default, skip_serializing_if = "is_none")]
    pub load_per_second: u64,
    /// Per node, `last_accepted_ns` of each trial there, in the trials' order, where the law of the
    /// lag is one node's; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_lags_ns: Vec<Vec<i64>>,
    /// Requests with the revoked credentials, every one on every node, after the last trial.
    #[serde(default, skip_serializing_if = "is_none")]
    pub presented_afterwards: u64,
    /// Of these, those admitted.
    #[serde(default, skip_serializing_if = "is_none")]
    pub accepted_afterwards: u64,
    /// The trials.
    pub trials: Vec<LagTrial>,
}

pub(super) fn logout() -> String {
    "logout".into()
}

pub(super) fn is_logout(operation: &str) -> bool {
    operation == "logout"
}

pub(super) const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(super) const fn is_one(n: &u32) -> bool {
    *n == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(super) const fn is_none(n: &u64) -> bool {
    *n == 0
}

/// One credential, revoked once. All times on the prober's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LagTrial {
    /// Age of the credential when the revoke call was sent, nanoseconds.
    pub age_ns: u64,
    /// From the revoke call to its acknowledgement, nanoseconds.
    pub call_ns: u64,
    /// From the acknowledgement to the first-sent time of the last request accepted on any node,
    /// nanoseconds; negative when the last one accepted was sent before the acknowledgement.
    pub last_accepted_ns: i64,
    /// From the acknowledgement to the first-sent time of the first request refused with none
    /// accepted after it, nanoseconds; `null` when no refusal was seen.
    pub first_refused_ns: Option<i64>,
    /// Requests first sent after the acknowledgement and accepted.
    pub stale_accepts: u64,
    /// Requests refused after the last acceptance, fewest over the nodes.
    pub refusals: u64,
    /// Requests accepted after one had been refused on the same node: never expected.
    pub accepts_after_refusal: u64,
}

/// A validity check and its figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What was checked, kebab-case.
    pub name: String,
    /// `slot`, `block` or `run`: what its failure voids.
    pub scope: String,
    /// The arm, where it concerns one.
    pub arm: Option<String>,
    /// The block, where it concerns one.
    pub block: Option<u32>,
    /// Whether it passed.
    pub pass: bool,
    /// The figure and its limit, in words.
    pub detail: String,
}

/// What the plan asked for and the run could not measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotMeasured {
    /// A strategy or arm id, or a part of the run.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}
