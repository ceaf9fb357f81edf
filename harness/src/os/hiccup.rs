//! What the machine itself adds to any latency: a thread that only wakes up, and how late it does.
//!
//! The idea is jHiccup's: a thread that sleeps to fixed instants and does nothing else sees every
//! stall of the host, whoever is measured beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::timer::FineSlack;
use crate::measure::histogram::LatencyHistogram;

/// Wake-ups per second: 200.
const PERIOD: Duration = Duration::from_millis(5);

/// A running observer.
#[derive(Debug)]
pub struct Hiccups {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<LatencyHistogram>>,
}

impl Hiccups {
    /// Starts to observe.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("hiccup".into())
            .spawn(move || observe(&|| stopped.load(Ordering::Relaxed)))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends the observation: how late each wake-up was, nanoseconds.
    #[must_use]
    pub fn stop(mut self) -> LatencyHistogram {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Hiccups {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn observe(is_over: &dyn Fn() -> bool) -> LatencyHistogram {
    let mut lateness = LatencyHistogram::new();
    let _fine = FineSlack::set();
    let mut due = Instant::now() + PERIOD;
    while !is_over() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let late = Instant::now().saturating_duration_since(due);
        lateness.record(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
        due += PERIOD;
    }
    lateness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instant_is_observed_once() {
        let rounds = std::cell::Cell::new(0);
        let lateness = observe(&|| rounds.replace(rounds.get() + 1) == 3);
        assert_eq!(lateness.len(), 3);
    }
}
