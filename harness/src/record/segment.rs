//! A segment record: what one driver, or several merged, saw of one load.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::io::{ReadError, parse, sha256_hex, write_atomically};
use super::json;
use super::run::{Histogram, Ledger};

/// The schema of a segment record.
pub const SEGMENT_SCHEMA: &str = "authbench.segment/1";

/// What one driver, or several merged, saw of one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRecord {
    /// Always `authbench.segment/1`.
    pub schema: String,
    /// SHA-256 of the scenario, hexadecimal.
    pub scenario_sha256: String,
    /// What was to be sent, by all segments together.
    pub scenario: Scenario,
    /// The schedule's seed, in decimal.
    pub seed: String,
    /// Segments of the schedule.
    pub segments: u32,
    /// The histograms' bounds and digits.
    pub geometry: String,
    /// `colocated` (driver and target on one machine) or `split`.
    pub topology: String,
    /// Whether every gate of every part passed.
    pub valid: bool,
    /// Why not, one reason each.
    pub reasons: Vec<String>,
    /// What became of the requests.
    pub ledger: Ledger,
    /// First intended start to last answer, nanoseconds; of several parts the longest.
    pub wall_ns: u64,
    /// CPU of the drivers' threads, nanoseconds.
    pub driver_cpu_ns: u64,
    /// Connections that had to be opened anew.
    pub reconnects: u64,
    /// Intended start to last byte read, of the expected answers.
    pub response: Histogram,
    /// First byte written to last byte read, of the expected answers.
    pub service: Histogram,
    /// Intended start to dispatch, of all requests.
    pub slip: Histogram,
    /// Dispatch to first byte written, of the expected answers.
    pub conn_wait: Histogram,
    /// Of the histograms above; empty when invalid.
    pub quantiles: Vec<Quantiles>,
    /// The segments, ascending.
    pub parts: Vec<Part>,
}

/// What was to be sent. Records of different scenarios are never merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// SHA-256 of the request's bytes (its headers may be secret), hexadecimal.
    pub request_sha256: String,
    /// The status that counts as expected.
    pub expect_status: u16,
    /// `open` or `closed`.
    pub mode: String,
    /// The arrival law.
    pub arrivals: String,
    /// The offered rate over time, in words.
    pub shape: String,
    /// Length of the schedule, nanoseconds.
    pub length_ns: u64,
    /// Requests of the whole schedule.
    pub scheduled: u64,
    /// SHA-256 of the whole schedule's stream, hexadecimal.
    pub schedule_sha256: String,
    /// The wall-clock instant at which all begin, RFC 3339; `null` with one segment.
    pub start_at: Option<String>,
    /// How the drivers wake.
    pub pacing: String,
    /// Keep-alive connections of each driver.
    pub connections: u32,
    /// A request unanswered this long after its intended start has failed, nanoseconds.
    pub timeout_ns: u64,
}

impl Scenario {
    /// SHA-256 of all of it, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        // Serializing these types cannot fail.
        sha256_hex(&json::to_vec(self).unwrap_or_default())
    }
}

/// One segment of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which, from 0.
    pub segment: u32,
    /// What became of its requests.
    pub ledger: Ledger,
    /// Its own quantiles, to be looked at before the merged ones: one bad driver can own a merged
    /// tail. Empty when invalid.
    pub quantiles: Vec<Quantiles>,
    /// Its gates.
    pub gates: Vec<Gate>,
}

/// Median and 99th percentile of one histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// `response`, `service`, `slip` or `conn_wait`.
    pub stamp: String,
    /// Nanoseconds; `null` with fewer than 100 values beyond it.
    pub p50_ns: Option<u64>,
    /// Nanoseconds; `null` with fewer than 100 values beyond it.
    pub p99_ns: Option<u64>,
}

/// A validity check of a driver by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What was checked, kebab-case.
    pub name: String,
    /// Whether it passed.
    pub pass: bool,
    /// The figure and its limit, in words.
    pub detail: String,
}

/// Reads a segment record.
///
/// # Errors
/// When the file is not a whole record of this schema.
pub fn read(path: &Path) -> Result<SegmentRecord, ReadError> {
    parse(&std::fs::read(path).map_err(ReadError::Io)?, SEGMENT_SCHEMA)
}

/// Writes one, whole or not at all.
///
/// # Errors
/// When its folder cannot be written to.
pub fn write(path: &Path, record: &SegmentRecord) -> std::io::Result<()> {
    write_atomically(path, &json::to_vec(record)?)
}
