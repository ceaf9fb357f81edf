//! What a page may not say is refused: each rule on a page that breaks it and on one that does not.

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic;
use authbench_harness::record::derived::Derived;
use authbench_harness::record::run::{Role, Run, Status};
use authbench_harness::report::claims::{Rule, refusals};
use authbench_harness::report::claims_controls::controls;
use authbench_harness::report::render;

fn page(run: &Run) -> (String, Derived) {
    let derived = derive(run, &"0".repeat(64));
    let mut files = render(run, &derived).expect("a page that may be published");
    (files.remove("REPORT.md").expect("a page"), derived)
}

/// Edits the page of a sound run and expects this rule, and no other, to be broken.
fn refused(rule: Rule, edit: impl FnOnce(String, &mut Derived) -> String) {
    let (sound, mut derived) = page(&synthetic::run(1));
    assert_eq!(refusals(&sound, &derived), []);
    let edited = edit(sound, &mut derived);
    let found = refusals(&edited, &derived);
    assert!(!found.is_empty(), "{rule:?} is not noticed");
    assert!(found.iter().all(|refusal| refusal.rule == rule), "{found:?}");
    assert!(found[0].to_string().starts_with(rule.name()));
}

/// The first row that begins with `begin`, with one cell, from 0, replaced.
fn with_cell(page: &str, begin: &str, cell: usize, new: &str) -> String {
    let mut done = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if !done && line.starts_with(begin) {
            let mut cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            cells[cell] = new;
            lines.push(format!("|{}|", cells.join("|")));
            done = true;
        } else {
            lines.push(line.to_owned());
        }
    }
    assert!(done, "no row begins with {begin}");
    lines.join("\n")
}

#[test]
fn every_page_of_every_kind_passes() {
    let mut invalid = synthetic::run(2);
    invalid.run.status = Status::Invalid;
    invalid.run.reasons = vec!["a-a: it must contain 0".into()];
    let standard = synthetic::run_with(3, &synthetic::Shape::standard());
    for run in [
        synthetic::run(1),
        standard,
        invalid,
        synthetic::alone(1),
        synthetic::with_loops(synthetic::run(1), 1),
    ] {
        let (markdown, derived) = page(&run);
        assert_eq!(refusals(&markdown, &derived), [], "{}", run.run.label);
    }
}

#[test]
fn a_percentile_below_the_sample_rule_is_refused() {
    // p99.9 of some 15,000 samples.
    refused(Rule::Samples, |page, _| with_cell(&page, "| `jwt-es256` | p99.9 |", 2, " 812 "));
    // In the table of costs the samples are the arm's.
    refused(Rule::Samples, |page, derived| {
        for row in derived.arms.iter_mut().flat_map(|arm| &mut arm.latency) {
            row.n = if row.permille == 500 { 150 } else { row.n };
        }
        page
    });
}

#[test]
fn a_ratio_without_its_interval_is_refused() {
    let bare = |cell| {
        move |page: String, _: &mut Derived| with_cell(&page, "| `jwt-es256` | ", cell, " 53.2 ")
    };
    refused(Rule::Interval, bare(1));
    refused(Rule::Interval, |page, _| {
        page.replace("\n## Environment", "\n`x` is dearer than `y` by 31 %.\n\n## Environment")
    });
    let (sound, derived) = page(&synthetic::run(1));
    let with = sound.replace(
        "\n## Environment",
        "\n`x` is dearer than `y` by 31 (29 to 33) %.\n\n## Environment",
    );
    assert_eq!(refusals(&with, &derived), []);
}

#[test]
fn a_claim_without_a_noise_floor_is_refused() {
    refused(Rule::NoiseFloor, |page, derived| {
        derived.noise_floor = None;
        page
    });
    refused(Rule::NoiseFloor, |page, derived| {
        derived.noise_floor.iter_mut().for_each(|floor| floor.contains_zero = false);
        page
    });
    // And it is never made: without the A/A arm nothing is decided.
    let mut run = synthetic::run(1);
    run.arms.retain(|arm| arm.role != Role::AaControl);
    run.cells.retain(|cell| cell.arm != "none+aa");
    let (markdown, derived) = page(&run);
    assert_eq!(derived.noise_floor, None);
    assert!(!markdown.contains("dearer,") && !markdown.contains("slower,"));
    assert!(derived.cpu_pairs.iter().all(|pair| pair.note.as_ref().unwrap().contains("A/A")));
}

#[test]
fn a_latency_claim_of_an_unfit_driver_is_refused_and_never_made() {
    refused(Rule::LatencyGate, |page, derived| {
        let row = derived.trust.iter_mut().find(|row| row.question.starts_with("Driver's share"));
        row.expect("the row").pass = Some(false);
        page
    });
    let mut run = synthetic::run(1);
    for slots in run.cells.iter_mut().map(|cell| &mut cell.slots) {
        slots.driver_cpu_ns = slots.wall_ns.iter().map(|ns| ns / 10 * 9).collect();
    }
    let (_, derived) = page(&run);
    let p50 = &derived.arms.iter().find(|arm| arm.arm == "jwt-es256").unwrap().latency[0];
    assert!(p50.above_none_ns.is_some() && p50.verdict.is_none(), "{p50:?}");
    assert!(p50.note.as_ref().unwrap().contains("no verdict: Driver's share"), "{p50:?}");
}

#[test]
fn averages_of_percentiles_are_refused() {
    for words in ["The mean p99 was low.", "An average of the p95s.", "p99.9, averaged, is 3."] {
        refused(Rule::NoAverages, |page, _| {
            page.replace("\n## Environment", &format!("\n{words}\n\n## Environment"))
        });
    }
    let (sound, derived) = page(&synthetic::run(1));
    let with = sound + "\nPercentiles are never averaged; the mean response and p99 are given.\n";
    assert_eq!(refusals(&with, &derived), []);
}

#[test]
fn figures_of_an_invalid_run_are_refused() {
    refused(Rule::Invalid, |page, derived| {
        derived.withheld = Some("the run is invalid: a gate failed".into());
        page
    });
}

#[test]
fn a_page_of_unknown_origin_is_refused() {
    refused(Rule::Provenance, |page, _| page.replace("## Provenance", "## Elsewhere"));
}

#[test]
fn the_built_in_controls_pass() {
    let controls = controls().expect("a page");
    assert_eq!(controls.len(), Rule::ALL.len());
    for control in controls {
        assert!(control.pass(), "{control:?}");
    }
}

#[test]
fn every_rule_is_tried_here() {
    // A new rule needs its negative control in this file.
    let here = include_str!("claims.rs");
    for rule in Rule::ALL {
        assert!(here.contains(&format!("refused(Rule::{rule:?}")), "{rule:?}");
    }
}
