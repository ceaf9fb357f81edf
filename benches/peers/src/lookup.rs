//! How lookups are driven, so that a peer and ours differ in the lookup alone; and our lookup.
//!
//! Stand-in, to the letter the loop of the common list's lookups: when that list is there, [`Step`],
//! [`driven`] and [`subjects`] are to be taken from it.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use authbench::credential::Secret;
use authbench::identity::{SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Visitor};
use authbench::token::key::Algorithm;
use authbench_subjects::bed::{Bed, CREDENTIALS, Scheme};
use authbench_subjects::subject::{Batch, Name, Subject};
use tokio::task::JoinSet;

/// Requests in flight at a time.
pub const IN_FLIGHT: [u64; 2] = [1, 64];

/// What a lookup is called.
#[must_use]
pub fn name(subject: &str, in_flight: u64) -> Name {
    Name::new("lookup", subject).with("in-flight", in_flight)
}

/// Our lookups, for the interleaved runner.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let ours = |in_flight| {
        Subject::new(name("session-redis", in_flight), move |bed| {
            let kind: StrategyKind = "session-redis".parse().map_err(|e| anyhow::anyhow!("{e}"))?;
            bed.runtime.block_on(kind.visit(Fill { bed: Arc::clone(bed), in_flight }))
        })
        .waiting()
    };
    IN_FLIGHT.into_iter().map(ours).collect()
}

/// Something that can be repeated, several at a time.
pub trait Step: Send + Sync + 'static {
    /// Repetition `n`, its answer checked.
    fn step(&self, n: u64) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Takes every step of `range`, `in_flight` at a time. One at a time needs no task; else there are
/// `in_flight` of them, and task `i` takes steps `i`, `i + in_flight`, ...
async fn drive<S: Step>(work: &Arc<S>, range: Range<u64>, in_flight: u64) -> anyhow::Result<()> {
    if in_flight == 1 {
        for n in range {
            work.step(n).await?;
        }
        return Ok(());
    }
    let mut workers = JoinSet::new();
    for first in range.start..range.end.min(range.start + in_flight) {
        let work = Arc::clone(work);
        workers.spawn(async move {
            let mut n = first;
            while n < range.end {
                work.step(n).await?;
                n += in_flight;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("a worker panicked")??;
    }
    Ok(())
}

/// A batch of steps, timed whole, on the bed's single-threaded runtime; steps are counted on from
/// batch to batch.
pub fn driven<S: Step>(bed: &Arc<Bed>, work: S, in_flight: u64) -> Batch {
    let (bed, work, mut next) = (Arc::clone(bed), Arc::new(work), 0);
    Box::new(move |iterations, stopwatch| {
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| bed.runtime.block_on(drive(&work, range, in_flight)))?
    })
}

struct Wallet<S> {
    strategy: S,
    credentials: Vec<Secret>,
    now: UnixTime,
}

impl<S: AuthStrategy> Step for Wallet<S> {
    async fn step(&self, n: u64) -> anyhow::Result<()> {
        let subject = n % CREDENTIALS;
        let credential = self.credentials[subject as usize].as_credential();
        let principal = self.strategy.authenticate(credential, self.now).await?;
        ensure!(principal.subject == SubjectId(subject), "it authenticated somebody else");
        Ok(())
    }
}

struct Fill {
    bed: Arc<Bed>,
    in_flight: u64,
}

impl Visitor for Fill {
    type Output = anyhow::Result<Batch>;

    async fn visit<S: AuthStrategy>(self, _: StrategyKind) -> anyhow::Result<Batch> {
        let strategy = S::build(&self.bed.deps(Scheme::of(Algorithm::Hs256))?).await?;
        let now = self.bed.now;
        let mut credentials = Vec::new();
        for i in 0..CREDENTIALS {
            credentials.push(strategy.issue(SubjectId(i), now).await?.access);
        }
        Ok(driven(&self.bed, Wallet { strategy, credentials, now }, self.in_flight))
    }
}
