//! `authbench validate` on every kind of bad record: what it says and how it ends.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic::{self, Shape};
use authbench_harness::record::integrity::findings;
use authbench_harness::record::io::{
    compact, create_folder, read_run, run_bytes, sha256_hex, utc_now, write_derived, write_run,
};
use authbench_harness::record::run::{Check, Run, Status};
use tempfile::TempDir;

/// Two blocks, made fast: with latencies, without an A/A judgement.
fn small() -> Run {
    synthetic::run_with(1, &Shape { blocks: 2, rounds: 4, rate: 1_000, ..Shape::default() })
}

fn validate(path: &Path, flags: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_authbench");
    Command::new(program).arg("validate").arg(path).args(flags).output().unwrap()
}

/// Writes `bytes` as a record and validates it: exit status, standard output, standard error.
fn verdict(bytes: &[u8]) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    fs::write(&path, bytes).unwrap();
    let output = validate(&path, &[]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Edits the record and expects status 4 and these words.
fn refused(edit: impl FnOnce(&mut Run), words: &[&str]) {
    let mut run = small();
    edit(&mut run);
    let (status, out, err) = verdict(&run_bytes(&run).unwrap());
    assert_eq!(status, 4, "{out}{err}");
    for word in words {
        assert!(out.contains(word), "{out} does not say {word}");
    }
    assert!(out.contains("-> "), "it says what to do: {out}");
}

/// Changes the text and expects status 1 and these words on standard error.
fn unreadable(edit: impl FnOnce(String) -> String, words: &[&str]) {
    let text = String::from_utf8(run_bytes(&small()).unwrap()).unwrap();
    let (status, out, err) = verdict(edit(text).as_bytes());
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    for word in words {
        assert!(err.contains(word), "{err} does not say {word}");
    }
    assert!(err.contains("run.json"), "it says which file: {err}");
}

#[test]
fn a_sound_record_is_valid() {
    assert_eq!(findings(&small()), []);
    for seed in 2..6 {
        assert_eq!(findings(&synthetic::run(seed)), [], "seed {seed}");
    }
    let (status, out, err) = verdict(&run_bytes(&small()).unwrap());
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains(": valid") && out.contains("14 arms, 2 of 2 blocks"), "{out}");
}

#[test]
fn every_kept_record_is_without_findings() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let folders = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = folders
        .filter(|folder| folder.join("derived.json").exists() && !folder.ends_with("schema"))
        .collect();
    assert!(!kept.is_empty());
    for folder in kept {
        let output = validate(&folder.join("run.json"), &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", folder.display());
    }
}

#[test]
fn a_run_without_load_is_valid_and_says_what_it_holds() {
    let run = synthetic::alone(1);
    assert_eq!(findings(&run), []);
    assert_eq!(findings(&synthetic::with_loops(small(), 1)), []);
    let (status, out, err) = verdict(&run_bytes(&run).unwrap());
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("subjects timed in loops") && !out.contains("blocks"), "{out}");
}

#[test]
fn faults_in_what_was_timed_in_loops_are_named() {
    let spoilt = |edit: &dyn Fn(&mut Run), words: &str| {
        let mut run = synthetic::alone(1);
        edit(&mut run);
        let (status, out, err) = verdict(&run_bytes(&run).unwrap());
        assert_eq!(status, 4, "{out}{err}");
        assert!(out.contains(words), "{out} does not say {words}");
    };
    let last = |run: &mut Run| run.micro.len() - 1;
    spoilt(
        &|run| {
            let cell = last(run);
            run.micro[cell].cpu_ns.pop();
        },
        "column cpu_ns has 39 entries, iterations has 40",
    );
    spoilt(
        &|run| {
            let cell = last(run);
            run.micro[cell].store_cpu_ns.push(1);
        },
        "column store_cpu_ns has 1 entries",
    );
    spoilt(
        &|run| {
            let cell = run.micro[0].clone();
            run.micro.push(cell);
        },
        "it is there twice by the same timer",
    );
    spoilt(&|run| run.micro[0].iterations[0] = 0, "a batch has no iterations");
    spoilt(&|run| run.wire[0].request_bytes = 1, "wire session-id no algorithm, no claims, bearer");
    spoilt(&|run| run.memory[0].entries = 0, "memory session-redis session: it weighs no entries");
    spoilt(&|run| run.cells = small().cells, "the run has no plan");
}

#[test]
fn a_partial_run_is_valid() {
    let mut run = small();
    run.run.status = Status::Partial;
    run.run.finished_utc = None;
    run.cells.truncate(20);
    assert_eq!(findings(&run), []);
}

#[test]
fn a_truncated_file_says_at_which_byte() {
    let whole = run_bytes(&small()).unwrap().len();
    for kept in [1, 100, whole / 2, whole - 3] {
        let words = format!("truncated: the JSON is not finished at byte {kept}");
        unreadable(|text| text[..kept].into(), &[&words]);
    }
    unreadable(|_| String::new(), &["the file is empty"]);
}

#[test]
fn what_is_not_json_says_at_which_byte() {
    unreadable(|text| text.replacen("\"schema\"", "schema", 1), &["not JSON at byte 3"]);
    unreadable(|text| text + "}", &["not JSON at byte", "trailing"]);
}

#[test]
fn another_schema_is_refused_and_a_newer_one_says_so() {
    let to = |schema: &'static str| move |text: String| text.replace("authbench.run/1", schema);
    unreadable(to("authbench.run/2"), &["authbench.run/2", "newer", "update authbench"]);
    unreadable(to("authbench.derived/1"), &["`authbench.derived/1`, not `authbench.run/1`"]);
    unreadable(to("other"), &["`other`"]);
    unreadable(|_| "{\"a\": 1}".into(), &["no `schema`"]);
    unreadable(|_| "[]".into(), &["no `schema`"]);
}

#[test]
fn a_member_that_is_unknown_or_mistyped_is_named_with_its_path() {
    let into = |new: &'static str| move |text: String| text.replacen("\"shed\": [0,", new, 1);
    unreadable(into("\"shed\": [\"no\","), &["at `cells[0].slots.shed[0]`", "expected u64"]);
    unreadable(into("\"shed\": [-1,"), &["at `cells[0].slots.shed[0]`", "-1"]);
    unreadable(into("\"more\": 1, \"shed\": [0,"), &["at `cells[0].slots.more`", "unknown field"]);
}

#[test]
fn no_file_is_a_plain_failure() {
    let output = validate(Path::new("/nonexistent/run.json"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot be read"));
}

#[test]
fn an_edited_ledger_names_arm_block_and_slot() {
    refused(
        |run| {
            let cell = run.cells.iter_mut().find(|c| c.arm == "jwt-es256" && c.block == 1).unwrap();
            cell.slots.timeout[2] += 1;
        },
        &["jwt-es256, block 1, slot 2: the ledger does not close"],
    );
}

#[test]
fn columns_of_unequal_length_are_named() {
    refused(
        |run| {
            run.cells[0].slots.wall_ns.pop();
        },
        &["none, block 0: column wall_ns has 3 entries, order has 4"],
    );
    refused(
        |run| run.cells[1].slots.steal_ticks.push(0),
        &["none+aa, block 0: column steal_ticks has 5 entries"],
    );
}

#[test]
fn a_histogram_that_contradicts_itself_is_named() {
    refused(
        |run| run.cells[2].slot_latency.as_mut().unwrap().service.n += 1,
        &["none+20us, block 0: slot_latency.service: n is"],
    );
    refused(
        |run| run.cells[2].slot_latency.as_mut().unwrap().response.sum_ns += 1 << 40,
        &["slot_latency.response: sum_ns is"],
    );
    refused(
        |run| run.revocation_cost[0].latency.hdr_v2_deflate_base64.truncate(8),
        &["revocation_cost session-memory logout, block 0: latency"],
    );
}

#[test]
fn a_failed_gate_is_named_whatever_the_status_says() {
    refused(|run| run.cells[4].forged_refused -= 1, &["gate forged-refused", "19 of 20"]);
    refused(
        |run| run.cells[4].server_requests += 1,
        &["session-memory, block 0: gate cross-count"],
    );
    refused(|run| run.cells[5].slots.redis_commands[0] += 1, &["session-redis", "redis-commands"]);
    refused(
        |run| {
            run.cells[4].forged_sent = 0;
            run.cells[4].forged_refused = 0;
        },
        &["no tampered credential was presented"],
    );
    refused(
        |run| {
            for cell in &mut run.cells {
                cell.slots.discarded.fill("slip".into());
            }
        },
        &["gate discarded-slots fails", "limit 200 in 1000"],
    );
    refused(
        |run| {
            let slots = &mut run.cells[6].slots;
            slots.expected[1] -= 1;
            slots.wrong_outcome[1] += 1;
        },
        &["jwt-hs256, block 0: gate outcomes fails: 1 answers other than expected"],
    );
}

#[test]
fn a_noise_floor_that_excludes_zero_voids_the_run_from_five_blocks_on() {
    let skewed = |blocks| {
        let mut run = synthetic::run_with(3, &Shape { blocks, rate: 500, ..Shape::default() });
        for cell in run.cells.iter_mut().filter(|cell| cell.arm == "none+aa") {
            cell.slots.server_cpu_ns.iter_mut().for_each(|ns| *ns += *ns / 2);
        }
        findings(&run)
    };
    let found = skewed(5);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.contains("gate a-a fails"));
    assert_eq!(skewed(4), []);
}

#[test]
fn a_status_may_not_claim_more_than_there_is() {
    refused(
        |run| {
            run.cells.retain(|cell| cell.arm != "jwt-rs256" || cell.block != 1);
        },
        &["jwt-rs256, block 1: the status is `complete`, yet nothing was measured here"],
    );
    refused(|run| run.run.finished_utc = None, &["run.finished_utc"]);
    let failed = Check {
        name: "steal".into(),
        scope: "run".into(),
        arm: None,
        block: None,
        pass: false,
        detail: "12 %".into(),
    };
    refused(|run| run.checks.push(failed), &["recorded check steal failed: 12 %"]);
    refused(
        |run| {
            run.run.status = Status::Invalid;
            run.run.reasons = vec!["interference".into()];
        },
        &["the run is invalid: interference"],
    );
    refused(|run| run.cells[0].arm = "ghost".into(), &["ghost, block 0: the arm is not among"]);
    refused(|run| run.cells[0].block = 1, &["none, block 1: there are two cells"]);
}

#[test]
fn one_edited_integer_is_found_against_the_derived_record() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("2026-01-01-made-up");
    create_folder(&folder).unwrap();
    let mut run = small();
    let sha256 = write_run(&folder, &run).unwrap();
    write_derived(&folder, &derive(&run, &sha256)).unwrap();
    assert_eq!(validate(&folder, &[]).status.code(), Some(0), "a folder will do");

    run.cells[9].slots.server_cpu_ns[1] += 1;
    fs::write(folder.join("run.json"), run_bytes(&run).unwrap()).unwrap();
    let output = validate(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(4));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["valid"], &said["findings"][0]["where"]),
        (&false.into(), &"derived.json".into())
    );
}

#[test]
fn a_record_is_written_whole_and_a_folder_never_twice() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("results").join("kept");
    create_folder(&folder).unwrap();
    let error = create_folder(&folder).unwrap_err().to_string();
    assert!(error.contains("never overwritten"), "{error}");
    let mut run = small();
    write_run(&folder, &run).unwrap();
    run.run.status = Status::Partial;
    let sha256 = write_run(&folder, &run).unwrap();
    let loaded = read_run(&folder.join("run.json")).unwrap();
    assert_eq!((&loaded.run, &loaded.sha256), (&run, &sha256));
    assert_eq!(sha256, sha256_hex(&fs::read(folder.join("run.json")).unwrap()));
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["run.json"], "no temporary file is left");
    // The digest of the empty string, FIPS 180-4.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sha256_hex(b""), empty);
}

#[test]
fn times_are_rfc_3339_in_utc_and_compact_in_an_id() {
    assert_eq!(compact("2026-01-31T23:59:59Z"), "20260131T235959Z");
    let now = utc_now();
    assert!(now.len() == 20 && now.starts_with("20") && now.ends_with('Z'), "{now}");
}
