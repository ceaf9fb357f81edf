//! The monotonic clock in nanoseconds, and an alarm on it that a poll can wait on.
//!
//! The alarm is set to an instant, not to a distance from now: a thread that is pushed aside between
//! looking at the clock and arming it still wakes in time.

use std::io;

use mio::{Poll, Token};

/// Nanoseconds on the system's monotonic clock.
///
/// # Errors
/// When the system has no such clock.
pub fn monotonic_ns() -> io::Result<u64> {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    let ns = i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec());
    Ok(u64::try_from(ns).unwrap_or(0))
}

/// An alarm registered with a poll.
#[derive(Debug)]
pub struct Alarm {
    #[cfg(target_os = "linux")]
    inner: nix::sys::timerfd::TimerFd,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Registers a `timerfd` on the monotonic clock.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn register(poll: &Poll, token: Token) -> io::Result<Option<Self>> {
        use std::os::fd::{AsFd as _, AsRawFd as _};

        use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let inner = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let fd = inner.as_fd().as_raw_fd();
        poll.registry().register(&mut mio::unix::SourceFd(&fd), token, mio::Interest::READABLE)?;
        Ok(Some(Self { inner }))
    }

    /// Fires once, at `at_ns` of [`monotonic_ns`]; at once when that is past.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn set(&self, at_ns: u64) -> io::Result<()> {
        use nix::sys::time::TimeSpec;
        use nix::sys::timerfd::{Expiration, TimerSetTimeFlags};

        // Zero would disarm it.
        let at = TimeSpec::from_duration(std::time::Duration::from_nanos(at_ns.max(1)));
        let once = Expiration::OneShot(at);
        Ok(self.inner.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?)
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// There is none: the poll's own millisecond timeout must do.
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
    pub fn set(&self, _at_ns: u64) -> io::Result<()> {
        Ok(())
    }
}
