//! A made-up distance sweep with a known truth.

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use super::{ARMS, CRON_NS, Truth};
use crate::measure::histogram::LatencyHistogram;
use crate::plan::SweepPlan;
use crate::record::run::{DistanceCell, Latency, Ledger, Role, Run};

/// `run` with a distance sweep of the default plan. `slower` makes the answers of the named arms
/// later by so many nanoseconds.
///
/// The truth: the median response of an arm with a store is its service time plus once the round
/// trip, that of the others does not depend on it, and neither does anybody's CPU.
#[must_use]
pub fn with_distance(mut run: Run, seed: u64, slower: &[(&str, f64)]) -> Run {
    let mut rng = Pcg64::seed_from_u64(seed ^ 0xd157);
    let plan = SweepPlan::default();
    for block in 0..plan.blocks {
        let mut order = 0;
        for truth in ARMS.iter().filter(|t| matches!(t.role, Role::Baseline | Role::Contender)) {
            if truth.strategy == "session-memory" {
                continue;
            }
            let stored = truth.redis_commands > 0;
            let trips = plan.round_trips_us.iter().filter(|_| stored).map(|us| Some(us * 1_000));
            let later = slower.iter().find(|(arm, _)| *arm == truth.arm).map_or(0.0, |(_, ns)| *ns);
            for round_trip_ns in std::iter::once(None).chain(trips) {
                let place = (block, order, round_trip_ns);
                run.distance.push(cell(&mut rng, truth, &plan, place, later));
                order += 1;
            }
        }
    }
    run
}

/// What the made-up line adds to a request without delay, nanoseconds.
const LINE_NS: f64 = 22_000.0;

fn cell(
    rng: &mut Pcg64,
    truth: &Truth,
    plan: &SweepPlan,
    (block, order, round_trip_ns): (u32, u32, Option<u64>),
    later_ns: f64,
) -> DistanceCell {
    let n = plan.rate_per_second * plan.window_ms / 1_000 + rng.random_range(0..30);
    let away = round_trip_ns.map_or(0.0, |ns| ns as f64 + LINE_NS);
    let [mut response, mut service, mut slip] = [(); 3].map(|()| LatencyHistogram::new());
    let shift = factor(rng, 0.02);
    let mut in_flight_ns = 0;
    for _ in 0..n {
        let late = 8_000.0 * factor(rng, 0.6);
        let served = truth.service_ns * shift * factor(rng, 0.25) + away + later_ns;
        slip.record(late as u64);
        service.record(served as u64);
        response.record((late + served) as u64);
        in_flight_ns += served as u64;
    }
    let each = n as f64 * 2.5 * factor(rng, 0.03);
    let lateness = round_trip_ns.map(|_| (40_000.0 * factor(rng, 0.2)) as u64);
    DistanceCell {
        arm: truth.arm.into(),
        strategy: truth.strategy.into(),
        round_trip_ns,
        block,
        order,
        rate_per_second: plan.rate_per_second,
        connections: plan.connections,
        ledger: Ledger { scheduled: n, expected: n, ..Ledger::default() },
        latency: Latency {
            response: response.to_record(),
            service: service.to_record(),
            slip: slip.to_record(),
        },
        server_cpu_ns: (each * truth.server_ns) as u64,
        store_cpu_ns: Some((each * (truth.store_ns + CRON_NS)) as u64),
        driver_cpu_ns: n * 20_000,
        redis_commands: Some(n * u64::from(truth.redis_commands)),
        in_flight_ns,
        wall_ns: plan.window_ms * 1_000_000,
        line_lateness_p50_ns: lateness.map(|ns| ns / 2),
        line_lateness_p99_ns: lateness,
        discarded: String::new(),
    }
}

fn factor(rng: &mut Pcg64, deviation: f64) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    (z * deviation).exp()
}
