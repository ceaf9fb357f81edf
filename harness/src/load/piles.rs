//! Prepares the piles of a deck: good, expired, forged, revoked credentials, logins, logouts,
//! renewals - each with the answer that the strategy declares for it.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Revocation};
use rand::RngExt as _;

use super::deck::Deck;
use super::driver::{Driver, DriverSettings};
use super::exchange::{Exchange, Expect};
use super::mix::{Kind, Mix};
use super::outcome::Row;
use super::schedule::stream;
use super::wallet::{Account, Answers, call_all, credential_of, log_in, tampered, verify};
use super::zipf::Popularity;
use crate::server::config::ServeConfig;

/// Life of the credentials that are there to expire, seconds: the shortest there is.
const SHORT_LIFE_S: u64 = 1;

/// What a deck is prepared for.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The server's strategy.
    pub strategy: StrategyKind,
    /// What is asked of it.
    pub mix: Mix,
    /// The most requests that all schedules of the deck hold together.
    pub requests: u64,
    /// `GET /me` with every credential of the wallet, verified.
    pub valid: &'a [Exchange],
    /// Whose they are, in the same order: logins are theirs.
    pub subjects: &'a [SubjectId],
    /// Distinct credentials in each pile that is presented again and again.
    pub pile: u32,
    /// The run's seed.
    pub seed: u64,
    /// What tells this deck from every other of the run: the arm and the block.
    pub purpose: &'a str,
    /// Clock skew that the server tolerates, seconds: expiry waits for it.
    pub leeway_s: u64,
}

/// A server that hands out credentials for the server of `config` which soon expire: the same
/// strategy, keys and store, and a life of one second.
#[must_use]
pub fn twin_config(config: &ServeConfig) -> ServeConfig {
    let mut twin = config.clone();
    twin.data = (config.data.ip(), 0).into();
    twin.control = (config.control.ip(), 0).into();
    twin.settings.token_lifetime_s = SHORT_LIFE_S;
    twin.settings.session_idle_s = SHORT_LIFE_S;
    twin.settings.session_absolute_s = SHORT_LIFE_S;
    twin
}

impl Deck {
    /// Prepares every pile that the mix asks for and verifies it. `twin` is where the server of
    /// [`twin_config`] answers; it is asked only here, by a driver with `settings` of its own.
    ///
    /// # Errors
    /// When the mix cannot be used, a server does not answer, or an answer is not the declared
    /// one.
    pub fn prepare(
        driver: &mut Driver,
        account: Account,
        order: &Order<'_>,
        twin: Option<(SocketAddr, DriverSettings)>,
    ) -> anyhow::Result<Self> {
        order.mix.check()?;
        ensure!(
            order.valid.len() == order.subjects.len() && !order.valid.is_empty(),
            "{} verified credentials of {} subjects; a deck needs as many as there are subjects",
            order.valid.len(),
            order.subjects.len()
        );
        let makes = Maker { order, account };
        // First, so that their time passes while the others are made.
        let dying = makes.short_lived(twin)?;
        let mut piles = vec![
            (Kind::Valid, order.valid.to_vec()),
            (Kind::Forged, makes.forged(driver)?),
            (Kind::Revoked, makes.revoked(driver)?),
            (Kind::Login, makes.logins()),
            (Kind::Logout, makes.logouts(driver)?),
            (Kind::Refresh, makes.refreshes(driver)?),
        ];
        piles.push((Kind::Expired, makes.expired(driver, &dying)?));
        let count = u32::try_from(order.valid.len()).context("too many credentials")?;
        let law = Popularity::new(count, order.mix.zipf_milli, order.seed, order.purpose)?;
        let deck = Self::assemble(order.mix, account.target, piles, law)?;
        let name = order.strategy.name();
        deck.verify(driver).with_context(|| format!("the deck of `{name}` is not verified"))?;
        Ok(deck)
    }
}

/// Credentials that will have expired at a time.
#[derive(Debug, Default)]
struct ShortLived {
    subjects: Vec<SubjectId>,
    credentials: Vec<String>,
    /// When the last of them has, seconds since 1970.
    gone_at_s: u64,
}

/// Makes the piles of one order.
struct Maker<'a> {
    order: &'a Order<'a>,
    account: Account,
}

impl Maker<'_> {
    /// How many exchanges the pile of `kind` needs.
    fn size(&self, kind: Kind) -> u64 {
        let most = self.order.mix.most_of(kind, self.order.requests);
        if kind.is_single_use() { most } else { most.min(u64::from(self.order.pile)) }
    }

    /// Subjects nobody else in the run uses: a strategy may take back all of a subject's
    /// credentials with one.
    fn subjects(&self, kind: Kind, count: u64) -> Vec<SubjectId> {
        let purpose = format!("{} subjects of the deck of {}", kind.name(), self.order.purpose);
        let mut rng = stream(self.order.seed, &purpose, 0);
        (0..count).map(|_| SubjectId(rng.random())).collect()
    }

    /// Logs new subjects in, for the pile of `kind`.
    fn fresh(
        &self,
        driver: &mut Driver,
        kind: Kind,
    ) -> anyhow::Result<(Vec<SubjectId>, Vec<String>)> {
        let subjects = self.subjects(kind, self.size(kind));
        let (credentials, _) = log_in(driver, self.account, &subjects)
            .with_context(|| format!("cannot make the {} pile", kind.name()))?;
        Ok((subjects, credentials))
    }

    fn forged(&self, driver: &mut Driver) -> anyhow::Result<Vec<Exchange>> {
        let (_, credentials) = self.fresh(driver, Kind::Forged)?;
        let refused = |c: &String| self.present(&tampered(c), Expect::Status(401));
        Ok(credentials.iter().map(refused).collect())
    }

    /// Refused where a logout takes effect; where it does not, a stateless token goes on working,
    /// and that is its declared answer.
    fn revoked(&self, driver: &mut Driver) -> anyhow::Result<Vec<Exchange>> {
        let (subjects, credentials) = self.fresh(driver, Kind::Revoked)?;
        let (working, _) = verify(driver, self.account, &subjects, &credentials)?;
        let logouts: Vec<Exchange> =
            credentials.iter().map(|c| self.post("/logout", c, Expect::Status(200))).collect();
        let (rows, _) = self.call(driver, &logouts)?;
        ensure!(
            rows.iter().all(|row| row.status == 200),
            "`{}` did not acknowledge the logout of a fresh credential",
            self.order.strategy.name()
        );
        match self.order.strategy.properties().revoke {
            Revocation::AtExpiry => return Ok(working),
            Revocation::Within(bound) if !credentials.is_empty() => thread::sleep(bound),
            Revocation::Within(_) | Revocation::Immediate => {}
        }
        Ok(credentials.iter().map(|c| self.present(c, Expect::Status(401))).collect())
    }

    /// Logins of the wallet's subjects.
    fn logins(&self) -> Vec<Exchange> {
        if self.order.mix.login == 0 {
            return Vec::new();
        }
        let login = |s: &SubjectId| self.account.login(*s, Expect::Status(200));
        self.order.subjects.iter().map(login).collect()
    }

    fn logouts(&self, driver: &mut Driver) -> anyhow::Result<Vec<Exchange>> {
        let (_, credentials) = self.fresh(driver, Kind::Logout)?;
        Ok(credentials.iter().map(|c| self.post("/logout", c, Expect::Status(200))).collect())
    }

    /// Accepted where the strategy renews, which one renewal finds out; else refused.
    fn refreshes(&self, driver: &mut Driver) -> anyhow::Result<Vec<Exchange>> {
        if self.order.mix.refresh == 0 {
            return Ok(Vec::new());
        }
        let subjects = self.subjects(Kind::Refresh, self.size(Kind::Refresh) + 1);
        let (credentials, _) = log_in(driver, self.account, &subjects)?;
        let (tried, rest) = credentials.split_at(1);
        // Good just before, so that a refusal is the renewal's and not the credential's.
        verify(driver, self.account, &subjects[..1], tried)?;
        let (rows, answers) =
            self.call(driver, &[self.post("/refresh", &tried[0], Expect::Any)])?;
        let name = self.order.strategy.name();
        let status = rows[0].status;
        match status {
            200 => drop(credential_of(self.account.carrier, &answers[0]).with_context(|| {
                format!("`{name}` answered a renewal with 200 and no credential")
            })?),
            401 => {}
            _ => bail!("`{name}` answered the renewal of a good credential with status {status}"),
        }
        Ok(rest.iter().map(|c| self.post("/refresh", c, Expect::Status(status))).collect())
    }

    /// Logs in to the twin.
    fn short_lived(
        &self,
        twin: Option<(SocketAddr, DriverSettings)>,
    ) -> anyhow::Result<ShortLived> {
        if self.order.mix.expired == 0 {
            return Ok(ShortLived::default());
        }
        let (address, settings) = twin.context(
            "the mix asks for expired credentials, and there is no server that issues them",
        )?;
        // Its own driver: the twin ends before the load, and a target must not.
        let mut driver = Driver::new(settings)?;
        let target = driver.add_target(address, 4).context("cannot connect to the twin")?;
        let account = Account { target, address, ..self.account };
        let subjects = self.subjects(Kind::Expired, self.size(Kind::Expired));
        let (credentials, _) = log_in(&mut driver, account, &subjects)?;
        let gone_at_s = unix_now().as_secs() + SHORT_LIFE_S + self.order.leeway_s;
        Ok(ShortLived { subjects, credentials, gone_at_s })
    }

    /// Waits until they have expired. The floor judges no time: there they go on working.
    fn expired(&self, driver: &mut Driver, dead: &ShortLived) -> anyhow::Result<Vec<Exchange>> {
        thread::sleep(Duration::from_secs(dead.gone_at_s).saturating_sub(unix_now()));
        if self.order.strategy.properties().family == Family::Floor {
            return Ok(verify(driver, self.account, &dead.subjects, &dead.credentials)?.0);
        }
        Ok(dead.credentials.iter().map(|c| self.present(c, Expect::Status(401))).collect())
    }

    fn present(&self, credential: &str, expect: Expect) -> Exchange {
        self.account.exchange("GET", "/me", credential, expect)
    }

    fn post(&self, path: &str, credential: &str, expect: Expect) -> Exchange {
        self.account.exchange("POST", path, credential, expect)
    }

    fn call(
        &self,
        driver: &mut Driver,
        exchanges: &[Exchange],
    ) -> anyhow::Result<(Vec<Row>, Answers)> {
        call_all(driver, self.account.target, exchanges)
    }
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
