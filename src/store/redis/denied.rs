//! One key for each token that was taken back, looked for on every request.
//!
//! Three answers to the question what a list may do that cannot be asked, or that was lost: refuse
//! ([`FailClosed`]), admit ([`FailOpen`]), and notice the loss ([`Sentinel`]).

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::{Cmd, SetExpiry, SetOptions, cmd};

use super::RedisHandle;
use crate::entropy::{Entropy, fresh};
use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::store::deny::{DenyList, Entry};
use crate::strategy::contract::{Deps, FaultOutcome, Faults, RedisCommands, Revocation};
use crate::token::TokenId;

const PREFIX: &[u8] = b"denied:";
const KEY_BYTES: usize = PREFIX.len() + 16;

/// The Redis key that stands for "this token was taken back": the 16 bytes of its `jti`.
pub(super) fn key_name(id: TokenId) -> [u8; KEY_BYTES] {
    let mut name = [0; KEY_BYTES];
    name[..PREFIX.len()].copy_from_slice(PREFIX);
    name[PREFIX.len()..].copy_from_slice(&id.0);
    name
}

/// Files a key that outlives its token. Acknowledged by Redis before it is by us: whoever asks
/// later finds it.
async fn file(redis: &RedisHandle, token: &Entry, now: UnixTime) -> Result<(), Outage> {
    let life = SetExpiry::EX(now.seconds_until(token.accepted_until).max(1));
    let options = SetOptions::default().with_expiration(life);
    redis.query(&Cmd::set_options(&key_name(token.id)[..], "", options)).await
}

/// What is done with a token while the list cannot be asked.
pub trait OutagePolicy: Send + Sync + std::fmt::Debug + 'static {
    /// Whether it is admitted.
    const ADMITS: bool;
    /// What follows from that.
    const FAULTS: Faults;
}

/// Nobody is admitted unasked.
#[derive(Debug)]
pub enum FailClosed {}

impl OutagePolicy for FailClosed {
    const ADMITS: bool = false;
    const FAULTS: Faults = Faults::DENY_LIST;
}

/// Everybody whose token verifies is admitted unasked, the revoked among them.
#[derive(Debug)]
pub enum FailOpen {}

impl OutagePolicy for FailOpen {
    const ADMITS: bool = true;
    const FAULTS: Faults = Faults {
        partition: FaultOutcome::Open,
        store_down: FaultOutcome::Open,
        ..Faults::DENY_LIST
    };
}

/// A key for each token that was taken back.
#[derive(Debug)]
pub struct DeniedKeys<P> {
    redis: RedisHandle,
    unasked: AtomicU64,
    policy: PhantomData<P>,
}

impl<P> DeniedKeys<P> {
    /// How many tokens were admitted because Redis did not answer.
    #[must_use]
    pub fn admitted_unasked(&self) -> u64 {
        self.unasked.load(Ordering::Relaxed)
    }
}

impl<P: OutagePolicy> DenyList for DeniedKeys<P> {
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = P::FAULTS;
    const REDIS: RedisCommands = RedisCommands::each(1);

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self { redis: deps.redis()?, unasked: AtomicU64::new(0), policy: PhantomData })
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        let answer = self.redis.query(&Cmd::exists(&key_name(token.id)[..])).await;
        if P::ADMITS && answer.is_err() {
            self.unasked.fetch_add(1, Ordering::Relaxed);
            return Ok(false);
        }
        answer
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        file(&self.redis, token, now).await
    }

    fn sweep(&self, _now: UnixTime) {}
}

/// The key of the list's generation. It never expires: only a loss takes it away.
const GENERATION: &str = "deny:generation";
/// A generation is a whole number that every JSON reader keeps exactly (RFC 7493 section 2.2).
const GENERATION_BITS: u32 = 53;

/// A key for each token that was taken back, and one that says that none was lost: the generation.
///
/// The first login after a loss makes a new generation, and every token carries the one it was
/// issued in. Until then no question can be answered; from then on the tokens of the older
/// generation are refused. A loss signs everybody out instead of reviving the revoked.
///
/// It does not help against eviction, which takes keys one by one: the generation is read on every
/// request and is the last key an LRU would choose, the entries are the first.
#[derive(Debug)]
pub struct Sentinel {
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
}

impl DenyList for Sentinel {
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = Faults { store_lost: FaultOutcome::Closed, ..Faults::DENY_LIST };
    const REDIS: RedisCommands = RedisCommands::each(1);

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self { redis: deps.redis()?, entropy: Arc::clone(&deps.entropy) })
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        let random = u64::from_le_bytes(fresh(&*self.entropy)?) >> (u64::BITS - GENERATION_BITS);
        // One command, so that of many logins after a loss all get the first one's.
        let mut make = cmd("SET");
        make.arg(GENERATION).arg(random).arg("NX").arg("GET");
        let kept: Option<u64> = self.redis.query(&make).await?;
        Ok(Some(kept.unwrap_or(random)))
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        let mut look = cmd("MGET");
        look.arg(&key_name(token.id)[..]).arg(GENERATION);
        let (entry, generation): (Option<Vec<u8>>, Option<u64>) = self.redis.query(&look).await?;
        let generation = generation.ok_or_else(|| Outage::new("the deny-list was lost"))?;
        Ok(entry.is_some() || token.generation != Some(generation))
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        file(&self.redis, token, now).await
    }

    fn sweep(&self, _now: UnixTime) {}
}
