//! The part of `derived.json` that follows from what was timed in loops and weighed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derived::Estimate;

/// One subject that was timed in a loop. The figures of the two timers stand beside each other and
/// are never mixed: ratios come from the interleaved pass alone, `criterion_ns` from Criterion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MicroResult {
    /// `operation/subject/parameters`; unique.
    pub id: String,
    /// `verify`, `issue`, ...
    pub operation: String,
    /// The second part of the id.
    #[serde(default)]
    pub subject: String,
    /// The third part of the id, taken apart.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The strategy measured, where it is one.
    pub strategy: Option<String>,
    /// Its algorithm.
    pub algorithm: Option<String>,
    /// What it alternates with.
    pub reference: Option<String>,
    /// Interleaved: thread CPU per operation, nanoseconds, mean over groups of batches (t).
    pub cpu_ns: Option<Estimate>,
    /// Interleaved: ratio of that to the reference's neighbouring batch.
    pub ratio: Option<Estimate>,
    /// Interleaved: CPU of the store's process per operation, nanoseconds.
    #[serde(default)]
    pub store_cpu_ns: Option<Estimate>,
    /// Interleaved: CPU of thread and store per operation, nanoseconds, where a store is asked.
    #[serde(default)]
    pub total_cpu_ns: Option<Estimate>,
    /// Interleaved: ratio of that to the reference's thread and store.
    #[serde(default)]
    pub total_ratio: Option<Estimate>,
    /// Interleaved: wall time per operation, nanoseconds.
    #[serde(default)]
    pub wall_ns: Option<Estimate>,
    /// Interleaved: ratio of that to the reference's.
    #[serde(default)]
    pub wall_ratio: Option<Estimate>,
    /// Criterion: wall time per operation, nanoseconds: median over samples and its interval by
    /// order statistics, which assumes nothing about their distribution. It covers the minute of
    /// the measurement, not other minutes or processes.
    #[serde(default)]
    pub criterion_ns: Option<Estimate>,
}

/// What one way of verifying or issuing costs above the signature alone, on the thread CPU clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverheadResult {
    /// The id of the row it is computed from.
    pub id: String,
    /// `verify` or `issue`.
    pub operation: String,
    /// The way: `jsonwebtoken`, `jsonwebtoken+policy`, `prepared`, `floor`.
    pub path: String,
    /// The algorithm, with the key length where that is not the usual one.
    pub algorithm: String,
    /// The claims, where they are a factor.
    pub claims: Option<String>,
    /// The library that computes the signature, where that is a factor.
    pub backend: Option<String>,
    /// The id of the signature alone.
    pub primitive: String,
    /// The signature alone, nanoseconds.
    pub primitive_ns: f64,
    /// The way less the signature, within groups of batches taken at the same time, nanoseconds.
    pub above_ns: Estimate,
    /// That as a share of the whole, per cent.
    pub percent_of_whole: f64,
}

/// The parts of one verification beside the whole, on the thread CPU clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartSum {
    /// The way: `prepared`, `jsonwebtoken`.
    pub path: String,
    /// The id of the whole.
    pub whole: String,
    /// The parts, in the order they were timed in.
    pub steps: Vec<Step>,
    /// Their sum, nanoseconds.
    pub sum_ns: f64,
    /// The whole, nanoseconds.
    pub whole_ns: f64,
    /// The sum as a share of the whole, per cent.
    pub percent: f64,
    /// Whether the sum is within 10 % of the whole.
    pub pass: bool,
}

/// One part of a verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `split`, `base64`, `signature`, ...
    pub step: String,
    /// Thread CPU, nanoseconds.
    pub cpu_ns: f64,
}

/// What an entry weighs in Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryResult {
    /// The strategy that filed them.
    pub strategy: String,
    /// `session`, `deny-list-entry`, `version`.
    pub entry: String,
    /// Entries filed.
    pub entries: u64,
    /// Growth of `used_memory` per entry, bytes: keys, values, tables.
    pub bytes_per_entry: f64,
    /// `MEMORY USAGE` of one entry's keys, bytes: without the tables that hold them.
    pub usage_bytes: u64,
}
