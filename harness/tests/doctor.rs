//! `authbench doctor`: says what is there, what is missing, and whether the main job can run.

use std::process::{Command, Output};

use serde_json::Value;

fn doctor(environment: &[(&str, &str)]) -> (Option<i32>, Value, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_authbench"))
        .args(["doctor", "--json"])
        .env_remove("AUTHBENCH_REDIS_URL")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(stdout).unwrap();
    (status.code(), serde_json::from_str(&text).unwrap(), String::from_utf8(stderr).unwrap())
}

fn finding<'v>(report: &'v Value, name: &str) -> &'v Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["name"] == name).unwrap()
}

#[test]
fn a_working_machine_can_run_and_has_a_grade() {
    let (status, report, err) = doctor(&[]);
    assert_eq!((status, &report["can_run"]), (Some(0), &Value::Bool(true)), "{report}{err}");
    let environment = report["environment"].clone();
    let environment: authbench_harness::record::run::Environment =
        serde_json::from_value(environment).unwrap();
    assert!(["a", "b", "c", "d"].contains(&environment.grade.as_str()));
    for name in ["processor", "cores", "loopback", "file descriptors", "timer", "Redis"] {
        assert_ne!(finding(&report, name)["state"], "broken", "{name}");
    }
}

#[test]
fn without_redis_the_main_job_still_runs_and_the_remedy_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let (status, report, _) = doctor(&[("PATH", empty.path().to_str().unwrap())]);
    assert_eq!(status, Some(0), "{report}");
    let redis = finding(&report, "Redis");
    assert_eq!(redis["state"], "note");
    assert!(redis["remedy"].as_str().unwrap().contains("scripts/setup"), "{redis}");
}

#[test]
fn a_redis_that_was_asked_for_and_does_not_answer_is_a_failure_without_its_password() {
    let url = "redis://u:hunter2@127.0.0.1:1";
    let (status, report, err) = doctor(&[("AUTHBENCH_REDIS_URL", url)]);
    assert_eq!((status, &report["can_run"]), (Some(1), &Value::Bool(false)));
    assert_eq!(finding(&report, "Redis")["state"], "broken");
    assert!(!report.to_string().contains("hunter2") && !err.contains("hunter2"), "{report}{err}");
}

#[test]
fn the_portable_sources_can_be_forced_and_are_called_so() {
    let (status, report, _) = doctor(&[("AUTHBENCH_FORCE_PORTABLE", "1")]);
    assert_eq!(status, Some(0));
    let facts = &report["environment"];
    assert_eq!(facts["cpu_clock"], "self-reported");
    for unknown in ["cpu_model", "memory_bytes", "clocksource", "load_before_milli"] {
        assert_eq!(facts[unknown], Value::Null, "{unknown}");
        assert!(facts["unknown"].as_array().unwrap().contains(&unknown.into()), "{unknown}");
    }
    assert_eq!(finding(&report, "CPU of a process")["state"], "note");
}
