//! `authbench decide`: which strategy, for a workload, by the records that are there.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::{Exit, UsageError};
use crate::cmd::kept::{self, Kept};
use crate::decide::choice::{Source, decide, seconds};
use crate::decide::sheet;
use crate::decide::workload::{PRESETS, Workload};
use crate::record::decision::Decision;
use crate::report::decision;

/// Arguments of `authbench decide`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A usual case: single-web-app, spa-backend, mobile, public-api, microservices, one-time-links
    #[arg(long, value_name = "NAME", conflicts_with = "workload")]
    pub preset: Option<String>,
    /// A workload of your own, TOML; `--print` shows one with every key
    #[arg(long, value_name = "FILE")]
    pub workload: Option<PathBuf>,
    /// Results folders to decide by [default: every folder of results/]
    #[arg(long, value_name = "FOLDER", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// Every figure of every strategy, the laws they were carried by, and the rows they stand in
    #[arg(long)]
    pub explain: bool,
    /// Print the decision as JSON
    #[arg(long)]
    pub json: bool,
    /// Print the workload as TOML and decide nothing
    #[arg(long)]
    pub print: bool,
}

/// Runs the verb.
///
/// # Errors
/// When the workload is wrong, or there is no record to decide by.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let workload = workload(args)?;
    let mut out = std::io::stdout().lock();
    if args.print {
        write!(out, "{}", sheet::written(&workload)?)?;
        return Ok(Exit::Ok);
    }
    let records = kept::all(&args.from)?;
    if records.is_empty() {
        bail!(
            "there is no record to decide by: results/ holds none; measure with scripts/run, or \
             name a results folder with --from"
        );
    }
    let decision = answer(&records, &workload)?;
    if args.json {
        serde_json::to_writer_pretty(&mut out, &decision)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", decision::text(&decision, &workload, args.explain))?;
    }
    Ok(if decision.choice.is_some() { Exit::Ok } else { Exit::Failure })
}

fn answer(records: &[Kept], workload: &Workload) -> anyhow::Result<Decision> {
    let sources: Vec<Source<'_>> = records
        .iter()
        .map(|kept| Source { name: &kept.name, run: &kept.run, derived: &kept.derived })
        .collect();
    for kept in records.iter().filter(|kept| kept.derived.withheld.is_some()) {
        eprintln!("note: {} is invalid, and nothing is taken from it", kept.name);
    }
    let decision = decide(&sources, workload);
    if decision.assessments.is_empty() {
        bail!("the records that were read are all invalid, or name no strategy");
    }
    Ok(decision)
}

/// The workload that was asked for; on a terminal, without any, by questions.
fn workload(args: &Args) -> anyhow::Result<Workload> {
    if let Some(name) = &args.preset {
        return Workload::preset(name).map_err(|e| UsageError(e.to_string()).into());
    }
    if let Some(file) = &args.workload {
        return read(file);
    }
    if std::io::stdin().is_terminal() {
        return asked();
    }
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    let all = names.join(", ");
    Err(UsageError(format!("give --workload FILE, or --preset with one of {all}")).into())
}

fn read(file: &Path) -> anyhow::Result<Workload> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|e| UsageError(format!("the workload {name} cannot be read: {e}")))?;
    Workload::parse(&name, &text).map_err(|e| UsageError(e.to_string()).into())
}

/// The questions, in order, each with the key that the answer sets.
const QUESTIONS: [(&str, &str); 8] = [
    ("requests_per_second", "Authenticated requests per second at the peak"),
    ("nodes", "Processes that verify them"),
    ("sessions", "Live sessions"),
    ("internal_hops", "Calls between services that each of them causes"),
    ("store_rtt_ms", "Network round trip to the store, ms"),
    ("lifetime_s", "Lifetime of a token, seconds"),
    ("lag_limit_s", "A logout must work within, seconds"),
    ("application_ms", "CPU of the application's own work per request, ms"),
];

/// Asks on standard error and reads standard input; an empty line takes what is offered.
fn asked() -> anyhow::Result<Workload> {
    let mut lines = std::io::stdin().lock().lines();
    let mut ask = |question: &str, offered: &str| -> anyhow::Result<String> {
        eprint!("{question} [{offered}]: ");
        let Some(line) = lines.next() else { bail!("the answers ended") };
        let line = line?.trim().to_owned();
        Ok(if line.is_empty() { offered.to_owned() } else { line })
    };
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    let mut workload = loop {
        let case = ask(&format!("Which is nearest: {}", names.join(", ")), names[0])?;
        match Workload::preset(&case) {
            Ok(workload) => break workload,
            Err(why) => eprintln!("{why}"),
        }
    };
    for (key, question) in QUESTIONS {
        let now = workload.number(key).map_or_else(|| "any time".into(), |value| value.to_string());
        // What cannot be is asked again.
        loop {
            let answer = ask(question, &now)?;
            if answer == now {
                break;
            }
            let next = answer.parse().map(|value: f64| workload.with(key, value));
            match next.map(Workload::checked) {
                Ok(Ok(next)) => {
                    workload = next;
                    break;
                }
                Ok(Err(why)) => eprintln!("{why}"),
                Err(_) => eprintln!("`{answer}` is not a number"),
            }
        }
    }
    let limit = workload.demands.lag_limit_s.map_or_else(|| "none".into(), seconds);
    eprintln!("(the lag limit is {limit}; every other demand is that of the preset)");
    Ok(workload)
}
