//! `authbench validate`: whether a run.json is whole, and says only what its own figures bear.

use crate::cli::Exit;

/// Arguments of `authbench validate`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
