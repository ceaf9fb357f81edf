//! How the driver wakes for the next arrival: by a timer for each one, or on every millisecond.
//!
//! CPU per request at a fixed rate depends on it, so the mode stands beside every figure.

use std::io;
use std::time::Duration;

use mio::{Poll, Token};
use serde::{Deserialize, Serialize};

use crate::os::timer::{Clock, Timer};

/// When the driver looks for due requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Pacing {
    /// At each intended start.
    Exact,
    /// At each whole millisecond: arrivals leave in small batches.
    Tick,
}

impl Pacing {
    /// The mode's name in plans and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Tick => "tick",
        }
    }

    /// When the driver wakes for a request that is due at `due_ns`.
    #[must_use]
    pub const fn wake_ns(self, due_ns: u64) -> u64 {
        match self {
            Self::Exact => due_ns,
            Self::Tick => due_ns.div_ceil(TICK_NS) * TICK_NS,
        }
    }
}

const TICK_NS: u64 = 1_000_000;
/// The time of a timer that is not armed.
const NEVER_NS: u64 = u64::MAX;

/// Wakes the poll at the right time.
///
/// There is no second thread that paces: the thread that writes and reads is the one that sleeps,
/// on a timer of its own poll. A pacer's thread would have to hand each request over, and the
/// hand-over - a wake-up of another thread, tens of microseconds - would stand between the release
/// and the write, outside every stamp but inside the figure. What one thread costs instead is that
/// a release waits while an answer is read; that is stamped as slip, and gated.
#[derive(Debug)]
pub struct Pacer {
    timer: Option<Timer>,
    armed_ns: u64,
}

impl Pacer {
    /// Registers a timer with `poll` under `token`, where the system has one.
    ///
    /// # Errors
    /// When the system refuses the timer.
    pub fn new(poll: &Poll, token: Token) -> io::Result<Self> {
        Ok(Self { timer: Timer::register(poll, token)?, armed_ns: NEVER_NS })
    }

    /// Makes the poll return at `wake_ns` on `clock` or before, and returns the limit the poll
    /// itself must be given. Without a timer the poll's own milliseconds must do.
    ///
    /// The timer is set only when it would fire too late, or has fired by `seen_ns`, the last look
    /// at the clock: most wake-ups are answers, and do not change what is due next.
    ///
    /// # Errors
    /// When the timer cannot be armed.
    pub fn arm(
        &mut self,
        clock: &Clock,
        seen_ns: u64,
        wake_ns: u64,
    ) -> io::Result<Option<Duration>> {
        let Some(timer) = &self.timer else {
            let left_ns = wake_ns.saturating_sub(clock.now_ns());
            return Ok((wake_ns != NEVER_NS).then(|| Duration::from_nanos(left_ns)));
        };
        if wake_ns < self.armed_ns || (self.armed_ns <= seen_ns && wake_ns != NEVER_NS) {
            timer.arm(clock, wake_ns)?;
            self.armed_ns = wake_ns;
        }
        Ok(None)
    }

    /// Notes that the timer's event has come.
    pub const fn fired(&mut self) {
        self.armed_ns = NEVER_NS;
    }

    /// Whether wake-ups for a time raise an event; otherwise any return of the poll may be one.
    #[must_use]
    pub const fn has_timer(&self) -> bool {
        self.timer.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_the_next_whole_millisecond() {
        for (due_ns, tick_ns) in [(1, TICK_NS), (TICK_NS, TICK_NS), (TICK_NS + 1, 2 * TICK_NS)] {
            assert_eq!(Pacing::Exact.wake_ns(due_ns), due_ns);
            assert_eq!(Pacing::Tick.wake_ns(due_ns), tick_ns);
        }
    }

    #[test]
    fn a_timer_is_set_again_only_for_an_earlier_time() {
        let (poll, clock) = (Poll::new().unwrap(), Clock::start().unwrap());
        let mut pacer = Pacer::new(&poll, Token(0)).unwrap();
        if !pacer.has_timer() {
            return;
        }
        let far_ns = clock.now_ns() + 60_000_000_000;
        for (wake_ns, armed_ns) in [(far_ns, far_ns), (far_ns + 1, far_ns), (9, 9), (NEVER_NS, 9)] {
            pacer.arm(&clock, 8, wake_ns).unwrap();
            assert_eq!(pacer.armed_ns, armed_ns);
        }
        pacer.arm(&clock, 9, far_ns).unwrap();
        assert_eq!(pacer.armed_ns, far_ns, "what has fired is set again");
        pacer.fired();
        pacer.arm(&clock, 9, far_ns + 1).unwrap();
        assert_eq!(pacer.armed_ns, far_ns + 1);
    }
}
