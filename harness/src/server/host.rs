//! From a configuration to a running server, and from a stop to a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use authbench::entropy::OsEntropy;
use authbench::store::redis::RedisHandle;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Visitor};
use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::app::App;
use super::config::{RedisConfig, ServeConfig, ServeReady};
use super::control::{self, Control};
use super::counters::Tally;
use super::routes;
use authbench_subjects::clock::SystemClock;

/// How long requests in flight may take to finish once the server is told to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How often expired state is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Reaching Redis may take this much longer than one connection attempt and one answer.
const REDIS_SLACK: Duration = Duration::from_secs(2);

/// Tells a server to stop, from anywhere. Clones tell the same server.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// No more connections from now on; requests in flight are finished.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Waits until somebody has said [`Stop::now`].
    async fn said(self) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`: the wait cannot end any other way.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}

/// Serves until told to stop, by `stop`, by a signal or through the control listener. `ready` is
/// called once both listeners answer.
///
/// # Errors
/// A setting that cannot be used, an address that is taken, a store that does not answer.
pub async fn serve<R>(config: ServeConfig, stop: Stop, ready: R) -> anyhow::Result<()>
where
    R: FnOnce(ServeReady) -> anyhow::Result<()> + Send,
{
    config.check()?;
    config.strategy.visit(Host { config, stop, ready }).await
}

struct Host<R> {
    config: ServeConfig,
    stop: Stop,
    ready: R,
}

impl<R> Visitor for Host<R>
where
    R: FnOnce(ServeReady) -> anyhow::Result<()> + Send,
{
    type Output = anyhow::Result<()>;

    async fn visit<S: AuthStrategy>(self, _kind: StrategyKind) -> Self::Output {
        let Self { config, stop, ready } = self;
        let (data, data_address) = listen(config.data).await?;
        let (control, control_address) = listen(config.control).await?;
        let redis = match config.redis_in_use() {
            Some(redis) => Some(reach(redis).await?),
            None => None,
        };
        let deps = Deps {
            settings: config.settings.clone(),
            keys: Arc::new(config.keys.clone()),
            redis,
            postgres_url: config.postgres_in_use().map(|url| url.0.clone()),
            sqlite_file: config.sqlite_in_use().map(Into::into),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(OsEntropy),
        };
        let pinged = deps.redis.clone().filter(|_| config.ping);
        let strategy = S::build(&deps).await?;
        let tally = Arc::new(Tally::default());
        let app = Arc::new(App {
            strategy,
            carrier: config.carrier,
            tally: Arc::clone(&tally),
            spin_ns: config.spin_ns,
            work_kib: config.work_kib,
            pinged,
            clock_offset_s: config.clock_offset_s,
        });
        stop_on_signals(&stop)?;
        let mut listeners = JoinSet::new();
        listeners.spawn(answer(data, routes::router(Arc::clone(&app)), stop.clone()));
        let control_state = Control::new(&config, tally, stop.clone());
        listeners.spawn(answer(control, control::router(control_state), stop.clone()));
        let sweeper = tokio::spawn(sweep(app));
        ready(ServeReady {
            data: data_address,
            control: control_address,
            pid: std::process::id(),
        })?;
        stop.said().await;
        // What has not finished by then is dropped with the runtime.
        let _ = timeout(DRAIN_LIMIT, listeners.join_all()).await;
        sweeper.abort();
        Ok(())
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

async fn reach(redis: &RedisConfig) -> anyhow::Result<RedisHandle> {
    let settings = redis.settings;
    let limit = Duration::from_millis(settings.connect_timeout_ms)
        + Duration::from_millis(settings.response_timeout_ms)
        + REDIS_SLACK;
    let feed_url = redis.feed_url.as_deref().unwrap_or(&redis.url);
    timeout(limit, RedisHandle::connect_with_feed(&redis.url, feed_url, settings))
        .await
        .map_err(|_| anyhow!("no answer within {} ms", limit.as_millis()))
        .and_then(|connected| Ok(connected?))
        .with_context(|| format!("cannot use the Redis at {redis}"))
}

async fn answer(listener: TcpListener, router: Router, stop: Stop) -> std::io::Result<()> {
    let listener = listener.tap_io(|socket| {
        // Fails only on a connection that is gone already.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).with_graceful_shutdown(stop.said()).await
}

async fn sweep<S: AuthStrategy>(app: Arc<App<S>>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        app.strategy.sweep(app.now());
    }
}

fn stop_on_signals(stop: &Stop) -> anyhow::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("cannot watch for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.now();
        });
    }
    Ok(())
}
