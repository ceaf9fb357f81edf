//! Exact rank tests: Wilcoxon's signed ranks for pairs, Mann and Whitney's for two unpaired
//! samples.
//!
//! Ties get the mean of their ranks, and the null distribution is counted with those ranks, not
//! with the whole numbers they replace: it stays exact. Ranks are kept doubled, so that they are
//! integers.

use statrs::distribution::{ContinuousCDF as _, Normal};

/// Beyond this many pairs no exact distribution is counted.
pub const MOST_PAIRS: usize = 200;
/// Beyond this many values in both samples the normal approximation stands in.
pub const MOST_VALUES: usize = 80;

/// Twice the rank of each value, from 2; ties share the mean of theirs.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let before = order.iter().position(|i| *i == group[0]).unwrap_or(0);
        // Ranks before + 1 to before + len: twice their mean.
        group.iter().for_each(|i| ranks[*i] = 2 * before + group.len() + 1);
    }
    ranks
}

/// A two-sided exact p and the smallest that so many samples could have given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact {
    /// The probability of a statistic at least as far out, both sides.
    pub p: f64,
    /// The least it can be: a test whose least p is above the level cannot decide.
    pub least: f64,
}

/// Wilcoxon's signed-rank test of a median of zero. Zeros are left out, as Wilcoxon did. `None`
/// when nothing is left, above [`MOST_PAIRS`], or when a sample is not finite.
#[must_use]
pub fn signed_rank(samples: &[f64]) -> Option<Exact> {
    let kept: Vec<f64> = samples.iter().copied().filter(|sample| *sample != 0.0).collect();
    let n = kept.len();
    if n == 0 || n > MOST_PAIRS || kept.iter().any(|sample| !sample.is_finite()) {
        return None;
    }
    let sizes: Vec<f64> = kept.iter().map(|sample| sample.abs()).collect();
    let ranks = doubled_ranks(&sizes);
    let total: usize = ranks.iter().sum();
    let above = ranks.iter().zip(&kept).filter(|(_, sample)| **sample > 0.0);
    let positive: usize = above.map(|(rank, _)| *rank).sum();
    // The probability of each sum of positive ranks, when every sign is a fair coin.
    let mut chances = vec![0.0; total + 1];
    chances[0] = 1.0;
    for rank in &ranks {
        for sum in (0..=total).rev() {
            let with = if sum >= *rank { chances[sum - rank] } else { 0.0 };
            chances[sum] = f64::midpoint(chances[sum], with);
        }
    }
    // The distribution is symmetric: the smaller of the two sums has the smaller tail.
    let tail: f64 = chances[..=positive.min(total - positive)].iter().sum();
    Some(Exact { p: (2.0 * tail).min(1.0), least: (2.0 * chances[0]).min(1.0) })
}

/// Mann and Whitney's test of two samples of one distribution, two-sided: exact up to
/// [`MOST_VALUES`] values, then the normal approximation with corrections for ties and continuity.
/// `None` when a sample is empty or not finite.
#[must_use]
pub fn mann_whitney(one: &[f64], other: &[f64]) -> Option<Exact> {
    let all: Vec<f64> = one.iter().chain(other).copied().collect();
    let (n, m) = (one.len(), other.len());
    if n == 0 || m == 0 || all.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let ranks = doubled_ranks(&all);
    let own: usize = ranks[..n].iter().sum();
    if n + m > MOST_VALUES {
        return Some(Exact { p: approximate(&ranks, own, n, m), least: 0.0 });
    }
    let total: usize = ranks.iter().sum();
    // chances[k][s]: the probability that k of the ranks seen so far were drawn, with the sum s.
    // Of N left to see and k to draw, the next is drawn with k / N: all choices are equally likely.
    let mut chances = vec![vec![0.0; total + 1]; n + 1];
    chances[0][0] = 1.0;
    for (seen, rank) in ranks.iter().enumerate() {
        let left = (ranks.len() - seen) as f64;
        for k in (0..=n.min(seen + 1)).rev() {
            let skip = 1.0 - ((n - k) as f64 / left).min(1.0);
            let take = if k > 0 { ((n - k + 1) as f64 / left).min(1.0) } else { 0.0 };
            for sum in (0..=total).rev() {
                let taken = if k > 0 && sum >= *rank { chances[k - 1][sum - rank] } else { 0.0 };
                chances[k][sum] = chances[k][sum] * skip + taken * take;
            }
        }
    }
    let drawn = &chances[n];
    let (low, high): (f64, f64) = (drawn[..=own].iter().sum(), drawn[own..].iter().sum());
    let mut ends = drawn.iter().copied().filter(|chance| *chance > 0.0);
    let first = ends.next().unwrap_or(1.0);
    let least = 2.0 * first.min(ends.next_back().unwrap_or(first));
    Some(Exact { p: (2.0 * low.min(high)).min(1.0), least: least.min(1.0) })
}

fn approximate(ranks: &[usize], own: usize, n: usize, m: usize) -> f64 {
    let (n, m, all) = (n as f64, m as f64, ranks.len() as f64);
    let mean = n * (all + 1.0) / 2.0;
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let tied = |group: &[usize]| (group.len() as f64).powi(3) - group.len() as f64;
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(tied).sum();
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((own as f64 / 2.0 - mean).abs() - 0.5).max(0.0);
    2.0 * Normal::standard().cdf(-distance / variance.sqrt())
}
