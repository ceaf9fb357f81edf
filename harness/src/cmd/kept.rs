//! Run folders: a new one; one that exists, its record, and the record with more in it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::report;
use crate::cli::UsageError;
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
