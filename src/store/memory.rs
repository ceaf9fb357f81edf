//! Sessions in this process: the floor for a lookup, and gone with the process.

use std::collections::HashSet;
use std::fmt;

use dashmap::DashMap;

use super::{SessionKey, SessionRecord, SessionStore};
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::strategy::contract::{
    Deps, FaultOutcome, Faults, RedisCommands, Revocation, Scope, StoreKind,
};

/// A sharded map of sessions, and who has which.
///
/// Locks are taken in one order, the subject's first, so a login and a logout everywhere of one
/// subject happen one after the other. Nothing waits for a subject's lock while it holds a
/// session's.
#[derive(Default)]
pub struct MemorySessions {
    by_key: DashMap<SessionKey, SessionRecord>,
    by_subject: DashMap<SubjectId, HashSet<SessionKey>>,
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemorySessions({} sessions)", self.by_key.len())
    }
}

impl MemorySessions {
    /// How many sessions are kept, expired ones included until they are swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no session is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Takes `key` off the subject's list, and the list away when nothing is left on it.
    fn unlist(&self, key: &SessionKey, subject: SubjectId) {
        if let Some(mut keys) = self.by_subject.get_mut(&subject) {
            keys.remove(key);
        }
        self.by_subject.remove_if(&subject, |_, keys| keys.is_empty());
    }
}

impl SessionStore for MemorySessions {
    const SCOPE: Scope = Scope::Node;
    const KIND: Option<StoreKind> = None;
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = Faults { node_restart: FaultOutcome::Closed, ..Faults::NONE };
    const REDIS: RedisCommands = RedisCommands::NONE;

    async fn open(_deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self::default())
    }

    async fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        _now: UnixTime,
    ) -> Result<bool, Outage> {
        let mut keys = self.by_subject.entry(record.subject).or_default();
        let dashmap::Entry::Vacant(free) = self.by_key.entry(*key) else {
            return Ok(false);
        };
        keys.insert(*key);
        free.insert(*record);
        Ok(true)
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        Ok(self.by_key.get(key).map(|record| *record))
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        _now: UnixTime,
    ) -> Result<bool, Outage> {
        Ok(self.by_key.get_mut(key).map(|mut kept| *kept = *record).is_some())
    }

    async fn delete(&self, key: &SessionKey, subject: SubjectId) -> Result<(), Outage> {
        self.by_key.remove(key);
        self.unlist(key, subject);
        Ok(())
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        // A login that comes after the list is taken starts a new one: it was issued after.
        if let Some((_, keys)) = self.by_subject.remove(&subject) {
            for key in keys {
                self.by_key.remove(&key);
            }
        }
        Ok(())
    }

    async fn count(&self, subject: SubjectId, now: UnixTime) -> Result<u64, Outage> {
        let Some(keys) = self.by_subject.get(&subject) else { return Ok(0) };
        let alive = |key: &&SessionKey| {
            self.by_key.get(key).is_some_and(|record| now < record.expires_at())
        };
        Ok(keys.iter().filter(alive).count() as u64)
    }

    fn sweep(&self, now: UnixTime) {
        let mut dropped = Vec::new();
        self.by_key.retain(|key, record| {
            let keep = now < record.expires_at();
            if !keep {
                dropped.push((*key, record.subject));
            }
            keep
        });
        for (key, subject) in dropped {
            self.unlist(&key, subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Principal;

    fn record(subject: u64, expires_at: u64) -> SessionRecord {
        let now = UnixTime(0);
        let who = Principal::of_test_subject(SubjectId(subject), now);
        SessionRecord::at_login(who, UnixTime(expires_at), UnixTime(1_000))
    }

    #[tokio::test]
    async fn sweeping_leaves_nothing_of_the_expired_behind() {
        let store = MemorySessions::default();
        let (old, live) = (SessionKey::of("old"), SessionKey::of("live"));
        store.create(&old, &record(1, 10), UnixTime(0)).await.expect("creates");
        store.create(&live, &record(2, 11), UnixTime(0)).await.expect("creates");
        store.sweep(UnixTime(10));
        assert_eq!(store.load(&old).await.expect("loads"), None);
        assert!(store.load(&live).await.expect("loads").is_some());
        assert_eq!((store.len(), store.by_subject.len()), (1, 1));
    }

    #[test]
    fn logins_and_logouts_everywhere_at_once_leave_no_orphan() {
        let store = MemorySessions::default();
        // The futures of this store never wait, so any executor will do.
        let log_in = |name: &str| {
            for i in 0..2_000 {
                let key = SessionKey::of(&format!("{name}{i}"));
                block_on(store.create(&key, &record(7, 10), UnixTime(0)));
            }
        };
        let log_out = || block_on(store.delete_all(SubjectId(7)));
        std::thread::scope(|threads| {
            threads.spawn(|| log_in("a"));
            threads.spawn(|| log_in("b"));
            (0..2_000).for_each(|_| log_out());
        });
        log_out();
        assert!(store.is_empty(), "{store:?} outlived a logout everywhere");
    }

    fn block_on<T>(work: impl Future<Output = Result<T, Outage>>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("builds");
        runtime.block_on(work).expect("memory does not fail")
    }
}
