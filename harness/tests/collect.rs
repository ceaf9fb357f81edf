//! `authbench collect`: what Criterion leaves on disk is read exactly or refused, and a record is
//! written whole or left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic;
use authbench_harness::record::criterion::{VERSION, read};
use authbench_harness::record::integrity::findings;
use authbench_harness::record::io::{read_run, write_run};
use authbench_harness::record::run::{MicroCell, Run, Timer};
use criterion::{BenchmarkId, Criterion};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The third parts of the two benches that [`bench`] leaves.
const CELL: &str = "alg=HS256,claims=typical,backend=ring";

/// Runs two tiny benches with the Criterion that is built, and leaves its folder.
fn bench(folder: &Path) {
    let mut criterion = Criterion::default()
        .output_directory(folder)
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(10));
    let mut group = criterion.benchmark_group("verify");
    group.bench_function(BenchmarkId::new("prepared", CELL), |b| b.iter(|| 2_u64.pow(7)));
    group.bench_function("jwt-es256", |b| b.iter(|| 3_u64.pow(5)));
    group.finish();
}

/// A bench as Criterion writes it, made by hand.
fn by_hand(folder: &Path, (group, function, value): (&str, &str, Option<&str>), sample: &Value) {
    let at = folder.join(group).join(function).join(value.unwrap_or("none")).join("new");
    fs::create_dir_all(&at).unwrap();
    let id = json!({ "group_id": group, "function_id": function, "value_str": value,
        "throughput": null, "full_id": format!("{group}/{function}"),
        "directory_name": "x", "title": "x" });
    fs::write(at.join("benchmark.json"), id.to_string()).unwrap();
    fs::write(at.join("sample.json"), sample.to_string()).unwrap();
}

fn sample() -> Value {
    let times: Vec<f64> = (1..=10).map(|i| f64::from(i) * 100.4).collect();
    json!({ "sampling_mode": "Linear", "iters": (1..=10).map(f64::from).collect::<Vec<_>>(),
        "times": times })
}

const PREPARED: (&str, &str, Option<&str>) = ("verify", "prepared", Some(CELL));

fn collect(at: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authbench"));
    command.env_remove("CRITERION_HOME").current_dir(at).arg("collect").args(args);
    command.output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_version_that_is_built_is_the_one_the_adapter_reads() {
    let lock: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "Cargo.lock"].iter().collect();
    let lock = fs::read_to_string(lock).unwrap();
    let version = lock.split("[[package]]").find(|p| p.contains("name = \"criterion\"\n"));
    let named = format!("version = \"{VERSION}\"\n");
    assert!(version.expect("criterion is built").contains(&named), "look at record/criterion.rs");
}

#[test]
fn what_criterion_writes_becomes_cells() {
    let home = TempDir::new().unwrap();
    bench(home.path());
    let found = read(home.path()).unwrap();
    let ids: Vec<&str> = found.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["verify/jwt-es256", &format!("verify/prepared/{CELL}")]);
    let (strategy, path) = (&found.cells[0], &found.cells[1]);
    assert_eq!(strategy.strategy.as_deref(), Some("jwt-es256"));
    assert_eq!(strategy.algorithm.as_deref(), Some("ES256"));
    assert_eq!((path.strategy.as_deref(), path.algorithm.as_deref()), (None, Some("HS256")));
    for cell in &found.cells {
        assert_eq!((cell.timer, cell.operation.as_str()), (Timer::Criterion, "verify"));
        assert_eq!((cell.iterations.len(), cell.wall_ns.len()), (10, 10));
        assert!(cell.cpu_ns.is_empty() && cell.reference.is_none());
    }
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn a_new_record_holds_them_is_valid_and_has_a_page() {
    let home = TempDir::new().unwrap();
    let benches = home.path().join("target/criterion");
    by_hand(&benches, PREPARED, &sample());
    let output = collect(home.path(), &["--out", "runs/made", "--label", "mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let folder = home.path().join("runs/made");
    let loaded = read_run(&folder.join("run.json")).unwrap();
    assert_eq!(findings(&loaded.run), []);
    assert!(loaded.run.plan.is_none() && loaded.run.cells.is_empty());
    assert_eq!((loaded.run.run.label.as_str(), loaded.run.run.profile.as_str()), ("mine", "micro"));
    assert_eq!(loaded.run.micro[0].wall_ns[..3], [100, 201, 301], "rounded to nanoseconds");
    let derived = derive(&loaded.run, &loaded.sha256);
    let row = &derived.micro[0];
    assert_eq!((row.cpu_ns, row.ratio), (None, None), "Criterion gives neither");
    let local = row.criterion_ns.unwrap();
    assert!((local.value - 100.4).abs() < 0.3 && local.n == 10, "{local:?}");
    let page = fs::read_to_string(folder.join("REPORT.md")).unwrap();
    assert!(page.contains("by Criterion") && !page.contains("requests per second"), "{page}");
    let again = collect(home.path(), &["--out", "runs/made"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
}

/// A results folder with a made-up run, and a folder of benches beside it.
fn beside() -> (TempDir, Run) {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("run")).unwrap();
    let mut run = synthetic::run(1);
    let stale = |id: &str| MicroCell {
        id: id.into(),
        operation: "verify".into(),
        timer: Timer::Criterion,
        iterations: vec![7; 6],
        wall_ns: vec![9; 6],
        ..MicroCell::default()
    };
    run.micro.push(stale("verify/gone"));
    run.micro.push(stale(&format!("verify/prepared/{CELL}")));
    write_run(&home.path().join("run"), &run).unwrap();
    by_hand(&home.path().join("benches"), PREPARED, &sample());
    (home, run)
}

#[test]
fn cells_of_criterion_are_replaced_and_all_else_stays() {
    let (home, before) = beside();
    let output = collect(home.path(), &["--criterion", "benches", "--into", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let after = read_run(&home.path().join("run/run.json")).unwrap().run;
    let is_ours = |cell: &&MicroCell| cell.timer == Timer::Criterion;
    let (ours, others): (Vec<_>, Vec<_>) = after.micro.iter().partition(is_ours);
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].iterations.len(), 10);
    let kept: Vec<_> = before.micro.iter().filter(|cell| !is_ours(cell)).collect();
    assert_eq!(others, kept);
    assert_eq!(Run { micro: vec![], ..after }, Run { micro: vec![], ..before });
    assert!(home.path().join("run/derived.json").is_file());
}

#[test]
fn cells_of_another_program_are_merged_by_id_and_timer() {
    let (home, before) = beside();
    let mut own = before.micro[0].clone();
    own.cpu_ns.iter_mut().for_each(|ns| *ns += 1);
    let fresh = MicroCell { id: "verify/rival".into(), ..own.clone() };
    let cells = serde_json::to_string(&[&own, &fresh]).unwrap();
    fs::write(home.path().join("cells.json"), &cells).unwrap();
    let output = collect(home.path(), &["--cells", "cells.json", "--into", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let after = read_run(&home.path().join("run/run.json")).unwrap().run;
    assert_eq!(after.micro.len(), before.micro.len() + 1);
    assert_eq!((&after.micro[0], after.micro.last().unwrap()), (&own, &fresh));
    for (text, words) in [
        (cells.replacen("\"id\"", "\"name\"", 1), "at `[0].name`"),
        ("[]".into(), "holds no cells"),
        (cells.replacen("\"cpu_ns\":[", "\"cpu_ns\":[1,", 1), "column cpu_ns has 61 entries"),
    ] {
        let kept = fs::read(home.path().join("run/run.json")).unwrap();
        fs::write(home.path().join("cells.json"), text).unwrap();
        let output = collect(home.path(), &["--cells", "cells.json", "--into", "run"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
        assert_eq!(kept, fs::read(home.path().join("run/run.json")).unwrap());
    }
}

#[test]
fn samples_of_another_shape_are_refused_and_nothing_is_written() {
    let with = |key: &str, value: Value| {
        let mut changed = sample();
        changed[key] = value;
        changed
    };
    let mut without = sample();
    without.as_object_mut().unwrap().remove("times");
    let mut short = sample();
    short["times"].as_array_mut().unwrap().pop();
    for (bad, words) in [
        (without, "missing field `times`"),
        (short, "10 `iters`, but 9 `times`"),
        (with("times", json!([null])), "invalid type: null"),
        (with("times", json!(vec!["1"; 10])), "invalid type: string"),
        (with("iters", json!(vec![1.5; 10])), "no whole number"),
        (with("iters", json!(vec![0.0; 10])), "`iters` holds 0"),
        (with("times", json!(vec![-3.0; 10])), "`times` holds -3"),
        (with("sampling_mode", json!("Slope")), "unknown variant `Slope`"),
        (with("slope", json!(1.0)), "unknown field `slope`"),
    ] {
        let (home, _) = beside();
        by_hand(&home.path().join("benches"), PREPARED, &bad);
        let kept = fs::read(home.path().join("run/run.json")).unwrap();
        for target in [&["--into", "run"], &["--out", "fresh"]] {
            let output = collect(home.path(), &[&["--criterion", "benches"], &target[..]].concat());
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{words}: {text}");
            assert!(text.contains(words) && text.contains("not what Criterion 0.8.2"), "{text}");
        }
        assert_eq!(kept, fs::read(home.path().join("run/run.json")).unwrap());
        assert!(!home.path().join("fresh").exists() && !home.path().join("runs").exists());
    }
}

#[test]
fn foreign_benches_are_named_and_empty_folders_refused() {
    let (home, _) = beside();
    by_hand(&home.path().join("benches"), ("hash", "sha256", None), &json!({ "any": "shape" }));
    let output = collect(home.path(), &["--criterion", "benches", "--into", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("skipped, no operation of authbench: `hash/sha256`"));
    fs::create_dir(home.path().join("empty")).unwrap();
    for (args, status, words) in [
        (&["--criterion", "empty", "--into", "run"][..], 1, "holds no bench"),
        (&["--criterion", "nowhere", "--into", "run"], 1, "nowhere cannot be read"),
        (&["--into", "run"], 1, "cannot be read"),
        (&["--criterion", "benches", "--into", "empty"], 2, "holds no run.json"),
        (&["--criterion", "benches", "--into", "run", "--out", "x"], 2, "cannot be used with"),
    ] {
        let output = collect(home.path(), args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
}

#[test]
fn samples_of_different_hours_are_called_stale() {
    let home = TempDir::new().unwrap();
    by_hand(home.path(), PREPARED, &sample());
    by_hand(home.path(), ("issue", "jwt-hs256", None), &sample());
    assert!(read(home.path()).unwrap().notes.is_empty(), "of one minute");
    let old = home.path().join("issue/jwt-hs256/none/new/sample.json");
    let file = fs::File::options().write(true).open(old).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7_300)).unwrap();
    let notes = read(home.path()).unwrap().notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("121 min apart") && notes[0].contains("fresh CRITERION_HOME"));
}
