//! A timer with better than millisecond grain that a poll can wait on.

use std::io;
use std::time::Duration;

use mio::{Poll, Token};

/// A one-shot timer registered with a poll.
#[derive(Debug)]
pub struct Timer {
    #[cfg(target_os = "linux")]
    inner: nix::sys::timerfd::TimerFd,
}

#[cfg(target_os = "linux")]
impl Timer {
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

    /// Fires once, `left` from now.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn arm(&self, left: Duration) -> io::Result<()> {
        use nix::sys::timerfd::{Expiration, TimerSetTimeFlags};

        let once = Expiration::OneShot(left.into());
        Ok(self.inner.set(once, TimerSetTimeFlags::empty())?)
    }
}

#[cfg(not(target_os = "linux"))]
impl Timer {
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
    pub fn arm(&self, _left: Duration) -> io::Result<()> {
        Ok(())
    }
}
