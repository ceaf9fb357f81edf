//! The record of an application that is not ours: what was measured of its revocation, and the
//! figures of it. A small document of its own: no results folder, no comparison.
//!
//! Deliberately absent: credentials, bodies, headers, queries, and names of other machines.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::io::{ReadError, parse, write_atomically};
use super::json;

/// The schema of this record.
pub const SCHEMA: &str = "authbench.foreign/1";

/// One measurement of one application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignRecord {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of the program.
    pub version: String,
    /// When it began, RFC 3339, UTC, to the second.
    pub begun_at: String,
    /// What it was asked to do.
    pub setup: Setup,
    /// What was checked before anything was measured.
    pub controls: Controls,
    /// `logout`, and `logout-all` where the target has one; empty when the controls failed.
    pub series: Vec<Series>,
    /// Why the figures say nothing, where they do not.
    pub void: Option<String>,
}

/// The target, without its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Host and port of each node on loopback; `node 2` for one that is not.
    pub nodes: Vec<String>,
    /// Method and path of the probe, without its query.
    pub request: String,
    /// From one probe of a node to its next, nanoseconds: the resolution.
    pub probe_interval_ns: u64,
    /// How long credentials were watched after their logout, nanoseconds.
    pub watch_ns: u64,
    /// Probes per second at most, over all nodes.
    pub rate_per_second: u64,
    /// What fixes the random times.
    pub seed: String,
}

/// What was checked first, on one credential. Counts are of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// Nodes that accepted a fresh credential.
    pub fresh_accepted: u32,
    /// Nodes that refused it with one character changed.
    pub tampered_refused: u32,
}

/// The trials of one way to log out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// `logout` or `logout-all`.
    pub operation: String,
    /// The trials, in the order of their users.
    pub trials: Vec<Trial>,
    /// What they say.
    pub figures: Figures,
    /// The driver's worst lateness with a probe, nanoseconds: its stamps are true all the same.
    pub slip_max_ns: u64,
}

/// What a trial ended with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every node went on refusing.
    Settled,
    /// A node still accepted the credential when the watch ended.
    NotSettled,
    /// The answers do not tell.
    Unjudged,
}

/// One logout. Times count from the logout's acknowledgement and may be before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// How it ended.
    pub verdict: Verdict,
    /// Why it is unjudged.
    pub why: Option<String>,
    /// From the trial's first probe to the logout, nanoseconds.
    pub age_ns: u64,
    /// What the logout took, nanoseconds.
    pub call_ns: u64,
    /// First sent: the last probe that any node accepted, nanoseconds. The lag, if settled.
    pub last_accepted_ns: Option<i64>,
    /// First sent: the first refusal after it on the node where it came last, nanoseconds.
    pub first_refused_ns: Option<i64>,
    /// Probes first sent after the acknowledgement and accepted.
    pub stale_accepts: u64,
    /// Refusals after the last acceptance, on the node that has fewest.
    pub refusals: u64,
    /// Acceptances of probes that were sent after a refusal by the same node had been read.
    pub accepts_after_refusal: u64,
    /// Probes that were neither accepted nor refused.
    pub unjudged: u64,
    /// Of these, those without an answer: timed out, or the connection broke.
    pub unanswered: u64,
}

/// What the trials of a series say. Lags in nanoseconds; a trial that did not settle ranks above
/// all that did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Trials that were judged.
    pub n: u32,
    /// Of these, those that did not settle.
    pub not_settled: u32,
    /// Trials that were not judged.
    pub unjudged: u32,
    /// The middle lag.
    pub median_ns: Option<i64>,
    /// One-sided 95 % upper bound of the 95th percentile (59 trials or more).
    pub p95_upper_ns: Option<i64>,
    /// One-sided 95 % upper bound of the 99th percentile (299 trials or more).
    pub p99_upper_ns: Option<i64>,
    /// The largest lag; `null` when a trial did not settle: it is longer than the watch.
    pub max_ns: Option<i64>,
    /// The largest first refusal: no lag of a settled trial reached it.
    pub max_below_ns: Option<i64>,
    /// Stale accepts in all judged trials.
    pub stale_accepts: u64,
    /// The most of one trial.
    pub stale_accepts_max: u64,
    /// Acceptances after a refusal had been read from the same node, in all judged trials.
    pub accepts_after_refusal: u64,
    /// Probes neither accepted nor refused, in all trials.
    pub unjudged_probes: u64,
    /// Of these, those without an answer.
    pub unanswered_probes: u64,
}

/// Writes a record, whole or not at all.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write(path: &Path, record: &ForeignRecord) -> io::Result<()> {
    write_atomically(path, &json::to_vec(record)?)
}

/// Reads a record.
///
/// # Errors
/// When the file is not a whole record of the known schema.
pub fn read(path: &Path) -> Result<ForeignRecord, ReadError> {
    parse(&std::fs::read(path).map_err(ReadError::Io)?, SCHEMA)
}
