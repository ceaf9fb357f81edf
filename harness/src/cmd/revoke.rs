//! `authbench revoke`: how long a revoked credential goes on working, against what was promised
//! and the law it should follow; with `--record`, kept as a run.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Family;
use comfy_table::Table;
use indicatif::ProgressBar;

use crate::cli::{Exit, UsageError};
use crate::cmd::kept;
use crate::cmd::list::plain_table;
use crate::cmd::report;
use crate::cmd::revoke_target::{self, TargetArgs};
use crate::cmd::run::{Progress, bar, clock_seed, shown_arguments};
use crate::measure::block::Interrupted;
use crate::measure::derive::derive;
use crate::measure::run::{Finished, Order, execute, planned_ms};
use crate::os::interrupt::Interrupt;
use crate::plan::{Part, Plan, PlannedArm, Profile, SpectrumPlan, usual_arm};
use crate::record::derived::{Derived, MassResult, RevocationLagResult};
use crate::record::io;
use crate::record::run::Run;
use crate::report::chart::Input;
use crate::report::format;
use crate::report::lag_tables::{conditions, kept, promised};
use crate::report::palette::Palette;
use crate::report::spectrum_tables;

/// The profile of a run that measures nothing else.
const PROFILE: &str = "revoke";

/// Arguments of `authbench revoke`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only these strategies [default: every one that takes credentials back]
    #[arg(value_name = "STRATEGY")]
    strategies: Vec<String>,
    /// Server processes that share the store; several counts ascend [default: 2,4]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    nodes: Vec<u32>,
    /// At most so many trials in a series; 59 bear a bound of the 95th percentile, 299 of the 99th
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials: Option<u32>,
    /// Only the logout of one credential at rest, on the first count of nodes
    #[arg(long)]
    plain: bool,
    /// These experiments [default: all; where strategies are named, lag]
    #[arg(long, value_name = "PART", num_args = 1.., value_enum)]
    parts: Vec<Part>,
    /// Everything random follows from it [default: from the clock, and recorded]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Print the derived figures as JSON
    #[arg(long)]
    json: bool,
    /// Keep a record of that name, with its report; with --target, the file it is written to
    #[arg(long, value_name = "LABEL")]
    record: Option<String>,
    /// Where the record goes; must not exist [default: runs/<UTC date and time>-<label>]
    #[arg(long, value_name = "FOLDER", requires = "record")]
    out: Option<PathBuf>,
    /// Measure another application instead: the one that this TOML file describes
    #[arg(long, value_name = "FILE.toml",
          conflicts_with_all = ["strategies", "nodes", "trials", "plain", "parts", "out"])]
    target: Option<PathBuf>,
    /// The target is mine though it is not on this machine
    #[arg(long, requires = "target")]
    i_own_this: bool,
    /// Print the requests to the target, credentials masked, and send none
    #[arg(long, requires = "target")]
    dry_run: bool,
}

impl Args {
    /// The measurement of another application, where one is asked for.
    fn foreign(&self) -> Option<TargetArgs> {
        Some(TargetArgs {
            target: self.target.clone()?,
            i_own_this: self.i_own_this,
            dry_run: self.dry_run,
            record: self.record.as_ref().map(PathBuf::from),
            json: self.json,
            seed: self.seed.unwrap_or(1),
        })
    }
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(foreign) = args.foreign() {
        return revoke_target::run(&foreign);
    }
    let named = named(&args.strategies)?;
    let plan = plan(args, !named.is_empty())?;
    let kinds = if named.is_empty() { StrategyKind::ALL.to_vec() } else { named.clone() };
    let arms: Vec<PlannedArm> = kinds.into_iter().map(usual_arm).collect();
    let named_folder = |label: &String| kept::new_folder(args.out.as_deref(), label, "");
    let folder = args.record.as_ref().map(named_folder).transpose()?;
    let total_ms = planned_ms(&plan, &arms);
    eprintln!("planned: {} s", total_ms.div_ceil(1_000));
    let bar = if args.json { ProgressBar::hidden() } else { bar(total_ms) };
    let progress = Progress { bar, interrupt: Interrupt::listen()? };
    let order = Order {
        plan,
        arms,
        seed: args.seed.map_or_else(clock_seed, Ok)?,
        folder: folder.clone(),
        label: args.record.clone().unwrap_or_else(|| PROFILE.into()),
        argv: shown_arguments(),
        sabotage: None,
        predictions: None,
    };
    let finished = execute(order, &progress)?;
    progress.bar.finish_and_clear();
    conclude(args, &named, folder.as_deref(), &finished)?;
    let Finished { run, stopped } = finished;
    match stopped {
        Some(error) if error.is::<Interrupted>() => Ok(Exit::Failure),
        Some(error) => Err(error),
        None => Ok(verdict(&run, &named)),
    }
}

/// The strategies of these names.
fn named(names: &[String]) -> anyhow::Result<Vec<StrategyKind>> {
    let mut kinds: Vec<StrategyKind> = Vec::new();
    for name in names {
        let kind: StrategyKind = name.parse().map_err(|e| UsageError(format!("{e}")))?;
        if kind.properties().family == Family::Floor {
            let what = format!("`{name}` authenticates nobody: there is nothing to take back");
            return Err(UsageError(what).into());
        }
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// The shipped plan without its blocks, narrowed as asked for.
fn plan(args: &Args, is_named: bool) -> anyhow::Result<Plan> {
    let mut plan = Plan::shipped(Profile::Revocation)?;
    let mut spectrum = plan.spectrum.take().unwrap_or_default();
    plan.name = PROFILE.into();
    plan.citable = args.trials.is_none() && !args.plain;
    (plan.blocks, plan.micro_ms) = (0, 0);
    (plan.regimes, plan.distance) = (None, None);
    if is_named {
        // Whoever names a token wants to see it expire.
        plan.lag_token_strategies = u32::MAX;
        spectrum.mass_large.clear();
    }
    if !args.nodes.is_empty() {
        spectrum.nodes.clone_from(&args.nodes);
    }
    if !args.parts.is_empty() {
        spectrum.parts.clone_from(&args.parts);
    } else if is_named || args.plain {
        spectrum.parts = vec![Part::Lag];
    } else {
        spectrum.parts = SpectrumPlan::default().parts;
    }
    if args.plain {
        spectrum.nodes.truncate(1);
        (spectrum.load_per_second, spectrum.other_trials) = (0, 0);
        spectrum.mass.clear();
    }
    if let Some(trials) = args.trials {
        plan.lag_token_trials = plan.lag_token_trials.min(trials);
        spectrum = SpectrumPlan { trials, ..spectrum.limited_to(trials) };
    }
    spectrum.check().map_err(UsageError)?;
    plan.spectrum = Some(spectrum);
    Ok(plan)
}

/// Prints what was found; renders the record, where one is kept.
fn conclude(
    args: &Args,
    named: &[StrategyKind],
    folder: Option<&Path>,
    finished: &Finished,
) -> anyhow::Result<()> {
    let run = &finished.run;
    let derived = match folder {
        Some(folder) => {
            let files =
                report::generate(folder).context("the record is written, its report not")?;
            report::write(folder, &files).context("the record is written, its report not")?;
            io::read_derived(&folder.join(io::DERIVED_FILE))?
        }
        None => derive(run, &io::sha256_hex(&io::run_bytes(run)?)),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&derived)?);
    } else {
        print(run, &derived, named);
    }
    for missing in &run.not_measured {
        eprintln!("not measured: {}: {}", missing.what, missing.reason);
    }
    if let Some(folder) = folder {
        eprintln!("report: {}", folder.join("report.html").display());
    }
    Ok(())
}

/// Broken promises make the measurement's status that of an invalid one; a strategy that was asked
/// for and not measured is a failure.
fn verdict(run: &Run, named: &[StrategyKind]) -> Exit {
    if run.checks.iter().any(|check| !check.pass) {
        return Exit::Invalid;
    }
    let is_missing = |kind: &StrategyKind| {
        let failed = run.not_measured.iter().any(|missing| missing.what.contains(kind.name()));
        let lag = run.revocation_lag.iter().any(|lag| lag.strategy == kind.name());
        let fault = run.spectrum.faults.iter().any(|series| series.strategy == kind.name());
        let race = run.spectrum.races.iter().any(|series| series.strategy == kind.name());
        let write = run.spectrum.writes.iter().any(|row| row.strategy == kind.name());
        let weight = run.spectrum.node_memory.iter().any(|row| row.strategy == kind.name());
        failed || !(lag || fault || race || write || weight)
    };
    if named.iter().any(is_missing) { Exit::Failure } else { Exit::Ok }
}

fn print(run: &Run, derived: &Derived, named: &[StrategyKind]) {
    let is_wanted = |id: &str| named.is_empty() || named.iter().any(|kind| kind.name() == id);
    let lags: Vec<&RevocationLagResult> =
        derived.revocation_lag.iter().filter(|row| is_wanted(&row.strategy)).collect();
    if lags.iter().any(|row| row.basis == "measured") {
        println!("Lag from the acknowledgement; p95 and p99 are one-sided 95 % upper bounds.");
        println!("{}", table(&lags));
    }
    let laws = lags.iter().filter_map(|row| Some((row, row.lag_law.as_ref()?)));
    // That nothing was accepted is said by the table.
    for (row, law) in laws.filter(|(_, law)| !(law.agrees && law.law == "at-once")) {
        let verdict = if law.agrees { "agrees" } else { "DISAGREES" };
        let what = format!("{} (nodes: {})", conditions(row), row.nodes);
        println!("{}, {what}: {}: {verdict}: {}", row.strategy, law.law, law.detail);
    }
    if !derived.mass.is_empty() {
        println!(
            "\nMany logouts at once: cost of one on all nodes and Redis.\n{}",
            masses(derived)
        );
    }
    let palette = Palette::new(run);
    let input = Input { run, derived, palette: &palette };
    for found in spectrum_tables::all(&input).into_iter().filter(|found| !found.rows.is_empty()) {
        let head: Vec<&str> = found.head.iter().map(String::as_str).collect();
        let mut table = plain_table(&head);
        for row in &found.rows {
            table.add_row(row.iter().map(|cell| cell.replace('`', "")));
        }
        println!("\n{}\n{table}", found.caption);
    }
}

fn table(rows: &[&RevocationLagResult]) -> Table {
    let mut table = plain_table(&[
        "strategy",
        "revoked by",
        "nodes",
        "promise",
        "n",
        "p50",
        "p95",
        "p99",
        "max",
        "stale",
        "kept",
        "law",
    ]);
    let ns = |v: Option<i64>| v.map_or_else(|| "-".into(), |v| format::duration(v as f64));
    for row in rows {
        let law = row.lag_law.as_ref().map_or("-", |law| if law.agrees { "yes" } else { "NO" });
        table.add_row([
            row.strategy.clone(),
            if row.basis == "by-law" { "by law".into() } else { conditions(row) },
            row.nodes.to_string(),
            promised(row),
            row.trials.to_string(),
            ns(row.median_ns),
            ns(row.p95_upper_ns),
            ns(row.p99_upper_ns),
            ns(row.max_ns),
            row.stale_accepts.to_string(),
            kept(row).into(),
            law.into(),
        ]);
    }
    table
}

fn masses(derived: &Derived) -> Table {
    let mut table = plain_table(&[
        "strategy",
        "logouts",
        "logouts/s",
        "CPU, µs",
        "Redis, µs",
        "commands",
        "all refused",
        "at logouts/s",
    ]);
    let us = |ns: Option<f64>| ns.map_or_else(|| "-".into(), |ns| format!("{:.1}", ns / 1e3));
    for row in &derived.mass {
        let MassResult { strategy, logouts, per_second, .. } = row;
        table.add_row([
            strategy.clone(),
            logouts.to_string(),
            per_second.map_or_else(|| "-".into(), |n| format!("{n:.0}")),
            us(row.cpu_ns),
            us(row.store_cpu_ns),
            row.redis_commands.map_or_else(|| "-".into(), |n| format!("{n:.2}")),
            row.all_refused_after_ns.map_or_else(|| "-".into(), |ns| format::duration(ns as f64)),
            row.rate_per_second.to_string(),
        ]);
    }
    table
}
