//! `authbench selftest`: the instrument held against what is known, before its figures are.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::ensure;

use super::kept;
use super::list::plain_table;
use crate::cli::{Exit, UsageError};
use crate::measure::block::Silent;
use crate::measure::sabotage::Sabotage;
use crate::os::interrupt::Interrupt;
use crate::record::run::{Acceptance, AcceptanceRow, AcceptanceTest, SabotageRow};
use crate::selftest::{
    Acceptance as AcceptanceTestCase, Figure, Finished, Outcome, Scale, TESTS, burn_on_request,
    run as run_test, sabotage,
};

/// Arguments of `authbench selftest`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only these tests, by number
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    only: Vec<u32>,
    /// Short variants: fewer samples, the same limits
    #[arg(long)]
    quick: bool,
    /// Instead of the tests, bring about the fault of this gate, or of `all`, and see it noticed
    #[arg(long, value_name = "GATE", conflicts_with_all = ["only", "quick"])]
    sabotage: Option<String>,
    /// Put the outcome into a run folder's record, in place of the one it has, and render it anew
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Be the child whose CPU time is known
    #[arg(long, hide = true, exclusive = true)]
    burn_on_request: bool,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.burn_on_request {
        burn_on_request()?;
        return Ok(Exit::Ok);
    }
    // Looked at before anything is measured: a wrong folder is the caller's mistake.
    let into = args.into.as_deref().map(kept::existing).transpose()?;
    let mut found = Acceptance { quick: args.quick, ..Acceptance::default() };
    let (text, red) = match &args.sabotage {
        Some(gate) => {
            found.sabotage = sabotaged(gate)?;
            let red = found.sabotage.iter().any(SabotageRow::survived);
            (sabotage_text(&found.sabotage), red)
        }
        None => {
            let finished = tested(args)?;
            found.tests = finished.iter().map(recorded).collect();
            let red = finished.iter().any(|one| matches!(one.outcome, Outcome::Red(_)));
            (as_text(&finished), red)
        }
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
    } else {
        write!(out, "{text}")?;
    }
    if let Some((folder, mut record)) = into {
        let kept = record.acceptance.get_or_insert_default();
        if args.sabotage.is_some() {
            kept.sabotage = found.sabotage;
        } else {
            (kept.quick, kept.tests) = (found.quick, found.tests);
        }
        kept::keep(&folder, &record)?;
    }
    Ok(if red { Exit::Invalid } else { Exit::Ok })
}

fn tested(args: &Args) -> anyhow::Result<Vec<Finished>> {
    let chosen = choose(&args.only)?;
    if cfg!(debug_assertions) {
        eprintln!("note: a debug build is slower than its limits allow for: cargo build --release");
    }
    let scale = Scale { quick: args.quick };
    let run = |test: &AcceptanceTestCase| {
        eprintln!("test {}: {} ...", test.number, test.name);
        let one = run_test(*test, &scale);
        let why = one.outcome.reason().map(|why| format!(": {why}")).unwrap_or_default();
        eprintln!("  {}{why} ({:.1} s)", one.outcome.name(), one.took.as_secs_f64());
        one
    };
    // Between tests: what a test started ends with it.
    let interrupt = Interrupt::listen()?;
    let mut finished = Vec::new();
    for test in chosen {
        ensure!(!interrupt.is_set(), "interrupted after {} tests", finished.len());
        finished.push(run(test));
    }
    Ok(finished)
}

/// The control, then the sabotage of one gate or of all.
fn sabotaged(gate: &str) -> anyhow::Result<Vec<SabotageRow>> {
    let chosen: Vec<Sabotage> = match gate {
        "all" => Sabotage::all().collect(),
        one => vec![one.parse().map_err(UsageError)?],
    };
    let watcher = Silent(Interrupt::listen()?);
    eprintln!("no sabotage ...");
    let mut rows = vec![sabotage::control(&watcher)?];
    for one in chosen {
        eprintln!("sabotage of {} ...", one.gate());
        rows.push(sabotage::attempt(one, &watcher)?);
    }
    Ok(rows)
}

fn choose(only: &[u32]) -> anyhow::Result<Vec<&'static AcceptanceTestCase>> {
    if let Some(unknown) = only.iter().find(|n| TESTS.iter().all(|test| test.number != **n)) {
        let known: Vec<String> = TESTS.iter().map(|test| test.number.to_string()).collect();
        let known = known.join(", ");
        return Err(UsageError(format!("there is no test {unknown}; there are {known}")).into());
    }
    let wanted = |test: &&AcceptanceTestCase| only.is_empty() || only.contains(&test.number);
    Ok(TESTS.iter().filter(wanted).collect())
}

fn as_text(finished: &[Finished]) -> String {
    let mut table = plain_table(&["", "what", "figure", "must be", ""]);
    for one in finished {
        let Finished { test, outcome, rows, .. } = one;
        table.add_row([
            test.number.to_string(),
            test.name.to_uppercase(),
            String::new(),
            String::new(),
            outcome.name().to_owned(),
        ]);
        for row in rows {
            let (what, limit, pass) = if row.is_negative_control {
                let pass = if row.pass { "fails, as it must" } else { "HOLDS, and must not" };
                (format!("  control: {}", row.what), format!("not {}", row.limit), pass)
            } else {
                let pass = if row.pass { "ok" } else { "FAILED" };
                (format!("  {}", row.what), row.limit.clone(), pass)
            };
            table.add_row([String::new(), what, row.figure.clone(), limit, pass.to_owned()]);
        }
    }
    let count = |name: &str| finished.iter().filter(|one| one.outcome.name() == name).count();
    let counts: Vec<String> = ["green", "RED", "not judged", "not run"]
        .into_iter()
        .filter(|name| count(name) > 0)
        .map(|name| format!("{} {name}", count(name)))
        .collect();
    let reasons: String = finished
        .iter()
        .filter_map(|one| {
            let why = one.outcome.reason()?;
            Some(format!("{} {}: {why}\n", one.test.number, one.outcome.name()))
        })
        .collect();
    let seconds: f64 = finished.iter().map(|one| one.took.as_secs_f64()).sum();
    format!(
        "{table}\n\n{reasons}{} of {} tests, {seconds:.0} s\n",
        counts.join(", "),
        finished.len()
    )
}

/// As it stands in a record.
fn recorded(one: &Finished) -> AcceptanceTest {
    let row = |row: &Figure| AcceptanceRow {
        what: row.what.clone(),
        figure: row.figure.clone(),
        limit: row.limit.clone(),
        pass: row.pass,
        negative_control: row.is_negative_control,
    };
    AcceptanceTest {
        number: one.test.number,
        name: one.test.name.into(),
        outcome: one.outcome.name().to_lowercase().replace(' ', "-"),
        reason: one.outcome.reason().map(str::to_owned),
        rows: one.rows.iter().map(row).collect(),
    }
}

/// The gates and what became of their sabotage.
fn sabotage_text(rows: &[SabotageRow]) -> String {
    let mut table = plain_table(&["gate", "voids", "fault", "what it said", "noticed"]);
    for row in rows {
        let noticed = match row.noticed {
            None => "not tried",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        let cells = [&row.gate, &row.voids, &row.fault, &row.figure].map(String::as_str);
        table.add_row(cells.into_iter().chain([noticed]));
    }
    let survivors = rows.iter().filter(|row| row.survived()).count();
    format!("{table}\n\n{survivors} survivors\n")
}
