//! `authbench beside`: this driver and other load generators on one server, in the same blocks.

mod child;
mod tool;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use authbench::credential::Carrier;
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::token::key::Keyring;

use self::tool::{Bench, DELAY_MS, Job, SCRIPT, per_second, version_of};
use super::kept;
use crate::cli::{Exit, UsageError};
use crate::load::schedule::{shuffled, stream};
use crate::record::io::write_atomically;
use crate::record::tools::ToolRun;
use crate::server::child::ServerChild;
use crate::server::config::ServeConfig;

/// Keep-alive connections of the closed and the open load.
const CONNECTIONS: u32 = 16;
/// Requests by which this driver's closed loop is timed before the blocks.
const TRIAL_REQUESTS: u64 = 20_000;
/// wrk's connections on ticks are set by its achieved rate in this many trials.
const TRIALS: u32 = 3;

/// Arguments of `authbench beside`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// wrk's program file
    #[arg(long, value_name = "FILE", required_unless_present = "oha")]
    wrk: Option<PathBuf>,
    /// oha's program file
    #[arg(long, value_name = "FILE")]
    oha: Option<PathBuf>,
    /// Blocks: each has every tool at every load once, in random order
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    blocks: u32,
    /// How long each tool loads, seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Requests per second of the loads that have a rate
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..))]
    rate: u64,
    /// Server on core 0, tools on core 1; needs `taskset`
    #[arg(long)]
    pin: bool,
    /// Write the rows: a JSON array
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Put the rows into a run folder's record, in place of those it has, and render it anew
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// The order's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do. Nothing is written then.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    // Looked at before anything is measured: a wrong folder is the caller's mistake.
    let into = args.into.as_deref().map(kept::existing).transpose()?;
    let named = |name: &str, file: &Option<PathBuf>| -> anyhow::Result<Option<(PathBuf, String)>> {
        file.as_ref().map(|file| Ok((file.clone(), version_of(name, file)?))).transpose()
    };
    let (wrk, oha) = (named("wrk", &args.wrk)?, named("oha", &args.oha)?);
    let server = ServerChild::spawn(&config())?;
    if args.pin {
        pin(server.pid())?;
    }
    let mut script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    script.write_all(SCRIPT.as_bytes())?;
    let mut bench = Bench {
        server: &server,
        wrk,
        oha,
        script: script.path(),
        seconds: args.seconds,
        rate: args.rate,
        connections: CONNECTIONS,
        tick_connections: u32::try_from(args.rate * (DELAY_MS + 1) / 1_000)?.max(1),
        pin: args.pin,
    };
    let rows = measure(args, &mut bench)?;
    if let Some(file) = &args.record {
        let mut bytes = serde_json::to_vec_pretty(&rows)?;
        bytes.push(b'\n');
        write_atomically(file, &bytes)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    print(&rows);
    if let Some((folder, mut record)) = into {
        record.tools = rows;
        kept::keep(&folder, &record)?;
    }
    Ok(Exit::Ok)
}

/// A server of `none` on a free port.
fn config() -> ServeConfig {
    ServeConfig {
        strategy: StrategyKind::None,
        carrier: Carrier::Bearer,
        data: ([127, 0, 0, 1], 0).into(),
        control: ([127, 0, 0, 1], 0).into(),
        threads: 1,
        settings: Settings::default(),
        keys: Keyring::default(),
        redis: None,
        postgres_url: None,
        sqlite_file: None,
        spin_ns: 0,
        work_kib: 0,
        ping: false,
        cpus: Vec::new(),
        clock_offset_s: 0,
    }
}

/// Puts every thread of the server on core 0.
fn pin(pid: u32) -> anyhow::Result<()> {
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", "0", &pid.to_string()])
        .stdout(std::process::Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("taskset could not put the server on core 0: {status}"),
        Err(error) => {
            Err(UsageError(format!("--pin needs `taskset` ({error}); Debian has it in util-linux"))
                .into())
        }
    }
}

/// The trials, then the blocks.
fn measure(args: &Args, bench: &mut Bench<'_>) -> anyhow::Result<Vec<ToolRun>> {
    let mut jobs = vec![Job::OwnOpen { pacing: "tick" }, Job::OwnOpen { pacing: "exact" }];
    if bench.wrk.is_some() {
        jobs.extend([Job::WrkClosed, Job::OwnClosed { requests: 0 }]);
        jobs.extend([Job::WrkTicks, Job::OwnTicks { rate: 0 }]);
    }
    if bench.oha.is_some() {
        jobs.push(Job::Oha);
    } else {
        jobs.retain(|job| !matches!(job, Job::OwnOpen { .. }));
    }
    let (mut closed_requests, mut ticks_rate) = (0, 0);
    if bench.wrk.is_some() {
        let trial = bench.run(0, &Job::OwnClosed { requests: TRIAL_REQUESTS })?;
        closed_requests = per_second(trial.requests, trial.wall_ns) * args.seconds;
        ticks_rate = tune(bench)?;
    }
    let mut rows = Vec::new();
    for block in 0..args.blocks {
        let mut rng = stream(args.seed, "beside", u64::from(block));
        for i in shuffled(jobs.len(), &mut rng) {
            let job = match &jobs[i] {
                Job::OwnClosed { .. } => Job::OwnClosed { requests: closed_requests },
                Job::OwnTicks { .. } => Job::OwnTicks { rate: ticks_rate },
                other => other.clone(),
            };
            let row = bench.run(block, &job)?;
            ensure!(row.requests > 0, "{} got no answer: {}", row.version, row.note);
            match &job {
                // What the other did last is what this driver is asked for next.
                Job::WrkTicks => ticks_rate = row.achieved_per_second,
                Job::OwnClosed { .. } => closed_requests = row.achieved_per_second * args.seconds,
                _ => {}
            }
            eprintln!("block {block}: {}", line(&row));
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Sets the number of wrk's connections so that their random delays add up to about the rate;
/// returns what it achieves.
fn tune(bench: &mut Bench<'_>) -> anyhow::Result<u64> {
    let mut achieved = 0;
    for trial in 0..TRIALS {
        achieved = bench.run(0, &Job::WrkTicks)?.achieved_per_second.max(1);
        eprintln!("trial {trial}: wrk, {} connections: {achieved}/s", bench.tick_connections);
        let off = bench.rate as f64 / achieved as f64;
        if (0.97..=1.03).contains(&off) {
            break;
        }
        if trial + 1 < TRIALS {
            let connections = f64::from(bench.tick_connections) * off;
            bench.tick_connections = connections.round().clamp(1.0, 4_096.0) as u32;
        }
    }
    Ok(achieved)
}

fn line(row: &ToolRun) -> String {
    let pacing = row.pacing.as_deref().unwrap_or("-");
    let us = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), |ns| (ns / 1_000).to_string());
    format!(
        "{:6} {:9} {pacing:5} {:>7}/s, CPU {:.2} us a request, server {:.2}, p50 {} p99 {} us, \
         slip p99 {} us{}",
        row.load,
        row.tool,
        row.achieved_per_second,
        row.cpu_ns as f64 / 1e3 / row.requests.max(1) as f64,
        row.server_cpu_ns as f64 / 1e3 / row.requests.max(1) as f64,
        us(row.p50_ns),
        us(row.p99_ns),
        us(row.slip_p99_ns),
        if row.note.is_empty() { String::new() } else { format!(" ({})", row.note) }
    )
}

fn print(rows: &[ToolRun]) {
    for result in crate::measure::derive::tools::of_rows(rows) {
        let ratio = |e: &Option<crate::record::derived::Estimate>| {
            e.map_or_else(|| "-".into(), |e| format!("{} ({} to {})", e.value, e.low, e.high))
        };
        println!(
            "{}: {} / {} in {} blocks ({} left out, the driver was late): CPU {}, throughput {}, \
             p50 {}, p99 {}",
            result.load,
            result.ours,
            result.version,
            result.blocks,
            result.blocks_invalid,
            ratio(&result.cpu),
            ratio(&result.throughput),
            ratio(&result.p50),
            ratio(&result.p99)
        );
    }
}
