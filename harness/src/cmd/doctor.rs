//! `authbench doctor`: what this machine is, what is missing, what to do about it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use serde_json::json;

use super::list::plain_table;
use crate::cli::Exit;
use crate::measure::store::Store;
use crate::os::{cpu, machine};
use crate::record::run::Environment;

/// File descriptors a run may hold at once: every server's and the driver's connections.
const DESCRIPTORS_WANTED: u64 = 1_024;
/// With fewer nothing runs.
const DESCRIPTORS_MIN: u64 = 128;
/// A sleep that overshoots by more than this at the median blurs exact pacing.
const OVERSHOOT_WANTED: Duration = Duration::from_micros(300);
/// Sleeps that are tried.
const SLEEPS: usize = 21;

/// Arguments of `authbench doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How one thing that was looked at stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// As it should be.
    Good,
    /// The main job runs, and something is missing or blurred.
    Note,
    /// The main job cannot run.
    Broken,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Broken => "BROKEN",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Finding {
    name: &'static str,
    state: State,
    detail: String,
    remedy: String,
}

impl Finding {
    fn new(name: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self { name, state, detail: detail.into(), remedy: String::new() }
    }

    fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

/// Runs the verb.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let facts = machine::environment();
    let mut findings = of_machine(&facts);
    findings.extend([thread_clock(), timer(), loopback(), descriptors(), store()]);
    findings.push(build());
    let works = findings.iter().all(|finding| finding.state != State::Broken);
    let mut out = std::io::stdout().lock();
    if args.json {
        let findings: Vec<_> = findings
            .iter()
            .map(|f| {
                let remedy = (!f.remedy.is_empty()).then_some(&f.remedy);
                let state = f.state.name().to_lowercase();
                json!({"name": f.name, "state": state, "detail": f.detail, "remedy": remedy})
            })
            .collect();
        let whole = json!({"can_run": works, "environment": facts, "findings": findings});
        writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)?;
    } else {
        let mut table = plain_table(&["", "what", "found", "what to do"]);
        for finding in &findings {
            table.add_row([finding.state.name(), finding.name, &finding.detail, &finding.remedy]);
        }
        writeln!(out, "{table}\n")?;
        writeln!(out, "grade {}: a is a quiet machine of one's own", facts.grade)?;
        for reason in &facts.grade_reasons {
            writeln!(out, "  - {reason}")?;
        }
        let verdict = if works { "the main job can run: scripts/run" } else { "it cannot run" };
        writeln!(out, "{verdict}")?;
    }
    Ok(if works { Exit::Ok } else { Exit::Failure })
}

fn of_machine(facts: &Environment) -> Vec<Finding> {
    let known = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "unknown".to_owned());
    let memory = facts
        .memory_bytes
        .map_or_else(|| "memory unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
    let quota = facts.cpu_quota_millicores.map(|quota| format!(", quota {quota}/1000 of a core"));
    let cores = format!("{}{}", facts.cores, quota.unwrap_or_default());
    let cores = if facts.cores < 2 {
        Finding::new("cores", State::Note, cores).with_remedy(
            "driver, server and store take turns on one core: no latency from here is worth \
             citing; give it two or more",
        )
    } else {
        Finding::new("cores", State::Good, cores)
    };
    let clock = if facts.cpu_clock == "process-clock" {
        Finding::new("CPU of a process", State::Good, "process clock, nanoseconds")
    } else {
        Finding::new("CPU of a process", State::Note, "self-reported, microseconds").with_remedy(
            "Linux has process clocks; they are read unless AUTHBENCH_FORCE_PORTABLE=1",
        )
    };
    vec![
        Finding::new("processor", State::Good, known(&facts.cpu_model)),
        Finding::new(
            "system",
            State::Good,
            format!(
                "{} {}, {memory}, virtualization {}",
                facts.os,
                facts.arch,
                known(&facts.virtualization)
            ),
        ),
        cores,
        Finding::new("clock source", State::Good, known(&facts.clocksource)),
        clock,
    ]
}

fn thread_clock() -> Finding {
    let before = cpu::thread_ns();
    let start = Instant::now();
    while cpu::thread_ns() == before && start.elapsed() < Duration::from_secs(1) {}
    let step = cpu::thread_ns().saturating_sub(before);
    if step == 0 {
        return Finding::new("CPU of a thread", State::Broken, "the thread CPU clock stands still")
            .with_remedy("this system cannot be measured on");
    }
    Finding::new("CPU of a thread", State::Good, format!("moves in steps of {step} ns or less"))
}

fn timer() -> Finding {
    let asked = Duration::from_millis(1);
    let mut over: Vec<Duration> = (0..SLEEPS)
        .map(|_| {
            let start = Instant::now();
            std::thread::sleep(asked);
            start.elapsed().saturating_sub(asked)
        })
        .collect();
    over.sort();
    let median = over[SLEEPS / 2];
    let detail = format!("a sleep of 1 ms ends {} us late (median)", median.as_micros());
    if median > OVERSHOOT_WANTED {
        return Finding::new("timer", State::Note, detail).with_remedy(
            "exact pacing will slip; prefer `pacing = \"tick\"`, or a quieter machine",
        );
    }
    Finding::new("timer", State::Good, detail)
}

fn loopback() -> Finding {
    let echoed = || -> std::io::Result<[u8; 1]> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let limit = Duration::from_secs(2);
        let mut near = TcpStream::connect_timeout(&listener.local_addr()?, limit)?;
        let (mut far, _) = listener.accept()?;
        near.write_all(b"!")?;
        far.set_read_timeout(Some(limit))?;
        let mut byte = [0];
        far.read_exact(&mut byte)?;
        Ok(byte)
    };
    match echoed() {
        Ok(_) => Finding::new("loopback", State::Good, "127.0.0.1 answers"),
        Err(error) => Finding::new("loopback", State::Broken, error.to_string())
            .with_remedy("servers and driver meet on 127.0.0.1: bring the lo interface up"),
    }
}

fn descriptors() -> Finding {
    let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return Finding::new("file descriptors", State::Note, "the limit is unknown");
    };
    let open = std::fs::read_dir("/dev/fd").map_or(0, |entries| entries.count() as u64);
    let free = limit.saturating_sub(open);
    let state = match free {
        ..DESCRIPTORS_MIN => State::Broken,
        DESCRIPTORS_MIN..DESCRIPTORS_WANTED => State::Note,
        _ => State::Good,
    };
    let found = Finding::new("file descriptors", state, format!("{free} free"));
    if state == State::Good { found } else { found.with_remedy("ulimit -n 4096") }
}

/// Opens the very Redis that the main job would: what it says here is what happens there.
fn store() -> Finding {
    match Store::open() {
        Ok(Ok(store)) => {
            let whose = if store.is_private() { "private, starts and stops" } else { "yours" };
            Finding::new("Redis", State::Good, format!("{} ({whose})", store.version()))
        }
        Ok(Err(none)) => Finding::new("Redis", State::Note, none.reason).with_remedy(format!(
            "{}; without it the rows that need Redis are not measured",
            none.remedy
        )),
        Err(error) => Finding::new("Redis", State::Broken, format!("{error:#}"))
            .with_remedy("start it, correct AUTHBENCH_REDIS_URL, or unset it"),
    }
}

fn build() -> Finding {
    if cfg!(debug_assertions) {
        return Finding::new("build", State::Note, "debug")
            .with_remedy("figures of a debug build mean nothing: cargo build --release");
    }
    Finding::new("build", State::Good, "release")
}
