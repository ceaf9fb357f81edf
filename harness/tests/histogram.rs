//! The one histogram: merging, percentiles and the way through a record.

use authbench_harness::measure::histogram::{HIGH_NS, LatencyHistogram, supports};
use authbench_harness::record::run::Histogram;
use proptest::prelude::*;

fn of(values: &[u64]) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::new();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

/// Every order of magnitude, not mostly the largest.
fn nanoseconds() -> impl Strategy<Value = u64> {
    (0_u32..37).prop_flat_map(|bits| 0..=(1_u64 << bits).min(HIGH_NS))
}

fn values(most: usize) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(nanoseconds(), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_recording_everything_in_one(a in values(200), b in values(200)) {
        let mut merged = of(&a);
        merged.add(&of(&b));
        let union: Vec<u64> = a.iter().chain(&b).copied().collect();
        prop_assert_eq!(&merged, &of(&union));
        prop_assert_eq!(merged.to_record(), of(&union).to_record());
    }

    #[test]
    fn percentiles_are_those_of_the_sorted(mut all in values(400), permille in 1_u32..=1000) {
        prop_assume!(!all.is_empty());
        let histogram = of(&all);
        all.sort_unstable();
        let rank = (all.len() * permille as usize).div_ceil(1000).max(1);
        let exact = all[rank - 1] as f64;
        let found = histogram.percentile(permille).unwrap() as f64;
        prop_assert!((found - exact).abs() <= 0.001 * exact, "{found} against {exact}");
        prop_assert_eq!(histogram.min_ns(), all.first().copied());
        prop_assert_eq!(histogram.max_ns(), all.last().copied());
        prop_assert_eq!(histogram.sum_ns(), all.iter().sum::<u64>());
    }

    #[test]
    fn a_record_gives_it_back(all in values(300)) {
        let histogram = of(&all);
        let json = serde_json::to_string(&histogram.to_record()).unwrap();
        let back = LatencyHistogram::from_record(&serde_json::from_str(&json).unwrap()).unwrap();
        prop_assert_eq!(&back, &histogram);
        // And it can still be merged: the geometry came back as well.
        let mut twice = back;
        twice.add(&histogram);
        prop_assert_eq!(twice.len(), 2 * histogram.len());
    }
}

#[test]
fn a_value_out_of_range_is_counted_and_enters_nothing_else() {
    let mut histogram = of(&[5, HIGH_NS]);
    histogram.record(HIGH_NS + 1);
    histogram.record(u64::MAX);
    assert_eq!((histogram.len(), histogram.out_of_range()), (2, 2));
    assert_eq!(histogram.max_ns(), Some(HIGH_NS));
    assert_eq!(histogram.to_record().out_of_range, 2);
}

#[test]
fn an_edited_record_is_refused_and_says_what_contradicts() {
    let whole = of(&[1_000, 2_000, 3_000]).to_record();
    type Edit = fn(&mut Histogram);
    let cases: [(&str, Edit); 6] = [
        ("n is 4", |h| h.n = 4),
        ("min_ns is Some(900)", |h| h.min_ns = Some(900)),
        ("max_ns is None", |h| h.max_ns = None),
        ("sum_ns is 9000", |h| h.sum_ns = 9_000),
        ("base64", |h| h.hdr_v2_deflate_base64.push('!')),
        ("HdrHistogram", |h| h.hdr_v2_deflate_base64 = "AAAA".into()),
    ];
    for (expected, edit) in cases {
        let mut edited = whole.clone();
        edit(&mut edited);
        let error = LatencyHistogram::from_record(&edited).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} does not say {expected}");
    }
}

#[test]
fn a_percentile_needs_100_samples_beyond_it() {
    for (permille, least) in [(500, 200), (900, 1_000), (990, 10_000), (999, 100_000)] {
        assert!(supports(least, permille));
        assert!(!supports(least - 1, permille));
    }
    assert_eq!(of(&[7; 199]).supported_percentile(500), None);
    assert_eq!(of(&[7; 200]).supported_percentile(500), Some(7));
}
