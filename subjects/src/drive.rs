//! How the futures of a batch are driven: on this thread, and where nothing waits, in one poll.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anyhow::bail;

use crate::bed::Bed;
use crate::subject::Batch;

/// Polls a future that must not wait.
///
/// # Errors
/// It waits for something.
pub fn poll_once<F: Future>(future: F) -> anyhow::Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => bail!("it waits for something, so its CPU cannot be timed without that"),
    }
}

/// Runs a future to its end: in one poll unless it `waits` for a store.
///
/// # Errors
/// It waits, and was said not to.
pub fn drive<F: Future>(bed: &Bed, waits: bool, future: F) -> anyhow::Result<F::Output> {
    if waits { Ok(bed.runtime.block_on(future)) } else { poll_once(future) }
}

/// A batch that awaits `once` for iteration 0, 1, 2, ..., one after the other.
pub fn one_by_one<F>(bed: &Arc<Bed>, waits: bool, once: F) -> Batch
where
    F: AsyncFn(u64) -> anyhow::Result<()> + Send + 'static,
{
    let (bed, mut next) = (Arc::clone(bed), 0);
    Box::new(move |iterations, stopwatch| {
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| {
            drive(&bed, waits, async {
                for i in range {
                    once(i).await?;
                }
                Ok(())
            })?
        })?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_refused() {
        assert!(poll_once(std::future::pending::<()>()).is_err());
        assert_eq!(poll_once(std::future::ready(7)).expect("it is ready"), 7);
    }
}
