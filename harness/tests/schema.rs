//! The kept JSON Schemas are those of the types, and records follow them.

use std::path::PathBuf;
use std::process::Command;

use authbench_harness::cmd::schema::{Record, text};
use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic;
use authbench_harness::record::io::{derived_bytes, run_bytes};
use serde_json::Value;

const BOTH: [(Record, &str); 2] = [(Record::Run, "run"), (Record::Derived, "derived")];

#[test]
fn the_kept_schemas_are_current() {
    for (record, name) in BOTH {
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "..", "results", "schema", &format!("{name}.json")]
                .iter()
                .collect();
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text(record),
            "results/schema/{name}.json is stale: `authbench schema {name} > \
             results/schema/{name}.json`"
        );
    }
}

#[test]
fn the_verb_prints_them() {
    for (record, name) in BOTH {
        let program = env!("CARGO_BIN_EXE_authbench");
        let output = Command::new(program).args(["schema", name]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text(record));
    }
}

#[test]
fn records_follow_their_schemas() {
    let run = synthetic::with_loops(synthetic::run(1), 1);
    let run = synthetic::with_distance(run, 1, &[]);
    let derived = derive(&run, &"0".repeat(64));
    for (record, bytes) in [
        (Record::Run, run_bytes(&run).unwrap()),
        (Record::Derived, derived_bytes(&derived).unwrap()),
    ] {
        let schema: Value = serde_json::from_str(&text(record)).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut value: Value = serde_json::from_slice(&bytes).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        // And the schema is not one that lets everything through.
        value["arms"][0]["unheard_of"] = 1.into();
        assert!(!validator.is_valid(&value));
    }
}
