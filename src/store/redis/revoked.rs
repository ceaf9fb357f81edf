//! The list of live revocations as one sorted set, and what a node knows of it.
//!
//! The score of a token is the second from which on every verifier refuses it anyway: the whole
//! list is one range, and what is over is one range too.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use redis::{Script, cmd};

use super::RedisHandle;
use crate::error::Outage;
use crate::identity::UnixTime;
use crate::store::deny::Entry;
use crate::token::TokenId;

/// The list keeps an entry this long past its end, for nodes whose clock is behind the revoker's.
pub(super) const CLOCKS_APART_S: u64 = 60;

/// Files, trims, announces, and reads the register of nodes, empty where none is kept.
///
/// `KEYS`: the list, the register, the mark of an unsettled one. `ARGV`: the token, the second from
/// which on it is over, the one until which entries are, the list's life in seconds, the channel,
/// the message.
static FILE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4], 'NX')
redis.call('EXPIRE', KEYS[1], ARGV[4], 'GT')
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {redis.call('EXISTS', KEYS[3]), redis.call('HGETALL', KEYS[2])}
",
    )
});

/// The fields of a hash.
pub(super) type Fields = HashMap<Vec<u8>, Vec<u8>>;

/// What an announcement on the channel says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement<'m> {
    pub(super) id: TokenId,
    pub(super) accepted_until: UnixTime,
    /// Whom to tell that it was heard; empty when nobody waits.
    pub(super) reply_to: &'m [u8],
}

impl<'m> Announcement<'m> {
    /// Reads a message of the channel.
    pub(super) fn read(message: &'m [u8]) -> Option<Self> {
        let (id, rest) = message.split_first_chunk()?;
        let (until, reply_to) = rest.split_first_chunk()?;
        let accepted_until = UnixTime(u64::from_be_bytes(*until));
        Some(Self { id: TokenId(*id), accepted_until, reply_to })
    }
}

/// Where a kind of list is in Redis. Each has names of its own, so that several kinds can share one
/// Redis and none copies what another was told.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The sorted set.
    list: String,
    /// Where each revocation is announced: the `jti`, its second as eight bytes, the return
    /// address.
    pub(super) channel: String,
    /// The hash of the nodes that may hold a lease, where they are registered: how often each has
    /// beaten, and under the empty name the register's generation.
    pub(super) register: String,
    /// There while the register may lack nodes whose lease still runs, because it was lost.
    pub(super) unsettled: String,
}

impl Names {
    /// The names of the list of that kind.
    pub(super) fn of(kind: &str) -> Self {
        Self {
            list: format!("revoked:{kind}"),
            channel: format!("revocations:{kind}"),
            register: format!("nodes:{kind}"),
            unsettled: format!("unsettled:{kind}"),
        }
    }
}

/// The list in Redis.
#[derive(Clone, Debug)]
pub(super) struct RevokedList {
    pub(super) redis: RedisHandle,
    pub(super) names: Names,
}

impl RevokedList {
    /// Files and announces in one step. Also answers whether the register is unsettled, and what it
    /// holds in the same instant.
    pub(super) async fn file(
        &self,
        token: &Entry,
        now: UnixTime,
        reply_to: &[u8],
    ) -> Result<(bool, Fields), Outage> {
        let Names { list, channel, register, unsettled } = &self.names;
        let until = token.accepted_until;
        let message = [&token.id.0[..], &until.0.to_be_bytes(), reply_to].concat();
        let mut call = FILE.prepare_invoke();
        call.key(list).key(register).key(unsettled);
        call.arg(&token.id.0[..]).arg(until.0).arg(now.0.saturating_sub(CLOCKS_APART_S));
        call.arg(now.seconds_until(until) + CLOCKS_APART_S).arg(channel).arg(message);
        self.redis.run(&call).await
    }

    /// Every revocation that ends after `from`.
    pub(super) async fn since(&self, from: UnixTime) -> Result<Vec<(TokenId, UnixTime)>, Outage> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(&self.names.list).arg(format!("({}", from.0)).arg("+inf").arg("WITHSCORES");
        let found: Vec<(Vec<u8>, u64)> = self.redis.query(&range).await?;
        let read = |(id, until): (Vec<u8>, u64)| {
            // A list that holds anything else is not to be believed.
            let id = id.try_into().map_err(|_| Outage::new("the list holds no token id"))?;
            Ok((TokenId(id), UnixTime(until)))
        };
        found.into_iter().map(read).collect()
    }

    /// Until when `id` would be accepted, if it was taken back.
    pub(super) async fn find(&self, id: TokenId) -> Result<Option<UnixTime>, Outage> {
        let score = cmd("ZSCORE").arg(&self.names.list).arg(&id.0[..]).to_owned();
        let until: Option<u64> = self.redis.query(&score).await?;
        Ok(until.map(UnixTime))
    }
}

/// What a node knows of the list.
pub trait Knowledge: Default + Send + Sync + std::fmt::Debug + 'static {
    /// Whether `id` is known to be taken back.
    fn has(&self, id: TokenId) -> bool;

    /// Takes one announcement in.
    fn learn(&self, id: TokenId, accepted_until: UnixTime);

    /// Takes a copy of the list in. What was announced since the copy was made is not in it.
    fn merge(&self, copy: &[(TokenId, UnixTime)]);

    /// Drops what is over.
    fn sweep(&self, now: UnixTime);
}

/// Knows what it was ever told until that is over. A revocation is never taken back itself, so a
/// copy that lacks one is older than it, or comes from a Redis that lost its list.
#[derive(Debug, Default)]
pub struct Everything(DashMap<TokenId, UnixTime>);

impl Knowledge for Everything {
    fn has(&self, id: TokenId) -> bool {
        self.0.contains_key(&id)
    }

    fn learn(&self, id: TokenId, accepted_until: UnixTime) {
        self.0.insert(id, accepted_until);
    }

    fn merge(&self, copy: &[(TokenId, UnixTime)]) {
        // An entry that is known already is not written again: readers need not wait for it.
        for (id, until) in copy.iter().filter(|(id, _)| !self.has(*id)) {
            self.learn(*id, *until);
        }
    }

    fn sweep(&self, now: UnixTime) {
        self.0.retain(|_, until| now < *until);
    }
}

/// A node's knowledge beside the list it comes from.
#[derive(Debug)]
pub(super) struct Mirror<K> {
    pub(super) list: RevokedList,
    pub(super) known: K,
    swept_to: AtomicU64,
}

impl<K: Knowledge> Mirror<K> {
    /// An empty copy of the list of that kind.
    pub(super) fn of(redis: RedisHandle, kind: &str) -> Self {
        let (list, known) = (RevokedList { redis, names: Names::of(kind) }, K::default());
        Self { list, known, swept_to: AtomicU64::new(0) }
    }

    /// Takes in the list as it is.
    pub(super) async fn load(&self) -> Result<(), Outage> {
        let from = UnixTime(self.swept_to.load(Ordering::Relaxed));
        self.known.merge(&self.list.since(from).await?);
        Ok(())
    }

    pub(super) fn sweep(&self, now: UnixTime) {
        self.swept_to.fetch_max(now.0, Ordering::Relaxed);
        self.known.sweep(now);
    }
}
