//! Intervals over blocks, bounds by order statistics, rounding. Checked against SciPy's figures.

use statrs::distribution::{Beta, ContinuousCDF as _, StudentsT};

use crate::record::derived::{Estimate, Verdict};

/// An interval within this share of zero is called equivalent.
pub const EQUIVALENCE: f64 = 0.05;

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
    let n = samples.len();
    if n < 2 || samples.iter().any(|sample| !sample.is_finite()) {
        return None;
    }
    let mean = samples.iter().sum::<f64>() / n as f64;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    let student = StudentsT::new(0.0, 1.0, (n - 1) as f64).ok()?;
    let half = student.inverse_cdf(0.5 + confidence / 2.0) * error;
    Some(Interval { mean, low: mean - half, high: mean + half, n })
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

/// What an interval of a relative CPU difference allows to be said.
#[must_use]
pub fn cpu_verdict(interval: &Interval) -> Verdict {
    verdict(interval, EQUIVALENCE, Verdict::Cheaper, Verdict::Dearer)
}

/// What an interval of a latency difference allows to be said; `margin` in the same unit.
#[must_use]
pub fn latency_verdict(interval: &Interval, margin: f64) -> Verdict {
    verdict(interval, margin, Verdict::Faster, Verdict::Slower)
}

fn verdict(interval: &Interval, margin: f64, below: Verdict, above: Verdict) -> Verdict {
    if interval.low >= -margin && interval.high <= margin {
        Verdict::Equivalent
    } else if interval.low > 0.0 {
        above
    } else if interval.high < 0.0 {
        below
    } else {
        Verdict::Undecided
    }
}
