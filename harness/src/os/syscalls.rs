//! System calls of another process, counted by `perf` where it is installed and permitted.
//!
//! Counting costs the counted process something, so it is done in a pass of its own and never
//! while CPU is measured.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cpu::portable_is_forced;

/// The tracepoint that every system call passes on its way in.
const EVENT: &str = "raw_syscalls:sys_enter";
/// `perf` says nothing once it has attached; it is believed to have by then.
const ATTACH: Duration = Duration::from_millis(120);

/// A count that is running.
#[derive(Debug)]
pub struct SyscallCount {
    perf: Child,
}

impl SyscallCount {
    /// Whether system calls can be counted here.
    ///
    /// # Errors
    /// Why not.
    pub fn available() -> anyhow::Result<()> {
        ensure!(cfg!(target_os = "linux") && !portable_is_forced(), "counted on Linux alone");
        let said = Command::new("perf")
            .args(["stat", "-x,", "-e", EVENT, "true"])
            .stdin(Stdio::null())
            .output()
            .context("`perf` is not installed")?;
        ensure!(
            said.status.success() && count_of(&String::from_utf8_lossy(&said.stderr)).is_some(),
            "`perf` may not count {EVENT} here"
        );
        Ok(())
    }

    /// Begins to count the system calls of process `pid`.
    ///
    /// # Errors
    /// When `perf` cannot be started.
    pub fn attach(pid: u32) -> anyhow::Result<Self> {
        let pid = pid.to_string();
        let perf = Command::new("perf")
            .args(["stat", "-x,", "-e", EVENT, "-p", &pid])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `perf`")?;
        std::thread::sleep(ATTACH);
        Ok(Self { perf })
    }

    /// Ends the count; `None` when `perf` gave no figure.
    ///
    /// # Errors
    /// When `perf` cannot be told to end.
    pub fn stop(mut self) -> anyhow::Result<Option<u64>> {
        kill(Pid::from_raw(i32::try_from(self.perf.id())?), Signal::SIGINT)
            .context("cannot end `perf`")?;
        let said = self.perf.stderr.take().map(BufReader::new);
        let lines = said.into_iter().flat_map(|pipe| pipe.lines().map_while(Result::ok));
        let count = lines.filter_map(|line| count_of(&line)).last();
        self.perf.wait().context("`perf` did not end")?;
        Ok(count)
    }
}

impl Drop for SyscallCount {
    fn drop(&mut self) {
        // Both fail on a `perf` that has ended, which is what they are for.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

/// `1234,,raw_syscalls:sys_enter,..` (`perf stat -x,`); `<not counted>` is no figure.
fn count_of(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_figure_is_a_count() {
        assert_eq!(count_of("1234,,raw_syscalls:sys_enter,8,100.00,,\n"), Some(1_234));
        assert_eq!(count_of("<not counted>,,raw_syscalls:sys_enter,0,0.00,,\n"), None);
        assert_eq!(count_of("event syntax error: 'raw_syscalls:sys_enter'\n"), None);
        assert_eq!(count_of(""), None);
    }

    #[test]
    fn the_calls_of_a_sleeper_are_counted_where_that_is_permitted() {
        if let Err(why) = SyscallCount::available() {
            println!("skipped: {why:#}");
            return;
        }
        let mut child =
            Command::new("sh").args(["-c", "while :; do sleep 0.01; done"]).spawn().unwrap();
        let counted = SyscallCount::attach(child.id()).and_then(|count| {
            std::thread::sleep(Duration::from_millis(100));
            count.stop()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(counted.unwrap().is_some_and(|n| n > 0));
    }
}
