//! Every place that keeps sessions, held to the contract of the trait, and what is true of one.
//!
//! The conformance suite sees stores through strategies; here they are asked directly, so that a
//! store which overwrites or resurrects is named as such.

mod stage;

use std::time::Duration;

use authbench::conformance::World;
use authbench::error::BuildError;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::store::memory::MemorySessions;
use authbench::store::postgres::PostgresSessions;
use authbench::store::redis::sessions::RedisSessions;
use authbench::store::redis::sliding::SlidingRedisSessions;
use authbench::store::sqlite::SqliteSessions;
use authbench::store::{SessionKey, SessionRecord, SessionStore};

const NOW: UnixTime = UnixTime(1_700_000_000);

fn record(subject: u64, life: u64) -> SessionRecord {
    let who = Principal::of_test_subject(SubjectId(subject), NOW);
    SessionRecord::at_login(who, NOW.plus(life), NOW.plus(life))
}

/// A store on a fresh stage, which must outlive it; or the visible reason why there is none.
async fn open<S: SessionStore>() -> Option<(World, S)> {
    let world = match stage::world(S::KIND).await {
        Ok(world) => world,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    let store = S::open(&world.deps).await.expect("it opens");
    Some((world, store))
}

async fn keeps_the_contract<S: SessionStore>() {
    let _turn = stage::turn();
    let Some((world, store)) = open::<S>().await else { return };
    let [one, two, three] = ["one", "two", "three"].map(SessionKey::of);
    let (mine, other) = (record(u64::MAX, 60), record(8, 60));
    assert!(store.create(&one, &mine, NOW).await.unwrap());
    assert!(!store.create(&one, &other, NOW).await.unwrap(), "it overwrites");
    assert_eq!(store.load(&one).await.unwrap(), Some(mine));
    assert_eq!(store.load(&two).await.unwrap(), None);

    assert!(store.touch(&one, &record(u64::MAX, 90), NOW).await.unwrap());
    assert_eq!(store.load(&one).await.unwrap(), Some(record(u64::MAX, 90)));
    assert!(!store.touch(&two, &mine, NOW).await.unwrap(), "it touches what is not there");
    assert_eq!(store.load(&two).await.unwrap(), None, "it resurrects");

    assert!(store.create(&two, &mine, NOW).await.unwrap());
    assert!(store.create(&three, &other, NOW).await.unwrap());
    assert_eq!(store.count(mine.subject, NOW).await.unwrap(), 2);
    // Another node sees the same, where another can.
    let node = S::open(&world.deps).await.expect("it opens twice");
    if S::KIND.is_some() {
        assert_eq!(node.load(&one).await.unwrap(), Some(record(u64::MAX, 90)));
        node.delete(&one, mine.subject).await.unwrap();
    } else {
        store.delete(&one, mine.subject).await.unwrap();
    }
    assert_eq!(store.load(&one).await.unwrap(), None);
    assert!(!store.touch(&one, &mine, NOW).await.unwrap(), "it resurrects what was deleted");
    store.delete(&one, mine.subject).await.unwrap();
    store.delete_all(mine.subject).await.unwrap();
    assert_eq!(store.count(mine.subject, NOW).await.unwrap(), 0);
    assert_eq!(store.load(&three).await.unwrap(), Some(other), "it forgets another subject's");
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    keeps_the_contract::<MemorySessions>().await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    keeps_the_contract::<SqliteSessions>().await;
}

#[tokio::test]
async fn postgres_keeps_the_contract() {
    keeps_the_contract::<PostgresSessions>().await;
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    keeps_the_contract::<RedisSessions>().await;
}

#[tokio::test]
async fn sliding_redis_keeps_the_contract() {
    keeps_the_contract::<SlidingRedisSessions>().await;
}

/// Sweeps, and demands that the expired are gone and the living are not.
async fn sweeps<S: SessionStore>() {
    let Some((_world, store)) = open::<S>().await else { return };
    for n in 0..1_200 {
        let key = SessionKey::of(&format!("old {n}"));
        assert!(store.create(&key, &record(7, 60), NOW).await.unwrap());
    }
    let live = SessionKey::of("live");
    assert!(store.create(&live, &record(7, 61), NOW).await.unwrap());
    assert_eq!(store.count(SubjectId(7), NOW.plus(60)).await.unwrap(), 1, "the expired count");
    store.sweep(NOW.plus(60));
    // What is left to a task is done when a later question is answered, or soon after.
    for _ in 0..100 {
        if store.count(SubjectId(7), NOW).await.unwrap() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.count(SubjectId(7), NOW).await.unwrap(), 1, "the expired are kept");
    assert!(store.load(&live).await.unwrap().is_some());
}

#[tokio::test]
async fn sqlite_sweeps() {
    sweeps::<SqliteSessions>().await;
}

#[tokio::test]
async fn postgres_sweeps() {
    sweeps::<PostgresSessions>().await;
}

#[tokio::test]
async fn nodes_that_start_at_once_make_one_table() {
    let Ok(world) = stage::world(PostgresSessions::KIND).await else {
        return println!("skipped: there is no PostgreSQL");
    };
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let deps = world.deps.clone();
            tokio::spawn(async move { PostgresSessions::open(&deps).await.map(drop) })
        })
        .collect();
    for one in opening {
        one.await.expect("no panic").expect("it opens");
    }
    let world = stage::world(SqliteSessions::KIND).await.expect("there is a folder");
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(SqliteSessions::open(&world.deps)).expect("it opens");
            });
        }
    });
}

#[tokio::test]
async fn what_is_not_there_is_said_without_the_password() {
    let mut world = stage::world(None).await.expect("nothing is needed");
    for (error, word) in [
        (SqliteSessions::open(&world.deps).await.unwrap_err(), "SQLite"),
        (PostgresSessions::open(&world.deps).await.unwrap_err(), "PostgreSQL"),
    ] {
        assert!(matches!(&error, BuildError::Config(text) if text.contains(word)), "{error}");
    }
    for url in ["postgres://app:hunter2@127.0.0.1:1/db", "hunter2 is no url", "http://u:hunter2@h"]
    {
        world.deps.postgres_url = Some(url.into());
        let error = PostgresSessions::open(&world.deps).await.unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    world.deps.sqlite_file = Some("/nowhere/at/all".into());
    let error = SqliteSessions::open(&world.deps).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}

#[tokio::test]
async fn a_postgres_that_is_frozen_is_an_outage_and_comes_back() {
    let Some((world, store)) = open::<PostgresSessions>().await else { return };
    let Some(server) = &world.server else {
        return println!("skipped: it would stop a PostgreSQL that is not the suite's own");
    };
    let key = SessionKey::of("one");
    assert!(store.create(&key, &record(7, 60), NOW).await.unwrap());
    server.freeze();
    let frozen = store.load(&key).await;
    server.thaw();
    assert!(frozen.unwrap_err().to_string().contains("no answer within 250 ms"));
    assert_eq!(store.load(&key).await.unwrap(), Some(record(7, 60)));
    server.kill();
    for _ in 0..3 {
        assert!(store.load(&key).await.is_err());
    }
}
