//! `authbench`: measures what it costs to remember who a client is.

use std::process::ExitCode;

use authbench_harness::cli::{Cli, Exit, UsageError};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = cli.verb.run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if error.is::<UsageError>() { Exit::Usage } else { Exit::Failure }
    });
    ExitCode::from(exit.status())
}
