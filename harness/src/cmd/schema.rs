//! `authbench schema`: the JSON Schema of the records.

use std::io::Write as _;

use schemars::schema_for;

use crate::cli::Exit;
use crate::record::derived::Derived;
use crate::record::run::Run;

/// Arguments of `authbench schema`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which record
    #[arg(value_enum, default_value_t)]
    pub record: Record,
}

/// A file of a results folder that has a schema.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Record {
    /// run.json, what was measured
    #[default]
    Run,
    /// derived.json, what was computed from it
    Derived,
}

/// The schema's text, as it is kept in `results/schema/`.
#[must_use]
pub fn text(record: Record) -> String {
    let schema = match record {
        Record::Run => schema_for!(Run),
        Record::Derived => schema_for!(Derived),
    };
    format!("{:#}\n", schema.as_value())
}

/// Runs the verb.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    std::io::stdout().write_all(text(args.record).as_bytes())?;
    Ok(Exit::Ok)
}
