//! `authbench run`: the main job: plan, servers, load, record, report.

use crate::cli::Exit;

/// Arguments of `authbench run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
