//! Segment records: what adds up, what is refused, and what four drivers see together.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use authbench_harness::load::driver::Executed;
use authbench_harness::load::outcome::{Outcome, Row};
use authbench_harness::load::segment::Segment;
use authbench_harness::measure::drive::Drive;
use authbench_harness::measure::merge::{Named, merge};
use authbench_harness::record::segment::{Scenario, SegmentRecord, read, write};
use serde_json::Value;

mod stub;

const BINARY: &str = env!("CARGO_BIN_EXE_authbench");
const SCHEDULED: u64 = 20_000;
const GAP_NS: u64 = 100_000;

fn scenario() -> Scenario {
    Scenario {
        request_sha256: "aa".into(),
        expect_status: 200,
        mode: "open".into(),
        arrivals: "constant".into(),
        shape: "steady 10000/s".into(),
        length_ns: SCHEDULED * GAP_NS,
        scheduled: SCHEDULED,
        schedule_sha256: "bb".into(),
        start_at: Some("2026-01-31T12:00:00Z".into()),
        pacing: "exact".into(),
        connections: 4,
        timeout_ns: 5_000_000_000,
    }
}

/// What a driver of one segment saw: every 50th request timed out.
fn rows(segment: Segment, slip_ns: u64) -> Vec<Row> {
    (0..SCHEDULED)
        .filter(|i| i % u64::from(segment.of()) == u64::from(segment.index()))
        .map(|i| {
            let intended_ns = 1_000_000 + i * GAP_NS;
            let dispatched_ns = intended_ns + slip_ns;
            let written_ns = dispatched_ns + 300;
            let (outcome, done_ns) = match i % 50 {
                0 => (Outcome::Timeout, intended_ns + 5_000_000_000),
                _ => (Outcome::Expected, written_ns + 10_000 + (i * 7_919) % 1_000_003),
            };
            let row = Row { intended_ns, dispatched_ns, written_ns, ..Row::NEVER_SENT };
            Row { done_ns, outcome, ..row }
        })
        .collect()
}

fn record_of(k: u32, n: u32, slip_ns: u64) -> SegmentRecord {
    let segment = Segment::new(k, n).unwrap();
    let executed = Executed { rows: rows(segment, slip_ns), ..Executed::default() };
    let (base_ns, cpu_ns) = (1_000_000, 7);
    let (seed, topology, late_start_ns) = (1, "colocated", Some(1_000));
    let scenario = scenario();
    let executed = &executed;
    Drive { scenario, seed, segment, topology, base_ns, executed, cpu_ns, late_start_ns }.record()
}

fn named(k: u32, n: u32) -> Named {
    (format!("{k}.json"), record_of(k, n, 40_000))
}

#[test]
fn segments_add_up_to_what_one_driver_sees() {
    let whole = record_of(0, 1, 40_000);
    for n in [2, 3, 7] {
        let parts: Vec<Named> = (0..n).map(|k| named(k, n)).collect();
        let sum = merge(&parts, false).unwrap();
        assert!(sum.valid, "{:?}", sum.reasons);
        assert_eq!(sum.ledger, whole.ledger);
        assert_eq!(sum.response, whole.response, "histograms, extremes and sums");
        assert_eq!((&sum.service, &sum.slip), (&whole.service, &whole.slip));
        assert_eq!(sum.conn_wait, whole.conn_wait);
        assert_eq!(sum.quantiles, whole.quantiles);
        assert_eq!(sum.parts.len(), n as usize);
        // The control: with one part replaced by a slower driver's it is not.
        let mut other = parts;
        other[1].1 = record_of(1, n, 41_000);
        assert_ne!(merge(&other, false).unwrap().response, whole.response);
    }
}

#[test]
fn adding_in_steps_and_in_any_order_gives_the_same_bytes() {
    let [a, b, c] = [0, 1, 2].map(|k| named(k, 3));
    let all = merge(&[a.clone(), b.clone(), c.clone()], false).unwrap();
    let plus =
        |x: &Named, y: &Named| ("sum".to_owned(), merge(&[x.clone(), y.clone()], true).unwrap());
    let left = plus(&plus(&a, &b), &c);
    let right = plus(&a, &plus(&c, &b));
    let folder = tempfile::tempdir().unwrap();
    let bytes = |record: &SegmentRecord| {
        let file = folder.path().join("record.json");
        write(&file, record).unwrap();
        assert_eq!(read(&file).unwrap(), *record);
        std::fs::read(&file).unwrap()
    };
    assert_eq!(bytes(&left.1), bytes(&all));
    assert_eq!(bytes(&right.1), bytes(&all));
    // On the way it is partial, and is taken only by who says so.
    let half = merge(&[a.clone(), b.clone()], false).unwrap_err();
    assert_eq!((half.field.as_str(), half.why.contains("1 of 3")), ("parts", true), "{half}");
}

#[test]
fn every_tampered_field_is_refused_by_name() {
    type Edit = fn(&mut SegmentRecord);
    // An edited scenario with its hash made right again: it is of another load.
    fn other(record: &mut SegmentRecord, edit: fn(&mut Scenario)) {
        edit(&mut record.scenario);
        record.scenario_sha256 = record.scenario.sha256();
    }
    let cases: [(&str, Edit); 22] = [
        ("schema", |r| r.schema = "authbench.segment/2".into()),
        ("scenario_sha256", |r| r.scenario_sha256 = "cc".into()),
        ("scenario_sha256", |r| r.scenario.connections = 5),
        ("scenario.request_sha256", |r| other(r, |s| s.request_sha256 = "cc".into())),
        ("scenario.expect_status", |r| other(r, |s| s.expect_status = 201)),
        ("scenario.arrivals", |r| other(r, |s| s.arrivals = "poisson".into())),
        ("scenario.shape", |r| other(r, |s| s.shape = "steady 9/s".into())),
        ("scenario.length_ns", |r| other(r, |s| s.length_ns += 1)),
        ("scenario.schedule_sha256", |r| other(r, |s| s.schedule_sha256 = "cc".into())),
        ("scenario.start_at", |r| other(r, |s| s.start_at = None)),
        ("scenario.pacing", |r| other(r, |s| s.pacing = "tick".into())),
        ("scenario.timeout_ns", |r| other(r, |s| s.timeout_ns += 1)),
        ("seed", |r| r.seed = "2".into()),
        ("geometry", |r| r.geometry = "1..60 ns, 2 digits".into()),
        ("topology", |r| r.topology = "split".into()),
        ("parts", |r| r.parts[0].segment = 0),
        ("parts", |r| r.parts[0].segment = 3),
        ("parts.ledger", |r| r.parts[0].ledger.expected += 1),
        ("ledger", |r| r.ledger.expected += 1),
        ("slip", |r| r.slip.n += 1),
        ("response", |r| r.response = r.slip.clone()),
        ("valid", |r| r.valid = false),
    ];
    for (field, edit) in cases {
        let mut parts: Vec<Named> = (0..3).map(|k| named(k, 3)).collect();
        edit(&mut parts[1].1);
        let error = merge(&parts, true).unwrap_err();
        let refused = error.field.as_str();
        let is_twice = field == "parts" && error.why.contains("also in");
        assert!(refused == field, "{field}: {error}");
        assert!(error.file == "1.json" || is_twice, "{error}");
    }
    let mut parts: Vec<Named> = (0..3).map(|k| named(k, 3)).collect();
    parts[2] = named(2, 4);
    assert_eq!(merge(&parts, true).unwrap_err().field, "segments");
    assert_eq!(merge(&[], true).unwrap_err().field, "files");
}

#[test]
fn a_failed_gate_hidden_in_a_part_is_found() {
    let mut record = record_of(0, 1, 40_000);
    record.parts[0].gates[1].pass = false;
    assert_eq!(merge(&[("0.json".into(), record)], false).unwrap_err().field, "valid");
}

#[test]
fn one_invalid_segment_invalidates_the_whole() {
    let late = ("late.json".to_owned(), record_of(1, 2, 3_000_000));
    assert!(
        !late.1.valid && late.1.reasons[0].contains("segment 1/2: slip"),
        "{:?}",
        late.1.reasons
    );
    assert!(late.1.quantiles.is_empty() && late.1.parts[0].quantiles.is_empty());
    let sum = merge(&[named(0, 2), late], false).unwrap();
    assert!(!sum.valid && sum.quantiles.is_empty());
    assert_eq!(sum.reasons.len(), 1);
}

fn run(arguments: &[&str], files: &[&Path]) -> Output {
    Command::new(BINARY).args(arguments).args(files).output().unwrap()
}

#[test]
fn the_verb_says_on_every_figure_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..2).map(|k| folder.path().join(format!("{k}.json"))).collect();
    for (k, file) in files.iter().enumerate() {
        write(file, &record_of(k as u32, 3, 40_000)).unwrap();
    }
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    let refused = run(&["merge"], &files);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("1 of 3 segments are missing: 2"), "{said}");

    let sum = run(&["merge", "--allow-partial"], &files);
    assert_eq!(sum.status.code(), Some(0), "{}", String::from_utf8_lossy(&sum.stderr));
    let text = String::from_utf8(sum.stdout).unwrap();
    let figures = text.lines().filter(|line| line.contains(char::is_numeric));
    for line in figures {
        assert!(line.contains("[2 of 3 segments]"), "{line}");
    }
    // 2 % of the requests timed out: p99 of all is a failure, that of the successes is labelled.
    let p99 = text.lines().find(|line| line.contains("p99 ")).unwrap();
    assert!(p99.contains(">5 s"), "{p99}");
    assert!(text.contains("response, ok-only"), "{text}");
}

#[test]
fn an_invalid_sum_exits_with_4_and_gives_no_percentile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("late.json");
    write(&file, &record_of(0, 1, 3_000_000)).unwrap();
    for json in [false, true] {
        let arguments: &[&str] = if json { &["merge", "--json"] } else { &["merge"] };
        let sum = run(arguments, &[&file]);
        assert_eq!(sum.status.code(), Some(4));
        let text = String::from_utf8(sum.stdout).unwrap();
        if json {
            let found: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(found["percentiles"], Value::Array(vec![]));
        } else {
            assert!(text.contains("INVALID") && !text.contains("p50"), "{text}");
        }
    }
}

/// Four processes on one stub send what one does: every count agrees.
#[test]
fn four_drivers_together_send_what_one_does() {
    let stub = stub::Stub::start();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", stub.address());
    // Far enough ahead for four processes of a busy machine to start.
    let start = SystemTime::now() + Duration::from_secs(3);
    let start = humantime::format_rfc3339_millis(start).to_string();
    let load = |segment: &str, file: &Path| {
        Command::new(BINARY)
            .args(["load", &url, "--rate", "400", "--seconds", "1", "--connections", "2"])
            .args(["--segment", segment, "--start-at", &start, "--record"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let one = folder.path().join("one.json");
    let files: Vec<_> = (0..4).map(|k| folder.path().join(format!("{k}.json"))).collect();
    let children: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(k, file)| load(&format!("{k}/4"), file))
        .chain([load("0/1", &one)])
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // 4: this machine made a driver late, and it says so; the counts hold all the same.
        assert!(matches!(output.status.code(), Some(0 | 4)), "{said}");
    }
    let parts: Vec<Named> =
        files.iter().map(|file| (file.display().to_string(), read(file).unwrap())).collect();
    let (sum, one) = (merge(&parts, false).unwrap(), read(&one).unwrap());
    assert_eq!(sum.ledger, one.ledger);
    assert_eq!(sum.ledger.expected, one.scenario.scheduled);
    assert_eq!(sum.scenario_sha256, one.scenario_sha256);
    assert_eq!(sum.response.n, one.response.n);
    // Each driver asks once before its load.
    assert_eq!(stub.asked(), sum.ledger.scheduled + one.ledger.scheduled + 5);
}
