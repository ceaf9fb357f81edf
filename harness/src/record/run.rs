//! `run.json`: what one run measured. Integers in base units, the unit in the name; what was not
//! measured is `null` or listed with its reason, never zero.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::acceptance::{Acceptance, AcceptanceRow, AcceptanceTest, SabotageRow};
pub use super::bench::{HeaderBlock, LimitRow, MemoryRow, MicroCell, Timer, WireRow};
pub use super::distance::DistanceCell;
pub use super::instrument::{Counts, Instrument, Regime, SyscallRow, WindowFacts};
pub use super::measured::{
    Cell, Check, Histogram, LagTrial, Latency, Ledger, NotMeasured, RevocationCost, RevocationLag,
    SizeRow, Slots,
};
pub use super::prediction::{Prediction, Predictions};
pub use super::spectrum::{
    FaultSeries, FaultTrial, KeySeries, MassRow, NodeMemoryRow, RaceSeries, Spectrum, WriteRow,
};
pub use super::tools::ToolRun;

/// One run, written as it goes; an interrupted one is valid and says `partial`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Always `authbench.run/1`.
    pub schema: String,
    /// The method's version.
    pub method_version: u32,
    /// Which run, and how it ended.
    pub run: RunInfo,
    /// What was built, from what.
    pub provenance: Provenance,
    /// On what machine.
    pub environment: Environment,
    /// The plan as it was executed; `null` where no server was loaded.
    pub plan: Option<PlanRecord>,
    /// What each strategy declares of itself.
    pub strategies: Vec<StrategyRecord>,
    /// The arms, in report order.
    pub arms: Vec<Arm>,
    /// Arm by block, in the order they were measured.
    pub cells: Vec<Cell>,
    /// Some arms under other conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<Regime>,
    /// What was counted once, apart from everything that is timed.
    #[serde(default)]
    pub instrument: Instrument,
    /// How the instrument fared on what is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<Acceptance>,
    /// What was timed in a loop, without a server around it.
    pub micro: Vec<MicroCell>,
    /// Bytes of credentials on the wire, by algorithm, claims and carrier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wire: Vec<WireRow>,
    /// Where credentials cross the limits on their way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitRow>,
    /// What entries weigh in the store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<MemoryRow>,
    /// This driver beside other load generators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolRun>,
    /// Credential and message sizes, counted.
    pub sizes: Vec<SizeRow>,
    /// What a logout costs.
    pub revocation_cost: Vec<RevocationCost>,
    /// How long a revoked credential went on working.
    pub revocation_lag: Vec<RevocationLag>,
    /// What faults, races and rotations make of taking a credential back.
    #[serde(default, skip_serializing_if = "Spectrum::is_empty")]
    pub spectrum: Spectrum,
    /// Store strategies with their store at a distance, and what they are read against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distance: Vec<DistanceCell>,
    /// What was predicted of it before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Predictions>,
    /// Every validity check of the run, passed or failed.
    pub checks: Vec<Check>,
    /// What the plan asked for and the run could not measure.
    pub not_measured: Vec<NotMeasured>,
}

/// Which run, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// UTC start and eight hexadecimal digits.
    pub id: String,
    /// The name its folder carries behind the date.
    pub label: String,
    /// `smoke`, `quick`, `standard`, `reference`, or the name of a plan file; `micro` where no
    /// server was loaded.
    pub profile: String,
    /// Everything random follows from it, in decimal (a 64-bit integer is not safe in JSON).
    pub seed: String,
    /// RFC 3339, UTC.
    pub started_utc: String,
    /// RFC 3339, UTC; `null` while running or when interrupted.
    pub finished_utc: Option<String>,
    /// Wall time from start to end, milliseconds.
    pub wall_ms: Option<u64>,
    /// The arguments, paths reduced to their last component.
    pub argv: Vec<String>,
    /// How it ended.
    pub status: Status,
    /// Why it is invalid or partial, one reason each.
    pub reasons: Vec<String>,
    /// Whether the profile is meant to be cited at all.
    pub citable: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Every block was measured and every gate of the run passed.
    Complete,
    /// Interrupted, or still running: what is there is valid, what is missing is missing.
    Partial,
    /// A gate of the run failed: nothing in it may be cited.
    Invalid,
}

/// What was built, from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The source revision, when built from a checkout.
    pub git_sha: Option<String>,
    /// Whether the checkout had uncommitted changes.
    pub git_dirty: Option<bool>,
    /// SHA-256 of `Cargo.lock`, hexadecimal.
    pub lockfile_sha256: String,
    /// SHA-256 of the running binary, hexadecimal.
    pub binary_sha256: String,
    /// `rustc --version` at build time.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// `debug` or `release`.
    pub build: String,
    /// Versions of the crates under measurement.
    pub crates: Vec<Versioned>,
    /// Version of the Redis server, when there was one.
    pub redis_server: Option<String>,
}

/// A name and its version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Versioned {
    /// The crate's name.
    pub name: String,
    /// Its resolved version.
    pub version: String,
}

/// The machine. Unknown facts are listed, not guessed. No host name, user, path or address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The processor's model name.
    pub cpu_model: Option<String>,
    /// The instruction set.
    pub arch: String,
    /// The operating system and kernel release.
    pub os: String,
    /// Processors this process may run on.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// `none`, `vm`, `container`, where it can be told.
    pub virtualization: Option<String>,
    /// The kernel's clock source.
    pub clocksource: Option<String>,
    /// CPU frequency governor.
    pub governor: Option<String>,
    /// CPU quota of the control group, in thousandths of a core.
    pub cpu_quota_millicores: Option<u64>,
    /// One-minute load average before the start, in thousandths.
    pub load_before_milli: Option<u64>,
    /// Whether other processes' CPU time is read by a nanosecond process clock (`process-clock`) or
    /// reported by the server itself (`self-reported`).
    pub cpu_clock: String,
    /// `a` to `d`: how much this machine and its state before the start allow to be said.
    pub grade: String,
    /// Why it is not an `a`.
    pub grade_reasons: Vec<String>,
    /// Facts that could not be found out.
    pub unknown: Vec<String>,
}

/// The plan as executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRecord {
    /// Blocks asked for. A block is fresh server processes and many rounds.
    pub blocks: u32,
    /// Rounds per block. A round is every arm once, in random order.
    pub rounds_per_block: u32,
    /// The measured part of a slot, milliseconds.
    pub slot_ms: u64,
    /// Sent and thrown away before it, milliseconds.
    pub lead_in_ms: u64,
    /// Length of the longer latency window each arm gets in each block, milliseconds; 0 = none,
    /// and the percentiles come from the slots.
    pub latency_window_ms: u64,
    /// Offered rate, requests per second.
    pub rate_per_second: u64,
    /// Arrival law: `poisson` or `constant`.
    pub arrivals: String,
    /// How the driver wakes: `exact` (a timer for each arrival) or `tick` (every millisecond).
    pub pacing: String,
    /// Keep-alive HTTP/1.1 connections per arm.
    pub connections: u32,
    /// Distinct credentials per arm.
    pub wallet: u32,
    /// Tokio worker threads of a server.
    pub server_threads: u32,
    /// A request not answered this long after its intended start has failed, milliseconds.
    pub timeout_ms: u64,
    /// Most requests that may wait for a connection before the next is shed.
    pub backlog_limit: u32,
    /// Access token lifetime, seconds.
    pub token_lifetime_s: u64,
    /// Lifetime of an access token that a refresh token renews, seconds; `null` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_lifetime_s: Option<u64>,
    /// Lifetime of a link, seconds; `null` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_lifetime_s: Option<u64>,
    /// Bytes of JSON that a JWT carries beyond the claims that are read; nothing for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_claims_bytes: Option<u64>,
    /// Leeway of token checks, seconds.
    pub leeway_s: u64,
    /// Idle timeout of sessions, seconds.
    pub session_idle_s: u64,
    /// Absolute timeout of sessions, seconds.
    pub session_absolute_s: u64,
    /// `TCP_NODELAY` between server and Redis.
    pub redis_nodelay: bool,
    /// Redis response timeout, milliseconds.
    pub redis_response_timeout_ms: u64,
    /// A slot whose 99th percentile of slip is above this is discarded, nanoseconds.
    pub slip_limit_ns: u64,
    /// Above this share of discarded slots the run is invalid, thousandths.
    pub discard_limit_permille: u32,
    /// Whether gates that only a quiet machine passes are judged; `null` in records that are older
    /// than those gates.
    #[serde(default)]
    pub judge_host: Option<bool>,
}

/// What a strategy declares of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StrategyRecord {
    /// Its kebab-case id.
    pub id: String,
    /// What it is, in one line.
    pub about: String,
    /// `floor`, `session`, `token`, `token-with-state`.
    pub family: String,
    /// The header's `alg`, where there is one.
    pub algorithm: Option<String>,
    /// `immediate`, `within`, `at-expiry`: the promise of a logout.
    pub revoke: String,
    /// The bound of `within`, nanoseconds.
    pub revoke_within_ns: Option<u64>,
    /// `credential`, `subject`, `nothing`: what a logout takes back.
    pub granularity: String,
    /// The promise of logout everywhere.
    pub revoke_all: String,
    /// The bound of that `within`, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_all_within_ns: Option<u64>,
    /// The law that the lag of a logout should follow on a node that did not take it: `at-once`,
    /// `uniform`, `push`, `remaining`; `null` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_law: Option<String>,
    /// The period of `uniform`, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_period_ns: Option<u64>,
    /// `node`, `host` or `shared`.
    pub scope: String,
    /// Outcome while the store does not answer: `unaffected`, `closed`, `open-for`, `revives`.
    pub store_down: String,
    /// Outcome when the store's state is lost.
    pub store_lost: String,
    /// Outcome when the server process restarts.
    pub node_restart: String,
    /// Redis commands per admitted request; at most, where `redis_cached`.
    pub redis_commands_per_request: u32,
    /// Whether a request may be answered from the server process instead.
    #[serde(default, skip_serializing_if = "is_false")]
    pub redis_cached: bool,
    /// Redis commands each node sends by itself, per second, at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redis_background_per_second: u32,
    /// `redis`, `postgres` or `sqlite`, where it needs a store outside the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// `none`, `sliding`, `rotating`: whether a credential is renewed; `null` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<String>,
    /// `many` or `once`: how often a credential is good; `null` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
    /// Whether it can count a user's live logins.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counts_logins: bool,
    /// The algorithm of the token that services behind the edge verify instead of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops_verify: Option<String>,
    /// What a node remembers of credentials that it has judged; nothing where every use costs the
    /// same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembers: Option<Remembered>,
    /// The declared outcome of each fault; empty in older records, which know the three above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<DeclaredFault>,
}

/// What a node remembers of credentials that it has judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// For how long, nanoseconds; nothing where it is until the store says that it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ns: Option<u64>,
    /// Of how many credentials at most.
    pub entries: u64,
}

/// What a strategy declares of one fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredFault {
    /// The fault's name.
    pub fault: String,
    /// `unaffected`, `closed`, `open-for`, `open`, `revives`.
    pub outcome: String,
    /// The bound of `open-for`, nanoseconds.
    pub open_for_ns: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(b: &bool) -> bool {
    !*b
}

const fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// What an arm is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// `none`: every other arm is read against it.
    Baseline,
    /// A second server of `none`: states the noise floor.
    AaControl,
    /// `none` plus one `PING` to the store: the least that any lookup there costs.
    StoreFloor,
    /// `none` plus a known amount of CPU: the ruler that CPU differences are read on.
    Ruler,
    /// A token strategy with a side client that loads Redis at the same rate.
    Decoy,
    /// A strategy under comparison.
    Contender,
}

/// A strategy under one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Unique in the run: the strategy's id, with `+...` or `@carrier` where that is not enough.
    pub id: String,
    /// The strategy's id.
    pub strategy: String,
    /// `bearer` or `cookie`.
    pub carrier: String,
    /// What it is for.
    pub role: Role,
    /// CPU the server burns per request beyond its work, nanoseconds (rulers only).
    pub spin_ns: u64,
    /// `PING`s the server sends to the store per request beyond its work.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub store_pings: u32,
    /// Bytes of JSON that its tokens carry beyond their usual claims.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_claims_bytes: u32,
}
