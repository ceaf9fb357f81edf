//! Test 3: what is scheduled is exact, and what is dispatched follows the schedule and its law.

use std::time::Duration;

use super::Scale;
use super::rig::{SECOND_NS, dispersion, drive, ks_distance, quantile, schedule, settings};
use super::stub::{OK, Reply, Stub};
use super::verdict::Verdict;
use crate::load::driver::Mode;
use crate::load::outcome::Row;
use crate::load::schedule::{Arrivals, sha256};

const RATES: [u64; 3] = [100, 1_000, 5_000];
const CONNECTIONS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest distance of what was sent to the intended law.
const KS_LIMIT: f64 = 0.02;
/// A driver later than this at its 99th percentile shows the host's law, not its own.
const SLIP_GATE_NS: u64 = 200_000;
/// Requests due within one wake-up leave together: shorter gaps keep no law, whoever sends them.
const GRAIN_NS: f64 = 50_000.0;
/// Variance over mean of Poisson counts, give or take.
const DISPERSION: std::ops::RangeInclusive<f64> = 0.9..=1.1;
/// The windows the counts are of: so many that the index's own standard error is 0.03.
const WINDOWS: u64 = 2_000;
/// The share of the schedule that must have been dispatched by its end, and its complement.
const DISPATCH_LIMIT: f64 = 0.001;

/// Test 3.
///
/// # Errors
/// When stub or driver fail.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    drawn(&mut verdict);
    verdict.rows.iter_mut().for_each(|row| row.is_exact = true);
    for rate in RATES {
        for law in [Arrivals::Constant, Arrivals::Poisson] {
            dispatched(&mut verdict, law, rate, seconds(scale, law, rate))?;
        }
    }
    Ok(verdict)
}

/// A sample's own distance to its law is about 0.87 / sqrt(n): 6,000 arrivals resolve 0.02.
fn seconds(scale: &Scale, law: Arrivals, rate: u64) -> u64 {
    match law {
        Arrivals::Poisson => scale.pick((6_000 / rate).max(4), (2_000 / rate).clamp(2, 5)),
        Arrivals::Constant => scale.pick((2_000 / rate).max(2), 2),
    }
}

/// The schedule itself, without a driver: long enough that chance is no excuse.
fn drawn(verdict: &mut Verdict) {
    let rate = 1_000;
    let long = 400 * SECOND_NS;
    for law in [Arrivals::Poisson, Arrivals::Constant] {
        let ops = schedule(law, rate, long, 3);
        let times: Vec<u64> = ops.iter().map(|op| op.at_ns).collect();
        let distance = poisson_distance(&times, rate);
        let index = dispersion(&times, SECOND_NS / 10);
        let what = format!("{} schedule of 400 s at 1000/s", law.name());
        let (near, even) = (distance <= KS_LIMIT, DISPERSION.contains(&index));
        let ks = format!("at most {KS_LIMIT}");
        let di = "0.9 to 1.1, counts of 100 ms";
        if law == Arrivals::Poisson {
            verdict.check(format!("{what}: KS distance"), three(distance), ks, near);
            verdict.check(format!("{what}: dispersion"), three(index), di, even);
        } else {
            verdict.control(format!("{what}: KS distance"), three(distance), ks, near);
            verdict.control(format!("{what}: dispersion"), three(index), di, even);
        }
    }
    let hash = |seed| sha256(&schedule(Arrivals::Poisson, rate, SECOND_NS, seed));
    let same = hash(3) == hash(3);
    let said = |same| if same { "the same" } else { "another" };
    verdict.check("stream hash of the same seed", said(same), "the same", same);
    let same = hash(3) == hash(4);
    verdict.control("stream hash of another seed", said(same), "the same", same);
}

fn dispatched(verdict: &mut Verdict, law: Arrivals, rate: u64, seconds: u64) -> anyhow::Result<()> {
    let length_ns = seconds * SECOND_NS;
    let ops = schedule(law, rate, length_ns, 3);
    let stub = Stub::start(|_| Reply::Now(OK))?;
    let executed = drive(stub.address(), CONNECTIONS, &ops, Mode::Open, settings(TIMEOUT))?;
    let rows = &executed.rows;
    // The gate of a latency claim: gaps of 200 us keep no law under jitter of their own length.
    let slip_ns = quantile(rows, 990, Row::slip_ns);
    if slip_ns > SLIP_GATE_NS {
        verdict.disturbed("the driver's slip p99", slip_ns);
    }
    let what = |of: &str| format!("{} {rate}/s, {seconds} s: {of}", law.name());
    if law == Arrivals::Constant {
        let wanted = rate * seconds;
        let exact = ops.len() as u64 == wanted;
        verdict.check(what("scheduled"), ops.len(), wanted.to_string(), exact);
        verdict.exactly();
    }
    let begin_ns = rows.first().map_or(0, |row| row.intended_ns - ops[0].at_ns);
    let in_time = |row: &&Row| row.dispatched_ns < begin_ns + length_ns;
    let on_time = rows.iter().filter(in_time).count() as f64 / ops.len() as f64;
    let figure = format!("{:.3} %", on_time * 100.0);
    // One late last request of 200 would be half a percent.
    let allowed = DISPATCH_LIMIT.max(1.0 / ops.len() as f64);
    verdict.check(what("dispatched within"), figure, "at least 99.9 %", 1.0 - on_time <= allowed);

    let mut times: Vec<u64> = rows.iter().map(|row| row.dispatched_ns).collect();
    times.sort_unstable();
    let intended: Vec<u64> = rows.iter().map(|row| row.intended_ns).collect();
    match law {
        Arrivals::Poisson => {
            let (sent, meant) = (poisson_distance(&times, rate), poisson_distance(&intended, rate));
            // A short sample has a distance of its own, known from the schedule.
            let together = 1.0 - (-(rate as f64) * GRAIN_NS / SECOND_NS as f64).exp();
            let limit = KS_LIMIT.max(meant + KS_LIMIT / 2.0) + together;
            let said = format!(
                "at most {}: the schedule's own {}, and {} of the gaps shorter than a wake-up",
                three(limit),
                three(meant),
                three(together)
            );
            verdict.check(what("KS distance"), three(sent), said, sent <= limit);
            let window_ns = length_ns / WINDOWS;
            let (sent, meant) = (dispersion(&times, window_ns), dispersion(&intended, window_ns));
            let said = format!("0.9 to 1.1 (the schedule's own {})", three(meant));
            verdict.check(what("dispersion"), three(sent), said, DISPERSION.contains(&sent));
        }
        Arrivals::Constant => {
            let sent = poisson_distance(&times, rate);
            let limit = format!("at most {KS_LIMIT}");
            verdict.control(what("KS distance to Poisson"), three(sent), limit, sent <= KS_LIMIT);
        }
    }
    Ok(())
}

/// The distance of the gaps of `times` to exponential gaps at `rate`.
fn poisson_distance(times: &[u64], rate: u64) -> f64 {
    let per_ns = rate as f64 / 1e9;
    let mut gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64 * per_ns).collect();
    ks_distance(&mut gaps, |gap| 1.0 - (-gap).exp())
}

fn three(value: f64) -> String {
    format!("{value:.3}")
}
