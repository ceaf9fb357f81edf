//! `authbench load`: open-loop load on any URL, latency from the intended start.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use comfy_table::Table;
use serde::Serialize;

use crate::cli::{Exit, UsageError};
use crate::load::driver::{Driver, DriverSettings, Executed, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::{Row, ledger, nearest_rank};
use crate::load::pacer::Pacing;
use crate::load::schedule::{Arrivals, stream};
use crate::measure::histogram::LatencyHistogram;
use crate::os::cpu::thread_ns;
use crate::record::run::Ledger;

/// Most requests one call may send: rows are kept in memory, and a typo must not fill it.
const REQUESTS_MAX: u64 = 20_000_000;
/// Above this 99th percentile of its own lateness the driver's latencies are not the target's.
const SLIP_LIMIT_NS: u64 = 2_000_000;
const PERMILLES: [u32; 5] = [500, 900, 990, 999, 1_000];

/// Arguments of `authbench load`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// http://host:port/path
    url: String,
    /// Requests per second
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
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
    /// The arrival law
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// How the driver wakes
    #[arg(long, value_enum, default_value = "exact")]
    pacing: Pacing,
    /// Send whenever a connection is free instead: throughput, never latency
    #[arg(long)]
    closed: bool,
    /// A request unanswered this long after its intended start has failed, milliseconds
    #[arg(long, default_value_t = 5_000)]
    timeout_ms: u64,
    /// The schedule's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The target is mine though it is not on this machine
    #[arg(long)]
    i_own_this: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the load showed.
#[derive(Debug, Serialize)]
struct Findings {
    mode: &'static str,
    arrivals: &'static str,
    pacing: &'static str,
    rate_per_second: u64,
    connections: u32,
    ledger: Ledger,
    achieved_per_second: f64,
    /// (permille, response, service), nanoseconds; null with fewer than 100 samples beyond.
    percentiles: Vec<(u32, Option<u64>, Option<u64>)>,
    slip_p99_ns: u64,
    driver_cpu_ns_per_request: u64,
    reconnects: u64,
    valid: bool,
    invalid_reason: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (address, path) = target(args)?;
    let requests = args.rate.saturating_mul(args.seconds);
    if requests == 0 || requests > REQUESTS_MAX || args.connections == 0 {
        return Err(UsageError(format!(
            "rate x seconds is {requests}, over {} connections; at least 1 and at most \
             {REQUESTS_MAX} requests, over at least 1 connection",
            args.connections
        ))
        .into());
    }
    let mut driver = Driver::new(DriverSettings {
        pacing: args.pacing,
        timeout: Duration::from_millis(args.timeout_ms),
        backlog_limit: usize::try_from(args.rate.saturating_mul(10))?,
        ..DriverSettings::default()
    })?;
    driver
        .add_target(address, args.connections as usize)
        .with_context(|| format!("cannot connect to {address}; is the server running?"))?;
    let headers: String = args.headers.iter().map(|line| format!("{line}\r\n")).collect();
    let exchange =
        Exchange::new(&args.method, address, &path, &headers, "", Expect::Status(args.expect));
    probe(&mut driver, &exchange, address)?;

    let mut rng = stream(args.seed, "load", 0);
    let ops: Vec<Op> = args
        .arrivals
        .times(args.rate, args.seconds.saturating_mul(1_000_000_000), &mut rng)
        .into_iter()
        .map(|at_ns| Op { at_ns, target: 0, exchange: 0 })
        .collect();
    let mode = if args.closed { Mode::Closed } else { Mode::Open };
    let before_ns = thread_ns();
    let executed = driver.execute(&ops, &[exchange], mode, false)?;
    let cpu_ns = thread_ns() - before_ns;
    let findings = judge(args, &executed, cpu_ns);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print(&findings);
    }
    Ok(if findings.valid { Exit::Ok } else { Exit::Invalid })
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

/// One request before the load: a target that is no HTTP server, or refuses, is not loaded.
fn probe(driver: &mut Driver, exchange: &Exchange, address: SocketAddr) -> anyhow::Result<()> {
    let op = [Op { at_ns: 0, target: 0, exchange: 0 }];
    let executed = driver.execute(&op, std::slice::from_ref(exchange), Mode::Closed, false)?;
    let row = executed.rows[0];
    ensure!(
        row.status != 0,
        "{address} did not answer one request with HTTP/1.1 and a Content-Length: {:?}",
        row.outcome
    );
    let Expect::Status(wanted) = exchange.expect else { return Ok(()) };
    ensure!(
        row.status == wanted,
        "{address} answered one request with status {}, not {wanted}; --expect names another",
        row.status
    );
    Ok(())
}

fn judge(args: &Args, executed: &Executed, cpu_ns: u64) -> Findings {
    let ledger = ledger(&executed.rows);
    let (mut response, mut service) = (LatencyHistogram::new(), LatencyHistogram::new());
    for row in executed.rows.iter().filter(|row| row.was_answered()) {
        response.record(row.response_ns());
        service.record(row.service_ns());
    }
    let mut slips: Vec<u64> = executed.rows.iter().map(Row::slip_ns).collect();
    let slip_p99_ns = nearest_rank(&mut slips, 990);
    let begin = executed.rows.iter().map(|r| r.intended_ns).min().unwrap_or(0);
    let end = executed.rows.iter().map(|r| r.done_ns).max().unwrap_or(0);
    let seconds = (end.saturating_sub(begin) as f64 / 1e9).max(1e-9);
    let is_late = !args.closed && slip_p99_ns > SLIP_LIMIT_NS;
    let percentiles = PERMILLES
        .into_iter()
        .map(|p| match p {
            1_000 => (p, response.max_ns(), service.max_ns()),
            _ => (p, response.supported_percentile(p), service.supported_percentile(p)),
        })
        .collect();
    Findings {
        mode: if args.closed { "closed" } else { "open" },
        arrivals: args.arrivals.name(),
        pacing: args.pacing.name(),
        rate_per_second: args.rate,
        connections: args.connections,
        achieved_per_second: response.len() as f64 / seconds,
        percentiles,
        slip_p99_ns,
        driver_cpu_ns_per_request: cpu_ns / ledger.scheduled.max(1),
        reconnects: executed.reconnects,
        valid: !is_late,
        invalid_reason: is_late.then(|| {
            format!(
                "the driver itself was late: 99th percentile of slip {} us, limit {} us; lower the \
                 rate or free a core",
                slip_p99_ns / 1_000,
                SLIP_LIMIT_NS / 1_000
            )
        }),
        ledger,
    }
}

fn print(findings: &Findings) {
    let l = findings.ledger;
    println!(
        "{} loop, {} arrivals at {}/s, {} pacing, {} connections",
        findings.mode,
        findings.arrivals,
        findings.rate_per_second,
        findings.pacing,
        findings.connections
    );
    println!(
        "scheduled {} = expected {} + wrong outcome {} + http error {} + connection error {} + \
         timeout {} + shed {}",
        l.scheduled,
        l.expected,
        l.wrong_outcome,
        l.http_error,
        l.connection_error,
        l.timeout,
        l.shed
    );
    println!(
        "answered {:.0}/s; driver {} ns of CPU a request, slip p99 {} us, {} reconnects",
        findings.achieved_per_second,
        findings.driver_cpu_ns_per_request,
        findings.slip_p99_ns / 1_000,
        findings.reconnects
    );
    if let Some(reason) = &findings.invalid_reason {
        println!("INVALID: {reason}");
        return;
    }
    let mut table = Table::new();
    table.set_header(["percentile", "response (from intended start)", "service (from first byte)"]);
    let shown = |ns: Option<u64>| {
        ns.map_or_else(|| "n too small".to_owned(), |ns| format!("{:.1} us", ns as f64 / 1e3))
    };
    for (permille, response, service) in &findings.percentiles {
        let name = match permille {
            1_000 => "max".to_owned(),
            p => format!("p{}", f64::from(*p) / 10.0),
        };
        table.add_row([name, shown(*response), shown(*service)]);
    }
    println!("{table}");
}
