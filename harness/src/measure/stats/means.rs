//! Tests of means: Student's of one, Welch's of two, two one-sided for equivalence; Holm's rule for
//! a family of them.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::Interval;

/// Mean, its standard error, and degrees of freedom.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// The mean, or the difference of two.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// Samples.
    pub n: usize,
}

/// Mean and variance; `None` below two samples or when one is not finite.
fn moments(samples: &[f64]) -> Option<(f64, f64)> {
    let n = samples.len();
    if n < 2 || samples.iter().any(|sample| !sample.is_finite()) {
        return None;
    }
    let mean = samples.iter().sum::<f64>() / n as f64;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    Some((mean, squares / (n - 1) as f64))
}

impl Located {
    /// The mean of one sample. `None` below two, or when one is not finite.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let (mean, variance) = moments(samples)?;
        let n = samples.len();
        Some(Self { mean, error: (variance / n as f64).sqrt(), freedom: (n - 1) as f64, n })
    }

    /// Welch's: the mean of `one` minus that of `other`, which need not vary alike. `n` is that of
    /// the smaller sample.
    #[must_use]
    pub fn welch(one: &[f64], other: &[f64]) -> Option<Self> {
        let ((a, va), (b, vb)) = (moments(one)?, moments(other)?);
        let (n, m) = (one.len() as f64, other.len() as f64);
        let (ea, eb) = (va / n, vb / m);
        let freedom = (ea + eb).powi(2) / (ea.powi(2) / (n - 1.0) + eb.powi(2) / (m - 1.0));
        let freedom = if freedom.is_finite() { freedom } else { n + m - 2.0 };
        let n = one.len().min(other.len());
        Some(Self { mean: a - b, error: (ea + eb).sqrt(), freedom, n })
    }

    /// The t interval at `confidence` (0.95, ...).
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let student = StudentsT::new(0.0, 1.0, self.freedom).ok()?;
        let half = student.inverse_cdf(0.5 + confidence / 2.0) * self.error;
        let Self { mean, n, .. } = *self;
        Some(Interval { mean, low: mean - half, high: mean + half, n })
    }

    /// Two-sided p of a mean of zero.
    #[must_use]
    pub fn p(&self) -> f64 {
        (2.0 * self.below(-self.mean.abs())).min(1.0)
    }

    /// p of the two one-sided tests: small when the mean is above `low` and below `high`.
    #[must_use]
    pub fn p_within(&self, low: f64, high: f64) -> f64 {
        self.below(low - self.mean).max(self.below(self.mean - high))
    }

    /// The probability of a mean so far below its truth.
    fn below(&self, distance: f64) -> f64 {
        if self.error == 0.0 {
            // Samples that are all the same leave no doubt; on the limit itself there is nothing
            // but doubt.
            return if distance < 0.0 { 0.0 } else { 1.0 };
        }
        let student = StudentsT::new(0.0, 1.0, self.freedom);
        student.map_or(1.0, |student| student.cdf(distance / self.error))
    }
}

/// Holm's step-down rule: each p as it counts among all of them, so that the chance of even one
/// false decision in the family stays at the level; in the order given.
#[must_use]
pub fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut adjusted = vec![1.0; ps.len()];
    let mut largest = 0.0_f64;
    for (place, i) in order.into_iter().enumerate() {
        largest = largest.max((ps.len() - place) as f64 * ps[i]).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}
