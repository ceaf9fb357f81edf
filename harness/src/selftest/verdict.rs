//! What an acceptance test says: figures with their limits, negative controls, an outcome.

use std::collections::BTreeMap;
use std::fmt::Display;

/// One figure and the limit it was held against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Figure {
    /// What it is a figure of.
    pub what: String,
    /// What was found, with its unit.
    pub figure: String,
    /// What it must be.
    pub limit: String,
    /// Whether it came out as it must. For a negative control: whether the check failed, as it
    /// must on an instrument known to be wrong.
    pub pass: bool,
    /// Whether it is of an instrument known to be wrong.
    pub is_negative_control: bool,
    /// Whether no disturbance of the host can excuse its failure.
    pub is_exact: bool,
}

/// How a test ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every figure is within its limit, and every negative control without.
    Green,
    /// One is not; why.
    Red(String),
    /// One is not, on a host that was itself disturbed; by what.
    NotJudged(String),
    /// The test, or a part of it, cannot be run here; why.
    NotRun(String),
}

impl Outcome {
    /// The outcome's name in tables and JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red(_) => "RED",
            Self::NotJudged(_) => "not judged",
            Self::NotRun(_) => "not run",
        }
    }

    /// Why, where the name does not say it all.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Green => None,
            Self::Red(why) | Self::NotJudged(why) | Self::NotRun(why) => Some(why),
        }
    }
}

/// What a test found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Its figures.
    pub rows: Vec<Figure>,
    disturbances: BTreeMap<&'static str, u64>,
    missing: Vec<String>,
}

impl Verdict {
    /// Adds a figure of the instrument.
    pub fn check(
        &mut self,
        what: impl Into<String>,
        figure: impl Display,
        limit: impl Into<String>,
        pass: bool,
    ) {
        let (what, limit) = (what.into(), limit.into());
        let figure = figure.to_string();
        self.rows.push(Figure {
            what,
            figure,
            limit,
            pass,
            is_negative_control: false,
            is_exact: false,
        });
    }

    /// Adds a figure of an instrument known to be wrong, and whether the check of the same limit
    /// `held` for it, which it must not.
    pub fn control(
        &mut self,
        what: impl Into<String>,
        figure: impl Display,
        limit: impl Into<String>,
        held: bool,
    ) {
        self.check(what, figure, limit, !held);
        if let Some(row) = self.rows.last_mut() {
            row.is_negative_control = true;
        }
    }

    /// Says that the last figure depends on no clock: a disturbed host is no excuse for it.
    pub fn exactly(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.is_exact = true;
        }
    }

    /// Says that the host disturbed the test, and by how many nanoseconds (0: not in time): a
    /// failure is then not judged. Of one kind of disturbance the worst is kept.
    pub fn disturbed(&mut self, by: &'static str, ns: u64) {
        let worst = self.disturbances.entry(by).or_default();
        *worst = ns.max(*worst);
    }

    /// Says that a part cannot be run here.
    pub fn not_run(&mut self, why: impl Into<String>) {
        self.missing.push(why.into());
    }

    /// How it ended. A part that cannot be run hides no failure of the others.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let failed = self.rows.iter().filter(|row| !row.pass);
        let failed: Vec<String> =
            failed.map(|row| format!("{} is {}", row.what, row.figure)).collect();
        if failed.is_empty() {
            return match &*self.missing {
                [] => Outcome::Green,
                missing => Outcome::NotRun(missing.join("; ")),
            };
        }
        let is_certain = self.rows.iter().any(|row| !row.pass && row.is_exact);
        if is_certain || self.disturbances.is_empty() {
            return Outcome::Red(failed.join("; "));
        }
        let disturbances = self.disturbances.iter().map(|(by, ns)| match ns {
            0 => (*by).to_owned(),
            ns => format!("{by} was {}", us(*ns)),
        });
        Outcome::NotJudged(disturbances.collect::<Vec<_>>().join("; "))
    }
}

/// `ns` as milliseconds.
#[must_use]
pub fn ms(ns: u64) -> String {
    format!("{:.2} ms", ns as f64 / 1e6)
}

/// `ns` as microseconds.
#[must_use]
pub fn us(ns: u64) -> String {
    format!("{:.1} us", ns as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_that_holds_makes_the_test_red() {
        let mut verdict = Verdict::default();
        verdict.check("right", 1, "1", true);
        assert_eq!(verdict.outcome(), Outcome::Green);
        verdict.control("wrong", 1, "1", false);
        assert_eq!(verdict.outcome(), Outcome::Green);
        verdict.control("as good as right", 1, "1", true);
        assert_eq!(verdict.outcome(), Outcome::Red("as good as right is 1".into()));
    }

    #[test]
    fn what_was_not_run_is_said_and_hides_nothing() {
        let mut verdict = Verdict::default();
        verdict.not_run("no Redis");
        assert_eq!(verdict.outcome(), Outcome::NotRun("no Redis".into()));
        verdict.check("bytes", 1, "2", false);
        assert_eq!(verdict.outcome(), Outcome::Red("bytes is 1".into()));
        verdict.disturbed("the slip", 3_000);
        verdict.disturbed("the slip", 2_000);
        assert_eq!(verdict.outcome(), Outcome::NotJudged("the slip was 3.0 us".into()));
        verdict.exactly();
        assert_eq!(verdict.outcome(), Outcome::Red("bytes is 1".into()));
    }
}
