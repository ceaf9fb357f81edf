//! The servers of a group of strategies, the ways from them to the store, and fresh credentials
//! for each trial.

use std::path::Path;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Fault;
use authbench_fixture::PrivateRedis;

use super::schedule::{Cast, Role};
use super::shape::{BEHIND_S, nodes_of, promise_ns};
use super::store::Victim;
use crate::load::delay_line::DelayLine;
use crate::load::driver::{Driver, Executed, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::wallet::{Account, credential_of};
use crate::measure::contestant::{Common, fresh_subjects, redis_config};
use crate::plan::usual_arm;
use crate::server::child::ServerChild;
use crate::server::config::ServeConfig;

/// Connections to each node: as many requests as may wait for a silent store at the same time.
const CONNECTIONS: usize = 40;
/// A strategy that does not serve after a fault is asked so often, at intervals of
/// [`HEAL_WAIT`], before its servers are restarted, and after that again.
const HEAL_TRIES: u32 = 20;
const HEAL_WAIT: Duration = Duration::from_millis(100);

/// A strategy on stage.
#[derive(Debug)]
pub(super) struct Player {
    /// The strategy.
    pub(super) kind: StrategyKind,
    /// Its servers; the last one is the one that faults of one node strike.
    pub(super) servers: Vec<ServerChild>,
    configs: Vec<ServeConfig>,
    /// The way that a fault cuts, where it cuts one.
    pub(super) line: Option<DelayLine>,
}

impl Player {
    /// Starts the servers of `kind` for trials of `fault`.
    fn start(
        common: &Common<'_>,
        kind: StrategyKind,
        fault: Fault,
        redis: &PrivateRedis,
        program: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let nodes = nodes_of(kind);
        let uses_line = matches!(fault, Fault::FeedSilent | Fault::Partition)
            && kind.properties().needs_redis();
        let line = uses_line.then(|| DelayLine::start(redis.address())).transpose()?;
        let way = line.as_ref().map(|line| format!("redis://{}", line.address()));
        let mut servers = Vec::new();
        let mut configs = Vec::new();
        for node in 0..nodes {
            let is_last = node + 1 == nodes;
            let mut config = common.config(&usual_arm(kind), &common.plan.settings);
            let mut to_redis = redis_config(&redis.url());
            match fault {
                Fault::FeedSilent => to_redis.feed_url.clone_from(&way),
                // Without a feed's own way it goes the same as all else.
                Fault::Partition if is_last => {
                    to_redis.url = way.clone().unwrap_or(to_redis.url);
                }
                Fault::ClockBehind if is_last => config.clock_offset_s = -BEHIND_S,
                _ => {}
            }
            config.redis = Some(to_redis);
            let server = match program {
                Some(program) => ServerChild::spawn_program(program, &config)?,
                None => ServerChild::spawn(&config)?,
            };
            // It comes back where it was.
            config.data = server.data();
            servers.push(server);
            configs.push(config);
        }
        Ok(Self { kind, servers, configs, line })
    }

    /// Ends a server and starts it again on its port.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn restart(&mut self, node: usize) -> anyhow::Result<()> {
        let name = self.kind.name();
        self.servers[node]
            .restart(&self.configs[node])
            .with_context(|| format!("the server of `{name}`"))
    }
}

/// What all of `threads` made, or the first error.
///
/// # Errors
/// That of a thread, or that it panicked.
pub(super) fn joined<T>(
    threads: Vec<ScopedJoinHandle<'_, anyhow::Result<T>>>,
) -> anyhow::Result<Vec<T>> {
    let ended = threads.into_iter().map(|thread| {
        thread.join().map_err(|_| anyhow!("a thread panicked")).and_then(|made| made)
    });
    ended.collect()
}

/// What a fault strikes.
#[derive(Debug)]
pub(super) struct Scene {
    /// The strategies.
    pub(super) players: Vec<Player>,
    /// The store.
    pub(super) victim: Victim,
}

/// A scene and the driver that probes it. The driver goes first, the servers next, the store last.
#[derive(Debug)]
pub(super) struct Stage {
    /// The driver.
    pub(super) driver: Driver,
    /// The accounts of each player, a node each.
    pub(super) accounts: Vec<Vec<Account>>,
    /// What the fault strikes.
    pub(super) scene: Scene,
    fault: Fault,
    /// Logins so far: each trial has subjects of its own.
    rounds: u64,
}

impl Stage {
    /// Starts everything.
    ///
    /// # Errors
    /// When a server does not start, or cannot be connected to.
    pub(super) fn set(
        common: &Common<'_>,
        kinds: &[StrategyKind],
        fault: Fault,
        redis: PrivateRedis,
        program: Option<&Path>,
        mut driver: Driver,
    ) -> anyhow::Result<Self> {
        let players = std::thread::scope(|scope| {
            let start = |kind: StrategyKind| Player::start(common, kind, fault, &redis, program);
            let starting = kinds.iter().map(|kind| scope.spawn(move || start(*kind)));
            joined(starting.collect())
        })?;
        let mut accounts = Vec::new();
        for player in &players {
            let carrier = usual_arm(player.kind).carrier;
            let mut own = Vec::new();
            for server in &player.servers {
                let address = server.data();
                let target = driver.add_target(address, CONNECTIONS)?;
                own.push(Account { target, address, carrier });
            }
            accounts.push(own);
        }
        let scene = Scene { players, victim: Victim::new(redis) };
        Ok(Self { driver, accounts, scene, fault, rounds: 0 })
    }

    /// Fresh credentials for every strategy, each used on every node once. What does not serve yet
    /// is waited for, and restarted when it does not come back by itself.
    ///
    /// # Errors
    /// When a strategy does not serve even then.
    pub(super) fn cast(&mut self, common: &Common<'_>) -> anyhow::Result<Vec<Cast>> {
        let mut found: Vec<Option<Cast>> = vec![None; self.accounts.len()];
        for attempt in 0..2 * HEAL_TRIES {
            let missing: Vec<usize> = (0..found.len()).filter(|i| found[*i].is_none()).collect();
            if missing.is_empty() {
                break;
            }
            if attempt == HEAL_TRIES {
                for who in &missing {
                    let player = &mut self.scene.players[*who];
                    (0..player.servers.len()).try_for_each(|node| player.restart(node))?;
                }
            }
            if attempt > 0 {
                std::thread::sleep(HEAL_WAIT);
            }
            self.try_cast(common, &missing, &mut found)?;
        }
        let name = |who: usize| self.scene.players[who].kind.name();
        if let Some(who) = found.iter().position(Option::is_none) {
            bail!("`{}` does not serve, not even after a restart", name(who));
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn try_cast(
        &mut self,
        common: &Common<'_>,
        missing: &[usize],
        found: &mut [Option<Cast>],
    ) -> anyhow::Result<()> {
        self.rounds += 1;
        let mut logins = Vec::new();
        for who in missing {
            let kind = self.scene.players[*who].kind;
            let count = if promise_ns(kind).is_some() { Role::ALL.len() } else { 1 };
            let purpose = format!("{} of {}", self.fault.name(), kind.name());
            let subjects = fresh_subjects(common, &purpose, self.rounds, u32::try_from(count)?);
            let home = self.accounts[*who][0];
            logins.extend(subjects.iter().map(|s| (*who, home, home.login(*s, Expect::Any))));
        }
        let executed = self.call(&logins)?;
        let mut casts: Vec<Cast> = missing
            .iter()
            .map(|who| Cast { accounts: self.accounts[*who].clone(), credentials: Vec::new() })
            .collect();
        for (op, answer) in &executed.captured {
            let (who, home, _) = &logins[*op];
            let place = missing.iter().position(|w| w == who).unwrap_or(0);
            if executed.rows[*op].was_accepted() {
                casts[place].credentials.push(credential_of(home.carrier, answer)?);
            }
        }
        let mut uses = Vec::new();
        for (who, cast) in missing.iter().zip(&casts) {
            // A node whose clock is behind may refuse what is fresh: that is the fault.
            let nodes = cast.accounts.len() - usize::from(self.is_behind(cast.accounts.len()));
            for account in &cast.accounts[..nodes] {
                uses.extend(cast.credentials.iter().map(|credential| {
                    (*who, *account, account.exchange("GET", "/me", credential, Expect::Any))
                }));
            }
        }
        let executed = self.call(&uses)?;
        for (who, cast) in missing.iter().zip(casts) {
            let revocable = promise_ns(self.scene.players[*who].kind).is_some();
            let wanted = if revocable { Role::ALL.len() } else { 1 };
            let own = uses.iter().zip(&executed.rows).filter(|((w, ..), _)| w == who);
            if cast.credentials.len() == wanted && own.into_iter().all(|(_, r)| r.was_accepted()) {
                found[*who] = Some(cast);
            }
        }
        Ok(())
    }

    fn is_behind(&self, nodes: usize) -> bool {
        self.fault == Fault::ClockBehind && nodes > 1
    }

    /// Sends all of `calls`, as fast as they are answered.
    fn call(&mut self, calls: &[(usize, Account, Exchange)]) -> anyhow::Result<Executed> {
        let exchanges: Vec<Exchange> = calls.iter().map(|(.., ask)| ask.clone()).collect();
        let ops: Vec<Op> = calls
            .iter()
            .zip(0..)
            .map(|((_, account, _), exchange)| Op { at_ns: 0, target: account.target, exchange })
            .collect();
        let mut executed = self.driver.execute(&ops, &exchanges, Mode::Closed, false)?;
        executed.captured.sort_by_key(|(op, _)| *op);
        Ok(executed)
    }
}
