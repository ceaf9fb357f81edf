//! Run folders: a new one; one that exists, its record, and the record with more in it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::report;
use crate::cli::UsageError;
use crate::measure::derive::derive;
use crate::record::DERIVED_METHOD_VERSION;
use crate::record::derived::Derived;
use crate::record::io;
use crate::record::run::Run;

/// The folder of a new run: `out`, else one under `runs` named by time and `label`.
///
/// # Errors
/// When it exists; `or_else` says what could be done besides naming another.
pub(super) fn new_folder(
    out: Option<&Path>,
    label: &str,
    or_else: &str,
) -> Result<PathBuf, UsageError> {
    let named = || PathBuf::from("runs").join(format!("{}-{label}", io::compact(&io::utc_now())));
    let folder = out.map_or_else(named, Path::to_owned);
    if folder.exists() {
        return Err(UsageError(format!(
            "{} exists, and results are never overwritten; name another folder by --out{or_else}",
            folder.display()
        )));
    }
    Ok(folder)
}

/// A record that is there.
pub(super) struct Kept {
    /// Its folder's name.
    pub(super) name: String,
    /// What was measured.
    pub(super) run: Run,
    /// What follows from it.
    pub(super) derived: Derived,
}

/// The records of `from`, or every one of results/ when it is empty.
///
/// # Errors
/// When one that is named is not there, or one cannot be read.
pub(super) fn all(from: &[PathBuf]) -> anyhow::Result<Vec<Kept>> {
    let folders = if from.is_empty() {
        report::kept(&report::results()?)?
    } else {
        from.iter().map(|given| report::folder(given)).collect::<anyhow::Result<_>>()?
    };
    let read = |folder: &PathBuf| {
        let (run, derived) = load(folder)?;
        let name = folder.file_name().map_or_else(|| ".".into(), |n| n.to_string_lossy().into());
        Ok(Kept { name, run, derived })
    };
    folders.iter().map(read).collect()
}

/// A record and what follows from it: what was computed before, where it is of this very record.
fn load(folder: &Path) -> anyhow::Result<(Run, Derived)> {
    let path = folder.join(io::RUN_FILE);
    let loaded = io::read_run(&path).with_context(|| path.display().to_string())?;
    let before = io::read_derived(&folder.join(io::DERIVED_FILE)).ok().filter(|derived| {
        derived.run_sha256 == loaded.sha256 && derived.method_version == DERIVED_METHOD_VERSION
    });
    let derived = before.unwrap_or_else(|| derive(&loaded.run, &loaded.sha256));
    Ok((loaded.run, derived))
}

/// The record of a run folder.
///
/// # Errors
/// When there is none (usage), or it cannot be read.
pub(super) fn existing(folder: &Path) -> anyhow::Result<(PathBuf, Run)> {
    let path = folder.join(io::RUN_FILE);
    if !path.is_file() {
        let what = format!("{} holds no {}; name a run folder", folder.display(), io::RUN_FILE);
        return Err(UsageError(what).into());
    }
    let loaded = io::read_run(&path).with_context(|| path.display().to_string())?;
    Ok((folder.to_owned(), loaded.run))
}

/// Writes the record back, renders everything anew, and says where.
///
/// # Errors
/// When something cannot be written.
pub(super) fn keep(folder: &Path, record: &Run) -> anyhow::Result<()> {
    io::write_run(folder, record)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let files = report::generate(folder).context("the record is written, its report not")?;
    report::write(folder, &files).context("the record is written, its report not")?;
    eprintln!("report: {}", folder.join("report.html").display());
    Ok(())
}
