//! Promises and laws of revocation lags, computed from made-up records whose truth is known.

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic::run;
use authbench_harness::record::derived::{Derived, RevocationLagResult};
use authbench_harness::record::integrity::findings;
use authbench_harness::record::run::{LagTrial, RevocationLag, Run, Status};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

const MS: i64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const STRATEGY: &str = "session-redis";

/// A sound record in which `STRATEGY` declares `law` on a second and promises `within` it.
fn declaring(law: &str) -> Run {
    let mut made_up = run(1);
    made_up.revocation_lag.retain(|lag| lag.strategy == STRATEGY);
    let declared = made_up.strategies.iter_mut().find(|s| s.id == STRATEGY).unwrap();
    declared.lag_law = Some(law.into());
    if law != "at-once" {
        declared.revoke = "within".into();
        declared.revoke_within_ns = Some(SECOND_NS);
        declared.lag_period_ns = (law == "uniform").then_some(SECOND_NS);
    }
    made_up
}

/// `lags` of the second node, the first one knowing at once.
fn with_lags(mut run: Run, lags: &[i64]) -> Run {
    let trial = |lag: &i64| LagTrial {
        age_ns: SECOND_NS,
        call_ns: 200_000,
        last_accepted_ns: *lag,
        first_refused_ns: Some(*lag + MS),
        stale_accepts: u64::try_from(*lag / MS).unwrap_or(0),
        refusals: 60,
        accepts_after_refusal: 0,
    };
    let row = &mut run.revocation_lag[0];
    row.trials = lags.iter().map(trial).collect();
    row.node_lags_ns = vec![vec![-MS; lags.len()], lags.to_vec()];
    row.probe_interval_ns = MS as u64;
    run
}

fn derived(run: &Run) -> Derived {
    derive(run, &"0".repeat(64))
}

fn row(run: &Run) -> RevocationLagResult {
    let found = derived(run).revocation_lag;
    found.into_iter().find(|row| row.strategy == STRATEGY).unwrap()
}

/// `n` lags uniform between two instants, milliseconds, as probes each millisecond see them.
fn uniform(n: usize, from_ms: i64, to_ms: i64) -> Vec<i64> {
    let mut rng = Pcg64::seed_from_u64(7);
    (0..n).map(|_| rng.random_range(from_ms * MS..to_ms * MS) / MS * MS).collect()
}

#[test]
fn a_period_is_told_from_another_and_from_none() {
    let judged = |lags: &[i64]| row(&with_lags(declaring("uniform"), lags)).lag_law.unwrap();
    let right = judged(&uniform(300, 0, 1_000));
    assert!(right.agrees && right.n == 300, "{right:?}");
    assert!(right.distance.unwrap() <= right.critical.unwrap());
    for (from_ms, to_ms) in [(0, 800), (200, 1_000), (0, 20)] {
        let wrong = judged(&uniform(300, from_ms, to_ms));
        assert!(!wrong.agrees, "{from_ms} to {to_ms}: {wrong:?}");
    }
}

#[test]
fn the_worst_node_decides_and_the_one_that_was_asked_does_not() {
    let mut run = with_lags(declaring("uniform"), &uniform(300, 0, 1_000));
    run.revocation_lag[0].node_lags_ns.push(uniform(300, 0, 1_000));
    assert!(row(&run).lag_law.unwrap().agrees);
    run.revocation_lag[0].node_lags_ns.push(uniform(300, 500, 1_000));
    assert!(!row(&run).lag_law.unwrap().agrees);
    run.revocation_lag[0].node_lags_ns.truncate(1);
    let alone = row(&run).lag_law.unwrap();
    assert!(!alone.agrees && alone.detail.contains("no node"), "{alone:?}");
}

#[test]
fn an_announcement_takes_a_small_part_of_the_bound() {
    let judged = |lags: &[i64]| row(&with_lags(declaring("push"), lags)).lag_law.unwrap().agrees;
    assert!(judged(&uniform(60, 0, 20)));
    assert!(!judged(&uniform(60, 0, 1_000)), "that is a poll");
}

#[test]
fn a_broken_promise_is_a_finding_and_voids_nothing() {
    let kept = with_lags(declaring("uniform"), &uniform(300, 0, 1_000));
    assert_eq!((row(&kept).promise_ns, row(&kept).within_promise), (Some(SECOND_NS), Some(true)));
    assert_eq!(findings(&kept), []);

    let mut late = kept.clone();
    late.revocation_lag[0].trials[7].last_accepted_ns = 1_001 * MS;
    let mut endless = kept.clone();
    endless.revocation_lag[0].trials[7].first_refused_ns = None;
    let mut afterwards = kept.clone();
    afterwards.revocation_lag[0].accepted_afterwards = 1;
    for broken in [late, endless, afterwards] {
        assert_eq!(row(&broken).within_promise, Some(false));
        let found = findings(&broken);
        assert!(found.iter().any(|f| f.what.contains("promises-kept")), "{found:?}");
        assert!(found.iter().any(|f| f.remedy.contains("the strategy")), "{found:?}");
        let derived = derived(&broken);
        assert!(derived.status == Status::Complete && derived.withheld.is_none());
        let said = derived.trust.iter().find(|t| t.question.contains("Was every promise"));
        assert_eq!(said.unwrap().pass, Some(false));
    }
}

#[test]
fn an_immediate_promise_leaves_no_lag_at_all() {
    let mut run = declaring("at-once");
    assert_eq!((row(&run).promise_ns, row(&run).within_promise), (Some(0), Some(true)));
    assert!(row(&run).lag_law.unwrap().agrees);
    let trial = &mut run.revocation_lag[0].trials[3];
    (trial.last_accepted_ns, trial.stale_accepts) = (1, 1);
    assert_eq!(row(&run).within_promise, Some(false));
    assert!(!row(&run).lag_law.unwrap().agrees);
}

#[test]
fn each_operation_is_held_to_its_own_promise() {
    let mut run = with_lags(declaring("uniform"), &uniform(60, 0, 1_000));
    let everywhere = |lag: &RevocationLag| RevocationLag {
        operation: "logout-all".into(),
        credentials_per_call: 5,
        ..lag.clone()
    };
    let all = everywhere(&run.revocation_lag[0]);
    run.revocation_lag.push(all);
    let rows = |run: &Run| derived(run).revocation_lag;
    // Its logout everywhere still promises to be immediate.
    let found = rows(&run);
    let all = found.iter().find(|row| row.operation == "logout-all").unwrap();
    assert_eq!((all.promise_ns, all.within_promise), (Some(0), Some(false)));
    assert!(all.lag_law.is_none() && !all.is_plain());
    let declared = run.strategies.iter_mut().find(|s| s.id == STRATEGY).unwrap();
    declared.revoke_all = "within".into();
    declared.revoke_all_within_ns = Some(SECOND_NS);
    assert!(rows(&run).iter().all(|row| row.within_promise != Some(false)));
}

#[test]
fn records_without_laws_are_computed_as_before() {
    let old = derived(&run(1));
    assert!(old.revocation_lag.iter().all(|row| row.within_promise.is_none()));
    assert!(old.trust.iter().all(|row| !row.question.contains("Was every promise")));
    let text = serde_json::to_string(&old).unwrap();
    for word in ["promise_ns", "lag_law", "presented_afterwards\":0,\"", "\"mass\""] {
        assert!(!text.contains(word), "{word}");
    }
}
