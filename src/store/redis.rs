//! One multiplexed connection to Redis: every setting explicit, because the defaults differ
//! between versions of the client and each of them moves the figures.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, IntoConnectionInfo};
use serde::{Deserialize, Serialize};

use crate::error::Outage;

/// How the server talks to Redis. Recorded with the results.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RedisSettings {
    /// `TCP_NODELAY`; redis-rs 1.x leaves it off unless told.
    pub nodelay: bool,
    /// An answer later than this is an outage, in milliseconds.
    pub response_timeout_ms: u64,
    /// A connection attempt longer than this has failed, in milliseconds.
    pub connect_timeout_ms: u64,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self { nodelay: true, response_timeout_ms: 250, connect_timeout_ms: 1_000 }
    }
}

/// A shared, multiplexed, reconnecting connection. Clones share the socket. While it is down a
/// command fails at once or within the response timeout; it never hangs.
#[derive(Clone)]
pub struct RedisHandle(ConnectionManager);

impl fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisHandle(..)")
    }
}

impl RedisHandle {
    /// Connects to `url` (`redis://`, `redis+unix://`) and checks that it answers.
    ///
    /// # Errors
    /// A URL that cannot be read, a refusal, a timeout, a password that is needed or wrong.
    pub async fn connect(url: &str, settings: RedisSettings) -> Result<Self, Outage> {
        let info = url.into_connection_info().map_err(Outage::new)?;
        let tcp = info.tcp_settings().clone().set_nodelay(settings.nodelay);
        let client = Client::open(info.set_tcp_settings(tcp)).map_err(Outage::new)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_millis(settings.response_timeout_ms)))
            .set_connection_timeout(Some(Duration::from_millis(settings.connect_timeout_ms)))
            .set_number_of_retries(1);
        let manager =
            ConnectionManager::new_with_config(client, config).await.map_err(Outage::new)?;
        let mut handle = Self(manager);
        redis::cmd("PING").query_async::<String>(handle.connection()).await.map_err(Outage::new)?;
        Ok(handle)
    }

    /// The connection, for one command.
    pub fn connection(&mut self) -> &mut ConnectionManager {
        &mut self.0
    }
}
