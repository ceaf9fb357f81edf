//! `authbench predict`: what the records say of a run that has not been made; with `--check`, made
//! then and held against it.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::kept;
use crate::cli::{Exit, UsageError};
use crate::cmd::list::plain_table;
use crate::cmd::run::{Progress, bar, clock_seed, conclude_run, shown_arguments};
use crate::decide::choice::Source;
use crate::decide::predict::predict;
use crate::measure::run::{Order, execute, planned_ms};
use crate::os::interrupt::Interrupt;
use crate::plan::{Plan, Profile, expand};
use crate::record::prediction::{PredictedFrom, Predictions};
use crate::record::run::Role;
use crate::report::prediction_table;

/// Arguments of `authbench predict`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Make the run that was predicted, and say how wrong the predictions were
    #[arg(long)]
    pub check: bool,
    /// The plan of that run: rates, distances and nodes between those of the records, TOML
    /// [default: one with eight such conditions]
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Results folders to predict from [default: every folder of results/]
    #[arg(long, value_name = "FOLDER", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// The run's name
    #[arg(long, value_name = "NAME", default_value = "predicted")]
    pub label: String,
    /// Where the record goes; must not exist [default: runs/<UTC date and time>-<label>]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Everything random follows from it [default: from the clock, and recorded]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
///
/// # Errors
/// When there is nothing to predict from, or the run fails.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let plan = match &args.plan {
        Some(path) => Plan::read(path),
        None => Plan::shipped(Profile::HeldOut),
    }
    .map_err(|e| UsageError(e.to_string()))?;
    let arms = expand(&plan, &[]).map_err(|e| UsageError(e.to_string()))?;
    let contenders = arms.iter().filter(|arm| arm.record.role == Role::Contender);
    let strategies: Vec<String> = contenders.map(|arm| arm.record.id.clone()).collect();
    let records = kept::all(&args.from)?;
    let sources: Vec<Source<'_>> = records
        .iter()
        .map(|kept| Source { name: &kept.name, run: &kept.run, derived: &kept.derived })
        .collect();
    let rows = predict(&sources, &plan, &strategies);
    if rows.is_empty() {
        bail!(
            "nothing can be predicted: no record has two points around any rate or distance of the \
             plan; measure one with scripts/run --profile rates"
        );
    }
    let used = records.iter().filter(|kept| kept.run.predictions.is_none());
    let from = used.map(|kept| PredictedFrom {
        name: kept.name.clone(),
        run_sha256: kept.derived.run_sha256.clone(),
    });
    let predictions = Predictions::sealed(from.collect(), rows)?;
    if !args.check {
        print(&predictions, args.json)?;
        return Ok(Exit::Ok);
    }
    eprintln!(
        "{} predictions, SHA-256 {}; measuring now",
        predictions.rows.len(),
        predictions.sha256
    );
    let folder = kept::new_folder(args.out.as_deref(), &args.label, "")?;
    let progress = Progress { bar: bar(planned_ms(&plan, &arms)), interrupt: Interrupt::listen()? };
    let order = Order {
        plan,
        arms,
        seed: args.seed.map_or_else(clock_seed, Ok)?,
        folder: Some(folder.clone()),
        label: args.label.clone(),
        argv: shown_arguments(),
        sabotage: None,
        predictions: Some(predictions),
    };
    let finished = execute(order, &progress)?;
    progress.bar.finish_and_clear();
    conclude_run(args.json, &folder, finished)
}

fn print(predictions: &Predictions, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(predictions)?)?;
        return Ok(());
    }
    let mut table = plain_table(&["condition", "strategy", "quantity", "predicted (95 %)"]);
    for row in &predictions.rows {
        let at = match row.condition.as_str() {
            "distance" => format!("store {} ms away", row.at as f64 / 1e6),
            "nodes" => format!("{} nodes", row.at),
            _ => format!("{}/s", row.at),
        };
        let name = row.regime.as_ref().map_or_else(String::new, |name| format!("{name}, "));
        let (quantity, unit) = prediction_table::quantity(&row.quantity);
        table.add_row(vec![
            format!("{name}{at}"),
            row.strategy.clone(),
            quantity.to_owned(),
            prediction_table::figure([row.value, row.low, row.high], unit),
        ]);
    }
    writeln!(out, "{table}")?;
    writeln!(out, "\n{} predictions, SHA-256 {}", predictions.rows.len(), predictions.sha256)
        .context("standard output")
}
