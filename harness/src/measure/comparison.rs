//! One comparison over blocks and its cross-checks, and what a family of comparisons allows to be
//! said.
//!
//! Of each block the logarithm of a ratio (or a difference) is one sample. Student's t gives the
//! interval and the p; the BCa bootstrap and Wilcoxon's signed ranks, which assume less, have to
//! agree. Decisions are Holm's over a declared family, so that many comparisons make no more false
//! ones than a single comparison would.

use crate::record::derived::CrossCheck;

use super::stats::bootstrap::Bootstrap;
use super::stats::means::{Located, holm};
use super::stats::ranks::signed_rank;
use super::stats::{Interval, six};

/// The chance of even one false decision in a family.
pub const LEVEL: f64 = 0.05;
/// Two that differ by less than this share are worth no word: equivalent.
pub const EQUIVALENCE: f64 = 0.05;
/// Below this many blocks there is no cross-check: the signed ranks of five blocks cannot reach
/// p < 0.05 whatever they are, and five blocks have too few resamples.
pub const CROSS_CHECK_BLOCKS: usize = 6;

/// What may be said about a comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Above zero.
    Above,
    /// Below zero.
    Below,
    /// Within the margins.
    Equivalent,
    /// None of these.
    Undecided,
}

/// The same quantity in two arms, over blocks.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Mean and 95 % t interval of the samples.
    pub interval: Interval,
    /// Two-sided p of a mean of zero.
    pub p: f64,
    /// p of the two one-sided tests against the margins.
    pub p_equivalent: f64,
    /// The 95 % BCa interval; `None` below [`CROSS_CHECK_BLOCKS`].
    pub bca: Option<Interval>,
    /// Exact two-sided p of the signed ranks; `None` below [`CROSS_CHECK_BLOCKS`].
    pub signed_rank_p: Option<f64>,
    agrees: bool,
}

impl Comparison {
    /// Of logarithms of ratios, one per block; the margins are 5 % of the whole. `stream` names the
    /// random numbers of the bootstrap. `None` below two blocks, or when a sample is not finite.
    #[must_use]
    pub fn of_log_ratios(samples: &[f64], stream: &str) -> Option<Self> {
        Self::new(samples, ((-EQUIVALENCE).ln_1p(), EQUIVALENCE.ln_1p()), stream)
    }

    /// Of differences, one per block, equivalent within `margin`.
    #[must_use]
    pub fn of_differences(samples: &[f64], margin: f64, stream: &str) -> Option<Self> {
        Self::new(samples, (-margin, margin), stream)
    }

    fn new(samples: &[f64], margins: (f64, f64), stream: &str) -> Option<Self> {
        let located = Located::of(samples)?;
        let interval = located.interval(0.95)?;
        let ninety = located.interval(0.90)?;
        let mut this = Self {
            interval,
            p: located.p(),
            p_equivalent: located.p_within(margins.0, margins.1),
            bca: None,
            signed_rank_p: None,
            agrees: true,
        };
        if samples.len() < CROSS_CHECK_BLOCKS {
            return Some(this);
        }
        let bootstrap = Bootstrap::new(samples, stream)?;
        let bca = bootstrap.interval(0.95);
        let by_t = alone(&interval, &ninety, margins);
        let by_bca = alone(&bca, &bootstrap.interval(0.90), margins);
        // Zeros are left out, so that few ranks may remain: those cannot object.
        let ranks = signed_rank(samples).filter(|exact| exact.least < LEVEL);
        let ranks_agree = ranks.is_none_or(|exact| {
            by_t == Outcome::Equivalent || (exact.p < LEVEL) == (this.p < LEVEL)
        });
        this.agrees = by_t == by_bca && ranks_agree;
        this.bca = Some(bca);
        this.signed_rank_p = ranks.map(|exact| exact.p);
        Some(this)
    }

    /// Whether the cross-checks say the same as Student's t; `true` where there are none.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.agrees
    }

    /// The interval to be printed: Student's, or the wider one where the cross-checks disagree.
    #[must_use]
    pub fn printed(&self) -> Interval {
        match self.bca {
            Some(bca) if !self.agrees && bca.width() > self.interval.width() => bca,
            _ => self.interval,
        }
    }

    /// The cross-checks as they are written; `show` turns the interval of the samples into that of
    /// the figure.
    #[must_use]
    pub fn cross_check(&self, show: impl Fn(&Interval) -> Interval) -> Option<CrossCheck> {
        let bca = show(&self.bca?);
        Some(CrossCheck {
            bca_low: six(bca.low),
            bca_high: six(bca.high),
            signed_rank_p: self.signed_rank_p.map(six),
            agrees: self.agrees,
        })
    }

    /// What is said beside it where the cross-checks disagree.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let why = "cross-check disagrees: the bootstrap over blocks or the signed ranks do not say \
                   what Student's t says, the wider interval is shown";
        (!self.agrees).then(|| why.into())
    }
}

/// What a comparison would say alone: zero lies outside of the 95 % interval, or the 90 % interval
/// (which is what two one-sided tests at 5 % are) within the margins.
fn alone(interval: &Interval, ninety: &Interval, margins: (f64, f64)) -> Outcome {
    if ninety.low > margins.0 && ninety.high < margins.1 {
        Outcome::Equivalent
    } else if interval.low > 0.0 {
        Outcome::Above
    } else if interval.high < 0.0 {
        Outcome::Below
    } else {
        Outcome::Undecided
    }
}

/// A comparison as a member of its family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// p of a difference, Holm's over the family.
    pub p_adjusted: f64,
    /// p of equivalence, Holm's over the same comparisons as a family of their own.
    pub p_equivalent_adjusted: f64,
    /// What may be said.
    pub outcome: Outcome,
}

/// Decides a whole family, in the order given. Equivalence comes first: not zero, and not worth a
/// word. Where the cross-checks disagree nothing is decided.
#[must_use]
pub fn decide(family: &[&Comparison]) -> Vec<Decision> {
    let all = |of: fn(&Comparison) -> f64| holm(&family.iter().map(|c| of(c)).collect::<Vec<_>>());
    let (differ, equal) = (all(|c| c.p), all(|c| c.p_equivalent));
    let decision = |(i, comparison): (usize, &&Comparison)| Decision {
        p_adjusted: differ[i],
        p_equivalent_adjusted: equal[i],
        outcome: match comparison.interval.mean {
            _ if !comparison.agrees => Outcome::Undecided,
            _ if equal[i] < LEVEL => Outcome::Equivalent,
            mean if differ[i] < LEVEL && mean > 0.0 => Outcome::Above,
            mean if differ[i] < LEVEL && mean < 0.0 => Outcome::Below,
            _ => Outcome::Undecided,
        },
    };
    family.iter().enumerate().map(decision).collect()
}
