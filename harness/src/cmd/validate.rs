//! `authbench validate`: whether a run.json is whole, and says only what its own figures bear.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::cli::Exit;
use crate::measure::derive::derive;
use crate::record::integrity::{Finding, findings};
use crate::record::io::{DERIVED_FILE, Loaded, RUN_FILE, derived_bytes, read_run};
use crate::record::run::Run;

/// More findings than this are counted, not listed.
const LISTED: usize = 20;

/// Arguments of `authbench validate`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A run.json, or a folder that holds one
    pub file: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
///
/// # Errors
/// When the file is not a record at all: what is wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let path = if args.file.is_dir() { args.file.join(RUN_FILE) } else { args.file.clone() };
    let loaded = read_run(&path).with_context(|| path.display().to_string())?;
    let mut found = findings(&loaded.run);
    found.extend(derived_beside(&path, &loaded)?);
    let text =
        if args.json { as_json(&path, &loaded, &found) } else { as_text(&path, &loaded, &found) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if found.is_empty() { Exit::Ok } else { Exit::Invalid })
}

/// A `derived.json` in the same folder must be what this record gives, byte for byte: so a figure
/// changed in either of them is found.
fn derived_beside(path: &Path, loaded: &Loaded) -> anyhow::Result<Option<Finding>> {
    let beside = path.with_file_name(DERIVED_FILE);
    if !beside.is_file() {
        return Ok(None);
    }
    let kept = std::fs::read(&beside).with_context(|| beside.display().to_string())?;
    let anew = derived_bytes(&derive(&loaded.run, &loaded.sha256))?;
    Ok((kept != anew).then(|| Finding {
        place: DERIVED_FILE.into(),
        what: "it is not what this record gives".into(),
        remedy: "one of the two was altered, or another authbench computed it: restore run.json, \
                 then render the report again",
    }))
}

fn as_text(path: &Path, loaded: &Loaded, found: &[Finding]) -> String {
    use std::fmt::Write as _;
    let run = &loaded.run;
    let mut text = format!(
        "{}: {}\n  run {}, profile {}, {}, {}, sha256 {}\n",
        path.display(),
        if found.is_empty() { "valid" } else { "not valid as a measurement" },
        run.run.id,
        run.run.profile,
        json!(run.run.status).as_str().unwrap_or("?"),
        contents(run),
        loaded.sha256,
    );
    for finding in found.iter().take(LISTED) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}: {}\n    -> {}", finding.place, finding.what, finding.remedy);
    }
    if found.len() > LISTED {
        let _ = writeln!(text, "  and {} more", found.len() - LISTED);
    }
    text
}

/// `14 arms, 5 of 5 blocks`, and the parts without a server that are there.
fn contents(run: &Run) -> String {
    let mut parts = Vec::new();
    if let Some(plan) = &run.plan {
        let blocks = run.cells.iter().map(|cell| cell.block).collect::<BTreeSet<_>>().len();
        parts.push(format!("{} arms, {blocks} of {} blocks", run.arms.len(), plan.blocks));
    }
    let counted = [
        (run.micro.len(), "subjects timed in loops"),
        (run.wire.len(), "credentials on the wire"),
        (run.limits.len(), "limits"),
        (run.memory.len(), "entries weighed"),
        (run.tools.len(), "loads by this driver and other tools"),
    ];
    let there = counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    parts.extend(there);
    if parts.is_empty() { "nothing measured".into() } else { parts.join(", ") }
}

fn as_json(path: &Path, loaded: &Loaded, found: &[Finding]) -> String {
    let rows: Vec<_> = found
        .iter()
        .map(|finding| {
            json!({ "where": finding.place, "what": finding.what, "remedy": finding.remedy })
        })
        .collect();
    let result = json!({
        "file": path.file_name().map(|name| name.to_string_lossy()),
        "run": loaded.run.run.id,
        "status": loaded.run.run.status,
        "sha256": loaded.sha256,
        "valid": found.is_empty(),
        "findings": rows,
    });
    format!("{result:#}\n")
}
