//! Verbs, flags and exit statuses.

use clap::{Parser, Subcommand};

use crate::cmd;

/// How the program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// It did what was asked.
    Ok,
    /// It could not.
    Failure,
    /// The arguments were wrong.
    Usage,
    /// A comparison found a regression.
    Regression,
    /// A measurement was made and is not valid.
    Invalid,
}

impl Exit {
    /// The process's exit status.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Regression => 3,
            Self::Invalid => 4,
        }
    }
}

/// An error that is the caller's: exit status 2 instead of 1.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// What it costs to remember who a client is, measured on your machine.
#[derive(Debug, Parser)]
#[command(name = "authbench", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Look at the machine and say what is missing
    Doctor(cmd::doctor::Args),
    /// List the strategies with their promises
    List(cmd::list::Args),
    /// Measure: servers, load, record and report
    Run(cmd::run::Args),
    /// Time verify and issue, interleaved, on the thread CPU clock
    Micro(cmd::micro::Args),
    /// Revoke credentials and see how long they go on working
    Revoke(cmd::revoke::Args),
    /// Put what `cargo bench` timed into a record
    Collect(cmd::collect::Args),
    /// Serve one strategy over HTTP
    Serve(cmd::serve::Args),
    /// Send open-loop load to a URL
    Load(Box<cmd::load::Args>),
    /// Load one server with this driver and other tools, in the same blocks
    Beside(cmd::beside::Args),
    /// Add the records of several drivers of one load
    Merge(cmd::merge::Args),
    /// Render or check the pages and charts of a results folder
    Report(cmd::report::Args),
    /// Which strategy, for your workload, by the records that are there
    Decide(cmd::decide::Args),
    /// What the records say of a run that has not been made; with --check, made then
    Predict(cmd::predict::Args),
    /// What a token says, weighs and costs, and what is wrong with it
    Inspect(cmd::inspect::Args),
    /// Hold the instrument against what is known
    Selftest(cmd::selftest::Args),
    /// Compare two kept runs; exit with 3 when the second is worse
    Compare(cmd::compare::Args),
    /// Check a run.json
    Validate(cmd::validate::Args),
    /// Print the JSON Schema of the records
    Schema(cmd::schema::Args),
}

impl Verb {
    /// Runs the verb.
    ///
    /// # Errors
    /// What was wrong, where, and what to do.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match self {
            Self::Doctor(args) => cmd::doctor::run(args),
            Self::List(args) => cmd::list::run(args),
            Self::Run(args) => cmd::run::run(args),
            Self::Micro(args) => cmd::micro::run(args),
            Self::Revoke(args) => cmd::revoke::run(args),
            Self::Collect(args) => cmd::collect::run(args),
            Self::Serve(args) => cmd::serve::run(args),
            Self::Load(args) => cmd::load::run(args),
            Self::Beside(args) => cmd::beside::run(args),
            Self::Merge(args) => cmd::merge::run(args),
            Self::Report(args) => cmd::report::run(args),
            Self::Decide(args) => cmd::decide::run(args),
            Self::Predict(args) => cmd::predict::run(args),
            Self::Inspect(args) => cmd::inspect::run(args),
            Self::Selftest(args) => cmd::selftest::run(args),
            Self::Compare(args) => cmd::compare::run(args),
            Self::Validate(args) => cmd::validate::run(args),
            Self::Schema(args) => cmd::schema::run(args),
        }
    }
}
