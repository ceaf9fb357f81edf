//! What a strategy made of a fault: the worst that any trial saw, and whether it is what was
//! declared.
//!
//! From the worst: `revives`, `open`, `open-for`, `closed`, `unaffected`. A wrong allow outweighs
//! every refusal, because who declares `closed` promises that there is none.

use authbench::strategy::contract::FaultOutcome;

use crate::record::derived::FaultResult;
use crate::record::run::{FaultSeries, FaultTrial, Run};

/// Requests with a good credential of which one may be lost without a reason: the host stalls, and
/// an answer of the store comes after its limit. A denial has no such excuse.
const LOST_ONE_IN: u64 = 1_000;

/// One result for each series, in the record's order.
#[must_use]
pub fn results(run: &Run) -> Vec<FaultResult> {
    run.spectrum.faults.iter().map(result).collect()
}

/// What one series says.
#[must_use]
pub fn result(series: &FaultSeries) -> FaultResult {
    let (observed, late_ns) = observed(series);
    let note = mismatch(series, observed, late_ns);
    let sum =
        |of: &dyn Fn(&FaultTrial) -> u64| series.trials.iter().map(of).fold(0, u64::saturating_add);
    let mut recoveries: Vec<u64> =
        series.trials.iter().map(|t| t.recovered_after_ns.unwrap_or(u64::MAX)).collect();
    recoveries.sort_unstable();
    let recovery = |at: Option<&u64>| at.copied().filter(|ns| *ns != u64::MAX);
    FaultResult {
        strategy: series.strategy.clone(),
        fault: series.fault.clone(),
        declared: series.declared.clone(),
        declared_open_for_ns: series.open_for_ns,
        observed: observed.into(),
        observed_open_for_ns: late_ns,
        matches: note.is_none(),
        note,
        trials: u32::try_from(series.trials.len()).unwrap_or(u32::MAX),
        revoked_presented: sum(&|t| {
            t.revoked_before_presented.saturating_add(t.revoked_during_presented)
        }),
        wrong_allows: sum(&wrong_allows),
        valid_presented: sum(&|t| t.valid_presented),
        wrong_denies: sum(&|t| t.valid_denied),
        unavailable: sum(&|t| t.valid_unavailable),
        revocations_refused: sum(&|t| t.revocations_refused),
        recovery_p50_ns: recovery(recoveries.get(recoveries.len().saturating_sub(1) / 2)),
        recovery_max_ns: recovery(recoveries.last()),
    }
}

fn wrong_allows(trial: &FaultTrial) -> u64 {
    trial.revoked_before_admitted.saturating_add(trial.revoked_during_admitted)
}

/// The worst outcome of any trial, by its name, and the last wrong allow.
fn observed(series: &FaultSeries) -> (&'static str, Option<u64>) {
    let trials = &series.trials;
    let late_ns = trials.iter().filter_map(|t| t.last_wrong_allow_ns).max();
    let outcome = if trials.iter().any(|t| t.revived_at_end) {
        FaultOutcome::Revives
    } else if trials.iter().any(|t| t.open_at_end) {
        FaultOutcome::Open
    } else if late_ns.is_some_and(|ns| ns > tolerance_ns(series)) {
        FaultOutcome::OpenFor(std::time::Duration::from_nanos(late_ns.unwrap_or(0)))
    } else if is_refusing(trials) {
        FaultOutcome::Closed
    } else {
        FaultOutcome::Unaffected
    };
    (outcome.name(), late_ns)
}

/// A promise of a time is kept by a timer, and to within one probe; one of `immediate` exactly.
const fn tolerance_ns(series: &FaultSeries) -> u64 {
    match series.promise_ns {
        Some(0) => 0,
        Some(_) | None => series.probe_interval_ns,
    }
}

fn is_refusing(trials: &[FaultTrial]) -> bool {
    let sum = |of: &dyn Fn(&FaultTrial) -> u64| -> u64 { trials.iter().map(of).sum() };
    let (unavailable, presented) = (sum(&|t| t.valid_unavailable), sum(&|t| t.valid_presented));
    sum(&|t| t.valid_denied) > 0 || unavailable > presented / LOST_ONE_IN
}

/// Why what was seen is not what was declared.
fn mismatch(series: &FaultSeries, observed: &str, late_ns: Option<u64>) -> Option<String> {
    if series.trials.is_empty() {
        return Some("there was no trial".into());
    }
    let declared = series.declared.as_str();
    let open_for = FaultOutcome::OpenFor(std::time::Duration::ZERO).name();
    if observed != declared {
        let mut why = format!("declared {declared}, seen {observed}");
        if declared == open_for && observed != FaultOutcome::Open.name() {
            why.push_str(": no revoked credential was admitted late in any trial");
        }
        return Some(why);
    }
    let bound_ns = series.open_for_ns.unwrap_or(0).saturating_add(series.probe_interval_ns);
    let late_ns = late_ns.filter(|ns| declared == open_for && *ns > bound_ns)?;
    Some(format!(
        "admitted up to {} ms late, {} ms declared",
        late_ns / 1_000_000,
        series.open_for_ns.unwrap_or(0) / 1_000_000
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A trial in which nothing went wrong.
    fn quiet() -> FaultTrial {
        FaultTrial {
            fault_ns: 1_000 * MS,
            revoked_before_presented: 100,
            revoked_during_presented: 80,
            valid_presented: 200,
            recovered_after_ns: Some(0),
            revocations_acknowledged: 1,
            ..FaultTrial::default()
        }
    }

    fn closed() -> FaultTrial {
        FaultTrial { valid_unavailable: 90, recovered_after_ns: Some(400 * MS), ..quiet() }
    }

    fn late(ns: u64) -> FaultTrial {
        FaultTrial { revoked_during_admitted: 7, last_wrong_allow_ns: Some(ns), ..quiet() }
    }

    fn open() -> FaultTrial {
        FaultTrial { open_at_end: true, ..late(990 * MS) }
    }

    fn revived() -> FaultTrial {
        let (revoked_before_admitted, last_wrong_allow_ns) = (60, Some(1_900 * MS));
        FaultTrial { revoked_before_admitted, revived_at_end: true, last_wrong_allow_ns, ..quiet() }
    }

    fn series(declared: &str, open_for_ms: u64, trials: &[FaultTrial]) -> FaultSeries {
        FaultSeries {
            strategy: "toy".into(),
            fault: "store-lost".into(),
            declared: declared.into(),
            open_for_ns: (declared == "open-for").then_some(open_for_ms * MS),
            promise_ns: Some(0),
            nodes: 2,
            probe_interval_ns: 20 * MS,
            fault_ns: 0,
            disturbed: 0,
            trials: trials.to_vec(),
        }
    }

    #[test]
    fn each_outcome_is_seen_and_the_worst_trial_speaks() {
        let cases: [(&str, &[FaultTrial]); 7] = [
            ("unaffected", &[quiet(), quiet()]),
            ("closed", &[quiet(), closed()]),
            ("closed", &[FaultTrial { valid_denied: 1, ..quiet() }, quiet()]),
            ("open-for", &[closed(), late(300 * MS)]),
            ("open", &[late(300 * MS), open(), closed()]),
            ("revives", &[open(), revived(), closed()]),
            ("revives", &[revived()]),
        ];
        for (outcome, trials) in cases {
            let found = result(&series(outcome, 500, trials));
            assert_eq!((found.observed.as_str(), found.matches), (outcome, true), "{found:?}");
            assert_eq!(found.note, None);
        }
    }

    /// The negative controls: whoever declares something else than what happens is told.
    #[test]
    fn a_wrong_declaration_is_reported() {
        let seen: [(&str, FaultTrial); 5] = [
            ("unaffected", quiet()),
            ("closed", closed()),
            ("open-for", late(300 * MS)),
            ("open", open()),
            ("revives", revived()),
        ];
        for (outcome, trial) in seen {
            for declared in ["unaffected", "closed", "open-for", "open", "revives"] {
                let found = result(&series(declared, 500, &[trial]));
                assert_eq!(found.matches, declared == outcome, "{declared}: {found:?}");
                let said = found.note.unwrap_or_default();
                let pair = format!("declared {declared}, seen {outcome}");
                assert_eq!(said.starts_with(&pair), declared != outcome, "{said}");
            }
        }
        assert!(!result(&series("unaffected", 0, &[])).matches, "nothing was tried");
        let never = result(&series("open-for", 500, &[quiet()])).note.unwrap();
        assert!(never.contains("no revoked credential was admitted late"), "{never}");
    }

    #[test]
    fn a_bound_holds_to_within_one_probe() {
        let found = |ms: u64| result(&series("open-for", 500, &[late(ms * MS), quiet()]));
        assert!(found(499).matches && found(520).matches);
        let beyond = found(521);
        assert_eq!(beyond.observed_open_for_ns, Some(521 * MS));
        assert_eq!(beyond.note.as_deref(), Some("admitted up to 521 ms late, 500 ms declared"));
        // An immediate promise is exact; one of a time is kept to within one probe.
        let exact = series("unaffected", 0, &[late(1)]);
        assert_eq!(result(&exact).observed, "open-for");
        let timed = |ns| FaultSeries {
            promise_ns: Some(1_000 * MS),
            ..series("unaffected", 0, &[late(ns)])
        };
        assert!(result(&timed(20 * MS)).matches && !result(&timed(20 * MS + 1)).matches);
    }

    #[test]
    fn one_lost_answer_in_a_thousand_is_no_outage() {
        let lost = |n| FaultTrial { valid_unavailable: n, valid_presented: 1_000, ..quiet() };
        assert_eq!(result(&series("unaffected", 0, &[lost(1)])).observed, "unaffected");
        assert_eq!(result(&series("unaffected", 0, &[lost(2)])).observed, "closed");
    }

    #[test]
    fn a_recovery_that_never_came_is_not_a_number() {
        let after = |ns| FaultTrial { recovered_after_ns: ns, ..closed() };
        let trials = [after(Some(3)), after(None), after(Some(1)), after(Some(2))];
        let found = result(&series("closed", 0, &trials));
        assert_eq!((found.recovery_p50_ns, found.recovery_max_ns), (Some(2), None));
        let found = result(&series("closed", 0, &[after(None), after(None)]));
        assert_eq!((found.recovery_p50_ns, found.recovery_max_ns), (None, None));
        let found = result(&series("closed", 0, &trials[2..]));
        assert_eq!((found.recovery_p50_ns, found.recovery_max_ns), (Some(1), Some(2)));
        assert_eq!((found.unavailable, found.valid_presented, found.trials), (180, 400, 2));
    }
}
