//! Tests 21 and 22: what is asserted elsewhere, and what a page of results may not say.

use super::Scale;
use super::verdict::Verdict;
use crate::report::claims::{Refusal, Rule};
use crate::report::claims_controls::controls;

/// Test 21. Counting allocations takes an allocator of its own, which only a test's program has.
///
/// # Errors
/// Never.
pub(super) fn hot_path(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    verdict.not_run("0 allocations per request: asserted by scripts/test (driver_allocations)");
    Ok(verdict)
}

/// Test 22. A sound page is what must pass; for each rule a page that breaks it is the control.
///
/// # Errors
/// When the page cannot be rendered.
pub(super) fn lint(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let controls = controls()?;
    let sound = controls.iter().map(|control| control.of_sound.len()).max().unwrap_or(0);
    verdict.check("refusals of a sound page", sound, "0", sound == 0);
    for control in &controls {
        let (name, found) = (control.rule.name(), &control.of_broken);
        let what = format!("refusals of a page that breaks {name}");
        verdict.control(what, found.len(), "0", found.is_empty());
        let others: Vec<&Refusal> = found.iter().filter(|r| r.rule != control.rule).collect();
        let what = format!("the same, for other reasons than {name}");
        verdict.check(what, others.len(), "0", others.is_empty());
    }
    let (tried, all) = (controls.len(), Rule::ALL.len());
    verdict.check("rules tried", tried, format!("{all} of {all}"), tried == all);
    Ok(verdict)
}
