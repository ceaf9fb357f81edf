//! `authbench micro`: verify and issue on the thread CPU clock, subject and reference alternating.

use std::time::Duration;

use authbench::strategy::StrategyKind;
use comfy_table::Table;

use crate::cli::{Exit, UsageError};
use crate::measure::derive::micro::result;
use crate::measure::micro::micro_pass;

/// Arguments of `authbench micro`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How long, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Only this strategy, and what it alternates with; may be given several times
    #[arg(long = "strategy", value_name = "ID")]
    strategies: Vec<String>,
    /// The seed of the test subjects
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut kinds = Vec::new();
    for name in &args.strategies {
        let kind: StrategyKind = name.parse().map_err(|e| UsageError(format!("{e}")))?;
        if kind.properties().needs_redis {
            let why = "waits for Redis, so its CPU cannot be timed without the waiting";
            return Err(UsageError(format!("`{name}` {why}; `authbench run` measures it")).into());
        }
        kinds.push(kind);
    }
    let cells = micro_pass(Duration::from_secs(args.seconds), args.seed, StrategyKind::ALL)?;
    let wanted = |id: &Option<String>| {
        kinds.is_empty() || kinds.iter().any(|k| id.as_deref() == Some(k.name()))
    };
    let results: Vec<_> = cells.iter().filter_map(result).filter(|r| wanted(&r.strategy)).collect();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
        return Ok(Exit::Ok);
    }
    let mut table = Table::new();
    table.set_header(["operation", "ns of CPU (95 %)", "ratio (95 %)", "against"]);
    for r in &results {
        table.add_row([
            r.id.clone(),
            r.cpu_ns.map_or_else(String::new, |e| {
                format!("{:.0} ({:.0} to {:.0})", e.value, e.low, e.high)
            }),
            r.ratio.map_or_else(String::new, |e| {
                format!("{:.3} ({:.3} to {:.3})", e.value, e.low, e.high)
            }),
            r.reference.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
    Ok(Exit::Ok)
}
