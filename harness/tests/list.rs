//! `authbench list` and `authbench micro`: every registered strategy, for people and for programs.

use std::process::{Command, Output};

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Fault;
use authbench_harness::record::derived::MicroResult;
use authbench_harness::record::integrity::findings;
use authbench_harness::record::io::read_run;
use authbench_harness::record::run::StrategyRecord;

fn authbench(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_authbench")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_json_is_the_registry_in_its_order() {
    let (status, out, _) = authbench(&["list", "--json"]);
    assert_eq!(status, Some(0));
    let records: Vec<StrategyRecord> = serde_json::from_str(&out).unwrap();
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let names: Vec<&str> = StrategyKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(ids, names);
    for (record, kind) in records.iter().zip(StrategyKind::ALL) {
        let declared = kind.properties();
        assert_eq!(record.revoke, declared.revoke.name());
        assert_eq!(record.store_lost, declared.faults.store_lost.name());
        assert_eq!(record.redis_commands_per_request, declared.redis.authenticate);
        assert_eq!(record.store.as_deref(), declared.store.map(|store| store.name()));
        assert_eq!(record.renewal.as_deref(), Some(declared.renewal.name()));
        assert_eq!(record.uses.as_deref(), Some(declared.uses.name()));
        for (said, fault) in record.faults.iter().zip(Fault::ALL) {
            let outcome = declared.faults.of(fault).name();
            assert_eq!((said.fault.as_str(), said.outcome.as_str()), (fault.name(), outcome));
        }
        assert_eq!(record.faults.len(), Fault::ALL.len());
    }
}

#[test]
fn the_table_names_every_strategy_without_colour() {
    let (status, out, err) = authbench(&["list"]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    for kind in StrategyKind::ALL {
        assert!(out.contains(kind.name()) && out.contains(kind.about()), "{}", kind.name());
    }
    assert!(!out.contains('\u{1b}'));
    // Two tables with their headings; the lines of the descriptions stand behind them.
    let tables: Vec<&str> = out.lines().take(2 * StrategyKind::ALL.len() + 8).collect();
    let tables = tables.join("\n");
    for word in ["store", "renewal", "uses", "feed", "evicts", "behind", "revives", "redis"] {
        assert!(tables.contains(word), "{word}: {tables}");
    }
    for line in tables.lines() {
        assert!(line.trim_end().chars().count() <= 120, "too wide to read: {line}");
    }
}

#[test]
fn micro_times_what_was_asked_for_against_its_reference() {
    let args = ["micro", "--json", "--seconds", "1", "--strategy", "none"];
    let (status, out, err) = authbench(&args);
    assert_eq!(status, Some(0), "{err}");
    let results: Vec<MicroResult> = serde_json::from_str(&out).unwrap();
    let ids: Vec<&str> = results.iter().map(|result| result.id.as_str()).collect();
    assert_eq!(ids, ["verify/none", "issue/none"]);
    for result in &results {
        assert_ne!(result.reference.as_deref(), Some("none"));
        let (cpu_ns, ratio) = (result.cpu_ns.unwrap(), result.ratio.unwrap());
        assert!(cpu_ns.value > 0.0 && ratio.low <= ratio.high, "{result:?}");
    }
    let (status, table, _) = authbench(&["micro", "--seconds", "1", "--strategy", "none"]);
    assert_eq!(status, Some(0));
    assert!(table.contains("verify/none") && !table.contains("jwt-es256"), "{table}");
}

#[test]
fn micro_refuses_what_it_does_not_know() {
    let (status, out, err) = authbench(&["micro", "--strategy", "nine"]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("unknown strategy `nine`"), "{err}");
    let (status, out, err) = authbench(&["micro", "verify/nobody"]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("verify/nobody") && err.contains("--list"), "{err}");
    let (status, _, err) = authbench(&["micro", "--label", "mine"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("--record"), "{err}");
}

#[test]
fn micro_lists_every_subject_with_a_name_of_its_own() {
    let (status, out, err) = authbench(&["micro", "--list"]);
    assert_eq!(status, Some(0), "{err}");
    let ids: Vec<&str> = out.lines().collect();
    let distinct: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    for operation in ["verify/", "issue/", "part/", "reject/", "lookup/"] {
        assert!(ids.iter().any(|id| id.starts_with(operation)), "{operation}");
    }
}

#[test]
fn micro_keeps_a_record_of_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let kept = out.to_str().unwrap();
    let args = ["micro", "verify/none", "--seconds", "1", "--record", "--out", kept];
    let (status, _, err) = authbench(&args);
    assert_eq!(status, Some(0), "{err}");
    let run = read_run(&out.join("run.json")).unwrap().run;
    let ids: Vec<&str> = run.micro.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["verify/none"]);
    assert!(run.plan.is_none() && findings(&run).is_empty(), "{:?}", findings(&run));
    assert!(run.not_measured.iter().any(|n| n.what == "everything else"));
    assert!(out.join("report.html").is_file());
    let (status, _, err) = authbench(&args);
    assert_eq!(status, Some(2), "results are never overwritten: {err}");
}
