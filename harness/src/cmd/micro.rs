//! `authbench micro`: verify and issue on the thread CPU clock, subject and reference alternating.

use crate::cli::Exit;

/// Arguments of `authbench micro`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
