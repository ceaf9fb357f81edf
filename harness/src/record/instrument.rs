//! What the instrument recorded about itself and the host beside what it measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Cell, Histogram};

/// Counts of one arm in one block, over its valid slots.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Times a thread of the server was put on a processor: context switches to it.
    pub server_timeslices: Option<u64>,
    /// The same of Redis.
    pub store_timeslices: Option<u64>,
    /// The same of the driver's thread.
    pub driver_timeslices: Option<u64>,
    /// Time the threads of Redis were runnable and waiting, nanoseconds.
    pub store_runqueue_ns: Option<u64>,
    /// The same of the driver's thread.
    pub driver_runqueue_ns: Option<u64>,
    /// Bytes Redis read from its clients, the instrument's own questions excluded.
    pub redis_input_bytes: Option<u64>,
    /// Bytes Redis wrote to its clients, the answers to the instrument excluded.
    pub redis_output_bytes: Option<u64>,
    /// Times Redis read from a client: what arrives together is read at once, so commands per read
    /// is how far they were batched.
    pub redis_reads: Option<u64>,
}

impl Counts {
    /// Adds `other`; a figure that is unknown on one side is unknown in the sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
        Self {
            server_timeslices: sum(self.server_timeslices, other.server_timeslices),
            store_timeslices: sum(self.store_timeslices, other.store_timeslices),
            driver_timeslices: sum(self.driver_timeslices, other.driver_timeslices),
            store_runqueue_ns: sum(self.store_runqueue_ns, other.store_runqueue_ns),
            driver_runqueue_ns: sum(self.driver_runqueue_ns, other.driver_runqueue_ns),
            redis_input_bytes: sum(self.redis_input_bytes, other.redis_input_bytes),
            redis_output_bytes: sum(self.redis_output_bytes, other.redis_output_bytes),
            redis_reads: sum(self.redis_reads, other.redis_reads),
        }
    }
}

/// What was observed beside one latency window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowFacts {
    /// How late a thread that does nothing else woke up, 200 times a second: the host's share of
    /// any latency.
    pub hiccup: Histogram,
    /// Median response of the requests intended in the first half, nanoseconds.
    pub first_half_p50_ns: Option<u64>,
    /// The same of the second half.
    pub second_half_p50_ns: Option<u64>,
    /// Requests in flight, mean over the window, in thousandths.
    pub in_flight_mean_milli: u64,
    /// Growth of the requests in flight over the window, in thousandths of a request per second.
    pub in_flight_slope_milli: i64,
    /// Time integral of the requests in flight by the driver's own counter, nanoseconds.
    pub in_flight_ns: u64,
    /// The same by the stamps: the sum of end minus dispatch over all requests, nanoseconds.
    pub held_ns: u64,
    /// Requests dispatched in another 100 ms than the schedule says.
    pub dispatched_elsewhere: u64,
    /// Connections that had to be opened anew.
    pub reconnects: u64,
    /// Time the host took away, in kernel ticks.
    pub steal_ticks: Option<u64>,
}

/// Counted once in a run, apart from everything that is timed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Requests per second that the driver reached on `none` in a closed loop.
    pub headroom_per_second: Option<u64>,
    /// System calls, by arm.
    pub syscalls: Vec<SyscallRow>,
    /// Why there are none.
    pub syscalls_reason: Option<String>,
}

/// System calls of one arm at a low rate, one request at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyscallRow {
    /// The arm's id.
    pub arm: String,
    /// Requests sent while they were counted.
    pub requests: u64,
    /// System calls of the server; `null` when the counter gave no figure.
    pub server: Option<u64>,
    /// System calls of Redis while the same number of requests was sent again.
    pub store: Option<u64>,
}

/// Some arms once more under another condition: another rate, a closed loop, another layout of the
/// processes, a mix of operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Regime {
    /// The condition's name, kebab-case.
    pub name: String,
    /// `open`, or `closed`: a request is due when a connection is free. Throughput and CPU alone.
    #[serde(rename = "loop")]
    pub mode: String,
    /// Offered rate, requests per second; in a closed loop, requests per second of slot that are
    /// sent.
    pub rate_per_second: u64,
    /// The measured part of a slot, milliseconds; nothing for that of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_ms: Option<u64>,
    /// How the driver wakes.
    pub pacing: String,
    /// Which process runs on which processor.
    pub layout: String,
    /// `http/1.1` or `http/2`.
    pub protocol: String,
    /// The mix of operations, in words; `null` for `GET /me` with good credentials alone.
    pub mix: Option<String>,
    /// Memory that each `GET /me` read and wrote as an application's own work, KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_kib: Option<u32>,
    /// Blocks asked for.
    pub blocks: u32,
    /// Rounds per block.
    pub rounds_per_block: u32,
    /// Arm by block.
    pub cells: Vec<Cell>,
}
