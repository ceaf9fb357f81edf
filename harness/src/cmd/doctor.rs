//! `authbench doctor`: what this machine is, what is missing, what to do about it.

use crate::cli::Exit;

/// Arguments of `authbench doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
