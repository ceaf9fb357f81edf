//! `derived.json`: all that is computed from a `run.json`, and nothing else.
//!
//! Floating-point figures are rounded to six significant digits before they are written, so that
//! the file is reproducible byte for byte.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::derived_bench::{MemoryResult, MicroResult, OverheadResult, PartSum, Step};
use super::run::{Role, Status};
pub use super::tools::ToolResult;

/// Everything the reports and the decision draw on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Always `authbench.derived/1`.
    pub schema: String,
    /// The method's version, from the run.
    pub method_version: u32,
    /// The run's id.
    pub run_id: String,
    /// SHA-256 of the `run.json` this was computed from, hexadecimal.
    pub run_sha256: String,
    /// How the run ended.
    pub status: Status,
    /// Blocks with every arm measured: the n of every interval.
    pub blocks: u32,
    /// CPU of `none` per request, server and store, median over blocks, nanoseconds.
    pub none_cpu_ns: Option<f64>,
    /// The A/A arm against `none`.
    pub noise_floor: Option<NoiseFloor>,
    /// One result per arm, in the run's order.
    pub arms: Vec<ArmResult>,
    /// Every two contenders, and each against `none`, compared on CPU.
    pub cpu_pairs: Vec<PairResult>,
    /// The rulers: how much of a known effect was seen.
    pub rulers: Vec<RulerResult>,
    /// What was timed in a loop, one row per id.
    pub micro: Vec<MicroResult>,
    /// What verifying and issuing cost above the signature alone.
    #[serde(default)]
    pub overhead: Vec<OverheadResult>,
    /// Whether what was timed in pieces adds up to what was timed whole.
    #[serde(default)]
    pub part_sums: Vec<PartSum>,
    /// What an entry weighs in the store.
    #[serde(default)]
    pub memory: Vec<MemoryResult>,
    /// This driver beside other load generators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolResult>,
    /// Revocation cost.
    pub revocation_cost: Vec<RevocationCostResult>,
    /// Revocation lag.
    pub revocation_lag: Vec<RevocationLagResult>,
    /// The figures a reader needs to decide whether to believe the rest.
    pub trust: Vec<TrustRow>,
}

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Blocks (or batches) it rests on.
    pub n: u32,
}

/// What an interval allows to be said about CPU or latency.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// CPU: the interval lies below zero.
    Cheaper,
    /// CPU: the interval lies above zero.
    Dearer,
    /// Latency: the interval lies below zero.
    Faster,
    /// Latency: the interval lies above zero.
    Slower,
    /// The whole interval lies within 5 % of zero.
    Equivalent,
    /// None of these: the data do not tell.
    Undecided,
}

/// The A/A arm: two servers of the same strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoiseFloor {
    /// Ratio of the two, minus one.
    pub difference: Estimate,
    /// Lower end of the 99.9 % interval.
    pub low_999: f64,
    /// Upper end of the 99.9 % interval.
    pub high_999: f64,
    /// Whether that interval contains zero; if not, the run is invalid.
    pub contains_zero: bool,
}

/// What was found about one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArmResult {
    /// The arm's id.
    pub arm: String,
    /// The strategy's id.
    pub strategy: String,
    /// `bearer` or `cookie`.
    pub carrier: String,
    /// What the arm is for.
    pub role: Role,
    /// Requests in valid slots.
    pub requests: u64,
    /// Slots measured.
    pub slots: u64,
    /// Slots discarded by a gate.
    pub slots_discarded: u64,
    /// CPU of the server per request, median over blocks, nanoseconds.
    pub server_cpu_ns: Option<f64>,
    /// CPU of Redis per request, net of `none`'s, median over blocks, nanoseconds.
    pub store_cpu_ns: Option<f64>,
    /// CPU of the driver per request, median over blocks, nanoseconds.
    pub driver_cpu_ns: Option<f64>,
    /// (arm - none) / none within a block, server and store, over blocks.
    pub cpu_over_none: Option<Estimate>,
    /// The same in nanoseconds at this run's median `none`.
    pub cpu_above_none_ns: Option<Estimate>,
    /// What that allows to be said.
    pub cpu_verdict: Option<Verdict>,
    /// As `cpu_over_none`, with the driver's CPU on both sides.
    pub cpu_over_none_with_driver: Option<Estimate>,
    /// Whether counting the driver changes the sign of a decided verdict.
    pub driver_flips_sign: bool,
    /// Rank by CPU among the contenders, as a range: `[1, 3]` is first to third.
    pub cpu_rank: Option<[u32; 2]>,
    /// Latency percentiles.
    pub latency: Vec<Percentile>,
    /// Mean bytes written per request.
    pub request_bytes: Option<f64>,
    /// Mean bytes read per request.
    pub response_bytes: Option<f64>,
    /// Redis commands declared per request.
    pub redis_declared: u32,
    /// Redis commands counted in valid slots, decoys excluded.
    pub redis_counted: Option<u64>,
}

/// One percentile of the response time from the intended start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Percentile {
    /// In thousandths: 500, 900, 990, 999.
    pub permille: u32,
    /// Samples behind it, pooled over blocks.
    pub n: u64,
    /// The pooled percentile, nanoseconds; `null` with fewer than 100 samples beyond it.
    pub response_ns: Option<u64>,
    /// The same for service time (first byte written to last byte read).
    pub service_ns: Option<u64>,
    /// Arm minus `none` within a block, over blocks, nanoseconds; `null` where a block has too few
    /// samples, with the reason in `note`.
    pub above_none_ns: Option<Estimate>,
    /// What that allows to be said.
    pub verdict: Option<Verdict>,
    /// Why a figure is missing, or what limits it.
    pub note: Option<String>,
}

/// Two arms compared on CPU, server and store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairResult {
    /// The arm.
    pub arm: String,
    /// The arm it is compared with.
    pub against: String,
    /// arm / against - 1 within a block, over blocks; its interval is `confidence_percent` wide.
    pub difference: Estimate,
    /// Confidence of that interval, per cent: 95 against `none`, 99 between two contenders, because
    /// there are many such pairs.
    pub confidence_percent: u32,
    /// What that allows to be said of `arm`.
    pub verdict: Verdict,
}

/// How much of a known amount of CPU the instrument saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulerResult {
    /// The ruler arm's id.
    pub arm: String,
    /// What was added per request, nanoseconds.
    pub added_ns: u64,
    /// What was seen per request, nanoseconds.
    pub seen_ns: Estimate,
}

/// What one kind of logout costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationCostResult {
    /// The strategy's id.
    pub strategy: String,
    /// `logout` or `logout-all`.
    pub operation: String,
    /// What the call achieves: `immediate`, `within`, `at-expiry`.
    pub promise: String,
    /// Credentials each call takes back.
    pub credentials_per_call: u32,
    /// Calls in all blocks.
    pub calls: u64,
    /// CPU of server and store per call, nanoseconds, over blocks.
    pub cpu_ns: Option<Estimate>,
    /// The store's share, nanoseconds.
    pub store_cpu_ns: Option<f64>,
    /// Redis commands per call.
    pub redis_commands: Option<f64>,
    /// Median latency, pooled, nanoseconds.
    pub p50_ns: Option<u64>,
    /// Revoked credentials that were accepted when presented after the acknowledgement.
    pub accepted_afterwards: u64,
    /// Revoked credentials presented.
    pub presented_afterwards: u64,
}

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
}

/// One row of the trust panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustRow {
    /// The question.
    pub question: String,
    /// The figure.
    pub figure: String,
    /// What it had to be.
    pub limit: String,
    /// Whether it passed; `null` where there is no limit.
    pub pass: Option<bool>,
}
