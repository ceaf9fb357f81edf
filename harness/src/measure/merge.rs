//! Adds segment records: refuses what is not of one load, and gives a record that adds again.

use std::fmt;

use super::drive::{Stamps, geometry};
use super::histogram::LatencyHistogram;
use crate::load::segment::Segment;
use crate::record::run::Ledger;
use crate::record::segment::{SEGMENT_SCHEMA, SegmentRecord};

/// Why records cannot be added: which field of which file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MergeError {
    /// The file.
    pub file: String,
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.field, self.why)
    }
}

impl std::error::Error for MergeError {}

/// A record and where it is from.
pub type Named = (String, SegmentRecord);

/// Adds records of one load. Order does not matter, and neither does adding in steps: the result is
/// the same record, byte for byte.
///
/// # Errors
/// When a record contradicts itself, two are not of one load, a segment is there twice, or, unless
/// `allow_partial`, one is missing.
pub fn merge(records: &[Named], allow_partial: bool) -> Result<SegmentRecord, MergeError> {
    let Some((first_name, first)) = records.first() else {
        return Err(refuse("merge", "files", "there is nothing to add".into()));
    };
    let mut merged = first.clone();
    let mut stamps = Stamps::default();
    (merged.ledger, merged.wall_ns, merged.driver_cpu_ns, merged.reconnects) =
        (Ledger::default(), 0, 0, 0);
    merged.parts.clear();
    merged.reasons.clear();
    for (name, record) in records {
        let own = check(name, record)?;
        same_load((first_name, first), (name, record))?;
        for part in &record.parts {
            let twice = records.iter().flat_map(|(name, r)| r.parts.iter().map(move |p| (name, p)));
            let holders: Vec<&str> =
                twice.filter(|(_, p)| p.segment == part.segment).map(|(n, _)| n.as_str()).collect();
            if holders.len() > 1 {
                let why = format!("segment {} is also in {}", part.segment, holders.join(" and "));
                return Err(refuse(name, "parts", why));
            }
        }
        add_ledger(&mut merged.ledger, &record.ledger);
        stamps.response.add(&own.response);
        stamps.service.add(&own.service);
        stamps.slip.add(&own.slip);
        stamps.conn_wait.add(&own.conn_wait);
        merged.wall_ns = merged.wall_ns.max(record.wall_ns);
        merged.driver_cpu_ns = merged.driver_cpu_ns.saturating_add(record.driver_cpu_ns);
        merged.reconnects = merged.reconnects.saturating_add(record.reconnects);
        merged.parts.extend(record.parts.iter().cloned());
        merged.reasons.extend(record.reasons.iter().cloned());
    }
    merged.parts.sort_by_key(|part| part.segment);
    merged.reasons.sort();
    let missing = missing(&merged);
    if !missing.is_empty() && !allow_partial {
        let named: Vec<String> = missing.iter().take(8).map(ToString::to_string).collect();
        let more = if missing.len() > 8 { ", .." } else { "" };
        let why = format!(
            "{} of {} segments are missing: {}{more}; --allow-partial adds what is there",
            missing.len(),
            merged.segments,
            named.join(", ")
        );
        return Err(refuse("merge", "parts", why));
    }
    merged.valid = merged.reasons.is_empty();
    merged.quantiles = if merged.valid { stamps.quantiles() } else { Vec::new() };
    merged.response = stamps.response.to_record();
    merged.service = stamps.service.to_record();
    merged.slip = stamps.slip.to_record();
    merged.conn_wait = stamps.conn_wait.to_record();
    Ok(merged)
}

/// Segments of the schedule that are not in the record.
#[must_use]
pub fn missing(record: &SegmentRecord) -> Vec<u32> {
    let is_there = |k: &u32| record.parts.iter().any(|part| part.segment == *k);
    (0..record.segments).filter(|k| !is_there(k)).collect()
}

/// Holds a record against itself, and gives its histograms.
///
/// # Errors
/// The first field that contradicts another.
pub fn check(name: &str, record: &SegmentRecord) -> Result<Stamps, MergeError> {
    let refuse = |field: &str, why: String| Err(refuse(name, field, why));
    if record.schema != SEGMENT_SCHEMA {
        let why = format!("`{}`; it must be `{SEGMENT_SCHEMA}`", record.schema);
        return refuse("schema", why);
    }
    if record.scenario_sha256 != record.scenario.sha256() {
        return refuse("scenario_sha256", "it is not that of the scenario beside it".into());
    }
    if record.geometry != geometry() {
        let why = format!("`{}`; it must be `{}`", record.geometry, geometry());
        return refuse("geometry", why);
    }
    let mut parts = Ledger::default();
    for part in &record.parts {
        let Some(segment) = Segment::new(part.segment, record.segments) else {
            let why = format!("segment {} of {} cannot be", part.segment, record.segments);
            return refuse("parts", why);
        };
        let share = segment.share(record.scenario.scheduled);
        if !part.ledger.closes() || part.ledger.scheduled != share {
            let why = format!(
                "segment {segment} has {share} requests; it says {} scheduled, {} accounted for",
                part.ledger.scheduled,
                part.ledger.accounted()
            );
            return refuse("parts.ledger", why);
        }
        let failed = part.gates.iter().find(|gate| !gate.pass);
        if let Some(gate) = failed.filter(|_| record.valid) {
            let why = format!("true, though `{}` of segment {segment} failed", gate.name);
            return refuse("valid", why);
        }
        add_ledger(&mut parts, &part.ledger);
    }
    if record.parts.is_empty() || parts != record.ledger {
        return refuse("ledger", "it is not the sum of its parts'".into());
    }
    if record.valid != record.reasons.is_empty() {
        return refuse("valid", "it contradicts the reasons beside it".into());
    }
    let read = |field: &str, recorded, wanted: u64| {
        let read = LatencyHistogram::from_record(recorded)
            .map_err(|error| self::refuse(name, field, error.to_string()))?;
        let n = read.len() + read.out_of_range();
        if n != wanted {
            let why = format!("it holds {n} values; the ledger says {wanted}");
            return Err(self::refuse(name, field, why));
        }
        Ok(read)
    };
    Ok(Stamps {
        response: read("response", &record.response, record.ledger.expected)?,
        service: read("service", &record.service, record.ledger.expected)?,
        slip: read("slip", &record.slip, record.ledger.scheduled)?,
        conn_wait: read("conn_wait", &record.conn_wait, record.ledger.expected)?,
    })
}

/// Refuses two records that are not of one load, and says in which field they differ.
fn same_load(
    (first_name, first): (&str, &SegmentRecord),
    (name, record): (&str, &SegmentRecord),
) -> Result<(), MergeError> {
    let (a, b) = (&first.scenario, &record.scenario);
    let text = |value: &dyn fmt::Debug| format!("{value:?}");
    let fields = [
        ("scenario.request_sha256", text(&a.request_sha256), text(&b.request_sha256)),
        ("scenario.expect_status", text(&a.expect_status), text(&b.expect_status)),
        ("scenario.mode", text(&a.mode), text(&b.mode)),
        ("scenario.arrivals", text(&a.arrivals), text(&b.arrivals)),
        ("scenario.shape", text(&a.shape), text(&b.shape)),
        ("scenario.length_ns", text(&a.length_ns), text(&b.length_ns)),
        ("scenario.start_at", text(&a.start_at), text(&b.start_at)),
        ("scenario.pacing", text(&a.pacing), text(&b.pacing)),
        ("scenario.connections", text(&a.connections), text(&b.connections)),
        ("scenario.timeout_ns", text(&a.timeout_ns), text(&b.timeout_ns)),
        // The seed before what follows from it.
        ("seed", text(&first.seed), text(&record.seed)),
        ("scenario.scheduled", text(&a.scheduled), text(&b.scheduled)),
        ("scenario.schedule_sha256", text(&a.schedule_sha256), text(&b.schedule_sha256)),
        ("scenario_sha256", text(&first.scenario_sha256), text(&record.scenario_sha256)),
        ("segments", text(&first.segments), text(&record.segments)),
        ("topology", text(&first.topology), text(&record.topology)),
    ];
    match fields.into_iter().find(|(_, ours, theirs)| ours != theirs) {
        None => Ok(()),
        Some((field, ours, theirs)) => {
            Err(refuse(name, field, format!("{theirs}; in {first_name} it is {ours}")))
        }
    }
}

fn refuse(file: &str, field: &str, why: String) -> MergeError {
    MergeError { file: file.into(), field: field.into(), why }
}

fn add_ledger(sum: &mut Ledger, other: &Ledger) {
    for (sum, other) in [
        (&mut sum.scheduled, other.scheduled),
        (&mut sum.expected, other.expected),
        (&mut sum.wrong_outcome, other.wrong_outcome),
        (&mut sum.http_error, other.http_error),
        (&mut sum.connection_error, other.connection_error),
        (&mut sum.timeout, other.timeout),
        (&mut sum.shed, other.shed),
    ] {
        *sum = sum.saturating_add(other);
    }
}
