//! `authbench list` and `authbench micro`: every registered strategy, for people and for programs.

use std::process::{Command, Output};

use authbench::strategy::StrategyKind;
use authbench_harness::record::derived::MicroResult;
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
fn micro_refuses_what_it_cannot_time() {
    let (status, out, err) = authbench(&["micro", "--strategy", "nine"]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("unknown strategy `nine`"), "{err}");
    if let Some(kind) = StrategyKind::ALL.iter().find(|kind| kind.properties().needs_redis) {
        let (status, _, err) = authbench(&["micro", "--strategy", kind.name()]);
        assert_eq!(status, Some(2), "{err}");
        assert!(err.contains("waits for Redis"), "{err}");
    }
}
