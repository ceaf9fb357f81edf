//! A feed whose revocations are acknowledged when every node has applied them.
//!
//! Nodes say that they heard; one that does not is waited for until its lease must have run out,
//! and asks Redis from then on. A lease that began without the announcement was begun by a beat
//! that Redis served before it, so one lease after the announcement none such is left: on the
//! revoker's own clock, whatever the clocks of the others say.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use redis::{Script, cmd};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::lease::{self, LEASE, Lease, channel};
use super::{Everything, Feed, Knowledge, Listener};
use crate::clock::Clock;
use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::store::deny::{DenyList, Entry};
use crate::store::redis::RedisHandle;
use crate::store::redis::revoked::{Announcement, Fields};
use crate::strategy::contract::{Deps, Faults, RedisCommands, Revocation};

/// Takes nodes off the register that have not beaten since they were read there: they hold no
/// lease, and if they live their next beat puts them back. `ARGV`: node, beats, node, beats, ..
static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for i = 1, #ARGV, 2 do
    if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
        redis.call('HDEL', KEYS[1], ARGV[i])
    end
end
",
    )
});

/// One revocation that waits for the nodes.
#[derive(Debug, Default)]
struct Waiting {
    heard: Mutex<HashSet<Vec<u8>>>,
    news: Notify,
}

/// What a node does on the feed: holds a lease, answers others, waits for their answers.
#[derive(Debug)]
pub(super) struct Member {
    lease: Lease,
    answers: UnboundedSender<(Vec<u8>, Vec<u8>)>,
    waiting: DashMap<u64, Arc<Waiting>>,
    next: AtomicU64,
}

impl AsRef<Lease> for Member {
    fn as_ref(&self) -> &Lease {
        &self.lease
    }
}

impl Listener for Arc<Member> {
    fn channel(&self) -> Option<Vec<u8>> {
        Some(channel(&self.lease.node))
    }

    fn heard(&self, announcement: &Announcement<'_>) {
        let Some((revoker, number)) = announcement.reply_to.split_first_chunk::<16>() else {
            return;
        };
        if *revoker != self.lease.node {
            let answer = [number, &self.lease.node].concat();
            // Nobody takes it when the node is ending; the revoker waits then.
            let _ = self.answers.send((channel(revoker), answer));
        }
    }

    fn told(&self, message: &[u8], is_whole: bool) {
        match message.split_first_chunk() {
            Some((number, node)) if !node.is_empty() => {
                if let Some(waiting) = self.waiting.get(&u64::from_be_bytes(*number)) {
                    let mut heard = waiting.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.insert(node.to_vec());
                    drop(heard);
                    waiting.news.notify_one();
                }
            }
            _ => self.lease.renew(message, is_whole),
        }
    }
}

/// Sends what [`Member::heard`] answers, outside the task that reads the socket.
async fn send_answers(mut answers: UnboundedReceiver<(Vec<u8>, Vec<u8>)>, redis: RedisHandle) {
    while let Some((channel, answer)) = answers.recv().await {
        // An answer that is lost is one that the revoker waits for.
        let _: Result<u64, Outage> = redis.query(cmd("PUBLISH").arg(channel).arg(answer)).await;
    }
}

/// A place among those who wait, given up when dropped.
struct Place<'m> {
    member: &'m Member,
    number: u64,
    waiting: Arc<Waiting>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.member.waiting.remove(&self.number);
    }
}

impl Member {
    fn take_place(&self) -> Place<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let waiting = Arc::<Waiting>::default();
        self.waiting.insert(number, Arc::clone(&waiting));
        Place { member: self, number, waiting }
    }
}

impl Place<'_> {
    /// The nodes of `nodes` that have not said that they heard.
    fn silent(&self, nodes: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
        let heard = self.waiting.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let is_silent = |(node, _): &(&Vec<u8>, &Vec<u8>)| !heard.contains(*node);
        nodes.iter().filter(is_silent).map(|(n, beats)| (n.clone(), beats.clone())).collect()
    }

    /// Waits until all have said so.
    async fn all_heard(&self, nodes: &Fields) {
        while !self.silent(nodes).is_empty() {
            self.waiting.news.notified().await;
        }
    }
}

/// Every node knows the list, and a revocation is acknowledged when all do.
///
/// A call that fails was not promised and may have taken effect: the revocation is filed and
/// announced in one step, or neither. One that was filed takes effect within a lease, acknowledged
/// or not. After a loss of the register the first calls wait for a whole lease. What is not covered
/// is three things at once: a loss, a node that starts within a beat of it, and a revocation by
/// that node before any older one has beaten.
#[derive(Debug)]
pub struct Barrier<K = Everything> {
    feed: Feed<K, Arc<Member>>,
    clock: Arc<dyn Clock>,
}

impl<K: Knowledge> Barrier<K> {
    /// Waits until no node can accept what was announced before `from`.
    async fn wait(&self, place: &Place<'_>, from: Duration, nodes: Option<Fields>) {
        let end = self.clock.sleep_until(from + LEASE);
        // Who is on a register that was lost cannot be known.
        let Some(nodes) = nodes else { return end.await };
        tokio::select! {
            () = place.all_heard(&nodes) => return,
            () = end => {}
        }
        let list = &self.feed.shared.mirror.list;
        let mut call = FORGET.prepare_invoke();
        call.key(&list.names.register);
        for (node, beats) in place.silent(&nodes) {
            call.arg(node).arg(beats);
        }
        // Else they are waited for once more, the next time.
        let _: Result<(), Outage> = list.redis.run(&call).await;
    }
}

impl<K: Knowledge> DenyList for Barrier<K> {
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = lease::FAULTS;
    const REDIS: RedisCommands = RedisCommands {
        authenticate: 1,
        round_trips: 1,
        cached: true,
        // A beat is a script that reads the register's generation, counts and publishes.
        background_per_second: lease::background_per_second(4),
    };

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        let (answers, to_send) = mpsc::unbounded_channel();
        let lease = Lease::of_new_node(deps)?;
        let member = Member { lease, answers, waiting: DashMap::new(), next: AtomicU64::new(0) };
        let member = Arc::new(member);
        let mut feed = Feed::open(deps, "barrier", Arc::clone(&member)).await?;
        let list = feed.shared.mirror.list.clone();
        lease::register(member, list.clone(), &mut feed.tasks).await;
        feed.tasks.spawn(send_answers(to_send, list.redis));
        Ok(Self { feed, clock: Arc::clone(&deps.clock) })
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        lease::is_denied(&self.feed, &self.feed.shared.listener.lease, token).await
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        let member = &self.feed.shared.listener;
        // Before the announcement: an answer can be faster than Redis's own.
        let place = member.take_place();
        let reply_to = [&member.lease.node[..], &place.number.to_be_bytes()].concat();
        let (is_unsettled, mut nodes) = self.feed.announce(token, now, &reply_to).await?;
        // The announcement was made before this.
        let from = self.clock.now();
        let generation = nodes.remove(&[][..]);
        // This node knows already.
        nodes.remove(&member.lease.node[..]);
        let is_whole = !is_unsettled && generation == Some(member.lease.generation());
        self.wait(&place, from, is_whole.then_some(nodes)).await;
        Ok(())
    }

    fn sweep(&self, now: UnixTime) {
        self.feed.shared.mirror.sweep(now);
    }
}
