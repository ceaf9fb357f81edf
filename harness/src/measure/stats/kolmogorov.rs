//! Kolmogorov and Smirnov's distance of a sample to a law that is known beforehand, for values that
//! are only known to lie in an interval.

/// The distance to the law with the distribution function `law` that no choice of values within
/// their intervals `(low, high)` can undercut; `None` for no values. With `low == high` it is the
/// usual one.
#[must_use]
pub fn distance(intervals: &[(f64, f64)], law: impl Fn(f64) -> f64) -> Option<f64> {
    let n = intervals.len() as f64;
    let sorted = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = intervals.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    // As low as they can be, values are at the least below the law; as high, at the least above.
    let below = sorted(|i| i.0).into_iter().enumerate().map(|(i, at)| law(at) - i as f64 / n);
    let above = sorted(|i| i.1).into_iter().enumerate().map(|(i, at)| (i + 1) as f64 / n - law(at));
    (!intervals.is_empty()).then(|| below.chain(above).fold(0.0, f64::max))
}

/// Beyond this distance `n` values are not of the law, at the level `alpha`: Stephens' form of the
/// limiting distribution, good from five values on (M. A. Stephens, JASA 69, 1974).
#[must_use]
pub fn critical(n: usize, alpha: f64) -> f64 {
    let root = (n as f64).sqrt();
    (-(alpha / 2.0).ln() / 2.0).sqrt() / (root + 0.12 + 0.11 / root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(x: f64) -> f64 {
        x.clamp(0.0, 1.0)
    }

    fn exact(values: &[f64]) -> Vec<(f64, f64)> {
        values.iter().map(|x| (*x, *x)).collect()
    }

    /// By hand: of one value x the distance is max(x, 1 - x); of 0.1, 0.5, 0.6 it is 0.4.
    #[test]
    fn exact_values_have_the_usual_distance() {
        for (values, wanted) in [
            (&[0.5][..], 0.5),
            (&[0.2], 0.8),
            (&[0.6, 0.1, 0.5], 0.4),
            (&[0.125, 0.375, 0.625, 0.875], 0.125),
        ] {
            let found = distance(&exact(values), uniform).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{values:?}: {found}");
        }
        assert_eq!(distance(&[], uniform), None);
    }

    #[test]
    fn what_intervals_leave_open_is_no_distance() {
        let wide = [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)];
        assert_eq!(distance(&wide, uniform), Some(0.0));
        let shifted: Vec<(f64, f64)> =
            (0..100).map(|i| f64::from(i) / 100.0).map(|x| (x, x + 0.01)).collect();
        assert!(distance(&shifted, uniform).unwrap() < 1e-9);
        let early: Vec<(f64, f64)> = shifted.iter().map(|(a, b)| (a / 2.0, b / 2.0)).collect();
        assert!((distance(&early, uniform).unwrap() - 0.495).abs() < 0.011);
    }

    /// Of tables: 0.5633 for 5 values, 0.1340 for 100, at 5 % (exact, two-sided).
    #[test]
    fn critical_distances_are_those_of_tables() {
        for (n, wanted) in [(5, 0.5633), (20, 0.2941), (100, 0.1340)] {
            assert!((critical(n, 0.05) / wanted - 1.0).abs() < 0.01, "{n}: {}", critical(n, 0.05));
        }
        assert!(critical(300, 0.025) > critical(300, 0.05));
    }
}
