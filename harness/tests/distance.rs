//! The store at a distance: what is computed from a made-up sweep is what is true of it, and its
//! chart and tables can be read.

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::gates::{checks, failed};
use authbench_harness::measure::synthetic::{self, with_distance};
use authbench_harness::record::derived::{
    CrossingKind, Crossover, DistanceResult, DistanceRow, Verdict,
};
use authbench_harness::record::integrity::{Finding, findings};
use authbench_harness::record::run::Run;
use authbench_harness::report::chart::Input;
use authbench_harness::report::distance_tables;
use authbench_harness::report::lint::{lint, texts};
use authbench_harness::report::palette::Palette;
use authbench_harness::report::render;

fn swept(seed: u64, slower: &[(&str, f64)]) -> Run {
    with_distance(synthetic::run(seed), seed, slower)
}

fn result(run: &Run) -> DistanceResult {
    derive(run, &"0".repeat(64)).distance.expect("a sweep")
}

fn row<'a>(of: &'a DistanceResult, arm: &str, ms: Option<f64>) -> &'a DistanceRow {
    let at = ms.map(|ms| (ms * 1e6) as u64);
    of.rows.iter().find(|row| row.arm == arm && row.round_trip_ns == at).expect("a row")
}

fn cross<'a>(of: &'a DistanceResult, token: &str, store: &str) -> &'a Crossover {
    of.crossovers.iter().find(|c| c.token == token && c.store == store).expect("a pair")
}

#[test]
fn figures_are_about_the_truth() {
    let run = swept(1, &[]);
    assert_eq!(findings(&run), []);
    assert!(failed(checks(&run)).is_empty());
    let found = result(&run);
    assert_eq!((found.blocks, found.rate_per_second, found.connections), (5, 300, 64));
    // None, five tokens, and three strategies with a store at eight distances and past the line.
    assert_eq!(found.rows.len(), 6 + 3 * 9);
    assert_eq!(found.crossovers.len(), 5 * 3);
    assert!(row(&found, "none", None).p50_above_none_ns.is_none());
    for (arm, ms, truth_us) in [
        ("jwt-es256", None, 55.0),
        ("session-redis", None, 49.0),
        ("session-redis", Some(0.0), 49.0 + 22.0),
        ("session-redis", Some(2.0), 49.0 + 22.0 + 2_000.0),
        ("jwt-version", Some(70.0), 52.0 + 22.0 + 70_000.0),
    ] {
        let row = row(&found, arm, ms);
        let above = row.p50_above_none_ns.expect("an interval");
        let off = (above.value / 1e3 - truth_us).abs();
        // Noise, and the grain of a histogram at 70 ms.
        assert!(off < 8.0 + 0.001 * truth_us, "{arm} at {ms:?}: {above:?}, truly {truth_us} µs");
        assert_eq!((row.windows, row.left_out, above.n), (5, 0, 5));
        assert!(row.p90_above_none_ns.is_none(), "300 samples do not bear a p90");
        let commands = f64::from(u8::from(arm != "jwt-es256"));
        assert_eq!(row.redis_commands_per_request, Some(commands));
        assert_eq!(row.line_lateness_p99_ns.is_some(), ms.is_some());
    }
    // Little's law: 300 a second for 70 ms.
    let in_flight = row(&found, "jwt-version", Some(70.0)).in_flight.expect("a figure");
    assert!((19.0..25.0).contains(&in_flight), "{in_flight}");
}

#[test]
fn a_crossing_is_found_where_it_truly_is() {
    // Truly at 137 + 366 - 131 - 22 = 350 µs and, against jwt-denylist, 3 µs less.
    let slower = [("jwt-es256", 366_000.0), ("jwt-rs256", 3_000_000.0), ("jwt-eddsa", 2e8)];
    let mut covered = 0;
    let seeds = 40;
    for seed in 0..seeds {
        let found = result(&swept(seed, &slower));
        let es256 = &cross(&found, "jwt-es256", "session-redis").latency;
        assert_eq!(es256.kind, CrossingKind::Crosses);
        assert_eq!((es256.blocks_always, es256.blocks_crossing, es256.blocks_never), (0, 5, 0));
        let at = es256.round_trip_ns.expect("an interval");
        covered += u32::from(at.low <= 350e3 && 350e3 <= at.high);
        assert!((at.value - 350e3).abs() < 20e3, "{at:?}");
        let rs256 = cross(&found, "jwt-rs256", "session-redis").latency.round_trip_ns;
        let rs256 = rs256.expect("an interval").value;
        assert!((rs256 / 2_951e3 - 1.0).abs() < 0.02, "{rs256}");
        // 200 ms slower: beyond the last distance.
        let never = &cross(&found, "jwt-eddsa", "session-redis").latency;
        assert_eq!((never.kind, never.round_trip_ns), (CrossingKind::Never, None));
        let always = &cross(&found, "jwt-hs256", "session-redis").latency;
        assert_eq!((always.kind, always.round_trip_ns), (CrossingKind::Always, None));
    }
    assert!(covered >= 33, "the 95 % interval covers the truth in {covered} of {seeds}");
}

#[test]
fn blocks_that_disagree_are_counted_and_the_interval_reaches_down_to_nothing() {
    // Truly equal at no distance: half of the blocks say at once, half that it crosses nearby.
    let mut disagreed = 0;
    for seed in 0..20 {
        let found = result(&swept(seed, &[("jwt-es256", 16_000.0)]));
        let crossing = &cross(&found, "jwt-es256", "session-redis").latency;
        assert_eq!(crossing.blocks_always + crossing.blocks_crossing, 5, "{crossing:?}");
        if crossing.kind == CrossingKind::Undecided {
            disagreed += 1;
            let at = crossing.round_trip_ns.expect("an interval");
            assert!(at.low < 5e3 && at.high < 30e3 && at.n == 5, "{at:?}");
        }
    }
    assert!(disagreed > 10, "{disagreed} of 20");
}

#[test]
fn cpu_is_compared_at_each_distance() {
    let mut run = swept(3, &[]);
    let found = result(&run);
    for (token, kind) in [("jwt-es256", CrossingKind::Never), ("jwt-hs256", CrossingKind::Always)] {
        let cpu = &cross(&found, token, "session-redis").cpu;
        assert_eq!(cpu.kind, kind, "{cpu:?}");
        assert_eq!(cpu.at.len(), 8);
    }
    // A lookup that costs more the farther it goes: it crosses between 1 and 2 ms.
    for cell in run.distance.iter_mut().filter(|c| c.strategy == "session-redis") {
        if cell.round_trip_ns.is_some_and(|ns| ns >= 2_000_000) {
            cell.server_cpu_ns *= 9;
        }
    }
    let cpu = cross(&result(&run), "jwt-es256", "session-redis").cpu.clone();
    assert_eq!(cpu.kind, CrossingKind::Crosses);
    let first = cpu.at.iter().find(|at| at.verdict == Verdict::Cheaper).expect("one");
    assert_eq!(first.round_trip_ns, 2_000_000);
}

#[test]
fn windows_with_failures_and_discarded_ones_are_left_out_and_counted() {
    let mut run = swept(4, &[]);
    let of = |run: &Run, i: u32| {
        let at = |c: &authbench_harness::record::run::DistanceCell| {
            c.arm == "session-redis" && c.round_trip_ns == Some(70_000_000) && c.block == i
        };
        run.distance.iter().position(at).expect("a cell")
    };
    let (late, lost) = (of(&run, 0), of(&run, 1));
    run.distance[late].discarded = "slip".into();
    run.distance[lost].ledger.scheduled += 1;
    run.distance[lost].ledger.timeout += 1;
    assert_eq!(findings(&run), [], "a failure is no contradiction");
    let found = result(&run);
    let row = row(&found, "session-redis", Some(70.0));
    assert_eq!((row.windows, row.left_out), (3, 2));
    let crossing = &cross(&found, "jwt-es256", "session-redis").latency;
    let blocks = crossing.blocks_always + crossing.blocks_crossing + crossing.blocks_never;
    assert_eq!(blocks, 3, "a block without a distance does not say where it crosses");
}

#[test]
fn contradictions_are_found() {
    let whole = swept(5, &[]);
    let expect = |what: &str, spoil: &dyn Fn(&mut Run)| {
        let mut run = whole.clone();
        spoil(&mut run);
        let found = findings(&run);
        assert!(found.iter().any(|f| f.what.contains(what)), "{what}: {found:?}");
        let of_sweep =
            |f: &Finding| f.place.starts_with("distance ") || f.what.starts_with("gate distance/");
        assert!(found.iter().all(of_sweep), "{found:?}");
    };
    expect("does not close", &|run| run.distance[3].ledger.shed = 1);
    expect("answered as expected", &|run| {
        run.distance[3].ledger.expected -= 1;
        run.distance[3].ledger.timeout += 1;
    });
    expect("its buckets hold", &|run| run.distance[3].latency.service.n += 1);
    expect("two windows", &|run| {
        let again = run.distance[3].clone();
        run.distance.push(again);
    });
    expect("not among `strategies`", &|run| run.distance[3].strategy = "session-moon".into());
    expect("past the line", &|run| {
        run.distance[0].line_lateness_p99_ns = Some(1);
    });
}

#[test]
fn chart_and_tables_can_be_read() {
    let slower = [("jwt-es256", 366_000.0), ("jwt-rs256", 3_000_000.0)];
    let lone = {
        let mut run = swept(8, &[]);
        run.distance.retain(|cell| cell.block == 0);
        run
    };
    // Blocks that disagree by more than they show, as on a machine that does something else.
    let disturbed = {
        let mut run = swept(10, &[]);
        let donor = run.distance.iter().find(|c| c.round_trip_ns == Some(5_000_000)).cloned();
        let donor = donor.expect("a cell");
        for cell in run.distance.iter_mut().filter(|c| c.block == 2 && c.round_trip_ns == Some(0)) {
            (cell.latency, cell.ledger) = (donor.latency.clone(), donor.ledger);
        }
        run
    };
    let near = swept(9, &[("session-redis", -40_000.0)]);
    let runs = [swept(6, &[]), swept(7, &slower), near, lone, disturbed];
    for (i, run) in runs.iter().enumerate() {
        let derived = derive(run, &"0".repeat(64));
        let files = render(run, &derived).expect("it can be rendered");
        for name in ["charts/distance.svg", "charts/distance-narrow.svg"] {
            let Some(svg) = files.get(name) else {
                // One block has no interval, and so no chart; the table says so.
                assert_eq!(i, 3, "{name}");
                continue;
            };
            assert_eq!(lint(svg), [], "record {i}, {name}");
            let said: Vec<String> =
                texts(svg).expect("it can be read back").into_iter().map(|t| t.text).collect();
            for word in ["jwt-es256", "session-redis", "70"] {
                assert!(said.iter().any(|text| text == word), "{word} in {name}");
            }
            assert!(said.join(" ").contains("n = 5 blocks"), "{said:?}");
        }
        let input = Input { run, derived: &derived, palette: &Palette::new(run) };
        for table in [distance_tables::figures(&input), distance_tables::crossovers(&input)] {
            assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
        }
    }
    let run = &runs[1];
    let derived = derive(run, &"0".repeat(64));
    let input = Input { run, derived: &derived, palette: &Palette::new(run) };
    let table = distance_tables::crossovers(&input).markdown();
    assert!(table.contains("0.3") && table.contains("never: dearer at every distance"), "{table}");
    assert!(table.contains("at once, at any distance"), "{table}");
}
