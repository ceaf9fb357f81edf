//! A feed that knows when it hears everything: the node's own beats come back on it.
//!
//! Redis serves one stream: when a beat comes back on the subscription, everything announced before
//! the beat was sent has come too. From the sending on, the node may judge by what it knows for the
//! length of a lease; after that it asks Redis about each request.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use redis::{Script, cmd};
use tokio::task::JoinSet;

use super::{Everything, Feed, Knowledge, Listener, RECONCILE};
use crate::clock::{Clock, Deadline, nanoseconds};
use crate::entropy::fresh;
use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::store::deny::{DenyList, Entry};
use crate::store::redis::RedisHandle;
use crate::store::redis::revoked::{Announcement, RevokedList};
use crate::strategy::contract::{Deps, FaultOutcome, Faults, RedisCommands, Revocation};
use crate::strategy::law::LagLaw;

/// How long a node may judge by what it knows, from the sending of the beat that came back.
pub const LEASE: Duration = Duration::from_secs(1);
/// A beat is sent this often: three may be lost before the lease runs out.
const BEAT: Duration = Duration::from_millis(250);
const _: () = assert!(BEAT.as_millis() * 4 == LEASE.as_millis());

/// Registers a node, and sends its beat, in one step: where leases are waited for, who holds one
/// is on the register.
///
/// `ARGV`: the node, the generation it knows, one that nobody has used, two leases in ms, its
/// channel, the beat. A node that finds another generation than it knows says that the register was
/// lost, unless somebody has said so already.
static BEAT_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local kept = redis.call('HGET', KEYS[1], '')
if kept ~= ARGV[2] then
    local lost = ARGV[2] ~= '' and redis.call('EXISTS', KEYS[2]) == 0
    if lost or not kept then
        kept = ARGV[3]
        redis.call('HSET', KEYS[1], '', kept)
    end
    if lost then redis.call('SET', KEYS[2], '', 'PX', ARGV[4]) end
end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('PUBLISH', ARGV[5], ARGV[6])
return kept
",
    )
});

/// A node's name: random, new in each process.
pub(super) type NodeId = [u8; 16];

/// The channel that only `node` listens to.
pub(super) fn channel(node: &[u8]) -> Vec<u8> {
    [b"node:", node].concat()
}

/// A node's lease.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) node: NodeId,
    clock: Arc<dyn Clock>,
    /// On the node's own clock.
    until: Deadline,
    /// Of the register, where the node is on one.
    generation: Mutex<Vec<u8>>,
}

impl Lease {
    pub(super) fn of_new_node(deps: &Deps) -> Result<Self, Outage> {
        let (node, clock) = (fresh(&*deps.entropy)?, Arc::clone(&deps.clock));
        Ok(Self { node, clock, until: Deadline::default(), generation: Mutex::default() })
    }

    /// Whether the node may judge by what it knows.
    pub(super) fn is_running(&self) -> bool {
        self.until.is_ahead(self.clock.now())
    }

    /// A beat came back.
    pub(super) fn renew(&self, beat: &[u8], is_whole: bool) {
        if let (Ok(sent), true) = (beat.try_into(), is_whole) {
            self.until.extend(Duration::from_nanos(u64::from_be_bytes(sent)) + LEASE);
        }
    }

    /// The generation of the register that the node stands on.
    pub(super) fn generation(&self) -> Vec<u8> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When a beat that is sent now is sent.
    fn stamp(&self) -> [u8; 8] {
        nanoseconds(self.clock.now()).to_be_bytes()
    }

    /// Beats. Renewed is the lease when the beat comes back, not here; one that is lost is missed.
    async fn beat(&self, redis: &RedisHandle) {
        let stamp = self.stamp();
        let mut publish = cmd("PUBLISH");
        publish.arg(channel(&self.node)).arg(&stamp[..]);
        let _: Result<u64, Outage> = redis.query(&publish).await;
    }

    /// Registers and beats.
    async fn beat_registered(&self, list: &RevokedList) {
        let stamp = self.stamp();
        let unused = [&self.node[..], &stamp].concat();
        let mut call = BEAT_SCRIPT.prepare_invoke();
        call.key(&list.names.register).key(&list.names.unsettled);
        call.arg(&self.node[..]).arg(self.generation()).arg(unused);
        call.arg(2 * LEASE.as_millis() as u64).arg(channel(&self.node)).arg(&stamp[..]);
        if let Ok(generation) = list.redis.run::<Vec<u8>>(&call).await {
            *self.generation.lock().unwrap_or_else(PoisonError::into_inner) = generation;
        }
    }
}

/// Beats for as long as it is polled.
async fn keep_beating(lease: Arc<Lease>, redis: RedisHandle) {
    loop {
        let next = lease.clock.now() + BEAT;
        lease.beat(&redis).await;
        lease.clock.sleep_until(next).await;
    }
}

/// Registers, and goes on as [`keep_beating`] does, on the register of `list`.
pub(super) async fn register<L: AsRef<Lease> + Send + Sync + 'static>(
    holder: Arc<L>,
    list: RevokedList,
    tasks: &mut JoinSet<()>,
) {
    let next = (*holder).as_ref().clock.now() + BEAT;
    (*holder).as_ref().beat_registered(&list).await;
    tasks.spawn(async move {
        let lease = (*holder).as_ref();
        let mut next = next;
        loop {
            lease.clock.sleep_until(next).await;
            next = lease.clock.now() + BEAT;
            lease.beat_registered(&list).await;
        }
    });
}

impl Listener for Arc<Lease> {
    fn channel(&self) -> Option<Vec<u8>> {
        Some(channel(&self.node))
    }

    fn heard(&self, _announcement: &Announcement<'_>) {}

    fn told(&self, message: &[u8], is_whole: bool) {
        self.renew(message, is_whole);
    }
}

/// Beats, a copy and a question to the subscription: commands that a node with a lease sends by
/// itself, per second, when a beat takes `beat` of them.
pub(super) const fn background_per_second(beat: u32) -> u32 {
    4 * beat + 2
}
const _: () = assert!(RECONCILE.as_millis() > 1_000);

/// What becomes of requests that are judged under a lease. What a node knows outlives a loss; a
/// node that starts after it knows nothing of what was revoked before.
pub(super) const FAULTS: Faults =
    Faults { partition: FaultOutcome::Closed, store_down: FaultOutcome::Closed, ..Faults::TOKEN };

/// Answers by what is known while the lease runs, and by Redis when it does not.
pub(super) async fn is_denied<K: Knowledge, L: Listener>(
    feed: &Feed<K, L>,
    lease: &Lease,
    token: &Entry,
) -> Result<bool, Outage> {
    // The lease first: what is known may only grow after the look at it.
    let is_running = lease.is_running();
    if feed.knows(token) {
        return Ok(true);
    }
    if is_running { Ok(false) } else { feed.ask(token).await }
}

/// Every node knows the list, and knows when it may believe that.
#[derive(Debug)]
pub struct Leased<K = Everything>(Feed<K, Arc<Lease>>);

impl<K: Knowledge> DenyList for Leased<K> {
    const REVOKE: Revocation = Revocation::Within(LEASE);
    const LAG_LAW: Option<LagLaw> = Some(LagLaw::Push);
    const FAULTS: Faults = FAULTS;
    const REDIS: RedisCommands = RedisCommands {
        authenticate: 1,
        round_trips: 1,
        cached: true,
        background_per_second: background_per_second(1),
    };

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        let lease = Arc::new(Lease::of_new_node(deps)?);
        let mut feed = Feed::open(deps, "leased", Arc::clone(&lease)).await?;
        feed.tasks.spawn(keep_beating(lease, deps.redis()?));
        Ok(Self(feed))
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        is_denied(&self.0, &self.0.shared.listener, token).await
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        self.0.announce(token, now, &[]).await.map(drop)
    }

    fn sweep(&self, now: UnixTime) {
        self.0.shared.mirror.sweep(now);
    }
}
