//! From a driver's rows to a segment record: histograms, gates, quantiles.

use super::histogram::{HIGH_NS, LOW_NS, LatencyHistogram, SIGNIFICANT_DIGITS};
use crate::load::driver::Executed;
use crate::load::outcome::{Outcome, Row, ledger, nearest_rank};
use crate::load::segment::Segment;
use crate::record::run::{Latency, Ledger};
use crate::record::segment::{Gate, Part, Quantiles, SEGMENT_SCHEMA, Scenario, SegmentRecord};

/// Above this share of a core the driver is no longer an observer.
const SHARE_LIMIT_PERCENT: u64 = 70;
/// Above this 99th percentile of its own lateness the driver's latencies are not the target's.
pub const SLIP_LIMIT_NS: u64 = 2_000_000;
/// Dispatched and scheduled requests are compared per this many nanoseconds.
const BIN_NS: u64 = 100_000_000;
/// Most requests, in thousandths, that may leave in another bin than the one they were due in.
const MOVED_LIMIT_PERMILLE: u64 = 20;
/// Fewest requests, in thousandths, that must have left when the schedule ends.
const DISPATCHED_LIMIT_PERMILLE: u64 = 999;
/// A driver that begins this long after its wall-clock instant is not part of the same load.
const START_LIMIT_NS: u64 = 5_000_000;

/// The histograms of one execution.
#[derive(Clone, Debug, Default)]
pub struct Stamps {
    /// Intended start to last byte read, of the expected answers.
    pub response: LatencyHistogram,
    /// First byte written to last byte read, of the expected answers.
    pub service: LatencyHistogram,
    /// Intended start to dispatch, of all requests.
    pub slip: LatencyHistogram,
    /// Dispatch to first byte written, of the expected answers.
    pub conn_wait: LatencyHistogram,
}

impl Stamps {
    /// Counts `rows` in.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        let mut stamps = Self::default();
        stamps.add(rows);
        stamps
    }

    /// Counts `rows` in as well.
    pub fn add(&mut self, rows: &[Row]) {
        for row in rows {
            self.slip.record(row.slip_ns());
            if row.outcome == Outcome::Expected {
                self.response.record(row.response_ns());
                self.service.record(row.service_ns());
                self.conn_wait.record(row.conn_wait_ns());
            }
        }
    }

    /// As they are recorded.
    #[must_use]
    pub fn to_record(&self) -> Latency {
        Latency {
            response: self.response.to_record(),
            service: self.service.to_record(),
            slip: self.slip.to_record(),
            conn_wait: Some(self.conn_wait.to_record()),
        }
    }

    /// Median and 99th percentile of each, where there are enough values.
    #[must_use]
    pub fn quantiles(&self) -> Vec<Quantiles> {
        let of = |stamp: &str, histogram: &LatencyHistogram| Quantiles {
            stamp: stamp.into(),
            p50_ns: histogram.supported_percentile(500),
            p99_ns: histogram.supported_percentile(990),
        };
        vec![
            of("response", &self.response),
            of("service", &self.service),
            of("slip", &self.slip),
            of("conn_wait", &self.conn_wait),
        ]
    }
}

/// The geometry of every histogram, in words.
#[must_use]
pub fn geometry() -> String {
    format!("{LOW_NS}..{HIGH_NS} ns, {SIGNIFICANT_DIGITS} digits")
}

/// What one driver did and for whom.
#[derive(Debug)]
pub struct Drive<'a> {
    /// What all segments together were to send.
    pub scenario: Scenario,
    /// The schedule's seed.
    pub seed: u64,
    /// This driver's part.
    pub segment: Segment,
    /// `colocated` or `split`.
    pub topology: &'a str,
    /// The driver's clock at the schedule's begin, nanoseconds.
    pub base_ns: u64,
    /// What it did.
    pub executed: &'a Executed,
    /// CPU of its thread, nanoseconds.
    pub cpu_ns: u64,
    /// How long after the wall-clock instant it began, where there is one, nanoseconds.
    pub late_start_ns: Option<u64>,
}

impl Drive<'_> {
    /// The record of it. Failed gates make it invalid, and then it holds no quantiles.
    #[must_use]
    pub fn record(&self) -> SegmentRecord {
        let rows = &self.executed.rows;
        let stamps = Stamps::of(rows);
        let ledger = ledger(rows);
        let gates = self.gates(&ledger);
        let reasons: Vec<String> = gates
            .iter()
            .filter(|gate| !gate.pass)
            .map(|gate| format!("segment {}: {}: {}", self.segment, gate.name, gate.detail))
            .collect();
        let valid = reasons.is_empty();
        let quantiles = if valid { stamps.quantiles() } else { Vec::new() };
        let begin = rows.iter().map(|row| row.intended_ns).min().unwrap_or(0);
        let end = rows.iter().map(|row| row.done_ns).max().unwrap_or(0);
        SegmentRecord {
            schema: SEGMENT_SCHEMA.into(),
            scenario_sha256: self.scenario.sha256(),
            scenario: self.scenario.clone(),
            seed: self.seed.to_string(),
            segments: self.segment.of(),
            geometry: geometry(),
            topology: self.topology.into(),
            valid,
            reasons,
            ledger,
            wall_ns: end.saturating_sub(begin),
            driver_cpu_ns: self.cpu_ns,
            reconnects: self.executed.reconnects,
            response: stamps.response.to_record(),
            service: stamps.service.to_record(),
            slip: stamps.slip.to_record(),
            conn_wait: stamps.conn_wait.to_record(),
            quantiles: quantiles.clone(),
            parts: vec![Part { segment: self.segment.index(), ledger, quantiles, gates }],
        }
    }

    fn gates(&self, ledger: &Ledger) -> Vec<Gate> {
        let mut gates = Vec::new();
        let share = self.segment.share(self.scenario.scheduled);
        gates.push(Gate {
            name: "ledger-closes".into(),
            pass: ledger.closes() && ledger.scheduled == share,
            detail: format!(
                "{} scheduled of {share}, {} accounted for",
                ledger.scheduled,
                ledger.accounted()
            ),
        });
        if self.scenario.mode == "open" {
            let length_ns = self.scenario.length_ns;
            let rows = &self.executed.rows;
            gates.extend(open_gates(rows, self.base_ns, length_ns, self.cpu_ns));
        }
        if let Some(late) = self.late_start_ns {
            gates.push(Gate {
                name: "start".into(),
                pass: late <= START_LIMIT_NS,
                detail: format!(
                    "began {} us after its instant; limit {} us",
                    late / 1_000,
                    START_LIMIT_NS / 1_000
                ),
            });
        }
        gates
    }
}

/// The gates of an open loop over `rows` of a schedule `length_ns` long that began at `base_ns`:
/// was the driver in time, did each 100 ms send what it should, was everything sent by the end, and
/// was the driver's thread, which used `cpu_ns`, an observer.
#[must_use]
pub fn open_gates(rows: &[Row], base_ns: u64, length_ns: u64, cpu_ns: u64) -> Vec<Gate> {
    if rows.is_empty() {
        return Vec::new();
    }
    vec![
        slip_gate(rows),
        bins_gate(rows, base_ns),
        dispatched_gate(rows, base_ns, length_ns),
        share_gate(rows, base_ns, cpu_ns),
    ]
}

/// A driver that never waits is what is measured, however punctual it queues requests.
fn share_gate(rows: &[Row], begin: u64, cpu_ns: u64) -> Gate {
    let end = rows.iter().map(|row| row.done_ns.max(row.dispatched_ns)).max().unwrap_or(begin);
    let percent = cpu_ns.saturating_mul(100) / end.saturating_sub(begin).max(1);
    let pass = percent <= SHARE_LIMIT_PERCENT;
    let advice = if pass { "" } else { ": the driver is the limit; lower the rate" };
    Gate {
        name: "driver-share".into(),
        pass,
        detail: format!("{percent} % of a core, limit {SHARE_LIMIT_PERCENT} %{advice}"),
    }
}

fn slip_gate(rows: &[Row]) -> Gate {
    let mut slips: Vec<u64> = rows.iter().map(Row::slip_ns).collect();
    let p99 = nearest_rank(&mut slips, 990);
    let pass = p99 <= SLIP_LIMIT_NS;
    let (p99, limit) = (p99 / 1_000, SLIP_LIMIT_NS / 1_000);
    let advice =
        if pass { "" } else { ": the driver itself was late; lower the rate or free a core" };
    Gate {
        name: "slip".into(),
        pass,
        detail: format!("99th percentile of slip {p99} us, limit {limit} us{advice}"),
    }
}

/// Compares what left in each 100 ms with what was due in it. A request on the border moves two
/// counts by one; half the sum of the differences is how many moved.
fn bins_gate(rows: &[Row], begin: u64) -> Gate {
    let bin = |ns: u64| usize::try_from(ns.saturating_sub(begin) / BIN_NS).unwrap_or(usize::MAX);
    let last = rows.iter().map(|row| bin(row.dispatched_ns.max(row.intended_ns))).max();
    let mut differences = vec![0_i64; last.unwrap_or(0) + 1];
    for row in rows {
        differences[bin(row.intended_ns)] -= 1;
        differences[bin(row.dispatched_ns)] += 1;
    }
    let moved = differences.iter().map(|d| d.unsigned_abs()).sum::<u64>().div_ceil(2);
    let worst = differences.iter().enumerate().max_by_key(|(_, d)| d.unsigned_abs());
    let (at, by) = worst.map_or((0, 0), |(i, d)| (i * 100, *d));
    let total = rows.len() as u64;
    // One request cannot be a trend.
    let limit = (total * MOVED_LIMIT_PERMILLE / 1_000).max(1);
    Gate {
        name: "dispatched-per-100ms".into(),
        pass: moved <= limit,
        detail: format!(
            "{moved} of {total} requests left in another 100 ms than they were due in, limit \
             {limit}; most at {at} ms ({by:+})"
        ),
    }
}

/// Whether the schedule's rate was achieved: nearly all have left by its end. What the target makes
/// of it is the ledger's.
fn dispatched_gate(rows: &[Row], begin: u64, length_ns: u64) -> Gate {
    let end = begin.saturating_add(length_ns).saturating_add(SLIP_LIMIT_NS);
    let total = rows.len() as u64;
    let left = rows.iter().filter(|row| row.dispatched_ns <= end).count() as u64;
    let least = total - (total * (1_000 - DISPATCHED_LIMIT_PERMILLE)).div_ceil(1_000);
    let seconds = (length_ns as f64 / 1e9).max(1e-9);
    Gate {
        name: "achieved-rate".into(),
        pass: left >= least,
        detail: format!(
            "{:.1}/s left of {:.1}/s scheduled ({left} of {total} requests by the end; at least \
             {least})",
            left as f64 / seconds,
            total as f64 / seconds
        ),
    }
}
