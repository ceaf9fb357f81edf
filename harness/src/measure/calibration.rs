//! Acceptance tests of the method itself: whether its intervals cover what they claim to, whether
//! the order of the arms makes effects, and whether a known effect is found.
//!
//! Everything follows from a seed and no clock is read: the same arguments give the same figures.

use rand::{RngExt as _, SeedableRng as _, seq::index};
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use super::derive::cpu::{CpuTable, valid_slots};
use super::stats::{Interval, t95};
use super::synthetic::{Shape, run_with};
use crate::record::run::{Cell, Role, Run};

/// A 95 % interval that covers the truth this often is calibrated: 95 % within two points.
pub const CALIBRATED: (f64, f64) = (0.93, 0.97);

/// One slot: what it cost and how many requests it answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlotPoint {
    /// The block.
    pub block: u32,
    /// Its place in the block's time.
    pub order: u32,
    /// CPU of server and store, nanoseconds.
    pub cpu_ns: u64,
    /// Requests answered.
    pub requests: u64,
}

/// Slots of arms that are the same, in the order they ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotSeries {
    slots: Vec<SlotPoint>,
}

impl SlotSeries {
    /// The valid slots of the floor and of its twin, the A/A arm.
    #[must_use]
    pub fn from_run(run: &Run) -> Self {
        let same = run.arms.iter().filter(|a| matches!(a.role, Role::Baseline | Role::AaControl));
        let ids: Vec<&str> = same.map(|arm| arm.id.as_str()).collect();
        let cells = run.cells.iter().filter(|cell| ids.contains(&cell.arm.as_str()));
        Self::new(cells.flat_map(points).collect())
    }

    /// From slots in any order; those without an answer are left out.
    #[must_use]
    pub fn new(mut slots: Vec<SlotPoint>) -> Self {
        slots.retain(|slot| slot.requests > 0 && slot.cpu_ns > 0);
        slots.sort_by_key(|slot| (slot.block, slot.order));
        Self { slots }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Of each block ln(A / B), when of every two neighbours one is called A at random.
    fn relabelled(&self, rng: &mut Pcg64) -> Vec<f64> {
        let mut block = |slots: &[SlotPoint]| {
            let mut sums = [Sum::default(); 2];
            for pair in slots.as_chunks::<2>().0 {
                let first = usize::from(rng.random_bool(0.5));
                sums[first].add(pair[0].cpu_ns as f64, pair[0].requests as f64);
                sums[1 - first].add(pair[1].cpu_ns as f64, pair[1].requests as f64);
            }
            sums[0].log_ratio(&sums[1])
        };
        self.slots.chunk_by(|a, b| a.block == b.block).filter_map(&mut block).collect()
    }
}

fn points(cell: &Cell) -> Vec<SlotPoint> {
    let slots = &cell.slots;
    let at = |column: &[u64], i: usize| column.get(i).copied().unwrap_or(0);
    let point = |i: usize| SlotPoint {
        block: cell.block,
        order: slots.order.get(i).copied().unwrap_or(0),
        cpu_ns: at(&slots.server_cpu_ns, i).saturating_add(at(&slots.store_cpu_ns, i)),
        requests: [&slots.expected, &slots.wrong_outcome, &slots.http_error]
            .into_iter()
            .map(|column| at(column, i))
            .fold(0, u64::saturating_add),
    };
    valid_slots(slots).map(point).collect()
}

/// CPU and requests of one arm in one block.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    cpu: f64,
    requests: f64,
}

impl Sum {
    fn add(&mut self, cpu: f64, requests: f64) {
        self.cpu += cpu;
        self.requests += requests;
    }

    /// ln of this cost per request over the other's.
    fn log_ratio(&self, other: &Self) -> Option<f64> {
        let ratio = (self.cpu / self.requests) / (other.cpu / other.requests);
        (ratio.is_finite() && ratio > 0.0).then(|| ratio.ln())
    }
}

/// How often intervals of A/A comparisons cover zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Comparisons made.
    pub campaigns: u32,
    /// Intervals that contain zero.
    pub covered: u32,
    /// Blocks behind each interval.
    pub blocks: usize,
    /// Mean half-width, as a share.
    pub half_width: f64,
    /// Whether the share is within [`CALIBRATED`].
    pub pass: bool,
}

impl Coverage {
    fn of(intervals: impl Iterator<Item = Option<Interval>>) -> Self {
        let (mut campaigns, mut covered, mut blocks, mut width) = (0, 0, 0, 0.0);
        for interval in intervals.flatten() {
            campaigns += 1;
            covered += u32::from(interval.contains(0.0));
            blocks = interval.n;
            width += interval.as_change().width() / 2.0;
        }
        let half_width = width / f64::from(campaigns.max(1));
        let mut this = Self { campaigns, covered, blocks, half_width, pass: false };
        let share = this.share();
        this.pass = campaigns > 0 && (CALIBRATED.0..=CALIBRATED.1).contains(&share);
        this
    }

    /// Covered intervals as a share of all.
    #[must_use]
    pub fn share(&self) -> f64 {
        f64::from(self.covered) / f64::from(self.campaigns.max(1))
    }
}

/// Calls the slots of a record's A/A arms A and B anew, `relabelings` times, as the design would
/// have drawn them: in every round both once, in random order. Time keeps its order, so that the
/// machine's own drift is in it.
#[must_use]
pub fn aa_coverage(series: &SlotSeries, relabelings: u32, seed: u64) -> Coverage {
    let mut rng = Pcg64::seed_from_u64(seed);
    Coverage::of((0..relabelings).map(|_| t95(&series.relabelled(&mut rng))))
}

/// A made-up machine for A and B among other arms, costs per request around 1.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// Blocks.
    pub blocks: u32,
    /// Rounds in a block.
    pub rounds: u32,
    /// Arms in a round; A and B are two of them, at random places.
    pub arms: usize,
    /// Length of a slot, seconds.
    pub slot_s: f64,
    /// Standard deviation of 1/f noise, as a share.
    pub pink: f64,
    /// Standard deviation of what a slot has of its own.
    pub white: f64,
    /// Standard deviation of the luck of a server process.
    pub luck: f64,
    /// Blocks that a server process lives for: one, as in the design. More is a negative control,
    /// where blocks are not the replicates they seem to be.
    pub process_blocks: u32,
    /// Growth of all costs per minute, as a share.
    pub drift_per_minute: f64,
}

impl Default for Simulation {
    /// Noise as kept records show it.
    fn default() -> Self {
        Self {
            blocks: 12,
            rounds: 12,
            arms: 14,
            slot_s: 0.12,
            pink: 0.10,
            white: 0.05,
            luck: 0.01,
            process_blocks: 1,
            drift_per_minute: 0.0,
        }
    }
}

/// Which of the two is measured when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    /// Both in every round, at random places among the arms.
    Random,
    /// All of A, then all of B: the way not to do it.
    AllOfOne,
}

impl Simulation {
    /// ln(B / A) of each block, of two arms that are the same.
    fn log_ratios(&self, order: Order, rng: &mut Pcg64) -> Vec<f64> {
        let mut machine = Machine { pink: Pink::new(rng), simulation: *self, slots: 0 };
        let parts: &[&[usize]] = match order {
            Order::Random => &[&[0, 1]],
            Order::AllOfOne => &[&[0], &[1]],
        };
        let mut sums = vec![[Sum::default(); 2]; self.blocks as usize];
        for arms in parts {
            let mut luck = [1.0; 2];
            for (i, block) in (0..).zip(&mut sums) {
                if i % self.process_blocks.max(1) == 0 {
                    luck = [normal(rng), normal(rng)].map(|z| (z * self.luck).exp());
                }
                for _ in 0..self.rounds {
                    let places = index::sample(rng, self.arms, arms.len());
                    for place in 0..self.arms {
                        let cost = machine.slot(rng);
                        for (arm, _) in
                            arms.iter().zip(places.iter()).filter(|(_, own)| *own == place)
                        {
                            block[*arm].add(cost * luck[*arm], 1.0);
                        }
                    }
                }
            }
        }
        sums.iter().filter_map(|[a, b]| b.log_ratio(a)).collect()
    }
}

struct Machine {
    pink: Pink,
    simulation: Simulation,
    slots: u32,
}

impl Machine {
    /// What a request costs in the next slot.
    fn slot(&mut self, rng: &mut Pcg64) -> f64 {
        let Simulation { slot_s, pink, white, drift_per_minute, .. } = self.simulation;
        let minutes = f64::from(self.slots) * slot_s / 60.0;
        self.slots += 1;
        let noise = pink * self.pink.next(rng) + white * normal(rng);
        (1.0 + drift_per_minute * minutes) * noise.exp()
    }
}

fn normal(rng: &mut Pcg64) -> f64 {
    StandardNormal.sample(rng)
}

/// Octaves of 1/f noise: beyond 2^14 slots, half an hour, it does not change.
const OCTAVES: usize = 14;

/// 1/f noise of standard deviation 1 by Voss and McCartney: octave `k` is drawn anew every `2^k`
/// slots, and the octaves are added.
struct Pink {
    octaves: [f64; OCTAVES],
    step: u64,
}

impl Pink {
    fn new(rng: &mut Pcg64) -> Self {
        Self { octaves: std::array::from_fn(|_| normal(rng)), step: rng.random_range(0..1 << 20) }
    }

    fn next(&mut self, rng: &mut Pcg64) -> f64 {
        self.step += 1;
        let changed = (self.step.trailing_zeros() as usize + 1).min(OCTAVES);
        self.octaves[..changed].iter_mut().for_each(|octave| *octave = normal(rng));
        self.octaves.iter().sum::<f64>() / (OCTAVES as f64).sqrt()
    }
}

/// A/A campaigns on a machine with 1/f drift and a luck for each server process.
#[must_use]
pub fn aa_coverage_drift(simulation: &Simulation, campaigns: u32, seed: u64) -> Coverage {
    let mut rng = Pcg64::seed_from_u64(seed);
    let intervals = (0..campaigns).map(|_| t95(&simulation.log_ratios(Order::Random, &mut rng)));
    Coverage::of(intervals)
}

/// What a drift of the whole machine does to two arms that are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrderEffect {
    /// The drift, share per minute.
    pub drift_per_minute: f64,
    /// Both arms in every round: coverage of zero.
    pub blocked: Coverage,
    /// Mean of the estimates of B / A - 1.
    pub blocked_bias: f64,
    /// All of A, then all of B: how often the interval covers zero.
    pub sequential: Coverage,
    /// Mean of the estimates: a false effect.
    pub sequential_bias: f64,
    /// Whether the first is unbiased and the second, the negative control, is not.
    pub pass: bool,
}

/// Drifts of 10 % per minute under the blocked design and, as the negative control, under an order
/// that measures one arm after the other.
#[must_use]
pub fn order_effect(campaigns: u32, seed: u64) -> OrderEffect {
    let simulation = Simulation { drift_per_minute: 0.10, ..Simulation::default() };
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut under = |order| {
        let run = |_| t95(&simulation.log_ratios(order, &mut rng));
        let intervals: Vec<Option<Interval>> = (0..campaigns).map(run).collect();
        let sum: f64 = intervals.iter().flatten().map(|found| found.mean.exp_m1()).sum();
        (Coverage::of(intervals.iter().copied()), sum / f64::from(campaigns.max(1)))
    };
    let (blocked, blocked_bias) = under(Order::Random);
    let (sequential, sequential_bias) = under(Order::AllOfOne);
    let pass = blocked.share() >= CALIBRATED.0
        && blocked_bias.abs() < 0.005
        && sequential.share() < 0.05
        && sequential_bias > 0.05;
    let drift_per_minute = simulation.drift_per_minute;
    OrderEffect { drift_per_minute, blocked, blocked_bias, sequential, sequential_bias, pass }
}

/// What was seen of a known effect, and of none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownEffect {
    /// Made-up runs.
    pub campaigns: u32,
    /// What the ruler added per request, nanoseconds.
    pub added_ns: f64,
    /// Mean of what was seen, nanoseconds.
    pub seen_ns: f64,
    /// Share of the runs that saw it within 2,000 ns.
    pub within: f64,
    /// Share whose interval lies above zero.
    pub resolved: f64,
    /// Share of the runs in which the arm with nothing added was told apart from the floor.
    pub false_alarms: f64,
    /// Whether the effect is found, and only where there is one.
    pub pass: bool,
}

/// How far what is seen may be from what was added, nanoseconds.
const KNOWN_WITHIN_NS: f64 = 2_000.0;

/// Adds 20 us per request to one arm and nothing to another, with noise as kept records show it,
/// and reads both by the computation that reads a record.
#[must_use]
pub fn known_effect(campaigns: u32, seed: u64) -> KnownEffect {
    let shape = Shape { blocks: 20, ..Shape::cpu_only() };
    let (mut sum, mut within, mut resolved, mut alarms) = (0.0, 0, 0, 0);
    let mut added_ns = 0.0;
    for i in 0..campaigns {
        let run = run_with(seed.wrapping_add(u64::from(i)), &shape);
        let table = CpuTable::new(&run);
        if let Some(ruler) = table.rulers().first() {
            added_ns = ruler.added_ns as f64;
            sum += ruler.seen_ns.value;
            within += u32::from((ruler.seen_ns.value - added_ns).abs() <= KNOWN_WITHIN_NS);
            resolved += u32::from(ruler.seen_ns.low > 0.0);
        }
        let floor = table.noise_floor().map(|floor| floor.difference);
        alarms += u32::from(floor.is_none_or(|found| found.low > 0.0 || found.high < 0.0));
    }
    let n = f64::from(campaigns.max(1));
    let share = |count: u32| f64::from(count) / n;
    let (seen_ns, false_alarms) = (sum / n, share(alarms));
    let (within, resolved) = (share(within), share(resolved));
    let pass = (seen_ns - added_ns).abs() <= KNOWN_WITHIN_NS / 4.0
        && within >= 0.95
        && resolved == 1.0
        && false_alarms <= 0.12;
    KnownEffect { campaigns, added_ns, seen_ns, within, resolved, false_alarms, pass }
}
