//! The tables under the charts: every figure that is drawn, and what limits it.

use super::chart::Input;
use super::format::{self, MICROS, MISSING, PERCENT, count, estimate, three_digits};
pub use super::instrument_tables::{acceptance, counts, layouts, regimes, sabotage};
pub use super::lag_tables::{mass, revocation_lag};
pub use super::loop_tables::{limits, memory, micro, overhead, parts, subjects, wire};
use super::page::Table;
use super::verdicts::{code, promise};
use crate::record::derived::{ArmResult, RevocationLagResult, Verdict};
use crate::record::run::{Role, StrategyRecord};

fn or_missing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| MISSING.into(), show)
}

fn us(ns: Option<f64>) -> String {
    or_missing(ns, |ns| three_digits(ns / 1e3))
}

fn word(verdict: Option<Verdict>) -> String {
    or_missing(verdict, |v| format::verdict(v).into())
}

/// A verdict with the p it rests on, `dearer, p < 0.001`; equivalence rests on another one.
fn decided(verdict: Option<Verdict>, p: Option<f64>) -> String {
    match (verdict, p) {
        (Some(Verdict::Equivalent), _) | (_, None) => word(verdict),
        (Some(verdict), Some(p)) => format!("{}, {}", format::verdict(verdict), format::p_is(p)),
        (None, Some(p)) => format!("{MISSING} ({})", format::p_is(p)),
    }
}

/// A verdict with what keeps it from being another one.
fn limited(verdict: String, note: Option<&str>) -> String {
    let limits = |part: &&str| part.starts_with("no verdict") || part.starts_with("cross-check");
    let parts: Vec<&str> = note.unwrap_or("").split("; ").filter(limits).collect();
    if parts.is_empty() { verdict } else { format!("{verdict}: {}", parts.join("; ")) }
}

/// Contenders, the cheapest first; without a figure last.
fn contenders<'a>(input: &Input<'a>) -> Vec<&'a ArmResult> {
    let mut arms: Vec<&ArmResult> =
        input.derived.arms.iter().filter(|arm| arm.role == Role::Contender).collect();
    let key = |arm: &ArmResult| arm.cpu_above_none_ns.map_or(f64::INFINITY, |e| e.value);
    arms.sort_by(|a, b| key(a).total_cmp(&key(b)));
    arms
}

fn declared<'a>(input: &Input<'a>, strategy: &str) -> Option<&'a StrategyRecord> {
    input.run.strategies.iter().find(|s| s.id == strategy)
}

/// What each contender costs.
#[must_use]
pub fn cost(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "CPU above none, µs (95 %)",
        "verdict (p by Holm)",
        "CPU rank",
        "p50 above none, µs",
        "p99 above none, µs",
        "request, B",
        "Redis commands, declared",
        "counted",
    ];
    Table::new("What each strategy costs", &head).with(contenders(input).into_iter().map(|arm| {
        vec![
            code(&arm.arm),
            or_missing(arm.cpu_above_none_ns, |e| format::interval(&e, MICROS)),
            decided(arm.cpu_verdict, arm.cpu_p_adjusted),
            or_missing(arm.cpu_rank, format::rank),
            percentile(arm, 500),
            percentile(arm, 990),
            or_missing(arm.request_bytes, |b| count(b.round() as u64)),
            format!("{} a request", arm.redis_declared),
            commands(arm),
        ]
    }))
}

fn commands(arm: &ArmResult) -> String {
    or_missing(arm.redis_counted, |n| format!("{} in {} requests", count(n), count(arm.requests)))
}

fn percentile(arm: &ArmResult, permille: u32) -> String {
    let found = arm.latency.iter().find(|p| p.permille == permille);
    // Why a figure or a verdict is missing stands once, in the table of latencies.
    match found.and_then(|p| Some((p.above_none_ns?, p.verdict))) {
        Some((e, Some(verdict))) => {
            format!("{}, {}", format::interval(&e, MICROS), format::verdict(verdict))
        }
        Some((e, None)) => format::interval(&e, MICROS),
        None => MISSING.into(),
    }
}

/// What each contender promises, and what becomes of it when things fail.
#[must_use]
pub fn promises(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "revocation lag",
        "logout takes effect",
        "and takes back",
        "logout everywhere",
        "scope",
        "store down",
        "store state lost",
        "server restarts",
    ];
    Table::new("What it can take back, and what happens when things fail", &head).with(
        contenders(input).into_iter().map(|arm| {
            let Some(s) = declared(input, &arm.strategy) else {
                return std::iter::once(code(&arm.arm))
                    .chain((1..head.len()).map(|_| MISSING.to_owned()))
                    .collect();
            };
            vec![
                code(&arm.arm),
                lag(input, &arm.strategy),
                promise(&s.revoke, s.revoke_within_ns),
                s.granularity.clone(),
                promise(&s.revoke_all, s.revoke_all_within_ns),
                s.scope.clone(),
                s.store_down.clone(),
                s.store_lost.clone(),
                s.node_restart.clone(),
            ]
        }),
    )
}

fn lag(input: &Input<'_>, strategy: &str) -> String {
    let plain = input.derived.revocation_lag.iter().filter(|l| l.is_plain());
    let rows = plain.filter(|l| l.strategy == strategy);
    let said: Vec<String> = rows.map(lag_in_words).collect();
    if said.is_empty() { "not measured".into() } else { said.join("; ") }
}

fn lag_in_words(row: &RevocationLagResult) -> String {
    let life = format::duration(row.lifetime_s as f64 * 1e9);
    if row.basis == "by-law" {
        return format!("up to {life}, by law (T = {life})");
    }
    let Some(max) = row.max_ns else {
        return if row.trials == 0 { "no trials".into() } else { "withheld".into() };
    };
    let (name, bound) = match (row.p99_upper_ns, row.p95_upper_ns) {
        (Some(ns), _) => ("p99", ns),
        (None, Some(ns)) => ("p95", ns),
        (None, None) => ("largest", max),
    };
    let bound = if bound <= row.resolution_ns as i64 {
        format!("below {}", format::duration(row.resolution_ns as f64))
    } else {
        format!("at most {}", format::duration(bound as f64))
    };
    let lifetime =
        if row.law_error_max_ns.is_some() { format!(", T = {life}") } else { String::new() };
    format!("{name} {bound} ({} trials{lifetime})", row.trials)
}

/// CPU in its parts, every arm.
#[must_use]
pub fn cpu(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "for",
        "server, µs",
        "Redis net of none, µs",
        "driver, µs",
        "above none, µs (95 %)",
        "above none, % (95 %)",
        "with driver, % (95 %)",
        "requests",
        "slots discarded",
    ];
    Table::new("CPU per request: medians over blocks, and differences within blocks", &head).with(
        input.derived.arms.iter().map(|arm| {
            let flips = if arm.driver_flips_sign { " (sign changes)" } else { "" };
            vec![
                code(&arm.arm),
                role(arm.role).into(),
                us(arm.server_cpu_ns),
                us(arm.store_cpu_ns),
                us(arm.driver_cpu_ns),
                or_missing(arm.cpu_above_none_ns, |e| format::interval(&e, MICROS)),
                or_missing(arm.cpu_over_none, |e| format::interval(&e, PERCENT)),
                or_missing(arm.cpu_over_none_with_driver, |e| {
                    format!("{}{flips}", format::interval(&e, PERCENT))
                }),
                count(arm.requests),
                format!("{} of {}", count(arm.slots_discarded), count(arm.slots)),
            ]
        }),
    )
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Baseline => "floor",
        Role::AaControl => "A/A control",
        Role::StoreFloor => "store floor",
        Role::Ruler => "ruler",
        Role::Decoy => "decoy",
        Role::Contender => "contender",
    }
}

/// Percentiles of every arm.
#[must_use]
pub fn latency(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "percentile",
        "response, µs",
        "service, µs",
        "response above none, µs (95 %)",
        "verdict (p by Holm)",
        "samples",
    ];
    let rows =
        input.derived.arms.iter().filter(|a| matches!(a.role, Role::Baseline | Role::Contender));
    Table::new("Latency percentiles, pooled; differences within blocks", &head).with(rows.flat_map(
        |arm| {
            arm.latency.iter().map(|p| {
                let note = p.note.as_ref().map(|n| format!("{MISSING} ({n})"));
                vec![
                    code(&arm.arm),
                    format!("p{}", f64::from(p.permille) / 10.0),
                    or_missing(p.response_ns, format::micros),
                    or_missing(p.service_ns, format::micros),
                    match (p.above_none_ns, note) {
                        (Some(e), _) => format::interval(&e, MICROS),
                        (None, Some(note)) => note,
                        (None, None) => MISSING.into(),
                    },
                    limited(decided(p.verdict, p.p_adjusted), p.note.as_deref()),
                    count(p.n),
                ]
            })
        },
    ))
}

/// Sizes, counted.
#[must_use]
pub fn sizes(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "credential, B",
        "claims, B",
        "header line, B",
        "request, B",
        "response, B",
        "login response, B",
    ];
    Table::new("Bytes, counted on real messages", &head).with(input.run.sizes.iter().map(|s| {
        vec![
            code(&s.arm),
            count(s.credential_bytes),
            or_missing(s.claims_bytes, count),
            count(s.header_line_bytes),
            count(s.request_bytes),
            count(s.response_bytes),
            count(s.login_response_bytes),
        ]
    }))
}

/// Logout and logout everywhere.
#[must_use]
pub fn revocation_cost(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "operation",
        "takes effect",
        "credentials a call",
        "CPU a call (95 %)",
        "of it Redis, µs",
        "Redis commands a call",
        "median latency, µs",
        "accepted afterwards",
        "calls",
    ];
    Table::new("What a logout costs", &head).with(input.derived.revocation_cost.iter().map(|r| {
        let within = declared(input, &r.strategy).and_then(|s| s.revoke_within_ns);
        vec![
            code(&r.strategy),
            r.operation.clone(),
            promise(&r.promise, within),
            count(r.credentials_per_call.into()),
            or_missing(r.cpu_ns, |e| estimate(&e, MICROS)),
            us(r.store_cpu_ns),
            or_missing(r.redis_commands, super::chart::rows::tick_label),
            or_missing(r.p50_ns, format::micros),
            format!("{} of {}", count(r.accepted_afterwards), count(r.presented_afterwards)),
            count(r.calls),
        ]
    }))
}

/// Every two contenders, and each against the floor.
#[must_use]
pub fn pairs(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "against",
        "CPU per request, difference in % (95 %)",
        "p of a difference (Holm)",
        "p of less than 5 % (Holm)",
        "cross-check",
        "verdict",
    ];
    let caption = "Every comparison of CPU, server and Redis; each family is decided as a whole";
    Table::new(caption, &head).with(input.derived.cpu_pairs.iter().map(|p| {
        vec![
            code(&p.arm),
            code(&p.against),
            format::interval(&p.difference, PERCENT),
            or_missing(p.p_adjusted, format::p),
            or_missing(p.p_equivalent_adjusted, format::p),
            or_missing(p.cross_check, |check| {
                (if check.agrees { "agrees" } else { "disagrees" }).into()
            }),
            format::verdict(p.verdict).into(),
        ]
    }))
}

/// Whether to believe the rest.
#[must_use]
pub fn trust(input: &Input<'_>) -> Table {
    let verdict = |pass: Option<bool>| match pass {
        Some(true) => "passed",
        Some(false) => "FAILED",
        None => MISSING,
    };
    Table::new("Trust panel", &["question", "figure", "limit", "outcome"]).with(
        input.derived.trust.iter().map(|t| {
            vec![t.question.clone(), t.figure.clone(), t.limit.clone(), verdict(t.pass).into()]
        }),
    )
}

/// What was seen of a known effect.
#[must_use]
pub fn rulers(input: &Input<'_>) -> Table {
    Table::new(
        "Rulers: a known amount of CPU, and what was seen of it",
        &["arm", "added", "seen (95 %)"],
    )
    .with(input.derived.rulers.iter().map(|r| {
        vec![
            code(&r.arm),
            format!("{} µs", three_digits(r.added_ns as f64 / 1e3)),
            estimate(&r.seen_ns, MICROS),
        ]
    }))
}
