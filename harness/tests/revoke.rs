//! `authbench revoke` as a user meets it: short, with and without a record, and refusals. Nothing
//! here asserts a speed.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use authbench_fixture::find_server;
use authbench_harness::record::derived::Derived;
use authbench_harness::record::integrity::findings;
use authbench_harness::record::io::read_run;

fn authbench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authbench"));
    command.args(arguments).env_remove("AUTHBENCH_REDIS_URL").stdin(Stdio::null());
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_token_outlives_its_logout_as_its_law_says() {
    let output = authbench(&["revoke", "jwt-hs256", "--trials", "5", "--seed", "1", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let derived: Derived = serde_json::from_slice(&output.stdout).unwrap();
    let measured = derived.revocation_lag.iter().find(|row| row.strategy == "jwt-hs256").unwrap();
    assert_eq!((measured.trials, measured.within_promise), (5, Some(true)));
    let law = measured.lag_law.as_ref().unwrap();
    assert!(law.law == "remaining" && law.agrees, "{law:?}");
    assert!(measured.stale_accepts > 0, "nothing takes it back");
}

#[test]
fn a_session_is_taken_back_on_every_node_by_every_way_and_kept() {
    if find_server().is_none() {
        println!("skipped: no Redis server is installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("kept");
    let kept = out.to_str().unwrap();
    let args = ["revoke", "session-redis", "--trials", "5", "--record", "mine", "--out", kept];
    let output = authbench(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("session-redis") && table.contains("Many logouts at once"), "{table}");
    let run = read_run(&out.join("run.json")).unwrap().run;
    assert!(findings(&run).is_empty(), "{:?}", findings(&run));
    let series: Vec<(&str, u32, bool)> = run
        .revocation_lag
        .iter()
        .map(|lag| (lag.operation.as_str(), lag.nodes, lag.load_per_second > 0))
        .collect();
    let wanted = [
        ("logout", 2, false),
        ("logout", 4, false),
        ("logout", 2, true),
        ("logout-all", 2, false),
        ("mass", 2, false),
    ];
    assert_eq!(series, wanted);
    for lag in &run.revocation_lag {
        assert!(lag.trials.iter().all(|trial| trial.stale_accepts == 0), "{lag:?}");
        assert_eq!(lag.accepted_afterwards, 0, "{}", lag.operation);
    }
    let all = &run.revocation_lag[3];
    assert_eq!(all.presented_afterwards, 5 * u64::from(all.credentials_per_call) * 2);
    let mass = &run.spectrum.mass[0];
    assert_eq!((mass.logouts, mass.burst_logouts), (1_000, 500));
    assert_eq!(run.revocation_lag[4].presented_afterwards, 2_000);
    assert!(mass.all_refused_after_ns.is_some() && run.checks.iter().all(|check| check.pass));
    assert!(out.join("report.html").is_file() && Path::new(kept).join("derived.json").is_file());
    assert_eq!(authbench(&args).status.code(), Some(2), "results are never overwritten");
}

#[test]
fn what_cannot_be_revoked_or_probed_is_refused() {
    for (args, word) in [
        (&["revoke", "none"][..], "nothing to take back"),
        (&["revoke", "session-reddis"], "session-reddis"),
        (&["revoke", "jwt-hs256", "--nodes", "0"], "nodes"),
        (&["revoke", "jwt-hs256", "--nodes", "4,2"], "ascend"),
        (&["revoke", "jwt-hs256", "--trials", "0"], "trials"),
        (&["revoke", "jwt-hs256", "--out", "x"], "--record"),
    ] {
        let output = authbench(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{args:?}: {}", stderr(&output));
    }
}
