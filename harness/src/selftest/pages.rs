//! Tests 21 and 22: what is asserted elsewhere, and what a page of results may not say.

use anyhow::Context as _;

use super::Scale;
use super::verdict::Verdict;
use crate::measure::derive::derive;
use crate::measure::synthetic;
use crate::record::derived::Derived;
use crate::report::claims::{Rule, refusals};
use crate::report::render;

/// Test 21. Counting allocations takes an allocator of its own, which only a test's program has.
///
/// # Errors
/// Never.
pub(super) fn hot_path(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    verdict.not_run("0 allocations per request: asserted by scripts/test (driver_allocations)");
    Ok(verdict)
}

/// How a sound page is made to break one rule.
struct Breach {
    rule: Rule,
    what: &'static str,
    edit: fn(&str, &mut Derived) -> String,
}

fn append(page: &str, line: &str) -> String {
    page.replace("\n## Environment", &format!("\n{line}\n\n## Environment"))
}

const BREACHES: [Breach; 7] = [
    Breach {
        rule: Rule::Samples,
        what: "a p99.9 of 150 samples",
        edit: |page, derived| {
            for row in derived.arms.iter_mut().flat_map(|arm| &mut arm.latency) {
                row.n = if row.permille == 500 { 150 } else { row.n };
            }
            page.to_owned()
        },
    },
    Breach {
        rule: Rule::Interval,
        what: "a difference without its interval",
        edit: |page, _| append(page, "`x` is dearer than `y` by 31 %."),
    },
    Breach {
        rule: Rule::NoiseFloor,
        what: "a claim without an A/A arm",
        edit: |page, derived| {
            derived.noise_floor = None;
            page.to_owned()
        },
    },
    Breach {
        rule: Rule::LatencyGate,
        what: "a latency claim of an unfit driver",
        edit: |page, derived| {
            let share = |question: &str| question.starts_with("Driver's share");
            for row in derived.trust.iter_mut().filter(|row| share(&row.question)) {
                row.pass = Some(false);
            }
            page.to_owned()
        },
    },
    Breach {
        rule: Rule::NoAverages,
        what: "a mean of percentiles",
        edit: |page, _| append(page, "The mean p99 was low."),
    },
    Breach {
        rule: Rule::Invalid,
        what: "figures of an invalid run",
        edit: |page, derived| {
            derived.withheld = Some("the run is invalid: a gate failed".into());
            page.to_owned()
        },
    },
    Breach {
        rule: Rule::Provenance,
        what: "a page of unknown origin",
        edit: |page, _| page.replace("## Provenance", "## Elsewhere"),
    },
];

/// Test 22. The sound page is what must pass; each breach is a control.
///
/// # Errors
/// When the page cannot be rendered.
pub(super) fn lint(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let run = synthetic::run(1);
    let derived = derive(&run, &"0".repeat(64));
    let page = render(&run, &derived)?.remove("REPORT.md").context("no page was rendered")?;
    let found = refusals(&page, &derived).len();
    verdict.check("refusals of a sound page", found, "0", found == 0);
    for breach in BREACHES {
        let mut derived = derived.clone();
        let edited = (breach.edit)(&page, &mut derived);
        let found = refusals(&edited, &derived);
        let only = found.iter().all(|refusal| refusal.rule == breach.rule);
        let what = format!("refusals of {}", breach.what);
        verdict.control(what, found.len(), "0", found.is_empty());
        if !only {
            let rules: Vec<&str> = found.iter().map(|refusal| refusal.rule.name()).collect();
            let what = format!("rules broken by {}", breach.what);
            verdict.check(what, rules.join(", "), breach.rule.name(), false);
        }
    }
    let tried = Rule::ALL.iter().filter(|rule| BREACHES.iter().any(|b| b.rule == **rule)).count();
    let all = Rule::ALL.len();
    verdict.check("rules tried", tried, format!("{all} of {all}"), tried == all);
    Ok(verdict)
}
