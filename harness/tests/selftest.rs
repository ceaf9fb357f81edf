//! The acceptance tests, each in its short variant. Those that depend on no clock must be green;
//! those that do must run to their end, and their controls must fail: how fast and how steady this
//! machine is, tests do not assert. `authbench selftest` judges that on a quiet one.

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use authbench_harness::selftest::{Kind, TESTS};

/// Each has the machine for itself: some are timed, one counts what is left in it.
static ALONE: Mutex<()> = Mutex::new(());

fn selftest(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authbench"));
    command.arg("selftest").args(arguments).env_remove("AUTHBENCH_REDIS_URL");
    command.output().expect("the program can be started")
}

fn accept(number: u32) {
    let kind = TESTS.iter().find(|test| test.number == number).expect("it is in the table").kind;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = selftest(&["--only", &number.to_string(), "--quick", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&said);
    let test = &found["tests"][0];
    assert_eq!(test["number"], number);
    let (outcome, reason) = (&test["outcome"], &test["reason"]);
    println!("test {number}, {}: {outcome}, {reason}", test["name"]);
    let rows = serde_json::to_string_pretty(&test["rows"]).expect("it was JSON");
    if kind == Kind::Deterministic {
        assert_ne!(outcome, "red", "{reason}\n{rows}");
    }
    let status = if outcome == "red" { 4 } else { 0 };
    assert_eq!(output.status.code(), Some(status), "{said}");
    let is_control = |row: &serde_json::Value| row["negative_control"] == true;
    let controls = test["rows"].as_array().expect("rows").iter().filter(|row| is_control(row));
    assert!(controls.count() > 0 || outcome == "not-run", "nothing shows that this test can fail");
}

macro_rules! acceptance_tests {
    ($($name:ident $number:literal)*) => {
        $(#[test]
        fn $name() {
            accept($number);
        })*

        /// A test of the table that has no test here would never run before a release.
        #[test]
        fn every_test_of_the_table_is_here() {
            let numbers: Vec<u32> = TESTS.iter().map(|test| test.number).collect();
            assert_eq!(numbers, [$($number),*]);
        }
    };
}

acceptance_tests! {
    t01_known_stall 1
    t02_driver_stall 2
    t03_rate_and_law 3
    t04_queueing_theory 4
    t05_known_distributions 5
    t06_ledger 6
    t07_percentiles_with_failures 7
    t08_histogram_properties 8
    t09_serialization 9
    t10_segments 10
    t11_cpu_accounting 11
    t12_known_effect 12
    t13_aa_calibration 13
    t14_order_effect 14
    t15_self_limit 15
    t17_bytes 17
    t18_revocation 18
    t19_proxy 19
    t21_hot_path 21
    t22_report_lint 22
    t23_hygiene 23
}

#[test]
fn a_test_that_there_is_none_of_is_named() {
    let output = selftest(&["--only", "8,16"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no test 16") && said.contains("23"), "{said}");
}

#[test]
fn the_table_names_controls_and_counts_outcomes() {
    let output = selftest(&["--only", "8", "--quick"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("fails, as it must") && text.contains("1 green of 1 tests"), "{text}");
}
