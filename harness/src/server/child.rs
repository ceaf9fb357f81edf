//! A server as a child process: started, checked against what was ordered, and never left behind.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use serde::de::DeserializeOwned;

use super::config::{ServeConfig, ServeReady};
use super::control::{Counters, Receipt};
use crate::os::cpu::ProcessCpu;
use crate::os::provenance;

/// A server that has not said it is ready by then has failed.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// An answer of the control listener that takes longer has failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// After its standard input has ended, a server has this long before it is killed.
const END_LIMIT: Duration = Duration::from_secs(3);
/// How often the end is looked for.
const END_POLL: Duration = Duration::from_millis(2);
/// The end of the server's standard error that is kept for error messages, bytes.
const ERROR_BYTES_KEPT: usize = 4_096;
/// No answer of the control listener is longer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A running server; gone when dropped.
#[derive(Debug)]
pub struct ServerChild {
    program: PathBuf,
    process: Process,
    ready: ServeReady,
    receipt: Receipt,
}

impl ServerChild {
    /// Starts this program as a server and checks that it runs what was ordered.
    ///
    /// # Errors
    /// What the server printed when it did not start; what its receipt says that was not ordered.
    pub fn spawn(config: &ServeConfig) -> anyhow::Result<Self> {
        Self::start(&provenance::own_program()?, &provenance::own_binary_sha256()?, config)
    }

    /// As [`ServerChild::spawn`], from another program file.
    ///
    /// # Errors
    /// As [`ServerChild::spawn`].
    pub fn spawn_program(program: &Path, config: &ServeConfig) -> anyhow::Result<Self> {
        Self::start(program, &provenance::file_sha256(program)?, config)
    }

    fn start(program: &Path, sha256: &str, config: &ServeConfig) -> anyhow::Result<Self> {
        let name = config.strategy.name();
        let mut process = Process::start(program)?;
        let started = process.configure(config).and_then(|ready| {
            let receipt = get_json::<Receipt>(ready.control, "/receipt")?;
            check_receipt(&receipt, config, process.child.id(), sha256)?;
            Ok((ready, receipt))
        });
        match started {
            Ok((ready, receipt)) => {
                Ok(Self { program: program.to_owned(), process, ready, receipt })
            }
            Err(why) => Err(process.explain(&why).context(format!("the server of `{name}`"))),
        }
    }

    /// Ends the process and starts another from the same file, as `config` says; returns once it
    /// is ready. Its receipt is not asked for: that takes longer than the start, and the file and
    /// the configuration were checked when it was started first.
    ///
    /// # Errors
    /// What the server printed when it did not start.
    pub fn restart(&mut self, config: &ServeConfig) -> anyhow::Result<()> {
        self.process.end();
        let mut process = Process::start(&self.program)?;
        match process.configure(config) {
            Ok(ready) => {
                (self.process, self.ready) = (process, ready);
                Ok(())
            }
            Err(why) => Err(process.explain(&why).context("a server that was started again")),
        }
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Where requests are answered.
    #[must_use]
    pub const fn data(&self) -> SocketAddr {
        self.ready.data
    }

    /// Where the server tells about itself.
    #[must_use]
    pub const fn control(&self) -> SocketAddr {
        self.ready.control
    }

    /// What it runs, by its own account, checked when it was started.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// What it has seen so far. Asking costs the server CPU.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn counters(&self) -> anyhow::Result<Counters> {
        counters_at(self.ready.control)
    }

    /// How its CPU time is found out.
    #[must_use]
    pub fn cpu(&self) -> ProcessCpu {
        let control = self.ready.control;
        ProcessCpu::of(self.pid(), move || Ok(counters_at(control)?.cpu_ns))
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.child.try_wait(), Ok(None))
    }
}

/// The process and the pipe it lives by.
#[derive(Debug)]
struct Process {
    child: Child,
    lifeline: Option<ChildStdin>,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    /// In a process group of its own: a Ctrl-C is the orchestrator's to handle.
    fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["serve", "--config-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start a server process")?;
        let lifeline = child.stdin.take();
        let errors = child.stderr.take().map(|pipe| std::thread::spawn(move || last_of(pipe)));
        Ok(Self { child, lifeline, errors })
    }

    /// Hands over the configuration and waits for the line that says where the server is.
    fn configure(&mut self, config: &ServeConfig) -> anyhow::Result<ServeReady> {
        let mut line = serde_json::to_string(config)?;
        line.push('\n');
        let stdin = self.lifeline.as_mut().context("the server has no standard input")?;
        stdin.write_all(line.as_bytes()).context("it took no configuration")?;
        let stdout = self.child.stdout.take().context("the server has no standard output")?;
        let (send, receive) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // Nobody listens any more when the wait below has given up.
            let _ = send.send(read.map(|_| line));
        });
        let line = receive
            .recv_timeout(READY_LIMIT)
            .map_err(|_| anyhow!("it was not ready within {} s", READY_LIMIT.as_secs()))?
            .context("its standard output cannot be read")?;
        serde_json::from_str(&line).context("it did not start")
    }

    /// Ends the process and adds its last words to `why`.
    fn explain(mut self, why: &anyhow::Error) -> anyhow::Error {
        self.end();
        let said = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let said = said.trim();
        if said.is_empty() { anyhow!("{why:#}") } else { anyhow!("{why:#}; it said: {said}") }
    }

    /// Closes its standard input, waits, and kills what is still there.
    fn end(&mut self) {
        drop(self.lifeline.take());
        let deadline = Instant::now() + END_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(END_POLL);
        }
        // Both fail on a process that has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads a pipe to its end and keeps what came last.
fn last_of(mut pipe: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 1_024];
    while let Ok(n @ 1..) = pipe.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..n]);
        let excess = kept.len().saturating_sub(ERROR_BYTES_KEPT);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Refuses a server that runs anything but what was ordered, or another build of it.
fn check_receipt(
    receipt: &Receipt,
    config: &ServeConfig,
    pid: u32,
    sha256: &str,
) -> anyhow::Result<()> {
    let ordered = Receipt {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        binary_sha256: sha256.to_owned(),
        strategy: config.strategy.name().to_owned(),
        carrier: config.carrier.name().to_owned(),
        settings: config.settings.clone(),
        threads: config.threads,
        spin_ns: config.spin_ns,
        work_kib: config.work_kib,
        ping: config.ping,
        cpus: config.cpus.clone(),
        clock_offset_s: config.clock_offset_s,
        pid,
        redis: config.redis_in_use().map(|redis| redis.settings),
        postgres: config.postgres_in_use().map(ToString::to_string),
        sqlite_file: config.sqlite_in_use().map(Into::into),
    };
    ensure!(
        *receipt == ordered,
        "it does not run what was ordered; ordered {ordered:?}, got {receipt:?}"
    );
    Ok(())
}

/// The counters of the server whose control listener is at `control`.
///
/// # Errors
/// When it does not answer.
pub fn counters_at(control: SocketAddr) -> anyhow::Result<Counters> {
    get_json(control, "/counters")
}

/// `GET path`, one connection per question: never on a measured path.
fn get_json<T: DeserializeOwned>(address: SocketAddr, path: &str) -> anyhow::Result<T> {
    let body = get(address, path).with_context(|| format!("no answer to GET {path}"))?;
    serde_json::from_str(&body).with_context(|| format!("unexpected answer to GET {path}"))
}

fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    socket.set_write_timeout(Some(ANSWER_LIMIT))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is cut short")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    ensure!(status == "200", "status {status}: {body}");
    Ok(body.to_owned())
}
