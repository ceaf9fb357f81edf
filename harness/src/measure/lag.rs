//! Revocation lag: how long a revoked credential goes on working, on any node.
//!
//! A trial is a schedule like any other: probes that present one credential to every node at equal
//! intervals, and one logout among them. Revoker and prober share a thread and a clock. The lag is
//! counted from the logout's acknowledgement to the first-sent time of the last probe accepted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use authbench::credential::Carrier;
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Revocation, Scope};
use rand::RngExt as _;

use crate::load::driver::{Driver, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::Row;
use crate::load::schedule::{shuffled, stream};
use crate::load::wallet::{Account, log_in};
use crate::measure::block::{Watcher, driver_settings};
use crate::measure::contestant::{Common, fresh_subjects};
use crate::plan::PlannedArm;
use crate::record::run::{LagTrial, RevocationLag};
use crate::server::child::ServerChild;

/// Refusals on every node, past the bound, before a trial may end.
const REFUSALS: u64 = 50;
/// Probes sent before the logout.
const PROBES_BEFORE: u64 = 10;
/// Trials whose probes overlap, at the most, where the promise is immediate.
const OVERLAP: u64 = 3;
/// A logout presents the credential, so it must still be good: none is revoked in the last moments
/// of its life.
const LAST_MOMENTS_NS: u64 = 150_000_000;

/// Server processes that share the store and the keys.
const NODES: usize = 2;

/// How the revocations of one strategy are laid out in time, nanoseconds.
#[derive(Clone, Debug)]
pub struct Layout {
    /// When each trial's logout is due.
    pub logouts_ns: Vec<u64>,
    /// From a logout to the trial's last probe.
    pub probe_for_ns: u64,
    /// From one probe of a node to its next.
    pub interval_ns: u64,
}

/// What the probes of one layout found.
#[derive(Clone, Debug)]
pub struct Probed {
    /// One trial per credential, in the credentials' order.
    pub trials: Vec<LagTrial>,
    /// When each logout's acknowledgement was read, on the driver's clock.
    pub acknowledged_ns: Vec<u64>,
    /// The driver's worst lateness.
    pub slip_max_ns: u64,
}

/// Which strategies of `arms` have a lag to measure, and how: those whose logout takes effect, and
/// as many of those that wait for expiry as the plan asks for.
#[must_use]
pub fn subjects_of(common: &Common<'_>, arms: &[PlannedArm]) -> Vec<StrategyKind> {
    let mut at_expiry = 0;
    let mut kinds: Vec<StrategyKind> = Vec::new();
    for kind in arms.iter().map(|arm| arm.kind) {
        let properties = kind.properties();
        if kinds.contains(&kind) || properties.family == Family::Floor {
            continue;
        }
        if properties.revoke == Revocation::AtExpiry {
            if at_expiry == common.plan.lag_token_strategies {
                continue;
            }
            at_expiry += 1;
        }
        kinds.push(kind);
    }
    kinds
}

/// Milliseconds the trials of `kind` take by plan.
#[must_use]
pub fn planned_ms(common: &Common<'_>, kind: StrategyKind) -> u64 {
    let plan = common.plan;
    match kind.properties().revoke {
        Revocation::AtExpiry => {
            let after = REFUSALS * plan.lag_token_probe_us / 1_000;
            1_000 + plan.lag_token_lifetime_s * 1_000 + after + 300
        }
        Revocation::Immediate | Revocation::Within(_) => {
            u64::from(plan.lag_trials) * spacing_ns(plan.lag_probe_us * 1_000) / 1_000_000 + 300
        }
    }
}

/// From one logout to the next where the promise is immediate.
const fn spacing_ns(interval_ns: u64) -> u64 {
    (PROBES_BEFORE + REFUSALS + 10) * interval_ns / OVERLAP
}

/// Measures the lag of `kind` over fresh servers.
///
/// # Errors
/// When a server, a login or a logout fails, or on an interruption.
pub fn measure(
    common: &Common<'_>,
    kind: StrategyKind,
    carrier: Carrier,
    watcher: &dyn Watcher,
) -> anyhow::Result<RevocationLag> {
    watcher.check()?;
    let plan = common.plan;
    let properties = kind.properties();
    let at_expiry = properties.revoke == Revocation::AtExpiry;
    let mut settings = plan.settings.clone();
    let trials = if at_expiry {
        settings.token_lifetime_s = plan.lag_token_lifetime_s;
        plan.lag_token_trials
    } else {
        plan.lag_trials
    };
    let nodes = if properties.scope == Scope::Node { 1 } else { NODES };
    let servers = start(common, kind, carrier, &settings, nodes)?;
    let mut driver = Driver::new(driver_settings(plan))?;
    let mut accounts = Vec::new();
    for server in &servers {
        let address = server.data();
        let target = driver.add_target(address, plan.connections as usize)?;
        accounts.push(Account { target, address, carrier });
    }
    let layout = if at_expiry {
        at_expiry_layout(common, kind, trials)
    } else {
        immediate_layout(common, kind, trials, properties.revoke)
    };
    let subjects = fresh_subjects(common, &format!("lag of {}", kind.name()), 0, trials);
    if at_expiry {
        // `exp` counts whole seconds: log in as one begins, or the lifetime is short by a part.
        std::thread::sleep(until_next_second()?);
    }
    let (credentials, _) = log_in(&mut driver, accounts[0], &subjects)?;
    let logged_in_ns = driver.now_ns();
    let probed = probe(&mut driver, &accounts, &credentials, logged_in_ns, &layout)
        .with_context(|| format!("the lag of `{}` was not measured", kind.name()))?;
    watcher.passed(planned_ms(common, kind));
    Ok(RevocationLag {
        strategy: kind.name().into(),
        nodes: u32::try_from(nodes)?,
        scope_note: (nodes == 1).then(|| {
            "its state is one process's own: probed on the node that issued the credential".into()
        }),
        probe_interval_ns: layout.interval_ns,
        lifetime_s: if at_expiry { settings.token_lifetime_s } else { settings.session_idle_s },
        operation: "logout".into(),
        credentials_per_call: 1,
        load_per_second: 0,
        trials: probed.trials,
    })
}

/// Revokes each of `credentials` on the first of `accounts` and probes it on all of them.
///
/// # Errors
/// When the driver fails, or a trial cannot be judged.
pub fn probe(
    driver: &mut Driver,
    accounts: &[Account],
    credentials: &[String],
    logged_in_ns: u64,
    layout: &Layout,
) -> anyhow::Result<Probed> {
    let (ops, exchanges) = schedule(layout, accounts, credentials);
    let executed = driver.execute(&ops, &exchanges, Mode::Open, false)?;
    let per_credential = u32::try_from(accounts.len())? + 1;
    let mut sorted: Vec<Vec<(u32, Row)>> = vec![Vec::new(); credentials.len()];
    for (op, row) in ops.iter().zip(&executed.rows) {
        let (trial, kind) = (op.exchange / per_credential, op.exchange % per_credential);
        sorted[trial as usize].push((kind, *row));
    }
    let done = |rows: &Vec<(u32, Row)>| rows.iter().find(|(k, _)| *k == 0).map(|(_, r)| r.done_ns);
    let acknowledged_ns = sorted.iter().filter_map(done).collect();
    let judged = sorted.iter().map(|rows| judge(rows, accounts.len(), logged_in_ns));
    let trials = judged.collect::<anyhow::Result<_>>()?;
    let slip_max_ns = executed.rows.iter().map(Row::slip_ns).max().unwrap_or(0);
    Ok(Probed { trials, acknowledged_ns, slip_max_ns })
}

fn start(
    common: &Common<'_>,
    kind: StrategyKind,
    carrier: Carrier,
    settings: &Settings,
    nodes: usize,
) -> anyhow::Result<Vec<ServerChild>> {
    let arm = crate::record::run::Arm {
        id: kind.name().into(),
        strategy: kind.name().into(),
        carrier: carrier.name().into(),
        role: crate::record::run::Role::Contender,
        spin_ns: 0,
        store_pings: 0,
    };
    let arm = PlannedArm { record: arm, kind, carrier, decoy: false };
    let config = common.config(&arm, settings);
    (0..nodes).map(|_| ServerChild::spawn(&config)).collect()
}

fn until_next_second() -> anyhow::Result<Duration> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    // A little past it, so that a slow clock tick does not land us in the second before.
    Ok(Duration::from_millis(1_003) - Duration::from_nanos(since.subsec_nanos().into()))
}

/// One logout after another, in random order of age, their probes overlapping a little.
fn immediate_layout(
    common: &Common<'_>,
    kind: StrategyKind,
    trials: u32,
    promise: Revocation,
) -> Layout {
    let interval_ns = common.plan.lag_probe_us * 1_000;
    let bound_ns = match promise {
        Revocation::Within(bound) => u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX / 4),
        Revocation::Immediate | Revocation::AtExpiry => 0,
    };
    let spacing = spacing_ns(interval_ns);
    let mut rng = stream(common.seed, &format!("lag times of {}", kind.name()), 0);
    let begin_ns = 20_000_000 + PROBES_BEFORE * interval_ns;
    let logouts_ns = shuffled(trials as usize, &mut rng)
        .into_iter()
        .map(|place| begin_ns + place as u64 * spacing + rng.random_range(0..spacing))
        .collect();
    // A few more than needed: a probe that was in flight at the bound is no refusal.
    Layout { logouts_ns, probe_for_ns: bound_ns + (REFUSALS + 10) * interval_ns, interval_ns }
}

/// Every token is revoked at a uniformly random age, and probed until well past its expiry.
fn at_expiry_layout(common: &Common<'_>, kind: StrategyKind, trials: u32) -> Layout {
    let plan = common.plan;
    let interval_ns = plan.lag_token_probe_us * 1_000;
    let lifetime_ns = plan.lag_token_lifetime_s * 1_000_000_000;
    let mut rng = stream(common.seed, &format!("lag times of {}", kind.name()), 0);
    let logouts_ns = (0..trials)
        .map(|_| rng.random_range(0..lifetime_ns.saturating_sub(LAST_MOMENTS_NS)))
        .collect();
    Layout { logouts_ns, probe_for_ns: lifetime_ns + (REFUSALS + 5) * interval_ns, interval_ns }
}

/// Exchanges `[logout, probe of node 0, probe of node 1, ..]` per credential, and when each is due.
fn schedule(
    layout: &Layout,
    accounts: &[Account],
    credentials: &[String],
) -> (Vec<Op>, Vec<Exchange>) {
    let mut exchanges = Vec::new();
    let mut ops = Vec::new();
    for (credential, logout_ns) in credentials.iter().zip(&layout.logouts_ns) {
        let logout = u32::try_from(exchanges.len()).unwrap_or(u32::MAX);
        exchanges.push(accounts[0].exchange("POST", "/logout", credential, Expect::Status(200)));
        ops.push(Op { at_ns: *logout_ns, target: accounts[0].target, exchange: logout });
        let first_ns = logout_ns.saturating_sub(PROBES_BEFORE * layout.interval_ns);
        for (node, account) in accounts.iter().enumerate() {
            let exchange = logout + 1 + u32::try_from(node).unwrap_or(0);
            // Nodes are probed in turn, not at the same instant.
            let phase_ns = node as u64 * layout.interval_ns / accounts.len() as u64;
            let probe = account.exchange("GET", "/me", credential, Expect::Status(200));
            exchanges.push(probe);
            let mut at_ns = first_ns + phase_ns;
            while at_ns < logout_ns + layout.probe_for_ns {
                ops.push(Op { at_ns, target: account.target, exchange });
                at_ns += layout.interval_ns;
            }
        }
    }
    ops.sort_by_key(|op| op.at_ns);
    (ops, exchanges)
}

/// What one trial's rows say. Kind 0 is the logout, kind `n` a probe of node `n - 1`.
fn judge(rows: &[(u32, Row)], nodes: usize, logged_in_ns: u64) -> anyhow::Result<LagTrial> {
    let logout = rows.iter().find(|(kind, _)| *kind == 0).context("no logout")?.1;
    ensure!(logout.was_accepted(), "a logout was answered with status {}", logout.status);
    let ack_ns = logout.done_ns;
    let mut trial = LagTrial {
        age_ns: logout.written_ns.saturating_sub(logged_in_ns),
        call_ns: logout.service_ns(),
        last_accepted_ns: i64::MIN,
        first_refused_ns: None,
        stale_accepts: 0,
        refusals: u64::MAX,
        accepts_after_refusal: 0,
    };
    for node in 1..=nodes {
        let mut probes: Vec<Row> =
            rows.iter().filter(|(k, _)| *k as usize == node).map(|(_, row)| *row).collect();
        probes.sort_by_key(|row| row.written_ns);
        let unjudged = probes.iter().filter(|r| !(r.was_accepted() || r.status == 401)).count();
        ensure!(unjudged == 0, "{unjudged} probes were neither accepted nor refused");
        let last_accepted = probes.iter().rposition(Row::was_accepted);
        let first_refused = probes.iter().position(|row| !row.was_accepted());
        let after = last_accepted.map_or(0, |at| at + 1);
        if let Some(at) = last_accepted {
            let lag = signed_difference(probes[at].written_ns, ack_ns);
            trial.last_accepted_ns = trial.last_accepted_ns.max(lag);
        }
        if let Some(row) = probes.get(after) {
            let refused = signed_difference(row.written_ns, ack_ns);
            trial.first_refused_ns = trial.first_refused_ns.max(Some(refused));
        }
        trial.stale_accepts +=
            probes.iter().filter(|r| r.was_accepted() && r.written_ns > ack_ns).count() as u64;
        trial.refusals = trial.refusals.min((probes.len() - after) as u64);
        trial.accepts_after_refusal += first_refused.map_or(0, |first| {
            probes[first..].iter().filter(|row| row.was_accepted()).count() as u64
        });
    }
    ensure!(trial.last_accepted_ns > i64::MIN, "the credential was never accepted");
    ensure!(
        trial.refusals >= REFUSALS,
        "only {} refusals were seen after the last acceptance; {REFUSALS} are needed",
        trial.refusals
    );
    Ok(trial)
}

fn signed_difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    fn row(written_ns: u64, status: u16) -> Row {
        Row {
            intended_ns: written_ns,
            dispatched_ns: written_ns,
            written_ns,
            done_ns: written_ns + 100,
            request_bytes: 1,
            response_bytes: 1,
            status,
            outcome: Outcome::Expected,
            ..Row::NEVER_SENT
        }
    }

    /// Probes each 1,000 ns on `nodes` nodes; node `n` accepts up to `lags[n]` past the
    /// acknowledgement at 20,100.
    fn trial(lags: &[i64]) -> Vec<(u32, Row)> {
        let mut rows = vec![(0, row(20_000, 200))];
        for (node, lag) in lags.iter().enumerate() {
            for at in (10_000..200_000_u64).step_by(1_000) {
                let accepted = signed_difference(at, 20_100) <= *lag;
                rows.push((node as u32 + 1, row(at, if accepted { 200 } else { 401 })));
            }
        }
        rows
    }

    #[test]
    fn the_lag_is_the_slowest_nodes_to_within_one_interval() {
        for truth in [0, 7_000, 45_500] {
            let found = judge(&trial(&[0, truth]), 2, 5_000).unwrap();
            assert!(found.last_accepted_ns <= truth, "{truth}: {found:?}");
            assert!(found.first_refused_ns.unwrap() > truth, "{truth}: {found:?}");
            assert!(found.first_refused_ns.unwrap() - found.last_accepted_ns <= 1_000);
            assert_eq!(found.age_ns, 15_000);
        }
    }

    #[test]
    fn stale_accepts_are_those_first_sent_after_the_acknowledgement() {
        assert_eq!(judge(&trial(&[-1]), 1, 0).unwrap().stale_accepts, 0);
        assert_eq!(judge(&trial(&[900]), 1, 0).unwrap().stale_accepts, 1);
        assert_eq!(judge(&trial(&[900, 2_900]), 2, 0).unwrap().stale_accepts, 4);
    }

    #[test]
    fn a_trial_that_ends_too_early_or_was_not_judged_is_no_trial() {
        assert!(judge(&trial(&[150_000]), 1, 0).is_err(), "too few refusals");
        let mut broken = trial(&[0]);
        broken[3].1.status = 503;
        assert!(judge(&broken, 1, 0).is_err(), "an outage is no refusal");
        let mut refused = trial(&[0]);
        refused[0].1.status = 401;
        assert!(judge(&refused, 1, 0).is_err(), "the logout was refused");
    }

    #[test]
    fn an_acceptance_after_a_refusal_is_reported() {
        let mut rows = trial(&[0]);
        let late = rows.iter().position(|(k, r)| *k == 1 && r.written_ns == 60_000).unwrap();
        rows[late].1.status = 200;
        let found = judge(&rows, 1, 0).unwrap();
        assert_eq!((found.accepts_after_refusal, found.stale_accepts), (1, 1));
        assert_eq!(found.last_accepted_ns, 39_900);
    }
}
