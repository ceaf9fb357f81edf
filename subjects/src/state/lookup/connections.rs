//! Ways to reach Redis: one connection for all, several, a pool.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use authbench::store::redis::{RedisHandle, RedisSettings};
use redis::aio::ConnectionManager;
use redis::{AsyncConnectionConfig, Cmd, IntoConnectionInfo as _, Value};
use tokio::sync::Semaphore;

use crate::bed::RedisStage;

/// Connections of a pool: four for each core of a small server.
const POOL: usize = 16;

/// A way to reach Redis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// One multiplexed TCP connection, `TCP_NODELAY` set: what the strategies share.
    Tcp,
    /// The same with Nagle's algorithm, the default of redis-rs.
    TcpNagle,
    /// The same through a Unix socket.
    Unix,
    /// Eight multiplexed TCP connections in turn.
    Multiplexed8,
    /// Sixteen TCP connections, each for one command at a time.
    Exclusive16,
    /// The same by `deadpool-redis`, which asks every connection for a sign of life before it
    /// lends it: `UNWATCH` and `PING`, a round trip of their own.
    Pool16,
}

impl Way {
    /// Its level in a name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::TcpNagle => "tcp-nagle",
            Self::Unix => "unix",
            Self::Multiplexed8 => "8-multiplexed",
            Self::Exclusive16 => "16-exclusive",
            Self::Pool16 => "pool-16",
        }
    }
}

/// Connections that commands can be sent through.
pub(super) trait Connections: Send + Sync + 'static {
    /// Sends command number `n`.
    fn send(&self, n: u64, command: &Cmd) -> impl Future<Output = anyhow::Result<Value>> + Send;
}

/// Shared connections, taken in turn.
pub(super) struct Shared(Vec<ConnectionManager>);

impl Connections for Shared {
    async fn send(&self, n: u64, command: &Cmd) -> anyhow::Result<Value> {
        let mut connection = self.0[n as usize % self.0.len()].clone();
        Ok(command.query_async(&mut connection).await?)
    }
}

/// Connections that one command has to itself.
pub(super) struct Exclusive {
    free: Mutex<Vec<ConnectionManager>>,
    permits: Semaphore,
}

impl Connections for Exclusive {
    async fn send(&self, _: u64, command: &Cmd) -> anyhow::Result<Value> {
        let _permit = self.permits.acquire().await?;
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = free().pop();
        let mut connection = lent.context("more permits than connections")?;
        let answer = command.query_async(&mut connection).await;
        free().push(connection);
        Ok(answer?)
    }
}

impl Connections for deadpool_redis::Pool {
    async fn send(&self, _: u64, command: &Cmd) -> anyhow::Result<Value> {
        let mut connection = self.get().await.map_err(|e| anyhow::anyhow!("no connection: {e}"))?;
        Ok(command.query_async(&mut connection).await?)
    }
}

/// Shared connections of the kind that `way` says; the strategies' own where it is theirs.
///
/// # Errors
/// When Redis cannot be reached so.
pub(super) async fn shared(stage: &RedisStage, way: Way) -> anyhow::Result<Shared> {
    let settings = RedisSettings { nodelay: way != Way::TcpNagle, ..RedisSettings::default() };
    Ok(Shared(match way {
        Way::Tcp => vec![stage.handle.connection()],
        Way::Unix => {
            let url = stage.unix_url.as_deref().context("its Unix socket is not known")?;
            connect(url, settings, 1).await?
        }
        Way::Multiplexed8 => connect(&stage.url, settings, 8).await?,
        Way::TcpNagle | Way::Exclusive16 | Way::Pool16 => connect(&stage.url, settings, 1).await?,
    }))
}

/// # Errors
/// When Redis cannot be reached.
pub(super) async fn exclusive(stage: &RedisStage) -> anyhow::Result<Exclusive> {
    let free = connect(&stage.url, RedisSettings::default(), POOL).await?;
    Ok(Exclusive { free: Mutex::new(free), permits: Semaphore::new(POOL) })
}

async fn connect(
    url: &str,
    settings: RedisSettings,
    count: usize,
) -> anyhow::Result<Vec<ConnectionManager>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(RedisHandle::connect(url, settings).await?.connection());
    }
    Ok(connections)
}

/// A pool that connects when it must, its settings those of the strategies' connection.
///
/// # Errors
/// When the URL cannot be read.
pub(super) fn pool(stage: &RedisStage) -> anyhow::Result<deadpool_redis::Pool> {
    let settings = RedisSettings::default();
    let limit = Duration::from_millis(settings.connect_timeout_ms);
    let info = stage.url.as_str().into_connection_info()?;
    let tcp = info.tcp_settings().clone().set_nodelay(settings.nodelay);
    let config =
        AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(limit));
    let manager = deadpool_redis::Manager::new_with_config(info.set_tcp_settings(tcp), config)?;
    Ok(deadpool_redis::Pool::builder(manager).max_size(POOL).build()?)
}
