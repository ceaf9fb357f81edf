//! Made-up records with a known truth: what the computations are tested on, and what a page can be
//! drawn from without measuring. Nothing here is ever written to a results folder.

mod distance;
mod loops;
mod parts;

pub use distance::with_distance;
pub use loops::{LOOPED_NS, alone, with_loops};
pub use parts::{LAG_LIFETIME_S, micro_ratio};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use super::histogram::LatencyHistogram;
use crate::record::run::{Arm, Cell, Latency, Ledger, PlanRecord, Role, Run, Slots};

/// What is true of a made-up arm: the figures that the computations have to find again.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// The arm's id.
    pub arm: &'static str,
    /// The strategy's id.
    pub strategy: &'static str,
    /// What the arm is for.
    pub role: Role,
    /// CPU of the server per request, nanoseconds, spin excluded.
    pub server_ns: f64,
    /// CPU that the ruler spins per request, nanoseconds.
    pub spin_ns: u64,
    /// CPU of Redis per request beyond its cron, nanoseconds.
    pub store_ns: f64,
    /// Redis commands per request, the decoy's excluded.
    pub redis_commands: u32,
    /// Median service time, nanoseconds.
    pub service_ns: f64,
    /// Size of the credential, bytes.
    pub credential_bytes: u64,
}

const fn arm(
    arm: &'static str,
    role: Role,
    server_ns: f64,
    store: (f64, u32),
    service_ns: f64,
    credential_bytes: u64,
) -> Truth {
    let (store_ns, redis_commands) = store;
    Truth {
        arm,
        strategy: arm,
        role,
        server_ns,
        spin_ns: 0,
        store_ns,
        redis_commands,
        service_ns,
        credential_bytes,
    }
}

const fn of(strategy: &'static str, spin_ns: u64, truth: Truth) -> Truth {
    Truth { strategy, spin_ns, ..truth }
}

/// CPU of the server of `none` per request, nanoseconds.
pub const NONE_SERVER_NS: f64 = 15_000.0;
/// CPU that Redis burns per request of every arm for its own housekeeping, nanoseconds.
pub const CRON_NS: f64 = 600.0;

use Role::{AaControl, Baseline, Contender, Decoy, Ruler};

/// The arms, in report order.
pub const ARMS: &[Truth] = &[
    arm("none", Baseline, NONE_SERVER_NS, (0.0, 0), 82_000.0, 16),
    of("none", 0, arm("none+aa", AaControl, NONE_SERVER_NS, (0.0, 0), 82_000.0, 16)),
    of("none", 20_000, arm("none+20us", Ruler, NONE_SERVER_NS, (0.0, 0), 102_000.0, 16)),
    of("none", 50_000, arm("none+50us", Ruler, NONE_SERVER_NS, (0.0, 0), 132_000.0, 16)),
    arm("session-memory", Contender, 15_700.0, (0.0, 0), 83_000.0, 43),
    arm("session-redis", Contender, 18_900.0, (2_300.0, 1), 131_000.0, 43),
    arm("jwt-hs256", Contender, 17_000.0, (0.0, 0), 84_500.0, 424),
    arm("jwt-hs256-prepared", Contender, 15_650.0, (0.0, 0), 83_000.0, 424),
    arm("jwt-eddsa", Contender, 51_000.0, (0.0, 0), 119_000.0, 467),
    arm("jwt-es256", Contender, 68_000.0, (0.0, 0), 137_000.0, 467),
    arm("jwt-rs256", Contender, 36_000.0, (0.0, 0), 104_000.0, 723),
    arm("jwt-denylist", Contender, 20_900.0, (2_200.0, 1), 134_000.0, 424),
    arm("jwt-version", Contender, 20_950.0, (2_250.0, 1), 134_000.0, 424),
    of("jwt-hs256", 0, arm("jwt-hs256+decoy", Decoy, 17_000.0, (2_300.0, 0), 88_000.0, 424)),
];

/// The truth about one arm.
#[must_use]
pub fn truth(arm: &str) -> Option<&'static Truth> {
    ARMS.iter().find(|truth| truth.arm == arm)
}

/// How much is made up.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Blocks.
    pub blocks: u32,
    /// Rounds per block.
    pub rounds: u32,
    /// Requests per second.
    pub rate: u64,
    /// Length of the longer latency window, milliseconds; 0 = none.
    pub window_ms: u64,
    /// Latency samples and the parts beside the cells; without them a record is made 100 times
    /// faster, for simulations of CPU alone.
    pub full: bool,
    /// Standard deviation of what a server process adds to or takes from its CPU, as a share: the
    /// noise that only fresh processes show.
    pub process_noise: f64,
}

impl Default for Shape {
    /// Like profile `quick`.
    fn default() -> Self {
        Self { blocks: 5, rounds: 6, rate: 5_000, window_ms: 0, full: true, process_noise: 0.01 }
    }
}

impl Shape {
    /// Like profile `standard`: more blocks, and a longer window for the tails.
    #[must_use]
    pub fn standard() -> Self {
        Self { blocks: 10, rounds: 12, window_ms: 3_000, ..Self::default() }
    }

    /// CPU alone, for many simulated runs.
    #[must_use]
    pub fn cpu_only() -> Self {
        Self { full: false, ..Self::default() }
    }

    /// The plan this would have been.
    #[must_use]
    pub fn plan(&self) -> PlanRecord {
        PlanRecord {
            blocks: self.blocks,
            rounds_per_block: self.rounds,
            slot_ms: SLOT_MS,
            lead_in_ms: 20,
            latency_window_ms: self.window_ms,
            rate_per_second: self.rate,
            arrivals: "poisson".into(),
            pacing: "exact".into(),
            connections: 32,
            wallet: 2_000,
            server_threads: 1,
            timeout_ms: 1_000,
            backlog_limit: 1_000,
            token_lifetime_s: 900,
            access_lifetime_s: None,
            link_lifetime_s: None,
            extra_claims_bytes: None,
            leeway_s: 0,
            session_idle_s: 1_800,
            session_absolute_s: 43_200,
            redis_nodelay: true,
            redis_response_timeout_ms: 500,
            slip_limit_ns: 1_000_000,
            discard_limit_permille: 200,
            judge_host: None,
        }
    }
}

const SLOT_MS: u64 = 100;

/// A whole run like profile `quick`: the same seed gives the same record.
#[must_use]
pub fn run(seed: u64) -> Run {
    run_with(seed, &Shape::default())
}

/// A whole run of another shape.
#[must_use]
pub fn run_with(seed: u64, shape: &Shape) -> Run {
    let mut world = World { rng: Pcg64::seed_from_u64(seed), shape: *shape };
    let mut cells: Vec<Cell> = Vec::new();
    for block in 0..shape.blocks {
        cells.extend(world.block(block));
    }
    let arms = ARMS.iter().map(|truth| Arm {
        id: truth.arm.into(),
        strategy: truth.strategy.into(),
        carrier: "bearer".into(),
        role: truth.role,
        spin_ns: truth.spin_ns,
        store_pings: 0,
        extra_claims_bytes: 0,
    });
    parts::assemble(seed, shape, &mut world.rng, arms.collect(), cells)
}

/// One machine with its drift.
struct World {
    rng: Pcg64,
    shape: Shape,
}

impl World {
    /// A factor around 1 with this standard deviation of its logarithm.
    fn factor(&mut self, deviation: f64) -> f64 {
        let z: f64 = StandardNormal.sample(&mut self.rng);
        (z * deviation).exp()
    }

    /// Every arm in one block: the machine drifts for all of them, each server has its own luck.
    fn block(&mut self, block: u32) -> Vec<Cell> {
        let drift = self.factor(0.08);
        let mut cells: Vec<Cell> = Vec::new();
        let mut luck = Vec::new();
        for truth in ARMS {
            luck.push(self.factor(self.shape.process_noise));
            cells.push(empty_cell(truth, block));
        }
        let mut order = 0;
        for _ in 0..self.shape.rounds {
            let minute = drift * self.factor(0.05);
            let mut turns: Vec<usize> = (0..ARMS.len()).collect();
            turns.shuffle(&mut self.rng);
            for turn in turns {
                let scale = minute * luck[turn];
                self.slot(&ARMS[turn], scale, order, &mut cells[turn].slots);
                order += 1;
            }
        }
        for (truth, cell) in ARMS.iter().zip(&mut cells) {
            self.finish(truth, cell);
        }
        cells
    }

    /// One slot of one arm.
    fn slot(&mut self, truth: &Truth, scale: f64, order: u32, slots: &mut Slots) {
        let mean = self.shape.rate * SLOT_MS / 1_000;
        let spread = (mean as f64).sqrt() * self.normal();
        let n = (mean as f64 + spread).round().max(1.0) as u64;
        let each = n as f64 * scale;
        let disturbed = self.rng.random_bool(0.03);
        let hit = if disturbed { 1.4 } else { 1.0 };
        let server = each * truth.server_ns * self.factor(0.05) + (n * truth.spin_ns) as f64;
        let store = each * truth.store_ns * self.factor(0.05)
            + scale * mean as f64 * CRON_NS * self.factor(0.05);
        let driver = each * 11_000.0 * self.factor(0.05);
        slots.order.push(order);
        slots.scheduled.push(n);
        slots.expected.push(n);
        for column in [
            &mut slots.wrong_outcome,
            &mut slots.http_error,
            &mut slots.connection_error,
            &mut slots.timeout,
            &mut slots.shed,
        ] {
            column.push(0);
        }
        slots.server_cpu_ns.push((server * hit) as u64);
        slots.store_cpu_ns.push((store * hit) as u64);
        slots.driver_cpu_ns.push((driver * hit) as u64);
        slots.wall_ns.push(SLOT_MS * 1_000_000 + self.rng.random_range(0..400_000));
        slots.request_bytes.push(n * request_bytes(truth));
        slots.response_bytes.push(n * RESPONSE_BYTES);
        let decoy = if truth.role == Decoy { n } else { 0 };
        slots.redis_commands.push(n * u64::from(truth.redis_commands) + decoy);
        slots.decoy_commands.push(decoy);
        let slip = if disturbed { 4_000_000.0 } else { 120_000.0 };
        slots.slip_p99_ns.push((slip * self.factor(0.3)) as u64);
        slots.server_runqueue_ns.push((300_000.0 * self.factor(0.5)) as u64);
        slots.steal_ticks.push(u64::from(self.rng.random_bool(0.05)));
        slots.softirq_ticks.push(u64::from(self.rng.random_bool(0.3)));
        slots.discarded.push(if disturbed { "slip".into() } else { String::new() });
    }

    /// What belongs to the cell and not to one slot.
    fn finish(&mut self, truth: &Truth, cell: &mut Cell) {
        let slots = &cell.slots;
        let valid = slots.expected.iter().zip(&slots.discarded);
        let n: u64 = valid.filter(|(_, gate)| gate.is_empty()).map(|(n, _)| n).sum();
        let sent: u64 = slots.scheduled.iter().sum();
        if self.shape.full {
            cell.slot_latency = Some(self.latency(truth, n));
        }
        let window = self.shape.rate * self.shape.window_ms / 1_000;
        if window > 0 {
            if self.shape.full {
                cell.window_latency = Some(self.latency(truth, window));
            }
            cell.window_ledger =
                Some(Ledger { scheduled: window, expected: window, ..Ledger::default() });
        }
        cell.driver_requests = sent * 6 / 5 + window + 2_000;
        cell.server_requests = cell.driver_requests;
    }

    fn latency(&mut self, truth: &Truth, n: u64) -> Latency {
        let [mut response, mut service, mut slip] = [(); 3].map(|()| LatencyHistogram::new());
        let shift = self.factor(0.02);
        for _ in 0..n {
            let late = 8_000.0 * self.factor(0.6);
            // One request in 150 meets something else on the machine.
            let stall =
                if self.rng.random_bool(1.0 / 150.0) { 400_000.0 * self.factor(0.8) } else { 0.0 };
            let served = truth.service_ns * shift * self.factor(0.25) + stall;
            slip.record(late as u64);
            service.record(served as u64);
            response.record((late + served) as u64);
        }
        let [response, service, slip] = [response, service, slip].map(|h| h.to_record());
        Latency { response, service, slip, conn_wait: None }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }
}

const RESPONSE_BYTES: u64 = 197;

fn request_bytes(truth: &Truth) -> u64 {
    118 + truth.credential_bytes
}

fn empty_cell(truth: &Truth, block: u32) -> Cell {
    Cell {
        arm: truth.arm.into(),
        block,
        slots: Slots::default(),
        slot_latency: None,
        window_latency: None,
        window_ledger: None,
        window_facts: None,
        counts: None,
        operations_agree: None,
        driver_requests: 0,
        server_requests: 0,
        forged_sent: 20,
        forged_refused: 20,
    }
}
