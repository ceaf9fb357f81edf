//! One multiplexed connection to Redis: every setting explicit, because the defaults differ
//! between versions of the client and each of them moves the figures.

pub mod denied;
pub mod feed;
pub mod filter;
pub(crate) mod listed;
pub mod polled;
pub mod revoked;
pub mod sessions;
pub mod sliding;
pub mod tracked;

use std::fmt;
use std::time::Duration;

use redis::aio::{
    AsyncPushSender, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection,
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, ProtocolVersion,
    RedisError, ScriptInvocation,
};
use serde::{Deserialize, Serialize};

use crate::error::Outage;

/// How the server talks to Redis. Recorded with the results.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RedisSettings {
    /// `TCP_NODELAY`; redis-rs 1.x leaves it off unless told.
    pub nodelay: bool,
    /// An answer later than this is an outage, in milliseconds. Waiting for a connection that is
    /// being restored counts.
    pub response_timeout_ms: u64,
    /// A connection attempt longer than this has failed, in milliseconds.
    pub connect_timeout_ms: u64,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self { nodelay: true, response_timeout_ms: 250, connect_timeout_ms: 1_000 }
    }
}

/// What a connection that Redis pushes to calls itself (`CLIENT SETNAME`), so that it can be told
/// from the others and cut by those who test what happens then.
pub const FEED_NAME: &str = "authbench-feed";

/// The client of a URL, and the address for messages about it. The parser's own words could repeat
/// the URL, and with it the password.
fn open_client(
    url: &str,
    settings: RedisSettings,
    protocol: Option<ProtocolVersion>,
) -> Result<(Client, String), Outage> {
    let mut info = url.into_connection_info().map_err(|_| {
        Outage::new(
            "the Redis URL cannot be read; it looks like redis://127.0.0.1:6379 or \
             redis+unix:///path/to/socket, and special characters in a password are \
             percent-encoded",
        )
    })?;
    if let Some(protocol) = protocol {
        let with_protocol = info.redis_settings().clone().set_protocol(protocol);
        info = info.set_redis_settings(with_protocol);
    }
    let address = info.addr().to_string();
    let tcp = info.tcp_settings().clone().set_nodelay(settings.nodelay);
    let client = Client::open(info.set_tcp_settings(tcp))
        .map_err(|e| Outage::new(format!("Redis at {address}: {e}")))?;
    Ok((client, address))
}

/// A shared, multiplexed, reconnecting connection. Clones share the socket. While it is down a
/// command fails at once or within the response timeout; it never hangs. Each failure starts one
/// attempt to reconnect, so the first command after an outage can still fail.
#[derive(Clone)]
pub struct RedisHandle {
    manager: ConnectionManager,
    feed: Client,
    settings: RedisSettings,
    limit: Duration,
}

impl fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisHandle(..)")
    }
}

impl RedisHandle {
    /// Connects to `url` (`redis://`, `redis+unix://`) and checks that it answers.
    ///
    /// # Errors
    /// A URL that cannot be read, a refusal, a timeout, a password that is needed or wrong. The
    /// text names the address and never the password.
    pub async fn connect(url: &str, settings: RedisSettings) -> Result<Self, Outage> {
        Self::connect_with_feed(url, url, settings).await
    }

    /// As [`RedisHandle::connect`]; what Redis pushes comes from `feed_url`, which may take another
    /// way to the same server.
    ///
    /// # Errors
    /// As [`RedisHandle::connect`].
    pub async fn connect_with_feed(
        url: &str,
        feed_url: &str,
        settings: RedisSettings,
    ) -> Result<Self, Outage> {
        let (client, address) = open_client(url, settings, None)?;
        // What is pushed takes RESP3.
        let (feed, _) = open_client(feed_url, settings, Some(ProtocolVersion::RESP3))?;
        let failed = |e: RedisError| Outage::new(format!("Redis at {address}: {e}"));
        // Neither retries nor the client's own response timeout: both would be waited for on top
        // of ours, and a command must be answered or refused within one limit.
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(Duration::from_millis(settings.connect_timeout_ms)))
            .set_number_of_retries(0);
        let manager = ConnectionManager::new_with_config(client, config).await.map_err(failed)?;
        let limit = Duration::from_millis(settings.response_timeout_ms);
        let handle = Self { manager, feed, settings, limit };
        let mut ping = handle.manager.clone();
        handle.within_limit(redis::cmd("PING").query_async::<()>(&mut ping)).await.map_err(
            |outage| Outage::new(format!("Redis at {address} does not serve: {}", outage.cause())),
        )?;
        Ok(handle)
    }

    /// The connection alone, for those who want no time limit of ours around a command.
    #[must_use]
    pub fn connection(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// Opens a connection of its own that Redis pushes to (RESP3): messages of a channel,
    /// invalidations of keys. `sender` is called in the order in which they arrive, from the task
    /// that reads the socket, and before any later answer on the same connection is handed over.
    /// It never reconnects by itself.
    ///
    /// # Errors
    /// It cannot be opened within the time limits.
    pub async fn open_feed(
        &self,
        sender: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, Outage> {
        let settings = self.settings;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(self.limit))
            .set_connection_timeout(Some(Duration::from_millis(settings.connect_timeout_ms)))
            .set_push_sender(sender);
        let mut connection = self
            .feed
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(Outage::new)?;
        redis::cmd("CLIENT")
            .arg("SETNAME")
            .arg(FEED_NAME)
            .query_async::<()>(&mut connection)
            .await
            .map_err(Outage::new)?;
        Ok(connection)
    }

    /// How long an answer is waited for.
    #[must_use]
    pub const fn response_timeout(&self) -> Duration {
        self.limit
    }

    /// Sends one command and waits for its answer: one round trip.
    ///
    /// # Errors
    /// The connection is down, the answer is late, is an error, or is not a `T`.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Outage> {
        let mut manager = self.manager.clone();
        self.within_limit(command.query_async(&mut manager)).await
    }

    /// Runs a script: one round trip, and two more the first time a server sees it.
    ///
    /// # Errors
    /// As [`RedisHandle::query`].
    pub async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Outage> {
        let mut manager = self.manager.clone();
        self.within_limit(call.invoke_async(&mut manager)).await
    }

    async fn within_limit<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Outage> {
        match tokio::time::timeout(self.limit, answer).await {
            Ok(answer) => answer.map_err(Outage::new),
            Err(_) => Err(Outage::new(format!("no answer within {} ms", self.limit.as_millis()))),
        }
    }
}
