//! The driver beside other load generators: one row per tool, load and block, and what follows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derived::Estimate;

/// What one tool did in one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolRun {
    /// The block, from 0.
    pub block: u32,
    /// `closed` (as fast as the connections allow), `ticks` (random whole milliseconds between a
    /// connection's requests) or `open` (a rate).
    pub load: String,
    /// `authbench`, `wrk` or `oha`.
    pub tool: String,
    /// How this driver wakes, `exact` or `tick`; `null` in a closed loop and for other tools.
    pub pacing: Option<String>,
    /// The tool's version, by its own account.
    pub version: String,
    /// Keep-alive connections.
    pub connections: u32,
    /// The rate asked for, per second; `null` in a closed loop.
    pub offered_per_second: Option<u64>,
    /// Requests answered as wanted, by the tool's own account.
    pub requests: u64,
    /// The time it took for them, by its own account, nanoseconds.
    pub wall_ns: u64,
    /// User and system time of its whole process, start to end, nanoseconds.
    pub cpu_ns: u64,
    /// CPU of the server's process meanwhile, nanoseconds.
    pub server_cpu_ns: u64,
    /// The instant from which its latency counts, in words.
    pub latency_from: String,
    /// Median latency as it reports it, nanoseconds; `null` where it gives none.
    pub p50_ns: Option<u64>,
    /// 90th percentile, likewise.
    pub p90_ns: Option<u64>,
    /// 99th percentile, likewise.
    pub p99_ns: Option<u64>,
    /// 99th percentile of the driver's own lateness, nanoseconds; only this driver states it.
    pub slip_p99_ns: Option<u64>,
    /// Requests answered as wanted per second, rounded.
    pub achieved_per_second: u64,
    /// Whether this driver's own gates passed: a late driver sends in batches, which is cheaper.
    /// Other tools have no gates, and `true`.
    pub valid: bool,
    /// What limits these figures; empty where nothing does.
    pub note: String,
}

/// This driver over another tool in the same blocks: geometric means of the blocks' ratios. Below
/// 1, this driver has less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolResult {
    /// `closed`, `ticks` or `open`.
    pub load: String,
    /// This driver, with its pacing where it has one.
    pub ours: String,
    /// The other tool.
    pub theirs: String,
    /// The other tool's version.
    pub version: String,
    /// Blocks in which both ran and this driver's gates passed.
    pub blocks: u32,
    /// Blocks left out because they did not.
    pub blocks_invalid: u32,
    /// CPU of this driver per request, median over blocks, nanoseconds.
    pub ours_cpu_ns: Option<f64>,
    /// CPU of the other tool per request, median over blocks, nanoseconds.
    pub theirs_cpu_ns: Option<f64>,
    /// Ratio of CPU per request.
    pub cpu: Option<Estimate>,
    /// Ratio of the server's CPU per request.
    pub server_cpu: Option<Estimate>,
    /// Ratio of throughput.
    pub throughput: Option<Estimate>,
    /// Ratio of median latency, each as its tool counts it.
    pub p50: Option<Estimate>,
    /// Ratio of the 90th percentile, likewise.
    pub p90: Option<Estimate>,
    /// Ratio of the 99th percentile, likewise.
    pub p99: Option<Estimate>,
    /// 99th percentile of this driver's lateness, the largest of the blocks, nanoseconds.
    pub slip_p99_ns: Option<u64>,
}
