//! The sum: the steps of a verification, timed apart, beside the whole.
//!
//! Whole and steps take turns, batch by batch on the thread CPU clock, so that a drifting machine
//! moves them alike.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;

use super::parts;
use super::provider::Backend;
use super::verify::{self, BASE};
use crate::bed::Bed;
use crate::mint::Claims;
use crate::subject::{Batch, Stopwatch, Subject};

/// The sum may be this far from the whole, per cent.
pub const TOLERANCE_PERCENT: f64 = 10.0;

/// Iterations of a batch.
const ITERATIONS: u64 = 512;

/// The steps of one path and its whole, nanoseconds of CPU each: medians over the rounds.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The whole's id.
    pub whole: String,
    /// The whole.
    pub whole_ns: f64,
    /// The steps, in order.
    pub steps: Vec<(String, f64)>,
}

impl Sum {
    /// The steps together, nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> f64 {
        self.steps.iter().map(|(_, ns)| ns).sum()
    }

    /// The sum as a share of the whole, per cent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.sum_ns() / self.whole_ns * 100.0
    }

    /// Whether the steps explain the whole.
    #[must_use]
    pub fn explains(&self) -> bool {
        (self.percent() - 100.0).abs() <= TOLERANCE_PERCENT
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sum of the parts of {}", self.whole)?;
        for (step, ns) in &self.steps {
            writeln!(f, "    {step:<16}{ns:>8.0} ns {:>6.1} %", ns / self.whole_ns * 100.0)?;
        }
        let verdict = if self.explains() { "within" } else { "NOT within" };
        write!(
            f,
            "    {:<16}{:>8.0} ns {:>6.1} % of {:.0} ns: {verdict} {TOLERANCE_PERCENT} %",
            "sum",
            self.sum_ns(),
            self.percent(),
            self.whole_ns
        )
    }
}

/// The sum of each path, over `rounds` rounds.
///
/// # Errors
/// When a step cannot be set up, or answers wrongly.
pub fn sums(bed: &Arc<Bed>, rounds: usize) -> anyhow::Result<Vec<Sum>> {
    let mut parts = parts::subjects();
    let mut sums = Vec::new();
    for path in ["prepared", "jsonwebtoken"] {
        let name = verify::name(path, BASE, Claims::Typical, Backend::AwsLc);
        let whole = verify::subjects().into_iter().find(|s| s.name == name);
        let mut timed = vec![Timed::new(whole.context("there is no such path")?, bed)?];
        let (own, others): (Vec<Subject>, _) =
            parts.into_iter().partition(|part| part.name.subject == path);
        parts = others;
        for part in own {
            timed.push(Timed::new(part, bed)?);
        }
        for _ in 0..rounds {
            timed.iter_mut().try_for_each(Timed::round)?;
        }
        let mut figures = timed.into_iter().map(Timed::median);
        let (whole, whole_ns) = figures.next().context("the whole stands first")?;
        sums.push(Sum { whole, whole_ns, steps: figures.collect() });
    }
    Ok(sums)
}

struct Timed {
    name: String,
    batch: Batch,
    ns: Vec<f64>,
}

impl Timed {
    fn new(subject: Subject, bed: &Arc<Bed>) -> anyhow::Result<Self> {
        let step = subject.name.level("step").map(String::from);
        let name = step.unwrap_or_else(|| subject.name.to_string());
        let mut timed = Self { name, batch: subject.make(bed)?, ns: Vec::new() };
        timed.round()?;
        timed.ns.clear();
        Ok(timed)
    }

    fn round(&mut self) -> anyhow::Result<()> {
        let mut stopwatch = Stopwatch::new();
        (self.batch)(ITERATIONS, &mut stopwatch)?;
        self.ns.push(stopwatch.spent().cpu_ns as f64 / ITERATIONS as f64);
        Ok(())
    }

    fn median(mut self) -> (String, f64) {
        self.ns.sort_by(f64::total_cmp);
        (self.name, self.ns.get(self.ns.len() / 2).copied().unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_leaves_a_fifth_unexplained_says_so() {
        let steps = |ns: f64| vec![("split".to_owned(), 50.0), ("signature".to_owned(), ns)];
        let sum = |ns| Sum { whole: "verify/x".into(), whole_ns: 1_000.0, steps: steps(ns) };
        assert!(sum(900.0).explains() && sum(850.0).explains() && sum(1_040.0).explains());
        assert!(!sum(750.0).explains() && !sum(1_060.0).explains());
        assert!(sum(750.0).to_string().ends_with("80.0 % of 1000 ns: NOT within 10 %"));
    }

    #[test]
    fn every_step_of_both_paths_is_summed() {
        let bed = Bed::without_redis().unwrap();
        let sums = sums(&bed, 1).unwrap();
        assert_eq!(sums.iter().map(|s| s.steps.len()).collect::<Vec<_>>(), [6, 5]);
        assert!(sums.iter().all(|sum| sum.whole_ns > 0.0 && sum.sum_ns() > 0.0));
    }
}
