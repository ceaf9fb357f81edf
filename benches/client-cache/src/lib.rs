//! What the client-side cache of redis-rs (`cache-aio`) serves of keys that are gone: counted, in a
//! private Redis.
//!
//! Deliberately absent: our own cache, which `tests/tracked` of the main workspace holds to the
//! same race; and time, since nothing here is measured but counts.

use std::time::Duration;

use authbench_fixture::PrivateRedis;
use redis::aio::MultiplexedConnection;
use redis::caching::CacheConfig;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion, RedisError, cmd};

/// Keys that are read and removed in each trial.
pub const KEYS: usize = 3_000;

/// How a key is read and removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// The read is answered before the removal is sent: the control.
    OneAfterTheOther,
    /// Both are sent at once, the read first.
    Together,
}

/// What removes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    /// `DEL` of the key.
    Del,
    /// `FLUSHALL`, which Redis announces by a null in place of names.
    FlushAll,
}

/// Every trial, the controls first.
pub const TRIALS: [(Removal, Order); 4] = [
    (Removal::Del, Order::OneAfterTheOther),
    (Removal::FlushAll, Order::OneAfterTheOther),
    (Removal::Del, Order::Together),
    (Removal::FlushAll, Order::Together),
];

fn name(n: usize) -> String {
    format!("key:{n}")
}

async fn connect(
    redis: &PrivateRedis,
    cache: Option<CacheConfig>,
) -> Result<MultiplexedConnection, RedisError> {
    let info = redis.url().into_connection_info()?;
    let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(resp3))?;
    let mut config = AsyncConnectionConfig::new().set_response_timeout(None);
    if let Some(cache) = cache {
        config = config.set_cache_config(cache);
    }
    client.get_multiplexed_async_connection_with_config(&config).await
}

async fn get(connection: &MultiplexedConnection, key: &str) -> Result<Option<String>, RedisError> {
    cmd("GET").arg(key).query_async(&mut connection.clone()).await
}

async fn remove(
    connection: &MultiplexedConnection,
    removal: Removal,
    key: &str,
) -> Result<(), RedisError> {
    let mut connection = connection.clone();
    match removal {
        Removal::Del => cmd("DEL").arg(key).query_async(&mut connection).await,
        Removal::FlushAll => cmd("FLUSHALL").query_async(&mut connection).await,
    }
}

/// Reads and removes [`KEYS`] keys through one caching connection, and reads each again: once the
/// connection has answered a later command, before which Redis has announced the removal, and
/// again a second after the last removal. How many were there at the first of those readings, and
/// how many at the second. A flush that is heard of mends what earlier ones left behind.
///
/// # Errors
/// Redis does not answer, or holds a key that was removed.
pub async fn stale(
    redis: &PrivateRedis,
    removal: Removal,
    order: Order,
) -> Result<[usize; 2], RedisError> {
    let mut stale = [0; 2];
    let plain = connect(redis, None).await?;
    let caching = connect(redis, Some(CacheConfig::new())).await?;
    for n in 0..KEYS {
        let key = name(n);
        cmd("SET").arg(&key).arg("value").query_async::<()>(&mut plain.clone()).await?;
        let read = match order {
            Order::OneAfterTheOther => {
                let read = get(&caching, &key).await?;
                remove(&caching, removal, &key).await?;
                read
            }
            Order::Together => {
                let both = tokio::join!(get(&caching, &key), remove(&caching, removal, &key));
                both.1?;
                both.0?
            }
        };
        assert!(read.is_some(), "{key} was there when it was read");
        cmd("PING").query_async::<()>(&mut caching.clone()).await?;
        stale[0] += usize::from(get(&caching, &key).await?.is_some());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..KEYS {
        let key = name(n);
        assert_eq!(get(&plain, &key).await?, None, "Redis itself has forgotten {key}");
        stale[1] += usize::from(get(&caching, &key).await?.is_some());
    }
    Ok(stale)
}
