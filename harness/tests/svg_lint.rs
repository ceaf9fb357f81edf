//! Every chart can be read: at both widths no text covers another or leaves the view, for ordinary
//! records and for nasty ones.

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic::{self, Shape};
use authbench_harness::record::run::{
    Arm, Cell, RevocationCost, RevocationLag, Role, Run, SizeRow, StrategyRecord,
};
use authbench_harness::report::chart::decision_map;
use authbench_harness::report::lint::{Finding, lint, texts};
use authbench_harness::report::palette::Palette;
use authbench_harness::report::{Files, render};

fn charts(run: &Run) -> Files {
    let mut files = render(run, &derive(run, &"0".repeat(64))).expect("a record can be rendered");
    files.retain(|name, _| name.ends_with(".svg"));
    files
}

/// Renders and lints every chart of a record; how many there were.
fn readable(what: &str, run: &Run) -> usize {
    let charts = charts(run);
    let mut complaints = Vec::new();
    for (name, svg) in &charts {
        let narrow = name.ends_with("-narrow.svg");
        let width = if narrow { "<svg width=\"380\"" } else { "<svg width=\"960\"" };
        assert!(svg.starts_with(width), "{what}: {name} has another width");
        complaints.extend(lint(svg).iter().map(|finding| format!("{what}, {name}: {finding}")));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    charts.len()
}

#[test]
fn charts_of_ordinary_records_can_be_read() {
    for seed in 0..4 {
        assert_eq!(readable("quick", &synthetic::run(seed)), 16);
    }
    assert_eq!(readable("standard", &synthetic::run_with(9, &Shape::standard())), 16);
}

#[test]
fn the_map_of_decisions_can_be_read() {
    let figures = serde_json::from_str(include_str!("golden/figures.json")).unwrap();
    let chart = decision_map::chart(&figures, &Palette::new(&synthetic::run(0))).unwrap();
    for svg in [&chart.wide, &chart.narrow] {
        let found: Vec<String> = lint(svg).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(
        chart.alt.contains("jwt-denylist-barrier") && chart.alt.contains("at once: 0 ms"),
        "{}",
        chart.alt
    );
}

#[test]
fn charts_of_what_is_timed_in_loops_can_be_read() {
    for seed in 0..3 {
        assert_eq!(readable("with loops", &synthetic::with_loops(synthetic::run(seed), seed)), 32);
        assert_eq!(readable("loops alone", &synthetic::alone(seed)), 18);
    }
    let mut bare = synthetic::alone(4);
    // One backend, one algorithm, one load, no limits: still charts, or none.
    bare.micro.retain(|cell| {
        let few = cell.id.contains("alg=ES256") && cell.id.contains("ring");
        few || cell.id.ends_with("in-flight=1")
    });
    bare.limits.clear();
    bare.wire.truncate(1);
    bare.memory.truncate(1);
    assert_eq!(readable("few", &bare), 6);
    bare.micro.clear();
    bare.memory.clear();
    assert_eq!(readable("one credential", &bare), 0);
}

#[test]
fn long_names_and_huge_ratios_in_loops_can_be_read() {
    let mut run = synthetic::alone(5);
    for cell in &mut run.micro {
        cell.id = cell.id.replace("jwt-es256", "jwt-es256-with-refresh-and-rotation");
        cell.id = cell.id.replace("conn=unix", "conn=unix-socket-with-pipelining");
        if cell.id.contains("kind=64k") {
            cell.cpu_ns.iter_mut().for_each(|ns| *ns *= 400);
        }
    }
    for row in &mut run.memory {
        row.used_after_bytes = row.used_before_bytes + row.entries * 9_000;
    }
    readable("long names", &run);
}

#[test]
fn equal_values_do_not_put_labels_on_each_other() {
    let mut run = synthetic::run(3);
    let first = run.arms.iter().find(|arm| arm.role == Role::Contender).expect("one").id.clone();
    let cells: Vec<_> = run.cells.iter().filter(|cell| cell.arm == first).cloned().collect();
    let contenders: Vec<String> =
        run.arms.iter().filter(|a| a.role == Role::Contender).map(|a| a.id.clone()).collect();
    for cell in run.cells.iter_mut().filter(|cell| contenders.contains(&cell.arm)) {
        let like = cells.iter().find(|other| other.block == cell.block).expect("every block");
        cell.slots.server_cpu_ns.clone_from(&like.slots.server_cpu_ns);
        cell.slots.store_cpu_ns.clone_from(&like.slots.store_cpu_ns);
        cell.slots.expected.clone_from(&like.slots.expected);
        cell.slots.discarded.clone_from(&like.slots.discarded);
        cell.slot_latency = like.slot_latency.clone();
    }
    for row in &mut run.sizes {
        (row.credential_bytes, row.header_line_bytes, row.request_bytes) = (43, 67, 161);
    }
    readable("equal values", &run);
}

/// Appends what `again` makes of each item.
fn repeat<T>(items: &mut Vec<T>, again: impl Fn(&T) -> Option<T>) {
    let more: Vec<T> = items.iter().filter_map(again).collect();
    items.extend(more);
}

/// `run` with its contenders and their parts once more under longer names.
fn doubled(mut run: Run, suffix: &str) -> Run {
    let ids: Vec<(String, String)> = (run.arms.iter())
        .filter(|arm| arm.role == Role::Contender)
        .map(|arm| (arm.id.clone(), arm.strategy.clone()))
        .collect();
    let arm = |own: &String| ids.iter().any(|(id, _)| id == own).then(|| format!("{own}{suffix}"));
    let strategy =
        |own: &String| ids.iter().any(|(_, id)| id == own).then(|| format!("{own}{suffix}"));
    repeat(&mut run.cells, |cell| Some(Cell { arm: arm(&cell.arm)?, ..cell.clone() }));
    repeat(&mut run.sizes, |row| Some(SizeRow { arm: arm(&row.arm)?, ..row.clone() }));
    repeat(&mut run.strategies, |s| Some(StrategyRecord { id: strategy(&s.id)?, ..s.clone() }));
    repeat(&mut run.revocation_lag, |lag| {
        Some(RevocationLag { strategy: strategy(&lag.strategy)?, ..lag.clone() })
    });
    repeat(&mut run.revocation_cost, |cost| {
        Some(RevocationCost { strategy: strategy(&cost.strategy)?, ..cost.clone() })
    });
    repeat(&mut run.arms, |own| {
        let contender = own.role == Role::Contender;
        let strategy = strategy(&own.strategy).filter(|_| contender)?;
        Some(Arm { id: arm(&own.id)?, strategy, ..own.clone() })
    });
    run
}

#[test]
fn many_arms_with_long_names_can_be_read() {
    let run = doubled(synthetic::run(5), "-with-refresh");
    assert!(run.arms.iter().filter(|arm| arm.role == Role::Contender).count() >= 15);
    readable("many arms", &run);
}

#[test]
fn a_bounded_lag_stands_between_the_bands() {
    let mut run = synthetic::run(6);
    let id = run.revocation_lag[1].strategy.clone();
    for (i, trial) in run.revocation_lag[1].trials.iter_mut().enumerate() {
        trial.last_accepted_ns = 40_000_000 + 9_000_000 * (i as i64 % 200);
        trial.first_refused_ns = Some(trial.last_accepted_ns + 2_000_000);
        trial.stale_accepts = 20;
    }
    let declared = run.strategies.iter_mut().find(|s| s.id == id).expect("declared");
    declared.revoke = "within".into();
    declared.revoke_within_ns = Some(2_000_000_000);
    readable("bounded lag", &run);
    let headline = &charts(&run)["charts/headline.svg"];
    assert!(headline.contains("bound 2 s"), "the bound is printed on the point");
}

#[test]
fn records_with_parts_missing_can_be_read() {
    let whole = synthetic::run(7);
    let redis: Vec<String> = (whole.strategies.iter())
        .filter(|s| s.redis_commands_per_request > 0)
        .map(|s| s.id.clone())
        .collect();
    let mut without = whole.clone();
    without.arms.retain(|arm| !redis.contains(&arm.strategy));
    without.cells.retain(|cell| without.arms.iter().any(|arm| arm.id == cell.arm));
    without.revocation_lag.retain(|lag| !redis.contains(&lag.strategy));
    without.revocation_cost.retain(|cost| !redis.contains(&cost.strategy));
    readable("no Redis", &without);

    let mut bare = synthetic::run_with(1, &Shape::cpu_only());
    readable("CPU alone", &bare);
    bare.cells.retain(|cell| cell.block == 0);
    readable("one block", &bare);
    bare.cells.clear();
    readable("no cells", &bare);
    bare.arms.clear();
    bare.sizes.clear();
    bare.strategies.clear();
    assert_eq!(readable("nothing at all", &bare), 0);
}

#[test]
fn negative_and_huge_differences_can_be_read() {
    let mut run = synthetic::run(8);
    let contenders: Vec<String> =
        run.arms.iter().filter(|a| a.role == Role::Contender).map(|a| a.id.clone()).collect();
    for (i, id) in contenders.iter().enumerate() {
        // From a tenth of the floor to a hundred times it.
        let (times, part) = if i % 3 == 0 { (1, 10) } else { (1 + 12 * i as u64, 1) };
        for cell in run.cells.iter_mut().filter(|cell| cell.arm == *id) {
            cell.slots.server_cpu_ns.iter_mut().for_each(|ns| *ns = *ns * times / part);
        }
    }
    readable("negative and huge", &run);
}

#[test]
fn the_law_is_printed_on_hollow_points() {
    let run = synthetic::run(2);
    for name in ["charts/headline.svg", "charts/headline-narrow.svg"] {
        let said = texts(&charts(&run)[name]).expect("it can be read back");
        let by_law = said.iter().filter(|t| t.text == "by law, T = 15 min").count();
        let at_expiry = run.strategies.iter().filter(|s| s.family == "token").count();
        assert_eq!(by_law, at_expiry, "{name}");
    }
}

#[test]
fn the_lint_sees_a_label_that_was_moved_onto_another() {
    let run = synthetic::run(4);
    let svg = &charts(&run)["charts/cpu.svg"];
    assert_eq!(lint(svg), []);
    let said = texts(svg).expect("it can be read back");
    let [a, b] = [&said[5], &said[7]];
    // The text of one written at the place of the other.
    let start = svg.find(&format!(">\n{}\n", a.text)).expect("a text");
    let tag = svg[..start].rfind("<text").expect("its tag");
    let other = svg.find(&format!(">\n{}\n", b.text)).expect("another");
    let other_tag = svg[..other].rfind("<text").expect("its tag");
    let spoilt = format!("{}{}{}", &svg[..tag], &svg[other_tag..other], &svg[start..]);
    assert!(lint(&spoilt).iter().any(|f| matches!(f, Finding::Overlap(..))), "{a:?} on {b:?}");
}
