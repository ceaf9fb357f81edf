//! Test 10: parts of a load, sent by several drivers, are the whole load again.

use std::time::{Duration, SystemTime};

use super::Scale;
use super::child::{Load, Loaded};
use super::rig::{SECOND_NS, note_late, schedule};
use super::stub::{OK, Reply, Seen, Stub};
use super::verdict::{Verdict, ms, us};
use crate::load::schedule::Arrivals;
use crate::load::segment::Segment;
use crate::measure::histogram::LatencyHistogram;
use crate::measure::merge::{Named, merge};
use crate::record::segment::SegmentRecord;

const PROCESSES: u32 = 4;
const DELAY_NS: u64 = 5_000_000;
/// All processes are up and connected by then.
const LEAD: Duration = Duration::from_secs(2);
/// Medians of one process and of four may differ by so much more than their drivers' slips.
const MEDIANS_NS: u64 = 500_000;

/// Test 10.
///
/// # Errors
/// When the stub or a load fails.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    unions(&mut verdict);
    let stub = Stub::start(|seen: &Seen<'_>| Reply::At(seen.at_ns + DELAY_NS, OK))?;
    let url = format!("http://{}/", stub.address());
    let seconds = scale.pick("10", "3");
    let whole = load(&url, seconds, 1)?;
    let before = stub.received();
    let parts = load(&url, seconds, PROCESSES)?;
    let received = stub.received() - before;
    for loaded in whole.iter().chain(&parts) {
        note_late(&mut verdict, "a driver's slip p99", loaded.slip_p99_ns()?);
    }
    let named: Vec<Named> = parts
        .into_iter()
        .enumerate()
        .map(|(i, loaded)| (format!("part {i}"), loaded.record))
        .collect();
    let merged = merge(&named, false)?;
    agree(&mut verdict, &whole[0].record, &merged, received)?;
    refuses(&mut verdict, &named);
    Ok(verdict)
}

/// The schedule's segments, put together again, for every number of them.
fn unions(verdict: &mut Verdict) {
    let whole = schedule(Arrivals::Poisson, 1_009, SECOND_NS, 10);
    let made = |of: u32, lost: Option<u32>| {
        let mut union: Vec<_> = (0..of)
            .filter(|k| Some(*k) != lost)
            .filter_map(|k| Segment::new(k, of))
            .flat_map(|segment| segment.select(&whole))
            .collect();
        union.sort_by_key(|op| op.at_ns);
        union == whole
    };
    let equal = (1..=64).filter(|of| made(*of, None)).count();
    verdict.check("N whose segments make the whole", equal, "64 of 64", equal == 64);
    verdict.exactly();
    let equal = (1..=64).filter(|of| made(*of, Some(of - 1))).count();
    verdict.control("the same, the last segment lost", equal, "64 of 64", equal > 0);
    verdict.exactly();
}

/// One load, by so many processes at once.
fn load(url: &str, seconds: &str, processes: u32) -> anyhow::Result<Vec<Loaded>> {
    let start_at = humantime::format_rfc3339_millis(SystemTime::now() + LEAD).to_string();
    let started = (0..processes)
        .map(|k| {
            let segment = format!("{k}/{processes}");
            let arguments = ["--rate", "800", "--seconds", seconds, "--connections", "16"];
            let when = ["--segment", &segment, "--start-at", &start_at];
            Load::start(url, &[&arguments[..], &when].concat())
        })
        .collect::<anyhow::Result<Vec<Load>>>()?;
    started.into_iter().map(Load::end).collect()
}

fn agree(
    verdict: &mut Verdict,
    whole: &SegmentRecord,
    merged: &SegmentRecord,
    received: u64,
) -> anyhow::Result<()> {
    let same = merged.scenario.schedule_sha256 == whole.scenario.schedule_sha256;
    let said = if same { "the same" } else { "another" };
    verdict.check("schedule of 1 and of 4 processes", said, "the same", same);
    let (one, four) = (whole.ledger.scheduled, merged.ledger.scheduled);
    verdict.check("requests of 4 processes", four, one.to_string(), one == four);
    // Each process asks once before it loads.
    let wanted = four + u64::from(PROCESSES);
    verdict.check("received from them", received, wanted.to_string(), received == wanted);
    let p50 = |record: &SegmentRecord| -> anyhow::Result<u64> {
        Ok(LatencyHistogram::from_record(&record.response)?.percentile(500).unwrap_or(0))
    };
    let (one, four) = (p50(whole)?, p50(merged)?);
    let limit = format!("{} +- {}", ms(one), us(MEDIANS_NS));
    let near = one.abs_diff(four) <= MEDIANS_NS;
    verdict.check("median response of 4 processes", ms(four), limit, near);
    Ok(())
}

/// How a record is tampered with.
type Tamper = (&'static str, fn(&mut SegmentRecord));

const TAMPERED: [Tamper; 9] = [
    ("schema", |record| record.schema.push('0')),
    ("seed", |record| record.seed.push('1')),
    ("scenario", |record| record.scenario.timeout_ns += 1),
    ("scenario and its hash", |record| {
        record.scenario.timeout_ns += 1;
        record.scenario_sha256 = record.scenario.sha256();
    }),
    ("geometry", |record| record.geometry.push('0')),
    ("topology", |record| record.topology = "split".into()),
    ("number of segments", |record| record.segments += 1),
    ("ledger", |record| record.ledger.scheduled += 1),
    ("response histogram", |record| record.response.n += 1),
];

fn refuses(verdict: &mut Verdict, named: &[Named]) {
    let refused = |tamper: fn(&mut SegmentRecord)| {
        let mut tampered = named.to_vec();
        tamper(&mut tampered[1].1);
        merge(&tampered, false).is_err()
    };
    let accepted: Vec<&str> =
        TAMPERED.iter().filter(|(_, tamper)| !refused(*tamper)).map(|(name, _)| *name).collect();
    let said = if accepted.is_empty() { "none".into() } else { accepted.join(", ") };
    let what = format!("tampered records that merge takes, of {}", TAMPERED.len());
    verdict.check(what, said, "none", accepted.is_empty());
    verdict.exactly();
    let twice = [named, &named[..1]].concat();
    let taken = merge(&twice, true).is_ok();
    verdict.check(
        "a segment given twice",
        if taken { "taken" } else { "refused" },
        "refused",
        !taken,
    );
    let untouched = refused(|_| {});
    let said = if untouched { "refused" } else { "taken" };
    verdict.control("records that nobody touched", said, "refused", untouched);
    verdict.exactly();
}
