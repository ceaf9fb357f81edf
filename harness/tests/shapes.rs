//! Schedules: their laws by effect size, their counts, their hashes, and traces from files.

use authbench_harness::load::exchange::Op;
use authbench_harness::load::schedule::{Arrivals, sha256, stream};
use authbench_harness::load::shape::{Shape, TraceUnit, parse_trace};
use proptest::prelude::*;

const SECOND_NS: u64 = 1_000_000_000;
const BIN_NS: u64 = 100_000_000;

fn times(shape: &Shape, law: Arrivals, length_ns: u64, seed: u64) -> Vec<u64> {
    shape.times(law, length_ns, &mut stream(seed, "test", 0))
}

fn shapes() -> Vec<Shape> {
    vec![
        Shape::Steady { rate: 5_000 },
        Shape::Ramp { from: 1_000, to: 9_000 },
        Shape::Ramp { from: 9_000, to: 0 },
        Shape::Step {
            steps: vec![(2_000, 5 * SECOND_NS), (0, SECOND_NS), (8_000, 14 * SECOND_NS)],
        },
        Shape::Burst { base: 5_000, size: 200, every_ns: SECOND_NS },
    ]
}

/// The Kolmogorov-Smirnov distance of the gaps, in units of the expected number between two
/// arrivals, to the exponential law.
fn distance_to_exponential(shape: &Shape, times: &[u64], length_ns: u64) -> f64 {
    let due: Vec<f64> = times.iter().map(|at| shape.due_before(*at, length_ns)).collect();
    let mut gaps: Vec<f64> = due.windows(2).map(|w| w[1] - w[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let n = gaps.len() as f64;
    let off = |(i, gap): (usize, &f64)| (i as f64 / n - (1.0 - (-gap).exp())).abs();
    gaps.iter().enumerate().map(off).fold(0.0, f64::max)
}

/// Variance over mean of the counts per 100 ms, each against what its 100 ms should hold.
fn dispersion(shape: &Shape, times: &[u64], length_ns: u64) -> f64 {
    let bins = length_ns / BIN_NS;
    let squares = (0..bins).filter_map(|i| {
        let (begin, end) = (i * BIN_NS, (i + 1) * BIN_NS);
        let wanted = shape.due_before(end, length_ns) - shape.due_before(begin, length_ns);
        let count = times.partition_point(|t| *t < end) - times.partition_point(|t| *t < begin);
        (wanted > 0.0).then(|| (count as f64 - wanted).powi(2) / wanted)
    });
    let squares: Vec<f64> = squares.collect();
    squares.iter().sum::<f64>() / squares.len() as f64
}

#[test]
fn poisson_stays_poisson_whatever_the_rate_does() {
    let length = 20 * SECOND_NS;
    for shape in shapes().into_iter().filter(|s| s.name() != "burst") {
        let poisson = times(&shape, Arrivals::Poisson, length, 7);
        let distance = distance_to_exponential(&shape, &poisson, length);
        assert!(distance < 0.02, "{}: KS distance {distance}", shape.describe());
        let index = dispersion(&shape, &poisson, length);
        assert!((0.75..1.3).contains(&index), "{}: dispersion {index}", shape.describe());
        // The control: constant arrivals fail both.
        let constant = times(&shape, Arrivals::Constant, length, 7);
        assert!(distance_to_exponential(&shape, &constant, length) > 0.3);
        assert!(dispersion(&shape, &constant, length) < 0.05);
    }
}

/// And the other control: a ramp's arrivals held against a steady rate are no Poisson stream.
#[test]
fn the_wrong_law_is_seen() {
    let length = 20 * SECOND_NS;
    let ramp = times(&Shape::Ramp { from: 1_000, to: 9_000 }, Arrivals::Poisson, length, 7);
    let steady = Shape::Steady { rate: 5_000 };
    assert!(distance_to_exponential(&steady, &ramp, length) > 0.05);
    assert!(dispersion(&steady, &ramp, length) > 5.0);
}

#[test]
fn counts_of_constant_arrivals_are_exact() {
    let seconds = 1_000_000_000;
    for (shape, length_s, wanted) in [
        (Shape::Steady { rate: 100 }, 3, 300),
        (Shape::Steady { rate: 5_000 }, 3, 15_000),
        (Shape::Ramp { from: 0, to: 1_000 }, 4, 2_000),
        (Shape::Ramp { from: 3_000, to: 1_000 }, 2, 4_000),
        (Shape::Ramp { from: 500, to: 500 }, 2, 1_000),
        (Shape::Step { steps: vec![(100, seconds), (0, seconds), (7, 3 * seconds)] }, 5, 121),
        (Shape::Burst { base: 100, size: 50, every_ns: seconds / 2 }, 3, 600),
        (Shape::Burst { base: 0, size: 3, every_ns: seconds }, 2, 6),
    ] {
        let found = times(&shape, Arrivals::Constant, length_s * seconds, 1);
        assert_eq!(found.len(), wanted, "{}", shape.describe());
        assert!(found.is_sorted());
        assert!(found.iter().all(|at| *at < length_s * seconds));
        assert_eq!(shape.due_before(length_s * seconds, length_s * seconds), wanted as f64);
    }
}

#[test]
fn a_ramps_counts_follow_its_line() {
    let length = 10 * SECOND_NS;
    let shape = Shape::Ramp { from: 1_000, to: 5_000 };
    let found = times(&shape, Arrivals::Constant, length, 1);
    for bin in 0..100_u64 {
        let (begin, end) = (bin * BIN_NS, (bin + 1) * BIN_NS);
        let count = found.iter().filter(|at| (begin..end).contains(*at)).count() as f64;
        // The line at the middle of the bin: 1,000/s plus 4,000/s over 10 s.
        let line = (1_000.0 + 4_000.0 * (bin as f64 + 0.5) / 100.0) / 10.0;
        assert!((count - line).abs() <= 1.0, "bin {bin}: {count}, the line says {line}");
    }
    // The control: the first and the last bin are far apart.
    assert!(found.partition_point(|at| *at < BIN_NS) < 110);
}

#[test]
fn a_burst_is_the_steady_schedule_and_requests_at_once() {
    let length = 3 * SECOND_NS;
    let base = times(&Shape::Steady { rate: 1_000 }, Arrivals::Poisson, length, 3);
    let shape = Shape::Burst { base: 1_000, size: 40, every_ns: SECOND_NS };
    let mut found = times(&shape, Arrivals::Poisson, length, 3);
    assert_eq!(found.len(), base.len() + 3 * 40);
    for at in [SECOND_NS / 2, 3 * SECOND_NS / 2, 5 * SECOND_NS / 2] {
        let begin = found.partition_point(|t| *t < at);
        assert!(found[begin..begin + 40].iter().all(|t| *t == at));
        found.drain(begin..begin + 40);
    }
    assert_eq!(found, base);
    assert!(shape.peak_in(10 * SECOND_NS, length) >= 10_000 + 3 * 40);
}

fn hash(shape: &Shape, law: Arrivals, seed: u64) -> String {
    let at = times(shape, law, 20 * SECOND_NS, seed).into_iter();
    sha256(&at.map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect::<Vec<_>>())
}

#[test]
fn a_seed_fixes_the_hash_of_the_stream() {
    for shape in shapes() {
        let one = hash(&shape, Arrivals::Poisson, 1);
        assert_eq!(one, hash(&shape, Arrivals::Poisson, 1));
        assert_ne!(one, hash(&shape, Arrivals::Poisson, 2), "{}", shape.describe());
        assert_ne!(one, hash(&shape, Arrivals::Constant, 1), "{}", shape.describe());
    }
    // Known answer: SHA-256 of 16 zero bytes; and every member counts.
    let op = Op { at_ns: 0, target: 0, exchange: 0 };
    let zeros = "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb";
    assert_eq!(sha256(&[op]), zeros);
    for other in [Op { at_ns: 1, ..op }, Op { target: 1, ..op }, Op { exchange: 1, ..op }] {
        assert_ne!(sha256(&[other]), zeros);
    }
}

#[test]
fn a_trace_is_read_exactly() {
    let text = "# from the log of one evening\n0\n0.000000001\n\n0.25 # twice\n0.25\n12.5\n";
    let wanted = [0, 1, 250_000_000, 250_000_000, 12_500_000_000];
    let read = parse_trace(text, TraceUnit::S).unwrap();
    assert_eq!(read, wanted);
    let nanoseconds: String = wanted.iter().map(|at| format!("{at}\n")).collect();
    assert_eq!(parse_trace(&nanoseconds, TraceUnit::Ns).unwrap(), wanted);
    let shape = Shape::Trace { times: read };
    assert_eq!(shape.own_length_ns(), Some(12_500_000_001));
    assert_eq!(times(&shape, Arrivals::Poisson, 12_500_000_001, 1), wanted);
    assert_eq!(shape.peak_in(SECOND_NS, 12_500_000_001), 4);
}

#[test]
fn a_wrong_trace_is_refused_with_its_line() {
    for (text, unit, wanted) in [
        ("0\n1\n0.5\n", TraceUnit::S, "line 3: 500000000 ns is before the line above it"),
        ("0\n\none\n", TraceUnit::S, "line 3: `one` is no decimal number"),
        ("1e3\n", TraceUnit::S, "line 1: `1e3`"),
        ("-1\n", TraceUnit::S, "line 1: `-1`"),
        (".5\n", TraceUnit::S, "line 1: `.5`"),
        ("0.0000000001\n", TraceUnit::S, "finer than a nanosecond"),
        ("86400\n", TraceUnit::S, "line 1: `86400` is a day or more"),
        ("99999999999999999999\n", TraceUnit::S, "too large"),
        ("0.5\n", TraceUnit::Ns, "line 1: `0.5` is no whole number of nanoseconds"),
        ("# nothing\n", TraceUnit::S, "no number"),
    ] {
        let error = parse_trace(text, unit).unwrap_err();
        assert!(error.contains(wanted), "{text:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_ramp_is_sorted_within_its_length_and_of_its_count(
        from in 0_u64..5_000, to in 0_u64..5_000, tenths in 1_u64..30, seed in 0_u64..9,
    ) {
        let length = tenths * BIN_NS;
        let shape = Shape::Ramp { from, to };
        let constant = times(&shape, Arrivals::Constant, length, seed);
        let due = shape.due_before(length, length);
        prop_assert!((constant.len() as f64 - due).abs() <= 0.5 + 1e-6);
        for law in [Arrivals::Constant, Arrivals::Poisson] {
            let found = times(&shape, law, length, seed);
            prop_assert!(found.is_sorted());
            prop_assert!(found.iter().all(|at| *at < length));
        }
    }
}
