//! The bias-corrected and accelerated bootstrap of a mean (Efron 1987): resamples blocks, assumes
//! no normal distribution, and gives the same interval each time from a named stream.

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;
use sha2::{Digest as _, Sha256};
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::Interval;

/// Resamples behind an interval.
pub const RESAMPLES: usize = 10_000;

/// The means of all resamples, sorted, and what corrects the quantiles read from them.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    mean: f64,
    n: usize,
    means: Vec<f64>,
    bias: f64,
    acceleration: f64,
}

impl Bootstrap {
    /// Resamples `samples` [`RESAMPLES`] times from the stream called `stream`: the same samples
    /// and name give the same figures. `None` below two samples or when one is not finite.
    #[must_use]
    pub fn new(samples: &[f64], stream: &str) -> Option<Self> {
        let n = samples.len();
        let size = u32::try_from(n).ok()?;
        if n < 2 || samples.iter().any(|sample| !sample.is_finite()) {
            return None;
        }
        let mean = samples.iter().sum::<f64>() / n as f64;
        let mut draw = Draws::named(stream, size);
        let resample = |_| (0..n).map(|_| samples[draw.index()]).sum::<f64>() / n as f64;
        let mut means: Vec<f64> = (0..RESAMPLES).map(resample).collect();
        means.sort_unstable_by(f64::total_cmp);
        let below = means.partition_point(|resampled| *resampled < mean);
        let not_above = means.partition_point(|resampled| *resampled <= mean);
        let share = (below + not_above) as f64 / 2.0 / RESAMPLES as f64;
        let bias = Normal::standard().inverse_cdf(share);
        Some(Self { mean, n, means, bias, acceleration: acceleration(samples, mean) })
    }

    /// The interval at `confidence` (0.95, ...).
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Interval {
        let normal = Normal::standard();
        let end = |share: f64| {
            let z = self.bias + normal.inverse_cdf(share);
            let corrected = normal.cdf(self.bias + z / (1.0 - self.acceleration * z));
            // Samples that are all the same have no spread to correct.
            quantile(&self.means, if corrected.is_finite() { corrected } else { share })
        };
        let tail = (1.0 - confidence) / 2.0;
        Interval { mean: self.mean, low: end(tail), high: end(1.0 - tail), n: self.n }
    }
}

/// From the means without one sample each: how the spread changes with the mean.
fn acceleration(samples: &[f64], mean: f64) -> f64 {
    let others = (samples.len() - 1) as f64;
    // The mean of all such means is the mean; without a sample it moves by this much.
    let moved = |sample: &f64| (sample - mean) / others;
    let squares: f64 = samples.iter().map(|sample| moved(sample).powi(2)).sum();
    let cubes: f64 = samples.iter().map(|sample| moved(sample).powi(3)).sum();
    if squares == 0.0 { 0.0 } else { cubes / (6.0 * squares.powf(1.5)) }
}

/// The quantile of sorted values, between two of them on a straight line.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// Indices below `n`, two from each 64-bit number of the stream. Written out, because the way a
/// library draws from a range may change with its version, and an interval must not.
struct Draws {
    rng: Pcg64,
    n: u64,
    kept: Option<u32>,
}

impl Draws {
    fn named(stream: &str, n: u32) -> Self {
        let seed: [u8; 32] = Sha256::digest(stream.as_bytes()).into();
        Self { rng: Pcg64::from_seed(seed), n: u64::from(n), kept: None }
    }

    /// An index; for some it is likelier than for others by `n` in 2^32 at most.
    fn index(&mut self) -> usize {
        let word = match self.kept.take() {
            Some(word) => word,
            None => {
                let both = self.rng.next_u64();
                self.kept = Some(both as u32);
                (both >> 32) as u32
            }
        };
        ((u64::from(word) * self.n) >> 32) as usize
    }
}
