//! One loop for everything that waits, so that its own cost is the same in every figure.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::bed::Bed;
use crate::subject::Batch;

/// Something that can be repeated, several at a time.
pub trait Step: Send + Sync + 'static {
    /// Repetition `n`, its answer checked.
    fn step(&self, n: u64) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Takes every step of `range`, `in_flight` at a time. One at a time needs no task; else there are
/// `in_flight` of them, and task `i` takes steps `i`, `i + in_flight`, ...
pub(super) async fn drive<S: Step>(
    work: &Arc<S>,
    range: Range<u64>,
    in_flight: u64,
) -> anyhow::Result<()> {
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

/// A batch of steps, timed whole; steps are counted on from batch to batch.
pub fn driven<S: Step>(bed: &Arc<Bed>, work: S, in_flight: u64) -> Batch {
    let (bed, work, mut next) = (Arc::clone(bed), Arc::new(work), 0);
    Box::new(move |iterations, stopwatch| {
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| bed.runtime.block_on(drive(&work, range, in_flight)))?
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Seen(Mutex<Vec<u64>>);

    impl Step for Seen {
        async fn step(&self, n: u64) -> anyhow::Result<()> {
            tokio::task::yield_now().await;
            anyhow::ensure!(n != 99, "refused");
            self.0.lock().unwrap().push(n);
            Ok(())
        }
    }

    #[test]
    fn every_step_is_taken_once_and_an_error_ends_the_drive() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (in_flight, range) in [(1, 5..20), (4, 5..20), (64, 5..20), (4, 7..7)] {
            let seen = Arc::new(Seen(Mutex::default()));
            runtime.block_on(drive(&seen, range.clone(), in_flight)).unwrap();
            let mut steps = seen.0.lock().unwrap().clone();
            steps.sort_unstable();
            assert_eq!(steps, range.collect::<Vec<_>>(), "{in_flight} in flight");
        }
        for in_flight in [1, 8] {
            let seen = Arc::new(Seen(Mutex::default()));
            assert!(runtime.block_on(drive(&seen, 90..110, in_flight)).is_err());
        }
    }
}
