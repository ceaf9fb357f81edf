//! The trait every strategy implements, and what it must declare before it is measured.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::credential::{Credential, Grant};
use crate::entropy::Entropy;
use crate::error::{AuthError, BuildError, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::settings::Settings;
use crate::store::redis::RedisHandle;
use crate::token::key::{Algorithm, Keyring};

/// What a strategy is built from. One value serves every strategy, so that all do equal work.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Lifetimes, issuer, audience, leeway.
    pub settings: Settings,
    /// The live keys of every algorithm.
    pub keys: Arc<Keyring>,
    /// The shared store, when there is one.
    pub redis: Option<RedisHandle>,
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
            Self::Nothing => "nothing",
        }
    }
}

/// How far a strategy's promises reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The server process that issued the credential.
    Node,
    /// Every server process that shares the store and the keys.
    Shared,
}

impl Scope {
    /// The scope's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Shared => "shared",
        }
    }
}

/// What becomes of requests under a fault, declared before it is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultOutcome {
    /// Nothing changes: the strategy does not depend on what failed.
    Unaffected,
    /// Valid credentials are refused or unjudged; no revoked one is accepted.
    Closed,
    /// Revoked credentials are accepted for up to this long.
    OpenFor(Duration),
    /// Credentials revoked before the fault are accepted again until they expire.
    Revives,
}

impl FaultOutcome {
    /// The outcome's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unaffected => "unaffected",
            Self::Closed => "closed",
            Self::OpenFor(_) => "open-for",
            Self::Revives => "revives",
        }
    }
}

/// The declared outcome of each fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Faults {
    /// The store does not answer.
    pub store_down: FaultOutcome,
    /// The store answers, but its state is gone: an empty restart, an eviction.
    pub store_lost: FaultOutcome,
    /// The server process restarts.
    pub node_restart: FaultOutcome,
}

impl Faults {
    /// Nothing to fail: no store, and keys that outlive the process.
    pub const NONE: Self = Self {
        store_down: FaultOutcome::Unaffected,
        store_lost: FaultOutcome::Unaffected,
        node_restart: FaultOutcome::Unaffected,
    };
}

/// Redis commands each operation sends, exactly, in the steady state: declared here, counted by the
/// instrument, and compared. A script counts as one, beside the commands it runs inside Redis.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RedisCommands {
    /// Commands per admitted request.
    pub authenticate: u32,
    /// Round trips per admitted request.
    pub round_trips: u32,
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
    /// Whether it needs Redis at all.
    pub needs_redis: bool,
}

/// A way of remembering who a client is. Every operation takes `now`; nothing reads a clock, but
/// for `jsonwebtoken`, which compares `exp` with the system's beside our own comparison.
///
/// There are no default bodies: what a strategy does not do is a decision, so it is written down.
pub trait AuthStrategy: Send + Sync + Sized + 'static {
    /// What the strategy declares of itself.
    const PROPERTIES: Properties;

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
