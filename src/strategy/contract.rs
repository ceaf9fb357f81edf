//! The trait every strategy implements, and what it must declare before it is measured.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::credential::{Credential, Grant};
use crate::entropy::Entropy;
use crate::error::{AuthError, BuildError, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::settings::Settings;
use crate::store::redis::RedisHandle;
use crate::token::key::{Algorithm, Keyring};

pub use super::faults::{Fault, FaultOutcome, Faults};
use super::law::LagLaw;

/// What a strategy is built from. One value serves every strategy, so that all do equal work.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Lifetimes, issuer, audience, leeway.
    pub settings: Settings,
    /// The live keys of every algorithm.
    pub keys: Arc<Keyring>,
    /// The shared Redis, when there is one.
    pub redis: Option<RedisHandle>,
    /// The URL of the shared PostgreSQL (`postgres://..`), when there is one.
    pub postgres_url: Option<String>,
    /// The SQLite database file that every server of this machine shares, when there is one.
    pub sqlite_file: Option<PathBuf>,
    /// What caches and leases go by: time that passes, not the time of day.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub entropy: Arc<dyn Entropy>,
}

impl Deps {
    /// The shared store.
    ///
    /// # Errors
    /// When the strategy needs Redis and none was configured.
    pub fn redis(&self) -> Result<RedisHandle, BuildError> {
        self.redis.clone().ok_or_else(|| {
            BuildError::Config(
                "this strategy keeps its state in Redis, and no Redis URL was given".into(),
            )
        })
    }
}

/// The kind of thing a strategy is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// Authenticates nobody: the floor that every cost is counted above.
    Floor,
    /// An opaque id; the truth is kept on the server. An allow-list.
    Session,
    /// A signed token, believed until it expires.
    Token,
    /// A signed token plus a little shared state that can take it back.
    TokenWithState,
    /// A session that hands out tokens: the truth on the server, short-lived copies outside.
    Hybrid,
    /// A link that stands for one action.
    Link,
}

impl Family {
    /// The family's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Session => "session",
            Self::Token => "token",
            Self::TokenWithState => "token-with-state",
            Self::Hybrid => "hybrid",
            Self::Link => "link",
        }
    }
}

/// When a revocation takes effect. A stateless token cannot pretend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// Once acknowledged, no node within the strategy's scope accepts the credential again.
    Immediate,
    /// Within this long of the acknowledgement.
    Within(Duration),
    /// Not at all: the credential works until it expires.
    AtExpiry,
}

impl Revocation {
    /// The promise's name in records and reports; the bound of `Within` is recorded beside it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Within(_) => "within",
            Self::AtExpiry => "at-expiry",
        }
    }
}

/// What one revocation takes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Granularity {
    /// The presented credential alone.
    Credential,
    /// Every credential of its subject.
    Subject,
    /// What renews the presented credential: no other follows it, but it lives until it expires.
    Renewal,
    /// Nothing: there is no way to take one back.
    Nothing,
}

impl Granularity {
    /// The granularity's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Subject => "subject",
            Self::Renewal => "renewal",
            Self::Nothing => "nothing",
        }
    }
}

/// How far a strategy's promises reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The server process that issued the credential.
    Node,
    /// Every server process of one machine.
    Host,
    /// Every server process that shares the store and the keys.
    Shared,
}

impl Scope {
    /// The scope's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Host => "host",
            Self::Shared => "shared",
        }
    }
}

/// Redis commands each operation sends: declared here, counted by the instrument, and compared. A
/// script counts as one, beside the commands it runs inside Redis.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RedisCommands {
    /// Commands per admitted request: exactly, in the steady state; at most, where `cached`.
    pub authenticate: u32,
    /// Round trips per admitted request, in the same sense.
    pub round_trips: u32,
    /// Whether a request may be answered from this process instead.
    pub cached: bool,
    /// Commands each node sends by itself, whatever is asked of it: per second, at most.
    pub background_per_second: u32,
}

impl RedisCommands {
    /// No Redis.
    pub const NONE: Self = Self::each(0);

    /// That many commands for each request, every one a round trip; nothing else.
    #[must_use]
    pub const fn each(commands: u32) -> Self {
        let (authenticate, round_trips) = (commands, commands);
        Self { authenticate, round_trips, cached: false, background_per_second: 0 }
    }
}

/// What a node remembers of credentials that it has judged, so that the next use of one there costs
/// less than the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remembers {
    /// Nothing: every use costs the same.
    Nothing,
    /// What was found, for so long, of so many credentials at most.
    For(Duration, usize),
    /// What was found, until the store says that it changed, of so many credentials at most.
    UntilChanged(usize),
}

/// A store outside the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreKind {
    /// Redis or Valkey.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// A SQLite file, shared by the processes of one machine.
    Sqlite,
}

impl StoreKind {
    /// The store's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Whether a credential lives longer than it was issued for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    /// It does not: the user logs in again.
    None,
    /// By being used, up to an absolute end.
    Sliding,
    /// The same, and the store alone knows when it was last used: what has not been used in time is
    /// gone by the store's clock, whatever the caller's says.
    SlidingInStore,
    /// By trading a single-use refresh token for the next (RFC 9700 section 4.14.2).
    Rotating,
}

impl Renewal {
    /// The renewal's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sliding => "sliding",
            Self::SlidingInStore => "sliding-in-store",
            Self::Rotating => "rotating",
        }
    }
}

/// How often a credential is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uses {
    /// Until it expires or is taken back.
    Many,
    /// Once: authenticating with it uses it up.
    Once,
}

impl Uses {
    /// The name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Once => "once",
        }
    }
}

/// What a strategy declares of itself; printed beside its numbers and held to by conformance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Properties {
    /// What it is.
    pub family: Family,
    /// The signature algorithm, where there is one.
    pub algorithm: Option<Algorithm>,
    /// When the logout of one credential takes effect.
    pub revoke: Revocation,
    /// What that logout takes back.
    pub granularity: Granularity,
    /// When logout everywhere takes effect.
    pub revoke_all: Revocation,
    /// How far both reach.
    pub scope: Scope,
    /// What happens when things fail.
    pub faults: Faults,
    /// What an admitted request asks of Redis.
    pub redis: RedisCommands,
    /// The store it needs, where it needs one.
    pub store: Option<StoreKind>,
    /// Whether and how a credential is renewed.
    pub renewal: Renewal,
    /// How often a credential is good.
    pub uses: Uses,
    /// Whether it can count a subject's live credentials: [`AuthStrategy::count_live`].
    pub counts_live: bool,
    /// The algorithm of the token that services behind the edge verify instead of the credential;
    /// `None` where each of them judges the credential itself.
    pub hops_verify: Option<Algorithm>,
    /// What a node remembers of credentials that it has judged.
    pub remembers: Remembers,
}

impl Properties {
    /// Whether it needs a Redis.
    #[must_use]
    pub const fn needs_redis(&self) -> bool {
        matches!(self.store, Some(StoreKind::Redis))
    }
}

/// A way of remembering who a client is. Every operation takes `now`; nothing reads a clock, but
/// for `jsonwebtoken`, which compares `exp` with the system's beside our own comparison.
///
/// There are no default bodies: what a strategy does not do is a decision, so it is written down.
pub trait AuthStrategy: Send + Sync + Sized + 'static {
    /// What the strategy declares of itself.
    const PROPERTIES: Properties;

    /// The law its lag should follow; named where it is not the one its promise implies.
    const LAG_LAW: LagLaw = LagLaw::of(&Self::PROPERTIES);

    /// Parses keys, connects, warms up. Never timed.
    fn build(deps: &Deps) -> impl Future<Output = Result<Self, BuildError>> + Send;

    /// Remembers `subject`, who has just proved who they are, and hands out a fresh credential.
    fn issue(
        &self,
        subject: SubjectId,
        now: UnixTime,
    ) -> impl Future<Output = Result<Grant, Outage>> + Send;

    /// Says who a request is: the hot path.
    fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Principal, AuthError>> + Send;

    /// Trades `credential` for a fresh grant, where the strategy renews; else
    /// [`Denial::NotRenewable`](crate::error::Denial::NotRenewable).
    fn refresh(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Grant, AuthError>> + Send;

    /// Takes `credential` back (logout), and says when that takes effect. Only a credential that
    /// is still good can be revoked by presenting it.
    fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Revocation, AuthError>> + Send;

    /// Takes back every credential of `subject` issued so far (logout everywhere).
    fn revoke_all(
        &self,
        subject: SubjectId,
        now: UnixTime,
    ) -> impl Future<Output = Result<Revocation, Outage>> + Send;

    /// How many credentials of `subject` are alive, for a user who wants to see them (OWASP ASVS
    /// 5.0, 7.5.2); `None` where the strategy cannot know.
    fn count_live(
        &self,
        subject: SubjectId,
        now: UnixTime,
    ) -> impl Future<Output = Result<Option<u64>, Outage>> + Send;

    /// Drops state that has expired by `now`, where the strategy keeps any in this process.
    fn sweep(&self, now: UnixTime);
}

/// Code that must meet a concrete strategy, so that nothing on the hot path is boxed.
pub trait Visitor: Send {
    /// What the visit yields.
    type Output: Send;

    /// Meets the strategy registered as `kind`.
    fn visit<S: AuthStrategy>(
        self,
        kind: super::StrategyKind,
    ) -> impl Future<Output = Self::Output> + Send;
}
