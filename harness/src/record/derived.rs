//! `derived.json`: all that is computed from a `run.json`, and nothing else.
//!
//! Floating-point figures are rounded to six significant digits before they are written, so that
//! the file is reproducible byte for byte.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::derived_bench::{MemoryResult, MicroResult, OverheadResult, PartSum, Step};
pub use super::derived_faults::FaultResult;
pub use super::derived_lag::{LagLawResult, MassResult, RevocationLagResult};
pub use super::derived_regime::{CountResult, RegimeArm, RegimeResult};
pub use super::distance::{
    CpuAt, CpuCrossing, Crossing, CrossingKind, Crossover, DistanceResult, DistanceRow,
};
pub use super::prediction::PredictionResult;
use super::run::{Role, Status};
pub use super::tools::ToolResult;

/// Everything the reports and the decision draw on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Always `authbench.derived/1`.
    pub schema: String,
    /// The version of the computation, [`super::DERIVED_METHOD_VERSION`]: the same for all records,
    /// whatever the version of the method they were measured by.
    pub method_version: u32,
    /// The run's id.
    pub run_id: String,
    /// SHA-256 of the `run.json` this was computed from, hexadecimal.
    pub run_sha256: String,
    /// How the run ended.
    pub status: Status,
    /// Why no percentile, no CPU figure and no verdict is given: the run is invalid. Counts and the
    /// trust panel stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
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
    /// Exact counts per request.
    #[serde(default)]
    pub counts: Vec<CountResult>,
    /// What was found under other conditions.
    #[serde(default)]
    pub regimes: Vec<RegimeResult>,
    /// Pairs of contenders whose order on CPU changes with where the processes run.
    #[serde(default)]
    pub layout_dependent: Vec<String>,
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
    /// Many logouts at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mass: Vec<MassResult>,
    /// What faults made of requests, against what was declared of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultResult>,
    /// The store at a distance, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<DistanceResult>,
    /// What was predicted before the run, beside what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<PredictionResult>,
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

/// What a comparison allows to be said about CPU or latency.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// CPU: below zero, p < 0.05, Holm's over the family.
    Cheaper,
    /// CPU: above zero, p < 0.05, Holm's over the family.
    Dearer,
    /// Latency: below zero, p < 0.05, Holm's over the family.
    Faster,
    /// Latency: above zero, p < 0.05, Holm's over the family.
    Slower,
    /// Two one-sided tests put it within 5 % of zero, p < 0.05, Holm's over the family.
    Equivalent,
    /// None of these: the data do not tell.
    Undecided,
}

/// What methods that assume less than Student's t say about the same comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossCheck {
    /// Lower end of the 95 % BCa bootstrap interval over blocks, in the unit of the estimate.
    pub bca_low: f64,
    /// Upper end.
    pub bca_high: f64,
    /// Exact two-sided p of Wilcoxon's signed ranks over blocks; `null` where too few blocks differ
    /// from zero for any p below 0.05.
    pub signed_rank_p: Option<f64>,
    /// Whether both say what Student's t says.
    pub agrees: bool,
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
    /// arm / none - 1, server and store: the mean logarithm of the ratios within blocks, turned
    /// back.
    pub cpu_over_none: Option<Estimate>,
    /// The same in nanoseconds at this run's median `none`.
    pub cpu_above_none_ns: Option<Estimate>,
    /// What that allows to be said.
    pub cpu_verdict: Option<Verdict>,
    /// p of a difference to `none`, Holm's over every contender; of a control by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_p_adjusted: Option<f64>,
    /// What limits the CPU figures, or why they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_note: Option<String>,
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
    /// p of a difference, Holm's over every contender at this percentile; of a control by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
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
    /// arm / against - 1: the mean logarithm of the ratios within blocks, turned back.
    pub difference: Estimate,
    /// Confidence of that interval, per cent: 95, of this comparison alone.
    pub confidence_percent: u32,
    /// The comparisons that are decided together: `against-none` or `contenders`; `alone` for a
    /// control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Two-sided p of a difference, Student's t on the logarithms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same, Holm's over the family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// p of a difference below 5 % (two one-sided tests), Holm's over the family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_equivalent_adjusted: Option<f64>,
    /// What other methods say; `null` below six blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_check: Option<CrossCheck>,
    /// What that allows to be said of `arm`.
    pub verdict: Verdict,
    /// What limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
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
