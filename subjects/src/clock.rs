//! Clocks: the time that passes; CPU of the calling thread, of this process, of another process.
//!
//! Another process's clock is read in nanoseconds on Linux. Elsewhere, or when
//! `AUTHBENCH_FORCE_PORTABLE` is set, the process reports its own `getrusage`.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench::clock::{Clock, Sleep};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};

/// Set to `1`, it makes a Linux machine use the portable sources alone.
pub const FORCE_PORTABLE: &str = "AUTHBENCH_FORCE_PORTABLE";

/// Two reads this far apart must agree before a clock counts as settled.
const SETTLE_PAUSE: Duration = Duration::from_micros(150);
/// After this many reads the clock is taken as it is.
const SETTLE_READS_MAX: u32 = 64;

/// The operating system's monotonic clock, for what strategies keep for a time.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        Box::pin(tokio::time::sleep_until((self.0 + at).into()))
    }
}

/// Whether only the portable sources may be used.
#[must_use]
pub fn portable_is_forced() -> bool {
    std::env::var_os(FORCE_PORTABLE).is_some_and(|value| value == "1")
}

/// CPU time of the calling thread, nanoseconds.
#[must_use]
pub fn thread_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0)
}

/// CPU time of this process by its own account, user and system, nanoseconds; microsecond grain.
#[must_use]
pub fn own_process_ns() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return 0 };
    let spent = usage.user_time() + usage.system_time();
    u64::try_from(spent.num_microseconds()).unwrap_or(0) * 1_000
}

/// Burns CPU until the calling thread has used `ns` more of it.
pub fn burn_thread_ns(ns: u64) {
    let end = thread_ns().saturating_add(ns);
    while thread_ns() < end {
        std::hint::spin_loop();
    }
}

fn read(clock: ClockId) -> nix::Result<u64> {
    let time = clock_gettime(clock)?;
    let ns = i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec());
    Ok(u64::try_from(ns).unwrap_or(0))
}

/// How the CPU time of another process is found out.
pub struct ProcessCpu(Source);

enum Source {
    Clock(ClockId),
    /// Of all these processes together.
    Clocks(Box<dyn Fn() -> Vec<u32> + Send + Sync>),
    Report(Box<dyn Fn() -> anyhow::Result<u64> + Send + Sync>),
}

/// A reading of another process's CPU time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// User and system time so far, nanoseconds.
    pub ns: u64,
    /// Whether two reads in a row agreed. If not, the process was still working.
    pub settled: bool,
    /// Reads it took.
    pub reads: u32,
}

impl fmt::Debug for ProcessCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessCpu({})", self.kind())
    }
}

impl ProcessCpu {
    /// The clock of process `pid`; where there is none, or none may be used, `report` asks the
    /// process for its own account in nanoseconds.
    pub fn of(pid: u32, report: impl Fn() -> anyhow::Result<u64> + Send + Sync + 'static) -> Self {
        let clock = if portable_is_forced() { None } else { clock_of(pid) };
        Self(clock.map_or_else(|| Source::Report(Box::new(report)), Source::Clock))
    }

    /// The account of a process whose clock cannot be read from here: `report` asks it.
    pub fn reported(report: impl Fn() -> anyhow::Result<u64> + Send + Sync + 'static) -> Self {
        Self(Source::Report(Box::new(report)))
    }

    /// The clocks of all `processes` together, asked for at each reading; `None` where no process's
    /// clock can be read. What a process used that ends between two readings is not seen.
    pub fn of_all(processes: impl Fn() -> Vec<u32> + Send + Sync + 'static) -> Option<Self> {
        let can_read = !portable_is_forced() && clock_of(std::process::id()).is_some();
        can_read.then(|| Self(Source::Clocks(Box::new(processes))))
    }

    /// Where the figure comes from, as it is recorded.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.0 {
            Source::Clock(_) | Source::Clocks(_) => "process-clock",
            Source::Report(_) => "self-reported",
        }
    }

    /// One read, nanoseconds. Up to a kernel tick (4 ms) stale while the process's threads run.
    ///
    /// # Errors
    /// When the process is gone, or does not answer.
    pub fn read(&self) -> anyhow::Result<u64> {
        match &self.0 {
            Source::Clock(clock) => read(*clock).context("the process of a CPU clock is gone"),
            Source::Clocks(processes) => {
                // One that has just ended has no clock any more.
                let clocks = processes().into_iter().filter_map(clock_of);
                Ok(clocks.filter_map(|clock| read(clock).ok()).sum())
            }
            Source::Report(report) => report(),
        }
    }

    /// Reads until two reads in a row agree. To be called with nothing in flight. A self-reported
    /// figure is read once: asking for it costs the process CPU, so two never agree.
    ///
    /// # Errors
    /// As [`ProcessCpu::read`].
    pub fn read_settled(&self) -> anyhow::Result<Reading> {
        let mut last = self.read()?;
        if matches!(self.0, Source::Report(_)) {
            return Ok(Reading { ns: last, settled: true, reads: 1 });
        }
        for reads in 2..=SETTLE_READS_MAX {
            std::thread::sleep(SETTLE_PAUSE);
            let ns = self.read()?;
            if ns == last {
                return Ok(Reading { ns, settled: true, reads });
            }
            last = ns;
        }
        Ok(Reading { ns: last, settled: false, reads: SETTLE_READS_MAX })
    }
}

/// The kind of clock that other processes are read with here, as it is recorded.
#[must_use]
pub fn process_clock_kind() -> &'static str {
    ProcessCpu::of(std::process::id(), || Ok(0)).kind()
}

#[cfg(target_os = "linux")]
fn clock_of(pid: u32) -> Option<ClockId> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    nix::time::clock_getcpuclockid(pid).ok()
}

#[cfg(not(target_os = "linux"))]
fn clock_of(_pid: u32) -> Option<ClockId> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burning_advances_the_threads_clock_by_at_least_what_was_asked() {
        let before = thread_ns();
        burn_thread_ns(2_000_000);
        assert!(thread_ns() - before >= 2_000_000);
    }

    #[test]
    fn the_two_accounts_of_this_process_agree_on_what_was_burnt() {
        let clock = ProcessCpu::of(std::process::id(), || Ok(0));
        let (clock_before, own_before) = (clock.read().unwrap(), own_process_ns());
        burn_thread_ns(30_000_000);
        let own = own_process_ns() - own_before;
        assert!(own >= 25_000_000, "{own}");
        if clock.kind() == "process-clock" {
            let read = clock.read().unwrap() - clock_before;
            assert!(read >= 25_000_000, "{read}");
        }
    }

    #[test]
    fn several_clocks_are_added() {
        let own = std::process::id();
        let Some(both) = ProcessCpu::of_all(move || vec![own, own, u32::MAX]) else {
            return println!("skipped: no process's clock can be read here");
        };
        let (one, before) = (own_process_ns(), both.read().unwrap());
        burn_thread_ns(20_000_000);
        let (one, both) = (own_process_ns() - one, both.read().unwrap() - before);
        assert!(both >= one + 10_000_000, "{both} of twice {one}");
    }

    #[test]
    fn without_a_clock_the_process_is_asked() {
        let asked = ProcessCpu(Source::Report(Box::new(|| Ok(7))));
        assert_eq!(asked.kind(), "self-reported");
        let reading = asked.read_settled().unwrap();
        assert_eq!(reading, Reading { ns: 7, settled: true, reads: 1 });
    }

    #[test]
    fn a_dead_process_has_no_clock_that_reads() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let clock = ProcessCpu::of(child.id(), || anyhow::bail!("gone"));
        assert!(clock.read().is_err());
    }
}
