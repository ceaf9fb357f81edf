//! A private Redis, nodes with a clock that stands still, and a way to the server that can go dead.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use authbench::clock::ManualClock;
use authbench::entropy::{Entropy, OsEntropy};
use authbench::error::Outage;
use authbench::identity::UnixTime;
use authbench::store::deny::{DenyList, Entry};
use authbench::store::redis::revoked::Knowledge;
use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench::strategy::contract::Deps;
use authbench::token::TokenId;
use authbench_fixture::PrivateRedis;
use redis::{Cmd, FromRedisValue, cmd};

pub(crate) const NOW: UnixTime = UnixTime(1_700_000_000);
/// How long something on its way is waited for, in earnest.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(2);

/// A server, and what nodes on it are built from.
pub(crate) struct Stage {
    pub(crate) server: PrivateRedis,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) deps: Deps,
}

impl Stage {
    /// A fresh one, or the visible reason why a test says nothing.
    pub(crate) async fn new() -> Option<Self> {
        let server = PrivateRedis::start().map_err(|why| println!("skipped: {why}")).ok()?;
        let redis = RedisHandle::connect(&server.url(), RedisSettings::default()).await;
        let clock = Arc::new(ManualClock::default());
        let deps = Deps {
            settings: authbench::settings::Settings::default(),
            keys: Arc::default(),
            redis: Some(redis.expect("connects")),
            postgres_url: None,
            sqlite_file: None,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(OsEntropy),
        };
        Some(Self { server, clock, deps })
    }

    pub(crate) async fn node<L: DenyList>(&self) -> L {
        L::open(&self.deps).await.expect("the node starts")
    }

    /// A node whose feed takes the way over a relay.
    pub(crate) async fn node_behind<L: DenyList>(&self, relay: &Relay) -> L {
        let (url, feed_url) = (self.server.url(), relay.url());
        let redis = RedisHandle::connect_with_feed(&url, &feed_url, RedisSettings::default());
        let redis = Some(redis.await.expect("connects"));
        L::open(&Deps { redis, ..self.deps.clone() }).await.expect("the node starts")
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let redis = self.deps.redis.as_ref().expect("there is one");
        redis.query(command).await.expect("Redis answers")
    }

    /// How often a command was called, by Redis's own count.
    pub(crate) async fn calls(&self, name: &str) -> u64 {
        let info: String = self.query(cmd("INFO").arg("commandstats")).await;
        let prefix = format!("cmdstat_{name}:calls=");
        let line = info.lines().find_map(|line| line.strip_prefix(&prefix));
        line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    /// Resets every feed; how many there were.
    pub(crate) async fn cut_feeds(&self) -> usize {
        let list: String = self.query(cmd("CLIENT").arg("LIST")).await;
        let mut cut = 0;
        for line in list.lines().filter(|line| line.contains("name=authbench-feed")) {
            let id = line.split(' ').find_map(|word| word.strip_prefix("id=")).expect("an id");
            let killed: u64 = self.query(cmd("CLIENT").arg("KILL").arg("ID").arg(id)).await;
            cut += usize::try_from(killed).expect("few");
        }
        cut
    }
}

/// A token that nobody has seen yet.
pub(crate) fn fresh_entry() -> Entry {
    let mut id = [0; 16];
    OsEntropy.fill(&mut id).expect("entropy");
    Entry { id: TokenId(id), generation: None, accepted_until: NOW.plus(900) }
}

/// Looks again and again until it is so; whether it came to be.
pub(crate) async fn eventually(is_so: impl AsyncFn() -> bool) -> bool {
    let mut waited = Duration::ZERO;
    while waited < ON_ITS_WAY {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
    false
}

/// Whether the node refuses the token; an outage fails the test.
pub(crate) async fn denies<L: DenyList>(node: &L, token: &Entry) -> bool {
    node.is_denied(token).await.expect("the node can judge")
}

/// What `call` yields if it ends while the clock stands still, and after `time` otherwise.
pub(crate) async fn let_pass<T>(
    clock: &ManualClock,
    time: Duration,
    call: impl Future<Output = Result<T, Outage>>,
) -> (T, bool) {
    let mut call = std::pin::pin!(call);
    match tokio::time::timeout(Duration::from_millis(100), call.as_mut()).await {
        Ok(done) => (done.expect("it is done"), false),
        Err(_) => {
            clock.advance(time);
            (call.await.expect("it is done"), true)
        }
    }
}

/// A way to a server that can swallow everything, connections still open.
pub(crate) struct Relay {
    port: u16,
    is_silent: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let is_silent = Arc::new(AtomicBool::new(false));
        let silent = Arc::clone(&is_silent);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let ways = [(&client, &server), (&server, &client)];
                for (from, to) in ways.map(|(a, b)| (a.try_clone(), b.try_clone())) {
                    let (from, to) = (from.expect("a socket"), to.expect("a socket"));
                    let silent = Arc::clone(&silent);
                    thread::spawn(move || pass_on(from, to, &silent));
                }
            }
        });
        Self { port, is_silent }
    }

    pub(crate) fn fall_silent(&self) {
        self.is_silent.store(true, Ordering::Release);
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, is_silent: &AtomicBool) {
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !is_silent.load(Ordering::Acquire) && to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Knows what the last copy says and nothing else: forgets what came since, and what was lost.
#[derive(Debug, Default)]
pub(crate) struct Forgets(std::sync::Mutex<Vec<TokenId>>);

impl Knowledge for Forgets {
    fn has(&self, id: TokenId) -> bool {
        self.0.lock().expect("no panic").contains(&id)
    }

    fn learn(&self, id: TokenId, _accepted_until: UnixTime) {
        self.0.lock().expect("no panic").push(id);
    }

    fn merge(&self, copy: &[(TokenId, UnixTime)]) {
        *self.0.lock().expect("no panic") = copy.iter().map(|(id, _)| *id).collect();
    }

    fn sweep(&self, _now: UnixTime) {}
}
