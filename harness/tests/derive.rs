//! What is computed from a made-up record is what is true of it.

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::gates::{checks, failed};
use authbench_harness::measure::histogram::LatencyHistogram;
use authbench_harness::measure::synthetic::{
    ARMS, CRON_NS, LAG_LIFETIME_S, NONE_SERVER_NS, Shape, Truth, micro_ratio, run, run_with, truth,
};
use authbench_harness::record::derived::{ArmResult, Derived, PairResult, Verdict};
use authbench_harness::record::run::{LagTrial, Role, Run};

const NONE_NS: f64 = NONE_SERVER_NS + CRON_NS;

fn derived(run: &Run) -> Derived {
    derive(run, &"0".repeat(64))
}

fn arm<'a>(of: &'a Derived, id: &str) -> &'a ArmResult {
    of.arms.iter().find(|arm| arm.arm == id).unwrap()
}

/// What the arm truly costs beyond `none`, nanoseconds; a decoy's Redis load is not its own.
fn true_extra(truth: &Truth) -> f64 {
    let store = if truth.role == Role::Decoy { 0.0 } else { truth.store_ns };
    truth.server_ns + truth.spin_ns as f64 + store - NONE_SERVER_NS
}

fn true_ratio(id: &str) -> f64 {
    true_extra(truth(id).unwrap()) / NONE_NS
}

#[test]
fn the_figures_of_one_run_are_about_the_truth() {
    let made_up = run(1);
    let found = derived(&made_up);
    assert_eq!(found.blocks, 5);
    let none = found.none_cpu_ns.unwrap();
    assert!((none / NONE_NS - 1.0).abs() < 0.2, "{none}");
    for result in &found.arms {
        let truth = truth(&result.arm).unwrap();
        let Some(over) = result.cpu_over_none else {
            assert_eq!(result.role, Role::Baseline);
            continue;
        };
        let expected = true_ratio(&result.arm);
        assert!((over.value - expected).abs() < 0.05 * (1.0 + expected), "{result:?}");
        assert!(over.low <= over.value && over.value <= over.high);
        let ns = result.cpu_above_none_ns.unwrap();
        assert!((ns.value - over.value * none).abs() < 1e-3 * none);
        let store = result.store_cpu_ns.unwrap();
        assert!((store - truth.store_ns).abs() < 300.0 + 0.2 * truth.store_ns, "{result:?}");
        assert_eq!(result.redis_declared, truth.redis_commands);
        let commands = result.requests * u64::from(truth.redis_commands);
        assert_eq!(result.redis_counted, Some(commands));
    }
    assert!(failed(checks(&made_up)).is_empty());
    assert!(found.trust.iter().all(|row| row.pass != Some(false)), "{:#?}", found.trust);
}

#[test]
fn verdicts_and_ranks_follow_the_intervals() {
    let found = derived(&run(2));
    assert_eq!(arm(&found, "none").cpu_verdict, None);
    for (id, verdict) in [
        ("none+aa", Verdict::Equivalent),
        ("none+50us", Verdict::Dearer),
        ("jwt-es256", Verdict::Dearer),
        ("session-redis", Verdict::Dearer),
    ] {
        assert_eq!(arm(&found, id).cpu_verdict, Some(verdict), "{id}");
    }
    // ES256 is the dearest of nine contenders, and nobody else is.
    assert_eq!(arm(&found, "jwt-es256").cpu_rank, Some([9, 9]));
    let [first, last] = arm(&found, "jwt-version").cpu_rank.unwrap();
    let also = arm(&found, "jwt-denylist").cpu_rank.unwrap();
    assert!(first <= 7 && last >= 6, "{first}..{last}");
    assert!(also[0] <= last && first <= also[1], "two that are equal share their ranks");
    assert_eq!(arm(&found, "none+20us").cpu_rank, None, "controls have no rank");
    assert_eq!(arm(&found, "jwt-hs256+decoy").cpu_rank, None);
    // Nine against `none` and 36 among themselves.
    assert_eq!(found.cpu_pairs.len(), 45);
    let of = |family: &str| {
        found.cpu_pairs.iter().filter(|pair| pair.family.as_deref() == Some(family)).count()
    };
    assert_eq!((of("against-none"), of("contenders")), (9, 36));
    assert!(found.cpu_pairs.iter().all(|pair| pair.confidence_percent == 95));
    for pair in &found.cpu_pairs {
        let (p, adjusted) = (pair.p.unwrap(), pair.p_adjusted.unwrap());
        assert!(p <= adjusted && adjusted <= 1.0, "{pair:?}");
        let decided = matches!(pair.verdict, Verdict::Dearer | Verdict::Cheaper);
        assert!(!decided || adjusted < 0.05, "{pair:?}");
        assert!(pair.cross_check.is_none(), "five blocks bear no cross-check");
    }
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let (mut covered, mut all, mut alarms, mut wrong_runs) = (0, 0, 0, 0);
    let runs = 400;
    for seed in 0..runs {
        let found = derived(&run_with(seed, &Shape::cpu_only()));
        for result in &found.arms {
            if let Some(over) = result.cpu_over_none {
                let expected = true_ratio(&result.arm);
                all += 1;
                covered += u32::from(over.low <= expected && expected <= over.high);
            }
        }
        alarms += u32::from(!found.noise_floor.unwrap().contains_zero);
        wrong_runs += u32::from(found.cpu_pairs.iter().any(contradicts));
    }
    let share = f64::from(covered) / f64::from(all);
    assert!((0.93..=0.98).contains(&share), "{share} of {all} intervals cover the truth");
    // Nominally 0.4 of 400; four or more happen once in a thousand such tests.
    assert!(alarms <= 3, "{alarms} false alarms of the A/A gate in {runs} runs");
    // Two families at 5 % each: 40 of 400 runs may hold a wrong decision at the very worst.
    assert!(wrong_runs <= 40, "{wrong_runs} of {runs} runs hold a wrong decision");
}

/// Whether a decided pair has the wrong sign, or is called equivalent and is not.
fn contradicts(pair: &PairResult) -> bool {
    let truly = true_ratio(&pair.arm) - true_ratio(&pair.against);
    match pair.verdict {
        Verdict::Dearer => truly < 0.0,
        Verdict::Cheaper => truly > 0.0,
        Verdict::Equivalent => {
            let of = |id: &str| 1.0 + true_ratio(id);
            (of(&pair.arm) / of(&pair.against)).ln().abs() > 1.05_f64.ln()
        }
        _ => false,
    }
}

#[test]
fn a_decoys_redis_load_is_shown_and_not_summed() {
    let found = derived(&run(3));
    let decoy = arm(&found, "jwt-hs256+decoy");
    assert!(decoy.store_cpu_ns.unwrap() > 1_500.0);
    // 13 % for the token; with the decoy's Redis it would be 28 %.
    let over = decoy.cpu_over_none.unwrap();
    assert!((over.value - 0.128).abs() < 0.05, "{over:?}");
    assert_eq!(decoy.redis_counted, Some(0), "the decoy's commands are not the arm's");
}

#[test]
fn the_driver_can_change_a_sign_and_then_it_is_said() {
    let mut made_up = run_with(4, &Shape::cpu_only());
    assert!(derived(&made_up).arms.iter().all(|arm| !arm.driver_flips_sign));
    for cell in made_up.cells.iter_mut().filter(|cell| cell.arm == "session-redis") {
        cell.slots.driver_cpu_ns.iter_mut().for_each(|ns| *ns /= 4);
    }
    let found = derived(&made_up);
    let flipped = arm(&found, "session-redis");
    assert_eq!(flipped.cpu_verdict, Some(Verdict::Dearer));
    assert!(flipped.cpu_over_none_with_driver.unwrap().value < 0.0);
    assert!(flipped.driver_flips_sign);
}

#[test]
fn rulers_see_what_was_added() {
    let found = derived(&run(5));
    let added: Vec<u64> = found.rulers.iter().map(|ruler| ruler.added_ns).collect();
    assert_eq!(added, [20_000, 50_000]);
    for ruler in &found.rulers {
        let error = ruler.seen_ns.value / ruler.added_ns as f64 - 1.0;
        assert!(error.abs() < 0.1, "{ruler:?}");
    }
}

#[test]
fn discarded_slots_enter_nothing() {
    let mut made_up = run_with(6, &Shape::cpu_only());
    let before = derived(&made_up);
    for cell in &mut made_up.cells {
        let slots = &mut cell.slots;
        for (i, gate) in slots.discarded.iter().enumerate() {
            if !gate.is_empty() {
                slots.server_cpu_ns[i] = 1 << 40;
                slots.request_bytes[i] = 0;
            }
        }
    }
    assert_eq!(derived(&made_up).arms, before.arms);
    assert!(before.arms.iter().any(|arm| arm.slots_discarded > 0));
}

#[test]
fn a_percentile_without_enough_samples_is_missing_with_its_reason() {
    let found = derived(&run(7));
    let latency = &arm(&found, "jwt-es256").latency;
    let permilles: Vec<u32> = latency.iter().map(|row| row.permille).collect();
    assert_eq!(permilles, [500, 900, 990, 999]);
    assert!(latency[2].response_ns.is_some() && latency[2].above_none_ns.is_none());
    assert!(latency[2].note.as_ref().unwrap().contains("fewer than 100 samples beyond"));
    assert_eq!((latency[3].response_ns, latency[3].verdict), (None, None));
    assert!(latency[3].note.as_ref().unwrap().contains("100000 are needed"));
    let floor = &arm(&found, "none").latency[0];
    assert!(floor.above_none_ns.is_none() && floor.note.is_none());
}

#[test]
fn latency_is_paired_within_blocks_and_finds_the_difference() {
    let found = derived(&run(8));
    let median = &arm(&found, "jwt-es256").latency[0];
    let difference = median.above_none_ns.unwrap();
    assert!((difference.value - 55_000.0).abs() < 8_000.0, "{difference:?}");
    assert_eq!(median.verdict, Some(Verdict::Slower));
    // The longer windows are used where the plan has them: p99 gets an interval.
    let shape = Shape { blocks: 3, rounds: 1, window_ms: 3_000, ..Shape::default() };
    let windows = derived(&run_with(8, &shape));
    let p99 = &arm(&windows, "jwt-es256").latency[2];
    assert_eq!(p99.n, 45_000, "the window alone");
    assert!(p99.above_none_ns.is_some());
}

#[test]
fn no_latency_verdict_where_the_driver_explains_it() {
    let mut made_up = run(9);
    for cell in made_up.cells.iter_mut().filter(|cell| cell.arm == "jwt-es256") {
        let slip = &mut cell.slot_latency.as_mut().unwrap().slip;
        slip.sum_ns += slip.n * 20_000;
    }
    let found = derived(&made_up);
    let median = &arm(&found, "jwt-es256").latency[0];
    assert_eq!(median.verdict, None);
    assert!(median.above_none_ns.is_some(), "the figure stays");
    let note = median.note.as_ref().unwrap();
    assert!(note.contains("the driver was +") && note.contains("a tenth"), "{note}");
}

#[test]
fn micro_ratios_are_those_of_neighbouring_batches() {
    let found = derived(&run(10));
    assert_eq!(found.micro.len(), 11);
    for row in &found.micro {
        let (ratio, cpu_ns) = (row.ratio.unwrap(), row.cpu_ns.unwrap());
        let expected = micro_ratio(&row.operation, row.strategy.as_deref().unwrap()).unwrap();
        assert!((ratio.value / expected - 1.0).abs() < 0.03, "{row:?}");
        assert_eq!((ratio.n, cpu_ns.n), (10, 10), "groups of batches, not batches");
        // The machine's mood moves the nanoseconds; the ratio does not feel it.
        assert!((ratio.high - ratio.low) / ratio.value < 0.03);
    }
}

#[test]
fn revocation_costs_are_per_call() {
    let found = derived(&run(11));
    let row = |strategy: &str, operation: &str| {
        let rows = &found.revocation_cost;
        rows.iter().find(|row| row.strategy == strategy && row.operation == operation).unwrap()
    };
    let logout = row("session-redis", "logout");
    assert_eq!((logout.calls, logout.redis_commands), (300, Some(1.0)));
    assert!((logout.cpu_ns.unwrap().value / 26_500.0 - 1.0).abs() < 0.05);
    assert_eq!(logout.promise, "immediate");
    assert!(logout.p50_ns.is_some() && logout.accepted_afterwards == 0);
    let all = row("jwt-denylist", "logout-all");
    assert_eq!((all.promise.as_str(), all.accepted_afterwards), ("at-expiry", 1_500));
    let alone = row("session-memory", "logout");
    assert_eq!((alone.store_cpu_ns, alone.redis_commands), (None, None));
}

#[test]
fn lags_are_bounds_and_tokens_follow_their_law() {
    let found = derived(&run(12));
    let rows = |strategy: &str| {
        found.revocation_lag.iter().filter(|row| row.strategy == strategy).collect::<Vec<_>>()
    };
    let session = rows("session-redis")[0];
    assert_eq!((session.trials, session.unrefused, session.stale_accepts), (300, 0, 0));
    assert!(session.p99_upper_ns.is_some() && session.p95_upper_ns <= session.p99_upper_ns);
    assert!(session.max_ns.unwrap() < 0, "nothing was accepted after the acknowledgement");
    assert!(session.lags_ns.is_sorted());
    let few = rows("jwt-version")[0];
    assert!(few.p95_upper_ns.is_some() && few.p99_upper_ns.is_none(), "80 trials");
    // Measured at a short lifetime, and by law at the plan's.
    let [measured, by_law] = rows("jwt-hs256")[..] else { panic!("two rows") };
    assert_eq!((measured.basis.as_str(), measured.lifetime_s), ("measured", LAG_LIFETIME_S));
    let error = measured.law_error_max_ns.unwrap();
    assert!((500_000_000..1_002_000_001).contains(&error), "whole seconds: {error}");
    assert_eq!((by_law.basis.as_str(), by_law.trials), ("by-law", 0));
    for token in ["jwt-hs256-prepared", "jwt-es256", "jwt-rs256", "jwt-eddsa"] {
        let [row] = rows(token)[..] else { panic!("{token}: one row") };
        assert_eq!((row.median_ns, row.max_ns), (Some(450_000_000_000), Some(900_000_000_000)));
        assert!(row.law.as_ref().unwrap().contains("checked on jwt-hs256 in 60 trials"));
        assert_eq!(row.law_error_max_ns, Some(error));
    }
    assert!(rows("none").is_empty(), "nothing to take back");
}

#[test]
fn a_trial_that_never_ended_ranks_above_all_others() {
    let mut made_up = run(13);
    let trials = &mut made_up.revocation_lag[1].trials;
    trials.push(LagTrial { first_refused_ns: None, last_accepted_ns: -1, ..trials[0] });
    let row = &derived(&made_up).revocation_lag[1];
    assert_eq!((row.trials, row.unrefused), (301, 1));
    assert!(row.p99_upper_ns.is_none() && row.p95_upper_ns.is_some(), "the 301st of 301 is p99's");
    let mut more = made_up.clone();
    let first = more.revocation_lag[1].trials[0];
    let endless = LagTrial { first_refused_ns: None, ..first };
    more.revocation_lag[1].trials.extend([endless; 20]);
    assert_eq!(derived(&more).revocation_lag[1].p99_upper_ns, None);
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    let bytes = |seed| serde_json::to_vec_pretty(&derived(&run(seed))).unwrap();
    assert_eq!(bytes(14), bytes(14));
    assert_ne!(bytes(14), bytes(15));
}

#[test]
fn an_empty_or_broken_record_gives_missing_figures_and_no_panic() {
    let mut made_up = run_with(16, &Shape { rounds: 2, ..Shape::default() });
    made_up.cells[0].slots.server_cpu_ns.truncate(1);
    made_up.cells[3].slots.expected = vec![u64::MAX; 6];
    made_up.cells[5].slot_latency.as_mut().unwrap().response.hdr_v2_deflate_base64.clear();
    let _ = derived(&made_up);
    made_up.cells.clear();
    let found = derived(&made_up);
    assert_eq!((found.blocks, found.none_cpu_ns, found.noise_floor), (0, None, None));
    assert_eq!(found.arms.len(), ARMS.len());
    made_up.arms.clear();
    assert!(derived(&made_up).arms.is_empty());
}

/// Redis runs its timer in every arm: a logout that sends it nothing is not charged for that, and
/// one that does is charged for the rest.
#[test]
fn a_logout_is_not_charged_for_the_housekeeping_of_redis() {
    let mut run = run(5);
    let housekeeping_ns = 2_000;
    for row in &mut run.revocation_cost {
        let asks = row.strategy == "session-redis";
        let own_ns = if asks { 30_000 } else { 0 };
        row.redis_commands = Some(if asks { 4 * row.calls } else { 0 });
        row.store_cpu_ns = Some((own_ns + housekeeping_ns) * row.calls);
    }
    let derived = derive(&run, "0");
    assert!(!derived.revocation_cost.is_empty());
    for row in &derived.revocation_cost {
        let wanted = if row.redis_commands == Some(0.0) { 0.0 } else { 30_000.0 };
        assert_eq!(row.store_cpu_ns, Some(wanted), "{} {}", row.strategy, row.operation);
    }
}

/// A stall of the driver inside a window is not the target's latency.
#[test]
fn a_window_in_which_the_driver_was_late_is_left_out_and_counted() {
    let shape = Shape { blocks: 4, rounds: 1, window_ms: 3_000, ..Shape::default() };
    let mut run = run_with(8, &shape);
    let healthy = derived(&run);
    let limit_ns = run.plan.as_ref().unwrap().slip_limit_ns;
    let cell = run.cells.iter_mut().find(|c| c.arm == "jwt-es256" && c.block == 2).unwrap();
    let window = cell.window_latency.as_mut().unwrap();
    let mut late = LatencyHistogram::new();
    (0..window.slip.n).for_each(|i| late.record(if i % 50 == 0 { 2 * limit_ns } else { 10 }));
    window.slip = late.to_record();
    let found = derived(&run);
    let (before, after) = (arm(&healthy, "jwt-es256"), arm(&found, "jwt-es256"));
    assert_eq!(after.latency[0].n, before.latency[0].n * 3 / 4);
    assert_eq!(after.latency[0].above_none_ns.unwrap().n, 3);
    let note = after.latency[0].note.as_ref().unwrap();
    assert!(note.contains("block 2 is left out: the driver was late"), "{note}");
    let row = found.trust.iter().find(|row| row.question.contains("windows were")).unwrap();
    assert!(row.figure.starts_with("1 of "), "{}", row.figure);
}
