//! `authbench`: measures what it costs to remember who a client is.

use std::process::ExitCode;

use authbench_harness::cli::{Cli, Exit, UsageError};
use clap::Parser as _;
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        let is_inspect = std::env::args().nth(1).is_some_and(|verb| verb == "inspect");
        if is_inspect && error.kind() == ErrorKind::UnknownArgument {
            // What is not understood may be a token, and is not repeated.
            eprintln!(
                "error: an argument is not understood; a token that begins with `-` is read from \
                 standard input"
            );
            std::process::exit(Exit::Usage.status().into());
        }
        error.exit()
    });
    let exit = cli.verb.run().unwrap_or_else(|error| {
        // Whoever reads our output has seen enough.
        let reader_left = error.chain().any(|cause| {
            let cause = cause.downcast_ref::<std::io::Error>();
            cause.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
        });
        if reader_left {
            return Exit::Ok;
        }
        eprintln!("error: {error:#}");
        if error.is::<UsageError>() { Exit::Usage } else { Exit::Failure }
    });
    ExitCode::from(exit.status())
}
