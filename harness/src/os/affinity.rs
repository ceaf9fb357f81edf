//! Which process runs on which processor: layouts, and pinning threads to them.
//!
//! On two shared processors a strategy that keeps Redis busy also moves the driver about. A
//! conclusion whose sign depends on where the processes run is one about the layout.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Where the server runs, and where everything else does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The scheduler decides.
    #[default]
    Unpinned,
    /// The server alone on the first processor, driver and Redis on the others.
    ServerFirst,
    /// The server alone on the last processor, driver and Redis on the others.
    ServerLast,
}

impl Layout {
    /// The name in plans and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unpinned => "unpinned",
            Self::ServerFirst => "server-first",
            Self::ServerLast => "server-last",
        }
    }

    /// The server's processors and those of the rest, of `all`; both empty when unpinned.
    ///
    /// # Errors
    /// When there is only one processor to share out.
    pub fn split(self, all: &[u32]) -> anyhow::Result<(Vec<u32>, Vec<u32>)> {
        let pick = match (self, all) {
            (Self::Unpinned, _) => return Ok((Vec::new(), Vec::new())),
            (_, [] | [_]) => anyhow::bail!("the layout {} needs two processors", self.name()),
            (Self::ServerFirst, [first, ..]) => *first,
            (Self::ServerLast, [.., last]) => *last,
        };
        Ok((vec![pick], all.iter().copied().filter(|cpu| *cpu != pick).collect()))
    }
}

/// The processors the calling thread may run on.
///
/// # Errors
/// When the system does not say.
#[cfg(target_os = "linux")]
pub fn allowed() -> anyhow::Result<Vec<u32>> {
    use nix::sched::{CpuSet, sched_getaffinity};

    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0))
        .context("cannot read which processors may be used")?;
    let is_set = |cpu: &u32| set.is_set(*cpu as usize).unwrap_or(false);
    Ok((0..u32::try_from(CpuSet::count())?).filter(is_set).collect())
}

/// Nothing can be pinned on this system.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn allowed() -> anyhow::Result<Vec<u32>> {
    anyhow::bail!("processes can be pinned on Linux alone")
}

/// Pins the calling thread, and every thread it starts from now on.
///
/// # Errors
/// When the system refuses, or `cpus` is empty.
pub fn pin_thread(cpus: &[u32]) -> anyhow::Result<()> {
    set(0, cpus)
}

/// Pins every thread that process `pid` has now.
///
/// # Errors
/// When the system refuses, or the process is gone.
pub fn pin_process(pid: u32, cpus: &[u32]) -> anyhow::Result<()> {
    for thread in super::host::threads_of(pid).context("cannot list the threads to pin")? {
        set(thread, cpus)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn set(_thread: i32, _cpus: &[u32]) -> anyhow::Result<()> {
    anyhow::bail!("processes can be pinned on Linux alone")
}

#[cfg(target_os = "linux")]
fn set(thread: i32, cpus: &[u32]) -> anyhow::Result<()> {
    use nix::sched::{CpuSet, sched_setaffinity};

    let mut wanted = CpuSet::new();
    for cpu in cpus {
        wanted.set(*cpu as usize).with_context(|| format!("there is no processor {cpu}"))?;
    }
    sched_setaffinity(nix::unistd::Pid::from_raw(thread), &wanted)
        .with_context(|| format!("cannot run on the processors {cpus:?} alone"))
}

/// The calling thread and one process pinned; both may run anywhere they could before when this
/// is dropped.
#[derive(Debug)]
pub struct Pinned {
    before: Vec<u32>,
    process: Option<u32>,
}

impl Pinned {
    /// Pins the calling thread and `process` to `cpus`; `None` when there is nothing to pin to.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn to(cpus: &[u32], process: Option<u32>) -> anyhow::Result<Option<Self>> {
        if cpus.is_empty() {
            return Ok(None);
        }
        let pinned = Self { before: allowed()?, process };
        pin_thread(cpus)?;
        process.map_or(Ok(()), |pid| pin_process(pid, cpus))?;
        Ok(Some(pinned))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // The process may be gone by now, and with it the need.
        let _ = pin_thread(&self.before);
        let _ = self.process.map_or(Ok(()), |pid| pin_process(pid, &self.before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_gives_the_server_one_processor_of_its_own() {
        let split = |layout: Layout, all: &[u32]| layout.split(all).unwrap();
        assert_eq!(split(Layout::Unpinned, &[0]), (vec![], vec![]));
        assert_eq!(split(Layout::ServerFirst, &[0, 1]), (vec![0], vec![1]));
        assert_eq!(split(Layout::ServerLast, &[2, 3, 5]), (vec![5], vec![2, 3]));
        assert!(Layout::ServerFirst.split(&[4]).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pinned_thread_is_let_go_again() {
        let before = allowed().unwrap();
        let last = *before.last().unwrap();
        let pinned = Pinned::to(&[last], None).unwrap();
        assert_eq!(allowed().unwrap(), [last]);
        drop(pinned);
        assert_eq!(allowed().unwrap(), before);
        assert!(Pinned::to(&[], None).unwrap().is_none());
        assert!(pin_thread(&[100_000]).is_err());
    }
}
