//! An arm in one block: its server, its wallet, its clock.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench::identity::SubjectId;
use authbench::settings::Settings;
use authbench::store::redis::RedisSettings;
use authbench::strategy::contract::Scope;
use authbench::token::key::Keyring;
use rand::RngExt as _;

use crate::load::deck::{Counts, Deck};
use crate::load::driver::{Driver, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::h2::H2Exchange;
use crate::load::mix::Mix;
use crate::load::outcome::ledger;
use crate::load::piles;
use crate::load::schedule::stream;
use crate::load::wallet::{self, Account};
use crate::measure::block::driver_settings;
use crate::measure::purse::{Purse, Purses};
use crate::measure::sabotage::{self, Sabotage};
use crate::measure::stores::Stores;
use crate::os::cpu::ProcessCpu;
use crate::plan::{Plan, PlannedArm};
use crate::server::child::ServerChild;
use crate::server::config::{HiddenUrl, RedisConfig, ServeConfig};
use crate::server::control::Counters;

/// Credentials of each kind that a mix presents in turn.
const MIX_PILE: u32 = 128;

/// What every server of a run shares.
#[derive(Debug)]
pub struct Common<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run's seed.
    pub seed: u64,
    /// The keys of every server, so that any of them verifies what another issued.
    pub keys: &'a Keyring,
    /// How servers reach Redis, when there is one.
    pub redis: Option<RedisConfig>,
    /// The stores that are not Redis.
    pub stores: &'a Stores,
    /// When requests are due in slots.
    pub mode: Mode,
    /// The processors of the servers; empty for all.
    pub server_cpus: Vec<u32>,
    /// Other operations than `GET /me` with good credentials.
    pub mix: Option<Mix>,
    /// Memory that each `GET /me` works on beside authentication, KiB.
    pub work_kib: u32,
    /// HTTP/2 over this many connections, instead of HTTP/1.1.
    pub http2_connections: Option<u32>,
    /// The fault that is brought about, when the gates themselves are tested.
    pub sabotage: Option<Sabotage>,
}

impl Common<'_> {
    /// The configuration of one arm's server.
    #[must_use]
    pub fn config(&self, arm: &PlannedArm, settings: &Settings) -> ServeConfig {
        let own = arm.record.extra_claims_bytes;
        let settings = Settings {
            extra_claims_bytes: if own > 0 { own } else { settings.extra_claims_bytes },
            ..settings.clone()
        };
        ServeConfig {
            strategy: arm.kind,
            carrier: arm.carrier,
            data: ([127, 0, 0, 1], 0).into(),
            control: ([127, 0, 0, 1], 0).into(),
            threads: self.plan.server_threads,
            settings,
            keys: self.keys.clone(),
            redis: self.redis.clone(),
            postgres_url: self.stores.postgres_url().map(|url| HiddenUrl(url.to_owned())),
            sqlite_file: self.stores.sqlite_file(),
            spin_ns: arm.record.spin_ns + sabotage::extra_spin_ns(self.sabotage, arm.record.role),
            work_kib: self.work_kib,
            ping: arm.record.store_pings > 0,
            cpus: self.server_cpus.clone(),
            clock_offset_s: 0,
        }
    }
}

/// Redis settings of every server in a run.
#[must_use]
pub fn redis_config(url: &str) -> RedisConfig {
    RedisConfig { url: url.to_owned(), feed_url: None, settings: RedisSettings::default() }
}

/// An arm's running server.
#[derive(Debug)]
pub struct Contestant<'a> {
    /// The arm.
    pub arm: &'a PlannedArm,
    /// The server process.
    pub server: ServerChild,
    /// Its CPU account.
    pub cpu: ProcessCpu,
    /// How the driver reaches it.
    pub account: Account,
    /// `GET /me` with each credential of its wallet.
    pub exchanges: Vec<Exchange>,
    /// The operations of a mix, where there is one.
    pub mixed: Option<Mixed>,
    /// The way over HTTP/2, where that is taken.
    pub http2: Option<Http2>,
}

/// A mix of operations of one server, and what was dealt of it.
#[derive(Debug)]
pub struct Mixed {
    deck: Deck,
    before: Counters,
    dealt: Vec<Op>,
}

/// A server as a target of the HTTP/2 driver.
#[derive(Debug)]
pub struct Http2 {
    /// That driver's index of it.
    pub target: u32,
    /// The exchanges, parsed once.
    pub exchanges: Vec<H2Exchange>,
}

impl<'a> Contestant<'a> {
    /// Takes a started server into the driver's targets.
    ///
    /// # Errors
    /// When it cannot be connected to, or its clock cannot be read.
    pub fn enter(
        arm: &'a PlannedArm,
        server: ServerChild,
        driver: &mut Driver,
        connections: u32,
    ) -> anyhow::Result<Self> {
        let address = server.data();
        let target = driver
            .add_target(address, connections as usize)
            .with_context(|| format!("cannot connect to the server of `{}`", arm.record.id))?;
        let cpu = server.cpu();
        let account = Account { target, address, carrier: arm.carrier };
        let exchanges = Vec::new();
        Ok(Self { arm, server, cpu, account, exchanges, mixed: None, http2: None })
    }

    /// Fills the wallet, or takes last block's where its credentials are still good here.
    ///
    /// # Errors
    /// When a login fails or a credential is not admitted as its own subject.
    pub fn take_wallet(
        &mut self,
        driver: &mut Driver,
        common: &Common<'_>,
        purses: &mut Purses,
    ) -> anyhow::Result<()> {
        let id = &self.arm.record.id;
        let settings = &common.plan.settings;
        // Half of a token's life; and long before any session is due to be prolonged, which is a
        // command more: no strategy does that sooner than after a tenth of the idle time-out.
        let reusable_s = (settings.token_lifetime_s / 2).min(settings.session_idle_s / 20);
        let is_shared = self.arm.kind.properties().scope != Scope::Node;
        let still_good = purses.get(id).is_some_and(|purse| {
            is_shared
                && !self.arm.is_used_up()
                && purse.filled.elapsed() < Duration::from_secs(reusable_s)
        });
        if !still_good {
            purses.insert(id.clone(), self.fill_purse(driver, common)?);
        }
        let purse = &purses[id];
        self.exchanges = purse
            .credentials
            .iter()
            .zip(&purse.bodies)
            .map(|(credential, body)| {
                self.account.exchange("GET", "/me", credential, Expect::Body(200, body.clone()))
            })
            .collect();
        Ok(())
    }

    fn fill_purse(&self, driver: &mut Driver, common: &Common<'_>) -> anyhow::Result<Purse> {
        if self.arm.is_used_up() {
            let (credentials, sample_bytes) = self.samples(driver, common)?;
            let (subjects, bodies) = (Vec::new(), Vec::new());
            return Ok(Purse {
                subjects,
                credentials,
                bodies,
                filled: Instant::now(),
                sample_bytes,
            });
        }
        let subjects = fresh_subjects(common, &self.arm.record.id, 0, common.plan.wallet);
        let filled = Instant::now();
        let wallet = wallet::fill(driver, self.account, &subjects)
            .with_context(|| format!("cannot fill the wallet of `{}`", self.arm.record.id))?;
        let bodies = wallet
            .exchanges
            .into_iter()
            .map(|exchange| match exchange.expect {
                Expect::Body(_, body) => body,
                Expect::Status(_) | Expect::Any => Box::default(),
            })
            .collect();
        Ok(Purse {
            subjects,
            credentials: wallet.credentials,
            bodies,
            filled,
            sample_bytes: wallet.sample_bytes,
        })
    }

    /// Sends requests that are thrown away, as fast as the connections allow. Each presents a
    /// credential of the wallet and must be answered with its verified body.
    ///
    /// # Errors
    /// When one is not.
    pub fn warm_up(&self, driver: &mut Driver, requests: u32) -> anyhow::Result<()> {
        let wallet = u32::try_from(self.exchanges.len())?.max(1);
        let ops: Vec<Op> = (0..requests)
            .map(|i| Op { at_ns: 0, target: self.account.target, exchange: i % wallet })
            .collect();
        let executed = driver.execute(&ops, &self.exchanges, Mode::Closed, false)?;
        let ledger = ledger(&executed.rows);
        anyhow::ensure!(
            ledger.expected == ledger.scheduled,
            "the fresh server of `{}` answered {} of {} warm-up requests as verified: {ledger:?}",
            self.arm.record.id,
            ledger.expected,
            ledger.scheduled
        );
        Ok(())
    }

    /// Presents `count` tampered credentials, or as many as there are: how many that is, and how
    /// many of them were refused.
    ///
    /// # Errors
    /// When one is not answered.
    pub fn present_tampered(
        &self,
        driver: &mut Driver,
        purses: &Purses,
        count: usize,
        sabotage: Option<Sabotage>,
    ) -> anyhow::Result<(u64, u64)> {
        let purse = &purses[&self.arm.record.id];
        let some: Vec<&str> = purse.credentials.iter().take(count).map(String::as_str).collect();
        let how = wallet::presenting(self.arm.kind);
        let refused = if sabotage::is(sabotage, "forged-refused") {
            wallet::present(driver, self.account, how, &some)?
        } else {
            wallet::present_tampered(driver, self.account, how, &some)?
        };
        Ok((some.len() as u64, refused))
    }

    /// Logs the owner of the first credential out behind the instrument's back.
    ///
    /// # Errors
    /// When the logout is not answered.
    pub fn log_out_one(&self, driver: &mut Driver, purses: &Purses) -> anyhow::Result<()> {
        let credential = purses[&self.arm.record.id].sample_credential();
        let logout = self.account.exchange("POST", "/logout", credential, Expect::Any);
        wallet::call_all(driver, self.account.target, &[logout])?;
        Ok(())
    }

    /// Prepares the mix of the run: every credential is presented once, and the run stops when one
    /// is not answered as it must be. Takes more than a second where credentials have to expire.
    ///
    /// # Errors
    /// When one is not, or when a server that hands out short-lived credentials does not start.
    pub fn prepare_mix(
        &mut self,
        driver: &mut Driver,
        common: &Common<'_>,
        purses: &Purses,
        (block, requests): (u32, u64),
    ) -> anyhow::Result<()> {
        let Some(mix) = common.mix else { return Ok(()) };
        let config = common.config(self.arm, &common.plan.settings);
        let twin = (mix.expired > 0).then(|| ServerChild::spawn(&piles::twin_config(&config)));
        let twin = twin.transpose()?;
        let purpose = format!("mix of {} in block {block}", self.arm.record.id);
        let order = piles::Order {
            strategy: self.arm.kind,
            mix,
            requests,
            valid: &self.exchanges,
            subjects: purses[&self.arm.record.id].subjects(),
            pile: MIX_PILE,
            seed: common.seed,
            purpose: &purpose,
            leeway_s: common.plan.settings.leeway_s,
        };
        let at = twin.as_ref().map(|twin| (twin.data(), driver_settings(common.plan)));
        let deck = Deck::prepare(driver, self.account, &order, at)?;
        let before = self.server.counters()?;
        self.mixed = Some(Mixed { deck, before, dealt: Vec::new() });
        Ok(())
    }

    /// Whether the server counted the operations that were dealt: how many were admitted, denied,
    /// logged in, logged out. `None` without a mix.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn counted_alike(&self) -> anyhow::Result<Option<bool>> {
        let Some(Mixed { deck, before, dealt }) = &self.mixed else { return Ok(None) };
        let after = self.server.counters()?;
        Ok(Some(deck.counts(dealt) == Counts::between(before, &after)))
    }

    /// What is sent, by the index that ops carry.
    #[must_use]
    pub fn dealt_exchanges(&self) -> &[Exchange] {
        self.mixed.as_ref().map_or(&self.exchanges, |mixed| mixed.deck.exchanges())
    }

    /// The ops of one slot: of the mix, where there is one.
    ///
    /// # Errors
    /// When the mix was prepared for fewer requests.
    pub fn deal(
        &mut self,
        common: &Common<'_>,
        purpose: &str,
        index: u64,
        length_ns: u64,
    ) -> anyhow::Result<Vec<Op>> {
        let Some(mixed) = &mut self.mixed else {
            return Ok(self.schedule(common, purpose, index, length_ns));
        };
        let mut rng = stream(common.seed, purpose, index);
        let rate = common.plan.rate_per_second;
        let times = common.plan.arrivals.times(rate, length_ns, &mut rng);
        let ops = mixed.deck.draw(&times, &mut rng)?;
        mixed.dealt.extend_from_slice(&ops);
        Ok(ops)
    }

    /// A schedule of `GET /me` with credentials drawn from the wallet.
    #[must_use]
    pub fn schedule(
        &self,
        common: &Common<'_>,
        purpose: &str,
        index: u64,
        length_ns: u64,
    ) -> Vec<Op> {
        let mut rng = stream(common.seed, purpose, index);
        let wallet = u32::try_from(self.exchanges.len()).unwrap_or(u32::MAX).max(1);
        let rate = common.plan.rate_per_second;
        let times = match common.mode {
            Mode::Open => common.plan.arrivals.times(rate, length_ns, &mut rng),
            // As many as an open schedule would have, each when a connection is free.
            Mode::Closed => vec![0; usize::try_from(rate * length_ns / 1_000_000_000).unwrap_or(0)],
        };
        times
            .into_iter()
            .map(|at_ns| {
                let exchange = rng.random_range(0..wallet);
                Op { at_ns, target: self.account.target, exchange }
            })
            .collect()
    }
}

/// Subjects nobody else in the run uses: drawn at random under the run's seed.
#[must_use]
pub fn fresh_subjects(
    common: &Common<'_>,
    purpose: &str,
    index: u64,
    count: u32,
) -> Vec<SubjectId> {
    let mut rng = stream(common.seed, &format!("subjects of {purpose}"), index);
    (0..count).map(|_| SubjectId(rng.random())).collect()
}
