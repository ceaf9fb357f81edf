//! Sessions in Redis whose idle time-out is the key's time to live, begun anew by every read.
//!
//! `GETEX` reads and prolongs in one command, so the read is a write: it goes to the primary, into
//! the replication stream and the append-only file, and it tells every cache that tracks the key
//! to drop it. This is what "sliding expiration" is in many a library; it is here to be compared.
//!
//! What Redis finds has been used in time: the record's own idle deadline is not looked at. Its
//! absolute end is, on the caller's clock; Redis may keep it for one idle time-out beyond.

use redis::{Cmd, Expiry, Value};

use super::RedisHandle;
use super::sessions::{RedisSessions, key_name};
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::store::{SessionKey, SessionRecord, SessionStore};
use crate::strategy::contract::{
    Deps, Faults, RedisCommands, Renewal, Revocation, Scope, StoreKind,
};

/// Sessions in Redis that every read prolongs.
#[derive(Clone, Debug)]
pub struct SlidingRedisSessions {
    sessions: RedisSessions,
    redis: RedisHandle,
    idle_s: u64,
}

impl SessionStore for SlidingRedisSessions {
    const SCOPE: Scope = RedisSessions::SCOPE;
    const KIND: Option<StoreKind> = RedisSessions::KIND;
    const REVOKE: Revocation = RedisSessions::REVOKE;
    const FAULTS: Faults = RedisSessions::FAULTS;
    const REDIS: RedisCommands = RedisSessions::REDIS;
    const RENEWAL: Renewal = Renewal::SlidingInStore;

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            sessions: RedisSessions::open(deps).await?,
            redis: deps.redis()?,
            idle_s: deps.settings.session_idle_s,
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

    /// Finds the record and prolongs it. It is given out as good until its absolute end, so that
    /// nobody writes a deadline that Redis keeps.
    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        let read = Cmd::get_ex(&key_name(key)[..], Expiry::EX(self.idle_s));
        match self.redis.query(&read).await? {
            Value::Nil => Ok(None),
            Value::BulkString(json) => {
                let record = SessionRecord::from_json(&json)?;
                Ok(Some(SessionRecord { idle_until: record.ends_at, ..record }))
            }
            _ => Err(Outage::new("Redis answered a GETEX with something that is not a string")),
        }
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        self.sessions.touch(key, record, now).await
    }

    async fn delete(&self, key: &SessionKey, subject: SubjectId) -> Result<(), Outage> {
        self.sessions.delete(key, subject).await
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        self.sessions.delete_all(subject).await
    }

    async fn count(&self, subject: SubjectId, now: UnixTime) -> Result<u64, Outage> {
        self.sessions.count(subject, now).await
    }

    fn sweep(&self, now: UnixTime) {
        self.sessions.sweep(now);
    }
}
