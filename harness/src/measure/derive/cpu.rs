//! CPU per request: paired within a block, intervals over blocks.
//!
//! A difference is the mean logarithm of the ratios, turned back: twice as dear and half as dear
//! are equally far from equal, and the ratio of a to b is that of b to a turned round.
//!
//! The cost of an arm is CPU of server and store per answered request. Redis works for itself in
//! every arm (its cron), so the store's CPU of `none` stands on both sides of a difference and
//! drops out of it. A decoy's Redis load is there to keep Redis as busy as in a session arm: it is
//! shown, and what is summed instead is `none`'s.

use std::collections::BTreeMap;

use crate::measure::comparison::{Comparison, Decision, Outcome, decide};
use crate::measure::stats::{Interval, median, six, t_interval, t95};
use crate::record::derived::{Estimate, NoiseFloor, PairResult, RulerResult, Verdict};
use crate::record::run::{Arm, Cell, Role, Run, Slots};

/// CPU per answered request of one arm in one block, nanoseconds, over its valid slots.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerRequest {
    /// The server's.
    pub server: f64,
    /// The store's; 0 without one.
    pub store: f64,
    /// The driver's.
    pub driver: f64,
    /// Whether there was a store to count.
    pub has_store: bool,
}

/// The indices of the slots that no gate discarded.
pub fn valid_slots(slots: &Slots) -> impl Iterator<Item = usize> + '_ {
    slots.discarded.iter().enumerate().filter(|(_, gate)| gate.is_empty()).map(|(i, _)| i)
}

/// Sum of a column over the valid slots.
#[must_use]
pub fn valid_sum(slots: &Slots, column: &[u64]) -> u64 {
    valid_slots(slots).filter_map(|i| column.get(i)).fold(0, |sum, n| sum.saturating_add(*n))
}

/// Requests answered in the valid slots, as expected or not.
#[must_use]
pub fn answered(slots: &Slots) -> u64 {
    [&slots.expected, &slots.wrong_outcome, &slots.http_error]
        .into_iter()
        .map(|column| valid_sum(slots, column))
        .fold(0, u64::saturating_add)
}

fn per_request(cell: &Cell) -> Option<PerRequest> {
    let slots = &cell.slots;
    let requests = answered(slots);
    if requests == 0 {
        return None;
    }
    let each = |column: &[u64]| valid_sum(slots, column) as f64 / requests as f64;
    Some(PerRequest {
        server: each(&slots.server_cpu_ns),
        store: each(&slots.store_cpu_ns),
        driver: each(&slots.driver_cpu_ns),
        has_store: !slots.store_cpu_ns.is_empty(),
    })
}

/// CPU per request of every arm in every block.
#[derive(Clone, Debug)]
pub struct CpuTable<'a> {
    arms: &'a [Arm],
    baseline: Option<&'a Arm>,
    cells: BTreeMap<(&'a str, u32), PerRequest>,
    blocks: Vec<u32>,
}

impl<'a> CpuTable<'a> {
    /// Sums the valid slots of a run.
    #[must_use]
    pub fn new(run: &'a Run) -> Self {
        let found = run.cells.iter().filter_map(|cell| {
            per_request(cell).map(|figures| ((cell.arm.as_str(), cell.block), figures))
        });
        let cells: BTreeMap<_, _> = found.collect();
        let mut blocks: Vec<u32> = cells.keys().map(|(_, block)| *block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let baseline = run.arms.iter().find(|arm| arm.role == Role::Baseline);
        Self { arms: &run.arms, baseline, cells, blocks }
    }

    /// The arm that every other is read against.
    #[must_use]
    pub const fn baseline(&self) -> Option<&'a Arm> {
        self.baseline
    }

    /// Blocks in which every arm has at least one valid slot.
    #[must_use]
    pub fn whole_blocks(&self) -> u32 {
        let whole = |block: &&u32| self.arms.iter().all(|arm| self.get(arm, **block).is_some());
        self.blocks.iter().filter(whole).count() as u32
    }

    /// One arm in one block.
    #[must_use]
    pub fn get(&self, arm: &Arm, block: u32) -> Option<PerRequest> {
        self.cells.get(&(arm.id.as_str(), block)).copied()
    }

    /// `figure` of one arm in each block that has it.
    pub fn each(&self, arm: &Arm, figure: impl Fn(PerRequest) -> f64) -> Vec<f64> {
        self.blocks.iter().filter_map(|block| self.get(arm, *block).map(&figure)).collect()
    }

    /// Store CPU net of `none`'s in the same block, median over blocks; `None` without a store.
    #[must_use]
    pub fn net_store(&self, arm: &Arm) -> Option<f64> {
        let none = self.baseline?;
        let net = self.blocks.iter().filter_map(|block| {
            let (own, floor) = (self.get(arm, *block)?, self.get(none, *block)?);
            (own.has_store && floor.has_store).then_some(own.store - floor.store)
        });
        median(&net.collect::<Vec<_>>()).map(six)
    }

    /// Cost of an arm in a block: server and store, and the driver where asked.
    fn cost(&self, arm: &Arm, block: u32, with_driver: bool) -> Option<f64> {
        let own = self.get(arm, block)?;
        let store = match arm.role {
            Role::Decoy => self.get(self.baseline?, block)?.store,
            _ => own.store,
        };
        Some(own.server + store + if with_driver { own.driver } else { 0.0 })
    }

    /// ln(arm / against) in each block that has both.
    #[must_use]
    pub fn log_ratios(&self, arm: &Arm, against: &Arm, with_driver: bool) -> Vec<f64> {
        let ratio = |block: &u32| {
            let own = self.cost(arm, *block, with_driver)?;
            let other = self.cost(against, *block, with_driver)?;
            (own > 0.0 && other > 0.0).then(|| (own / other).ln())
        };
        self.blocks.iter().filter_map(ratio).collect()
    }

    /// CPU of `none`, server and store, median over blocks, nanoseconds.
    #[must_use]
    pub fn none_ns(&self) -> Option<f64> {
        median(&self.each(self.baseline?, |own| own.server + own.store))
    }

    /// arm / none - 1 with the driver's CPU on both sides, 95 %.
    #[must_use]
    pub fn over_none_with_driver(&self, arm: &Arm) -> Option<Interval> {
        let none = self.baseline.filter(|none| none.id != arm.id)?;
        Some(t95(&self.log_ratios(arm, none, true))?.as_change())
    }

    /// The first A/A arm against `none`.
    #[must_use]
    pub fn noise_floor(&self) -> Option<NoiseFloor> {
        let twin = self.arms.iter().find(|arm| arm.role == Role::AaControl)?;
        let ratios = self.log_ratios(twin, self.baseline?, false);
        let (common, wide) = (t95(&ratios)?, t_interval(&ratios, 0.999)?.as_change());
        Some(NoiseFloor {
            difference: common.as_change().estimate(),
            low_999: six(wide.low),
            high_999: six(wide.high),
            contains_zero: wide.contains(0.0),
        })
    }

    /// The two families: every contender against `none`, and every two contenders. Each is decided
    /// as a whole, by Holm's rule.
    #[must_use]
    pub fn pairs(&self) -> Vec<PairResult> {
        let contenders: Vec<&Arm> =
            self.arms.iter().filter(|arm| arm.role == Role::Contender).collect();
        let floor = self.baseline.into_iter();
        let against_none = floor.flat_map(|none| contenders.iter().map(move |arm| (*arm, none)));
        let every_two = contenders
            .iter()
            .enumerate()
            .flat_map(|(i, arm)| contenders[i + 1..].iter().map(move |other| (*arm, *other)));
        let mut pairs = self.family("against-none", against_none);
        pairs.extend(self.family("contenders", every_two));
        pairs
    }

    /// An arm against `none`: of `pairs` where it is a contender, else by itself.
    #[must_use]
    pub fn against_none(&self, arm: &Arm, pairs: &[PairResult]) -> Option<PairResult> {
        let none = self.baseline.filter(|none| none.id != arm.id)?;
        let found = pairs.iter().find(|pair| pair.arm == arm.id && pair.against == none.id);
        let alone = || self.family("alone", std::iter::once((arm, none))).into_iter().next();
        found.cloned().or_else(alone)
    }

    fn family<'b>(
        &self,
        name: &str,
        members: impl Iterator<Item = (&'b Arm, &'b Arm)>,
    ) -> Vec<PairResult> {
        let compare = |(arm, against): (&'b Arm, &'b Arm)| {
            let ratios = self.log_ratios(arm, against, false);
            let stream = format!("bca/cpu/{}/{}", arm.id, against.id);
            Some((arm, against, Comparison::of_log_ratios(&ratios, &stream)?))
        };
        let compared: Vec<_> = members.filter_map(compare).collect();
        let decisions = decide(&compared.iter().map(|(_, _, c)| c).collect::<Vec<_>>());
        let has_floor = self.arms.iter().any(|arm| arm.role == Role::AaControl);
        let rows = compared.iter().zip(&decisions);
        rows.map(|((arm, against, comparison), decision)| {
            let mut row = pair(comparison, decision);
            (row.arm, row.against) = (arm.id.clone(), against.id.clone());
            row.family = Some(name.into());
            if !has_floor {
                row.verdict = Verdict::Undecided;
                row.note = Some(NO_FLOOR.into());
            }
            row
        })
        .collect()
    }

    /// How much of what each ruler added was seen.
    #[must_use]
    pub fn rulers(&self) -> Vec<RulerResult> {
        let rulers = self.arms.iter().filter(|arm| arm.role == Role::Ruler);
        let seen = |arm: &Arm| {
            let seen_ns = times(&self.against_none(arm, &[])?.difference, self.none_ns()?);
            Some(RulerResult { arm: arm.id.clone(), added_ns: arm.spin_ns, seen_ns })
        };
        rulers.filter_map(seen).collect()
    }
}

/// Why nothing is claimed without a second server of the floor.
pub(super) const NO_FLOOR: &str = "no verdict: the run has no A/A arm, so its noise is not known";

/// A share of so many nanoseconds.
#[must_use]
pub fn times(share: &Estimate, ns: f64) -> Estimate {
    let of = |share: f64| six(share * ns);
    Estimate { value: of(share.value), low: of(share.low), high: of(share.high), n: share.n }
}

/// All but names and family.
fn pair(comparison: &Comparison, decision: &Decision) -> PairResult {
    PairResult {
        arm: String::new(),
        against: String::new(),
        difference: comparison.printed().as_change().estimate(),
        confidence_percent: 95,
        family: None,
        p: Some(six(comparison.p)),
        p_adjusted: Some(six(decision.p_adjusted)),
        p_equivalent_adjusted: Some(six(decision.p_equivalent_adjusted)),
        cross_check: comparison.cross_check(Interval::as_change),
        verdict: match decision.outcome {
            Outcome::Above => Verdict::Dearer,
            Outcome::Below => Verdict::Cheaper,
            Outcome::Equivalent => Verdict::Equivalent,
            Outcome::Undecided => Verdict::Undecided,
        },
        note: comparison.note(),
    }
}

/// The ranks an arm can have, `[first, last]`: only decided pairs count. `None` for an arm that is
/// in no pair of contenders.
#[must_use]
pub fn rank(arm: &str, pairs: &[PairResult], none: &str) -> Option<[u32; 2]> {
    let own = pairs
        .iter()
        .filter(|pair| pair.against != none && (pair.arm == arm || pair.against == arm));
    let (mut all, mut ahead, mut behind) = (0, 0, 0);
    for pair in own {
        all += 1;
        let dearer = match pair.verdict {
            Verdict::Dearer => pair.arm == arm,
            Verdict::Cheaper => pair.against == arm,
            _ => continue,
        };
        if dearer { ahead += 1 } else { behind += 1 }
    }
    (all > 0).then_some([1 + ahead, 1 + all - behind])
}
