//! The clock of the driver's stamps, and a timer on it that a poll can wait on.

use std::io;

use mio::{Poll, Token};

#[cfg(target_os = "linux")]
pub use linux::{Clock, FineSlack, Timer};
#[cfg(not(target_os = "linux"))]
pub use other::{Clock, FineSlack, Timer};

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use nix::sys::prctl;
    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::TimerSetTimeFlags as Set;
    use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags};
    use nix::time::{ClockId, clock_gettime};

    use super::{Poll, Token, io};

    /// `CLOCK_MONOTONIC`, counted from when it was started. Read in the process, without a call
    /// into the kernel.
    #[derive(Clone, Copy, Debug)]
    pub struct Clock {
        epoch_ns: u64,
    }

    fn monotonic_ns() -> nix::Result<u64> {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        Ok(u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
    }

    impl Clock {
        /// A clock that stands at 0 now.
        ///
        /// # Errors
        /// When the system has no monotonic clock.
        pub fn start() -> io::Result<Self> {
            Ok(Self { epoch_ns: monotonic_ns()? })
        }

        /// Nanoseconds since the start.
        #[must_use]
        pub fn now_ns(&self) -> u64 {
            // What answered at the start answers always.
            monotonic_ns().map_or(0, |now_ns| now_ns - self.epoch_ns)
        }
    }

    /// A one-shot timer registered with a poll.
    #[derive(Debug)]
    pub struct Timer {
        inner: TimerFd,
    }

    impl Timer {
        /// Registers a `timerfd` on the monotonic clock.
        ///
        /// # Errors
        /// When the kernel refuses it.
        pub fn register(poll: &Poll, token: Token) -> io::Result<Option<Self>> {
            use std::os::fd::{AsFd as _, AsRawFd as _};

            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let inner = TimerFd::new(TimerClock::CLOCK_MONOTONIC, flags)?;
            let fd = inner.as_fd().as_raw_fd();
            let source = &mut mio::unix::SourceFd(&fd);
            poll.registry().register(source, token, mio::Interest::READABLE)?;
            Ok(Some(Self { inner }))
        }

        /// Fires once, at `at_ns` on `clock`; at once when that has passed. An absolute time: what
        /// happens between reading the clock and arming the timer cannot make it late.
        ///
        /// # Errors
        /// When the kernel refuses it.
        pub fn arm(&self, clock: &Clock, at_ns: u64) -> io::Result<()> {
            let at = Duration::from_nanos(clock.epoch_ns.saturating_add(at_ns));
            let once = Expiration::OneShot(TimeSpec::from(at));
            Ok(self.inner.set(once, Set::TFD_TIMER_ABSTIME)?)
        }
    }

    /// Lets the kernel wake this thread 1 ns late instead of 50 us, for as long as it lives.
    ///
    /// A `timerfd` is exact without it; the timeouts of sleeps and polls are not. It is taken back
    /// at the end, because threads and processes inherit it: a server started from this thread
    /// would have other timers than one started before.
    #[derive(Debug)]
    pub struct FineSlack {
        before_ns: Option<u64>,
    }

    impl FineSlack {
        /// Sets it where the system allows.
        #[must_use]
        pub fn set() -> Self {
            let before_ns = prctl::get_timerslack().ok().and_then(|ns| u64::try_from(ns).ok());
            let is_set = before_ns.is_some() && prctl::set_timerslack(1).is_ok();
            Self { before_ns: before_ns.filter(|_| is_set) }
        }
    }

    impl Drop for FineSlack {
        fn drop(&mut self) {
            if let Some(before_ns) = self.before_ns {
                // It was allowed a moment ago.
                let _ = prctl::set_timerslack(before_ns);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_slack_is_one_nanosecond_and_is_taken_back() {
            let before = prctl::get_timerslack().unwrap();
            let fine = FineSlack::set();
            assert_eq!(prctl::get_timerslack().unwrap(), 1);
            drop(fine);
            assert_eq!(prctl::get_timerslack().unwrap(), before);
            assert_ne!(before, 1, "the default would hide the change");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::time::Instant;

    use super::{Poll, Token, io};

    /// The system's monotonic clock, counted from when it was started.
    #[derive(Clone, Copy, Debug)]
    pub struct Clock {
        epoch: Instant,
    }

    impl Clock {
        /// A clock that stands at 0 now.
        ///
        /// # Errors
        /// Never.
        pub fn start() -> io::Result<Self> {
            Ok(Self { epoch: Instant::now() })
        }

        /// Nanoseconds since the start.
        #[must_use]
        pub fn now_ns(&self) -> u64 {
            u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
        }
    }

    /// There is none: the poll's own millisecond timeout must do.
    #[derive(Debug)]
    pub struct Timer;

    impl Timer {
        /// Registers nothing.
        ///
        /// # Errors
        /// Never.
        pub fn register(_poll: &Poll, _token: Token) -> io::Result<Option<Self>> {
            Ok(None)
        }

        /// Never called.
        ///
        /// # Errors
        /// Never.
        pub fn arm(&self, _clock: &Clock, _at_ns: u64) -> io::Result<()> {
            Ok(())
        }
    }

    /// The slack of timers is a Linux notion.
    #[derive(Debug)]
    pub struct FineSlack;

    impl FineSlack {
        /// Does nothing.
        #[must_use]
        pub fn set() -> Self {
            Self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::Events;

    use super::*;

    /// Polls once without a limit and returns the tokens that fired.
    fn fired(poll: &mut Poll, limit: Option<Duration>) -> Vec<Token> {
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, limit).unwrap();
        events.iter().map(mio::event::Event::token).collect()
    }

    #[test]
    fn a_timer_fires_at_its_time_on_the_clock_and_not_before() {
        let (clock, mut poll) = (Clock::start().unwrap(), Poll::new().unwrap());
        let Some(timer) = Timer::register(&poll, Token(7)).unwrap() else { return };
        let at_ns = clock.now_ns() + 3_000_000;
        timer.arm(&clock, at_ns).unwrap();
        assert_eq!(fired(&mut poll, None), [Token(7)]);
        assert!(clock.now_ns() >= at_ns);
        // A time that has passed fires at once, a second time only when armed again.
        timer.arm(&clock, 1).unwrap();
        assert_eq!(fired(&mut poll, None), [Token(7)]);
        assert_eq!(fired(&mut poll, Some(Duration::ZERO)), []);
        // Armed anew before it was looked at, it keeps the new time alone.
        timer.arm(&clock, 1).unwrap();
        let at_ns = clock.now_ns() + 3_000_000;
        timer.arm(&clock, at_ns).unwrap();
        assert_eq!(fired(&mut poll, None), [Token(7)]);
        assert!(clock.now_ns() >= at_ns);
    }
}
