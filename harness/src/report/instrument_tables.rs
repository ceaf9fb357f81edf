//! The tables of counts and of other conditions.

use super::chart::Input;
use super::format::{self, MICROS, MISSING, TIMES, count, estimate, three_digits};
use super::page::Table;
use super::verdicts::code;
use crate::record::derived::{CountResult, RegimeResult};

fn or_missing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| MISSING.into(), show)
}

/// A column of counts: its head, its figure.
type Column = (&'static str, fn(&CountResult) -> Option<f64>);

const COUNTS: [Column; 10] = [
    ("Redis commands", |c| c.redis_commands),
    ("commands per read", |c| c.redis_commands_per_read),
    ("B to Redis", |c| c.redis_input_bytes),
    ("B from Redis", |c| c.redis_output_bytes),
    ("switches, server", |c| c.server_switches),
    ("switches, Redis", |c| c.store_switches),
    ("system calls, server", |c| c.server_syscalls),
    ("system calls, Redis", |c| c.store_syscalls),
    ("softirq of the host, µs", |c| c.softirq_ns.map(|ns| ns / 1e3)),
    ("waited for a processor, µs", |c| c.server_runqueue_ns.map(|ns| ns / 1e3)),
];

/// Counts per request, by arm; columns that no arm has are left out.
#[must_use]
pub fn counts(input: &Input<'_>) -> Table {
    let rows = &input.derived.counts;
    let known: Vec<Column> =
        COUNTS.into_iter().filter(|(_, of)| rows.iter().any(|row| of(row).is_some())).collect();
    let head: Vec<&str> =
        std::iter::once("arm").chain(known.iter().map(|(head, _)| *head)).collect();
    Table::new("Counted per request", &head).with(rows.iter().map(|row| {
        let figures = known.iter().map(|(_, of)| or_missing(of(row), three_digits));
        std::iter::once(code(&row.arm)).chain(figures).collect()
    }))
}

/// A condition in words: what differs from the rest of the run.
pub(super) fn condition(regime: &RegimeResult) -> String {
    let mut said = vec![match regime.mode.as_str() {
        "closed" => "closed loop".to_owned(),
        _ => format!("{}/s", count(regime.rate_per_second)),
    }];
    said.push(format!("pacing {}", regime.pacing));
    if regime.layout != "unpinned" {
        said.push(regime.layout.clone());
    }
    if regime.protocol != "http/1.1" {
        said.push(regime.protocol.clone());
    }
    said.extend(regime.mix.clone());
    said.extend(regime.work_kib.map(|n| format!("beside work on {} KiB", count(n.into()))));
    said.join(", ")
}

/// Every arm under every condition.
#[must_use]
pub fn regimes(input: &Input<'_>) -> Table {
    let head = [
        "condition",
        "",
        "arm",
        "CPU of server and Redis, µs",
        "above none, µs (95 %)",
        "verdict",
        "throughput over none",
        "blocks",
    ];
    let rows = input.derived.regimes.iter().flat_map(|regime| {
        regime.arms.iter().map(move |arm| {
            vec![
                regime.name.clone(),
                condition(regime),
                code(&arm.arm),
                or_missing(arm.cpu_ns, |ns| three_digits(ns / 1e3)),
                or_missing(arm.cpu_above_none_ns, |e| format::interval(&e, MICROS)),
                or_missing(arm.cpu_verdict, |v| format::verdict(v).into()),
                or_missing(arm.throughput_over_none, |e| estimate(&e, TIMES)),
                regime.blocks.to_string(),
            ]
        })
    });
    Table::new("The same under other conditions", &head).with(rows)
}

/// What the layouts of the processes say together.
#[must_use]
pub fn layouts(input: &Input<'_>) -> Vec<String> {
    let measured = input.derived.regimes.iter().any(|regime| regime.layout != "unpinned");
    if !measured {
        return vec![];
    }
    let found: Vec<String> = input.derived.layout_dependent.iter().map(|pair| code(pair)).collect();
    vec![if found.is_empty() {
        "No order of two of these arms on CPU that is decided in one layout of the processes is \
         reversed in another."
            .into()
    } else {
        format!(
            "Layout-dependent, so no conclusion: the order on CPU of {} is decided both ways, \
             depending on which process runs on which processor.",
            format::list(&found)
        )
    }]
}

/// How the instrument fared on what is known.
#[must_use]
pub fn acceptance(input: &Input<'_>) -> Table {
    let head = ["test", "what", "figure", "must be", "outcome"];
    let tests = input.run.acceptance.iter().flat_map(|acceptance| &acceptance.tests);
    let rows = tests.flat_map(|test| {
        let name = format!("{} {}", test.number, test.name);
        let reason = test.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let outcome = format!("{}{reason}", test.outcome);
        let whole = vec![name, String::new(), String::new(), String::new(), outcome];
        std::iter::once(whole).chain(test.rows.iter().map(|row| {
            let (what, limit, outcome) = match (row.negative_control, row.pass) {
                (false, true) => (row.what.clone(), row.limit.clone(), "passed"),
                (false, false) => (row.what.clone(), row.limit.clone(), "FAILED"),
                (true, pass) => (
                    format!("control: {}", row.what),
                    format!("not {}", row.limit),
                    if pass { "fails, as it must" } else { "HOLDS, and must not" },
                ),
            };
            vec![String::new(), what, row.figure.clone(), limit, outcome.into()]
        }))
    });
    Table::new("The instrument on what is known", &head).with(rows)
}

/// Every gate made to fail.
#[must_use]
pub fn sabotage(input: &Input<'_>) -> Table {
    let head = ["gate", "voids", "fault", "what it said", "noticed"];
    let rows = input.run.acceptance.iter().flat_map(|acceptance| &acceptance.sabotage);
    Table::new("Every gate made to fail", &head).with(rows.map(|row| {
        let noticed = match (row.voids.as_str(), row.noticed) {
            (_, None) => "not tried",
            ("", Some(true)) => "nothing to notice",
            ("", Some(false)) => "A GATE FAILED WITHOUT SABOTAGE",
            (_, Some(true)) => "yes",
            (_, Some(false)) => "NO: it survived",
        };
        vec![
            row.gate.clone(),
            row.voids.clone(),
            row.fault.clone(),
            row.figure.clone(),
            noticed.into(),
        ]
    }))
}
