//! The gate of the fault matrix: what was seen is what was declared before.

use super::{Gate, Scope, gate};
use crate::measure::derive::faults;
use crate::record::run::{Check, Run};

/// Judged wherever faults were measured. It stands apart from the gates of a load: no fault is
/// brought about in a run of those, and its own sabotage is a wrong declaration.
pub const FAULT_MATRIX: Gate = gate(
    "fault-matrix",
    Scope::Run,
    "Did each fault do what was declared of it?",
    "equal, for each strategy",
);

/// The check, where there is something to check.
pub(super) fn check(run: &Run) -> Option<Check> {
    let results = faults::results(run);
    let wrong: Vec<String> = results
        .iter()
        .filter_map(|row| {
            Some(format!("{} under {}: {}", row.strategy, row.fault, row.note.as_ref()?))
        })
        .collect();
    let detail = match wrong.first() {
        None => format!("{} pairs of strategy and fault, all as declared", results.len()),
        Some(first) => format!("{} of {} differ: {first}", wrong.len(), results.len()),
    };
    (!results.is_empty()).then(|| Check {
        name: FAULT_MATRIX.name.into(),
        scope: "run".into(),
        arm: None,
        block: None,
        pass: wrong.is_empty(),
        detail,
    })
}

#[cfg(test)]
mod tests {
    use crate::measure::gates::checks;
    use crate::measure::synthetic::alone;
    use crate::record::run::{FaultSeries, FaultTrial};

    fn row(declared: &str) -> FaultSeries {
        FaultSeries {
            strategy: "toy".into(),
            fault: "store-down".into(),
            declared: declared.into(),
            open_for_ns: None,
            promise_ns: Some(0),
            nodes: 2,
            probe_interval_ns: 20_000_000,
            fault_ns: 2_000_000_000,
            disturbed: 0,
            trials: vec![FaultTrial {
                valid_presented: 100,
                valid_unavailable: 50,
                ..FaultTrial::default()
            }],
        }
    }

    /// The sabotage of this gate: a declaration that is wrong.
    #[test]
    fn a_declaration_that_is_wrong_voids_the_run() {
        let mut run = alone(1);
        assert!(checks(&run).is_empty(), "without faults there is nothing to check");
        run.spectrum.faults = vec![row("closed"), row("closed")];
        let found = checks(&run);
        assert!(found.len() == 1 && found[0].pass, "{found:?}");
        run.spectrum.faults.push(row("unaffected"));
        let found = checks(&run);
        assert!(!found[0].pass && found[0].scope == "run");
        let said = "1 of 3 differ: toy under store-down: declared unaffected, seen closed";
        assert_eq!(found[0].detail, said);
    }
}
