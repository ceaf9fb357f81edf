//! What a store holds, whichever it is: read, spoilt, forgotten, aged.

use redis::{Cmd, FromRedisValue, cmd};
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

use super::World;
use crate::store::redis::RedisHandle;
use crate::strategy::contract::{AuthStrategy, Deps, Renewal, StoreKind};

pub(super) type Bytes = Vec<u8>;

/// What is put in a record's place, in each kind of store: a Redis command that makes something of
/// the wrong type, and a row's content.
pub(super) const RUBBISH: [(&str, &str, &str); 3] =
    [("a hash", "HSET", ""), ("a text", "APPEND", "rubbish"), ("a list", "LPUSH", "{}")];

/// Whether the suite may search and spoil what `S` keeps; nothing is kept where there is no store.
pub(super) fn is_ours<S: AuthStrategy>(world: &World) -> bool {
    world.server.is_some() || S::PROPERTIES.store == Some(StoreKind::Sqlite)
}

pub(super) async fn redis<T: FromRedisValue>(
    redis: &RedisHandle,
    command: &Cmd,
) -> Result<T, String> {
    redis.query(command).await.map_err(|e| format!("{command:?}: {e}"))
}

/// The names of all keys; none when there is no Redis.
pub(super) async fn names(deps: &Deps) -> Result<Vec<Bytes>, String> {
    match &deps.redis {
        Some(handle) => redis(handle, cmd("KEYS").arg("*")).await,
        None => Ok(Vec::new()),
    }
}

/// How long Redis keeps a key, in seconds; nothing when it keeps it for ever.
pub(super) async fn seconds_left(deps: &Deps, name: &[u8]) -> Result<Option<u64>, String> {
    let Some(handle) = &deps.redis else { return Ok(None) };
    let left: i64 = redis(handle, cmd("TTL").arg(name)).await?;
    Ok(u64::try_from(left).ok())
}

/// A connection of the suite's own, where there is a PostgreSQL.
async fn postgres(deps: &Deps) -> Result<Option<Client>, String> {
    let Some(url) = &deps.postgres_url else { return Ok(None) };
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    Ok(Some(client))
}

/// A connection of the suite's own, where there is a SQLite file.
fn sqlite(deps: &Deps) -> Result<Option<Connection>, String> {
    let Some(file) = &deps.sqlite_file else { return Ok(None) };
    Connection::open(file).map(Some).map_err(|e| e.to_string())
}

/// Everything in the store: of Redis the names of all keys and what is kept under them, of a table
/// every column that can hold text.
pub(super) async fn dump(deps: &Deps) -> Result<Vec<Bytes>, String> {
    let mut all = dump_redis(deps).await?;
    if let Some(client) = postgres(deps).await? {
        let rows = client.query("SELECT key, record FROM sessions", &[]).await;
        for row in rows.map_err(|e| e.to_string())? {
            all.extend([row.get::<_, Bytes>(0), row.get(1)]);
        }
    }
    if let Some(file) = sqlite(deps)? {
        let read = || {
            let mut select = file.prepare("SELECT key, record FROM sessions")?;
            let rows = select.query_map([], |row| Ok([row.get::<_, Bytes>(0)?, row.get(1)?]))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        all.extend(read().map_err(|e| e.to_string())?.into_iter().flatten());
    }
    Ok(all)
}

async fn dump_redis(deps: &Deps) -> Result<Vec<Bytes>, String> {
    let Some(handle) = &deps.redis else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for name in names(deps).await? {
        let kind: String = redis(handle, cmd("TYPE").arg(&name)).await?;
        let read = match &*kind {
            "string" => cmd("MGET").arg(&name).to_owned(),
            "set" => cmd("SMEMBERS").arg(&name).to_owned(),
            "zset" => cmd("ZRANGE").arg(&name).arg(0).arg(-1).to_owned(),
            "list" => cmd("LRANGE").arg(&name).arg(0).arg(-1).to_owned(),
            "hash" => cmd("HGETALL").arg(&name).to_owned(),
            // Not read field by field; good enough for a search.
            _ => cmd("DUMP").arg(&name).to_owned(),
        };
        let values: Vec<Bytes> = redis(handle, &read).await?;
        all.push(name);
        all.extend(values);
    }
    Ok(all)
}

/// Executes a statement on whatever table there is.
async fn execute(deps: &Deps, sql: &str) -> Result<(), String> {
    if let Some(client) = postgres(deps).await? {
        client.batch_execute(sql).await.map_err(|e| e.to_string())?;
    }
    if let Some(file) = sqlite(deps)? {
        file.execute_batch(sql).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Puts rubbish in the place of everything.
pub(super) async fn spoil(deps: &Deps, plant: &str, content: &str) -> Result<(), String> {
    if let Some(handle) = &deps.redis {
        for name in names(deps).await? {
            redis::<()>(handle, cmd("DEL").arg(&name)).await?;
            let mut command = cmd(plant);
            command.arg(&name).arg("rubbish");
            if plant == "HSET" {
                command.arg("rubbish");
            }
            redis::<()>(handle, &command).await?;
        }
    }
    let hex: String = content.bytes().map(|b| format!("{b:02x}")).collect();
    let postgres = format!("UPDATE sessions SET record = '\\x{hex}'");
    let sqlite = format!("UPDATE sessions SET record = x'{hex}'");
    execute(deps, if deps.postgres_url.is_some() { &postgres } else { &sqlite }).await
}

/// Has the store forget everything and go on.
pub(super) async fn forget(deps: &Deps) -> Result<(), String> {
    if let Some(handle) = &deps.redis {
        redis::<()>(handle, &cmd("FLUSHALL")).await?;
    }
    execute(deps, "DELETE FROM sessions").await
}

/// Lets `seconds` pass for the keys in Redis, where `S` leaves it to Redis to notice: each has so
/// much less left. Begun seconds are given back, so that a check is not decided by its own pace.
pub(super) async fn age<S: AuthStrategy>(world: &World, seconds: u64) -> Result<(), String> {
    let Some(handle) = &world.deps.redis else { return Ok(()) };
    if S::PROPERTIES.renewal != Renewal::SlidingInStore {
        return Ok(());
    }
    for name in names(&world.deps).await? {
        let left_ms: i64 = redis(handle, cmd("PTTL").arg(&name)).await?;
        if let Ok(left_ms) = u64::try_from(left_ms) {
            let left_s = left_ms.div_ceil(1_000).saturating_sub(seconds);
            redis::<()>(handle, cmd("PEXPIRE").arg(&name).arg(left_s * 1_000)).await?;
        }
    }
    Ok(())
}
