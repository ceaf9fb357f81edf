//! `authbench list`: what is registered: strategies, their promises, their outcome per fault.

use std::io::Write as _;

use authbench::strategy::StrategyKind;
use comfy_table::Table;

use crate::cli::Exit;
use crate::plan::strategies;
use crate::record::run::StrategyRecord;

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
    writeln!(out, "Promises: when a logout takes effect, and what it takes back.")?;
    writeln!(out, "{}\n", promises(&records))?;
    writeln!(out, "Faults: what becomes of requests, declared before it is measured.")?;
    writeln!(out, "{}\n", faults(&records))?;
    for record in &records {
        writeln!(out, "{}: {}", record.id, record.about)?;
    }
    Ok(Exit::Ok)
}

fn promises(records: &[StrategyRecord]) -> Table {
    let mut table = plain_table(&[
        "strategy",
        "family",
        "algorithm",
        "logout",
        "takes back",
        "logout everywhere",
        "scope",
        "Redis commands",
    ]);
    for record in records {
        let logout = match record.revoke_within_ns {
            Some(bound) => format!("{} {} ms", record.revoke, bound / 1_000_000),
            None => record.revoke.clone(),
        };
        table.add_row([
            record.id.as_str(),
            &record.family,
            record.algorithm.as_deref().unwrap_or("-"),
            &logout,
            &record.granularity,
            &record.revoke_all,
            &record.scope,
            &record.redis_commands_per_request.to_string(),
        ]);
    }
    table
}

fn faults(records: &[StrategyRecord]) -> Table {
    let mut table = plain_table(&["strategy", "store down", "store lost", "node restart"]);
    for record in records {
        table.add_row([&record.id, &record.store_down, &record.store_lost, &record.node_restart]);
    }
    table
}

/// A table of plain text: no colour, no lines, nothing a pipe would trip over.
pub(super) fn plain_table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.to_vec());
    table
}
