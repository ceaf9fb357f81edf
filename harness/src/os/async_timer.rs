//! An absolute sleep with better than millisecond grain that an async task can await.

use std::io;

use tokio::runtime::{Builder, Runtime};

pub use imp::{AbsoluteTimer, Clock};

/// A runtime on the calling thread, with the drivers that [`AbsoluteTimer`] needs and no others.
///
/// # Errors
/// When the system refuses it.
pub fn runtime() -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_io();
    if !cfg!(target_os = "linux") {
        builder.enable_time();
    }
    builder.build()
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::os::fd::{AsFd as _, AsRawFd, RawFd};
    use std::time::Duration;

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use nix::time::{ClockId as Reading, clock_gettime};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Nanoseconds on the monotonic clock since this was made.
    #[derive(Clone, Copy, Debug)]
    pub struct Clock {
        base: Duration,
    }

    fn monotonic() -> io::Result<Duration> {
        Ok(clock_gettime(Reading::CLOCK_MONOTONIC)?.into())
    }

    impl Clock {
        /// Starts at zero.
        ///
        /// # Errors
        /// When the system has no monotonic clock.
        pub fn start() -> io::Result<Self> {
            Ok(Self { base: monotonic()? })
        }

        /// Nanoseconds since the start.
        #[must_use]
        pub fn now_ns(&self) -> u64 {
            // It was read before, so it can be read again.
            let since = monotonic().map_or(Duration::ZERO, |now| now.saturating_sub(self.base));
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        }
    }

    /// `TimerFd` as the runtime wants it.
    #[derive(Debug)]
    struct Fd(TimerFd);

    impl AsRawFd for Fd {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    /// A `timerfd` that the runtime's own poll waits on.
    #[derive(Debug)]
    pub struct AbsoluteTimer {
        clock: Clock,
        fd: AsyncFd<Fd>,
    }

    impl AbsoluteTimer {
        /// A timer on `clock`. Must be called within a runtime.
        ///
        /// # Errors
        /// When the kernel refuses it.
        pub fn new(clock: Clock) -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = Fd(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
            #[expect(
                deprecated,
                reason = "its successor is `unsafe`, on condition that the descriptor stays open \
                          and the same: `timer` owns it and is never taken out"
            )]
            let fd = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Self { clock, fd })
        }

        /// Sleeps until the clock shows `at_ns`. A time that has passed still yields to the
        /// runtime once: a driver that is late must not keep its own answers from being read.
        ///
        /// # Errors
        /// When the timer cannot be armed or read.
        pub async fn until(&self, at_ns: u64) -> io::Result<()> {
            let at: TimeSpec = (self.clock.base + Duration::from_nanos(at_ns)).into();
            let timer = &self.fd.get_ref().0;
            timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            loop {
                // Arming forgets an expiry that nobody read, so what is read here is this one's.
                let mut ready = self.fd.readable().await?;
                if let Ok(read) = ready.try_io(|fd| Ok(fd.get_ref().0.wait()?)) {
                    return read;
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::time::{Duration, Instant};

    /// Nanoseconds on the monotonic clock since this was made.
    #[derive(Clone, Copy, Debug)]
    pub struct Clock {
        base: Instant,
    }

    impl Clock {
        /// Starts at zero.
        ///
        /// # Errors
        /// Never.
        pub fn start() -> io::Result<Self> {
            Ok(Self { base: Instant::now() })
        }

        /// Nanoseconds since the start.
        #[must_use]
        pub fn now_ns(&self) -> u64 {
            u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
        }
    }

    /// The runtime's own timer, whose grain is a millisecond: there is nothing better here.
    #[derive(Debug)]
    pub struct AbsoluteTimer {
        clock: Clock,
    }

    impl AbsoluteTimer {
        /// A timer on `clock`.
        ///
        /// # Errors
        /// Never.
        pub fn new(clock: Clock) -> io::Result<Self> {
            Ok(Self { clock })
        }

        /// Sleeps until the clock shows `at_ns`.
        ///
        /// # Errors
        /// Never.
        pub async fn until(&self, at_ns: u64) -> io::Result<()> {
            let at = self.clock.base + Duration::from_nanos(at_ns);
            tokio::time::sleep_until(at.into()).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_at_its_time_and_never_before() {
        runtime().unwrap().block_on(async {
            let clock = Clock::start().unwrap();
            let timer = AbsoluteTimer::new(clock).unwrap();
            for after_ns in [0, 100_000, 1_700_000] {
                let at_ns = clock.now_ns() + after_ns;
                timer.until(at_ns).await.unwrap();
                assert!(clock.now_ns() >= at_ns);
            }
            // A sleep that was given up leaves nothing behind that would end the next one early.
            let soon_ns = clock.now_ns() + 200_000;
            let given_up = timer.until(soon_ns);
            drop(given_up);
            {
                let mut polled = std::pin::pin!(timer.until(soon_ns));
                let now = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(polled.as_mut().poll(cx).is_ready())
                });
                assert!(!now.await);
            }
            while clock.now_ns() < soon_ns {}
            let at_ns = clock.now_ns() + 2_000_000;
            timer.until(at_ns).await.unwrap();
            assert!(clock.now_ns() >= at_ns, "{} early", at_ns - clock.now_ns());
        });
    }
}
