//! The tools, how each is called, and what its figures mean.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::child::run;
use crate::measure::tools::{Account, Latency, oha, own, wrk};
use crate::os::provenance;
use crate::record::tools::ToolRun;
use crate::server::child::ServerChild;

/// Over the planned seconds, a tool has this long to start and to end.
const SLACK: Duration = Duration::from_secs(30);
/// Mean of the random delay of wrk's connections, milliseconds: uniform on 0 to twice that.
pub(super) const DELAY_MS: u64 = 4;

/// wrk's script: each connection waits random whole milliseconds before each request.
pub(super) const SCRIPT: &str = "function init(args) math.randomseed(1) end\n\
     function delay() return math.random(0, 8) end\n";

/// One load by one tool.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// wrk as fast as its connections allow.
    WrkClosed,
    /// This driver likewise, with so many requests.
    OwnClosed {
        /// Requests.
        requests: u64,
    },
    /// wrk with random delays.
    WrkTicks,
    /// This driver on millisecond ticks at wrk's rate.
    OwnTicks {
        /// Requests per second.
        rate: u64,
    },
    /// oha at a rate.
    Oha,
    /// This driver at that rate, `tick` or `exact`.
    OwnOpen {
        /// `tick` or `exact`.
        pacing: &'static str,
    },
}

/// What all jobs share.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) server: &'a ServerChild,
    pub(super) wrk: Option<(PathBuf, String)>,
    pub(super) oha: Option<(PathBuf, String)>,
    pub(super) script: &'a Path,
    pub(super) seconds: u64,
    pub(super) rate: u64,
    pub(super) connections: u32,
    pub(super) tick_connections: u32,
    pub(super) pin: bool,
}

/// How a job is called and read.
struct Call {
    load: &'static str,
    tool: &'static str,
    pacing: Option<&'static str>,
    connections: u32,
    offered: Option<u64>,
    arguments: Vec<String>,
    latency_from: &'static str,
    note: &'static str,
    read: fn(&str) -> anyhow::Result<Account>,
}

const FROM_SEND: &str = "the request's sending";
const WRK_NOTE: &str = "wrk corrects its percentiles with samples of its own making";
const READ_SERVICE: fn(&str) -> anyhow::Result<Account> = |text| own(text, Latency::Service);
const READ_RESPONSE: fn(&str) -> anyhow::Result<Account> = |text| own(text, Latency::Response);

impl Bench<'_> {
    fn url(&self) -> String {
        format!("http://{}/health", self.server.data())
    }

    /// Runs one job and gives its row of block `block`.
    ///
    /// # Errors
    /// When the tool cannot be run, or what it prints cannot be read.
    pub(super) fn run(&self, block: u32, job: &Job) -> anyhow::Result<ToolRun> {
        let call = self.call(job);
        let (program, version) = match call.tool {
            "wrk" => self.wrk.clone().context("no wrk")?,
            "oha" => self.oha.clone().context("no oha")?,
            _ => (provenance::own_program()?, format!("authbench {}", env!("CARGO_PKG_VERSION"))),
        };
        let mut command = self.command(&program);
        command.args(&call.arguments);
        let clock = self.server.cpu();
        let before_ns = clock.read_settled()?.ns;
        let ended = run(command, Duration::from_secs(self.seconds * 4) + SLACK)?;
        let server_cpu_ns = clock.read_settled()?.ns.saturating_sub(before_ns);
        let account = (call.read)(&ended.printed)
            .with_context(|| format!("{version}, status {:?}, said otherwise", ended.status))?;
        let notes: Vec<&str> =
            [call.note, account.note.as_str()].into_iter().filter(|n| !n.is_empty()).collect();
        let [p50_ns, p90_ns, p99_ns] = account.latency_ns;
        Ok(ToolRun {
            block,
            load: call.load.into(),
            tool: call.tool.into(),
            pacing: call.pacing.map(Into::into),
            version,
            connections: call.connections,
            offered_per_second: call.offered,
            requests: account.requests,
            wall_ns: account.wall_ns,
            cpu_ns: ended.cpu_ns,
            server_cpu_ns,
            latency_from: call.latency_from.into(),
            p50_ns,
            p90_ns,
            p99_ns,
            slip_p99_ns: account.slip_p99_ns,
            achieved_per_second: per_second(account.requests, account.wall_ns),
            valid: account.invalid.is_none(),
            note: notes.join("; "),
        })
    }

    /// On core 1 when pinned: by a program that sets the affinity before it becomes the tool, so
    /// that no thread is older than it.
    fn command(&self, program: &Path) -> Command {
        if !self.pin {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(program);
        command
    }

    fn call(&self, job: &Job) -> Call {
        match job {
            Job::WrkClosed => self.wrk_call("closed", None, self.connections, &[]),
            Job::WrkTicks => {
                let script = self.script.display().to_string();
                let script = ["-s".to_owned(), script];
                self.wrk_call("ticks", Some(self.rate), self.tick_connections, &script)
            }
            Job::Oha => Call {
                load: "open",
                tool: "oha",
                pacing: None,
                connections: self.connections,
                offered: Some(self.rate),
                arguments: words(&format!(
                    "-z {}s -q {} -c {} --latency-correction --no-tui --output-format json {}",
                    self.seconds,
                    self.rate,
                    self.connections,
                    self.url()
                )),
                latency_from: "the instant its pacer woke for the request",
                note: "requests in flight at the end are not counted",
                read: oha,
            },
            Job::OwnClosed { requests } => {
                // Closed loops send a number of requests: rate times seconds.
                let arguments = format!("--closed --rate {requests} --seconds 1");
                self.own_call("closed", None, self.connections, None, &arguments)
            }
            Job::OwnTicks { rate } => {
                let arguments = format!("--rate {rate} --seconds {}", self.seconds);
                let connections = self.tick_connections;
                self.own_call("ticks", Some("tick"), connections, Some(*rate), &arguments)
            }
            Job::OwnOpen { pacing } => {
                let constant = "--arrivals constant";
                let arguments =
                    format!("--rate {} --seconds {} {constant}", self.rate, self.seconds);
                self.own_call("open", Some(pacing), self.connections, Some(self.rate), &arguments)
            }
        }
    }

    fn wrk_call(
        &self,
        load: &'static str,
        offered: Option<u64>,
        connections: u32,
        more: &[String],
    ) -> Call {
        let mut arguments = words(&format!("-t1 -c{connections} -d{}s --latency", self.seconds));
        arguments.extend_from_slice(more);
        arguments.push(self.url());
        let (tool, latency_from, note) = ("wrk", FROM_SEND, WRK_NOTE);
        let pacing = None;
        Call { load, tool, pacing, connections, offered, arguments, latency_from, note, read: wrk }
    }

    fn own_call(
        &self,
        load: &'static str,
        pacing: Option<&'static str>,
        connections: u32,
        offered: Option<u64>,
        more: &str,
    ) -> Call {
        let pace = pacing.unwrap_or("exact");
        let arguments = words(&format!(
            "load {} --json --connections {connections} --pacing {pace} {more}",
            self.url()
        ));
        // Beside a tool that counts from the sending, so do we.
        let (latency_from, read) = match load {
            "open" => ("the intended start", READ_RESPONSE),
            _ => (FROM_SEND, READ_SERVICE),
        };
        let (tool, note) = ("authbench", "");
        Call { load, tool, pacing, connections, offered, arguments, latency_from, note, read }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Requests per second, rounded.
pub(super) fn per_second(requests: u64, wall_ns: u64) -> u64 {
    (requests as f64 * 1e9 / wall_ns.max(1) as f64).round() as u64
}

/// A tool's version by its own account.
///
/// # Errors
/// When it cannot be run or says nothing of the kind.
pub(super) fn version_of(name: &str, program: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.arg(if name == "wrk" { "-v" } else { "--version" });
    let printed = run(command, SLACK)?.printed;
    let mut words = printed.split_whitespace();
    let is_it = words.next() == Some(name);
    let version = words.next().filter(|_| is_it);
    let version =
        version.with_context(|| format!("{} does not say that it is {name}", program.display()))?;
    // Debian's wrk says `debian/4.1.0-3+b2`.
    Ok(format!("{name} {version}"))
}
