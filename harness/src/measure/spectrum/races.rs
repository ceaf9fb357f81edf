//! Races: one single-use credential, presented many times at once to real servers, again and again.
//!
//! Nothing here is timed. What is counted is exact: how many succeeded, how many distinct
//! credentials they were given, how many of those were good afterwards, and how often the owner was
//! left without any.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;

use crate::load::driver::{Driver, DriverSettings, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::wallet::{Account, call_all, credential_of, refresh_token_of};
use crate::measure::block::{Watcher, driver_settings};
use crate::measure::contestant::{Common, fresh_subjects};
use crate::plan::{PlannedArm, usual_arm};
use crate::record::spectrum::RaceSeries;
use crate::server::child::ServerChild;

/// Server processes that share the store and the keys.
const NODES: usize = 2;
/// Logins made before their races.
const CHUNK: usize = 100;
/// From one race's begin to the next where they overlap, nanoseconds.
const STAGGER_NS: u64 = 10_000_000;

/// What is raced for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The renewal of one refresh token.
    Refresh,
    /// The use of one link.
    Redeem,
}

impl What {
    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Redeem => "redeem",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Refresh => "/refresh",
            Self::Redeem => "/redeem",
        }
    }

    /// The credential to race for, from the answer to a login.
    fn prize(self, answer: &[u8]) -> anyhow::Result<String> {
        match self {
            Self::Refresh => refresh_token_of(answer),
            Self::Redeem => credential_of(Carrier::Bearer, answer),
        }
    }
}

/// How races are run.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// What is raced for.
    pub what: What,
    /// Requests with the same credential.
    pub at_once: u32,
    /// From the first of them to the last, nanoseconds; 0 for all at one instant.
    pub spread_ns: u64,
    /// Credentials raced for.
    pub repetitions: u32,
    /// The servers' `refresh_grace_s`.
    pub grace_s: u64,
}

/// Races for credentials of `kind` over fresh servers.
///
/// # Errors
/// When a server or a login fails, or on an interruption.
pub fn measure(
    common: &Common<'_>,
    kind: StrategyKind,
    race: &Race,
    watcher: &dyn Watcher,
) -> anyhow::Result<RaceSeries> {
    let mut settings = common.plan.settings.clone();
    settings.refresh_grace_s = race.grace_s;
    let arm = PlannedArm { carrier: Carrier::Bearer, ..usual_arm(kind) };
    let config = common.config(&arm, &settings);
    let servers =
        (0..NODES).map(|_| ServerChild::spawn(&config)).collect::<anyhow::Result<Vec<_>>>()?;
    let nodes: Vec<SocketAddr> = servers.iter().map(ServerChild::data).collect();
    let purpose = format!("{} races of {}", race.what.name(), kind.name());
    let subjects = fresh_subjects(common, &purpose, race.grace_s, race.repetitions);
    run(kind, race, &nodes, &subjects, driver_settings(common.plan), watcher)
        .with_context(|| format!("the races of `{}` were not run", kind.name()))
}

/// Races for one credential of each of `subjects`, over servers of `kind` at `nodes`.
///
/// # Errors
/// When the driver or a login fails, or on an interruption.
pub fn run(
    kind: StrategyKind,
    race: &Race,
    nodes: &[SocketAddr],
    subjects: &[SubjectId],
    settings: DriverSettings,
    watcher: &dyn Watcher,
) -> anyhow::Result<RaceSeries> {
    let mut driver = Driver::new(settings)?;
    // One for each request of a race, so that none waits for another's answer.
    let connections = (race.at_once as usize).div_ceil(nodes.len().max(1));
    let mut accounts = Vec::new();
    for address in nodes.iter().copied() {
        let target = driver.add_target(address, connections)?;
        accounts.push(Account { target, address, carrier: Carrier::Bearer });
    }
    ensure!(!accounts.is_empty() && race.at_once > 0, "a race needs servers and requests");
    let mut ends = Vec::new();
    for chunk in subjects.chunks(CHUNK) {
        watcher.check()?;
        let logins: Vec<Exchange> =
            chunk.iter().map(|s| accounts[0].login(*s, Expect::Any)).collect();
        let (_, answers) = call_all(&mut driver, accounts[0].target, &logins)?;
        let prizes: Vec<String> =
            answers.iter().map(|answer| race.what.prize(answer)).collect::<anyhow::Result<_>>()?;
        // At one instant: one race after the other. Spread out, they overlap.
        let together = if race.spread_ns == 0 { 1 } else { prizes.len() };
        for prizes in prizes.chunks(together.max(1)) {
            ends.extend(race_for(&mut driver, &accounts, prizes, race)?);
        }
    }
    series(kind, race, nodes.len(), &ends)
}

/// How one race ended.
#[derive(Clone, Debug, Default)]
struct End {
    succeeded: u64,
    failed: u64,
    /// Distinct refresh tokens handed out; of a link, every success is a login of its own.
    children: u32,
    /// Of these, those still good; of a link, whether it still is.
    live: u32,
    is_lost: bool,
}

/// Races for each of `prizes`, then sees what is left.
fn race_for(
    driver: &mut Driver,
    accounts: &[Account],
    prizes: &[String],
    race: &Race,
) -> anyhow::Result<Vec<End>> {
    let (ops, exchanges) = schedule(accounts, prizes, race);
    let executed = driver.execute(&ops, &exchanges, Mode::Open, false)?;
    let mut ends = vec![End::default(); prizes.len()];
    let mut children: Vec<BTreeSet<String>> = vec![BTreeSet::new(); prizes.len()];
    let prize_of = |op: &Op| op.exchange as usize / accounts.len();
    for (op, row) in ops.iter().zip(&executed.rows) {
        let end = &mut ends[prize_of(op)];
        match row.status {
            200 if row.was_answered() => end.succeeded += 1,
            401 if row.was_answered() => {}
            _ => end.failed += 1,
        }
    }
    for (index, answer) in &executed.captured {
        if race.what == What::Refresh && executed.rows[*index].status == 200 {
            children[prize_of(&ops[*index])].insert(refresh_token_of(answer)?);
        }
    }
    for ((end, children), prize) in ends.iter_mut().zip(children).zip(prizes) {
        let again: Vec<&str> = match race.what {
            What::Refresh => children.iter().map(String::as_str).collect(),
            What::Redeem => vec![prize],
        };
        end.live = accepted(driver, accounts[0], race.what, &again)?;
        (end.children, end.is_lost) = match race.what {
            What::Refresh => (u32::try_from(children.len())?, end.live == 0),
            What::Redeem => (u32::try_from(end.succeeded)?, end.succeeded == 0),
        };
    }
    Ok(ends)
}

/// One exchange for each prize and node, and when each is due.
fn schedule(accounts: &[Account], prizes: &[String], race: &Race) -> (Vec<Op>, Vec<Exchange>) {
    let (mut ops, mut exchanges) = (Vec::new(), Vec::new());
    let gaps = u64::from(race.at_once.saturating_sub(1)).max(1);
    for (nth, prize) in (0_u64..).zip(prizes) {
        let first = u32::try_from(exchanges.len()).unwrap_or(u32::MAX);
        for account in accounts {
            exchanges.push(account.exchange("POST", race.what.path(), prize, Expect::Any));
        }
        for request in 0..race.at_once {
            let node = request as usize % accounts.len();
            ops.push(Op {
                at_ns: nth * STAGGER_NS + u64::from(request) * race.spread_ns / gaps,
                target: accounts[node].target,
                exchange: first + u32::try_from(node).unwrap_or(0),
            });
        }
    }
    ops.sort_by_key(|op| op.at_ns);
    (ops, exchanges)
}

/// How many of `credentials` are good, presented one after the other.
fn accepted(
    driver: &mut Driver,
    account: Account,
    what: What,
    credentials: &[&str],
) -> anyhow::Result<u32> {
    let mut good = 0;
    for credential in credentials {
        let exchange = account.exchange("POST", what.path(), credential, Expect::Any);
        let (rows, _) = call_all(driver, account.target, &[exchange])?;
        good += u32::from(rows[0].status == 200);
    }
    Ok(good)
}

fn series(
    kind: StrategyKind,
    race: &Race,
    nodes: usize,
    ends: &[End],
) -> anyhow::Result<RaceSeries> {
    let lost = ends.iter().filter(|end| end.is_lost).count();
    Ok(RaceSeries {
        strategy: kind.name().into(),
        race: race.what.name().into(),
        grace_s: race.grace_s,
        at_once: race.at_once,
        spread_ns: race.spread_ns,
        nodes: u32::try_from(nodes)?,
        repetitions: u32::try_from(ends.len())?,
        succeeded: ends.iter().map(|end| end.succeeded).sum(),
        children_max: ends.iter().map(|end| end.children).max().unwrap_or(0),
        children_min: ends.iter().map(|end| end.children).min().unwrap_or(0),
        live_children_max: ends.iter().map(|end| end.live).max().unwrap_or(0),
        false_thefts: u32::try_from(lost)?,
        failed: ends.iter().map(|end| end.failed).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> [Account; 2] {
        [0, 1].map(|target| Account {
            target,
            address: ([127, 0, 0, 1], 1).into(),
            carrier: Carrier::Bearer,
        })
    }

    #[test]
    fn requests_are_dealt_over_the_nodes_and_over_the_time() {
        let race =
            Race { what: What::Refresh, at_once: 5, spread_ns: 0, repetitions: 2, grace_s: 0 };
        let prizes = ["a".to_owned(), "b".to_owned()];
        let (ops, exchanges) = schedule(&accounts(), &prizes[..1], &race);
        assert_eq!(exchanges.len(), 2);
        assert!(ops.iter().all(|op| op.at_ns == 0 && op.target == op.exchange));
        assert_eq!(ops.iter().filter(|op| op.target == 0).count(), 3);
        let spread = Race { spread_ns: 1_000_000_000, ..race };
        let (ops, exchanges) = schedule(&accounts(), &prizes, &spread);
        assert_eq!((ops.len(), exchanges.len()), (10, 4));
        assert!(ops.is_sorted_by_key(|op| op.at_ns));
        let times = |prize: u32| {
            let of = ops.iter().filter(move |op| op.exchange / 2 == prize);
            of.map(|op| op.at_ns).collect::<Vec<_>>()
        };
        assert_eq!(times(0), [0, 250_000_000, 500_000_000, 750_000_000, 1_000_000_000]);
        assert_eq!(times(1)[0], STAGGER_NS);
    }
}
