//! The tracked connection: which one it is, how long what was read over it may be believed, and
//! what Redis pushes over it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value, cmd};
use tokio::task::JoinHandle;

use super::TrackedSessions;
use crate::bounded::Bounded;
use crate::clock::{Clock, Deadline};
use crate::error::Outage;
use crate::store::SessionRecord;
use crate::store::redis::RedisHandle;
use crate::store::redis::sessions::key_of;

/// Which connection is meant: they are numbered as they are opened.
pub(super) type Generation = u64;

/// The records, and the one connection whose reads may be filed among them.
pub(super) struct Link {
    records: Bounded<SessionRecord>,
    leased: Deadline,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    generation: Generation,
    connection: Option<MultiplexedConnection>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({:?})", self.records)
    }
}

impl Link {
    pub(super) fn new(entries: usize) -> Self {
        Self {
            records: Bounded::new(entries),
            leased: Deadline::default(),
            current: Mutex::default(),
        }
    }

    pub(super) const fn records(&self) -> &Bounded<SessionRecord> {
        &self.records
    }

    /// Whether records are believed at `at`.
    pub(super) fn is_leased(&self, at: Duration) -> bool {
        self.leased.is_ahead(at)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to read over.
    pub(super) fn connection(&self) -> Option<(Generation, MultiplexedConnection)> {
        let current = self.current();
        current.connection.clone().map(|connection| (current.generation, connection))
    }

    /// Reads go over `connection` from now on. What was read over another is forgotten after that,
    /// and not before: a fetch that took the other one began earlier, and is discarded too.
    fn install(&self, generation: Generation, connection: MultiplexedConnection) {
        let mut current = self.current();
        *current = Current { generation, connection: Some(connection) };
        self.leased.end();
        drop(current);
        self.records.clear();
    }

    /// A command sent at `sent` was answered: every change before that has been heard of.
    fn prove(&self, generation: Generation, sent: Duration) {
        let current = self.current();
        if current.generation == generation && current.connection.is_some() {
            self.leased.extend(sent.saturating_add(TrackedSessions::LEASE));
        }
    }

    /// A command was not answered: nothing is believed until the next sign of life.
    pub(super) fn doubt(&self, generation: Generation) {
        let current = self.current();
        if current.generation == generation {
            self.leased.end();
        }
    }

    /// The connection is of no use any more.
    fn lose(&self, generation: Generation) {
        let mut current = self.current();
        if current.generation != generation {
            return;
        }
        current.connection = None;
        self.leased.end();
        drop(current);
        self.records.clear();
    }

    /// Something was pushed over the connection `generation`, or it ended. Called in the order of
    /// the socket, before any later answer is handed over.
    fn hear(&self, generation: Generation, push: &PushInfo) {
        match (&push.kind, push.data.first()) {
            (PushKind::Invalidate, Some(Value::Array(names))) => {
                for name in names {
                    match name {
                        Value::BulkString(name) => self.changed(name),
                        _ => self.records.clear(),
                    }
                }
            }
            // Null: FLUSHALL or FLUSHDB. What is not understood could be as bad.
            (PushKind::Invalidate, _) => self.records.clear(),
            (PushKind::Disconnection, _) => self.lose(generation),
            _ => {}
        }
    }

    fn changed(&self, name: &[u8]) {
        match key_of(name) {
            Some(key) => self.records.forget(key.as_bytes()),
            None => self.records.clear(),
        }
    }
}

/// Opens the next connection, has Redis track what is read over it, and reads over it from then on.
///
/// # Errors
/// It cannot be opened, or Redis does not track: an old one, or one that does not let us.
pub(super) async fn open(
    link: &Arc<Link>,
    redis: &RedisHandle,
    clock: &dyn Clock,
) -> Result<(), Outage> {
    let generation = link.current().generation + 1;
    // Weak, because the connection is owned by what it reports to.
    let listener = Arc::downgrade(link);
    let mut connection = redis
        .open_feed(move |push: PushInfo| {
            if let Some(link) = listener.upgrade() {
                link.hear(generation, &push);
            }
            Ok::<(), ()>(())
        })
        .await?;
    let sent = clock.now();
    let track = cmd("CLIENT").arg("TRACKING").arg("ON").to_owned();
    track.query_async::<()>(&mut connection).await.map_err(Outage::new)?;
    link.install(generation, connection);
    link.prove(generation, sent);
    Ok(())
}

/// Asks for a sign of life.
async fn beat(link: &Link, clock: &dyn Clock) {
    let Some((generation, mut connection)) = link.connection() else { return };
    let sent = clock.now();
    match cmd("PING").query_async::<()>(&mut connection).await {
        Ok(()) => link.prove(generation, sent),
        Err(_) => link.lose(generation),
    }
}

/// The task that keeps a link alive, and ends with this.
#[derive(Debug)]
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(super) fn start(link: Arc<Link>, redis: RedisHandle, clock: Arc<dyn Clock>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let next = clock.now().saturating_add(TrackedSessions::BEAT);
                clock.sleep_until(next).await;
                beat(&link, &*clock).await;
                if link.connection().is_none() {
                    // Tried again at the next beat; until then nothing is cached.
                    let _ = open(&link, &redis, &*clock).await;
                }
            }
        }))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Principal, SubjectId, UnixTime};
    use crate::store::SessionKey;
    use crate::store::redis::sessions::key_name;

    /// A link that keeps the sessions `a` to `d`.
    fn link() -> Link {
        let link = Link::new(64);
        let (end, who) = (UnixTime(9), Principal::of_test_subject(SubjectId(1), UnixTime(1)));
        let record = SessionRecord::at_login(who, end, end);
        for id in ["a", "b", "c", "d"] {
            let key = SessionKey::of(id);
            let fetch = link.records.begin(key.as_bytes());
            assert!(link.records.file(fetch, key.as_bytes(), record));
        }
        link
    }

    fn name(id: &str) -> Value {
        Value::BulkString(key_name(&SessionKey::of(id)).to_vec())
    }

    /// How many are left after `data` was pushed as `kind`.
    fn left_after(kind: PushKind, data: Vec<Value>) -> usize {
        let link = link();
        link.hear(0, &PushInfo { kind, data });
        link.records.len()
    }

    #[test]
    fn every_key_of_a_push_is_forgotten_and_null_is_all() {
        let invalidate = |data| left_after(PushKind::Invalidate, vec![data]);
        assert_eq!(invalidate(Value::Array(vec![name("a")])), 3);
        assert_eq!(invalidate(Value::Array(vec![name("a"), name("d"), name("b")])), 1);
        assert_eq!(invalidate(Value::Array(vec![name("of nobody")])), 4);
        assert_eq!(invalidate(Value::Nil), 0);
        assert_eq!(left_after(PushKind::Message, vec![name("a")]), 4);
    }

    #[test]
    fn what_is_not_understood_ends_all_belief() {
        let invalidate = |data| left_after(PushKind::Invalidate, data);
        assert_eq!(invalidate(vec![]), 0);
        assert_eq!(invalidate(vec![Value::Int(1)]), 0);
        assert_eq!(invalidate(vec![Value::Array(vec![Value::Nil])]), 0);
        let other = Value::BulkString(b"session:short".to_vec());
        assert_eq!(invalidate(vec![Value::Array(vec![other])]), 0);
    }

    #[test]
    fn the_end_of_an_earlier_connection_means_nothing() {
        let link = link();
        link.hear(7, &PushInfo { kind: PushKind::Disconnection, data: vec![] });
        assert_eq!(link.records.len(), 4);
        link.hear(0, &PushInfo { kind: PushKind::Disconnection, data: vec![] });
        assert_eq!(link.records.len(), 0);
    }

    #[test]
    fn without_a_connection_there_is_no_lease() {
        let link = link();
        link.prove(0, Duration::from_secs(5));
        assert!(!link.is_leased(Duration::from_secs(5)));
    }
}
