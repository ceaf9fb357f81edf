//! `authbench load`: open-loop load on any URL, latency from the intended start.

mod client;
mod figures;
mod knee;
mod schedule;
mod start;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use self::client::Client;
pub(super) use self::figures::Figures;
use self::schedule::{Schedule, ScheduleArgs};
use self::start::Start;
use crate::cli::{Exit, UsageError};
use crate::load::driver::Mode;
use crate::load::exchange::{Exchange, Expect};
use crate::load::pacer::Pacing;
use crate::load::schedule::sha256;
use crate::load::segment::Segment;
use crate::measure::drive::Drive;
use crate::measure::histogram::HIGH_NS;
use crate::measure::interval_log;
use crate::os::cpu::thread_ns;
use crate::record::io::{sha256_hex, write_atomically};
use crate::record::segment::{self, Scenario, SegmentRecord};

/// A backlog holds what is due within this time.
const BACKLOG_NS: u64 = 10_000_000_000;

/// Arguments of `authbench load`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// http://host:port/path
    url: String,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// Keep-alive connections
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// A header line, as `Name: value`; may be given several times
    #[arg(long = "header", value_name = "LINE")]
    headers: Vec<String>,
    /// The method; no body is sent
    #[arg(long, default_value = "GET")]
    method: String,
    /// The status that counts as expected
    #[arg(long, default_value_t = 200)]
    expect: u16,
    /// How the driver wakes
    #[arg(long, value_enum, default_value = "exact")]
    pacing: Pacing,
    /// Send whenever a connection is free instead: throughput, never latency
    #[arg(long, conflicts_with_all = ["segment", "start_at"])]
    closed: bool,
    /// A request unanswered this long after its intended start has failed, milliseconds
    #[arg(long, default_value_t = 5_000)]
    timeout_ms: u64,
    /// Send every N-th request of the schedule only, from the k-th on; needs --start-at
    #[arg(long, value_name = "k/N", requires = "start_at")]
    segment: Option<Segment>,
    /// Begin at this wall-clock instant, RFC 3339, UTC
    #[arg(long, value_name = "INSTANT")]
    start_at: Option<String>,
    /// Write a segment record, which `authbench merge` adds to others
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Write an HdrHistogram interval log, one line per second and stamp
    #[arg(long, value_name = "FILE")]
    interval_log: Option<PathBuf>,
    /// Look for the highest rate that is sustained
    #[arg(long, conflicts_with_all =
        ["closed", "segment", "start_at", "record", "interval_log", "rate", "seconds", "shape"])]
    find_knee: bool,
    /// --find-knee: the largest 99th percentile of response time allowed, milliseconds
    #[arg(long, default_value_t = 5, requires = "find_knee")]
    slo_ms: u64,
    /// --find-knee: length of a step, seconds
    #[arg(long, default_value_t = 2, requires = "find_knee")]
    step_seconds: u64,
    /// Speak HTTP/2 with prior knowledge, with at most this many requests at once on a connection
    #[arg(long, value_name = "STREAMS", num_args = 0..=1, default_missing_value = "16")]
    http2: Option<usize>,
    /// The target is mine though it is not on this machine
    #[arg(long)]
    i_own_this: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.find_knee {
        return knee::run(args);
    }
    let target = Target::of(args)?;
    let schedule = args.schedule.schedule()?;
    args.check()?;
    let start =
        args.start_at.as_deref().map(|text| Start::parse(text, SystemTime::now())).transpose()?;
    let record = drive(args, &target, &schedule, start)?;
    if let Some(file) = &args.record {
        segment::write(file, &record)
            .with_context(|| format!("the record {} cannot be written", file.display()))?;
    }
    let figures = Figures::of("this load", &record)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        figures.print();
    }
    Ok(if record.valid { Exit::Ok } else { Exit::Invalid })
}

impl Args {
    /// What clap cannot check.
    fn check(&self) -> anyhow::Result<()> {
        let refuse = |what: String| Err(UsageError(what).into());
        if self.connections == 0 {
            return refuse("--connections is 0; a load needs at least 1".into());
        }
        let longest_ms = HIGH_NS / 1_000_000;
        if self.timeout_ms == 0 || self.timeout_ms > longest_ms {
            return refuse(format!(
                "--timeout-ms is {}; at least 1 and at most {longest_ms}, the longest that the \
                 histograms hold",
                self.timeout_ms
            ));
        }
        Ok(())
    }
}

/// Sends the schedule, or this driver's part of it.
fn drive(
    args: &Args,
    target: &Target,
    schedule: &Schedule,
    start: Option<Start>,
) -> anyhow::Result<SegmentRecord> {
    let segment = args.segment.unwrap_or(Segment::WHOLE);
    let ops = segment.select(&schedule.ops);
    let Some(first) = ops.first() else {
        let what = format!("segment {segment} of {} requests has none", schedule.ops.len());
        return Err(UsageError(what).into());
    };
    let backlog = schedule.shape.peak_in(BACKLOG_NS, schedule.length_ns);
    let timeout = Duration::from_millis(args.timeout_ms);
    let mut client =
        Client::connect(args, target, timeout, backlog.div_ceil(u64::from(segment.of())))?;
    let mode = if args.closed { Mode::Closed } else { Mode::Open };
    if let Some(start) = &start {
        start.wait();
    }
    let (wall, late_start_ns) = (SystemTime::now(), start.map(|start| start.ago_ns()));
    let before_ns = thread_ns();
    let executed = client.execute(&ops, mode)?;
    let cpu_ns = thread_ns() - before_ns;
    let base_ns = executed.rows[0].intended_ns.saturating_sub(first.at_ns);
    if let Some(file) = &args.interval_log {
        // Closed loops have no schedule: their first request is the begin.
        let begin = if args.closed { executed.rows[0].intended_ns } else { base_ns };
        let text = interval_log::text(&executed.rows, begin, wall)?;
        write_atomically(file, text.as_bytes())
            .with_context(|| format!("the interval log {} cannot be written", file.display()))?;
    }
    let drive = Drive {
        scenario: scenario(args, target, schedule, start.as_ref()),
        seed: args.schedule.seed,
        segment,
        topology: if target.address.ip().is_loopback() { "colocated" } else { "split" },
        base_ns,
        executed: &executed,
        cpu_ns,
        late_start_ns,
    };
    Ok(drive.record())
}

fn scenario(args: &Args, target: &Target, schedule: &Schedule, start: Option<&Start>) -> Scenario {
    Scenario {
        request_sha256: sha256_hex(&target.exchange.request),
        expect_status: args.expect,
        mode: if args.closed { "closed" } else { "open" }.into(),
        arrivals: args.schedule.arrivals.name().into(),
        shape: schedule.shape.describe(),
        length_ns: schedule.length_ns,
        scheduled: schedule.ops.len() as u64,
        schedule_sha256: sha256(&schedule.ops),
        start_at: start.map(|start| humantime::format_rfc3339_nanos(start.wall).to_string()),
        pacing: args.pacing.name().into(),
        connections: args.connections,
        timeout_ns: args.timeout_ms.saturating_mul(1_000_000),
    }
}

/// Where the load goes, and what is sent there.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    exchange: Exchange,
}

impl Target {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let (address, path) = target(args)?;
        let headers: String = args.headers.iter().map(|line| format!("{line}\r\n")).collect();
        let expect = Expect::Status(args.expect);
        let exchange = Exchange::new(&args.method, address, &path, &headers, "", expect);
        Ok(Self { address, exchange })
    }
}

/// Where to, and which path. Loopback, unless the caller vouches for the target.
fn target(args: &Args) -> anyhow::Result<(SocketAddr, String)> {
    let refuse = |what: String| anyhow::Error::new(UsageError(what));
    let rest = args.url.strip_prefix("http://").ok_or_else(|| {
        refuse(format!("`{}` is not an http:// URL; https is not spoken here", args.url))
    })?;
    let (host, path) = rest
        .split_once('/')
        .map_or_else(|| (rest, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
    if path.contains([' ', '\r', '\n']) || args.headers.iter().any(|h| h.contains(['\r', '\n'])) {
        return Err(refuse("a path or a header holds a space or a line break".into()));
    }
    if let Some(wrong) = args.headers.iter().find(|h| !h.contains(": ")) {
        return Err(refuse(format!("the header `{wrong}` is not `Name: value`")));
    }
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let address = with_port
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| refuse(format!("`{host}` is no host and port that can be found")))?;
    if !address.ip().is_loopback() && !args.i_own_this {
        return Err(refuse(format!(
            "{address} is not on this machine; load goes to loopback unless --i-own-this says \
             that the target is yours"
        )));
    }
    Ok((address, path))
}
