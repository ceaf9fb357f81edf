//! The cache that Redis keeps in step: what it serves when messages overtake each other, when its
//! connection is cut, and when that connection is silent.

mod naive;
mod relay;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use authbench::clock::ManualClock;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::redis::sessions::RedisSessions;
use authbench::store::redis::tracked::TrackedSessions;
use authbench::store::redis::{FEED_NAME, RedisHandle, RedisSettings};
use authbench::store::{SessionKey, SessionRecord, SessionStore};
use authbench::strategy::contract::Deps;
use authbench_fixture::PrivateRedis;
use naive::Naive;
use redis::{Cmd, FromRedisValue, cmd};
use relay::Relay;

const NOW: UnixTime = UnixTime(1_700_000_000);
/// How often the race is run: in batches that fit into one read from a socket, because what comes
/// in two is handed over in between.
const RACES: usize = ROUNDS * BATCH;
const ROUNDS: usize = 100;
const BATCH: usize = 10;

fn name_of(key: &SessionKey) -> String {
    let digits: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("session:{digits}")
}

fn record(life: u64) -> SessionRecord {
    let who = Principal::of_test_subject(SubjectId(1), NOW);
    SessionRecord::at_login(who, NOW.plus(life), NOW.plus(life))
}

/// Two nodes on one Redis. What is pushed to the first passes a relay.
struct Stage {
    _redis: PrivateRedis,
    relay: Relay,
    clock: Arc<ManualClock>,
    handle: RedisHandle,
    here: Arc<TrackedSessions>,
    elsewhere: RedisSessions,
}

impl Stage {
    /// A stage on which an answer is waited for so long; nothing where there is no Redis.
    async fn new(response_timeout_ms: u64) -> Option<Self> {
        let redis = PrivateRedis::start().map_err(|why| println!("skipped: {why}")).ok()?;
        let relay = Relay::before(redis.address());
        let settings = RedisSettings { response_timeout_ms, ..RedisSettings::default() };
        let handle = RedisHandle::connect_with_feed(&redis.url(), &relay.url(), settings).await;
        let handle = handle.expect("it connects");
        let clock = Arc::new(ManualClock::default());
        let deps = Deps {
            settings: Settings::default(),
            keys: Arc::default(),
            redis: Some(handle.clone()),
            postgres_url: None,
            sqlite_file: None,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(authbench::entropy::OsEntropy),
        };
        let here = Arc::new(TrackedSessions::open(&deps).await.expect("it opens"));
        let elsewhere = RedisSessions::open(&deps).await.expect("it opens");
        Some(Self { _redis: redis, relay, clock, handle, here, elsewhere })
    }

    /// Sessions that are there, and that this node has not read.
    async fn create(&self, which: Range<usize>) -> Vec<SessionKey> {
        let keys: Vec<_> = which.map(|n| SessionKey::of(&n.to_string())).collect();
        for key in &keys {
            assert!(self.elsewhere.create(key, &record(600), NOW).await.expect("an answer"));
        }
        keys
    }

    async fn read(&self, key: &SessionKey) -> Option<SessionRecord> {
        self.here.load(key).await.expect("an answer")
    }

    /// As [`Stage::create`], and read by this node.
    async fn keep(&self, count: usize) -> Vec<SessionKey> {
        let keys = self.create(0..count).await;
        for key in &keys {
            assert_eq!(self.read(key).await, Some(record(600)));
        }
        assert_eq!(self.here.entries(), count);
        keys
    }

    async fn redis<T: FromRedisValue>(&self, command: &Cmd) -> T {
        self.handle.query(command).await.expect("an answer")
    }

    async fn delete(&self, keys: &[SessionKey]) {
        let names: Vec<_> = keys.iter().map(name_of).collect();
        self.redis::<()>(cmd("DEL").arg(names)).await;
    }

    /// How many GETs Redis has seen.
    async fn gets(&self) -> u64 {
        let info: String = self.redis(cmd("INFO").arg("commandstats")).await;
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        line.map_or(0, |rest| rest.split(',').next().expect("a field").parse().expect("a number"))
    }
}

/// Waits for something to arrive.
async fn until(what: &str, is_there: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{what} did not happen");
}

/// Reads every key with `load`, whose answers are held back until the keys have been deleted and
/// that was acknowledged and announced. How many are still read afterwards.
async fn stale_after_race<F>(stage: &Stage, load: impl Fn(SessionKey) -> F) -> usize
where
    F: Future<Output = Option<SessionRecord>> + Send + 'static,
{
    let mut stale = 0;
    for round in 0..ROUNDS {
        let keys = stage.create(round * BATCH..(round + 1) * BATCH).await;
        stage.relay.hold();
        let reads: Vec<_> = keys.iter().map(|key| tokio::spawn(load(*key))).collect();
        until("an answer to each read", || stage.relay.held(b"\"sub\"") == BATCH).await;
        stage.delete(&keys).await;
        until("each invalidation", || stage.relay.held(b"invalidate") == BATCH).await;
        stage.relay.release();
        for read in reads {
            assert!(read.await.expect("no panic").is_some(), "it was there when it was read");
        }
        for key in &keys {
            stale += usize::from(load(*key).await.is_some());
        }
    }
    stale
}

#[tokio::test]
async fn a_record_that_is_overtaken_by_its_invalidation_is_not_kept() {
    let Some(stage) = Stage::new(60_000).await else { return };
    let stale = stale_after_race(&stage, |key| {
        let here = Arc::clone(&stage.here);
        async move { here.load(&key).await.expect("an answer") }
    })
    .await;
    assert_eq!(stale, 0, "of {RACES} deleted sessions");
    // And it does keep what was not overtaken.
    assert!(stage.here.is_leased());
    stage.keep(10).await;
}

/// The negative control: without the guard the same race leaves records behind.
#[tokio::test]
async fn without_the_guard_the_same_race_serves_what_was_deleted() {
    let Some(stage) = Stage::new(60_000).await else { return };
    let naive = Arc::new(Naive::open(&stage.handle).await);
    let stale = stale_after_race(&stage, |key| {
        let naive = Arc::clone(&naive);
        async move { naive.load(&key).await }
    })
    .await;
    println!("without the guard: {stale} of {RACES} deleted sessions are still served");
    assert!(stale > RACES / 2, "only {stale}");
}

#[tokio::test]
async fn a_read_that_is_repeated_sends_nothing() {
    let Some(stage) = Stage::new(1_000).await else { return };
    let keys = stage.keep(5).await;
    let before = stage.gets().await;
    for key in keys.iter().cycle().take(500) {
        assert!(stage.read(key).await.is_some());
    }
    assert_eq!(stage.gets().await, before);
}

#[tokio::test]
async fn a_change_elsewhere_is_heard_of_and_a_change_here_is_known() {
    let Some(stage) = Stage::new(1_000).await else { return };
    let keys = stage.keep(6).await;
    stage.delete(&keys[..3]).await;
    until("the end of three", || stage.here.entries() == 3).await;
    for key in &keys[..3] {
        assert_eq!(stage.read(key).await, None);
    }
    assert!(stage.here.touch(&keys[3], &record(900), NOW).await.expect("an answer"));
    assert_eq!(stage.read(&keys[3]).await, Some(record(900)));
    stage.here.delete(&keys[3], SubjectId(1)).await.expect("an answer");
    assert_eq!(stage.read(&keys[3]).await, None);
    stage.here.delete_all(SubjectId(1)).await.expect("an answer");
    for key in &keys {
        assert_eq!(stage.read(key).await, None);
    }
}

#[tokio::test]
async fn what_is_flushed_is_gone() {
    for flush in ["FLUSHALL", "FLUSHDB"] {
        let Some(stage) = Stage::new(1_000).await else { return };
        let keys = stage.keep(20).await;
        stage.redis::<()>(&cmd(flush)).await;
        until("the end of all", || stage.here.entries() == 0).await;
        for key in &keys {
            assert_eq!(stage.read(key).await, None, "after {flush}");
        }
    }
}

#[tokio::test]
async fn a_cut_connection_is_noticed_and_replaced() {
    let Some(stage) = Stage::new(1_000).await else { return };
    let keys = stage.keep(3).await;
    let clients: String = stage.redis(cmd("CLIENT").arg("LIST")).await;
    let name = format!("name={FEED_NAME} ");
    let feed = clients.lines().find(|line| line.contains(&name)).expect("it says its name");
    let id = feed.split(' ').find_map(|field| field.strip_prefix("id=")).expect("an id");
    stage.redis::<()>(cmd("CLIENT").arg("KILL").arg("ID").arg(id)).await;
    stage.delete(&keys[..1]).await;
    // No time passes: it is the end of the connection that ends the belief.
    until("the end of the connection", || !stage.here.is_leased()).await;
    assert_eq!(stage.read(&keys[0]).await, None);
    assert_eq!(stage.read(&keys[1]).await, Some(record(600)), "the others are asked");
    assert_eq!(stage.here.entries(), 0, "and nothing is kept");
    stage.clock.advance(TrackedSessions::BEAT);
    until("another connection", || stage.here.is_leased()).await;
    assert_eq!(stage.read(&keys[1]).await, Some(record(600)));
    assert_eq!(stage.here.entries(), 1);
}

#[tokio::test]
async fn a_silent_connection_is_believed_for_the_lease_and_no_longer() {
    let Some(stage) = Stage::new(200).await else { return };
    let keys = stage.keep(2).await;
    stage.relay.hold();
    stage.delete(&keys[..1]).await;
    until("the announcement", || stage.relay.held(b"invalidate") == 1).await;
    assert!(stage.read(&keys[0]).await.is_some(), "or the connection is not silent");
    stage.clock.advance(TrackedSessions::LEASE - Duration::from_nanos(1));
    assert!(stage.here.is_leased(), "up to the last moment");
    stage.clock.advance(Duration::from_nanos(1));
    assert_eq!(stage.read(&keys[0]).await, None);
    assert_eq!(stage.read(&keys[1]).await, Some(record(600)), "the others are asked");
    // What was held back comes at last, from a connection that is of no use any more or is again.
    stage.relay.release();
    for _ in 0..100 {
        assert_eq!(stage.read(&keys[0]).await, None);
        stage.clock.advance(TrackedSessions::BEAT);
        tokio::time::sleep(Duration::from_millis(5)).await;
        if stage.here.is_leased() {
            break;
        }
    }
    assert!(stage.here.is_leased(), "it recovers");
    assert_eq!(stage.read(&keys[0]).await, None);
    assert_eq!(stage.read(&keys[1]).await, Some(record(600)));
}

/// A read that is under way when the connection falls silent is answered by another.
#[tokio::test]
async fn a_read_on_a_silent_connection_takes_another() {
    let Some(stage) = Stage::new(200).await else { return };
    let keys = stage.create(0..2).await;
    stage.relay.hold();
    assert_eq!(stage.read(&keys[0]).await, Some(record(600)));
    assert!(!stage.here.is_leased(), "silence that was noticed is not waited out again");
    stage.delete(&keys[..1]).await;
    assert_eq!(stage.read(&keys[0]).await, None);
    stage.relay.release();
}
