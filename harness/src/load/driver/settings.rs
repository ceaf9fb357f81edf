//! How a driver behaves, and which time a row calls the intended one.

use std::time::Duration;

use crate::load::pacer::Pacing;

/// How the driver behaves.
#[derive(Clone, Copy, Debug)]
pub struct DriverSettings {
    /// How it wakes.
    pub pacing: Pacing,
    /// A request not answered this long after its intended start has failed.
    pub timeout: Duration,
    /// Most requests that may wait for a connection of one target.
    pub backlog_limit: usize,
    /// What a response counts from.
    pub stamp: StampFrom,
}

impl DriverSettings {
    /// Exact pacing, two seconds of patience, ten thousand waiting requests, true stamps.
    pub const DEFAULT: Self = Self {
        pacing: Pacing::Exact,
        timeout: Duration::from_secs(2),
        backlog_limit: 10_000,
        stamp: StampFrom::Intended,
    };
}

impl Default for DriverSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a response counts from: the truth, and two ways of missing a stall that other tools have.
///
/// The wrong ones are negative controls. They overwrite the row's earlier stamps, so that whatever
/// is computed from the rows is what such a tool would print: never to be published. Timeouts count
/// from the intended start under all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum StampFrom {
    /// When the request was due.
    #[default]
    Intended,
    /// When the driver released it: what delayed the driver is missed.
    Wake,
    /// When it was written: the wait for a connection is missed as well. The stamp of the release
    /// is overwritten too.
    Send,
}

impl StampFrom {
    /// The name on the command line and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Wake => "wake",
            Self::Send => "send",
        }
    }
}
