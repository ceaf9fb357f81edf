//! What the experiments on taking credentials back found: faults, races, keys and writes. Their
//! lags stand with the other lags of the run, their memory with the other memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything but lag and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spectrum {
    /// What became of requests under each fault.
    pub faults: Vec<FaultSeries>,
    /// One single-use credential, presented many times at once.
    pub races: Vec<RaceSeries>,
    /// What a renewal costs, and a request beside it.
    pub renewals: Vec<RenewalRow>,
    /// Tokens of many clients that end at once.
    pub herds: Vec<HerdRow>,
    /// Verifiers that fetch their keys.
    pub keys: Vec<KeySeries>,
    /// Writes that sliding expiry causes.
    pub writes: Vec<WriteRow>,
    /// Many logouts at once. Their lags stand with the other lags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mass: Vec<MassRow>,
    /// What credentials weigh on the nodes.
    pub node_memory: Vec<NodeMemoryRow>,
}

impl Spectrum {
    /// Whether nothing of it was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One strategy under one fault, many times. Counts are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSeries {
    /// The strategy's id.
    pub strategy: String,
    /// `feed-cut`, `feed-silent`, `partition`, `store-down`, `store-lost`, `store-evicts`,
    /// `node-restart`, `clock-behind`.
    pub fault: String,
    /// What was declared before: `unaffected`, `closed`, `open-for`, `open`, `revives`.
    pub declared: String,
    /// The bound of `open-for`, nanoseconds.
    pub open_for_ns: Option<u64>,
    /// From a logout's acknowledgement to when it is due, by promise, nanoseconds; `null` where it
    /// waits for expiry and no credential counts as revoked.
    pub promise_ns: Option<u64>,
    /// Server processes that shared the store.
    pub nodes: u32,
    /// From one probe of a credential on a node to its next, nanoseconds: the resolution.
    pub probe_interval_ns: u64,
    /// How long the fault lasts by plan, nanoseconds; 0 for one that strikes at an instant.
    pub fault_ns: u64,
    /// Trials that were thrown away and repeated, because something failed before the fault or the
    /// prober was late.
    pub disturbed: u32,
    /// The trials.
    pub trials: Vec<FaultTrial>,
}

/// One fault. Requests are counted by when they were first sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultTrial {
    /// How long the fault lasted, nanoseconds: of a restart, until the new process answered.
    pub fault_ns: u64,
    /// Requests with a credential revoked, with its revocation due, before the fault.
    pub revoked_before_presented: u64,
    /// Of these, those admitted: wrong allows by a revocation that was undone.
    pub revoked_before_admitted: u64,
    /// Whether that credential was still admitted when the trial ended, the fault long over.
    pub revived_at_end: bool,
    /// Requests with a credential revoked during the fault, sent after its revocation was due.
    pub revoked_during_presented: u64,
    /// Of these, those admitted: wrong allows by a revocation that was missed.
    pub revoked_during_admitted: u64,
    /// Whether a revoked credential was still admitted when the fault ended: when the trial ended,
    /// where the fault strikes at an instant and a revocation during it is meant.
    pub open_at_end: bool,
    /// From when a revocation was due, or from the begin of the fault where that is later, to the
    /// last wrong allow, nanoseconds; `null` without one.
    pub last_wrong_allow_ns: Option<u64>,
    /// Requests with a good credential, during the fault and after it.
    pub valid_presented: u64,
    /// Of these, those denied (401): wrong denies.
    pub valid_denied: u64,
    /// Of these, those not judged (503), not answered or cut off.
    pub valid_unavailable: u64,
    /// Of the requests with a good credential, those without an answer because the very process
    /// that they went to restarted: the fault itself, and in none of the figures above.
    pub valid_cut_off: u64,
    /// From the fault's end to the first of the good requests after which none failed,
    /// nanoseconds; 0 when none failed, `null` when they failed to the end.
    pub recovered_after_ns: Option<u64>,
    /// Logouts acknowledged during the fault.
    pub revocations_acknowledged: u64,
    /// Logouts answered by an outage, or not at all, during the fault: not wrong, but not done.
    pub revocations_refused: u64,
    /// Logouts during the fault whose credential was denied: it was not good any more.
    pub revocations_denied: u64,
}

/// One single-use credential presented many times at once, again and again. Counts are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RaceSeries {
    /// The strategy's id.
    pub strategy: String,
    /// `refresh` or `redeem`.
    pub race: String,
    /// For how long a used refresh token still yields its own child, seconds.
    pub grace_s: u64,
    /// Requests with the same credential.
    pub at_once: u32,
    /// From the first of them to the last, nanoseconds; 0 for all at one instant.
    pub spread_ns: u64,
    /// Server processes they went to.
    pub nodes: u32,
    /// Credentials raced for.
    pub repetitions: u32,
    /// Requests that succeeded, in all.
    pub succeeded: u64,
    /// Distinct refresh tokens handed out for one, at most; of a link, logins by it.
    pub children_max: u32,
    /// Distinct refresh tokens handed out for one, at least; of a link, logins by it.
    pub children_min: u32,
    /// Of the children, those still good afterwards, at most, for one; of a link, 1 when it was.
    pub live_children_max: u32,
    /// Repetitions after which nobody had a login: an honest client lost it because it asked twice.
    pub false_thefts: u32,
    /// Requests neither successful nor denied.
    pub failed: u64,
}

/// The cost of renewals, or of requests beside them. Calls and commands are exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalRow {
    /// The strategy's id.
    pub strategy: String,
    /// `refresh` or `request`.
    pub operation: String,
    /// Calls in all; every one succeeded.
    pub calls: u64,
    /// Commands that Redis served meanwhile, those inside scripts among them.
    pub redis_commands: u64,
    /// CPU of the server, nanoseconds in all.
    pub server_cpu_ns: u64,
}

/// One renewal of each of many clients whose tokens end at the same instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HerdRow {
    /// The strategy's id.
    pub strategy: String,
    /// Clients.
    pub clients: u32,
    /// Over how long before that instant they spread their renewals, nanoseconds; 0 = not at all.
    pub jitter_ns: u64,
    /// Most renewals that were due within a tenth of a second.
    pub due_peak_per_100_ms: u32,
    /// Most that were answered within one.
    pub served_peak_per_100_ms: u32,
    /// The longest wait, from when a renewal was due to its answer, nanoseconds.
    pub wait_max_ns: u64,
    /// Renewals that were not granted.
    pub failed: u64,
}

/// A verifier that fetches its keys, under one scenario. Counts are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySeries {
    /// `steady`; `rotation` (a new key is published ahead of its use), `rotation-late` (100 ms
    /// after its first use); `unknown-kid-flood` (every other token is under a name that does not
    /// exist), `rotation-in-flood` (and a new key is published at its first use).
    pub scenario: String,
    /// How the verifier fetches: `naive` (on every unknown `kid`), `single-flight` (whoever waits
    /// shares one fetch), `cooldown` (and after a fetch there is none for a while).
    pub policy: String,
    /// That while, nanoseconds; 0 without one.
    pub cooldown_ns: u64,
    /// Requests with a good token.
    pub valid_presented: u64,
    /// Of these, those denied: wrong denies.
    pub valid_denied: u64,
    /// Requests with a token under an unknown `kid`.
    pub unknown_presented: u64,
    /// Of these, those admitted; never expected.
    pub unknown_admitted: u64,
    /// Fetches of the key set, by the issuer's count; one of them when the verifier started.
    pub fetches: u64,
    /// CPU of the verifier over the whole scenario, nanoseconds.
    pub verifier_cpu_ns: u64,
    /// CPU of the issuer over the whole scenario, nanoseconds.
    pub issuer_cpu_ns: u64,
    /// From the first use of the new key to the first of its tokens admitted, nanoseconds of the
    /// experiment's clock, which moves 10 ms from one wave of tokens to the next.
    pub new_key_after_ns: Option<u64>,
}

/// What keeping sessions alive by use asks of the store. Counts are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteRow {
    /// The strategy's id.
    pub strategy: String,
    /// Sessions in use.
    pub sessions: u32,
    /// Requests of one session per idle time-out.
    pub requests_per_idle: u32,
    /// Admitted requests in all.
    pub requests: u64,
    /// Redis commands in all.
    pub redis_commands: u64,
    /// Of these, those that wrote.
    pub redis_writes: u64,
    /// CPU of the server, nanoseconds in all.
    pub server_cpu_ns: u64,
    /// CPU of Redis, nanoseconds in all; `null` where it cannot be told.
    pub store_cpu_ns: Option<u64>,
}

/// Many logouts at once, one call for each credential, spread over the nodes: first some of them as
/// fast as the driver can, with nothing beside them, for their cost; then the rest a little more
/// slowly, while some of the credentials are probed, for their lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MassRow {
    /// The strategy's id.
    pub strategy: String,
    /// Server processes that shared the store.
    pub nodes: u32,
    /// Logouts in all, those of the burst included.
    pub logouts: u64,
    /// Logouts made as fast as the driver can.
    pub burst_logouts: u64,
    /// From the first of them to the last acknowledgement, nanoseconds.
    pub burst_ns: u64,
    /// CPU of all nodes over the burst, nanoseconds.
    pub burst_server_cpu_ns: u64,
    /// CPU of Redis over the burst, nanoseconds; `null` without a Redis.
    pub burst_store_cpu_ns: Option<u64>,
    /// Redis commands over the burst; `null` without a Redis.
    pub burst_redis_commands: Option<u64>,
    /// The other logouts, per second.
    pub rate_per_second: u64,
    /// From the first of those to when every credential that was probed was refused on every node,
    /// the last one to be revoked among them, nanoseconds; `null` when one never was.
    pub all_refused_after_ns: Option<u64>,
}

/// What many credentials add to a server process. Good to about ten bytes an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeMemoryRow {
    /// The strategy's id.
    pub strategy: String,
    /// `credential` (logged in and used once) or `revocation` (taken back).
    pub entry: String,
    /// Entries added.
    pub entries: u32,
    /// Resident memory of the process before, bytes.
    pub resident_before_bytes: u64,
    /// Resident memory of the process after, bytes.
    pub resident_after_bytes: u64,
}
