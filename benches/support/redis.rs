//! A Redis for the benches that need one, or the reason why there is none.

use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench_fixture::PrivateRedis;
use tokio::runtime::{Builder, Runtime};

/// A runtime, and a Redis connection that lives on it.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) redis: Option<RedisHandle>,
    _server: Option<PrivateRedis>,
}

impl Stage {
    /// Connects to `AUTHBENCH_REDIS_URL`, else to a private server. Without either it says so, and
    /// what needs no Redis is measured.
    pub(crate) fn set() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (server, url) = match std::env::var("AUTHBENCH_REDIS_URL") {
            Ok(url) => (None, Ok(url)),
            Err(_) => match PrivateRedis::start() {
                Ok(server) => {
                    let url = server.url();
                    (Some(server), Ok(url))
                }
                Err(why) => (None, Err(why.to_string())),
            },
        };
        let connected = url.and_then(|url| {
            let connect = RedisHandle::connect(&url, RedisSettings::default());
            runtime.block_on(connect).map_err(|outage| outage.to_string())
        });
        let redis = connected.inspect_err(|why| println!("redis: not measured: {why}")).ok();
        Self { runtime, redis, _server: server }
    }
}
