//! What is computed from made-up loops, weights and sizes is what is true of them.

use std::collections::{BTreeMap, BTreeSet};

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::gates::checks;
use authbench_harness::measure::synthetic::{LOOPED_NS, alone};
use authbench_harness::record::derived::Derived;
use authbench_harness::record::run::{Run, Timer};

fn derived(run: &Run) -> Derived {
    derive(run, &"0".repeat(64))
}

/// What is timed in loops: figures, composed rows, and neither timer in the other's place.
#[test]
fn figures_of_loops_are_those_of_the_truth_and_the_timers_stay_apart() {
    let run = alone(3);
    let found = derived(&run);
    let ids: BTreeSet<&str> = found.micro.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), found.micro.len(), "one row per id");
    let get = |id: &str| found.micro.iter().find(|row| row.id == id).unwrap();
    for (algorithm, verify, _) in LOOPED_NS {
        let id = format!("verify/jsonwebtoken/alg={algorithm},claims=typical,backend=aws-lc-rs");
        let row = get(&id);
        assert_eq!((row.subject.as_str(), row.parameters.len()), ("jsonwebtoken", 3));
        let truth = verify + 1_450.0;
        let (cpu, ratio) = (row.cpu_ns.unwrap(), row.ratio.unwrap());
        assert!((cpu.value / truth - 1.0).abs() < 0.03, "{row:?}");
        assert!((ratio.value / (truth / verify) - 1.0).abs() < 0.02, "{row:?}");
        let local = row.criterion_ns.unwrap();
        assert_eq!((local.n, cpu.n), (50, 10));
        let above = found.overhead.iter().find(|row| row.id == id).unwrap();
        assert_eq!(above.primitive, id.replace("jsonwebtoken", "primitive"));
        let slack = 0.02 * truth;
        assert!((above.above_ns.value - 1_450.0).abs() < slack, "{above:?}");
    }
    assert!(found.overhead.iter().all(|row| row.path != "primitive"));
    let lookup = get("lookup/session-redis/in-flight=1");
    let (own, store) = (lookup.cpu_ns.unwrap().value, lookup.store_cpu_ns.unwrap().value);
    let total = lookup.total_cpu_ns.unwrap().value;
    assert!((total - own - store).abs() < 1e-3 * total, "{lookup:?}");
    assert!(lookup.total_ratio.unwrap().value > lookup.ratio.unwrap().value);
    let token = get("reject/jwt-hs256/kind=garbage");
    assert_eq!((token.store_cpu_ns, token.total_cpu_ns, token.total_ratio), (None, None, None));
    assert_eq!((found.blocks, found.none_cpu_ns, found.arms.len()), (0, None, 0));
    assert!(checks(&run).is_empty() && found.revocation_lag.is_empty());
    assert_eq!(found.trust.len(), 2, "the sums and nothing else: {:#?}", found.trust);
}

/// Whichever timer comes first, and whoever is missing.
#[test]
fn a_figure_of_one_timer_never_fills_the_place_of_the_other() {
    let whole = alone(3);
    let mut turned = whole.clone();
    turned.micro.reverse();
    let by_id = |run: &Run| {
        let rows = derived(run).micro.into_iter().map(|row| (row.id.clone(), row));
        rows.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(by_id(&whole), by_id(&turned));
    for timer in [Timer::Interleaved, Timer::Criterion] {
        let mut one = whole.clone();
        one.micro.retain(|cell| cell.timer == timer);
        for row in by_id(&one).values() {
            let interleaved = timer == Timer::Interleaved;
            assert_eq!(row.cpu_ns.is_some() && row.ratio.is_some(), interleaved, "{row:?}");
            assert_eq!(row.criterion_ns.is_none(), interleaved, "{row:?}");
        }
        assert_eq!(derived(&one).overhead.is_empty(), timer == Timer::Criterion);
    }
}

#[test]
fn parts_that_do_not_add_up_are_called_out() {
    let mut run = alone(4);
    let sums = derived(&run).part_sums;
    assert_eq!(sums.len(), 2);
    let prepared = sums.iter().find(|sum| sum.path == "prepared").unwrap();
    assert_eq!(prepared.whole, "verify/prepared/alg=HS256,claims=typical,backend=aws-lc-rs");
    assert!(sums.iter().all(|sum| sum.pass && (sum.percent - 99.0).abs() < 3.0), "{sums:#?}");
    let is_part = |id: &str| id == "part/prepared/step=signature";
    let cell = run.micro.iter_mut().find(|cell| is_part(&cell.id)).unwrap();
    cell.cpu_ns.iter_mut().for_each(|ns| *ns = *ns * 13 / 10);
    let found = derived(&run);
    let prepared = found.part_sums.iter().find(|sum| sum.path == "prepared").unwrap();
    assert!(!prepared.pass && prepared.percent > 110.0, "{prepared:?}");
    assert!(found.trust.iter().any(|row| row.pass == Some(false)));
    run.micro.retain(|cell| cell.operation != "verify");
    assert!(derived(&run).part_sums.is_empty(), "without a whole there is no sum");
}

#[test]
fn memory_is_what_redis_grew_by() {
    let mut run = alone(1);
    let found = derived(&run).memory;
    assert_eq!((found[0].bytes_per_entry, found[0].usage_bytes), (412.0, 344));
    run.memory[0].entries = 0;
    assert_eq!(derived(&run).memory.len(), 2);
}
