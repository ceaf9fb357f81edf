//! `authbench micro`: verify and issue on the thread CPU clock, subject and reference alternating.

use std::io::Write as _;
use std::time::Duration;

use authbench::strategy::StrategyKind;

use super::list::plain_table;
use crate::cli::{Exit, UsageError};
use crate::measure::micro::micro_pass;
use crate::record::run::MicroCell;

/// Arguments of `authbench micro`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only these strategies, separated by commas; all that need no Redis when not given
    #[arg(long, value_name = "ID,..", value_delimiter = ',')]
    strategies: Vec<String>,
    /// Wall time to spend
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u32,
    /// Decides subjects and order
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print the raw cells as a JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut kinds: Vec<StrategyKind> = Vec::new();
    for name in &args.strategies {
        let kind: StrategyKind = name.parse().map_err(|e| UsageError(format!("{e}")))?;
        if kind.properties().needs_redis {
            return Err(UsageError(format!(
                "`{name}` waits for Redis, so its CPU time per operation is a server's: see \
                 `authbench run`"
            ))
            .into());
        }
        kinds.push(kind);
    }
    if kinds.is_empty() {
        kinds = StrategyKind::ALL.to_vec();
    }
    let cells = micro_pass(Duration::from_secs(args.seconds.into()), args.seed, &kinds)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&cells)?)?;
        return Ok(Exit::Ok);
    }
    let mut table = plain_table(&["operation", "CPU ns", "ratio", "95 %", "against", "batches"]);
    for cell in &cells {
        table.add_row(row(cell));
    }
    writeln!(out, "{table}")?;
    if cfg!(debug_assertions) {
        eprintln!("note: a debug build; its figures say nothing about a release build");
    }
    Ok(Exit::Ok)
}

fn row(cell: &MicroCell) -> [String; 6] {
    let own = per_operation(&cell.cpu_ns, &cell.iterations);
    let reference = per_operation(&cell.reference_cpu_ns, &cell.reference_iterations);
    let ratios: Vec<f64> = own.iter().zip(&reference).map(|(a, b)| a / b).collect();
    let (_, ns, _) = median_and_interval(own);
    let (low, ratio, high) = median_and_interval(ratios);
    [
        cell.id.clone(),
        format!("{ns:.0}"),
        format!("{ratio:.3}"),
        format!("{low:.3} - {high:.3}"),
        cell.reference.clone(),
        cell.iterations.len().to_string(),
    ]
}

fn per_operation(ns: &[u64], iterations: &[u64]) -> Vec<f64> {
    ns.iter().zip(iterations).map(|(ns, n)| *ns as f64 / *n as f64).collect()
}

/// The median and its 95 % interval by order statistics (the sign test's normal approximation).
/// The values are batches of one process: the interval does not cover another start.
fn median_and_interval(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let at = |rank: f64| values.get(rank.clamp(0.0, (n - 1) as f64) as usize).copied();
    if n == 0 {
        return (f64::NAN, f64::NAN, f64::NAN);
    }
    let (middle, reach) = (n as f64 / 2.0, 0.98 * (n as f64).sqrt());
    let median = f64::midpoint(values[(n - 1) / 2], values[n / 2]);
    let low = at((middle - reach).floor() - 1.0).unwrap_or(median);
    let high = at((middle + reach).ceil()).unwrap_or(median);
    (low, median, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_median_and_widens_to_the_extremes_of_few_values() {
        assert_eq!(median_and_interval(vec![3.0, 1.0, 2.0]), (1.0, 2.0, 3.0));
        let (low, median, high) = median_and_interval((1..=100).map(f64::from).collect());
        assert_eq!(median, 50.5);
        // Binomial(100, 1/2): ranks 40 and 61 hold the median with 96.5 %.
        assert_eq!((low, high), (40.0, 61.0));
        assert!(median_and_interval(Vec::new()).1.is_nan());
    }
}
