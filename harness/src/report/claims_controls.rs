//! Negative controls of [`super::claims`]: for each rule a made-up page that breaks it.

use super::claims::{Refusal, Rule, refusals};
use super::render;
use crate::measure::derive::derive;
use crate::measure::synthetic;
use crate::record::derived::{Derived, TrustRow};

/// What the lint said about a sound page and about one that breaks a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// The rule.
    pub rule: Rule,
    /// What was refused of the sound page: nothing, if all is well.
    pub of_sound: Vec<Refusal>,
    /// What was refused of the broken page: this rule alone, if all is well.
    pub of_broken: Vec<Refusal>,
}

impl Control {
    /// Whether the sound page passed and the broken one was refused for its fault and no other.
    #[must_use]
    pub fn pass(&self) -> bool {
        let is_own = |refusal: &Refusal| refusal.rule == self.rule;
        self.of_sound.is_empty() && !self.of_broken.is_empty() && self.of_broken.iter().all(is_own)
    }
}

/// One control for each rule.
///
/// # Errors
/// When the sound page cannot be rendered, which is a fault of the program.
pub fn controls() -> anyhow::Result<Vec<Control>> {
    let run = synthetic::run(1);
    let derived = derive(&run, &"0".repeat(64));
    let page = render(&run, &derived)?.remove("REPORT.md").unwrap_or_default();
    let control = |rule| {
        let (broken, of) = broken(rule, &page, &derived);
        Control { rule, of_sound: refusals(&page, &derived), of_broken: refusals(&broken, &of) }
    };
    Ok(Rule::ALL.into_iter().map(control).collect())
}

/// The sound page and what it was made from, changed so that one rule is broken.
fn broken(rule: Rule, page: &str, derived: &Derived) -> (String, Derived) {
    let mut of = derived.clone();
    let saying = |sentence: &str| {
        page.replacen("\n## Environment", &format!("\n{sentence}\n\n## Environment"), 1)
    };
    let mut text = page.to_owned();
    match rule {
        Rule::Samples => {
            let rows = of.arms.iter_mut().flat_map(|arm| &mut arm.latency);
            rows.for_each(|row| row.n = 99);
        }
        Rule::Interval => text = saying("`a` is dearer than `b` by 31 %."),
        Rule::NoiseFloor => of.noise_floor = None,
        Rule::LatencyGate => of.trust.push(TrustRow {
            question: "Was the driver an observer?".into(),
            figure: "0.9".into(),
            limit: "at most 0.7".into(),
            pass: Some(false),
        }),
        Rule::NoAverages => text = saying("The mean of the p99s was low."),
        Rule::Invalid => of.withheld = Some("the run is invalid: a gate failed".into()),
        Rule::Provenance => text = page.replace("## Provenance", "## Elsewhere"),
    }
    (text, of)
}
