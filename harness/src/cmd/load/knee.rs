//! `authbench load --find-knee`: loads the target step by step until it does not keep up.

use std::time::Duration;

use anyhow::ensure;
use comfy_table::Table;
use serde::Serialize;

use super::client::Client;
use super::{Args, Target};
use crate::cli::{Exit, UsageError};
use crate::load::driver::Mode;
use crate::load::exchange::Op;
use crate::load::knee::{Knee, Observation, Range, STEPS_MAX, Search, Verdict, search};
use crate::load::outcome::ledger;
use crate::load::schedule::stream;
use crate::measure::drive::{Stamps, open_gates};
use crate::measure::histogram::supports;
use crate::measure::ranked::Ranked;
use crate::measure::stationarity::stationarity;
use crate::os::cpu::thread_ns;

/// The search begins here, requests per second.
const LOW: u64 = 100;
/// And looks no further than here.
const HIGH: u64 = 1_000_000;
/// Most seconds of load that a search may take.
const SECONDS_MAX: u64 = 1_800;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Found {
    slo_ns: u64,
    step_seconds: u64,
    connections: u32,
    pacing: &'static str,
    steps: Vec<FoundStep>,
    /// `at`, `hysteresis`, `at-least`, `below` or `unknown`.
    answer: &'static str,
    rate_per_second: Option<u64>,
    says: String,
    valid: bool,
}

#[derive(Debug, Serialize)]
struct FoundStep {
    phase: &'static str,
    rate_per_second: u64,
    achieved: f64,
    failures: u64,
    p99_ns: Option<u64>,
    in_flight_slope: f64,
    verdict: &'static str,
    why: Option<String>,
}

/// Searches, prints the steps and the answer.
///
/// # Errors
/// When the arguments ask for too much, or the target cannot be loaded at all.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let step = args.step_seconds;
    if step == 0 || step.saturating_mul(STEPS_MAX as u64) > SECONDS_MAX {
        return Err(UsageError(format!(
            "--step-seconds is {step}; at least 1, and {STEPS_MAX} steps within {SECONDS_MAX} s"
        ))
        .into());
    }
    if args.slo_ms == 0 || args.connections == 0 {
        return Err(UsageError("--slo-ms and --connections are at least 1".into()).into());
    }
    let target = Target::of(args)?;
    // What waits longer than a second is overload already; a long queue only delays the next step.
    let timeout = Duration::from_millis(args.timeout_ms.min(1_000 + args.slo_ms));
    let mut client = Client::connect(args, &target, timeout, HIGH)?;
    let range = Range { low: LOW, high: HIGH, slo_ns: args.slo_ms.saturating_mul(1_000_000) };
    let mut n = 0;
    let found = search(range, |rate| {
        n += 1;
        let seen = probe(&mut client, args, rate, n, timeout)?;
        eprintln!("step {n}: {rate}/s {}", shown(&seen.judge(rate, range.slo_ns)));
        Ok::<_, anyhow::Error>(seen)
    })?;
    let found = Found::of(args, range, found);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        found.print();
    }
    Ok(if found.valid { Exit::Ok } else { Exit::Invalid })
}

/// One step: a steady rate, an open loop.
fn probe(
    client: &mut Client,
    args: &Args,
    rate: u64,
    n: u64,
    timeout: Duration,
) -> anyhow::Result<Observation> {
    let length_ns = args.step_seconds * 1_000_000_000;
    let times =
        args.schedule.arrivals.times(rate, length_ns, &mut stream(args.schedule.seed, "knee", n));
    let ops: Vec<Op> =
        times.into_iter().map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect();
    ensure!(!ops.is_empty(), "a step of {rate}/s holds no request");
    let before_ns = thread_ns();
    let rows = client.execute(&ops, Mode::Open)?.rows;
    let cpu_ns = thread_ns() - before_ns;
    let base_ns = rows[0].intended_ns.saturating_sub(ops[0].at_ns);
    let end_ns = rows.iter().map(|row| row.done_ns).max().unwrap_or(0);
    let ledger = ledger(&rows);
    let stamps = Stamps::of(&rows);
    let failed = ledger.scheduled - ledger.expected;
    let ranked = Ranked { ok: &stamps.response, failed, timeout };
    let fault = open_gates(&rows, base_ns, length_ns, cpu_ns).into_iter().find(|gate| !gate.pass);
    // What was answered while it was offered, against what was; an idle tail is no shortfall.
    let seconds = end_ns.saturating_sub(base_ns).max(length_ns) as f64 / 1e9;
    let offered = ops.len() as f64 / (length_ns as f64 / 1e9);
    Ok(Observation {
        achieved: ledger.expected as f64 / seconds / offered,
        failures: failed,
        p99_ns: ranked.all(990).and_then(|rank| rank.value_ns()),
        in_flight_slope: stationarity(&rows).in_flight_slope_per_s,
        driver_fault: fault.map(|gate| format!("{}: {}", gate.name, gate.detail)),
    })
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Sustained => "sustained".into(),
        Verdict::Overloaded(why) => format!("not sustained: {why}"),
        Verdict::DriverLimited(why) => format!("driver-limited: {why}"),
    }
}

impl Found {
    fn of(args: &Args, range: Range, search: Search) -> Self {
        let steps = search.steps.into_iter().map(|step| {
            let (verdict, why) = match step.verdict {
                Verdict::Sustained => ("sustained", None),
                Verdict::Overloaded(why) => ("not-sustained", Some(why)),
                Verdict::DriverLimited(why) => ("driver-limited", Some(why)),
            };
            // A step in which the driver was at fault has no percentile.
            let is_judged =
                verdict != "driver-limited" && supports(step.rate * args.step_seconds, 990);
            FoundStep {
                phase: step.phase.name(),
                rate_per_second: step.rate,
                achieved: step.seen.achieved,
                failures: step.seen.failures,
                p99_ns: step.seen.p99_ns.filter(|_| is_judged),
                in_flight_slope: step.seen.in_flight_slope,
                verdict,
                why,
            }
        });
        let steps = steps.collect();
        let (answer, rate_per_second, says) = answer(&search.knee);
        Self {
            slo_ns: range.slo_ns,
            step_seconds: args.step_seconds,
            connections: args.connections,
            pacing: args.pacing.name(),
            steps,
            answer,
            rate_per_second,
            says,
            valid: !matches!(search.knee, Knee::Unknown { .. }),
        }
    }

    fn print(&self) {
        let mut table = Table::new();
        table.set_header([
            "phase",
            "offered /s",
            "answered",
            "p99",
            "in flight, growth",
            "verdict",
        ]);
        for step in &self.steps {
            let p99 = step.p99_ns.map_or_else(|| "-".into(), |ns| format!("{} us", ns / 1_000));
            let why = step.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            table.add_row([
                step.phase.to_owned(),
                step.rate_per_second.to_string(),
                format!("{:.3}", step.achieved),
                p99,
                format!("{:+.0}/s", step.in_flight_slope.round() + 0.0),
                format!("{}{why}", step.verdict),
            ]);
        }
        println!("{table}");
        println!("knee: {}", self.says);
    }
}

fn answer(knee: &Knee) -> (&'static str, Option<u64>, String) {
    match knee {
        Knee::At { rate, above } => {
            ("at", Some(*rate), format!("{rate}/s is sustained, {above}/s is not; confirmed"))
        }
        Knee::Hysteresis { rate, again } => {
            let after = again.map_or_else(
                || "nothing from there down to the lowest rate".to_owned(),
                |again| format!("of the rates tried only {again}/s"),
            );
            let says = format!("{rate}/s is sustained on the way up; after an overload {after} is");
            ("hysteresis", Some(*rate), says)
        }
        Knee::AtLeast { rate, why } => {
            ("at-least", Some(*rate), format!("at least {rate}/s, {why}"))
        }
        Knee::Below { rate, why } => ("below", None, format!("below {rate}/s: {why}")),
        Knee::Unknown { why } => {
            ("unknown", None, format!("unknown: the driver was limited before any answer: {why}"))
        }
    }
}
