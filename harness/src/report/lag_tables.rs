//! The tables of revocation: how long revoked credentials worked, whether that was promised, and
//! what many logouts at once cost.

use super::chart::Input;
use super::format::{self, MISSING, count, three_digits};
use super::page::Table;
use super::verdicts::code;
use crate::record::derived::RevocationLagResult;

fn or_missing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| MISSING.into(), show)
}

fn ns(value: Option<i64>) -> String {
    or_missing(value, |value| format::duration(value as f64))
}

/// How long revoked credentials worked; where laws were declared, whether that was promised.
#[must_use]
pub fn revocation_lag(input: &Input<'_>) -> Table {
    let mut head = vec![
        "strategy",
        "basis",
        "lifetime",
        "trials",
        "nodes",
        "resolution",
        "median",
        "p95, at most",
        "p99, at most",
        "largest",
        "largest from the call",
        "stale accepts",
    ];
    let rows = &input.derived.revocation_lag;
    let judged = rows.iter().any(|row| row.promise_ns.is_some());
    if judged {
        head.extend(["revoked by", "promised", "within it", "law"]);
    }
    Table::new("Revocation lag; bounds are one-sided at 95 %", &head).with(rows.iter().map(|l| {
        let mut cells = figures(l);
        if judged {
            cells.extend([conditions(l), promised(l), kept(l).into(), law(l)]);
        }
        cells
    }))
}

fn figures(l: &RevocationLagResult) -> Vec<String> {
    let measured = l.basis == "measured";
    let only = |text: String| if measured { text } else { MISSING.into() };
    vec![
        code(&l.strategy),
        if measured { "measured".into() } else { "by law".into() },
        format::duration(l.lifetime_s as f64 * 1e9),
        only(count(l.trials.into())),
        only(format!("{}{}", l.nodes, if l.node_scoped { " (its owner)" } else { "" })),
        only(format::duration(l.resolution_ns as f64)),
        ns(l.median_ns),
        ns(l.p95_upper_ns),
        ns(l.p99_upper_ns),
        ns(l.max_ns),
        ns(l.max_from_call_ns),
        only(count(l.stale_accepts)),
    ]
}

/// What revoked, and what else was asked of the nodes meanwhile.
#[must_use]
pub fn conditions(l: &RevocationLagResult) -> String {
    let what = match l.credentials_per_call {
        1 => l.operation.clone(),
        n => format!("{} of {}", l.operation, count(n.into())),
    };
    match l.load_per_second {
        0 => what,
        rate => format!("{what}, at {} requests/s", count(rate)),
    }
}

/// The longest lag that is promised.
#[must_use]
pub fn promised(l: &RevocationLagResult) -> String {
    or_missing(l.promise_ns, |ns| match ns {
        0 => "immediate".into(),
        ns => format::duration(ns as f64),
    })
}

/// Whether the promise was kept.
#[must_use]
pub const fn kept(l: &RevocationLagResult) -> &'static str {
    match l.within_promise {
        Some(true) => "yes",
        Some(false) => "NO",
        None => MISSING,
    }
}

/// The law with its verdict.
#[must_use]
pub fn law(l: &RevocationLagResult) -> String {
    or_missing(l.lag_law.as_ref(), |law| {
        let verdict = if law.agrees { "agrees" } else { "DISAGREES" };
        format!("{}: {verdict} ({})", law.law, law.detail)
    })
}

/// Many logouts at once.
#[must_use]
pub fn mass(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "nodes",
        "logouts",
        "logouts/s, one driver",
        "CPU per logout, µs",
        "of it Redis, µs",
        "Redis commands per logout",
        "all refused after",
        "at logouts/s",
    ];
    let us = |ns: Option<f64>| or_missing(ns, |ns| three_digits(ns / 1e3));
    Table::new("Many logouts at once; CPU of all nodes", &head).with(input.derived.mass.iter().map(
        |row| {
            vec![
                code(&row.strategy),
                row.nodes.to_string(),
                count(row.logouts),
                or_missing(row.per_second, three_digits),
                us(row.cpu_ns),
                us(row.store_cpu_ns),
                or_missing(row.redis_commands, three_digits),
                or_missing(row.all_refused_after_ns, |ns| format::duration(ns as f64)),
                count(row.rate_per_second),
            ]
        },
    ))
}
