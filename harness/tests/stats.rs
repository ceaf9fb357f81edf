//! Statistics against figures that SciPy 1.x gave (`stats.t.interval`, `stats.binom.cdf`).

use authbench_harness::measure::stats::{
    median, median_interval, six, t_interval, upper_bound_rank,
};

fn close(found: f64, golden: f64) {
    assert!((found - golden).abs() <= 1e-9 * golden.abs(), "{found} is not {golden}");
}

#[test]
fn t_intervals_are_scipys() {
    let ratios = [0.031, -0.012, 0.044, 0.027, 0.008];
    for (confidence, low, high) in [
        (0.95, -0.007_555_279_641_451_518_5, 0.046_755_279_641_451_514),
        (0.99, -0.025_430_778_203_833_777, 0.064_630_778_203_833_78),
        (0.999, -0.064_613_855_624_899_69, 0.103_813_855_624_902_11),
    ] {
        let interval = t_interval(&ratios, confidence).unwrap();
        close(interval.mean, 0.0196);
        close(interval.low, low);
        close(interval.high, high);
    }
    let cpu = [15012., 15980., 14210., 16655., 15333., 14876., 15101., 15444., 15950., 14620.];
    let interval = t_interval(&cpu, 0.95).unwrap();
    close(interval.low, 14_801.571_643_189_942);
    close(interval.high, 15_834.628_356_810_059);
}

#[test]
fn an_interval_needs_two_finite_samples() {
    assert_eq!(t_interval(&[1.0], 0.95), None);
    assert_eq!(t_interval(&[1.0, f64::NAN], 0.95), None);
    let flat = t_interval(&[2.0, 2.0, 2.0], 0.95).unwrap();
    assert_eq!((flat.low, flat.high), (2.0, 2.0));
}

#[test]
fn upper_bounds_by_order_statistics_are_those_of_the_binomial() {
    // n, then the smallest k with binom.cdf(k - 1, n, q) >= 0.95 for q = 0.95, 0.99, 0.5.
    for (n, p95, p99, p50) in [
        (58, None, None, 36),
        (59, Some(59), None, 37),
        (93, Some(92), None, 55),
        (100, Some(99), None, 59),
        (298, Some(290), None, 164),
        (299, Some(291), Some(299), 165),
        (400, Some(388), Some(400), 217),
        (473, Some(458), Some(472), 255),
        (1000, Some(962), Some(996), 527),
        (2000, Some(1917), Some(1988), 1038),
    ] {
        assert_eq!(upper_bound_rank(n, 950), p95, "p95 of {n}");
        assert_eq!(upper_bound_rank(n, 990), p99, "p99 of {n}");
        assert_eq!(upper_bound_rank(n, 500), Some(p50), "p50 of {n}");
    }
    assert_eq!(upper_bound_rank(0, 500), None);
}

#[test]
fn figures_keep_six_digits() {
    assert_eq!(six(15_318.123_456), 15_318.1);
    assert_eq!(six(-0.001_234_567_8), -0.001_234_57);
    assert_eq!(six(-1e-320_f64 * 0.0).to_bits(), 0.0_f64.to_bits());
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(&[]), None);
}

/// Ranks for 95 % from the tables of the sign test: 1 of 6, 2 of 10, 18 of 50.
#[test]
fn the_interval_of_a_median_is_made_of_order_statistics() {
    let samples = |n: i32| (1..=n).map(f64::from).rev().collect::<Vec<_>>();
    for (n, rank) in [(6, 1.0), (10, 2.0), (50, 18.0)] {
        let found = median_interval(&samples(n)).unwrap();
        assert_eq!((found.low, found.high), (rank, f64::from(n) + 1.0 - rank), "{n}");
        assert!((found.mean - f64::from(n + 1) / 2.0).abs() < 1e-12);
    }
    assert_eq!(median_interval(&samples(5)), None);
    assert_eq!(median_interval(&[1.0, 2.0, 3.0, 4.0, 5.0, f64::NAN]), None);
}
