//! `authbench micro`: operations in a loop, subject and reference alternating on the thread CPU
//! clock; with `--record`, everything that needs no server around it, kept as a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench::strategy::StrategyKind;
use authbench_subjects::bed::Bed;
use authbench_subjects::list;
use authbench_subjects::subject::Subject;
use comfy_table::Table;
use indicatif::ProgressBar;

use super::kept;
use crate::cli::{Exit, UsageError};
use crate::cmd::report;
use crate::cmd::run::{Progress, shown_arguments};
use crate::measure::derive::micro::result;
use crate::measure::loops;
use crate::measure::micro::{interleave, select};
use crate::measure::opening::{MICRO_PROFILE, Opening, begin_without_load};
use crate::measure::run::finish;
use crate::os::interrupt::Interrupt;
use crate::record::derived::{Estimate, MicroResult};
use crate::record::io;
use crate::record::run::{MicroCell, NotMeasured, Run};

/// Fewer rounds than this and the record is no more than a preview.
const CITABLE_ROUNDS: usize = 100;

/// Arguments of `authbench micro`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only subjects whose id contains this text, and what they alternate with
    #[arg(value_name = "TEXT")]
    filters: Vec<String>,
    /// How long, in seconds; setting up comes on top
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Only this strategy, and what it alternates with; may be given several times
    #[arg(long = "strategy", value_name = "ID")]
    strategies: Vec<String>,
    /// Orders the rounds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the ids and time nothing
    #[arg(long, conflicts_with_all = ["record", "json"])]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Keep a record with its report: the cells, sizes on the wire, memory in the store
    #[arg(long)]
    record: bool,
    /// The record's name [default: micro]
    #[arg(long, value_name = "NAME", requires = "record")]
    label: Option<String>,
    /// Where the record goes; must not exist [default: runs/<UTC date and time>-<label>]
    #[arg(long, value_name = "FOLDER", requires = "record")]
    out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let kinds: Vec<StrategyKind> = args
        .strategies
        .iter()
        .map(|name| name.parse().map_err(|e| UsageError(format!("{e}"))))
        .collect::<Result<_, _>>()?;
    let folder = args.record.then(|| folder(args)).transpose()?;
    let started = Instant::now();
    let bed = Bed::with_redis()?;
    if let Err(why) = &bed.redis {
        eprintln!("note: {why}; what needs a Redis is not measured");
    }
    let (subjects, references) = chosen(&bed, args, &kinds)?;
    if args.list {
        subjects.iter().for_each(|subject| println!("{}", subject.name));
        return Ok(Exit::Ok);
    }
    let progress = Progress { bar: ProgressBar::hidden(), interrupt: Interrupt::listen()? };
    eprintln!("setting up {} subjects, then timing for {} s", subjects.len(), args.seconds);
    let budget = Duration::from_secs(args.seconds);
    let mut cells = interleave(&bed, subjects, budget, args.seed, &progress)?;
    cells.retain(|cell| !references.contains(&cell.id));
    let results: Vec<MicroResult> = cells.iter().filter_map(result).collect();
    if let Some(folder) = &folder {
        let run = record(args, &bed, cells, started)?;
        keep(folder, &run)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("{}", table(&results));
    }
    if let Some(folder) = folder {
        eprintln!("report: {}", folder.join("report.html").display());
    }
    Ok(Exit::Ok)
}

/// The subjects that were asked for with their references, and which are references only.
fn chosen(
    bed: &Arc<Bed>,
    args: &Args,
    kinds: &[StrategyKind],
) -> anyhow::Result<(Vec<Subject>, Vec<String>)> {
    let mut filters = args.filters.clone();
    let all = list::everything(bed);
    let of_kinds = all.iter().filter(|s| s.strategy.is_some_and(|kind| kinds.contains(&kind)));
    filters.extend(of_kinds.map(|s| s.name.to_string()));
    if filters.is_empty() && !kinds.is_empty() {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let what = format!("{} needs a Redis, and there is none", names.join(", "));
        return Err(UsageError(what).into());
    }
    let (subjects, references) = select(all, &filters);
    if subjects.is_empty() {
        let what = format!(
            "no subject's id contains {}; `authbench micro --list` prints them",
            args.filters.join(" or ")
        );
        return Err(UsageError(what).into());
    }
    Ok((subjects, references))
}

fn folder(args: &Args) -> Result<PathBuf, UsageError> {
    let label = args.label.as_deref().unwrap_or(MICRO_PROFILE);
    kept::new_folder(args.out.as_deref(), label, "")
}

/// The cells, and what is counted instead of timed.
fn record(
    args: &Args,
    bed: &Arc<Bed>,
    cells: Vec<MicroCell>,
    started: Instant,
) -> anyhow::Result<Run> {
    let rounds = cells.iter().map(|cell| cell.iterations.len()).min().unwrap_or(0);
    let version = bed.redis.as_ref().ok().map(|stage| loops::redis_version(&stage.url));
    let mut run = begin_without_load(Opening {
        label: args.label.clone().unwrap_or_else(|| MICRO_PROFILE.into()),
        profile: MICRO_PROFILE.into(),
        seed: args.seed,
        argv: shown_arguments(),
        citable: rounds >= CITABLE_ROUNDS,
        redis_server: version.transpose()?,
    })?;
    run.micro = cells;
    if args.filters.is_empty() && args.strategies.is_empty() {
        loops::count(bed, &mut run)?;
    } else {
        run.not_measured.push(NotMeasured {
            what: "everything else".into(),
            reason: "only some subjects were asked for".into(),
            remedy: "run `authbench micro --record` without a filter".into(),
        });
    }
    if let Err(why) = &bed.redis {
        run.not_measured.push(NotMeasured {
            what: "what asks a Redis".into(),
            reason: why.clone(),
            remedy: "run scripts/setup, or set AUTHBENCH_REDIS_URL".into(),
        });
    }
    finish(&mut run, None, started);
    Ok(run)
}

fn keep(folder: &Path, run: &Run) -> anyhow::Result<()> {
    io::create_folder(folder)
        .with_context(|| format!("cannot make the results folder {}", folder.display()))?;
    io::write_run(folder, run)?;
    let files = report::generate(folder).context("the record is written, its report not")?;
    report::write(folder, &files).context("the record is written, its report not")
}

fn table(results: &[MicroResult]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "operation",
        "ns of CPU (95 %)",
        "store, ns of CPU",
        "wall, ns",
        "ratio of CPU (95 %)",
        "against",
    ]);
    let ns = |e: Option<Estimate>| {
        e.map_or_else(String::new, |e| format!("{:.0} ({:.0} to {:.0})", e.value, e.low, e.high))
    };
    for r in results {
        let ratio = r.total_ratio.or(r.ratio);
        table.add_row([
            r.id.clone(),
            ns(r.cpu_ns),
            ns(r.store_cpu_ns),
            ns(r.wall_ns),
            ratio.map_or_else(String::new, |e| {
                format!("{:.3} ({:.3} to {:.3})", e.value, e.low, e.high)
            }),
            r.reference.clone().unwrap_or_default(),
        ]);
    }
    table
}
