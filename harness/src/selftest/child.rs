//! This program as a child: started with arguments, watched, and never left behind.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::measure::histogram::LatencyHistogram;
use crate::os::provenance;
use crate::record::run::Histogram;
use crate::record::segment::{self, SegmentRecord};

/// A condition that has not come true by then never will.
const WAIT_LIMIT: Duration = Duration::from_secs(60);
const RECORD: &str = "record.json";
const LOG: &str = "intervals.log";
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

/// `authbench load` as a user runs it, with its record kept.
#[derive(Debug)]
pub struct Load {
    program: Program,
    folder: tempfile::TempDir,
}

/// What a load printed and recorded.
#[derive(Debug)]
pub struct Loaded {
    /// How it ended.
    pub ended: Ended,
    /// What it printed.
    pub printed: serde_json::Value,
    /// Its record.
    pub record: SegmentRecord,
    /// Its interval log.
    pub log: String,
}

impl Load {
    /// Starts a load of `url`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(url: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("authbench-selftest-").tempdir()?;
        let [record, log] = [RECORD, LOG].map(|name| folder.path().join(name));
        let [record, log] = [&record, &log].map(|path| path.to_string_lossy());
        let always = ["load", url, "--json", "--record", &record, "--interval-log", &log];
        Ok(Self { program: Program::start(&[&always[..], arguments].concat())?, folder })
    }

    /// The process.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it left no record, with what it said.
    pub fn end(self) -> anyhow::Result<Loaded> {
        let ended = self.program.end()?;
        let printed = ended.json()?;
        let record = segment::read(&self.folder.path().join(RECORD))
            .map_err(|error| anyhow::anyhow!("the record of the load: {error}"))?;
        let log = std::fs::read_to_string(self.folder.path().join(LOG))?;
        Ok(Loaded { ended, printed, record, log })
    }
}

impl Loaded {
    /// Whether it says, by status and in words, that it is invalid.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.ended.status == Some(4) && self.printed["valid"] == false && !self.record.valid
    }

    /// How it ended, in words.
    #[must_use]
    pub fn said(&self) -> String {
        let status = self.ended.status.map_or_else(|| "a signal".into(), |s| s.to_string());
        format!("exit {status}, valid: {}", self.printed["valid"])
    }

    /// Whether any percentile is printed or recorded.
    #[must_use]
    pub fn has_percentiles(&self) -> bool {
        let printed = self.printed["percentiles"].as_array().is_some_and(|all| !all.is_empty());
        printed || !self.record.quantiles.is_empty()
    }

    /// The 99th percentile of the driver's slip, nanoseconds.
    ///
    /// # Errors
    /// When the record's histogram cannot be read.
    pub fn slip_p99_ns(&self) -> anyhow::Result<u64> {
        p99(&self.record.slip)
    }

    /// The 99th percentile of the response of the expected answers, nanoseconds.
    ///
    /// # Errors
    /// When the record's histogram cannot be read.
    pub fn response_p99_ns(&self) -> anyhow::Result<u64> {
        p99(&self.record.response)
    }
}

fn p99(recorded: &Histogram) -> anyhow::Result<u64> {
    Ok(LatencyHistogram::from_record(recorded)?.percentile(990).unwrap_or(0))
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
