//! Sessions in Redis: one key each, and an index of each subject's for logout everywhere.
//!
//! - `session:<64 hex digits>`: the record as JSON, with the idle deadline as its time to live.
//! - `sessions-of:<subject>`: a sorted set of those 64 digits, scored by when each session ends.
//!   The score lets every login drop the entries of sessions that have ended; a plain set would
//!   grow for as long as a user keeps logging in. The digits alone, because a member of over 64
//!   bytes (`zset-max-listpack-value`) turns even a list of one into a skip list, which weighs
//!   more than the session.
//!
//! Deliberately absent: Redis Cluster. The scripts name keys of several slots.

use std::sync::LazyLock;

use redis::{Cmd, ExistenceCheck, Script, SetExpiry, SetOptions, Value};

use super::RedisHandle;
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::store::{SessionKey, SessionRecord, SessionStore};
use crate::strategy::contract::{Deps, Faults, RedisCommands, Revocation, Scope, StoreKind};

/// Creates a session unless its key is taken, and lists it under its subject: both or neither.
/// The list lives as long as its longest session.
static CREATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local key, list = KEYS[1], KEYS[2]
local json, ttl, now, ends_at, digits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not redis.call('SET', key, json, 'NX', 'EX', ttl) then return 0 end
redis.call('ZREMRANGEBYSCORE', list, '-inf', now)
redis.call('ZADD', list, ends_at, digits)
local last = redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')[2]
redis.call('EXPIRE', list, last - now)
return 1",
    )
});

/// Forgets one session.
static DELETE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])",
    )
});

/// Forgets every session on a subject's list. Redis runs nothing else meanwhile, so a login comes
/// before and is forgotten too, or after.
static DELETE_ALL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for _, digits in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('DEL', 'session:' .. digits)
end
redis.call('DEL', KEYS[1])",
    )
});

/// How many sessions on a subject's list are still kept.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local alive = 0
for _, digits in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    alive = alive + redis.call('EXISTS', 'session:' .. digits)
end
return alive",
    )
});

const PREFIX: &[u8] = b"session:";
const KEY_BYTES: usize = PREFIX.len() + 64;

/// The Redis key of a session, on the stack.
pub(super) fn key_name(key: &SessionKey) -> [u8; KEY_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = [0; KEY_BYTES];
    name[..PREFIX.len()].copy_from_slice(PREFIX);
    for (pair, byte) in name[PREFIX.len()..].chunks_exact_mut(2).zip(key.as_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    name
}

/// The session whose key is called `name`, if one of ours is.
pub(super) fn key_of(name: &[u8]) -> Option<SessionKey> {
    let digits = name.strip_prefix(PREFIX)?;
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok()?;
    }
    Some(SessionKey(bytes))
}

/// The record in Redis's answer to a GET.
pub(super) fn record_of(answer: &Value) -> Result<Option<SessionRecord>, Outage> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(json) => SessionRecord::from_json(json).map(Some),
        _ => Err(Outage::new("Redis answered a GET with something that is not a string")),
    }
}

/// What stands for the session on its subject's list.
fn digits_of(name: &[u8; KEY_BYTES]) -> &[u8] {
    &name[PREFIX.len()..]
}

fn list_name(subject: SubjectId) -> String {
    format!("sessions-of:{subject}")
}

/// Seconds until Redis may forget the record. Relative, so that `now` stays the caller's; at least
/// one, because Redis refuses to keep a key for none.
fn time_to_live(record: &SessionRecord, now: UnixTime) -> u64 {
    now.seconds_until(record.expires_at()).max(1)
}

/// Sessions in Redis.
#[derive(Clone, Debug)]
pub struct RedisSessions {
    redis: RedisHandle,
}

impl SessionStore for RedisSessions {
    const SCOPE: Scope = Scope::Shared;
    const KIND: Option<StoreKind> = Some(StoreKind::Redis);
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = Faults::ALLOW_LIST;
    const REDIS: RedisCommands = RedisCommands::each(1);

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self { redis: deps.redis()? })
    }

    async fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        let mut call = CREATE.prepare_invoke();
        let name = key_name(key);
        call.key(&name[..]).key(list_name(record.subject));
        call.arg(record.to_json()?).arg(time_to_live(record, now)).arg(now.0).arg(record.ends_at.0);
        call.arg(digits_of(&name));
        self.redis.run(&call).await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        record_of(&self.redis.query(&Cmd::get(&key_name(key)[..])).await?)
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        let only_if_there = SetOptions::default()
            .conditional_set(ExistenceCheck::XX)
            .with_expiration(SetExpiry::EX(time_to_live(record, now)));
        let set = Cmd::set_options(&key_name(key)[..], record.to_json()?, only_if_there);
        let answer: Value = self.redis.query(&set).await?;
        Ok(answer != Value::Nil)
    }

    async fn delete(&self, key: &SessionKey, subject: SubjectId) -> Result<(), Outage> {
        let mut call = DELETE.prepare_invoke();
        let name = key_name(key);
        call.key(&name[..]).key(list_name(subject)).arg(digits_of(&name));
        self.redis.run(&call).await
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        let mut call = DELETE_ALL.prepare_invoke();
        self.redis.run(call.key(list_name(subject))).await
    }

    async fn count(&self, subject: SubjectId, _now: UnixTime) -> Result<u64, Outage> {
        let mut call = COUNT.prepare_invoke();
        self.redis.run(call.key(list_name(subject))).await
    }

    fn sweep(&self, _now: UnixTime) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_session() {
        let key = SessionKey::of("id");
        let name = key_name(&key);
        assert_eq!(key_of(&name), Some(key));
        let cut = &name[..name.len() - 1];
        let other = [&name[..name.len() - 1], b"g"].concat();
        for bad in [cut, &other, b"session:", b"sessions-of:u-1", b""] {
            assert_eq!(key_of(bad), None);
        }
    }
}
