//! Tests, bootstraps and rules of decision against figures that SciPy 1.17.1 gave.

use authbench_harness::measure::comparison::{Comparison, Outcome, decide};
use authbench_harness::measure::stats::bootstrap::Bootstrap;
use authbench_harness::measure::stats::means::{Located, holm};
use authbench_harness::measure::stats::ranks::{mann_whitney, signed_rank};

const BLOCKS: [f64; 10] = [0.031, -0.012, 0.044, 0.027, 0.008, 0.019, 0.052, -0.004, 0.036, 0.015];
/// Two blocks that met something else.
const SKEWED: [f64; 12] =
    [0.01, 0.012, 0.015, 0.011, 0.2, 0.013, 0.016, 0.35, 0.014, 0.012, 0.018, 0.02];

fn close(found: f64, golden: f64) {
    assert!((found - golden).abs() <= 1e-9 * golden.abs(), "{found} is not {golden}");
}

#[test]
fn students_and_welchs_tests_are_scipys() {
    let one = Located::of(&BLOCKS).unwrap();
    close(one.p(), 0.008_698_935_918_711_157);
    close(one.p_within(0.95_f64.ln(), 1.05_f64.ln()), 0.001_151_859_441_624_192_6);
    let (a, b) = (
        [0.11, 0.12, 0.09, 0.13, 0.10, 0.115, 0.095, 0.125],
        [0.14, 0.16, 0.12, 0.15, 0.17, 0.135, 0.155, 0.165, 0.18, 0.145],
    );
    let two = Located::welch(&b, &a).unwrap();
    close(two.freedom, 15.985_021_696_473_58);
    close(two.p(), 5.577_138_163_367_096_6e-5);
    let interval = two.interval(0.95).unwrap();
    close(interval.low, 0.025_220_528_190_181_29);
    close(interval.high, 0.057_529_471_809_818_7);
}

#[test]
fn samples_without_spread_leave_no_doubt() {
    let same = Located::of(&[0.02; 6]).unwrap();
    assert_eq!((same.p(), same.p_within(-0.05, 0.05)), (0.0, 0.0));
    assert_eq!(same.p_within(-0.01, 0.01), 1.0);
    assert_eq!(Located::of(&[0.0; 6]).unwrap().p(), 1.0);
    assert!(Located::of(&[1.0]).is_none() && Located::of(&[1.0, f64::NAN]).is_none());
    assert!(Located::welch(&[1.0], &[1.0, 2.0]).is_none());
}

#[test]
fn signed_ranks_are_scipys_with_ties_and_zeros() {
    close(signed_rank(&BLOCKS).unwrap().p, 0.013_671_875);
    close(signed_rank(&[1.5, -0.5, 2.25, 3.0, -1.0, 0.75, 4.0]).unwrap().p, 0.109_375);
    // The permutation test: mid-ranks for the ties, the zero left out.
    close(signed_rank(&[1., -1., 2., 2., -3., 0., 4., 5.]).unwrap().p, 0.25);
    let fifty: Vec<f64> = (0..50_i32)
        .map(|i| f64::from((i * 37) % 50 + 1) * if i % 3 == 0 { -1.0 } else { 1.0 })
        .collect();
    close(signed_rank(&fifty).unwrap().p, 0.029_727_315_082_014_982);
    // Five blocks cannot reach 5 %, whatever they are.
    let five = signed_rank(&[1., 2., 3., 4., 5.]).unwrap();
    assert_eq!((five.p, five.least), (0.0625, 0.0625));
    assert_eq!(signed_rank(&[0.0, 0.0]), None);
    assert_eq!(signed_rank(&[1.0, f64::NAN]), None);
}

#[test]
fn ranks_of_two_samples_are_scipys() {
    let (a, b) = (
        [0.11, 0.122, 0.09, 0.13, 0.10, 0.115, 0.095, 0.125],
        [0.14, 0.16, 0.12, 0.15, 0.17, 0.135, 0.155, 0.165, 0.18, 0.145],
    );
    // Of the 43,758 choices the statistic is among the 7 most extreme on its side.
    close(mann_whitney(&b, &a).unwrap().p, 0.000_319_941_496_412_084_63);
    close(mann_whitney(&[1., 4., 5.], &[2., 3., 6., 7.]).unwrap().p, 0.628_571_428_571_428_6);
    // With ties, SciPy's permutation test.
    let (x, y) = ([1., 2., 2., 3., 5.], [2., 4., 4., 6., 7., 8.]);
    close(mann_whitney(&x, &y).unwrap().p, 0.077_922_077_922_077_92);
    // Beyond 80 values the approximation, as SciPy's `asymptotic`.
    let many = |n: i32, by: f64| (0..n).map(|i| f64::from(i) + by).collect::<Vec<_>>();
    close(mann_whitney(&many(60, 0.0), &many(50, 7.5)).unwrap().p, 0.454_837_967_749_559_3);
    assert_eq!(mann_whitney(&[], &[1.0]), None);
}

#[test]
fn bootstrap_intervals_are_scipys_within_the_noise_of_resampling() {
    // `stats.bootstrap(.., method="BCa", n_resamples=400_000)`.
    for (samples, confidence, low, high) in [
        (&BLOCKS[..], 0.90, 0.011, 0.0313),
        (&BLOCKS[..], 0.95, 0.009, 0.0331),
        (&SKEWED[..], 0.90, 0.015_25, 0.129_417),
        (&SKEWED[..], 0.95, 0.014_25, 0.153_333),
    ] {
        let found = Bootstrap::new(samples, "a test").unwrap().interval(confidence);
        let tolerance = 0.05 * (high - low);
        assert!((found.low - low).abs() < tolerance, "{found:?}, not from {low}");
        assert!((found.high - high).abs() < tolerance, "{found:?}, not to {high}");
    }
    let again = |name| Bootstrap::new(&BLOCKS, name).unwrap().interval(0.95);
    assert_eq!(again("a/b"), again("a/b"), "the same name gives the same figures");
    assert_ne!(again("a/b"), again("a/c"));
    let flat = Bootstrap::new(&[0.5; 8], "flat").unwrap().interval(0.95);
    assert_eq!((flat.low, flat.high), (0.5, 0.5));
}

#[test]
fn holms_rule_steps_down() {
    let found = holm(&[0.01, 0.04, 0.03, 0.005]);
    let golden = [0.03, 0.06, 0.06, 0.02];
    found.iter().zip(golden).for_each(|(found, golden)| close(*found, golden));
    assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
    assert!(holm(&[]).is_empty());
}

fn compared(samples: &[f64]) -> Comparison {
    Comparison::of_log_ratios(samples, "a test").unwrap()
}

#[test]
fn a_comparison_that_decides_alone_may_not_decide_in_a_family() {
    // p = 0.0087, and not within 5 %: the mean is moved.
    let one = compared(&BLOCKS.map(|sample| sample + 0.03));
    let weak = compared(&BLOCKS.map(|sample| 3.0 * (sample - 0.004)));
    assert!(weak.p > 0.005 && weak.p < 0.05, "{}", weak.p);
    assert_eq!(decide(&[&weak])[0].outcome, Outcome::Above);
    let nothing = compared(&BLOCKS.map(|sample| 5.0 * (sample - 0.0216)));
    let mut family = vec![&nothing; 20];
    family.push(&weak);
    let last = decide(&family)[20];
    assert_eq!(last.outcome, Outcome::Undecided);
    assert!(last.p_adjusted > 0.05);
    family.push(&one);
    assert_eq!(decide(&family)[21].outcome, Outcome::Above, "a strong one still decides");
}

#[test]
fn equivalence_needs_its_own_test() {
    // Not zero, and not worth a word: equivalent comes first.
    let small = compared(&BLOCKS.map(|sample| 0.012 + sample / 20.0));
    assert!(small.p < 0.05);
    assert_eq!(decide(&[&small])[0].outcome, Outcome::Equivalent);
    // What is only not decided is not equivalent.
    let wide = compared(&BLOCKS.map(|sample| 5.0 * (sample - 0.0216)));
    assert_eq!(decide(&[&wide])[0].outcome, Outcome::Undecided);
    let below = compared(&BLOCKS.map(|sample| -sample - 0.1));
    assert_eq!(decide(&[&below])[0].outcome, Outcome::Below);
}

#[test]
fn where_the_methods_disagree_the_wider_interval_stands_and_nothing_is_decided() {
    let agreed = compared(&BLOCKS);
    assert!(agreed.agrees() && agreed.note().is_none());
    assert_eq!(agreed.printed(), agreed.interval);
    // Twelve blocks above zero, two of them far: the ranks and the bootstrap see it, t does not.
    let skewed = compared(&SKEWED);
    assert!(skewed.interval.low < 0.0 && skewed.bca.unwrap().low > 0.0);
    assert!(!skewed.agrees());
    assert!(skewed.note().unwrap().contains("cross-check disagrees"));
    let (t, bca) = (skewed.interval, skewed.bca.unwrap());
    let wider = if bca.width() > t.width() { bca } else { t };
    assert_eq!(skewed.printed(), wider);
    assert_eq!(decide(&[&skewed])[0].outcome, Outcome::Undecided);
    let check = skewed.cross_check(|interval| interval.as_change()).unwrap();
    assert!(!check.agrees && check.signed_rank_p.unwrap() < 0.05);
}

#[test]
fn a_change_turned_round_is_the_change_of_the_inverse() {
    let there = compared(&BLOCKS).interval.as_change();
    let back = compared(&BLOCKS.map(|sample| -sample)).interval.as_change();
    close((1.0 + there.mean) * (1.0 + back.mean), 1.0);
    close((1.0 + there.low) * (1.0 + back.high), 1.0);
}
