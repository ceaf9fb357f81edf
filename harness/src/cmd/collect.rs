//! `authbench collect`: what Criterion and other programs timed, into a record.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::kept;
use crate::cli::{Exit, UsageError};
use crate::cmd::{report, run::shown_arguments};
use crate::measure::opening::{MICRO_PROFILE, Opening, begin_without_load};
use crate::measure::run::finish;
use crate::record::integrity::findings;
use crate::record::run::{MicroCell, NotMeasured, Run, Timer};
use crate::record::{criterion, io};

/// Arguments of `authbench collect`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Criterion's folder [default: $CRITERION_HOME, else target/criterion]
    #[arg(long, value_name = "DIR")]
    criterion: Option<PathBuf>,
    /// Cells of another program as well: a JSON array of them
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,
    /// An existing run folder to add them to, instead of a new one
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["label", "out"])]
    into: Option<PathBuf>,
    /// Where the new record goes; must not exist [default: runs/<UTC date and time>-<label>]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The new run's name [default: micro]
    #[arg(long)]
    label: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do. Nothing is written then.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let target = Target::of(args)?;
    let mut cells = Vec::new();
    let benches = criterion_folder(args);
    if let Some(folder) = &benches {
        let found = criterion::read(folder)?;
        found.notes.iter().for_each(|note| eprintln!("note: {note}"));
        cells = found.cells;
    }
    let others = args.cells.as_deref().map(read_cells).transpose()?.unwrap_or_default();
    let (of_criterion, of_others) = (cells.len(), others.len());
    let (folder, mut record) = match target {
        Target::Existing(folder, record) => (folder, *record),
        Target::New(folder, label) => (folder, begin_without_load(opening(label))?),
    };
    if benches.is_some() {
        // A bench that is not there any more must not go on standing in the record.
        record.micro.retain(|cell| cell.timer != Timer::Criterion);
    }
    add(&mut record, cells);
    add(&mut record, others);
    if args.into.is_none() {
        record.not_measured = not_loaded();
        finish(&mut record, None, started);
    }
    let micro = findings(&record).into_iter().find(|finding| finding.place.starts_with("micro "));
    if let Some(fault) = micro {
        anyhow::bail!("{}: {}; nothing was written", fault.place, fault.what);
    }
    if args.into.is_none() {
        io::create_folder(&folder)
            .with_context(|| format!("cannot make the results folder {}", folder.display()))?;
    }
    io::write_run(&folder, &record)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let files = report::generate(&folder).context("the record is written, its report not")?;
    report::write(&folder, &files).context("the record is written, its report not")?;
    println!("{of_criterion} cells of Criterion and {of_others} of other programs");
    println!("report: {}", folder.join("report.html").display());
    Ok(Exit::Ok)
}

/// Where the cells go.
enum Target {
    Existing(PathBuf, Box<Run>),
    New(PathBuf, String),
}

impl Target {
    /// Looks before anything else is done: a wrong folder is the caller's mistake.
    fn of(args: &Args) -> anyhow::Result<Self> {
        if let Some(folder) = &args.into {
            let path = folder.join(io::RUN_FILE);
            if !path.is_file() {
                let what =
                    format!("{} holds no {}; name a run folder", folder.display(), io::RUN_FILE);
                return Err(UsageError(what).into());
            }
            let loaded = io::read_run(&path).with_context(|| path.display().to_string())?;
            return Ok(Self::Existing(folder.clone(), Box::new(loaded.run)));
        }
        let label = args.label.clone().unwrap_or_else(|| MICRO_PROFILE.into());
        let folder = kept::new_folder(args.out.as_deref(), &label, ", or add to it by --into")?;
        Ok(Self::New(folder, label))
    }
}

/// The folder to read. Where none is named and there is none, cells of another program will do.
fn criterion_folder(args: &Args) -> Option<PathBuf> {
    let home = std::env::var_os("CRITERION_HOME").filter(|home| !home.is_empty());
    if let Some(named) = args.criterion.clone().or_else(|| home.map(PathBuf::from)) {
        return Some(named);
    }
    let usual = PathBuf::from("target").join("criterion");
    if args.cells.is_some() && !usual.exists() {
        eprintln!("note: there is no {}, so only the cells are collected", usual.display());
        return None;
    }
    Some(usual)
}

/// Cells that another program wrote, as they stand in a record.
fn read_cells(path: &Path) -> anyhow::Result<Vec<MicroCell>> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let cells: Vec<MicroCell> = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| anyhow::anyhow!("at `{}`: {}", error.path(), error.inner()))
        .with_context(|| format!("{} is no array of cells", path.display()))?;
    json.end().with_context(|| format!("{} goes on behind its array", path.display()))?;
    ensure!(!cells.is_empty(), "{} holds no cells", path.display());
    Ok(cells)
}

/// Adds cells; one of the same id and timer is replaced.
fn add(record: &mut Run, cells: Vec<MicroCell>) {
    for cell in cells {
        let same = |old: &&mut MicroCell| old.id == cell.id && old.timer == cell.timer;
        match record.micro.iter_mut().find(same) {
            Some(old) => *old = cell,
            None => record.micro.push(cell),
        }
    }
}

fn opening(label: String) -> Opening {
    Opening {
        label,
        profile: MICRO_PROFILE.into(),
        seed: 0,
        argv: shown_arguments(),
        citable: true,
        redis_server: None,
    }
}

/// What a record of collected figures cannot hold.
fn not_loaded() -> Vec<NotMeasured> {
    vec![NotMeasured {
        what: "ratios".into(),
        reason: "Criterion times one subject after the other, in different minutes".into(),
        remedy: "`authbench micro` alternates subject and reference".into(),
    }]
}
