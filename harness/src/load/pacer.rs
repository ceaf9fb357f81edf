//! How the driver wakes for the next arrival: by a timer for each one, or on every millisecond.
//!
//! CPU per request at a fixed rate depends on it, so the mode stands beside every figure.

use std::io;
use std::time::Duration;

use mio::{Poll, Token};
use serde::{Deserialize, Serialize};

use crate::os::timer::Timer;

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
}

const TICK_NS: u64 = 1_000_000;

/// Wakes the poll at the right time.
#[derive(Debug)]
pub struct Pacer {
    pacing: Pacing,
    timer: Option<Timer>,
}

impl Pacer {
    /// Registers a timer with `poll` under `token`, where the system has one.
    ///
    /// # Errors
    /// When the system refuses the timer.
    pub fn new(pacing: Pacing, poll: &Poll, token: Token) -> io::Result<Self> {
        Ok(Self { pacing, timer: Timer::register(poll, token)? })
    }

    /// How long the poll may sleep when the next request is due at `due_ns` and it is `now_ns`;
    /// arms the timer on the way. Without a timer the poll's own milliseconds must do.
    ///
    /// # Errors
    /// When the timer cannot be armed.
    pub fn sleep(&self, now_ns: u64, due_ns: u64) -> io::Result<Duration> {
        let wake_ns = match self.pacing {
            Pacing::Exact => due_ns,
            Pacing::Tick => due_ns.div_ceil(TICK_NS) * TICK_NS,
        };
        let left = Duration::from_nanos(wake_ns.saturating_sub(now_ns));
        let Some(timer) = &self.timer else { return Ok(left) };
        if left.is_zero() {
            return Ok(left);
        }
        timer.arm(left)?;
        // The timer wakes; this bound only keeps a lost wake-up from becoming a hang.
        Ok(left + Duration::from_millis(5))
    }
}
