//! Intervals over blocks, bounds by order statistics, rounding. Checked against SciPy's figures.

pub mod bootstrap;
pub mod kolmogorov;
pub mod means;
pub mod ranks;

use statrs::distribution::{Beta, ContinuousCDF as _};

use crate::record::derived::Estimate;
use means::Located;

/// A mean and an interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Samples.
    pub n: usize,
}

impl Interval {
    /// Whether `value` lies within, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Every figure times `factor`, which must not be negative.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let Self { mean, low, high, n } = *self;
        Self { mean: mean * factor, low: low * factor, high: high * factor, n }
    }

    /// Of logarithms of ratios: the ratios, less one.
    #[must_use]
    pub fn as_change(&self) -> Self {
        let Self { mean, low, high, n } = *self;
        Self { mean: mean.exp_m1(), low: low.exp_m1(), high: high.exp_m1(), n }
    }

    /// From end to end.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// The form in which it is written, rounded.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let n = u32::try_from(self.n).unwrap_or(u32::MAX);
        Estimate { value: six(self.mean), low: six(self.low), high: six(self.high), n }
    }
}

/// Student's t interval of the mean at `confidence` (0.95, ...); `None` below two samples or when a
/// sample is not finite.
#[must_use]
pub fn t_interval(samples: &[f64], confidence: f64) -> Option<Interval> {
    Located::of(samples)?.interval(confidence)
}

/// The 95 % interval of the mean.
#[must_use]
pub fn t95(samples: &[f64]) -> Option<Interval> {
    t_interval(samples, 0.95)
}

/// The rank, from 1, of the smallest order statistic of `n` that is, with 95 % confidence, not
/// below the quantile `permille`: a one-sided upper bound free of any assumption about the
/// distribution. `None` when even the largest is not: below 59 samples for p95, 299 for p99.
#[must_use]
pub fn upper_bound_rank(n: usize, permille: u32) -> Option<usize> {
    let q = f64::from(permille) / 1000.0;
    // P(X(k) >= quantile) = P(Binomial(n, q) < k) = 1 - I_q(k, n - k + 1).
    let holds = |k: usize| {
        let (a, b) = (k as f64, (n - k + 1) as f64);
        Beta::new(a, b).is_ok_and(|beta| 1.0 - beta.cdf(q) >= 0.95)
    };
    if n == 0 || !holds(n) {
        return None;
    }
    // The probability grows with k.
    let (mut fails, mut works) = (0, n);
    while works - fails > 1 {
        let middle = usize::midpoint(fails, works);
        if holds(middle) { works = middle } else { fails = middle }
    }
    Some(works)
}

/// The median; `None` of nothing.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The median and an interval around it that covers it with at least 95 %, by order statistics: it
/// assumes nothing about the distribution of the samples. `None` below six of them, or when one is
/// not finite.
#[must_use]
pub fn median_interval(samples: &[f64]) -> Option<Interval> {
    let n = samples.len();
    if n < 6 || samples.iter().any(|sample| !sample.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    // The largest k with P(Binomial(n, 1/2) < k) <= 2.5 %; that probability is
    // I_1/2(n - k + 1, k).
    let tail = |k: usize| Beta::new((n - k + 1) as f64, k as f64).map_or(1.0, |b| b.cdf(0.5));
    let k = (1..=n / 2).take_while(|k| tail(*k) <= 0.025).last()?;
    Some(Interval { mean: median(&sorted)?, low: sorted[k - 1], high: sorted[n - k], n })
}

/// Rounded to six significant digits, so that the last bits of a platform's mathematics do not
/// show.
#[must_use]
pub fn six(value: f64) -> f64 {
    let rounded = format!("{value:.5e}").parse().unwrap_or(value);
    // No negative zero in a record.
    if rounded == 0.0 { 0.0 } else { rounded }
}
