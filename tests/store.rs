//! Redis as a part that fails: what a caller sees, and that it comes back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use authbench::error::Outage;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::store::redis::sessions::RedisSessions;
use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench::store::{SessionKey, SessionRecord, SessionStore};
use authbench::strategy::contract::Deps;
use authbench_fixture::PrivateRedis;

const NOW: UnixTime = UnixTime(1_700_000_000);

/// A private Redis, or the visible reason why this test says nothing.
fn private_redis() -> Option<PrivateRedis> {
    PrivateRedis::start().map_err(|why| println!("skipped: {why}")).ok()
}

/// Says inline commands on a connection of its own, and returns what Redis answered.
fn say(redis: &PrivateRedis, commands: &str) -> String {
    let mut socket = TcpStream::connect(redis.address()).expect("Redis listens");
    socket.write_all(format!("{commands}\r\nQUIT\r\n").as_bytes()).expect("writes");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("reads");
    answer
}

fn signal(redis: &PrivateRedis, name: &str) {
    let status = Command::new("kill").args([name, &redis.pid().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

async fn connect(url: &str) -> Result<RedisHandle, Outage> {
    RedisHandle::connect(url, RedisSettings::default()).await
}

async fn sessions(redis: &PrivateRedis) -> RedisSessions {
    let deps = Deps {
        settings: authbench::settings::Settings::default(),
        keys: std::sync::Arc::default(),
        redis: Some(connect(&redis.url()).await.expect("connects")),
        postgres_url: None,
        sqlite_file: None,
        clock: std::sync::Arc::new(authbench::clock::ManualClock::default()),
        entropy: std::sync::Arc::new(authbench::entropy::OsEntropy),
    };
    RedisSessions::open(&deps).await.expect("opens")
}

fn record(subject: u64, life: u64) -> SessionRecord {
    let who = Principal::of_test_subject(SubjectId(subject), NOW);
    SessionRecord::at_login(who, NOW.plus(life), NOW.plus(life))
}

fn hex(key: &SessionKey) -> String {
    key.as_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn a_url_that_leads_nowhere_says_what_to_do_and_keeps_the_password() {
    for url in ["", "localhost", "http://:hunter2@host", "redis://:hunter2@127.0.0.1:1/x"] {
        let said = connect(url).await.expect_err(url).to_string();
        assert!(said.contains("redis://127.0.0.1:6379"), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    // Port 1 refuses on any machine that does not run tcpmux.
    let said = connect("redis://:hunter2@127.0.0.1:1").await.expect_err("refused").to_string();
    assert!(said.contains("Redis at 127.0.0.1:1"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_password_is_asked_for_checked_and_never_repeated() {
    let Some(redis) = private_redis() else { return };
    say(&redis, "CONFIG SET requirepass hunter2");
    let with = |password: &str| redis.url().replace("//", &format!("//:{password}@"));
    let missing = connect(&redis.url()).await.expect_err("needs a password").to_string();
    assert!(missing.contains("NOAUTH"), "{missing}");
    let wrong = connect(&with("swordfish")).await.expect_err("wrong password").to_string();
    assert!(wrong.contains("uthentication"), "{wrong}");
    assert!(!wrong.contains("swordfish"), "{wrong}");
    connect(&with("hunter2")).await.expect("the right password");
}

#[tokio::test]
async fn a_cut_connection_is_restored() {
    let Some(redis) = private_redis() else { return };
    let handle = connect(&redis.url()).await.expect("connects");
    say(&redis, "CLIENT KILL TYPE normal SKIPME yes");
    let ping = redis::cmd("PING");
    handle.query::<()>(&ping).await.expect_err("the socket is gone");
    let back = handle.query::<String>(&ping).await.expect("the next command has a new one");
    assert_eq!(back, "PONG");
}

#[tokio::test]
async fn a_frozen_store_is_an_outage_and_its_late_answers_disturb_nobody() {
    let Some(redis) = private_redis() else { return };
    let handle = connect(&redis.url()).await.expect("connects");
    signal(&redis, "-STOP");
    let lost = handle.query::<()>(redis::cmd("SET").arg("a").arg("late")).await;
    assert!(lost.expect_err("frozen").to_string().contains("within 250 ms"));
    signal(&redis, "-CONT");
    let echo = handle.query::<String>(redis::cmd("ECHO").arg("mine")).await;
    assert_eq!(echo.expect("thawed"), "mine");
}

#[tokio::test]
async fn a_dead_store_fails_every_command_at_once() {
    let Some(redis) = private_redis() else { return };
    let handle = connect(&redis.url()).await.expect("connects");
    signal(&redis, "-KILL");
    for _ in 0..50 {
        handle.query::<()>(&redis::cmd("PING")).await.expect_err("nobody is there");
    }
}

#[tokio::test]
async fn create_never_overwrites_and_touch_never_resurrects() {
    let Some(redis) = private_redis() else { return };
    let store = sessions(&redis).await;
    let key = SessionKey::of("id");
    assert!(store.create(&key, &record(1, 60), NOW).await.expect("creates"));
    assert!(!store.create(&key, &record(2, 60), NOW).await.expect("answers"));
    assert_eq!(store.load(&key).await.expect("loads"), Some(record(1, 60)));
    assert!(store.touch(&key, &record(1, 90), NOW).await.expect("touches"));
    assert_eq!(store.load(&key).await.expect("loads"), Some(record(1, 90)));
    store.delete(&key, SubjectId(1)).await.expect("deletes");
    assert!(!store.touch(&key, &record(1, 120), NOW).await.expect("answers"));
    assert_eq!(store.load(&key).await.expect("loads"), None);
    assert!(say(&redis, "DBSIZE").starts_with(":0"), "something was left behind");
}

#[tokio::test]
async fn every_key_expires_and_the_index_forgets_what_has_ended() {
    let Some(redis) = private_redis() else { return };
    let store = sessions(&redis).await;
    let list = format!("sessions-of:{}", SubjectId(1));
    let logins = [("short", 10, NOW), ("long", 250, NOW), ("later", 200, NOW.plus(50))];
    for (id, life, now) in logins {
        store.create(&SessionKey::of(id), &record(1, life), now).await.expect("creates");
    }
    assert!(say(&redis, &format!("ZCARD {list}")).starts_with(":2"), "the ended one is listed");
    for (id, ..) in logins {
        let ttl = say(&redis, &format!("TTL session:{}", hex(&SessionKey::of(id))));
        assert!(!ttl.starts_with(":-"), "{id} would stay for ever: {ttl}");
    }
    // The longest ends 200 s after the last login; a slow machine may have used up some of it.
    let ttl = say(&redis, &format!("TTL {list}"));
    assert!(ttl.starts_with(":200") || ttl.starts_with(":19"), "{ttl}");
}

#[tokio::test]
async fn logins_and_logouts_everywhere_at_once_leave_no_orphan() {
    let Some(redis) = private_redis() else { return };
    let store = sessions(&redis).await;
    let log_in = async {
        for i in 0..500 {
            let key = SessionKey::of(&i.to_string());
            store.create(&key, &record(1, 60), NOW).await.expect("creates");
        }
    };
    let log_out = async {
        for _ in 0..500 {
            store.delete_all(SubjectId(1)).await.expect("deletes");
        }
    };
    tokio::join!(log_in, log_out);
    store.delete_all(SubjectId(1)).await.expect("deletes");
    assert!(say(&redis, "DBSIZE").starts_with(":0"), "a session escaped the logout");
}

#[tokio::test]
async fn what_is_not_a_record_is_an_outage() {
    let Some(redis) = private_redis() else { return };
    let store = sessions(&redis).await;
    let key = SessionKey::of("id");
    let name = format!("session:{}", hex(&key));
    for (command, value) in [("SET", "{}"), ("SET", "[]"), ("HSET", "sub u-1"), ("LPUSH", "a")] {
        say(&redis, &format!("DEL {name}\r\n{command} {name} {value}"));
        assert!(store.load(&key).await.is_err(), "{command} {value}");
    }
}
