//! Many logouts at once: what each costs, and how long the credentials go on working meanwhile.
//!
//! The cost is taken of a burst with nothing beside it. The lag is taken while the rest is revoked
//! at a rate that leaves the driver time for probes, and of a sample: every so-manyth, the last one
//! included.

use anyhow::{Context as _, ensure};
use rand::RngExt as _;

use super::lag::{present_all, row};
use super::layout::{Layout, PROBES_BEFORE, REFUSALS};
use super::load::answered;
use super::series::{Operation, Series, bound_ns};
use super::stage::Stage;
use super::trial::{Beside, Probed, Probing, Revoked, probe};
use crate::load::driver::Mode;
use crate::load::exchange::{Expect, Op};
use crate::load::outcome::ledger;
use crate::load::schedule::stream;
use crate::load::wallet::log_in;
use crate::measure::contestant::{Common, fresh_subjects};
use crate::measure::store::Store;
use crate::plan::SpectrumPlan;
use crate::record::run::{MassRow, RevocationLag};

/// Logouts of the burst, at the most, and at most half of all.
const BURST_MAX: usize = 1_000;
/// Logins sent between two looks at the clock.
const LOGINS_AT_ONCE: usize = 500;
/// Of what the burst achieved: the rate of the other logouts, and that of the probes.
const SHARE_PERCENT: u64 = 40;
/// A bound is probed in so many steps.
const STEPS: u64 = 100;
/// One in so many of the revoked is probed, up to the plan's sample, and a few at least.
const SAMPLE_ONE_IN: usize = 100;
const SAMPLE_LEAST: usize = 5;
/// What a revoke call may take, nanoseconds: the logouts queue up.
const SLACK_NS: u64 = 50_000_000;
/// Before the first probe.
const LEAD_NS: u64 = 20_000_000;

/// When the logouts and the probes of a mass are due.
#[derive(Debug)]
struct Plan {
    /// Of the sample.
    layout: Layout,
    /// When each of the others is due.
    others_ns: Vec<u64>,
    /// Which of all are the sample, ascending.
    sample: Vec<usize>,
}

/// Lays out `logouts` at `rate` per second, of which `sample` are probed on `nodes` nodes by at
/// most `probes_per_second` in all: at longer intervals where that must be.
fn lay_out(
    (logouts, sample, nodes): (usize, usize, u64),
    (rate, probes_per_second): (u64, u64),
    (bound_ns, probe_ns): (u64, u64),
    rng: &mut rand_pcg::Pcg64,
) -> Plan {
    let span_ns = logouts as u64 * 1_000_000_000 / rate.max(1);
    let probes =
        |every_ns: u64| PROBES_BEFORE + REFUSALS + (bound_ns + SLACK_NS).div_ceil(every_ns);
    let mut interval_ns = probe_ns.max(bound_ns / STEPS);
    while interval_ns < 1_000_000_000 {
        let all = sample as u64 * nodes * probes(interval_ns);
        let lasts_ns = span_ns + probes(interval_ns) * interval_ns;
        if all * 1_000_000_000 / lasts_ns <= probes_per_second {
            break;
        }
        interval_ns += interval_ns / 4;
    }
    let begin_ns = LEAD_NS + PROBES_BEFORE * interval_ns + bound_ns;
    let sample: Vec<usize> = (1..=sample).map(|k| k * logouts / sample - 1).collect();
    let at = |i: usize| begin_ns + i as u64 * 1_000_000_000 / rate.max(1);
    let logouts_ns: Vec<u64> = sample.iter().map(|i| at(*i)).collect();
    let mut primes_ns = Vec::new();
    if bound_ns > 0 {
        for logout_ns in &logouts_ns {
            let latest = logout_ns - PROBES_BEFORE * interval_ns;
            primes_ns.push((0..nodes).map(|_| latest - rng.random_range(0..bound_ns)).collect());
        }
    }
    let probe_for_ns = (probes(interval_ns) - PROBES_BEFORE) * interval_ns;
    let others = (0..logouts).filter(|i| sample.binary_search(i).is_err());
    let others_ns = others.map(at).collect();
    Plan { layout: Layout { logouts_ns, primes_ns, probe_for_ns, interval_ns }, others_ns, sample }
}

/// Milliseconds that a mass takes by plan, roughly: nobody knows before how fast a strategy is.
#[must_use]
pub fn planned_ms(series: &Series, mass: u32) -> u64 {
    // Ten thousand logins a second, logouts at 40 % of that, and a look on every node.
    u64::from(mass) * (7 + u64::from(series.nodes)) / 20 + bound_ns(series.promise) / 500_000 + 500
}

/// Takes `mass` credentials back on the servers of `stage`, under the conditions of `series`.
///
/// # Errors
/// When a login or a logout fails, or a trial cannot be judged.
pub fn measure(
    common: &Common<'_>,
    (plan, series): (&SpectrumPlan, &Series),
    stage: &mut Stage,
    store: &mut Option<Store>,
    mass: u32,
) -> anyhow::Result<(RevocationLag, MassRow)> {
    let purpose = format!("mass of {mass} of {}", stage.kind.name());
    let credentials = fill(common, stage, plan, &purpose, mass)?;
    let burst_of = (credentials.len() / 2).min(BURST_MAX);
    let (burst, rest) = credentials.split_at(burst_of);
    let mut done = burst_row(stage, store, series, burst)?;
    let achieved = burst_of as u64 * 1_000_000_000 / done.burst_ns.max(1);
    done.rate_per_second = (achieved * SHARE_PERCENT / 100).max(100);
    done.logouts = credentials.len() as u64;

    let sample = (rest.len() / SAMPLE_ONE_IN).clamp(SAMPLE_LEAST, plan.mass_sample as usize);
    let mut rng = stream(common.seed, &purpose, 0);
    let rates = (done.rate_per_second, plan.probes_per_second.min(done.rate_per_second));
    let size = (rest.len(), sample.min(rest.len()), u64::from(series.nodes));
    let bound_ns = bound_ns(series.promise);
    let laid = lay_out(size, rates, (bound_ns, plan.probe_us * 1_000), &mut rng);
    let probed = revoke_rest(stage, series, rest, &laid)?;
    answered(&probed.beside)?;

    let begun_ns = probed.beside.first().map_or(0, |row| row.written_ns);
    let ends = probed.trials.iter().zip(&probed.acknowledged_ns).map(|(trial, acknowledged)| {
        let refused = i64::try_from(*acknowledged).ok()?.checked_add(trial.first_refused_ns?)?;
        Some(u64::try_from(refused).ok()?.saturating_sub(begun_ns))
    });
    done.all_refused_after_ns =
        ends.collect::<Option<Vec<u64>>>().and_then(|e| e.into_iter().max());
    let (presented, accepted) = present_all(stage, series.nodes, &credentials)?;
    let lifetime_s = common.plan.settings.session_idle_s;
    let lag = RevocationLag {
        operation: "mass".into(),
        credentials_per_call: u32::try_from(credentials.len())?,
        probe_interval_ns: laid.layout.interval_ns,
        presented_afterwards: presented,
        accepted_afterwards: accepted,
        trials: probed.trials,
        ..row(stage.kind, series, lifetime_s)
    };
    Ok((lag, done))
}

/// Logs in as many as there is time for.
fn fill(
    common: &Common<'_>,
    stage: &mut Stage,
    plan: &SpectrumPlan,
    purpose: &str,
    mass: u32,
) -> anyhow::Result<Vec<String>> {
    let limit_ns = stage.driver.now_ns() + plan.mass_limit_s * 1_000_000_000;
    let mut credentials = Vec::with_capacity(mass as usize);
    for some in fresh_subjects(common, purpose, 0, mass).chunks(LOGINS_AT_ONCE) {
        if stage.driver.now_ns() > limit_ns {
            break;
        }
        credentials.extend(log_in(&mut stage.driver, stage.accounts[0], some)?.0);
    }
    let least = 2 * plan.mass_sample as usize;
    ensure!(credentials.len() >= least, "only {} logins in time", credentials.len());
    Ok(credentials)
}

/// Logs `burst` out as fast as the driver can, on all nodes in turn, between two readings.
fn burst_row(
    stage: &mut Stage,
    store: &mut Option<Store>,
    series: &Series,
    burst: &[String],
) -> anyhow::Result<MassRow> {
    let accounts = &stage.accounts[..series.nodes as usize];
    let each = burst.iter().zip(accounts.iter().cycle());
    let exchanges: Vec<_> = each
        .clone()
        .map(|(credential, at)| at.exchange("POST", "/logout", credential, Expect::Status(200)))
        .collect();
    let ops: Vec<Op> = each
        .zip(0..)
        .map(|((_, at), exchange)| Op { at_ns: 0, target: at.target, exchange })
        .collect();
    let counted = store.as_mut().map(Store::counters).transpose()?;
    let store_cpu = |store: &Option<Store>| -> anyhow::Result<Option<u64>> {
        store.as_ref().map(|s| Ok(s.cpu().read_settled()?.ns)).transpose()
    };
    let (server_ns, store_ns) = (stage.server_cpu_ns(series.nodes)?, store_cpu(store)?);
    let begun_ns = stage.driver.now_ns();
    let executed = stage.driver.execute(&ops, &exchanges, Mode::Closed, false)?;
    let burst_ns = stage.driver.now_ns() - begun_ns;
    let (server_after, store_after) = (stage.server_cpu_ns(series.nodes)?, store_cpu(store)?);
    let counted_after = store.as_mut().map(Store::counters).transpose()?;
    let ledger = ledger(&executed.rows);
    ensure!(
        ledger.expected == ledger.scheduled,
        "{} of {} logouts of a burst were acknowledged",
        ledger.expected,
        ledger.scheduled
    );
    let used = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    Ok(MassRow {
        strategy: stage.kind.name().into(),
        nodes: series.nodes,
        logouts: 0,
        burst_logouts: burst.len() as u64,
        burst_ns,
        burst_server_cpu_ns: server_after.saturating_sub(server_ns),
        burst_store_cpu_ns: used(store_ns, store_after),
        burst_redis_commands: used(counted.map(|c| c.commands), counted_after.map(|c| c.commands)),
        rate_per_second: 0,
        all_refused_after_ns: None,
    })
}

/// Logs `rest` out as laid out, and probes the sample.
fn revoke_rest(
    stage: &mut Stage,
    series: &Series,
    rest: &[String],
    laid: &Plan,
) -> anyhow::Result<Probed> {
    let accounts = &stage.accounts[..series.nodes as usize];
    let probed: Vec<Revoked> =
        laid.sample.iter().map(|i| Revoked::one(&rest[*i], accounts.len())).collect();
    let others = (0..rest.len()).filter(|i| laid.sample.binary_search(i).is_err());
    let mut beside = Beside::default();
    for ((i, at_ns), account) in others.zip(&laid.others_ns).zip(accounts.iter().cycle()) {
        let exchange = u32::try_from(beside.exchanges.len()).context("too many logouts")?;
        let logout = account.exchange("POST", "/logout", &rest[i], Expect::Status(200));
        beside.exchanges.push(logout);
        beside.ops.push(Op { at_ns: *at_ns, target: account.target, exchange });
    }
    let probing = Probing {
        path: "/logout",
        layout: &laid.layout,
        bound_ns: bound_ns(Operation::Logout.promise(&stage.kind.properties())),
        logged_in_ns: stage.driver.now_ns(),
        beside: &beside,
    };
    probe(&mut stage.driver, accounts, &probed, &probing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_spread_and_ends_with_the_last() {
        let mut rng = stream(1, "mass", 0);
        let ms = 1_000_000;
        let laid = lay_out((500, 10, 2), (2_000, 2_000), (0, ms), &mut rng);
        assert_eq!((laid.sample.len(), laid.others_ns.len()), (10, 490));
        assert_eq!(laid.sample.last(), Some(&499));
        let last = laid.layout.logouts_ns.last().unwrap();
        assert!(laid.others_ns.iter().all(|at| at < last), "it is the last to be revoked");
        let probes = 20 * (laid.layout.probe_for_ns / laid.layout.interval_ns + PROBES_BEFORE);
        let lasts_ns = last + laid.layout.probe_for_ns;
        assert!(probes * 1_000_000_000 / lasts_ns <= 2_000, "no more probes than allowed");
        let bounded = lay_out((500, 10, 2), (2_000, 2_000), (1_000 * ms, ms), &mut rng);
        assert!(bounded.layout.probe_for_ns >= 1_000 * ms + SLACK_NS);
        assert!(bounded.layout.primes_ns.iter().all(|primes| primes.len() == 2));
    }
}
