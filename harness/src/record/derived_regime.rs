//! What was found under other conditions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derived::{Estimate, Verdict};

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegimeResult {
    /// Its name.
    pub name: String,
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub mode: String,
    /// Offered rate; in a closed loop, requests per second of slot that are sent.
    pub rate_per_second: u64,
    /// How the driver wakes.
    pub pacing: String,
    /// Which process runs on which processor.
    pub layout: String,
    /// `http/1.1` or `http/2`.
    pub protocol: String,
    /// The mix of operations, in words.
    pub mix: Option<String>,
    /// Memory that each `GET /me` read and wrote as an application's own work, KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_kib: Option<u32>,
    /// Blocks with every arm measured.
    pub blocks: u32,
    /// CPU of its own `none` per request, server and store, median over blocks, nanoseconds.
    pub none_cpu_ns: Option<f64>,
    /// Its arms.
    pub arms: Vec<RegimeArm>,
}

/// One arm under that condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegimeArm {
    /// The arm's id.
    pub arm: String,
    /// (arm - none) / none within a block, server and store, over blocks.
    pub cpu_over_none: Option<Estimate>,
    /// The same in nanoseconds at this condition's median `none`.
    pub cpu_above_none_ns: Option<Estimate>,
    /// What that allows to be said.
    pub cpu_verdict: Option<Verdict>,
    /// CPU of server and store per request, median over blocks, nanoseconds.
    pub cpu_ns: Option<f64>,
    /// Requests answered per second of slot, of the arm over `none`: above 1 it was faster. Only of
    /// a closed loop; the throughput itself is no finding on a shared machine.
    pub throughput_over_none: Option<Estimate>,
}

/// Counts per request of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountResult {
    /// The arm's id.
    pub arm: String,
    /// Redis commands per request, decoys excluded.
    pub redis_commands: Option<f64>,
    /// Commands that Redis took in one read: 1 where each travels alone.
    pub redis_commands_per_read: Option<f64>,
    /// Bytes to Redis per request.
    pub redis_input_bytes: Option<f64>,
    /// Bytes from Redis per request.
    pub redis_output_bytes: Option<f64>,
    /// Context switches to the server per request.
    pub server_switches: Option<f64>,
    /// The same of Redis, net of nothing: its own timer is in it.
    pub store_switches: Option<f64>,
    /// System calls of the server per request, one at a time.
    pub server_syscalls: Option<f64>,
    /// System calls of Redis per request, one at a time.
    pub store_syscalls: Option<f64>,
    /// Time the server's threads waited for a processor per request, nanoseconds.
    pub server_runqueue_ns: Option<f64>,
    /// Softirq time of the whole host per request, nanoseconds. On loopback most of it runs inside
    /// the sender's system call and is in that process's CPU already.
    pub softirq_ns: Option<f64>,
}
