//! What the tests share: a driver on a stub, schedules, distances to laws, signs of disturbance.

use std::net::SocketAddr;
use std::time::Duration;

use authbench::credential::Carrier;
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::token::key::Keyring;

use super::verdict::Verdict;
use crate::load::driver::{Driver, DriverSettings, Executed, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::{Row, nearest_rank};
use crate::load::pacer::Pacing;
use crate::load::schedule::{Arrivals, stream};
use crate::server::config::{RedisConfig, ServeConfig};

/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// A driver or a stub later than this at its 99th percentile was disturbed by the host.
pub const DISTURBED_NS: u64 = 1_000_000;

/// Requests that may wait; more than any test sends at once.
const BACKLOG: usize = 1_000_000;

/// A driver that wakes exactly and waits `timeout` for answers.
#[must_use]
pub const fn settings(timeout: Duration) -> DriverSettings {
    DriverSettings {
        pacing: Pacing::Exact,
        timeout,
        backlog_limit: BACKLOG,
        ..DriverSettings::DEFAULT
    }
}

/// `GET /` for target `address`, answered by any 200.
#[must_use]
pub fn get(address: SocketAddr) -> Exchange {
    Exchange::new("GET", address, "/", "", "", Expect::Status(200))
}

/// A seeded schedule for target 0.
#[must_use]
pub fn schedule(law: Arrivals, rate: u64, length_ns: u64, seed: u64) -> Vec<Op> {
    let times = law.times(rate, length_ns, &mut stream(seed, "selftest", rate));
    times.into_iter().map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect()
}

/// `count` requests for a closed loop.
#[must_use]
pub fn closed(count: usize) -> Vec<Op> {
    vec![Op { at_ns: 0, target: 0, exchange: 0 }; count]
}

/// Executes `ops` over `connections` connections to `address`.
///
/// # Errors
/// When the driver fails.
pub fn drive(
    address: SocketAddr,
    connections: usize,
    ops: &[Op],
    mode: Mode,
    settings: DriverSettings,
) -> anyhow::Result<Executed> {
    let mut driver = Driver::new(settings)?;
    driver.add_target(address, connections)?;
    Ok(driver.execute(ops, &[get(address)], mode, false)?)
}

/// The configuration of a server of `kind` on free ports. Strategies that sign are of no use here.
#[must_use]
pub fn server_config(kind: StrategyKind, spin_ns: u64, redis: Option<RedisConfig>) -> ServeConfig {
    ServeConfig {
        strategy: kind,
        carrier: Carrier::Bearer,
        data: ([127, 0, 0, 1], 0).into(),
        control: ([127, 0, 0, 1], 0).into(),
        threads: 1,
        settings: Settings::default(),
        keys: Keyring::default(),
        redis,
        postgres_url: None,
        sqlite_file: None,
        spin_ns,
        work_kib: 0,
        ping: false,
        cpus: Vec::new(),
        clock_offset_s: 0,
    }
}

/// The quantile `permille` of a figure of every row, by rank.
#[must_use]
pub fn quantile(rows: &[Row], permille: usize, of: impl Fn(&Row) -> u64) -> u64 {
    let mut values: Vec<u64> = rows.iter().map(of).collect();
    nearest_rank(&mut values, permille)
}

/// The mean of a figure of every row.
#[must_use]
pub fn mean(rows: &[Row], of: impl Fn(&Row) -> u64) -> f64 {
    rows.iter().map(|row| of(row) as f64).sum::<f64>() / rows.len().max(1) as f64
}

/// Says so when the driver was late by itself.
pub fn note_slip(verdict: &mut Verdict, rows: &[Row]) {
    note_late(verdict, "the driver's slip p99", quantile(rows, 990, Row::slip_ns));
}

/// Says so when `what` was late by `p99_ns` at its 99th percentile, which is too much.
pub fn note_late(verdict: &mut Verdict, what: &'static str, p99_ns: u64) {
    if p99_ns > DISTURBED_NS {
        verdict.disturbed(what, p99_ns);
    }
}

/// The Kolmogorov-Smirnov distance of `samples` to the law with the distribution function `law`:
/// an effect size, not a p-value. Sorts in place.
#[must_use]
pub fn ks_distance(samples: &mut [f64], law: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let at = |(i, x): (usize, &f64)| {
        let p = law(*x);
        (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
    };
    samples.iter().enumerate().map(at).fold(0.0, f64::max)
}

/// Variance over mean of the counts of `times` in windows of `window_ns`: 1 for Poisson, 0 for
/// equal gaps. The last, cut window does not count.
#[must_use]
pub fn dispersion(times: &[u64], window_ns: u64) -> f64 {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return f64::NAN };
    let windows = ((last - first) / window_ns) as usize;
    let mut counts = vec![0_f64; windows];
    for time in times {
        if let Some(count) = counts.get_mut(((time - first) / window_ns) as usize) {
            *count += 1.0;
        }
    }
    let n = windows as f64;
    let mean = counts.iter().sum::<f64>() / n;
    counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (n - 1.0) / mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_a_sample_to_its_own_law_is_half_a_step() {
        let mut uniform: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
        assert!((ks_distance(&mut uniform, |x| x) - 0.005).abs() < 1e-9);
        assert!(ks_distance(&mut uniform, |x| x * x) > 0.2);
    }

    #[test]
    fn equal_gaps_have_no_dispersion_and_clumps_have_much() {
        let equal: Vec<u64> = (0..1_000).map(|i| i * 10).collect();
        assert!(dispersion(&equal, 100) < 0.01);
        let clumps: Vec<u64> = (0..1_000).map(|i| i / 10 * 100).collect();
        assert!(dispersion(&clumps, 50) > 4.0);
    }
}
