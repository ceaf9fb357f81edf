//! What a segment record shows: ledger, gates and, only when it is valid, percentiles.

use std::time::Duration;

use comfy_table::Table;
use serde::Serialize;

use crate::measure::drive::Stamps;
use crate::measure::merge::{check, missing};
use crate::measure::ranked::{Rank, Ranked};
use crate::record::run::Ledger;
use crate::record::segment::{Gate, SegmentRecord};

const PERMILLES: [u32; 5] = [500, 900, 990, 999, 1_000];

/// What is printed of a record.
#[derive(Debug, Serialize)]
pub(in crate::cmd) struct Figures {
    mode: String,
    /// What the figures may be used for, where that is not everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// `k of N segments`, where some are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<String>,
    arrivals: String,
    shape: String,
    pacing: String,
    connections: u32,
    segments: String,
    schedule_sha256: String,
    scenario_sha256: String,
    seed: String,
    topology: String,
    ledger: Ledger,
    achieved_per_second: f64,
    /// Empty when invalid.
    percentiles: Vec<Percentile>,
    /// The driver's own lateness, which is no percentile of the target; null in a closed loop.
    slip_p99_ns: Option<u64>,
    wall_ns: u64,
    driver_cpu_ns_per_request: u64,
    reconnects: u64,
    gates: Vec<Gate>,
    valid: bool,
    invalid_reason: Option<String>,
}

/// One percentile, nanoseconds; null with fewer than 100 samples beyond it.
#[derive(Debug, Serialize)]
struct Percentile {
    permille: u32,
    name: String,
    /// Failures rank above every success.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_all: Option<All>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_ok_only_ns: Option<u64>,
    service_ns: Option<u64>,
}

/// A percentile of all requests.
#[derive(Clone, Debug, Serialize)]
struct All {
    /// Null where a failure stands there.
    ns: Option<u64>,
    /// As it is printed: `>5 s` where a failure stands there.
    shown: String,
}

impl Figures {
    /// The figures of a record.
    ///
    /// # Errors
    /// When the record contradicts itself.
    pub(in crate::cmd) fn of(name: &str, record: &SegmentRecord) -> anyhow::Result<Self> {
        let stamps = check(name, record)?;
        let is_open = record.scenario.mode == "open";
        let absent = missing(record);
        let present = record.parts.len();
        let seconds = (record.wall_ns as f64 / 1e9).max(1e-9);
        let gates = record.parts.iter().flat_map(|part| part.gates.iter().cloned()).collect();
        let scenario = record.scenario.clone();
        Ok(Self {
            note: (!is_open).then_some("closed loop: throughput only"),
            mode: scenario.mode,
            partial: (!absent.is_empty())
                .then(|| format!("{present} of {} segments", record.segments)),
            arrivals: scenario.arrivals,
            shape: scenario.shape,
            pacing: scenario.pacing,
            connections: scenario.connections,
            segments: segments(record),
            schedule_sha256: scenario.schedule_sha256,
            scenario_sha256: record.scenario_sha256.clone(),
            seed: record.seed.clone(),
            topology: record.topology.clone(),
            ledger: record.ledger,
            achieved_per_second: record.ledger.expected as f64 / seconds,
            percentiles: percentiles(record, &stamps, is_open),
            slip_p99_ns: is_open.then(|| stamps.slip.percentile(990)).flatten(),
            wall_ns: record.wall_ns,
            driver_cpu_ns_per_request: record.driver_cpu_ns / record.ledger.scheduled.max(1),
            reconnects: record.reconnects,
            gates,
            valid: record.valid,
            invalid_reason: (!record.valid).then(|| record.reasons.join("; ")),
        })
    }

    /// Prints them.
    pub(in crate::cmd) fn print(&self) {
        let l = self.ledger;
        // On every figure: a line taken out of its context must still say it.
        let partial = self.partial.as_ref().map_or_else(String::new, |p| format!("[{p}] "));
        println!(
            "{partial}{} loop, {} arrivals, {}, {} pacing, {} connections, segment {}, {}",
            self.mode,
            self.arrivals,
            self.shape,
            self.pacing,
            self.connections,
            self.segments,
            self.topology
        );
        if let Some(note) = self.note {
            println!("{partial}{note}");
        }
        println!("{partial}schedule {} from seed {}", self.schedule_sha256, self.seed);
        println!(
            "{partial}scheduled {} = expected {} + wrong outcome {} + http error {} + connection \
             error {} + timeout {} + shed {}",
            l.scheduled,
            l.expected,
            l.wrong_outcome,
            l.http_error,
            l.connection_error,
            l.timeout,
            l.shed
        );
        println!(
            "{partial}answered as expected {:.0}/s; driver {} ns of CPU a request, {} reconnects",
            self.achieved_per_second, self.driver_cpu_ns_per_request, self.reconnects
        );
        for gate in &self.gates {
            let verdict = if gate.pass { "passed" } else { "FAILED" };
            println!("{partial}gate {} {verdict}: {}", gate.name, gate.detail);
        }
        if let Some(reason) = &self.invalid_reason {
            println!("{partial}INVALID: {reason}");
            return;
        }
        println!("{}", self.table());
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        let partial = self.partial.as_ref().map_or_else(String::new, |p| format!(" [{p}]"));
        let is_open = self.note.is_none();
        let header: &[&str] = if is_open {
            &[
                "percentile",
                "response, all (failures are slowest)",
                "response, ok-only",
                "service, ok-only (from first byte)",
            ]
        } else {
            &["percentile", "service, ok-only, closed loop (from first byte)"]
        };
        table.set_header(header.iter().copied());
        let shown = |ns: Option<u64>| match ns {
            None => "n too small".to_owned(),
            Some(ns) => format!("{:.1} us", ns as f64 / 1e3),
        };
        for row in &self.percentiles {
            let mut cells = vec![format!("{}{partial}", row.name)];
            if is_open {
                let all = row.response_all.as_ref();
                cells.push(all.map_or_else(|| shown(None), |all| all.shown.clone()));
                cells.push(shown(row.response_ok_only_ns));
            }
            cells.push(shown(row.service_ns));
            table.add_row(cells);
        }
        table
    }
}

/// Which segments: `0/4`, or `4 of 4`.
fn segments(record: &SegmentRecord) -> String {
    match record.parts.as_slice() {
        [one] => format!("{}/{}", one.segment, record.segments),
        parts => format!("{} of {}", parts.len(), record.segments),
    }
}

fn percentiles(record: &SegmentRecord, stamps: &Stamps, is_open: bool) -> Vec<Percentile> {
    if !record.valid {
        return Vec::new();
    }
    let timeout = Duration::from_nanos(record.scenario.timeout_ns);
    let failed = record.ledger.scheduled.saturating_sub(record.ledger.expected);
    let response = Ranked { ok: &stamps.response, failed, timeout };
    let service = Ranked { ok: &stamps.service, failed, timeout };
    let all = |rank: Rank| All { ns: rank.value_ns(), shown: rank.to_string() };
    PERMILLES
        .into_iter()
        .map(|permille| Percentile {
            permille,
            name: match permille {
                1_000 => "max".to_owned(),
                p => format!("p{}", f64::from(p) / 10.0),
            },
            response_all: is_open.then(|| response.supported_all(permille).map(all)).flatten(),
            response_ok_only_ns: is_open.then(|| response.supported_ok_only(permille)).flatten(),
            service_ns: service.supported_ok_only(permille),
        })
        .collect()
}
