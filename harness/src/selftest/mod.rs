//! The acceptance tests of the instrument itself: what must hold before a figure of it is believed.
//!
//! Each test feeds the instrument something whose truth is known - a stub with programmed delays, a
//! child that burns a given CPU time, a histogram of given values - and holds what the instrument
//! says against it. Each brings a negative control: the same check on an instrument that is known
//! to be wrong must fail, or the check proves nothing.
//!
//! Timed tests look at the host as well: where the driver or the stub was itself late, a failure is
//! tried again, and a third one is `not judged`. A failure on a quiet host is red at once.

pub mod child;
pub mod rig;
pub mod sabotage;
pub mod stub;
pub mod verdict;

mod arrivals;
mod bytes;
mod calibration;
mod cpu;
mod distributions;
mod effect;
mod failures;
mod histograms;
mod hygiene;
mod ledger;
mod limit;
mod logs;
mod pages;
mod proxy;
mod queue;
mod revocation;
mod segments;
mod stall;

use std::time::{Duration, Instant};

use crate::os::hiccup::Hiccups;

pub use cpu::burn_on_request;
pub use verdict::{Figure, Outcome, Verdict};

/// Times a test is run when the host disturbed it.
const ATTEMPTS: u32 = 3;
/// A test that has taken this long is not run again: the whole must end in minutes.
const RETRY_WITHIN: Duration = Duration::from_secs(40);

/// How late the host may be: as long as a scheduler's slices.
const HICCUP_NS: u64 = 20_000_000;

/// What a test's outcome depends on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// On nothing: it must come out the same anywhere.
    Deterministic,
    /// On clocks and a scheduler that keeps up.
    Timed,
    /// On samples: it may fail by chance, and states how rarely.
    Statistical,
}

impl Kind {
    /// The kind's name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deterministic => "deterministic",
            Self::Timed => "timed",
            Self::Statistical => "statistical",
        }
    }
}

/// How long the tests may take.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Short variants: the same checks on fewer samples.
    pub quick: bool,
}

impl Scale {
    /// `full`, or `quick` where only a short run is wanted.
    #[must_use]
    pub const fn pick<T: Copy>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// One acceptance test.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance {
    /// Its number; numbers are never given anew.
    pub number: u32,
    /// What it is about.
    pub name: &'static str,
    /// What its outcome depends on.
    pub kind: Kind,
    /// Runs it.
    pub run: fn(&Scale) -> anyhow::Result<Verdict>,
}

/// Every test, by number.
pub const TESTS: &[Acceptance] = &[
    test(1, "known stall", Kind::Timed, stall::known),
    test(2, "driver stall", Kind::Timed, stall::own),
    test(3, "rate and law", Kind::Timed, arrivals::run),
    test(4, "queueing theory", Kind::Timed, queue::run),
    test(5, "known distributions", Kind::Timed, distributions::run),
    test(6, "ledger", Kind::Deterministic, ledger::run),
    test(7, "percentiles with failures", Kind::Timed, failures::run),
    test(8, "histogram properties", Kind::Deterministic, histograms::properties),
    test(9, "serialization", Kind::Deterministic, logs::run),
    test(10, "segments", Kind::Timed, segments::run),
    test(11, "CPU accounting", Kind::Timed, cpu::accounting),
    test(12, "known effect", Kind::Statistical, effect::run),
    test(13, "A/A calibration", Kind::Deterministic, calibration::coverage),
    test(14, "order effect", Kind::Deterministic, calibration::order),
    test(15, "self-limit", Kind::Timed, limit::run),
    test(17, "bytes", Kind::Deterministic, bytes::run),
    test(18, "revocation", Kind::Timed, revocation::run),
    test(19, "proxy", Kind::Timed, proxy::run),
    test(21, "hot path", Kind::Deterministic, pages::hot_path),
    test(22, "report lint", Kind::Deterministic, pages::lint),
    test(23, "hygiene", Kind::Deterministic, hygiene::run),
];

const fn test(
    number: u32,
    name: &'static str,
    kind: Kind,
    run: fn(&Scale) -> anyhow::Result<Verdict>,
) -> Acceptance {
    Acceptance { number, name, kind, run }
}

/// A test that was run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Which.
    pub test: Acceptance,
    /// How it ended.
    pub outcome: Outcome,
    /// What it measured, in the last attempt.
    pub rows: Vec<Figure>,
    /// How long it took, all attempts.
    pub took: Duration,
}

/// Runs one test, again when the host disturbed it. An error of a test is a red one.
#[must_use]
pub fn run(test: Acceptance, scale: &Scale) -> Finished {
    let begin = Instant::now();
    let mut attempts = 0;
    let (outcome, rows) = loop {
        attempts += 1;
        let (result, hiccup_ns) = watched(|| (test.run)(scale));
        let mut verdict = result.unwrap_or_else(|error| {
            let mut verdict = Verdict::default();
            verdict.check("the test itself", format!("{error:#}"), "runs to its end", false);
            verdict
        });
        if hiccup_ns > HICCUP_NS && test.kind != Kind::Deterministic {
            verdict.disturbed("the host's worst hiccup", hiccup_ns);
        }
        let outcome = verdict.outcome();
        let again = attempts < ATTEMPTS && begin.elapsed() < RETRY_WITHIN;
        if again && matches!(outcome, Outcome::NotJudged(_)) {
            continue;
        }
        break (outcome, verdict.rows);
    };
    Finished { test, outcome, rows, took: begin.elapsed() }
}

/// Runs `what` beside a thread that only wakes up: how late it woke at the worst, nanoseconds, is
/// what the host does to everybody. 0 where that thread cannot be started.
fn watched<T>(what: impl FnOnce() -> T) -> (T, u64) {
    let hiccups = Hiccups::start();
    let result = what();
    let worst_ns = hiccups.map_or(0, |hiccups| hiccups.stop().max_ns().unwrap_or(0));
    (result, worst_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_names_differ() {
        assert!(TESTS.windows(2).all(|pair| pair[0].number < pair[1].number));
        for (i, one) in TESTS.iter().enumerate() {
            assert!(TESTS[i + 1..].iter().all(|other| other.name != one.name), "{}", one.name);
        }
    }

    #[test]
    fn an_error_is_not_green_and_a_disturbed_failure_is_tried_three_times() {
        use std::sync::atomic::{AtomicU32, Ordering};
        static RUNS: AtomicU32 = AtomicU32::new(0);

        fn breaks(_: &Scale) -> anyhow::Result<Verdict> {
            anyhow::bail!("no loopback")
        }
        fn late(_: &Scale) -> anyhow::Result<Verdict> {
            RUNS.fetch_add(1, Ordering::Relaxed);
            let mut verdict = Verdict::default();
            verdict.check("what", 2, "at most 1", false);
            verdict.disturbed("the slip", 7_000);
            Ok(verdict)
        }
        let scale = Scale { quick: true };
        let broken = run(test(1, "a", Kind::Timed, breaks), &scale);
        assert_eq!(broken.rows[0].figure, "no loopback");
        assert!(!matches!(broken.outcome, Outcome::Green));
        let disturbed = run(test(2, "b", Kind::Timed, late), &scale);
        let why = disturbed.outcome.reason().unwrap();
        assert!(why.contains("the slip was 7.0 us"), "{why}");
        assert_eq!(RUNS.load(Ordering::Relaxed), ATTEMPTS);
    }
}
