//! `authbench report`: pages, charts and tables from a record.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, bail};

use super::overview;
use crate::cli::Exit;
use crate::measure::derive::derive;
use crate::record::derived::Derived;
use crate::record::io::{DERIVED_FILE, RUN_FILE, derived_bytes, read_run, write_atomically};
use crate::record::run::Run;
use crate::report::splice::{Source, mentions, splice};
use crate::report::{self, Files};

/// Where kept runs live.
const RESULTS: &str = "results";
/// The folder in it that holds the JSON Schema, whose `run.json` is no record.
const SCHEMAS: &str = "schema";
/// Documents with spliced figures, when none is named.
const DOCUMENTS: [&str; 2] = ["README.md", "METHODOLOGY.md"];

/// Arguments of `authbench report`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Results folders; without any, every folder of results/ and the spliced documents
    pub folders: Vec<PathBuf>,
    /// Write nothing; name every generated file that is stale, missing or extra, and exit with 1
    #[arg(long)]
    pub check: bool,
    /// Documents with spliced figures [default without folders: README.md and METHODOLOGY.md]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub splice: Vec<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// When a folder is missing, holds no record, cannot be read or cannot be written to.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let root = root()?;
    let folders = if args.folders.is_empty() {
        kept(&root.join(RESULTS))?
    } else {
        args.folders.iter().map(|given| folder(given)).collect::<anyhow::Result<_>>()?
    };
    let documents = documents(args, &root);
    let mut out = std::io::stdout().lock();
    let mut wrong = 0_usize;
    let records = Records::default();
    let mut renew = |file: &Path, text: &str, part: &str| -> anyhow::Result<usize> {
        if args.check {
            writeln!(out, "stale: {}{part}", file.display())?;
            return Ok(1);
        }
        save(file, text.as_bytes())?;
        writeln!(out, "wrote {}", file.display())?;
        Ok(0)
    };
    if args.folders.is_empty() && args.splice.is_empty() {
        for (file, text) in overview::files(&root.join(RESULTS), &folders, &records)? {
            if fs::read(&file).ok().as_deref() != Some(text.as_bytes()) {
                wrong += renew(&file, &text, "")?;
            }
        }
    }
    for document in &documents {
        let (old, new) = spliced(document, &records)?;
        if old != new {
            wrong += renew(document, &new, " (between its authbench markers)")?;
        }
    }
    for folder in &folders {
        let files = pages(&*records.load(folder)?)?;
        if args.check {
            for line in differences(folder, &files)? {
                wrong += 1;
                writeln!(out, "{line}")?;
            }
        } else {
            write(folder, &files)?;
            writeln!(out, "wrote {}", folder.join("report.html").display())?;
        }
    }
    if !args.check {
        return Ok(Exit::Ok);
    }
    if wrong > 0 {
        eprintln!(
            "{wrong} generated files differ from their records; `authbench report` renders them"
        );
        return Ok(Exit::Failure);
    }
    if folders.is_empty() && documents.is_empty() {
        anyhow::bail!("nothing to check: results/ holds no record here, and no folder was named");
    }
    writeln!(out, "{} folders and {} documents are up to date", folders.len(), documents.len())?;
    Ok(Exit::Ok)
}

/// What a results folder holds beside its record: `derived.json`, pages, charts.
///
/// # Errors
/// When the record cannot be read.
pub fn generate(folder: &Path) -> anyhow::Result<Files> {
    pages(&load(folder)?)
}

fn pages((run, derived): &(Run, Derived)) -> anyhow::Result<Files> {
    let mut files = report::render(run, derived)?;
    files.insert(DERIVED_FILE.into(), String::from_utf8(derived_bytes(derived)?)?);
    Ok(files)
}

/// Writes generated files into a results folder and removes charts that are no longer drawn.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    let charts = folder.join("charts");
    fs::create_dir_all(&charts)
        .with_context(|| format!("cannot make {}; is it writable?", charts.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        // Files that are right already keep their date.
        if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            save(&path, text.as_bytes())?;
        }
    }
    for path in extra(folder, files)? {
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn save(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, bytes)
        .with_context(|| format!("cannot write {}; are file and folder writable?", path.display()))
}

/// The record of a results folder, and what follows from it.
///
/// # Errors
/// When it cannot be read.
fn load(folder: &Path) -> anyhow::Result<(Run, Derived)> {
    let path = folder.join(RUN_FILE);
    let loaded = read_run(&path).with_context(|| path.display().to_string())?;
    let derived = derive(&loaded.run, &loaded.sha256);
    Ok((loaded.run, derived))
}

/// The records of one call: each is read, and what follows from it computed, once.
#[derive(Default)]
pub(super) struct Records(RefCell<BTreeMap<PathBuf, Rc<(Run, Derived)>>>);

impl Records {
    /// The record of a results folder, and what follows from it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn load(&self, folder: &Path) -> anyhow::Result<Rc<(Run, Derived)>> {
        let key = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let record = Rc::new(load(folder)?);
        self.0.borrow_mut().insert(key, Rc::clone(&record));
        Ok(record)
    }
}

/// The folder of kept runs.
///
/// # Errors
/// When the current folder cannot be read.
pub(super) fn results() -> anyhow::Result<PathBuf> {
    Ok(root()?.join(RESULTS))
}

/// The nearest folder upwards with a repository, else the current one.
fn root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder cannot be read")?;
    let top = here.ancestors().find(|folder| folder.join(".git").exists());
    Ok(match top {
        // Names relative to where the reader stands.
        Some(top) if top != here => top.to_owned(),
        _ => PathBuf::from("."),
    })
}

/// A results folder as given: the folder itself or its record.
///
/// # Errors
/// When there is no such folder, or no record in it.
pub(super) fn folder(given: &Path) -> anyhow::Result<PathBuf> {
    let folder = if given.file_name().is_some_and(|name| name == RUN_FILE) && given.is_file() {
        given.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
    } else {
        given
    };
    match fs::metadata(folder) {
        Ok(data) if !data.is_dir() => bail!("{} is not a results folder", folder.display()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{} does not exist; give a results folder", folder.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
        }
    }
    if !folder.join(RUN_FILE).exists() {
        bail!("{} holds no {RUN_FILE}; a results folder does", folder.display());
    }
    Ok(folder.to_owned())
}

/// Every kept run, in the order of their names.
///
/// # Errors
/// When the folder cannot be listed; one that is not there holds none.
pub(super) fn kept(results: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(results) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error).with_context(|| results.display().to_string()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| results.display().to_string())?.path();
        if path.join(RUN_FILE).is_file() && !path.ends_with(SCHEMAS) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The named documents, or the usual ones when no folder was named either.
fn documents(args: &Args, root: &Path) -> Vec<PathBuf> {
    if !args.splice.is_empty() {
        return args.splice.clone();
    }
    if !args.folders.is_empty() {
        return vec![];
    }
    DOCUMENTS.iter().map(|name| root.join(name)).filter(|path| path.is_file()).collect()
}

/// One line for every generated file that is not as the record gives it.
fn differences(folder: &Path, files: &Files) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(bytes) if bytes == text.as_bytes() => {}
            Ok(_) => lines.push(format!("stale: {}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                lines.push(format!("missing: {}", path.display()));
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    let extra = extra(folder, files)?;
    lines.extend(extra.iter().map(|path| format!("extra: {}", path.display())));
    Ok(lines)
}

/// Charts that nothing draws.
fn extra(folder: &Path, files: &Files) -> anyhow::Result<BTreeSet<PathBuf>> {
    let charts = folder.join("charts");
    let entries = match fs::read_dir(&charts) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(|| charts.display().to_string()),
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let path = entry.with_context(|| charts.display().to_string())?.path();
        let name = path.file_name().map(|name| format!("charts/{}", name.to_string_lossy()));
        let svg = path.extension().is_some_and(|extension| extension == "svg");
        if svg && name.is_some_and(|name| !files.contains_key(&name)) {
            found.insert(path);
        }
    }
    Ok(found)
}

/// A document as it is and as its records give it.
fn spliced(document: &Path, records: &Records) -> anyhow::Result<(String, String)> {
    let old = fs::read_to_string(document)
        .with_context(|| format!("{} cannot be read", document.display()))?;
    if !mentions(&old) {
        return Ok((old.clone(), old));
    }
    let beside = document.parent().unwrap_or_else(|| Path::new(""));
    let mut sources: BTreeMap<String, Rc<Source>> = BTreeMap::new();
    let mut open = |name: &str| -> Result<Rc<Source>, String> {
        if let Some(source) = sources.get(name) {
            return Ok(Rc::clone(source));
        }
        let relative = Path::new(name);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("`run={name}`: it must be a folder beside the document"));
        }
        let source = folder(&beside.join(relative))
            .and_then(|folder| records.load(&folder))
            .and_then(|record| Source::new(record.0.clone(), record.1.clone()))
            .map_err(|error| format!("`run={name}`: {error:#}"))?;
        let source = Rc::new(source);
        sources.insert(name.to_owned(), Rc::clone(&source));
        Ok(source)
    };
    let cases = || overview::cases(records).map_err(|error| format!("{error:#}"));
    let new = splice(&old, &mut open, &cases).with_context(|| document.display().to_string())?;
    Ok((old, new))
}
