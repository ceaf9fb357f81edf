//! When requests are due: seeded arrival laws, computed before the run.

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Exp1};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::exchange::Op;

/// The law that gaps between arrivals follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Exponential gaps: independent clients.
    Poisson,
    /// Equal gaps.
    Constant,
}

impl Arrivals {
    /// The law's name in plans and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Constant => "constant",
        }
    }

    /// Intended start times in nanoseconds from the schedule's begin, ascending, all before
    /// `length_ns`. The first constant arrival is half a gap in.
    pub fn times(self, rate_per_second: u64, length_ns: u64, rng: &mut impl Rng) -> Vec<u64> {
        let gap_ns = 1e9 / rate_per_second.max(1) as f64;
        let mut times = Vec::with_capacity((length_ns as f64 / gap_ns * 1.2) as usize + 8);
        let mut at = match self {
            Self::Poisson => 0.0,
            Self::Constant => -gap_ns / 2.0,
        };
        loop {
            at += match self {
                Self::Poisson => {
                    let unit: f64 = Exp1.sample(rng);
                    gap_ns * unit
                }
                Self::Constant => gap_ns,
            };
            if at >= length_ns as f64 {
                return times;
            }
            times.push(at as u64);
        }
    }
}

/// A generator for one purpose: streams of different purposes under one seed are independent, and
/// adding a purpose does not move the others. PCG, because its streams are stable across versions.
#[must_use]
pub fn stream(seed: u64, purpose: &str, index: u64) -> Pcg64 {
    // FNV-1a: any fixed hash serves; this one is six lines and never changes.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in purpose.bytes().chain(index.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Pcg64::seed_from_u64(seed ^ hash)
}

/// SHA-256 of a schedule, hexadecimal: of `(at_ns, target, exchange)` of every request in order,
/// little-endian in 8, 4 and 4 bytes. Two drivers that print the same send the same.
#[must_use]
pub fn sha256(ops: &[Op]) -> String {
    let mut hash = Sha256::new();
    for op in ops {
        hash.update(op.at_ns.to_le_bytes());
        hash.update(op.target.to_le_bytes());
        hash.update(op.exchange.to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A random order of `0..n` (Fisher-Yates).
pub fn shuffled(n: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn constant_arrivals_are_exact_and_equal() {
        let times = Arrivals::Constant.times(1_000, SECOND_NS, &mut stream(1, "test", 0));
        assert_eq!(times.len(), 1_000);
        assert!(times.windows(2).all(|w| w[1] - w[0] == 1_000_000));
        assert_eq!(times[0], 500_000);
    }

    /// Kolmogorov-Smirnov distance of the gaps to the exponential law, and the dispersion of the
    /// counts: effect sizes, not p-values.
    #[test]
    fn poisson_arrivals_follow_the_law() {
        let rate = 5_000;
        let times = Arrivals::Poisson.times(rate, 20 * SECOND_NS, &mut stream(7, "test", 0));
        let mut gaps: Vec<f64> =
            times.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e9 * rate as f64).collect();
        gaps.sort_by(f64::total_cmp);
        let n = gaps.len() as f64;
        let distance = gaps
            .iter()
            .enumerate()
            .map(|(i, gap)| ((i as f64 / n) - (1.0 - (-gap).exp())).abs())
            .fold(0.0, f64::max);
        assert!(distance < 0.02, "KS distance {distance}");

        let mut counts = vec![0_f64; 200];
        for at in &times {
            counts[(at / 100_000_000) as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / 200.0;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 199.0;
        assert!((0.8..1.25).contains(&(variance / mean)), "dispersion {}", variance / mean);
        assert!((mean / 500.0 - 1.0).abs() < 0.02, "mean {mean}");
        // The control: constant arrivals fail both.
        let constant = Arrivals::Constant.times(rate, SECOND_NS, &mut stream(7, "test", 0));
        assert!(constant.windows(2).all(|w| w[1].abs_diff(w[0]) <= 200_001));
    }

    #[test]
    fn a_seed_fixes_the_schedule_and_purposes_do_not_interfere() {
        let draw = |seed, purpose, index| {
            Arrivals::Poisson.times(1_000, SECOND_NS, &mut stream(seed, purpose, index))
        };
        assert_eq!(draw(1, "slot", 3), draw(1, "slot", 3));
        assert_ne!(draw(1, "slot", 3), draw(1, "slot", 4));
        assert_ne!(draw(1, "slot", 3), draw(1, "order", 3));
        assert_ne!(draw(1, "slot", 3), draw(2, "slot", 3));
    }

    #[test]
    fn an_order_holds_everything_once() {
        let mut order = shuffled(100, &mut stream(1, "order", 0));
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
