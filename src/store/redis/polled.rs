//! Lists that every node fetches again and again, and believes for a while.
//!
//! Deliberately absent: a subscription. The lag is the period, and a node that cannot fetch knows
//! it: what is too old is not believed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::revoked::{Everything, Knowledge, Mirror};
use crate::clock::{Clock, Deadline};
use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::store::deny::{DenyList, Entry};
use crate::strategy::contract::{Deps, FaultOutcome, Faults, RedisCommands, Revocation};
use crate::strategy::law::LagLaw;

/// From the beginning of a fetch to the beginning of the next.
const POLL: Duration = Duration::from_secs(1);
/// A fetch may take this long.
const FETCH: Duration = Duration::from_millis(250);
/// Within this a node knows of a revocation: it was filed just after a fetch read the list.
const LAG: Duration = Duration::from_millis(1_250);
const _: () = assert!(LAG.as_millis() == POLL.as_millis() + FETCH.as_millis());
/// What was read longer ago than this is not believed.
pub const MAX_AGE: Duration = Duration::from_secs(3);
/// A node that cannot fetch is behind by no more than the age that it believes.
const BEYOND: FaultOutcome = FaultOutcome::OpenFor(Duration::from_millis(1_750));
const _: () = assert!(MAX_AGE.as_millis() == LAG.as_millis() + 1_750);
/// After a failed fetch the next begins this much later.
const RETRY: Duration = Duration::from_millis(100);

/// The outcomes for a list that is fetched, and kept by the nodes when the store loses it. While
/// the store is away nobody is taken back, so what is old by then is at most refused. What was
/// filed since a node's last fetch is lost with the store, and that node never hears of it.
pub(super) const FAULTS: Faults = Faults {
    partition: BEYOND,
    store_down: FaultOutcome::Closed,
    store_lost: FaultOutcome::Open,
    store_evicts: FaultOutcome::Open,
    ..Faults::TOKEN
};

/// What is fetched.
pub trait Fetched: Send + Sync + Sized + fmt::Debug + 'static {
    /// As [`DenyList::FAULTS`].
    const FAULTS: Faults;
    /// As [`DenyList::REDIS`].
    const REDIS: RedisCommands;

    /// An empty copy.
    ///
    /// # Errors
    /// No store is configured.
    fn new(deps: &Deps) -> Result<Self, BuildError>;

    /// Brings the copy up to date.
    ///
    /// # Errors
    /// The store did not answer, or holds something unreadable.
    fn fetch(&self) -> impl Future<Output = Result<(), Outage>> + Send;

    /// What the copy says of a token; nothing when it says that it may be denied.
    fn says(&self, token: &Entry) -> Option<bool>;

    /// What the list itself says of it.
    ///
    /// # Errors
    /// The store did not answer.
    fn ask(&self, token: &Entry) -> impl Future<Output = Result<bool, Outage>> + Send;

    /// As [`DenyList::deny`].
    ///
    /// # Errors
    /// As [`DenyList::deny`].
    fn file(&self, token: &Entry, now: UnixTime)
    -> impl Future<Output = Result<(), Outage>> + Send;

    /// As [`DenyList::sweep`].
    fn sweep(&self, now: UnixTime);
}

/// What the fetching task shares with the requests.
#[derive(Debug)]
struct Shared<F> {
    copy: F,
    clock: Arc<dyn Clock>,
    /// On the node's own clock.
    believed: Deadline,
}

impl<F: Fetched> Shared<F> {
    /// Fetches, and counts the copy's age from before the fetch: all that was filed by then is in.
    async fn fetch(&self) -> Result<(), Outage> {
        let begun = self.clock.now();
        let fetched = tokio::time::timeout(FETCH, self.copy.fetch()).await;
        fetched.map_err(|_| Outage::new("the list takes too long to fetch"))??;
        self.believed.extend(begun + MAX_AGE);
        Ok(())
    }
}

async fn keep_fetching<F: Fetched>(shared: Arc<Shared<F>>) {
    let mut next = shared.clock.now() + POLL;
    loop {
        shared.clock.sleep_until(next).await;
        let begun = shared.clock.now();
        let pause = if shared.fetch().await.is_ok() { POLL } else { RETRY };
        next = begun + pause;
    }
}

/// A list that is fetched every second. Its task ends with it.
pub struct Polling<F> {
    shared: Arc<Shared<F>>,
    _task: JoinSet<()>,
}

impl<F> fmt::Debug for Polling<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Polling(..)")
    }
}

impl<F: Fetched> DenyList for Polling<F> {
    const REVOKE: Revocation = Revocation::Within(LAG);
    // The time to the next poll; the promise allows for the fetch on top.
    const LAG_LAW: Option<LagLaw> = Some(LagLaw::Uniform(POLL));
    const FAULTS: Faults = F::FAULTS;
    const REDIS: RedisCommands = F::REDIS;

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        let (copy, clock) = (F::new(deps)?, Arc::clone(&deps.clock));
        let shared = Arc::new(Shared { copy, clock, believed: Deadline::default() });
        shared.fetch().await?;
        let mut task = JoinSet::new();
        task.spawn(keep_fetching(Arc::clone(&shared)));
        Ok(Self { shared, _task: task })
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        let Shared { copy, clock, believed } = &*self.shared;
        // The age first: the copy may only get younger after the look at it.
        let is_old = !believed.is_ahead(clock.now());
        match copy.says(token) {
            Some(false) if is_old => Err(Outage::new("the copy of the list is too old")),
            Some(is_denied) => Ok(is_denied),
            None => copy.ask(token).await,
        }
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        self.shared.copy.file(token, now).await
    }

    fn sweep(&self, now: UnixTime) {
        self.shared.copy.sweep(now);
    }
}

/// The exact list, the whole of it each time. What a node once knew it keeps until it is over: a
/// Redis that comes back empty takes nothing from it but what it had not fetched. A node that
/// starts then knows nothing.
#[derive(Debug)]
pub struct PolledList<K = Everything>(Mirror<K>);

impl<K: Knowledge> Fetched for PolledList<K> {
    const FAULTS: Faults = FAULTS;
    const REDIS: RedisCommands =
        RedisCommands { authenticate: 0, round_trips: 0, cached: true, background_per_second: 1 };

    fn new(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self(Mirror::of(deps.redis()?, "polled")))
    }

    async fn fetch(&self) -> Result<(), Outage> {
        self.0.load().await
    }

    fn says(&self, token: &Entry) -> Option<bool> {
        Some(self.0.known.has(token.id))
    }

    async fn ask(&self, token: &Entry) -> Result<bool, Outage> {
        Ok(self.0.list.find(token.id).await?.is_some())
    }

    async fn file(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        self.0.list.file(token, now, &[]).await?;
        self.0.known.learn(token.id, token.accepted_until);
        Ok(())
    }

    fn sweep(&self, now: UnixTime) {
        self.0.sweep(now);
    }
}
