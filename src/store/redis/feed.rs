//! The feed of revocations: each node knows the list, and hears of every addition.
//!
//! A node subscribes first and copies the list then, so that nothing falls between the two. Redis
//! delivers a message at most once and says nothing of those it lost, so the copy is repeated, and
//! the subscription is opened again when it breaks or falls silent.

pub mod barrier;
pub mod lease;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::revoked::{Announcement, Everything, Fields, Knowledge, Mirror};
use crate::clock::Clock;
use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::store::deny::{DenyList, Entry};
use crate::strategy::contract::{Deps, FaultOutcome, Faults, RedisCommands, Revocation};
use crate::strategy::law::LagLaw;

/// The list is copied anew this often, and the subscription asked whether it is alive.
const RECONCILE: Duration = Duration::from_millis(1_750);
/// How long a copy may take: the time limit of a command, by default.
const COPY: Duration = Duration::from_millis(250);
/// After a failure it is tried again this much later.
const RETRY: Duration = Duration::from_millis(100);

/// What else a node listens to and does when it hears of a revocation.
pub(super) trait Listener: Send + Sync + fmt::Debug + 'static {
    /// The channel that only this node listens to.
    fn channel(&self) -> Option<Vec<u8>>;

    /// A revocation was heard of, and is known from now on.
    fn heard(&self, announcement: &Announcement<'_>);

    /// A message on the node's own channel. The stream is whole when everything filed before it
    /// was opened has been copied.
    fn told(&self, message: &[u8], is_whole: bool);
}

/// Nobody else.
impl Listener for () {
    fn channel(&self) -> Option<Vec<u8>> {
        None
    }

    fn heard(&self, _announcement: &Announcement<'_>) {}

    fn told(&self, _message: &[u8], _is_whole: bool) {}
}

/// What the tasks of a node share with its requests.
#[derive(Debug)]
struct Shared<K, L> {
    mirror: Mirror<K>,
    clock: Arc<dyn Clock>,
    listener: L,
}

/// An open subscription.
struct Subscription {
    connection: MultiplexedConnection,
    lost: Arc<Notify>,
}

impl<K: Knowledge, L: Listener> Shared<K, L> {
    fn hear(&self, push: &PushInfo, is_whole: bool) {
        let [Value::BulkString(channel), Value::BulkString(message)] = &push.data[..] else {
            return;
        };
        if channel != self.mirror.list.names.channel.as_bytes() {
            return self.listener.told(message, is_whole);
        }
        if let Some(announcement) = Announcement::read(message) {
            self.mirror.known.learn(announcement.id, announcement.accepted_until);
            self.listener.heard(&announcement);
        }
    }

    /// Subscribes, and copies the list then.
    async fn subscribe(self: &Arc<Self>) -> Result<Subscription, Outage> {
        let (is_whole, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (shared, whole, gone) = (Arc::clone(self), Arc::clone(&is_whole), Arc::clone(&lost));
        let sender = move |push: PushInfo| -> Result<(), Infallible> {
            match push.kind {
                PushKind::Disconnection => gone.notify_one(),
                PushKind::Message => shared.hear(&push, whole.load(Ordering::Acquire)),
                _ => {}
            }
            Ok(())
        };
        let mut connection = self.mirror.list.redis.open_feed(sender).await?;
        let mut channels = vec![self.mirror.list.names.channel.clone().into_bytes()];
        channels.extend(self.listener.channel());
        connection.subscribe(channels).await.map_err(Outage::new)?;
        self.mirror.load().await?;
        is_whole.store(true, Ordering::Release);
        Ok(Subscription { connection, lost })
    }

    /// Waits until the subscription breaks, or does not answer when it is asked.
    async fn until_lost(&self, mut subscription: Subscription) {
        loop {
            tokio::select! {
                () = subscription.lost.notified() => return,
                () = self.clock.sleep_until(self.clock.now() + RECONCILE) => {}
            }
            let ping = cmd("PING");
            if ping.query_async::<Value>(&mut subscription.connection).await.is_err() {
                return;
            }
        }
    }

    /// Opens the subscription again whenever it is lost.
    async fn stay_subscribed(self: Arc<Self>, mut subscription: Subscription) {
        loop {
            self.until_lost(subscription).await;
            subscription = loop {
                match self.subscribe().await {
                    Ok(opened) => break opened,
                    Err(_) => self.clock.sleep_until(self.clock.now() + RETRY).await,
                }
            };
        }
    }
}

/// Copies the list again and again; a copy that failed is repeated sooner.
async fn reconcile<K: Knowledge, L: Listener>(shared: Arc<Shared<K, L>>) {
    let mut next = shared.clock.now() + RECONCILE;
    loop {
        shared.clock.sleep_until(next).await;
        let begun = shared.clock.now();
        let pause = if shared.mirror.load().await.is_ok() { RECONCILE } else { RETRY };
        next = begun + pause;
    }
}

/// A node's end of the feed. Its tasks end with it.
struct Feed<K, L> {
    shared: Arc<Shared<K, L>>,
    tasks: JoinSet<()>,
}

impl<K, L> fmt::Debug for Feed<K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed(..)")
    }
}

impl<K: Knowledge, L: Listener> Feed<K, L> {
    /// Subscribes and copies the list of that kind: the node may be asked when this returns.
    async fn open(deps: &Deps, kind: &str, listener: L) -> Result<Self, BuildError> {
        let mirror = Mirror::of(deps.redis()?, kind);
        let shared = Arc::new(Shared { mirror, clock: Arc::clone(&deps.clock), listener });
        let subscription = shared.subscribe().await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).stay_subscribed(subscription));
        tasks.spawn(reconcile(Arc::clone(&shared)));
        Ok(Self { shared, tasks })
    }

    fn knows(&self, token: &Entry) -> bool {
        self.shared.mirror.known.has(token.id)
    }

    /// Looks the token up in Redis, and remembers what it finds.
    async fn ask(&self, token: &Entry) -> Result<bool, Outage> {
        let found = self.shared.mirror.list.find(token.id).await?;
        if let Some(until) = found {
            self.shared.mirror.known.learn(token.id, until);
        }
        Ok(found.is_some())
    }

    /// Files and announces the token; says what the register of nodes held in that instant, and
    /// whether it is too young to be believed.
    async fn announce(
        &self,
        token: &Entry,
        now: UnixTime,
        reply_to: &[u8],
    ) -> Result<(bool, Fields), Outage> {
        let answer = self.shared.mirror.list.file(token, now, reply_to).await?;
        self.shared.mirror.known.learn(token.id, token.accepted_until);
        Ok(answer)
    }
}

/// Every node knows the list; a lost message is made good by the next copy.
///
/// Nothing tells a node that it is cut off: it goes on with what it knows. What it knows it keeps,
/// also when Redis comes back empty. A node that starts after such a loss knows nothing of it, and
/// revives what was revoked before.
#[derive(Debug)]
pub struct Pushed<K = Everything>(Feed<K, ()>);

impl<K: Knowledge> DenyList for Pushed<K> {
    /// The message takes no time to speak of; the promise is what holds when it is lost.
    const REVOKE: Revocation = Revocation::Within(Duration::from_millis(
        (RECONCILE.as_millis() + COPY.as_millis()) as u64,
    ));
    const LAG_LAW: Option<LagLaw> = Some(LagLaw::Push);
    const FAULTS: Faults = Faults { partition: FaultOutcome::Open, ..Faults::TOKEN };
    const REDIS: RedisCommands = RedisCommands {
        authenticate: 0,
        round_trips: 0,
        cached: true,
        // A copy and a question to the subscription, each 1.75 seconds.
        background_per_second: 2,
    };

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Feed::open(deps, "pushed", ()).await.map(Self)
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        Ok(self.0.knows(token))
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        self.0.announce(token, now, &[]).await.map(drop)
    }

    fn sweep(&self, now: UnixTime) {
        self.0.shared.mirror.sweep(now);
    }
}
