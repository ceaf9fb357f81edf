//! What the rest of the machine does meanwhile. `None` where it cannot be known, never zero.

use std::path::Path;

use super::cpu::portable_is_forced;

/// Time of the whole host, in kernel ticks since it started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticks {
    /// Taken away by the hypervisor.
    pub steal: u64,
    /// Spent in soft interrupts: on loopback, most of the receiving side of TCP.
    pub softirq: u64,
}

/// The host's ticks so far.
#[must_use]
pub fn ticks() -> Option<Ticks> {
    ticks_of(&linux_file(Path::new("/proc/stat"))?)
}

/// `cpu user nice system idle iowait irq softirq steal ..` (proc_stat(5)).
fn ticks_of(stat: &str) -> Option<Ticks> {
    let mut fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let softirq = fields.nth(6)?.parse().ok()?;
    let steal = fields.next()?.parse().ok()?;
    Some(Ticks { steal, softirq })
}

/// The one-minute load average, in thousandths.
#[must_use]
pub fn load_milli() -> Option<u64> {
    load_of(&linux_file(Path::new("/proc/loadavg"))?)
}

fn load_of(loadavg: &str) -> Option<u64> {
    let (whole, hundredths) = loadavg.split_ascii_whitespace().next()?.split_once('.')?;
    let hundredths = (hundredths.len() == 2).then(|| hundredths.parse::<u64>().ok())??;
    Some(whole.parse::<u64>().ok()? * 1_000 + hundredths * 10)
}

/// What the scheduler did with a thread, or with all threads of a process that are alive now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Scheduling {
    /// Time runnable and waiting for a processor, nanoseconds.
    pub wait_ns: u64,
    /// Times put on a processor: context switches to it.
    pub timeslices: u64,
}

/// Of process `pid`.
#[cfg(target_os = "linux")]
#[must_use]
pub fn scheduling(pid: u32) -> Option<Scheduling> {
    if portable_is_forced() {
        return None;
    }
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    process.tasks().ok()?.try_fold(Scheduling::default(), |sum, task| {
        let one = task.ok()?.schedstat().ok()?;
        Some(Scheduling {
            wait_ns: sum.wait_ns + one.run_delay,
            timeslices: sum.timeslices + one.pcount,
        })
    })
}

/// Unknown on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn scheduling(_pid: u32) -> Option<Scheduling> {
    None
}

/// Of the calling thread.
#[must_use]
pub fn own_scheduling() -> Option<Scheduling> {
    scheduling_of(&linux_file(Path::new("/proc/thread-self/schedstat"))?)
}

/// `run_ns wait_ns timeslices` (the kernel's sched-stats document).
fn scheduling_of(schedstat: &str) -> Option<Scheduling> {
    let mut fields = schedstat.split_ascii_whitespace();
    let wait_ns = fields.nth(1)?.parse().ok()?;
    let timeslices = fields.next()?.parse().ok()?;
    Some(Scheduling { wait_ns, timeslices })
}

/// The threads of process `pid`, by id.
#[cfg(target_os = "linux")]
#[must_use]
pub fn threads_of(pid: u32) -> Option<Vec<i32>> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    Some(process.tasks().ok()?.flatten().map(|task| task.tid).collect())
}

/// Unknown on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn threads_of(_pid: u32) -> Option<Vec<i32>> {
    None
}

/// The text of a file that only Linux has.
pub(super) fn linux_file(path: &Path) -> Option<String> {
    if !cfg!(target_os = "linux") || portable_is_forced() {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_by_field() {
        let stat = "cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(ticks_of(stat), Some(Ticks { softirq: 70, steal: 80 }));
        assert_eq!(ticks_of("cpu  10 20 30 40\n"), None);
        assert_eq!(ticks_of(""), None);
        assert_eq!(load_of("0.52 0.43 0.49 2/345 678\n"), Some(520));
        assert_eq!(load_of("12.05 1.00 1.00 2/345 678\n"), Some(12_050));
        assert_eq!(load_of(""), None);
        assert_eq!(scheduling_of("9 8 7\n"), Some(Scheduling { wait_ns: 8, timeslices: 7 }));
        assert_eq!(scheduling_of("9 8\n"), None);
    }

    #[test]
    fn on_linux_they_are_there() {
        if !cfg!(target_os = "linux") || portable_is_forced() {
            println!("skipped: these sources are Linux's");
            return;
        }
        assert!(ticks().is_some());
        assert!(load_milli().is_some());
        let (own, all) = (own_scheduling().unwrap(), scheduling(std::process::id()).unwrap());
        assert!(own.timeslices >= 1 && all.timeslices >= own.timeslices, "{own:?} of {all:?}");
        assert_eq!(scheduling(u32::MAX), None);
        assert!(threads_of(std::process::id()).unwrap().len() > 1);
    }
}
