//! `authbench selftest`: the instrument held against what is known, before its figures are.

use std::io::Write as _;

use serde_json::json;

use super::list::plain_table;
use crate::cli::{Exit, UsageError};
use crate::selftest::{
    Acceptance, Finished, Outcome, Scale, TESTS, burn_on_request, run as run_test,
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
    let chosen = choose(&args.only)?;
    if cfg!(debug_assertions) {
        eprintln!("note: a debug build is slower than its limits allow for: cargo build --release");
    }
    let scale = Scale { quick: args.quick };
    let mut finished = Vec::new();
    for test in chosen {
        eprintln!("test {}: {} ...", test.number, test.name);
        let one = run_test(*test, &scale);
        let why = one.outcome.reason().map(|why| format!(": {why}")).unwrap_or_default();
        eprintln!("  {}{why} ({:.1} s)", one.outcome.name(), one.took.as_secs_f64());
        finished.push(one);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&finished, scale))?)?;
    } else {
        write!(out, "{}", as_text(&finished))?;
    }
    let red = finished.iter().any(|one| matches!(one.outcome, Outcome::Red(_)));
    Ok(if red { Exit::Invalid } else { Exit::Ok })
}

fn choose(only: &[u32]) -> anyhow::Result<Vec<&'static Acceptance>> {
    if let Some(unknown) = only.iter().find(|n| TESTS.iter().all(|test| test.number != **n)) {
        let known: Vec<String> = TESTS.iter().map(|test| test.number.to_string()).collect();
        let known = known.join(", ");
        return Err(UsageError(format!("there is no test {unknown}; there are {known}")).into());
    }
    let wanted = |test: &&Acceptance| only.is_empty() || only.contains(&test.number);
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

fn as_json(finished: &[Finished], scale: Scale) -> serde_json::Value {
    let tests: Vec<_> = finished
        .iter()
        .map(|one| {
            let rows: Vec<_> = one
                .rows
                .iter()
                .map(|row| {
                    json!({
                        "what": row.what, "figure": row.figure, "limit": row.limit,
                        "pass": row.pass, "negative_control": row.is_negative_control,
                    })
                })
                .collect();
            json!({
                "number": one.test.number, "name": one.test.name, "kind": one.test.kind.name(),
                "outcome": one.outcome.name().to_lowercase().replace(' ', "-"),
                "reason": one.outcome.reason(), "seconds": one.took.as_secs_f64(), "rows": rows,
            })
        })
        .collect();
    json!({ "quick": scale.quick, "tests": tests })
}
