//! `authbench list`: what is registered: strategies, their promises, their outcome per fault.

use std::io::Write as _;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Fault;
use comfy_table::Table;

use crate::cli::Exit;
use crate::plan::strategies;
use crate::record::run::StrategyRecord;
use crate::report::format::duration;

/// Arguments of `authbench list`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Print a JSON array, one object per strategy
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let records: Vec<StrategyRecord> =
        StrategyKind::ALL.iter().map(|kind| strategies::record(*kind)).collect();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&records)?)?;
        return Ok(Exit::Ok);
    }
    writeln!(
        out,
        "Promises: when a logout takes effect, what it takes back, and what that needs."
    )?;
    writeln!(out, "{}\n", promises(&records))?;
    writeln!(
        out,
        "Faults: what becomes of requests, declared before it is measured; - is nothing."
    )?;
    writeln!(out, "{}\n", faults(&records))?;
    for record in &records {
        let kind = record.algorithm.as_ref().map_or_else(
            || record.family.clone(),
            |algorithm| format!("{}, {algorithm}", record.family),
        );
        writeln!(out, "{} ({kind}): {}", record.id, record.about)?;
    }
    Ok(Exit::Ok)
}

fn promises(records: &[StrategyRecord]) -> Table {
    let mut table = plain_table(&[
        "strategy",
        "logout",
        "takes back",
        "everywhere",
        "scope",
        "store",
        "Redis\ncommands",
        "renewal",
        "uses",
    ]);
    for record in records {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        table.add_row([
            record.id.clone(),
            promise(&record.revoke, record.revoke_within_ns),
            record.granularity.clone(),
            promise(&record.revoke_all, record.revoke_all_within_ns),
            record.scope.clone(),
            or_none(&record.store),
            commands(record),
            or_none(&record.renewal),
            or_none(&record.uses),
        ]);
    }
    narrow(table)
}

fn promise(name: &str, within_ns: Option<u64>) -> String {
    within_ns.map_or_else(|| name.into(), |ns| format!("{name} {}", duration(ns as f64)))
}

/// Per request, and what a node sends by itself.
fn commands(record: &StrategyRecord) -> String {
    let most = if record.redis_cached { "<=" } else { "" };
    let each = record.redis_commands_per_request;
    match record.redis_background_per_second {
        0 => format!("{most}{each}"),
        more => format!("{most}{each} +{more}/s"),
    }
}

fn faults(records: &[StrategyRecord]) -> Table {
    let names = Fault::ALL.map(|fault| fault.name().replace('-', "\n"));
    let head: Vec<&str> =
        std::iter::once("strategy").chain(names.iter().map(String::as_str)).collect();
    let mut table = plain_table(&head);
    for record in records {
        let outcomes = record.faults.iter().map(|fault| match fault.open_for_ns {
            Some(ns) => format!("open {}", duration(ns as f64)),
            None if fault.outcome == "unaffected" => "-".into(),
            None => fault.outcome.clone(),
        });
        table.add_row(std::iter::once(record.id.clone()).chain(outcomes));
    }
    narrow(table)
}

/// Two spaces between columns, none before the first.
fn narrow(mut table: Table) -> Table {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table
}

/// A table of plain text: no colour, no lines, nothing a pipe would trip over.
pub(super) fn plain_table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.to_vec());
    table
}
