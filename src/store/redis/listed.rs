//! Things in Redis that belong to a subject and end: links, families of refresh tokens. Each has a
//! key of its own and stands on a list of its subject's, for what is done to all of them at once.
//!
//! The list is a sorted set, scored by when each thing ends, and may name some that are gone: it is
//! asked what is still kept, and every new entry drops those whose end has passed. Deliberately
//! absent: how a thing is made, which is one script together with [`LIST`].

use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};

use super::RedisHandle;
use crate::error::Outage;
use crate::identity::SubjectId;

/// The end of a script that makes a thing: enters the digits `name` on the list `list`, to be
/// dropped at `ends_at`. The list lives as long as what ends last on it.
pub(crate) const LIST: &str = r"
redis.call('ZREMRANGEBYSCORE', list, '-inf', now)
redis.call('ZADD', list, ends_at, name)
local last = redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')[2]
redis.call('EXPIRE', list, math.max(last - now, 1))
return 1";

/// Forgets one thing: whether it was there.
static DELETE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])",
    )
});

/// Forgets everything on a list. Redis runs nothing else meanwhile, so what is made at the same
/// time comes before and is forgotten too, or after.
static DELETE_ALL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('DEL', ARGV[1] .. name)
end
redis.call('DEL', KEYS[1])",
    )
});

/// How much of what stands on a list is still kept.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local alive = 0
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    alive = alive + redis.call('EXISTS', ARGV[1] .. name)
end
return alive",
    )
});

/// Things of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    /// What the key of each begins with; the digits of its name follow.
    pub(crate) prefix: &'static str,
    /// What the key of each list begins with; the subject follows.
    pub(crate) list_prefix: &'static str,
}

impl Listed {
    /// The key of the thing called `digits`.
    pub(crate) fn key(self, digits: &str) -> String {
        format!("{}{digits}", self.prefix)
    }

    /// The key of the list of `subject`.
    pub(crate) fn list(self, subject: SubjectId) -> String {
        format!("{}{subject}", self.list_prefix)
    }

    /// Forgets one thing: whether it was there.
    ///
    /// # Errors
    /// The store did not answer.
    pub(crate) async fn delete(
        self,
        redis: &RedisHandle,
        digits: &str,
        subject: SubjectId,
    ) -> Result<bool, Outage> {
        let mut call = DELETE.prepare_invoke();
        redis.run(call.key(self.key(digits)).key(self.list(subject)).arg(digits)).await
    }

    /// Forgets every thing of `subject` made so far.
    ///
    /// # Errors
    /// The store did not answer.
    pub(crate) async fn delete_all(
        self,
        redis: &RedisHandle,
        subject: SubjectId,
    ) -> Result<(), Outage> {
        redis.run(&self.over_list(&DELETE_ALL, subject)).await
    }

    /// How many things of `subject` are kept.
    ///
    /// # Errors
    /// The store did not answer.
    pub(crate) async fn count(
        self,
        redis: &RedisHandle,
        subject: SubjectId,
    ) -> Result<u64, Outage> {
        redis.run(&self.over_list(&COUNT, subject)).await
    }

    fn over_list(self, script: &Script, subject: SubjectId) -> ScriptInvocation<'_> {
        let mut call = script.prepare_invoke();
        call.key(self.list(subject)).arg(self.prefix);
        call
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
