//! Test 5: delays of known distributions come back as their quantiles.

use std::time::Duration;

use rand_distr::{Distribution as _, Exp1};

use super::Scale;
use super::rig::{SECOND_NS, drive, note_late, note_slip, quantile, schedule, settings};
use super::stub::{OK, Reply, Seen, Stub};
use super::verdict::{Verdict, ms, us};
use crate::load::driver::Mode;
use crate::load::outcome::{Row, nearest_rank};
use crate::load::schedule::{Arrivals, shuffled, stream};

const RATE: u64 = 1_000;
const CONNECTIONS: usize = 128;
const TIMEOUT: Duration = Duration::from_secs(5);
const MS_NS: u64 = 1_000_000;
/// What the histogram's buckets may add to a quantile.
const RESOLUTION: f64 = 0.001;

struct Law {
    name: &'static str,
    delays_ns: Vec<u64>,
    permilles: [usize; 3],
}

/// The delays of `n` answers under each law, in the order of the requests.
fn laws(n: usize) -> [Law; 3] {
    let mut rng = stream(5, "selftest delays", 0);
    let exponential = (0..n).map(|_| {
        let unit: f64 = Exp1.sample(&mut rng);
        (unit * 5e6) as u64
    });
    let exponential: Vec<u64> = exponential.collect();
    let places = shuffled(n, &mut rng);
    let slow = places.iter().map(|place| if place % 100 == 0 { 50 * MS_NS } else { MS_NS });
    let constant = vec![5 * MS_NS; n];
    [
        Law { name: "constant 5 ms", delays_ns: constant, permilles: [500, 900, 990] },
        Law { name: "99:1 of 1 and 50 ms", delays_ns: slow.collect(), permilles: [500, 980, 995] },
        Law { name: "exponential 5 ms", delays_ns: exponential, permilles: [500, 900, 990] },
    ]
}

/// Test 5. The stub knows what delays it was told and how late its own timer was; the driver knows
/// how late it was itself; the round trip without a delay is measured, and counted twice because
/// sleepers have to wake up after a delay. Their sum is what a quantile
/// may exceed its theory by, and a thousandth; it may fall short by a thousandth.
///
/// # Errors
/// When stub or driver fail.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let ops = schedule(Arrivals::Poisson, RATE, scale.pick(10, 2) * SECOND_NS, 5);
    let stub = Stub::start(|_| Reply::Now(OK))?;
    let bare = drive(stub.address(), CONNECTIONS, &ops, Mode::Open, settings(TIMEOUT))?.rows;
    let wire_ns = quantile(&bare, 990, Row::service_ns);
    drop(stub);
    let laws = laws(ops.len());
    for (i, law) in laws.iter().enumerate() {
        let delays = law.delays_ns.clone();
        let stub = Stub::start(move |seen: &Seen<'_>| {
            let delay = delays.get(seen.number as usize).copied().unwrap_or(0);
            Reply::At(seen.at_ns + delay, OK)
        })?;
        let rows = drive(stub.address(), CONNECTIONS, &ops, Mode::Open, settings(TIMEOUT))?.rows;
        let log = stub.finish()?;
        note_slip(&mut verdict, &rows);
        note_late(&mut verdict, "the stub's timer p99", log.late_p99_ns());
        // The way there and back was timed among requests that kept both sides awake; after a delay
        // both have to wake up.
        let error_ns = 2 * wire_ns + log.late_p99_ns() + quantile(&rows, 990, Row::slip_ns);
        note_late(&mut verdict, "the sum of the timer errors", error_ns);
        for permille in law.permilles {
            let found = quantile(&rows, permille, Row::response_ns);
            let (holds, limit) = agrees(law, permille, found, error_ns);
            let what = format!("{}: p{}", law.name, permille as f64 / 10.0);
            verdict.check(what, ms(found), limit, holds);
        }
        // The same figures against another law.
        let other = &laws[(i + 1) % laws.len()];
        let permille = 500;
        let found = quantile(&rows, permille, Row::response_ns);
        let (holds, limit) = agrees(other, permille, found, error_ns);
        let what = format!("{}, as if {}: p50", law.name, other.name);
        verdict.control(what, ms(found), limit, holds);
    }
    Ok(verdict)
}

fn agrees(law: &Law, permille: usize, found_ns: u64, error_ns: u64) -> (bool, String) {
    let theory = nearest_rank(&mut law.delays_ns.clone(), permille);
    let slack = (theory as f64 * RESOLUTION) as u64;
    let holds = theory - slack <= found_ns && found_ns <= theory + slack + error_ns;
    (holds, format!("{} + at most {}", ms(theory), us(error_ns + slack)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delays_have_the_distributions_they_are_named_after() {
        let [constant, bimodal, exponential] = laws(10_000);
        assert!(constant.delays_ns.iter().all(|delay| *delay == 5 * MS_NS));
        assert_eq!(bimodal.delays_ns.iter().filter(|delay| **delay == 50 * MS_NS).count(), 100);
        let mean = exponential.delays_ns.iter().sum::<u64>() as f64 / 1e4;
        assert!((mean / 5e6 - 1.0).abs() < 0.05, "{mean}");
    }
}
