//! The part of `run.json` that needs no server: what was timed in a loop, sized and weighed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which instrument timed a subject.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// `authbench micro`: subject and reference alternate in short batches, so ratios hold.
    #[default]
    Interleaved,
    /// `cargo bench`: one subject after the other, so each figure is of its own minute.
    Criterion,
}

/// One subject timed in a loop. Entry `i` of every column belongs to one batch; a column that was
/// not measured is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MicroCell {
    /// `operation/subject/parameters`: `verify/prepared/alg=HS256,claims=typical,backend=ring`.
    /// Without parameters where the subject is a strategy.
    pub id: String,
    /// `verify`, `issue`, `reject`, `part`, `lookup`, `revoke`.
    pub operation: String,
    /// The strategy measured, where the subject is one.
    pub strategy: Option<String>,
    /// The signature algorithm, where there is one.
    pub algorithm: Option<String>,
    /// The subject it alternates with: its id, or the strategy's name where the operation is the
    /// same. `null` where it alternated with none.
    pub reference: Option<String>,
    /// Who timed it.
    #[serde(default)]
    pub timer: Timer,
    /// Iterations in each batch of the subject.
    pub iterations: Vec<u64>,
    /// Thread CPU time of each batch, nanoseconds. Empty for Criterion.
    pub cpu_ns: Vec<u64>,
    /// Wall time of each batch, nanoseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wall_ns: Vec<u64>,
    /// CPU of the store's process in each batch, nanoseconds; empty where no store is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub store_cpu_ns: Vec<u64>,
    /// Iterations in each batch of the reference beside it.
    pub reference_iterations: Vec<u64>,
    /// Thread CPU time of that batch, nanoseconds.
    pub reference_cpu_ns: Vec<u64>,
    /// Wall time of that batch, nanoseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_wall_ns: Vec<u64>,
    /// CPU of the store's process in that batch, nanoseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_store_cpu_ns: Vec<u64>,
}

/// Bytes of one credential on the wire. Exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireRow {
    /// `session-id`, `jwt`.
    pub credential: String,
    /// The signature algorithm, with the key length where that is not the usual one.
    pub algorithm: Option<String>,
    /// `minimal`, `typical`, `1k`, `4k`; `null` for a credential without claims.
    pub claims: Option<String>,
    /// JSON of the claims, bytes.
    pub claims_bytes: Option<u64>,
    /// `bearer` or `cookie`.
    pub carrier: String,
    /// The credential itself, bytes.
    pub credential_bytes: u64,
    /// The HTTP/1.1 header line that carries it, CRLF included, bytes.
    pub header_line_bytes: u64,
    /// The whole HTTP/1.1 request, bytes.
    pub request_bytes: u64,
    /// The HTTP/2 header block of the same request, by encoder policy.
    pub header_blocks: Vec<HeaderBlock>,
}

/// An HPACK header block (RFC 7541) under one encoder's policy, bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderBlock {
    /// `never-indexed`, `nghttp2`, `index-all`.
    pub policy: String,
    /// Of the first request on a connection.
    pub first_bytes: u64,
    /// Of every later one.
    pub later_bytes: u64,
}

/// Where a credential crosses a limit that something on its way has. Exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitRow {
    /// The limit: `cookie`, `hpack-three-quarters`, ...
    pub limit: String,
    /// What it says and who has it, in words.
    pub about: String,
    /// The limit, bytes.
    pub limit_bytes: u64,
    /// The signature algorithm of the token.
    pub algorithm: String,
    /// `bearer` or `cookie`.
    pub carrier: String,
    /// The fewest bytes of claims JSON with which the limit is exceeded; `null` where the limit
    /// does not apply to this carrier.
    pub claims_bytes: Option<u64>,
}

/// What entries of one kind weigh in a store, measured by filing many. Exact for one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryRow {
    /// The strategy that filed them.
    pub strategy: String,
    /// `session`, `deny-list-entry`, `version`.
    pub entry: String,
    /// Entries filed.
    pub entries: u64,
    /// Redis' `used_memory` before, bytes.
    pub used_before_bytes: u64,
    /// Redis' `used_memory` after, bytes.
    pub used_after_bytes: u64,
    /// Keys in the database after, those before taken off.
    pub keys: u64,
    /// `MEMORY USAGE` of one entry's keys together, bytes; the median of those asked.
    pub usage_bytes: u64,
}
