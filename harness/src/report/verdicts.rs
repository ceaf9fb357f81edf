//! The findings in sentences, built from verdicts and promises; no strategy is known by name.

use super::chart::Input;
use super::format::{self, MICROS, PERCENT, list};
use crate::record::derived::{ArmResult, Estimate, Verdict};
use crate::record::run::{PlanRecord, Role, Run, Status};

/// What must stand beside every figure of a run that may not be cited; empty for one that may.
#[must_use]
pub fn status_note(run: &Run) -> &'static str {
    match run.run.status {
        Status::Invalid => "INVALID: a gate of the run failed.",
        Status::Partial => "PARTIAL: the run did not finish.",
        Status::Complete if !run.run.citable => "Preview, do not cite.",
        Status::Complete => "",
    }
}

/// A promise in words.
#[must_use]
pub fn promise(word: &str, within_ns: Option<u64>) -> String {
    match (word, within_ns) {
        ("immediate", _) => "at once".into(),
        ("at-expiry", _) => "at expiry".into(),
        ("within", Some(ns)) => format!("within {}", format::duration(ns as f64)),
        (other, _) => other.into(),
    }
}

/// An arm's id as code.
#[must_use]
pub fn code(id: &str) -> String {
    format!("`{id}`")
}

/// A choice of arms.
type Which<'a> = &'a dyn Fn(&ArmResult) -> bool;

/// What the run allows to be said, the conditions first.
#[must_use]
pub fn sentences(input: &Input<'_>) -> Vec<String> {
    if let Some(why) = &input.derived.withheld {
        return vec![format!("No figure of it is published: {why}.")];
    }
    let Some(plan) = &input.run.plan else { return super::loops::sentences(input) };
    let mut said = vec![conditions(input, plan)];
    said.extend(against_floor(input));
    let at_once = |arm: &ArmResult| promised(input, arm, "immediate", "shared");
    let on_node = |arm: &ArmResult| promised(input, arm, "immediate", "node");
    let at_expiry = |arm: &ArmResult| declared(input, arm).is_some_and(|s| s.revoke == "at-expiry");
    let between = |arm: &ArmResult| declared(input, arm).is_some_and(|s| s.revoke == "within");
    let groups: [(&str, Which<'_>); 4] = [
        ("that take a credential back at once on every node", &at_once),
        ("that take it back at once on the one node that knows it", &on_node),
        ("that take it back within a bound", &between),
        ("that cannot take it back before it expires", &at_expiry),
    ];
    for (words, of) in groups {
        said.extend(cheapest(input, words, of));
    }
    said.extend(price(input, &at_once, &at_expiry));
    said
}

fn conditions(input: &Input<'_>, plan: &PlanRecord) -> String {
    let machine = &input.run.environment;
    format!(
        "On {}, at {} requests per second over loopback ({} arrivals, pacing {}, {} connections, \
         {} server thread{}), with 95 % intervals over {} blocks and decisions at 5 % for each \
         family of comparisons as a whole (Holm):",
        machine_in_short(input.run),
        format::count(plan.rate_per_second),
        plan.arrivals,
        plan.pacing,
        plan.connections,
        plan.server_threads,
        if plan.server_threads == 1 { "" } else { "s" },
        input.derived.blocks
    ) + if machine.cpu_clock == "self-reported" { " (CPU as the server reports it)" } else { "" }
}

/// `a 2-core vm (x86_64, machine grade c)`.
#[must_use]
pub fn machine_in_short(run: &Run) -> String {
    let machine = &run.environment;
    let kind = match machine.virtualization.as_deref() {
        Some("vm") => "virtual machine",
        Some("container") => "container",
        Some("none") => "physical machine",
        _ => "machine",
    };
    format!("a {}-core {kind} ({}, machine grade {})", machine.cores, machine.arch, machine.grade)
}

fn contenders<'a>(input: &Input<'a>) -> Vec<(&'a ArmResult, Estimate)> {
    let arms = input.derived.arms.iter().filter(|arm| arm.role == Role::Contender);
    let mut found: Vec<_> = arms.filter_map(|arm| Some((arm, arm.cpu_above_none_ns?))).collect();
    found.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
    found
}

/// One sentence per verdict against the floor.
fn against_floor(input: &Input<'_>) -> Vec<String> {
    let words = [
        (
            Verdict::Dearer,
            "Dearer than no authentication at all, in CPU of server and Redis per request",
        ),
        (Verdict::Equivalent, "Within 5 % of a whole request without authentication (equivalent)"),
        (Verdict::Undecided, "Undecided against no authentication: the data do not tell"),
        (Verdict::Cheaper, "Cheaper than no authentication, which cannot be: look for the fault"),
    ];
    let found = contenders(input);
    let of = |verdict| {
        let own = found.iter().filter(move |(arm, _)| arm.cpu_verdict == Some(verdict));
        own.map(|(arm, above)| format!("{} by {}", code(&arm.arm), format::estimate(above, MICROS)))
            .collect::<Vec<_>>()
    };
    let sentence = |(verdict, words): (Verdict, &str)| {
        let arms = of(verdict);
        (!arms.is_empty()).then(|| format!("{words}: {}.", list(&arms)))
    };
    words.into_iter().filter_map(sentence).collect()
}

fn declared<'a>(
    input: &Input<'a>,
    arm: &ArmResult,
) -> Option<&'a crate::record::run::StrategyRecord> {
    input.run.strategies.iter().find(|s| s.id == arm.strategy)
}

/// Whether it makes that promise of credentials that are good more than once: those that are used
/// up by being used answer another question.
fn promised(input: &Input<'_>, arm: &ArmResult, revoke: &str, scope: &str) -> bool {
    declared(input, arm).is_some_and(|s| {
        s.revoke == revoke && s.scope == scope && s.uses.as_deref() != Some("once")
    })
}

/// The cheapest of a group, and those that the data do not tell from it.
fn group(input: &Input<'_>, of: &dyn Fn(&ArmResult) -> bool) -> Vec<String> {
    let found = contenders(input);
    let mut own = found.iter().filter(|(arm, _)| of(arm));
    let Some((first, _)) = own.next() else { return vec![] };
    let tied = own.filter(|(arm, _)| {
        pair(input, &arm.arm, &first.arm).is_none_or(|(verdict, _)| {
            matches!(verdict, Verdict::Undecided | Verdict::Equivalent | Verdict::Cheaper)
        })
    });
    std::iter::once(first.arm.clone()).chain(tied.map(|(arm, _)| arm.arm.clone())).collect()
}

fn cheapest(input: &Input<'_>, words: &str, of: &dyn Fn(&ArmResult) -> bool) -> Option<String> {
    let tied = group(input, of);
    let members = contenders(input).iter().filter(|(arm, _)| of(arm)).count();
    let names: Vec<String> = tied.iter().map(|id| code(id)).collect();
    match (members, names.len()) {
        (_, 0) => None,
        (1, _) => Some(format!("Of the strategies {words}, one was measured: {}.", names[0])),
        (_, 1) => Some(format!("Cheapest of the {members} {words}: {}.", names[0])),
        (_, n) if n == members => Some(format!(
            "Of the {members} {words}, none is told apart as the cheapest: {}.",
            list(&names)
        )),
        _ => Some(format!(
            "Cheapest of the {members} {words}: {}, which the data do not tell apart.",
            list(&names)
        )),
    }
}

/// What the cheapest immediate revocation costs against the cheapest without it.
fn price(
    input: &Input<'_>,
    at_once: &dyn Fn(&ArmResult) -> bool,
    at_expiry: &dyn Fn(&ArmResult) -> bool,
) -> Option<String> {
    let (prompt, late) = (group(input, at_once), group(input, at_expiry));
    let (prompt, late) = (prompt.first()?, late.first()?);
    let (verdict, difference) = pair(input, prompt, late)?;
    let row =
        input.derived.cpu_pairs.iter().find(|p| {
            (&p.arm, &p.against) == (prompt, late) || (&p.arm, &p.against) == (late, prompt)
        });
    let p = match verdict {
        Verdict::Equivalent => row.and_then(|row| row.p_equivalent_adjusted),
        _ => row.and_then(|row| row.p_adjusted),
    };
    let by = format!(
        "{} in CPU per whole request (95 % interval{})",
        format::estimate(&difference, PERCENT),
        p.map_or_else(String::new, |p| format!("; {} by Holm's rule", format::p_is(p)))
    );
    let (prompt, late) = (code(prompt), code(late));
    Some(match verdict {
        Verdict::Dearer => format!(
            "Taking credentials back at once has its price: {prompt} is dearer than {late} by {by}."
        ),
        Verdict::Cheaper => format!(
            "Taking credentials back at once is even cheaper here: {prompt} against {late} {by}."
        ),
        Verdict::Equivalent => format!(
            "Taking credentials back at once costs no more than 5 % here: {prompt} against {late} \
             {by}."
        ),
        _ => format!(
            "Whether taking credentials back at once costs CPU is undecided: {prompt} against \
             {late} {by}."
        ),
    })
}

/// `arm` against `other`, whichever way round the pair was recorded.
fn pair(input: &Input<'_>, arm: &str, other: &str) -> Option<(Verdict, Estimate)> {
    let straight = |a: &str, b: &str| {
        input.derived.cpu_pairs.iter().find(move |p| p.arm == a && p.against == b)
    };
    if let Some(found) = straight(arm, other) {
        return Some((found.verdict, found.difference));
    }
    let found = straight(other, arm)?;
    let inverse = |d: f64| 1.0 / (1.0 + d) - 1.0;
    let difference = Estimate {
        value: inverse(found.difference.value),
        low: inverse(found.difference.high),
        high: inverse(found.difference.low),
        n: found.difference.n,
    };
    let verdict = match found.verdict {
        Verdict::Dearer => Verdict::Cheaper,
        Verdict::Cheaper => Verdict::Dearer,
        same => same,
    };
    Some((verdict, difference))
}

/// What these figures do not say.
#[must_use]
pub fn limits(input: &Input<'_>) -> Vec<String> {
    let run = input.run;
    let mut said = Vec::new();
    if !run.run.citable {
        let blocks = match run.plan {
            Some(_) => format!(" with {} blocks", input.derived.blocks),
            None => String::new(),
        };
        let profile = &run.run.profile;
        said.push(format!("Nothing to cite: profile `{profile}` is a preview{blocks}."));
    }
    said.extend(match &run.plan {
        Some(plan) => limits_of_load(run, plan),
        None => super::loops::limits(),
    });
    said.extend(about_machine(input));
    said.extend(about_caches(input));
    said.extend(about_cross_checks(input));
    said
}

/// Caches that had to ask although they cache: slots are short and far apart.
fn about_caches(input: &Input<'_>) -> Option<String> {
    let caches = |arm: &&ArmResult| {
        let declared = input.run.strategies.iter().find(|s| s.id == arm.strategy);
        declared.is_some_and(|s| s.redis_cached && s.redis_commands_per_request > 0)
    };
    let asked = |arm: &ArmResult| {
        let share = arm.redis_counted? as f64 / arm.requests.max(1) as f64;
        (share >= COLD).then(|| format!("{} in {:.0} %", code(&arm.arm), share * 100.0))
    };
    let named: Vec<String> = input.derived.arms.iter().filter(caches).filter_map(asked).collect();
    (!named.is_empty()).then(|| {
        format!(
            "Nothing about a warm cache: an arm is loaded for a fraction of a second and then \
             waits for the others. Of their requests, these asked Redis: {}.",
            list(&named)
        )
    })
}

/// Comparisons whose methods do not say the same.
fn about_cross_checks(input: &Input<'_>) -> Option<String> {
    let open = input.derived.cpu_pairs.iter().filter(|p| p.cross_check.is_some_and(|c| !c.agrees));
    let named: Vec<String> =
        open.map(|p| format!("{} against {}", code(&p.arm), code(&p.against))).collect();
    (!named.is_empty()).then(|| {
        format!(
            "No CPU conclusion where the cross-check disagrees (bootstrap over blocks, signed \
             ranks; the wider interval is shown): {}.",
            list(&named)
        )
    })
}

/// A cache that asks more often than this is not warm.
const COLD: f64 = 0.05;

/// What no figure of a loaded server says.
fn limits_of_load(run: &Run, plan: &PlanRecord) -> Vec<String> {
    let machine = &run.environment;
    vec![
        format!(
            "No absolute latency and no throughput: driver, servers and Redis share {} core{} of \
             one machine. Read differences to `none` within this run.",
            machine.cores,
            if machine.cores == 1 { "" } else { "s" }
        ),
        "Nothing about a network: everything went over loopback, where a store answers sooner than \
         across a data centre, and receiving is charged to the sender."
            .into(),
        format!(
            "Nothing about other rates: CPU per request depends on how requests batch. This was \
             {} requests per second, pacing {}.",
            format::count(plan.rate_per_second),
            plan.pacing
        ),
        "Nothing about other processors: signatures and hashes rank differently with other \
         instructions."
            .into(),
        "Nothing about scaling with cores, and no maximum rate.".into(),
    ]
}

/// What this machine and this run take away from it.
fn about_machine(input: &Input<'_>) -> Vec<String> {
    let machine = &input.run.environment;
    let mut said = Vec::new();
    if !machine.grade_reasons.is_empty() {
        said.push(format!(
            "This machine is graded {}: {}.",
            machine.grade,
            machine.grade_reasons.join("; ")
        ));
    }
    let flips: Vec<String> =
        input.derived.arms.iter().filter(|a| a.driver_flips_sign).map(|a| code(&a.arm)).collect();
    if !flips.is_empty() {
        said.push(format!(
            "No CPU conclusion on {}: counting the driver's CPU as well changes its sign.",
            list(&flips)
        ));
    }
    said
}
