//! How popular each credential is: drawn uniformly, or by Zipf's law.
//!
//! Rank `k` of `n` is drawn with probability proportional to `1 / k^s`. Which credential has which
//! rank is shuffled by the seed: neighbours in the wallet must not be neighbours in popularity.

use anyhow::{Context as _, ensure};
use rand::{Rng, RngExt as _};
use rand_distr::{Distribution as _, Zipf};

use super::schedule::{shuffled, stream};

/// The steepest exponent that is taken, thousandths: beyond it one credential gets nearly all.
pub const EXPONENT_MILLI_MAX: u32 = 5_000;

/// A law of popularity over the credentials `0..n`.
#[derive(Clone, Debug)]
pub struct Popularity {
    /// The credential of each rank.
    ranks: Vec<u32>,
    /// `None` where all are equal.
    law: Option<Zipf<f64>>,
}

impl Popularity {
    /// A law over `count` credentials with exponent `exponent_milli / 1000`; 0 is uniform.
    ///
    /// # Errors
    /// When there is nothing to draw from, or the exponent is above [`EXPONENT_MILLI_MAX`].
    pub fn new(count: u32, exponent_milli: u32, seed: u64, purpose: &str) -> anyhow::Result<Self> {
        ensure!(count > 0, "there are no credentials to draw from");
        ensure!(
            exponent_milli <= EXPONENT_MILLI_MAX,
            "the Zipf exponent is {exponent_milli} thousandths; at most {EXPONENT_MILLI_MAX}"
        );
        let mut rng = stream(seed, &format!("ranks of {purpose}"), 0);
        let ranks = shuffled(count as usize, &mut rng)
            .into_iter()
            .map(|i| u32::try_from(i).unwrap_or(u32::MAX))
            .collect();
        let law = match exponent_milli {
            0 => None,
            milli => {
                let law = Zipf::new(f64::from(count), f64::from(milli) / 1e3);
                Some(law.context("the Zipf law cannot be built")?)
            }
        };
        Ok(Self { ranks, law })
    }

    /// One credential's index.
    pub fn draw(&self, rng: &mut impl Rng) -> u32 {
        let rank = match &self.law {
            None => rng.random_range(0..self.ranks.len()),
            // The law counts ranks from 1, in whole numbers held in a float.
            Some(law) => (law.sample(rng) as usize).clamp(1, self.ranks.len()) - 1,
        };
        self.ranks[rank]
    }

    /// The credential of each rank, the most popular first.
    #[must_use]
    pub fn by_rank(&self) -> &[u32] {
        &self.ranks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 1_000;
    const DRAWS: u32 = 200_000;

    /// The share of each rank, the most popular first.
    fn shares(exponent_milli: u32) -> Vec<f64> {
        let popularity = Popularity::new(COUNT, exponent_milli, 7, "test").unwrap();
        let mut rng = stream(7, "zipf test", 0);
        let mut counts = vec![0_u32; COUNT as usize];
        (0..DRAWS).for_each(|_| counts[popularity.draw(&mut rng) as usize] += 1);
        let of_rank = |i: &u32| f64::from(counts[*i as usize]) / f64::from(DRAWS);
        popularity.by_rank().iter().map(of_rank).collect()
    }

    fn law(exponent: f64) -> Vec<f64> {
        let weights: Vec<f64> = (1..=COUNT).map(|k| f64::from(k).powf(-exponent)).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / sum).collect()
    }

    /// Total variation: the probability mass that stands in the wrong place.
    fn misplaced(seen: &[f64], wanted: &[f64]) -> f64 {
        seen.iter().zip(wanted).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
    }

    #[test]
    fn draws_follow_the_law_and_no_other() {
        for milli in [0, 700, 1_000, 1_400] {
            let seen = shares(milli);
            for other in [0, 700, 1_000, 1_400] {
                let distance = misplaced(&seen, &law(f64::from(other) / 1e3));
                // Chance alone misplaces 2 to 3 % of 200,000 draws over 1,000 ranks.
                assert_eq!(distance < 0.04, milli == other, "{milli} against {other}: {distance}");
            }
        }
        let top = shares(1_000)[0];
        assert!((top / law(1.0)[0] - 1.0).abs() < 0.03, "the most popular one's share is {top}");
    }

    #[test]
    fn the_seed_decides_which_credential_is_popular() {
        let ranks = |seed, purpose| {
            Popularity::new(COUNT, 1_000, seed, purpose).unwrap().by_rank().to_vec()
        };
        assert_eq!(ranks(1, "a"), ranks(1, "a"));
        assert_ne!(ranks(1, "a"), ranks(2, "a"));
        assert_ne!(ranks(1, "a"), ranks(1, "b"));
        assert_ne!(ranks(1, "a"), (0..COUNT).collect::<Vec<_>>());
        let mut sorted = ranks(1, "a");
        sorted.sort_unstable();
        assert_eq!(sorted, (0..COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        assert!(Popularity::new(0, 0, 1, "test").is_err());
        assert!(Popularity::new(1, EXPONENT_MILLI_MAX + 1, 1, "test").is_err());
        let one = Popularity::new(1, EXPONENT_MILLI_MAX, 1, "test").unwrap();
        assert_eq!(one.draw(&mut stream(1, "test", 0)), 0);
    }
}
