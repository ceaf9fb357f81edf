//! Revocation lag: how long a revoked credential goes on working, on any node.
//!
//! A series is many trials under one set of conditions: an operation, a number of nodes, a load.
//! It is measured in batches, each with fresh credentials, so that an interruption is never far.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Properties, Revocation, Scope, Uses};
use rand::RngExt as _;

use super::layout::{Layout, Pace, REFUSALS, at_expiry};
use super::stage::Stage;
use super::trial::{Beside, Probed, Probing, Revoked, probe};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::{Outcome, Row};
use crate::load::schedule::{Arrivals, stream};
use crate::load::wallet::{call_all, log_in};
use crate::measure::block::Watcher;
use crate::measure::contestant::{Common, fresh_subjects};
use crate::plan::{PlannedArm, SpectrumPlan};
use crate::record::run::{LagTrial, RevocationLag};

/// Server processes that share the store and the keys, where no plan says otherwise.
const NODES: u32 = 2;
/// Trials whose probes overlap, where no plan says otherwise.
const OVERLAP: u64 = 3;
/// Trials of one batch, where a plan has a `[spectrum]`.
const BATCH: u32 = 60;
/// What a revoke call may take, in intervals between probes, at the first attempt and the second.
const SLACK: [u64; 2] = [10, 300];
/// A bound is probed in at most so many steps where its law is not drawn.
const COARSE_STEPS: u64 = 200;
/// Credentials whose use is the load.
const LOAD_WALLET: u32 = 200;
/// Of the requests beside, at least one in so many must be answered as they should.
const BESIDE_LOST_ONE_IN: usize = 100;

/// What takes credentials back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// The one that is presented.
    Logout,
    /// Every one of its subject.
    LogoutAll,
}

impl Operation {
    /// Its name in records, and its path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout-all",
        }
    }

    /// What `properties` promise of it.
    #[must_use]
    pub const fn promise(self, properties: &Properties) -> Revocation {
        match self {
            Self::Logout => properties.revoke,
            Self::LogoutAll => properties.revoke_all,
        }
    }
}

/// Many trials under one set of conditions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Series {
    /// What takes credentials back.
    pub operation: Operation,
    /// When that takes effect, by promise.
    pub promise: Revocation,
    /// Server processes that are probed.
    pub nodes: u32,
    /// Trials.
    pub trials: u32,
    /// Trials of one batch.
    pub batch: u32,
    /// From one probe of a node to its next, nanoseconds.
    pub interval_ns: u64,
    /// Probes per second in all.
    pub probes_per_second: u64,
    /// Other requests per second meanwhile.
    pub load_per_second: u64,
    /// Credentials that one call takes back.
    pub credentials: u32,
}

impl Series {
    /// The conditions in words.
    #[must_use]
    pub fn words(&self) -> String {
        let load = match self.load_per_second {
            0 => "at rest".to_owned(),
            rate => format!("under {rate} requests per second"),
        };
        let s = if self.nodes == 1 { "" } else { "s" };
        format!("{} on {} node{s} {load}", self.operation.name(), self.nodes)
    }

    const fn pace(&self, trials: u32, slack: u64) -> Pace {
        Pace {
            trials,
            nodes: self.nodes as u64,
            bound_ns: bound_ns(self.promise),
            interval_ns: self.interval_ns,
            slack_ns: slack * self.interval_ns,
            probes_per_second: self.probes_per_second,
        }
    }
}

/// The bound of a promise, nanoseconds; 0 where it has none.
#[must_use]
pub const fn bound_ns(promise: Revocation) -> u64 {
    match promise {
        Revocation::Within(bound) => {
            bound.as_secs().saturating_mul(1_000_000_000) + bound.subsec_nanos() as u64
        }
        Revocation::Immediate | Revocation::AtExpiry => 0,
    }
}

/// The series of a strategy under a plan's `[spectrum]`, in order; those that wait for expiry have
/// one, and it is counted elsewhere.
#[must_use]
pub fn series(plan: &SpectrumPlan, properties: &Properties, credentials: u32) -> Vec<Series> {
    let mut nodes = plan.nodes.clone();
    if properties.scope == Scope::Node {
        nodes = vec![1];
    }
    let first = nodes.first().copied().unwrap_or(NODES);
    let of = |operation: Operation, nodes: u32, trials: u32, steps: u64, load: u64| {
        let promise = operation.promise(properties);
        let every_ns = bound_ns(promise).div_ceil(steps);
        Series {
            operation,
            promise,
            nodes,
            trials,
            batch: BATCH,
            interval_ns: every_ns.max(plan.probe_us * 1_000),
            // What the load takes of the driver is not there for probes.
            probes_per_second: plan.probes_per_second.saturating_sub(load).max(1_000),
            load_per_second: load,
            credentials: if operation == Operation::Logout { 1 } else { credentials.max(1) },
        }
    };
    let coarse = plan.within_steps.min(COARSE_STEPS);
    let mut all = Vec::new();
    if properties.revoke != Revocation::AtExpiry {
        all.push(of(Operation::Logout, first, plan.trials, plan.within_steps, 0));
        let more = nodes.iter().skip(1);
        all.extend(more.map(|n| of(Operation::Logout, *n, plan.other_trials, coarse, 0)));
        if plan.load_per_second > 0 {
            let immediate = properties.revoke == Revocation::Immediate;
            let trials = if immediate { plan.load_trials } else { plan.other_trials };
            all.push(of(Operation::Logout, first, trials, coarse, plan.load_per_second));
        }
    }
    if properties.revoke_all != Revocation::AtExpiry {
        all.push(of(Operation::LogoutAll, first, plan.other_trials, coarse, 0));
    }
    all.retain(|series| series.trials > 0);
    all
}

/// The only series of a strategy where a plan has no `[spectrum]`.
fn plain(common: &Common<'_>, kind: StrategyKind) -> Series {
    let (plan, properties) = (common.plan, kind.properties());
    let nodes = if properties.scope == Scope::Node { 1 } else { NODES };
    let at_expiry = properties.revoke == Revocation::AtExpiry;
    let interval_us = if at_expiry { plan.lag_token_probe_us } else { plan.lag_probe_us };
    let trials = if at_expiry { plan.lag_token_trials } else { plan.lag_trials };
    let interval_ns = interval_us * 1_000;
    Series {
        operation: Operation::Logout,
        promise: properties.revoke,
        nodes,
        trials,
        batch: trials.max(1),
        interval_ns,
        probes_per_second: (OVERLAP * u64::from(nodes) * 1_000_000_000 / interval_ns).max(1),
        load_per_second: 0,
        credentials: 1,
    }
}

/// Which strategies of `arms` have a lag to measure, and how: those whose logout takes effect, and
/// as many of those that wait for expiry as the plan asks for. What is used up by being presented
/// cannot be probed.
#[must_use]
pub fn subjects_of(common: &Common<'_>, arms: &[PlannedArm]) -> Vec<StrategyKind> {
    let mut at_expiry = 0;
    let mut kinds: Vec<StrategyKind> = Vec::new();
    for kind in arms.iter().map(|arm| arm.kind) {
        let properties = kind.properties();
        let is_floor = properties.family == Family::Floor;
        if kinds.contains(&kind) || is_floor || properties.uses == Uses::Once {
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

/// Milliseconds the trials of `kind` take by a plan without `[spectrum]`.
#[must_use]
pub fn planned_ms(common: &Common<'_>, kind: StrategyKind) -> u64 {
    series_ms(common, &plain(common, kind))
}

/// Milliseconds that a series takes by plan, starting servers left out.
#[must_use]
pub fn series_ms(common: &Common<'_>, series: &Series) -> u64 {
    let plan = common.plan;
    if series.promise == Revocation::AtExpiry {
        let after = REFUSALS * plan.lag_token_probe_us / 1_000;
        return 1_000 + plan.lag_token_lifetime_s * 1_000 + after + 300;
    }
    let batches = u64::from(series.trials.div_ceil(series.batch.max(1)));
    let trials = series.trials.min(series.batch);
    batches * (series.pace(trials, SLACK[0]).length_ns() / 1_000_000 + 100)
}

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
    settings.token_lifetime_s = plan.lag_token_lifetime_s;
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
        let exchanges: Vec<Exchange> =
            credentials.iter().map(|c| account.exchange("GET", "/me", c, Expect::Any)).collect();
        let (rows, _) = call_all(&mut stage.driver, account.target, &exchanges)?;
        presented += rows.len() as u64;
        accepted += rows.iter().filter(|row| row.was_accepted()).count() as u64;
    }
    Ok((presented, accepted))
}

/// A load that loses its requests is not the one that was ordered.
pub(super) fn answered(beside: &[Row]) -> anyhow::Result<()> {
    let wrong = beside.iter().filter(|row| row.outcome != Outcome::Expected).count();
    ensure!(
        wrong * BESIDE_LOST_ONE_IN <= beside.len(),
        "{wrong} of {} requests beside were not answered as they should",
        beside.len()
    );
    Ok(())
}

/// The other traffic: `GET /me` with credentials that nobody takes back, on every node.
#[derive(Debug, Default)]
struct Load {
    rate: u64,
    /// Of every node, one after the other.
    exchanges: Vec<Exchange>,
    targets: Vec<u32>,
}

impl Load {
    fn prepare(common: &Common<'_>, stage: &mut Stage, series: &Series) -> anyhow::Result<Self> {
        let rate = series.load_per_second;
        if rate == 0 {
            return Ok(Self::default());
        }
        let purpose = format!("load beside {}, {}", stage.kind.name(), series.words());
        let subjects = fresh_subjects(common, &purpose, 0, LOAD_WALLET);
        let (credentials, _) = log_in(&mut stage.driver, stage.accounts[0], &subjects)?;
        let accounts = &stage.accounts[..series.nodes as usize];
        let me = |account: &crate::load::wallet::Account| {
            let ask = |c: &String| account.exchange("GET", "/me", c, Expect::Status(200));
            credentials.iter().map(ask).collect::<Vec<_>>()
        };
        let exchanges = accounts.iter().flat_map(me).collect();
        Ok(Self { rate, exchanges, targets: accounts.iter().map(|a| a.target).collect() })
    }

    /// As long as the trials of `layout` last.
    fn during(&self, nodes: usize, layout: &Layout, rng: &mut rand_pcg::Pcg64) -> Beside {
        if self.rate == 0 {
            return Beside::default();
        }
        let last = layout.logouts_ns.iter().max().copied().unwrap_or(0) + layout.probe_for_ns;
        let times = Arrivals::Poisson.times(self.rate, last, rng);
        let ops = times.into_iter().map(|at_ns| {
            let node = rng.random_range(0..nodes);
            let credential = rng.random_range(0..LOAD_WALLET);
            let exchange = u32::try_from(node).unwrap_or(0) * LOAD_WALLET + credential;
            Op { at_ns, target: self.targets[node], exchange }
        });
        Beside { ops: ops.collect(), exchanges: self.exchanges.clone() }
    }
}

fn until_next_second() -> anyhow::Result<Duration> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    // A little past it, so that a slow clock tick does not land us in the second before.
    Ok(Duration::from_millis(1_003) - Duration::from_nanos(since.subsec_nanos().into()))
}
