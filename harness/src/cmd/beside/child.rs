//! A tool as a child process: what it printed, and the CPU of all it did.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// How often the end is looked for.
const END_POLL: Duration = Duration::from_millis(5);
/// The end of a tool's standard error that is quoted, characters.
const QUOTED: usize = 400;

/// What a child left behind.
#[derive(Debug)]
pub(super) struct Ended {
    /// Standard output.
    pub(super) printed: String,
    /// Exit status; `None` when a signal ended it.
    pub(super) status: Option<i32>,
    /// User and system time from its start to its end, nanoseconds.
    pub(super) cpu_ns: u64,
}

/// Runs `command` to its end, which must come within `limit`.
///
/// # Errors
/// When it cannot be started, or is not done in time: then it is killed.
pub(super) fn run(mut command: Command, limit: Duration) -> anyhow::Result<Ended> {
    let name = command.get_program().display().to_string();
    // The account of all children that were waited for: nothing else is waited for meanwhile.
    let before_ns = children_ns()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let mut stdout = child.stdout.take().context("no standard output")?;
    let mut stderr = child.stderr.take().context("no standard error")?;
    let printed = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read cannot be quoted, no more.
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let deadline = Instant::now() + limit;
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(END_POLL);
    };
    let Some(status) = ended else {
        bail!("{name} was not done after {} s and was killed", limit.as_secs());
    };
    let cpu_ns = children_ns()?.saturating_sub(before_ns);
    let printed = match printed.join() {
        Ok(text) => text.with_context(|| format!("what {name} printed cannot be read"))?,
        Err(_) => bail!("the reader of {name} panicked"),
    };
    if printed.is_empty() && !status.success() {
        let said = said.join().unwrap_or_default();
        let end: String = said.trim().chars().take(QUOTED).collect();
        bail!("{name} failed ({status}): {end}");
    }
    Ok(Ended { printed, status: status.code(), cpu_ns })
}

/// CPU of all children that have ended and were waited for, nanoseconds.
fn children_ns() -> anyhow::Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let spent = usage.user_time() + usage.system_time();
    Ok(u64::try_from(spent.num_microseconds()).unwrap_or(0) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_child_printed_and_spent_is_known() {
        let limit = Duration::from_secs(60);
        let spin = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo done; exit 3";
        let busy = run(sh(spin), limit).unwrap();
        assert_eq!((busy.printed.as_str(), busy.status), ("done\n", Some(3)));
        let idle = run(sh("echo; sleep 0.05"), limit).unwrap();
        assert!(busy.cpu_ns > idle.cpu_ns, "{} {}", busy.cpu_ns, idle.cpu_ns);
    }

    #[test]
    fn a_child_that_fails_or_hangs_is_told() {
        let failed = run(sh("echo no such host >&2; exit 1"), Duration::from_secs(60));
        assert!(failed.unwrap_err().to_string().contains("no such host"));
        let hung = run(sh("exec sleep 60"), Duration::from_millis(50));
        assert!(hung.unwrap_err().to_string().contains("was killed"));
        let missing = run(Command::new("/no/such/tool"), Duration::from_secs(1));
        assert!(missing.unwrap_err().to_string().contains("cannot start /no/such/tool"));
    }
}
