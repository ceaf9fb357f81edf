//! What a fault made of requests, held against what was declared of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One strategy under one fault. Counts are over all trials, and exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultResult {
    /// The strategy's id.
    pub strategy: String,
    /// The fault's name.
    pub fault: String,
    /// What was declared before: `unaffected`, `closed`, `open-for`, `open`, `revives`.
    pub declared: String,
    /// The bound of a declared `open-for`, nanoseconds.
    pub declared_open_for_ns: Option<u64>,
    /// What was seen: the worst of all trials.
    pub observed: String,
    /// The longest time beyond the promise, or from the fault's begin, at which a revoked
    /// credential was still admitted, nanoseconds; `null` where none was.
    pub observed_open_for_ns: Option<u64>,
    /// Whether what was seen is what was declared: of `open-for`, within its bound.
    pub matches: bool,
    /// Why it is not.
    pub note: Option<String>,
    /// Trials.
    pub trials: u32,
    /// Requests with a revoked credential, its revocation due.
    pub revoked_presented: u64,
    /// Of these, those admitted.
    pub wrong_allows: u64,
    /// Requests with a good credential, during the fault and after it.
    pub valid_presented: u64,
    /// Of these, those denied.
    pub wrong_denies: u64,
    /// Of these, those not judged, not answered or cut off.
    pub unavailable: u64,
    /// Logouts refused by an outage.
    pub revocations_refused: u64,
    /// From the fault's end until good requests failed no more, median of the trials, nanoseconds;
    /// `null` when half of them did not recover, or the run is invalid.
    pub recovery_p50_ns: Option<u64>,
    /// The same, the longest; `null` when one did not recover while it was watched.
    pub recovery_max_ns: Option<u64>,
}
