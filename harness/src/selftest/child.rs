//! This program as a child: started with arguments, watched, and never left behind.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::os::provenance;

/// A condition that has not come true by then never will.
const WAIT_LIMIT: Duration = Duration::from_secs(60);
const WAIT_POLL: Duration = Duration::from_millis(5);

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    errors: Option<JoinHandle<String>>,
}

/// How a child ended and what it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit status; `None` after a signal.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is not, with what was said on standard error.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("no JSON was printed; it said: {}", self.stderr.trim()))
    }
}

impl Program {
    /// Starts this program with `arguments`, with no standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        Self::spawn(Command::new(provenance::own_program()?).args(arguments).stdin(Stdio::null()))
    }

    /// Starts `command`, its output captured.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a child process")?;
        let errors = child.stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                // What was read until then is said all the same.
                let _ = pipe.read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            })
        });
        Ok(Self { child, errors })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `condition`.
    ///
    /// # Errors
    /// When it has not come true after a minute.
    pub fn wait_until(&self, what: &str, condition: impl Fn() -> bool) -> anyhow::Result<()> {
        wait_until(what, condition)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub fn end(mut self) -> anyhow::Result<Ended> {
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout)?;
        }
        let status = self.child.wait()?.code();
        let stderr = self.errors.take().and_then(|t| t.join().ok()).unwrap_or_default();
        Ok(Ended { status, stdout, stderr })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail on a child that has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `condition`.
///
/// # Errors
/// When it has not come true after a minute.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + WAIT_LIMIT;
    while !condition() {
        ensure!(Instant::now() < deadline, "waited {} s for {what}", WAIT_LIMIT.as_secs());
        std::thread::sleep(WAIT_POLL);
    }
    Ok(())
}

/// A child that answers each line on its standard input with one on its standard output.
#[derive(Debug)]
pub struct Dialogue {
    program: Program,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Starts this program with `arguments`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(provenance::own_program()?);
        let mut program = Program::spawn(command.args(arguments).stdin(Stdio::piped()))?;
        let to = program.child.stdin.take().context("no pipe to the child")?;
        let from = program.child.stdout.take().context("no pipe from the child")?;
        Ok(Self { program, to, from: BufReader::new(from) })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Says `line` and returns the answer, without its line end.
    ///
    /// # Errors
    /// When the child has ended.
    pub fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        writeln!(self.to, "{line}")?;
        let mut answer = String::new();
        let n = self.from.read_line(&mut answer)?;
        ensure!(n > 0, "the child ended without an answer to `{line}`");
        Ok(answer.trim_end().to_owned())
    }
}
