//! What `authbench decide` finds: every strategy under one workload, the choice, and what would
//! change it.
//!
//! Not kept in a results folder: it follows from records and a workload, and is printed.

use serde::{Deserialize, Serialize};

use super::derived::Estimate;

/// An amount with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// A figure that is exact.
    #[must_use]
    pub const fn exactly(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// The same, `by` times; `by` is not negative.
    #[must_use]
    pub fn times(self, by: f64) -> Self {
        Self { value: self.value * by, low: self.low * by, high: self.high * by }
    }

    /// The sum. The ends are added: what is shared by both moves both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }

    /// Whether the two have a value in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

impl From<Estimate> for Interval {
    fn from(is: Estimate) -> Self {
        Self { value: is.value, low: is.low, high: is.high }
    }
}

/// Two checks of one kind rest on the same.
fn once(all: &mut Vec<String>, one: String) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// How long a credential that was taken back goes on working, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lag {
    /// On average, when all is well.
    pub mean_s: f64,
    /// At the longest, when all is well.
    pub worst_s: f64,
    /// At the longest, when a node is cut off from the store.
    pub partition_s: f64,
}

/// One strategy under the workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assessment {
    /// The strategy's id.
    pub strategy: String,
    /// Processors that authentication takes, server and store together, above `none`.
    pub cores: Option<Interval>,
    /// CPU of one external request's authentication, all its hops together, nanoseconds.
    pub cpu_ns: Option<Interval>,
    /// Of a request's whole CPU, the share that is authentication, per cent.
    pub share_percent: Option<Interval>,
    /// Operations of the store per second.
    pub store_operations: Option<Interval>,
    /// Bytes per second that the credential adds to requests.
    pub request_bytes: Option<f64>,
    /// Bytes in the store and on all nodes.
    pub memory_bytes: Option<f64>,
    /// Median response time above `none`, all hops one after another, nanoseconds.
    pub latency_ns: Option<Interval>,
    /// The same of the 99th percentile, drawn from measured response times, nanoseconds.
    pub latency_p99_ns: Option<f64>,
    /// The revocation lag of a logout.
    pub lag: Option<Lag>,
    /// Requests a second that somebody with a stolen credential makes times the mean lag.
    pub stale_requests: Option<f64>,
    /// Price per month.
    pub monthly: Option<Interval>,
    /// The names of the constraints that it breaks.
    pub broken: Vec<String>,
    /// What is not known of it and how to measure it.
    pub missing: Vec<String>,
    /// Where a figure is carried beyond what was measured, by which law and how far that was
    /// checked.
    pub laws: Vec<String>,
    /// The rows it rests on: `run#pointer`.
    pub rows: Vec<String>,
    /// Whether the last three are left out, because only the figures are asked for.
    #[serde(skip)]
    pub is_brief: bool,
}

impl Assessment {
    /// Says by which law a figure is carried.
    pub fn law(&mut self, law: impl FnOnce() -> String) {
        if !self.is_brief {
            once(&mut self.laws, law());
        }
    }

    /// Says what is not known.
    pub fn lack(&mut self, what: impl FnOnce() -> String) {
        if !self.is_brief {
            once(&mut self.missing, what());
        }
    }

    /// Says which row is used.
    pub fn row(&mut self, row: &str) {
        if !self.is_brief {
            once(&mut self.rows, row.to_owned());
        }
    }
}

/// A value of the workload from which on another strategy is chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flip {
    /// The key of the workload.
    pub input: String,
    /// What it is now; `null` for a limit that is not set.
    pub now: Option<f64>,
    /// Where the choice changes.
    pub at: f64,
    /// The same with every figure at the end of its interval that is worst for the choice, and at
    /// the one that is best for it: the interval of `at`. `null` where it does not change then.
    pub interval: [Option<f64>; 2],
    /// What is chosen beyond it; `null` when no strategy is left.
    pub becomes: Option<String>,
    /// What makes the difference: a constraint's name, `price`, `lag`, ...
    pub because: String,
}

/// How the choice and the runner-up compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunnerUp {
    /// The strategy's id.
    pub strategy: String,
    /// Whether their prices can be told apart.
    pub told_apart: bool,
    /// What the choice has over it.
    pub because: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The workload's name.
    pub workload: String,
    /// The strategy to take; `null` when none meets every constraint.
    pub choice: Option<String>,
    /// The next best.
    pub runner_up: Option<RunnerUp>,
    /// The constraint without which something else would be chosen, the one that moves the price
    /// most first; empty when none matters.
    pub binding: Vec<String>,
    /// Constraints that no strategy meets together; empty when one does.
    pub contradiction: Vec<String>,
    /// What would change the choice, the nearest first.
    pub flips: Vec<Flip>,
    /// What is usually advised for such a workload, and whether the figures agree.
    pub advice: Option<String>,
    /// Every strategy, the best first.
    pub assessments: Vec<Assessment>,
    /// The records it rests on.
    pub records: Vec<String>,
    /// How far off the model was when it was last put to the test; `null` where no record says.
    pub checked: Option<ModelCheck>,
}

/// How far predictions of CPU were off, in a run that was made after they had been sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCheck {
    /// The record.
    pub record: String,
    /// Figures of CPU that were predicted and measured.
    pub figures: usize,
    /// Half of the errors, and nine in ten of them, are no larger than this: per cent of what was
    /// measured, nanoseconds above `none`.
    pub within_percent: [f64; 2],
    /// The same of the figures as shares of `none`, which a faster or slower host does not change;
    /// `null` where they were not predicted.
    pub share_within_percent: Option<[f64; 2]>,
}
