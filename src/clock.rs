//! Time that passes, injected: what caches and leases go by.
//!
//! The time of day is an argument of every operation and counts whole seconds. A cache that keeps
//! an answer for one second needs finer time than that, and a feed needs to be woken. Both come
//! from here, so that a test can let an hour pass without waiting for it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What [`Clock::sleep_until`] returns.
pub type Sleep<'c> = Pin<Box<dyn Future<Output = ()> + Send + 'c>>;

/// A monotonic clock.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since an arbitrary beginning; never goes back.
    fn now(&self) -> Duration;

    /// Waits until [`Clock::now`] is at least `at`.
    fn sleep_until(&self, at: Duration) -> Sleep<'_>;
}

/// A time of an injected clock up to which something is believed; at first nothing is. Shared by
/// the task that moves it and the requests that look at it.
#[derive(Debug, Default)]
pub(crate) struct Deadline(AtomicU64);

/// A time of the injected clock, nanoseconds; the end of time where it is later.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Deadline {
    /// Moves it to `end`, unless it is later already.
    pub(crate) fn extend(&self, end: Duration) {
        self.0.fetch_max(nanoseconds(end), Ordering::AcqRel);
    }

    /// Nothing is believed from now on.
    pub(crate) fn end(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether it is still to come at `at`.
    pub(crate) fn is_ahead(&self, at: Duration) -> bool {
        nanoseconds(at) < self.0.load(Ordering::Acquire)
    }
}

/// A clock that stands still until it is told to go on: for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<ManualState>,
}

#[derive(Debug, Default)]
struct ManualState {
    now: Duration,
    sleepers: Vec<Waker>,
}

impl ManualClock {
    /// Lets `time` pass at once, and wakes whoever slept that long.
    pub fn advance(&self, time: Duration) {
        let sleepers = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.now += time;
            std::mem::take(&mut state.sleepers)
        };
        // Who slept longer registers again.
        sleepers.into_iter().for_each(Waker::wake);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        Box::pin(Sleeper { clock: self, at })
    }
}

struct Sleeper<'c> {
    clock: &'c ManualClock,
    at: Duration,
}

impl Future for Sleeper<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.now >= self.at {
            return Poll::Ready(());
        }
        state.sleepers.push(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_deadline_only_moves_on_until_it_is_ended() {
        let (deadline, s) = (Deadline::default(), Duration::from_secs);
        assert!(!deadline.is_ahead(s(0)));
        deadline.extend(s(5));
        deadline.extend(s(3));
        assert!(deadline.is_ahead(s(4)) && !deadline.is_ahead(s(5)));
        deadline.end();
        assert!(!deadline.is_ahead(s(0)));
        deadline.extend(Duration::MAX);
        assert!(deadline.is_ahead(s(1 << 32)));
    }

    #[tokio::test]
    async fn time_passes_when_it_is_told_to() {
        let clock = Arc::new(ManualClock::default());
        let until = Duration::from_secs(60);
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                clock.sleep_until(until).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        assert_eq!(sleeper.await.expect("it ends"), until);
        clock.sleep_until(until).await;
    }
}
