//! Lists of tokens that were taken back: one trait, many places and many ways to hear of it.
//!
//! A list knows tokens by their `jti`, one by one. Deliberately absent: logout everywhere, which
//! would need a registry of every live `jti` by subject, the table the token was to replace.

use std::fmt;

use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::strategy::contract::{Deps, Faults, RedisCommands, Revocation};
use crate::strategy::law::LagLaw;
use crate::token::TokenId;

/// A token as a list knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its `jti`. Tokens of one issuer only are accepted, so the `jti` alone is unique.
    pub id: TokenId,
    /// Its `ver`, where the list has generations.
    pub generation: Option<u64>,
    /// From this second on every verifier refuses it: its expiry plus the leeway.
    pub accepted_until: UnixTime,
}

/// A list of tokens that are not good any more.
pub trait DenyList: Send + Sync + Sized + fmt::Debug + 'static {
    /// When an acknowledged [`DenyList::deny`] has taken effect on every node.
    const REVOKE: Revocation;
    /// The law that a logout's lag follows, where it is not the one that `REVOKE` implies.
    const LAG_LAW: Option<LagLaw> = None;
    /// What becomes of the list when something fails.
    const FAULTS: Faults;
    /// What one [`DenyList::is_denied`] asks of Redis, and what a node sends by itself.
    const REDIS: RedisCommands;

    /// Opens the list; it is ready when this returns.
    ///
    /// # Errors
    /// The store is not configured or not reachable.
    fn open(deps: &Deps) -> impl Future<Output = Result<Self, BuildError>> + Send;

    /// The generation that a new token must carry, where the list has generations.
    ///
    /// # Errors
    /// The store did not answer.
    fn generation(&self) -> impl Future<Output = Result<Option<u64>, Outage>> + Send;

    /// Whether the token was taken back.
    ///
    /// # Errors
    /// It cannot be known, and the list does not admit what it does not know.
    fn is_denied(&self, token: &Entry) -> impl Future<Output = Result<bool, Outage>> + Send;

    /// Files the token until nobody accepts it any more.
    ///
    /// # Errors
    /// The store did not confirm it. It may have happened all the same; it was not promised.
    fn deny(&self, token: &Entry, now: UnixTime)
    -> impl Future<Output = Result<(), Outage>> + Send;

    /// Drops what has expired by `now`, where the list keeps any in this process.
    fn sweep(&self, now: UnixTime);
}
