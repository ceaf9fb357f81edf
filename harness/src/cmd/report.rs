//! `authbench report`: pages, charts and tables from a record.

use crate::cli::Exit;

/// Arguments of `authbench report`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
