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

/// Time the threads of process `pid` were runnable and waiting for a processor, nanoseconds,
/// summed over those alive now.
#[cfg(target_os = "linux")]
#[must_use]
pub fn runqueue_wait_ns(pid: u32) -> Option<u64> {
    if portable_is_forced() {
        return None;
    }
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    let waits = process.tasks().ok()?.map(|task| task?.schedstat().map(|s| s.run_delay));
    waits.sum::<Result<u64, _>>().ok()
}

/// Unknown on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn runqueue_wait_ns(_pid: u32) -> Option<u64> {
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
    }

    #[test]
    fn on_linux_they_are_there() {
        if !cfg!(target_os = "linux") || portable_is_forced() {
            println!("skipped: these sources are Linux's");
            return;
        }
        assert!(ticks().is_some());
        assert!(load_milli().is_some());
        assert!(runqueue_wait_ns(std::process::id()).is_some());
        assert_eq!(runqueue_wait_ns(u32::MAX), None);
    }
}
