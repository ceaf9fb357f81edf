//! The cache in front of a store that takes its time: what it makes of answers that come late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authbench::clock::ManualClock;
use authbench::error::{BuildError, Outage};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::cached::Cached;
use authbench::store::{SessionKey, SessionRecord, SessionStore};
use authbench::strategy::contract::{Deps, Faults, RedisCommands, Revocation, Scope, StoreKind};
use tokio::task::yield_now;

const NOW: UnixTime = UnixTime(1_700_000_000);
const ALICE: SubjectId = SubjectId(1);

/// One record; how often it was asked for. Shared by all instances of a test's thread.
#[derive(Debug, Default)]
struct Slow {
    kept: Mutex<Option<SessionRecord>>,
    loads: AtomicU64,
}

thread_local! {
    static STORE: Arc<Slow> = Arc::default();
}

fn record() -> SessionRecord {
    let who = Principal::of_test_subject(ALICE, NOW);
    SessionRecord::at_login(who, NOW.plus(600), NOW.plus(600))
}

impl Slow {
    fn keep(&self, record: Option<SessionRecord>) -> bool {
        std::mem::replace(&mut *self.kept.lock().expect("no panic"), record).is_some()
    }

    fn loads() -> u64 {
        STORE.with(|store| store.loads.load(Ordering::Relaxed))
    }
}

/// A hand on the thread's store. What it reads it reads at once, and answers it later.
#[derive(Debug)]
struct Handle(Arc<Slow>);

impl SessionStore for Handle {
    const SCOPE: Scope = Scope::Node;
    const KIND: Option<StoreKind> = None;
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = Faults::NONE;
    const REDIS: RedisCommands = RedisCommands::NONE;

    async fn open(_: &Deps) -> Result<Self, BuildError> {
        Ok(Self(STORE.with(Arc::clone)))
    }

    async fn create(
        &self,
        _: &SessionKey,
        record: &SessionRecord,
        _: UnixTime,
    ) -> Result<bool, Outage> {
        Ok(!self.0.keep(Some(*record)))
    }

    async fn load(&self, _: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        self.0.loads.fetch_add(1, Ordering::Relaxed);
        let found = *self.0.kept.lock().expect("no panic");
        for _ in 0..10 {
            yield_now().await;
        }
        Ok(found)
    }

    async fn touch(
        &self,
        _: &SessionKey,
        record: &SessionRecord,
        _: UnixTime,
    ) -> Result<bool, Outage> {
        let touched = self.0.keep(Some(*record));
        for _ in 0..10 {
            yield_now().await;
        }
        Ok(touched)
    }

    async fn delete(&self, _: &SessionKey, _: SubjectId) -> Result<(), Outage> {
        self.0.keep(None);
        Ok(())
    }

    async fn delete_all(&self, _: SubjectId) -> Result<(), Outage> {
        self.0.keep(None);
        Ok(())
    }

    async fn count(&self, _: SubjectId, _: UnixTime) -> Result<u64, Outage> {
        Ok(0)
    }

    fn sweep(&self, _: UnixTime) {}
}

type Cache = Cached<Handle>;

/// A cache in front of a store that has the record under every key.
async fn open() -> (Cache, Arc<ManualClock>, SessionKey) {
    let clock = Arc::new(ManualClock::default());
    let deps = Deps {
        settings: Settings::default(),
        keys: Arc::default(),
        redis: None,
        postgres_url: None,
        sqlite_file: None,
        clock: Arc::clone(&clock) as _,
        entropy: Arc::new(authbench::entropy::OsEntropy),
    };
    let cache = Cache::open(&deps).await.expect("it opens");
    let key = SessionKey::of("id");
    cache.create(&key, &record(), NOW).await.expect("an answer");
    (cache, clock, key)
}

#[tokio::test]
async fn a_load_that_is_overtaken_by_a_logout_brings_nothing_back() {
    let (cache, _clock, key) = open().await;
    for everywhere in [false, true] {
        let log_out = async {
            yield_now().await;
            let out = if everywhere {
                cache.delete_all(ALICE).await
            } else {
                cache.delete(&key, ALICE).await
            };
            out.expect("an answer");
        };
        let (late, ()) = tokio::join!(cache.load(&key), log_out);
        assert_eq!(late.expect("an answer"), Some(record()), "it began before the logout");
        assert_eq!((cache.load(&key).await.expect("an answer"), cache.entries()), (None, 0));
        cache.create(&key, &record(), NOW).await.expect("an answer");
    }
}

#[tokio::test]
async fn a_touch_that_is_overtaken_by_a_logout_brings_nothing_back() {
    let (cache, _clock, key) = open().await;
    let log_out = async {
        yield_now().await;
        cache.delete(&key, ALICE).await.expect("an answer");
    };
    let later = record();
    let (touched, ()) = tokio::join!(cache.touch(&key, &later, NOW), log_out);
    assert!(touched.expect("an answer"), "it came before the logout");
    assert_eq!((cache.load(&key).await.expect("an answer"), cache.entries()), (None, 0));
}

#[tokio::test]
async fn an_entry_is_as_old_as_the_question() {
    let (cache, clock, key) = open().await;
    let pass = async { clock.advance(Cache::LIFE - Duration::from_nanos(1)) };
    let (found, ()) = tokio::join!(cache.load(&key), pass);
    assert!(found.expect("an answer").is_some());
    assert!(cache.load(&key).await.expect("an answer").is_some());
    assert_eq!(Slow::loads(), 1, "believed in its last nanosecond");
    clock.advance(Duration::from_nanos(1));
    assert!(cache.load(&key).await.expect("an answer").is_some());
    assert_eq!(Slow::loads(), 2, "however long the answer took");
}

#[tokio::test]
async fn what_is_not_there_is_not_remembered() {
    let (cache, _clock, _key) = open().await;
    cache.delete(&SessionKey::of("id"), ALICE).await.expect("an answer");
    for loads in 1..=3 {
        assert_eq!(cache.load(&SessionKey::of("id")).await.expect("an answer"), None);
        assert_eq!((Slow::loads(), cache.entries()), (loads, 0));
    }
}
