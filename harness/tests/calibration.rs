//! The method against machines that are made up: coverage, order, a known effect.

use std::path::Path;

use authbench_harness::measure::calibration::{
    Simulation, SlotSeries, aa_coverage, aa_coverage_drift, known_effect, order_effect,
};
use authbench_harness::measure::synthetic::{Shape, run_with};
use authbench_harness::record::io::read_run;

#[test]
fn intervals_of_relabelled_slots_cover_zero_as_often_as_they_say() {
    let shape = Shape { blocks: 12, rounds: 24, ..Shape::cpu_only() };
    let series = SlotSeries::from_run(&run_with(1, &shape));
    assert!(series.len() > 500, "two arms, twelve blocks, 24 rounds, few discarded");
    let found = aa_coverage(&series, 1_000, 1);
    assert!(found.pass, "{found:?}");
    assert_eq!((found.campaigns, found.blocks), (1_000, 12));
    assert_eq!(found, aa_coverage(&series, 1_000, 1), "a seed gives the same figures");
}

#[test]
fn intervals_of_the_slots_of_kept_runs_cover_zero_as_often_as_they_say() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let mut tried = 0;
    for folder in std::fs::read_dir(results).unwrap() {
        let folder = folder.unwrap().path();
        let file = folder.join("run.json");
        if !file.is_file() || folder.ends_with("schema") {
            continue;
        }
        let series = SlotSeries::from_run(&read_run(&file).unwrap().run);
        if series.is_empty() {
            continue;
        }
        tried += 1;
        let found = aa_coverage(&series, 1_000, 1);
        println!("{}: {found:?}", folder.display());
        assert!(found.pass, "{}: {found:?}", folder.display());
    }
    println!("{tried} kept runs have A/A slots");
}

#[test]
fn intervals_cover_zero_under_drift_and_the_luck_of_processes() {
    let found = aa_coverage_drift(&Simulation::default(), 1_000, 2);
    assert!(found.pass, "{found:?}");
    // Negative control: processes that live through all blocks make them replicates of one luck.
    let same = Simulation { process_blocks: u32::MAX, luck: 0.03, ..Simulation::default() };
    let narrow = aa_coverage_drift(&same, 300, 2);
    assert!(!narrow.pass && narrow.share() < 0.8, "{narrow:?}");
    let fresh = Simulation { process_blocks: 1, ..same };
    assert!(aa_coverage_drift(&fresh, 300, 2).share() > 0.9, "the same luck, drawn in each block");
}

#[test]
fn nothing_measured_is_not_calibrated() {
    let found = aa_coverage(&SlotSeries::default(), 100, 1);
    assert!(!found.pass && found.campaigns == 0);
    assert!(SlotSeries::default().is_empty());
}

#[test]
fn a_drift_makes_an_effect_only_where_arms_are_measured_one_after_the_other() {
    let found = order_effect(300, 3);
    assert!(found.pass, "{found:?}");
    assert!(found.blocked.pass && !found.sequential.pass, "{found:?}");
    assert!(found.sequential_bias > 10.0 * found.blocked_bias.abs(), "{found:?}");
}

#[test]
fn a_known_effect_is_found_and_none_is_not() {
    let found = known_effect(60, 4);
    assert!(found.pass, "{found:?}");
    assert_eq!(found.added_ns, 20_000.0);
}
