//! How a peer's lookups are driven: to the letter the loop of the common list, which is private to
//! it, so that a peer and ours differ in the lookup alone.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Context as _;
use authbench_subjects::bed::Bed;
use authbench_subjects::subject::{Batch, Name};
use tokio::task::JoinSet;

/// Requests in flight at a time.
pub const IN_FLIGHT: [u64; 2] = [1, 64];

/// What a lookup is called.
#[must_use]
pub fn name(subject: &str, in_flight: u64) -> Name {
    Name::new("lookup", subject).with("in-flight", in_flight)
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
