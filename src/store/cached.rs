//! Any store with a bounded cache in front of it, each of whose entries is believed for a second.
//!
//! The second counts from before the store was asked: however long the answer took, what it says
//! was true no longer ago than that. It does not count from the last use, or whoever keeps using a
//! stolen session would keep it alive. Deliberately absent: entries for what is not there.

use std::sync::Arc;
use std::time::Duration;

use super::{SessionKey, SessionRecord, SessionStore};
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::error::{BuildError, Outage};
use crate::identity::{SubjectId, UnixTime};
use crate::strategy::contract::{
    Deps, Faults, RedisCommands, Remembers, Revocation, Scope, StoreKind,
};

/// `S`, which takes logouts back at once, behind a cache that does so within [`Cached::LIFE`].
///
/// A record filed here may have been prolonged by another node since. Nobody is turned away for
/// that: a session is prolonged when half of its idle time is left, and that is more than a second.
#[derive(Debug)]
pub struct Cached<S> {
    store: S,
    clock: Arc<dyn Clock>,
    records: Bounded<Dated>,
}

#[derive(Clone, Copy)]
struct Dated {
    record: SessionRecord,
    /// When the store was asked.
    since: Duration,
}

impl<S> Cached<S> {
    /// How long an entry is believed.
    pub const LIFE: Duration = Duration::from_secs(1);
    /// Entries at most, in each process.
    pub const ENTRIES: usize = 65_536;

    /// How many entries there are, those included that are not believed any more.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.records.len()
    }

    fn is_believed(&self, entry: &Dated, at: Duration) -> bool {
        at.saturating_sub(entry.since) < Self::LIFE
    }
}

impl<S: SessionStore> SessionStore for Cached<S> {
    const SCOPE: Scope = S::SCOPE;
    const KIND: Option<StoreKind> = S::KIND;
    const REVOKE: Revocation = Revocation::Within(Self::LIFE);
    // What is cached is good for as long as is promised; from then on the store decides.
    const FAULTS: Faults = S::FAULTS;
    const REDIS: RedisCommands = RedisCommands { cached: true, ..S::REDIS };
    const REMEMBERS: Remembers = Remembers::For(Self::LIFE, Self::ENTRIES);

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            store: S::open(deps).await?,
            clock: Arc::clone(&deps.clock),
            records: Bounded::new(Self::ENTRIES),
        })
    }

    async fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        self.store.create(key, record, now).await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        let since = self.clock.now();
        if let Some(entry) = self.records.get(key.as_bytes())
            && self.is_believed(&entry, since)
        {
            return Ok(Some(entry.record));
        }
        let fetch = self.records.begin(key.as_bytes());
        let found = self.store.load(key).await?;
        if let Some(record) = found {
            self.records.file(fetch, key.as_bytes(), Dated { record, since });
        }
        Ok(found)
    }

    async fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> Result<bool, Outage> {
        let since = self.clock.now();
        let fetch = self.records.begin(key.as_bytes());
        let touched = self.store.touch(key, record, now).await;
        if matches!(touched, Ok(true)) {
            self.records.replace(fetch, key.as_bytes(), Dated { record: *record, since });
        } else {
            self.records.forget(key.as_bytes());
        }
        touched
    }

    async fn delete(&self, key: &SessionKey, subject: SubjectId) -> Result<(), Outage> {
        let deleted = self.store.delete(key, subject).await;
        // Only now: what was fetched before the store forgot must not be filed after it has.
        self.records.forget(key.as_bytes());
        deleted
    }

    async fn delete_all(&self, subject: SubjectId) -> Result<(), Outage> {
        let deleted = self.store.delete_all(subject).await;
        // Reads through all entries: logouts everywhere are rare, an index would cost every fill.
        self.records.forget_if(|entry| entry.record.subject == subject);
        deleted
    }

    async fn count(&self, subject: SubjectId, now: UnixTime) -> Result<u64, Outage> {
        self.store.count(subject, now).await
    }

    fn sweep(&self, now: UnixTime) {
        let at = self.clock.now();
        self.records.forget_if(|entry| !self.is_believed(entry, at));
        self.store.sweep(now);
    }
}
