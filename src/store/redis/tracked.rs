//! Sessions in Redis, kept in this process until Redis says that they changed (`CLIENT TRACKING`
//! in RESP3): a read that is repeated sends nothing.
//!
//! - Reads go over a connection of their own, because Redis tracks by connection: on a change it
//!   pushes the names of the keys to whichever connection read them.
//! - An invalidation that arrives before the record it belongs to is filed keeps it from being
//!   filed ([`Bounded`](crate::bounded::Bounded)). redis-rs 1.8.1 has a cache of its own
//!   (`cache-aio`) and no such guard: `benches/client-cache` counts what it then serves.
//! - Nothing is believed for longer than [`TrackedSessions::LEASE`] without proof that the
//!   connection lives: a cut one is noticed, a silent one is not.
//! - Without that proof, reads take the ordinary connection and nothing is cached.
//!
//! Deliberately absent: entries for what is not there; broadcast mode, in which every write of
//! every session would go to every node.

mod link;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};

use super::RedisHandle;
use super::sessions::{RedisSessions, key_name, record_of};
use crate::clock::Clock;
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::store::{SessionKey, SessionRecord, SessionStore};
use crate::strategy::contract::{
    Deps, Faults, RedisCommands, Remembers, Revocation, Scope, StoreKind,
};
use crate::strategy::law::LagLaw;
use link::{Keeper, Link};

/// Sessions in Redis behind a cache that Redis keeps in step.
#[derive(Debug)]
pub struct TrackedSessions {
    sessions: RedisSessions,
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    /// How long an answer on the tracked connection is waited for. Half of what a request may
    /// take, so that the other half is left to ask again.
    patience: Duration,
    _keeper: Keeper,
}

impl TrackedSessions {
    /// For this long after a command that was answered is an entry believed: a change that Redis
    /// made before it ran the command was announced before the answer.
    pub const LEASE: Duration = Duration::from_secs(1);
    /// How often the connection is asked for a sign of life, and whether one that was lost can be
    /// had again.
    pub const BEAT: Duration = Duration::from_millis(250);
    /// Entries at most, in each process.
    pub const ENTRIES: usize = 65_536;

    /// How many entries there are.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.link.records().len()
    }

    /// Whether entries are believed at this moment.
    #[must_use]
    pub fn is_leased(&self) -> bool {
        self.link.is_leased(self.clock.now())
    }

    /// What Redis has under `key`, asked over the tracked connection and filed; nothing when that
    /// connection does not answer as it should.
    async fn fetch(&self, key: &SessionKey) -> Result<Option<Option<SessionRecord>>, Outage> {
        // In this order: whatever happens to the connection that is taken happens after this.
        let fetch = self.link.records().begin(key.as_bytes());
        let Some((generation, mut connection)) = self.link.connection() else { return Ok(None) };
        let get = Cmd::get(&key_name(key)[..]);
        let answer = get.query_async::<Value>(&mut connection);
        let Ok(Ok(value)) = tokio::time::timeout(self.patience, answer).await else {
            self.link.doubt(generation);
            return Ok(None);
        };
        let found = record_of(&value)?;
        if let Some(record) = found {
            self.link.records().file(fetch, key.as_bytes(), record);
        }
        Ok(Some(found))
    }
}

impl SessionStore for TrackedSessions {
    const SCOPE: Scope = RedisSessions::SCOPE;
    const KIND: Option<StoreKind> = RedisSessions::KIND;
    const REVOKE: Revocation = Revocation::Within(Self::LEASE);
    // An entry does not grow old: it is taken away by an announcement.
    const LAG_LAW: Option<LagLaw> = Some(LagLaw::Push);
    // A connection that is cut or silent costs the cache, not an answer: the others are asked. What
    // is lost or evicted is announced like any other change.
    const FAULTS: Faults = Faults::ALLOW_LIST;
    /// Four signs of life a second, and the one that falls on the edge of it.
    const REDIS: RedisCommands =
        RedisCommands { cached: true, background_per_second: 5, ..RedisSessions::REDIS };
    const REMEMBERS: Remembers = Remembers::UntilChanged(Self::ENTRIES);

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        let redis: RedisHandle = deps.redis()?;
        let link = Arc::new(Link::new(Self::ENTRIES));
        link::open(&link, &redis, &*deps.clock).await?;
        Ok(Self {
            sessions: RedisSessions::open(deps).await?,
            clock: Arc::clone(&deps.clock),
            patience: redis.response_timeout() / 2,
            _keeper: Keeper::start(Arc::clone(&link), redis, Arc::clone(&deps.clock)),
            link,
        })
    }

    async fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        self.sessions.create(key, record, now).await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        // The lease first: an entry that is found after that is no older than the lease.
        if self.is_leased() {
            if let Some(record) = self.link.records().get(key.as_bytes()) {
                return Ok(Some(record));
            }
            if let Some(found) = self.fetch(key).await? {
                return Ok(found);
            }
        }
        self.sessions.load(key).await
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        let touched = self.sessions.touch(key, record, now).await;
        // Redis will say so too, a moment after the answer. Not filed: Redis tracks what was read.
        self.link.records().forget(key.as_bytes());
        touched
    }

    async fn delete(&self, key: &SessionKey, subject: SubjectId) -> Result<(), Outage> {
        let deleted = self.sessions.delete(key, subject).await;
        self.link.records().forget(key.as_bytes());
        deleted
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        let deleted = self.sessions.delete_all(subject).await;
        self.link.records().forget_if(|record| record.subject == subject);
        deleted
    }

    async fn count(&self, subject: SubjectId, now: UnixTime) -> Result<u64, Outage> {
        self.sessions.count(subject, now).await
    }

    fn sweep(&self, now: UnixTime) {
        self.link.records().forget_if(|record| now >= record.expires_at());
    }
}
