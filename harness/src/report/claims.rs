//! Reads a page back and refuses what it may not say: a percentile below the sample rule, a ratio
//! without an interval, a verdict without a noise floor, ...

use std::fmt;

use super::format::MISSING;
use crate::measure::derive::latency::is_latency_gate;
use crate::record::derived::Derived;

/// Samples that must lie beyond a percentile.
const BEYOND: u64 = 100;
/// Words that claim a difference, or that there is none.
const CLAIMS: [&str; 5] = ["dearer", "cheaper", "faster", "slower", "equivalent"];
/// Sections whose figures are about the instrument, which an invalid run keeps.
const OF_TRUST: [&str; 3] = ["May I believe this?", "Checks failed", "Not measured"];

/// A rule of what a page may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// A percentile has 100 samples beyond it.
    Samples,
    /// A ratio or a difference has its interval beside it.
    Interval,
    /// A verdict needs an A/A arm whose interval contains zero.
    NoiseFloor,
    /// A latency verdict needs a driver that passed its gates.
    LatencyGate,
    /// Percentiles are never averaged.
    NoAverages,
    /// An invalid run publishes no figure, and says that it is invalid.
    Invalid,
    /// A page says on what machine and from what it was made.
    Provenance,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 7] = [
        Self::Samples,
        Self::Interval,
        Self::NoiseFloor,
        Self::LatencyGate,
        Self::NoAverages,
        Self::Invalid,
        Self::Provenance,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Samples => "percentile-samples",
            Self::Interval => "ratio-interval",
            Self::NoiseFloor => "claim-noise-floor",
            Self::LatencyGate => "latency-gate",
            Self::NoAverages => "percentile-average",
            Self::Invalid => "invalid-figures",
            Self::Provenance => "provenance",
        }
    }
}

/// Something a page may not say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The rule it breaks.
    pub rule: Rule,
    /// The line.
    pub line: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.line)
    }
}

/// A line of a page, with what it stands in.
struct Line<'a> {
    text: &'a str,
    section: &'a str,
    /// The head of the table, when it is a row of one.
    head: &'a [String],
    cells: Vec<String>,
}

impl Line<'_> {
    fn cell(&self, is: impl Fn(&str) -> bool) -> Option<&str> {
        let place = self.head.iter().position(|head| is(head))?;
        self.cells.get(place).map(String::as_str)
    }

    /// Whether a verdict column claims something.
    fn claims(&self) -> bool {
        self.cell(|head| head.starts_with("verdict"))
            .is_some_and(|said| CLAIMS.iter().any(|word| said.starts_with(word)))
    }
}

/// Everything that `markdown`, a `REPORT.md`, may not say, given what it was made from; empty for a
/// page that may be published.
#[must_use]
pub fn refusals(markdown: &str, derived: &Derived) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut refuse = |rule, line: &str| found.push(Refusal { rule, line: line.trim().into() });
    for needed in ["## Environment", "## Provenance"] {
        if !markdown.lines().any(|line| line == needed) {
            refuse(Rule::Provenance, &format!("there is no `{needed}`"));
        }
    }
    if derived.withheld.is_some() && !markdown.contains("INVALID") {
        refuse(Rule::Invalid, "the page of an invalid run does not say so");
    }
    let (mut section, mut head) = ("", Vec::new());
    for text in markdown.lines() {
        if let Some(heading) = text.strip_prefix("## ") {
            section = heading;
        }
        if !text.starts_with('|') {
            head.clear();
        } else if head.is_empty() {
            head = cells(text);
            continue;
        } else if text.starts_with("| ---") {
            continue;
        }
        let is_row = !head.is_empty();
        let cells = if is_row { cells(text) } else { vec![] };
        let line = Line { text, section, head: &head, cells };
        for rule in broken(&line, derived) {
            refuse(rule, text);
        }
    }
    found
}

/// The cells of a table's line; a pipe within one is written `\|`.
fn cells(text: &str) -> Vec<String> {
    let inner = text.replace("\\|", "\u{0}");
    let inner = inner.trim().trim_matches('|');
    inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

fn broken(line: &Line<'_>, derived: &Derived) -> Vec<Rule> {
    let rules: [(Rule, bool); 6] = [
        (Rule::Samples, has_too_few_samples(line, derived)),
        (Rule::Interval, lacks_interval(line)),
        (Rule::NoiseFloor, line.claims() && !derived.noise_floor.is_some_and(|f| f.contains_zero)),
        (Rule::LatencyGate, is_latency_claim(line) && derived.trust.iter().any(is_latency_gate)),
        (Rule::NoAverages, averages_percentiles(line.text)),
        (Rule::Invalid, derived.withheld.is_some() && publishes(line)),
    ];
    rules.into_iter().filter(|(_, is_broken)| *is_broken).map(|(rule, _)| rule).collect()
}

/// `p99` or `p99.9` in thousandths.
fn permille(word: &str) -> Option<u32> {
    let figure: f64 =
        word.trim_end_matches([',', ':', ';', '.']).strip_prefix('p')?.parse().ok()?;
    (figure > 0.0 && figure < 100.0).then(|| (figure * 10.0).round() as u32)
}

fn enough(n: u64, permille: u32) -> bool {
    n.saturating_mul(u64::from(1_000 - permille.min(1_000))) >= BEYOND * 1_000
}

fn is_shown(cell: &str) -> bool {
    !cell.is_empty() && !cell.starts_with(MISSING)
}

/// Of a table the samples stand in the row; else they are those of the arm.
fn has_too_few_samples(line: &Line<'_>, derived: &Derived) -> bool {
    if line.head.is_empty() {
        return false;
    }
    let of_row = line.cell(|h| h == "percentile").zip(line.cell(|h| h == "samples"));
    if let Some((which, samples)) = of_row {
        let n = samples.replace(',', "").parse().unwrap_or(0);
        let shown = line.cell(|h| h.starts_with("response, ")).is_some_and(is_shown)
            || line.cell(|h| h.starts_with("service, ")).is_some_and(is_shown);
        return shown && permille(which).is_none_or(|permille| !enough(n, permille));
    }
    let arm = line.cell(|h| h == "arm").map(|cell| cell.trim_matches('`'));
    let Some(arm) = derived.arms.iter().find(|found| Some(found.arm.as_str()) == arm) else {
        return false;
    };
    let short = |(head, cell): (&String, &String)| {
        let which = head.split_whitespace().next().and_then(permille);
        let row = which.and_then(|p| arm.latency.iter().find(|row| row.permille == p));
        row.is_some_and(|row| is_shown(cell) && !enough(row.n, row.permille))
    };
    line.head.iter().zip(&line.cells).any(short)
}

/// `(1.2 to 3.4)`.
fn has_interval(text: &str) -> bool {
    text.split('(').skip(1).any(|rest| {
        let inside = rest.split(')').next().unwrap_or("");
        let number = |part: &str| part.trim().replace(',', "").parse::<f64>().is_ok();
        inside.split_once(" to ").is_some_and(|(low, high)| number(low) && number(high))
    })
}

fn lacks_interval(line: &Line<'_>) -> bool {
    if line.head.is_empty() {
        let unit = |pair: &[&str]| {
            let figure = pair[0].trim_start_matches('(').replace(',', "").parse::<f64>().is_ok();
            figure && ["%", "µs", "×"].iter().any(|unit| pair[1].starts_with(unit))
        };
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let compares = CLAIMS[..4].iter().any(|claim| words.contains(claim));
        return compares && words.windows(2).any(unit) && !has_interval(line.text);
    }
    let needs = |head: &str| head.contains("(95 %)") || head.starts_with("ratio ");
    let bare =
        |(head, cell): (&String, &String)| needs(head) && is_shown(cell) && !has_interval(cell);
    line.head.iter().zip(&line.cells).any(bare)
}

fn is_latency_claim(line: &Line<'_>) -> bool {
    line.cell(|head| head == "percentile").is_some() && line.claims()
}

/// `mean p99`, `average of the p95s`, `p99 averaged`; what is never averaged may be said.
fn averages_percentiles(text: &str) -> bool {
    // The rule's own name averages nothing.
    let lower = text.to_lowercase().replace(Rule::NoAverages.name(), "");
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '.')
        .filter(|word| !matches!(*word, "" | "of" | "the" | "all"))
        .collect();
    let is_percentile = |word: &str| {
        permille(word.trim_end_matches(['s', '.'])).is_some() || word.starts_with("percentile")
    };
    let is_average = |word: &str| matches!(word, "mean" | "average" | "averaged" | "avg");
    words.windows(2).any(|pair| {
        (is_average(pair[0]) && is_percentile(pair[1]))
            || (is_percentile(pair[0]) && is_average(pair[1]))
    })
}

/// Whether it stands in the trust panel, which speaks of figures and of what must not be said.
fn is_of_trust(line: &Line<'_>) -> bool {
    OF_TRUST.iter().any(|heading| line.section.starts_with(heading))
}

/// Whether a row of results holds a figure that someone could quote.
fn publishes(line: &Line<'_>) -> bool {
    let timed = |head: &str| {
        [", µs", ", %", "(95 %)", "median", "largest"].iter().any(|part| head.contains(part))
    };
    let quotable =
        |(head, cell): (&String, &String)| has_interval(cell) || (timed(head) && is_shown(cell));
    !is_of_trust(line) && (line.claims() || line.head.iter().zip(&line.cells).any(quotable))
}
