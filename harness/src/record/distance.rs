//! The store at a distance: what was measured, what is computed from it, and whether the first
//! agrees with itself.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derived::{Estimate, Verdict};
use super::integrity::{ALTERED, Finding, latency, ledger, push};
use super::measured::{Latency, Ledger};
use super::run::Run;

/// One arm at one distance of its store in one block: one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistanceCell {
    /// The arm's id.
    pub arm: String,
    /// The strategy's id.
    pub strategy: String,
    /// Round trip that the delay line adds between server and store, nanoseconds; 0 goes through
    /// the line without delay, `null` past it (or the arm has no store).
    pub round_trip_ns: Option<u64>,
    /// The block, from 0.
    pub block: u32,
    /// Position in the block, from 0.
    pub order: u32,
    /// Requests per second that the schedule asked for.
    pub rate_per_second: u64,
    /// Keep-alive connections.
    pub connections: u32,
    /// What became of the requests.
    pub ledger: Ledger,
    /// Latency of those answered as expected.
    pub latency: Latency,
    /// CPU of the server process, nanoseconds.
    pub server_cpu_ns: u64,
    /// CPU of the Redis process, nanoseconds.
    pub store_cpu_ns: Option<u64>,
    /// CPU of the driver's thread, nanoseconds; the line's thread is not in it.
    pub driver_cpu_ns: u64,
    /// Redis commands processed, the instrument's own excluded.
    pub redis_commands: Option<u64>,
    /// Dispatch to last byte read, summed over the requests, nanoseconds: over `wall_ns` it is the
    /// mean number in flight.
    pub in_flight_ns: u64,
    /// First intended start to last byte read, nanoseconds.
    pub wall_ns: u64,
    /// Median of how late the line wrote a chunk, nanoseconds; `null` past the line.
    pub line_lateness_p50_ns: Option<u64>,
    /// 99th percentile of the same, nanoseconds.
    pub line_lateness_p99_ns: Option<u64>,
    /// Empty when valid, else the gate that discarded the window.
    pub discarded: String,
}

/// What is computed from the sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistanceResult {
    /// Blocks with any window.
    pub blocks: u32,
    /// Requests per second.
    pub rate_per_second: u64,
    /// Keep-alive connections per arm.
    pub connections: u32,
    /// One row per arm and distance.
    pub rows: Vec<DistanceRow>,
    /// Each token against each strategy with a store.
    pub crossovers: Vec<Crossover>,
}

/// One arm at one distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistanceRow {
    /// The arm's id.
    pub arm: String,
    /// The strategy's id.
    pub strategy: String,
    /// As in the record.
    pub round_trip_ns: Option<u64>,
    /// Requests answered as expected in the windows that count.
    pub requests: u64,
    /// Windows that count.
    pub windows: u32,
    /// Windows left out: discarded by a gate, or with requests that failed.
    pub left_out: u32,
    /// Median response time, median over blocks, nanoseconds.
    pub p50_ns: Option<f64>,
    /// Median response time above `none` in the same block, nanoseconds.
    pub p50_above_none_ns: Option<Estimate>,
    /// The same of the 90th percentile; `null` where a window has too few samples for it.
    pub p90_above_none_ns: Option<Estimate>,
    /// CPU of server and store per request above `none` in the same block, nanoseconds.
    pub cpu_above_none_ns: Option<Estimate>,
    /// Redis commands per request, counted.
    pub redis_commands_per_request: Option<f64>,
    /// Mean number of requests in flight.
    pub in_flight: Option<f64>,
    /// Largest 99th percentile of the line's lateness in a window, nanoseconds.
    pub line_lateness_p99_ns: Option<u64>,
}

/// A self-contained token against a strategy that asks its store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crossover {
    /// The token's arm.
    pub token: String,
    /// The arm with the store.
    pub store: String,
    /// From which round trip on the token's median response is the shorter one.
    pub latency: Crossing,
    /// At which round trips the token costs less CPU.
    pub cpu: CpuCrossing,
}

/// Whether one is overtaken by the other as the store moves away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrossingKind {
    /// The token is ahead already with the store at no distance.
    Always,
    /// The token is behind at every distance measured.
    Never,
    /// The token is ahead from some distance on.
    Crosses,
    /// The blocks disagree about whether it crosses, or nothing can be said.
    Undecided,
}

/// Where the median response times cross.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crossing {
    /// What the blocks say.
    pub kind: CrossingKind,
    /// The round trip at which they are equal, nanoseconds; its interval is over blocks and does
    /// not go below zero. Where some blocks say `always`, their straight line is drawn on below
    /// zero, so that they count; `null` where no block crosses, or one says `never`.
    pub round_trip_ns: Option<Estimate>,
    /// Blocks in which the token is ahead already at no distance.
    pub blocks_always: u32,
    /// Blocks in which they cross within the distances measured.
    pub blocks_crossing: u32,
    /// Blocks in which the token is never ahead.
    pub blocks_never: u32,
}

/// At which distances the token costs less CPU than the strategy with the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuCrossing {
    /// What the distances say together: `crosses` when it is dearer up to a distance and cheaper
    /// from another on.
    pub kind: CrossingKind,
    /// Each distance measured.
    pub at: Vec<CpuAt>,
}

/// CPU of the token against the strategy with the store at one distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuAt {
    /// The round trip, nanoseconds.
    pub round_trip_ns: u64,
    /// Token minus store strategy per request within a block, 99 % interval, nanoseconds.
    pub difference_ns: Option<Estimate>,
    /// `cheaper`, `dearer` or `undecided`.
    pub verdict: Verdict,
}

/// Everything found wrong in the sweep.
pub(super) fn findings(run: &Run, found: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for cell in &run.distance {
        let place = place(cell);
        if !seen.insert((cell.arm.as_str(), cell.round_trip_ns, cell.block)) {
            push(found, &place, "there are two windows of this arm and distance".into(), ALTERED);
        }
        if !run.strategies.iter().any(|s| s.id == cell.strategy) {
            let what = format!("its strategy `{}` is not among `strategies`", cell.strategy);
            push(found, &place, what, ALTERED);
        }
        ledger(&place, cell.ledger, found);
        latency(&place, "latency", &cell.latency, cell.ledger.expected, found);
        let known = [cell.line_lateness_p50_ns, cell.line_lateness_p99_ns].map(|ns| ns.is_some());
        if known.contains(&true) && cell.round_trip_ns.is_none() {
            push(found, &place, "it went past the line, yet the line was late".into(), ALTERED);
        }
    }
}

fn place(cell: &DistanceCell) -> String {
    let at = cell
        .round_trip_ns
        .map_or_else(|| "past the line".to_owned(), |ns| format!("{} µs", ns as f64 / 1e3));
    format!("distance {} at {at}, block {}", cell.arm, cell.block)
}
