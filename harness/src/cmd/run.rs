//! `authbench run`: the main job: plan, servers, load, record, report.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use authbench::strategy::StrategyKind;
use indicatif::{ProgressBar, ProgressStyle};

use super::kept;
use crate::cli::{Exit, UsageError};
use crate::cmd::report;
use crate::measure::block::{Interrupted, Watcher};
use crate::measure::run::{Finished, Order, execute, planned_ms};
use crate::os::interrupt::Interrupt;
use crate::plan::{Plan, Profile, expand};
use crate::record::io;
use crate::record::run::Status;
use crate::report::summary::summary;

/// Arguments of `authbench run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A shipped plan
    #[arg(long, value_enum, default_value = "quick")]
    profile: Profile,
    /// A plan file of your own, instead of a shipped one
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    plan: Option<PathBuf>,
    /// Only this strategy beside the floor; may be given several times
    #[arg(long = "strategy", value_name = "ID")]
    strategies: Vec<String>,
    /// Where the record goes; must not exist [default: runs/<UTC date and time>-<label>]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The run's name [default: the profile's]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Everything random follows from it [default: from the clock, and recorded]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Print the derived figures as JSON
    #[arg(long)]
    json: bool,
}

/// A bar on standard error, and the signal that ends the run early.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) bar: ProgressBar,
    pub(super) interrupt: Interrupt,
}

impl Watcher for Progress {
    fn passed(&self, ms: u64) {
        self.bar.inc(ms);
    }

    fn check(&self) -> Result<(), Interrupted> {
        if self.interrupt.is_set() { Err(Interrupted) } else { Ok(()) }
    }
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let usage = |e: &dyn std::fmt::Display| anyhow::Error::new(UsageError(e.to_string()));
    let plan = match &args.plan {
        Some(path) => Plan::read(path),
        None => Plan::shipped(args.profile),
    }
    .map_err(|e| usage(&e))?;
    let only: Vec<StrategyKind> = args
        .strategies
        .iter()
        .map(|name| name.parse().map_err(|e| usage(&e)))
        .collect::<Result<_, _>>()?;
    let arms = expand(&plan, &only).map_err(|e| usage(&e))?;
    let label = args.label.clone().unwrap_or_else(|| plan.name.clone());
    let folder = kept::new_folder(args.out.as_deref(), &label, "")?;
    if std::thread::available_parallelism().is_ok_and(|n| n.get() == 1) {
        eprintln!(
            "note: one core: driver and server take turns on it; latency says nothing here and \
             CPU ratios are wider"
        );
    }

    let progress = Progress { bar: bar(planned_ms(&plan, &arms)), interrupt: Interrupt::listen()? };
    let seed = args.seed.map_or_else(clock_seed, Ok)?;
    let (folder, argv) = (folder.clone(), shown_arguments());
    let out = Some(folder.clone());
    let order =
        Order { plan, arms, seed, folder: out, label, argv, sabotage: None, predictions: None };
    let finished = execute(order, &progress)?;
    progress.bar.finish_and_clear();
    conclude_run(args.json, &folder, finished)
}

/// Renders what there is and says how the run ended.
///
/// # Errors
/// When its report cannot be written, or what stopped the run early.
pub(super) fn conclude_run(
    json: bool,
    folder: &std::path::Path,
    finished: Finished,
) -> anyhow::Result<Exit> {
    let Finished { run, stopped } = finished;
    let files = report::generate(folder).context("the record is written, its report not")?;
    report::write(folder, &files).context("the record is written, its report not")?;
    let derived = io::read_derived(&folder.join(io::DERIVED_FILE))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&derived)?);
    } else {
        print!("{}", summary(&run, &derived));
        println!("\nreport: {}", folder.join("report.html").display());
    }
    for reason in &run.run.reasons {
        eprintln!("{}: {reason}", folder.display());
    }
    match (run.run.status, stopped) {
        (_, Some(error)) if error.is::<Interrupted>() => Ok(Exit::Failure),
        (_, Some(error)) => Err(error.context("the run stopped early; its record is partial")),
        (Status::Invalid, None) => Ok(Exit::Invalid),
        (Status::Complete | Status::Partial, None) => Ok(Exit::Ok),
    }
}

pub(super) fn bar(total_ms: u64) -> ProgressBar {
    // Drawn between slots alone, and not at all when standard error is no terminal.
    let style = ProgressStyle::with_template("{bar:40} {percent:>3}%  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total_ms).with_style(style)
}

pub(super) fn clock_seed() -> anyhow::Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(u64::try_from(since.as_nanos() & u128::from(u64::MAX))?)
}

/// The arguments as a record may show them: paths reduced to their last component.
pub(super) fn shown_arguments() -> Vec<String> {
    std::env::args_os()
        .skip(1)
        .map(|argument| {
            let path = std::path::Path::new(&argument);
            let last = path.file_name().unwrap_or(&argument);
            last.to_string_lossy().into_owned()
        })
        .collect()
}
