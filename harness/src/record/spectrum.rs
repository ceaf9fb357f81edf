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
    /// Verifiers that fetch their keys.
    pub keys: Vec<KeySeries>,
    /// Writes that sliding expiry causes.
    pub writes: Vec<WriteRow>,
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
    /// Requests with the same credential, sent at once.
    pub at_once: u32,
    /// Server processes they went to.
    pub nodes: u32,
    /// Credentials raced for.
    pub repetitions: u32,
    /// Requests that succeeded, in all.
    pub succeeded: u64,
    /// Distinct fresh credentials handed out for one, at most.
    pub children_max: u32,
    /// Distinct fresh credentials handed out for one, at least.
    pub children_min: u32,
    /// Of the children, those still good afterwards, at most, for one.
    pub live_children_max: u32,
    /// Repetitions in which an honest client lost its login because it asked twice.
    pub false_thefts: u32,
    /// Requests neither successful nor denied.
    pub failed: u64,
}

/// A verifier that fetches its keys, under one scenario. Counts are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySeries {
    /// `steady`, `rotation`, `unknown-kid-flood`.
    pub scenario: String,
    /// How the verifier fetches: `naive` (on every unknown `kid`), `single-flight`, `cooldown`.
    pub policy: String,
    /// Requests with a good token.
    pub valid_presented: u64,
    /// Of these, those denied: wrong denies.
    pub valid_denied: u64,
    /// Requests with a token under an unknown `kid`.
    pub unknown_presented: u64,
    /// Of these, those admitted; never expected.
    pub unknown_admitted: u64,
    /// Fetches of the key set, by the issuer's count.
    pub fetches: u64,
    /// CPU of the verifier over the whole scenario, nanoseconds.
    pub verifier_cpu_ns: u64,
    /// CPU of the issuer over the whole scenario, nanoseconds.
    pub issuer_cpu_ns: u64,
    /// From the rotation to the first token of the new key admitted, nanoseconds.
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
