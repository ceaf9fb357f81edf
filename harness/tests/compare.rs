//! `authbench compare`: a slower strategy is named, an equal one is not, unlike runs are refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use authbench_harness::measure::compare::{Change, Metric, Row, compare, controls_moved, unlike};
use authbench_harness::measure::histogram::LatencyHistogram;
use authbench_harness::measure::synthetic::{Shape, run_with};
use authbench_harness::record::io::write_run;
use authbench_harness::record::run::{Run, Status};
use tempfile::TempDir;

fn shape() -> Shape {
    Shape { blocks: 10, rounds: 12, rate: 500, ..Shape::default() }
}

/// As many blocks as `standard` has, and one arm's CPU times `factor`.
fn made_dearer(seed: u64, arm: &str, factor: f64) -> Run {
    let mut run = run_with(seed, &shape());
    for cell in run.cells.iter_mut().filter(|cell| cell.arm == arm) {
        let slots = &mut cell.slots;
        for column in [&mut slots.server_cpu_ns, &mut slots.store_cpu_ns] {
            column.iter_mut().for_each(|ns| *ns = (*ns as f64 * factor) as u64);
        }
    }
    run
}

fn row<'a>(rows: &'a [Row], arm: &str, metric: Metric) -> &'a Row {
    rows.iter().find(|row| row.arm == arm && row.metric == metric).unwrap()
}

/// Runs the verb on two records.
fn verb(a: &Run, b: &Run, flags: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    for (name, run) in [("a", a), ("b", b)] {
        fs::create_dir(home.path().join(name)).unwrap();
        write_run(&home.path().join(name), run).unwrap();
    }
    on(home.path(), &[&["a", "b"], flags].concat())
}

fn on(at: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authbench"));
    command.current_dir(at).arg("compare").args(args).output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn two_runs_of_the_same_do_not_regress() {
    let (a, b) = (run_with(1, &shape()), run_with(2, &shape()));
    let output = verb(&a, &b, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("regressed by more than 5 %: none"), "{}", said(&output));
    let rows = compare(&a, &b, 0.05);
    let judged = rows.iter().filter(|row| row.verdict != Change::Control).count();
    assert_eq!((judged, rows.len()), (18, 24), "CPU and p50; two rulers and the A/A arm beside");
    assert!(rows.iter().any(|row| row.verdict == Change::Same), "{rows:?}");
}

#[test]
fn a_dearer_strategy_is_named_and_ends_with_status_three() {
    let (a, b) = (run_with(1, &shape()), made_dearer(2, "jwt-es256", 1.10));
    let output = verb(&a, &b, &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("regressed by more than 5 %: jwt-es256 (cpu)"), "{text}");
    // The other way round it is an improvement, and no failure.
    let output = verb(&b, &a, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("improved by more than 5 %: jwt-es256 (cpu)"));
    // Below the threshold it is decided and no regression.
    let output = verb(&a, &b, &["--threshold", "20"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(row(&compare(&a, &b, 0.20), "jwt-es256", Metric::Cpu).verdict, Change::Same);
}

#[test]
fn where_the_floor_itself_changed_the_controls_say_so_and_nothing_regresses() {
    // `none` and its twin 10 % cheaper, as on a machine in another state: every ratio grows.
    let (a, mut b) = (run_with(1, &shape()), run_with(2, &shape()));
    for cell in b.cells.iter_mut().filter(|cell| cell.arm == "none" || cell.arm == "none+aa") {
        cell.slots.server_cpu_ns.iter_mut().for_each(|ns| *ns = *ns / 10 * 9);
    }
    let rows = compare(&a, &b, 0.05);
    let moved = controls_moved(&rows, Metric::Cpu);
    assert!(moved > 0.07, "the rulers moved by {moved}");
    assert!(rows.iter().all(|row| row.verdict != Change::Regressed), "{rows:#?}");
    let output = verb(&a, &b, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("the controls moved by up to"), "{}", said(&output));
    // What changed by more than that is still found.
    for cell in b.cells.iter_mut().filter(|cell| cell.arm == "jwt-es256") {
        cell.slots.server_cpu_ns.iter_mut().for_each(|ns| *ns = *ns / 10 * 13);
    }
    let rows = compare(&a, &b, 0.05);
    assert_eq!(row(&rows, "jwt-es256", Metric::Cpu).verdict, Change::Regressed);
    assert_eq!(controls_moved(&compare(&a, &a, 0.05), Metric::Cpu), 0.0);
}

#[test]
fn the_json_holds_what_was_decided() {
    let (a, b) = (run_with(1, &shape()), made_dearer(2, "session-redis", 1.10));
    let output = verb(&a, &b, &["--json"]);
    assert_eq!(output.status.code(), Some(3));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["regressed"], true);
    let rows = value["rows"].as_array().unwrap();
    let redis = rows.iter().find(|row| row["arm"] == "session-redis").unwrap();
    assert_eq!(redis["verdict"], "regressed");
    let change = redis["change"]["value"].as_f64().unwrap();
    assert!((change - 0.10).abs() < 0.04, "{redis}");
    assert!(redis["ranks_p"].as_f64().unwrap() < 0.05, "{redis}");
}

#[test]
fn false_alarms_are_as_rare_as_they_are_said_to_be() {
    let (pairs, mut decided, mut regressed) = (120, 0, 0);
    let small = Shape { blocks: 8, rounds: 6, ..Shape::cpu_only() };
    for seed in 0..pairs {
        let (a, b) = (run_with(2 * seed, &small), run_with(2 * seed + 1, &small));
        // At a threshold of nothing every decision is an alarm: what Holm's rule holds at 5 %.
        let any = |threshold| {
            let rows = compare(&a, &b, threshold);
            rows.iter().any(|row| matches!(row.verdict, Change::Regressed | Change::Improved))
        };
        decided += u32::from(any(1e-9));
        regressed += u32::from(any(0.05));
    }
    // 6 of 120 are expected; 13 or more happen once in a hundred such tests.
    assert!(decided <= 12, "{decided} of {pairs} pairs of equal runs were told apart");
    assert!(regressed <= 2, "{regressed} of {pairs} pairs of equal runs regressed by 5 %");
}

#[test]
fn latency_is_compared_where_both_runs_have_it() {
    let full = Shape { blocks: 6, rounds: 4, rate: 1_000, ..Shape::default() };
    let (a, mut b) = (run_with(1, &full), run_with(2, &full));
    let same = compare(&a, &b, 0.05);
    assert_ne!(row(&same, "jwt-es256", Metric::P50).verdict, Change::Regressed);
    for cell in b.cells.iter_mut().filter(|cell| cell.arm == "jwt-es256") {
        let n = cell.slot_latency.response.n;
        let mut slow = LatencyHistogram::new();
        (0..n).for_each(|i| slow.record(250_000 + i));
        cell.slot_latency.response = slow.to_record();
    }
    let rows = compare(&a, &b, 0.05);
    assert_eq!(row(&rows, "jwt-es256", Metric::P50).verdict, Change::Regressed);
    assert_eq!(
        row(&rows, "jwt-es256", Metric::Cpu).verdict,
        row(&same, "jwt-es256", Metric::Cpu).verdict
    );
    // Unless the driver's lateness changed as much.
    for cell in b.cells.iter_mut().filter(|cell| cell.arm == "jwt-es256") {
        cell.slot_latency.slip.sum_ns += cell.slot_latency.slip.n * 60_000;
    }
    let rows = compare(&a, &b, 0.05);
    let late = row(&rows, "jwt-es256", Metric::P50);
    assert_eq!(late.verdict, Change::Undecided);
    assert!(late.note.as_ref().unwrap().contains("lateness"), "{late:?}");
}

#[test]
fn unlike_runs_are_refused_and_told_apart_by_name() {
    let (a, mut b) = (run_with(1, &shape()), run_with(2, &shape()));
    assert!(unlike(&a, &b).is_empty());
    b.environment.cpu_model = Some("Another CPU".into());
    b.method_version += 1;
    b.plan.as_mut().unwrap().rate_per_second = 10_000;
    let output = verb(&a, &b, &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for words in ["processor: `Synthetic CPU` and `Another CPU`", "method version", "per second"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(text.contains("--allow-different"));
    let output = verb(&a, &b, &["--allow-different"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("note: what was compared is not alike"));
}

#[test]
fn records_that_may_not_be_cited_and_nonsense_are_refused() {
    let sound = run_with(1, &shape());
    for (status, words) in [(Status::Invalid, "is invalid"), (Status::Partial, "is partial")] {
        let mut other = run_with(2, &shape());
        other.run.status = status;
        other.run.reasons = vec!["for a reason".into()];
        let output = verb(&sound, &other, &["--allow-different"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(words) && said(&output).contains("for a reason"));
    }
    let mut altered = run_with(2, &shape());
    altered.cells[0].slots.expected[0] += 1;
    let output = verb(&sound, &altered, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not valid as a measurement"), "{}", said(&output));
    let output = verb(&sound, &sound, &["--threshold", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let home = TempDir::new().unwrap();
    let output = on(home.path(), &["nowhere", "neither"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nowhere"));
    let mut foreign = run_with(2, &shape());
    foreign.arms.retain(|arm| arm.id.starts_with("none"));
    foreign.cells.retain(|cell| cell.arm.starts_with("none"));
    let output = verb(&sound, &foreign, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no strategy in common"), "{}", said(&output));
}
