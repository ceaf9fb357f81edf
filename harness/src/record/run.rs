//! `run.json`: what one run measured. Integers in base units, the unit in the name; what was not
//! measured is `null` or listed with its reason, never zero.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The plan as it was executed.
    pub plan: PlanRecord,
    /// What each strategy declares of itself.
    pub strategies: Vec<StrategyRecord>,
    /// The arms, in report order.
    pub arms: Vec<Arm>,
    /// Arm by block, in the order they were measured.
    pub cells: Vec<Cell>,
    /// The interleaved pass on the thread CPU clock.
    pub micro: Vec<MicroCell>,
    /// Credential and message sizes, counted.
    pub sizes: Vec<SizeRow>,
    /// What a logout costs.
    pub revocation_cost: Vec<RevocationCost>,
    /// How long a revoked credential went on working.
    pub revocation_lag: Vec<RevocationLag>,
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
    /// `smoke`, `quick`, `standard`, `reference`, or the name of a plan file.
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
    /// `node` or `shared`.
    pub scope: String,
    /// Outcome while the store does not answer: `unaffected`, `closed`, `open-for`, `revives`.
    pub store_down: String,
    /// Outcome when the store's state is lost.
    pub store_lost: String,
    /// Outcome when the server process restarts.
    pub node_restart: String,
    /// Redis commands per admitted request.
    pub redis_commands_per_request: u32,
}

/// What an arm is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// `none`: every other arm is read against it.
    Baseline,
    /// A second server of `none`: states the noise floor.
    AaControl,
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
}

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
    /// Latency of the admitted requests in the valid slots' measured part.
    pub slot_latency: Latency,
    /// Latency in the longer window, when the plan has one.
    pub window_latency: Option<Latency>,
    /// The longer window's ledger.
    pub window_ledger: Option<Ledger>,
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

/// Latency of one arm in one block. Failures are not in it; the ledger has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Intended start to last byte read.
    pub response: Histogram,
    /// First byte written to last byte read.
    pub service: Histogram,
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

/// One subject of the micro pass against its reference, alternating batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MicroCell {
    /// `verify/jwt-es256`: operation and subject.
    pub id: String,
    /// `verify` or `issue`.
    pub operation: String,
    /// The strategy measured.
    pub strategy: String,
    /// Its algorithm, where there is one.
    pub algorithm: Option<String>,
    /// The strategy it alternates with.
    pub reference: String,
    /// Iterations in each batch of the subject.
    pub iterations: Vec<u64>,
    /// Thread CPU time of each batch of the subject, nanoseconds.
    pub cpu_ns: Vec<u64>,
    /// Iterations in each batch of the reference that followed.
    pub reference_iterations: Vec<u64>,
    /// Thread CPU time of that batch, nanoseconds.
    pub reference_cpu_ns: Vec<u64>,
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
    /// The header line that carries it (`Authorization: ...` or `Cookie: ...`), CRLF included, bytes.
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
    /// The trials.
    pub trials: Vec<LagTrial>,
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
