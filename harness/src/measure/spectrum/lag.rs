//! Revocation lag: how long a revoked credential goes on working, on any node.
//!
//! A series is many trials under one set of conditions: an operation, a number of nodes, a load.
//! It is measured in batches, each with fresh credentials, so that an interruption is never far.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Revocation, Scope};

use super::layout::at_expiry;
use super::load::{Load, answered};
use super::series::{NODES, Operation, SLACK, Series, bound_ns, plain, series_ms};
use super::stage::Stage;
use super::trial::{Beside, Probed, Probing, Revoked, probe};
use crate::load::exchange::{Exchange, Expect};
use crate::load::schedule::stream;
use crate::load::wallet::{call_all, log_in};
use crate::measure::block::Watcher;
use crate::measure::contestant::{Common, fresh_subjects};
use crate::record::run::{LagTrial, RevocationLag};

/// Measures the lag of `kind` over fresh servers, by a plan without `[spectrum]`.
///
/// # Errors
/// When a server, a login or a logout fails, or on an interruption.
pub fn measure(
    common: &Common<'_>,
    kind: StrategyKind,
    watcher: &dyn Watcher,
) -> anyhow::Result<RevocationLag> {
    if kind.properties().revoke == Revocation::AtExpiry {
        return until_expiry(common, kind, watcher);
    }
    watcher.check()?;
    let series = plain(common, kind);
    let mut stage = Stage::open(common, kind, &common.plan.settings, series.nodes)?;
    run(common, &mut stage, &series, watcher)
}

/// Measures how long tokens that nothing takes back go on working, over fresh servers whose tokens
/// live shortly.
///
/// # Errors
/// As [`measure`].
pub fn until_expiry(
    common: &Common<'_>,
    kind: StrategyKind,
    watcher: &dyn Watcher,
) -> anyhow::Result<RevocationLag> {
    watcher.check()?;
    let (plan, series) = (common.plan, plain(common, kind));
    let mut settings = plan.settings.clone();
    // Whichever of them the strategy goes by.
    settings.token_lifetime_s = plan.lag_token_lifetime_s;
    settings.access_lifetime_s = plan.lag_token_lifetime_s;
    settings.link_lifetime_s = plan.lag_token_lifetime_s;
    let mut stage = Stage::open(common, kind, &settings, series.nodes)?;
    let mut rng = stream(common.seed, &format!("lag times of {}", kind.name()), 0);
    let lifetime_ns = settings.token_lifetime_s * 1_000_000_000;
    let layout = at_expiry(series.trials, lifetime_ns, series.interval_ns, &mut rng);
    let subjects = fresh_subjects(common, &format!("lag of {}", kind.name()), 0, series.trials);
    // `exp` counts whole seconds: log in as one begins, or the lifetime is short by a part.
    std::thread::sleep(until_next_second()?);
    let (credentials, _) = log_in(&mut stage.driver, stage.accounts[0], &subjects)?;
    let nodes = stage.accounts.len();
    let revoked: Vec<Revoked> = credentials.iter().map(|c| Revoked::one(c, nodes)).collect();
    let probing = Probing {
        path: "/logout",
        layout: &layout,
        bound_ns: lifetime_ns.saturating_add(settings.leeway_s * 1_000_000_000),
        logged_in_ns: stage.driver.now_ns(),
        beside: &Beside::default(),
    };
    let probed = probe(&mut stage.driver, &stage.accounts, &revoked, &probing)
        .with_context(|| format!("the lag of `{}` was not measured", kind.name()))?;
    watcher.passed(series_ms(common, &series));
    let lifetime_s = settings.token_lifetime_s;
    Ok(RevocationLag { trials: probed.trials, ..row(kind, &series, lifetime_s) })
}

/// Measures one series on running servers.
///
/// # Errors
/// When a login or a logout fails, a trial cannot be judged, or on an interruption.
pub fn run(
    common: &Common<'_>,
    stage: &mut Stage,
    series: &Series,
    watcher: &dyn Watcher,
) -> anyhow::Result<RevocationLag> {
    let kind = stage.kind;
    let mut measured = row(kind, series, common.plan.settings.session_idle_s);
    let batches = series.trials.div_ceil(series.batch.max(1));
    let load = Load::prepare(common, stage, series)?;
    for batch in 0..batches {
        watcher.check()?;
        let trials = series.batch.min(series.trials - batch * series.batch);
        let found = attempt(common, stage, series, &load, (batch, trials))
            .with_context(|| format!("{} of `{}`", series.words(), kind.name()))?;
        measured.trials.extend(found.trials);
        // A law is one node's, and the lag is that of the slowest.
        if bound_ns(series.promise) > 0 {
            measured.node_lags_ns.resize(found.node_lags_ns.len(), Vec::new());
            for (all, own) in measured.node_lags_ns.iter_mut().zip(found.node_lags_ns) {
                all.extend(own);
            }
        }
        measured.presented_afterwards += found.presented_afterwards;
        measured.accepted_afterwards += found.accepted_afterwards;
        watcher.passed(series_ms(common, series) / u64::from(batches));
    }
    Ok(measured)
}

/// A series before its trials.
pub(super) fn row(kind: StrategyKind, series: &Series, lifetime_s: u64) -> RevocationLag {
    let alone = kind.properties().scope == Scope::Node;
    RevocationLag {
        strategy: kind.name().into(),
        nodes: series.nodes,
        scope_note: alone.then(|| {
            "its state is one process's own: probed on the node that issued the credential".into()
        }),
        probe_interval_ns: series.interval_ns,
        lifetime_s,
        operation: series.operation.name().into(),
        credentials_per_call: series.credentials,
        load_per_second: series.load_per_second,
        node_lags_ns: vec![],
        presented_afterwards: 0,
        accepted_afterwards: 0,
        trials: vec![],
    }
}

/// What one batch found.
#[derive(Debug)]
struct Batch {
    trials: Vec<LagTrial>,
    node_lags_ns: Vec<Vec<i64>>,
    presented_afterwards: u64,
    accepted_afterwards: u64,
}

/// One batch; once more with longer trials when they were too short for how long a call takes.
fn attempt(
    common: &Common<'_>,
    stage: &mut Stage,
    series: &Series,
    load: &Load,
    (batch, trials): (u32, u32),
) -> anyhow::Result<Batch> {
    let tries = SLACK.into_iter().enumerate();
    let mut failed = None;
    for (number, slack) in tries {
        let index = u64::from(batch) * SLACK.len() as u64 + number as u64;
        match one_batch(common, stage, series, load, (index, trials, slack)) {
            Ok(found) => return Ok(found),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.context("no attempt was made")?)
}

fn one_batch(
    common: &Common<'_>,
    stage: &mut Stage,
    series: &Series,
    load: &Load,
    (index, trials, slack): (u64, u32, u64),
) -> anyhow::Result<Batch> {
    let kind = stage.kind;
    let purpose = match (series.operation, series.nodes, series.load_per_second) {
        (Operation::Logout, 1 | NODES, 0) => kind.name().to_owned(),
        _ => format!("{}, {}", kind.name(), series.words()),
    };
    let mut rng = stream(common.seed, &format!("lag times of {purpose}"), index);
    let pace = series.pace(trials, slack);
    let layout = pace.layout(&mut rng);
    let accounts = &stage.accounts[..series.nodes as usize];
    let subjects = fresh_subjects(common, &format!("lag of {purpose}"), index, trials);
    let each = series.credentials as usize;
    let logins: Vec<_> =
        subjects.iter().flat_map(|subject| std::iter::repeat_n(*subject, each)).collect();
    let (credentials, _) = log_in(&mut stage.driver, accounts[0], &logins)?;
    let revoked: Vec<Revoked> =
        credentials.chunks(each).map(|own| Revoked::several(own, accounts.len())).collect();
    let beside = load.during(accounts.len(), &layout, &mut rng);
    let path = format!("/{}", series.operation.name());
    let probing = Probing {
        path: &path,
        layout: &layout,
        bound_ns: pace.bound_ns,
        logged_in_ns: stage.driver.now_ns(),
        beside: &beside,
    };
    let probed = probe(&mut stage.driver, accounts, &revoked, &probing)?;
    answered(&probed.beside)?;
    let Probed { trials, node_lags_ns, .. } = probed;
    let (mut presented_afterwards, mut accepted_afterwards) = (0, 0);
    if series.operation == Operation::LogoutAll {
        (presented_afterwards, accepted_afterwards) =
            present_all(stage, series.nodes, &credentials)?;
    }
    Ok(Batch { trials, node_lags_ns, presented_afterwards, accepted_afterwards })
}

/// Presents every credential to every node: how often that was, and how often it was accepted.
pub(super) fn present_all(
    stage: &mut Stage,
    nodes: u32,
    credentials: &[String],
) -> anyhow::Result<(u64, u64)> {
    let (mut presented, mut accepted) = (0, 0);
    for account in &stage.accounts[..nodes as usize] {
        // The answer is not kept: it may be one of a hundred thousand.
        let refused = Expect::Status(401);
        let ask = |c: &String| account.exchange("GET", "/me", c, refused.clone());
        let exchanges: Vec<Exchange> = credentials.iter().map(ask).collect();
        let (rows, _) = call_all(&mut stage.driver, account.target, &exchanges)?;
        presented += rows.len() as u64;
        accepted += rows.iter().filter(|row| row.was_accepted()).count() as u64;
    }
    Ok((presented, accepted))
}

fn until_next_second() -> anyhow::Result<Duration> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    // A little past it, so that a slow clock tick does not land us in the second before.
    Ok(Duration::from_millis(1_003) - Duration::from_nanos(since.subsec_nanos().into()))
}
