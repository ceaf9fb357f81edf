//! `authbench merge`: adds the records of the drivers of one load, and refuses what is not of it.

use std::path::PathBuf;

use anyhow::Context as _;

use super::load::Figures;
use crate::cli::Exit;
use crate::measure::merge::{Named, merge};
use crate::record::segment::{read, write};

/// Arguments of `authbench merge`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Records that `authbench load --record` or this verb wrote
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Add what is there although segments are missing, and say so on every figure
    #[arg(long)]
    allow_partial: bool,
    /// Write the sum: a record again
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// Which field of which file keeps them from being added. Nothing is written then.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let records = args
        .files
        .iter()
        .map(|file| {
            let name = file.display().to_string();
            let record = read(file).with_context(|| name.clone())?;
            Ok((name, record))
        })
        .collect::<anyhow::Result<Vec<Named>>>()?;
    let merged = merge(&records, args.allow_partial)?;
    let figures = Figures::of("the sum", &merged)?;
    if let Some(file) = &args.out {
        write(file, &merged).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        figures.print();
    }
    Ok(if merged.valid { Exit::Ok } else { Exit::Invalid })
}
