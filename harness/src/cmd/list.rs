//! `authbench list`: what is registered: strategies, their promises, their outcome per fault.

use crate::cli::Exit;

/// Arguments of `authbench list`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
