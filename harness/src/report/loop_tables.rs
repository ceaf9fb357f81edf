//! The tables of what was timed in loops, sized and weighed.

use super::chart::Input;
use super::format::{self, MICROS, MISSING, NANOS, TIMES, count, estimate, three_digits};
use super::page::Table;
use super::verdicts::code;
use crate::record::derived::{Estimate, MicroResult};

fn or_missing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| MISSING.into(), show)
}

/// Whether a row is a strategy's verify or issue, as a whole run times them.
pub(super) fn is_strategy(row: &MicroResult) -> bool {
    matches!(row.operation.as_str(), "verify" | "issue")
        && row.strategy.is_some()
        && row.parameters.is_empty()
}

/// Verification and issue of the strategies.
#[must_use]
pub fn micro(input: &Input<'_>) -> Table {
    let head = [
        "operation",
        "strategy",
        "algorithm",
        "CPU (95 %)",
        "ratio to its reference (95 %)",
        "reference",
    ];
    let rows = input.derived.micro.iter().filter(|m| is_strategy(m) && m.cpu_ns.is_some());
    Table::new("Thread CPU per operation", &head).with(rows.map(|m| {
        vec![
            m.operation.clone(),
            or_missing(m.strategy.as_ref(), |s| code(s)),
            m.algorithm.clone().unwrap_or_else(|| MISSING.into()),
            or_missing(m.cpu_ns, |e| estimate(&e, MICROS)),
            or_missing(m.ratio, |e| estimate(&e, TIMES)),
            or_missing(m.reference.as_ref(), |r| code(r)),
        ]
    }))
}

/// A column of a table of subjects: its head, and its figure where there is one.
type Column = (&'static str, fn(&MicroResult) -> Option<String>);

fn shown(figure: Option<Estimate>, unit: format::Unit) -> Option<String> {
    figure.map(|e| estimate(&e, unit))
}

const COLUMNS: [Column; 9] = [
    ("CPU (95 %)", |m| shown(m.cpu_ns, NANOS)),
    ("Redis' CPU", |m| shown(m.store_cpu_ns, NANOS)),
    ("CPU of both", |m| shown(m.total_cpu_ns, NANOS)),
    ("wall", |m| shown(m.wall_ns, NANOS)),
    ("ratio of CPU", |m| shown(m.ratio, TIMES)),
    ("ratio of both CPUs", |m| shown(m.total_ratio, TIMES)),
    ("ratio of wall", |m| shown(m.wall_ratio, TIMES)),
    ("reference", |m| m.reference.as_ref().map(|r| code(r))),
    ("local wall by Criterion", |m| shown(m.criterion_ns, NANOS)),
];

/// Every subject of an operation, under the columns that any of them has.
#[must_use]
pub fn subjects(input: &Input<'_>, operation: &str) -> Table {
    let rows: Vec<&MicroResult> = (input.derived.micro.iter())
        .filter(|row| row.operation == operation)
        .filter(|row| !is_strategy(row) || row.criterion_ns.is_some())
        .collect();
    let used: Vec<&Column> =
        COLUMNS.iter().filter(|(_, of)| rows.iter().any(|row| of(row).is_some())).collect();
    let head: Vec<&str> = std::iter::once("subject").chain(used.iter().map(|c| c.0)).collect();
    let caption = format!("`{operation}`, per operation");
    Table::new(&caption.replace('`', ""), &head).with(rows.iter().map(|row| {
        let name =
            row.id.strip_prefix(operation).map_or(row.id.as_str(), |r| r.trim_start_matches('/'));
        std::iter::once(code(name))
            .chain(used.iter().map(|(_, of)| of(row).unwrap_or_else(|| MISSING.into())))
            .collect()
    }))
}

/// What each way costs above the signature.
#[must_use]
pub fn overhead(input: &Input<'_>) -> Table {
    let head = [
        "operation",
        "by",
        "algorithm",
        "claims",
        "backend",
        "the signature alone, ns",
        "above it (95 %)",
        "of the whole",
    ];
    let or = |level: &Option<String>| level.clone().unwrap_or_else(|| MISSING.into());
    Table::new("CPU above the signature alone", &head).with(input.derived.overhead.iter().map(
        |row| {
            vec![
                row.operation.clone(),
                code(&row.path),
                row.algorithm.clone(),
                or(&row.claims),
                or(&row.backend),
                three_digits(row.primitive_ns),
                estimate(&row.above_ns, NANOS),
                format!("{} %", three_digits(row.percent_of_whole)),
            ]
        },
    ))
}

/// Parts beside the whole.
#[must_use]
pub fn parts(input: &Input<'_>) -> Table {
    let head = ["path", "part", "CPU, ns", "of the whole"];
    let rows = input.derived.part_sums.iter().flat_map(|sum| {
        let row = |name: String, ns: f64| {
            let share = format!("{} %", three_digits(ns / sum.whole_ns * 100.0));
            vec![code(&sum.path), name, three_digits(ns), share]
        };
        let steps = sum.steps.iter().map(move |step| row(step.step.clone(), step.cpu_ns));
        let verdict = if sum.pass { "within 10 %" } else { "NOT within 10 %" };
        steps.chain([
            row(format!("sum ({verdict})"), sum.sum_ns),
            row(format!("whole, {}", code(&sum.whole)), sum.whole_ns),
        ])
    });
    Table::new("The parts of one verification, and the whole", &head).with(rows)
}

/// Bytes of credentials on the wire.
#[must_use]
pub fn wire(input: &Input<'_>) -> Table {
    let mut policies: Vec<&str> = Vec::new();
    for block in input.run.wire.iter().flat_map(|row| &row.header_blocks) {
        if !policies.contains(&block.policy.as_str()) {
            policies.push(&block.policy);
        }
    }
    let mut head: Vec<String> = [
        "credential",
        "algorithm",
        "claims",
        "carrier",
        "claims, B",
        "credential, B",
        "HTTP/1.1 line, B",
        "HTTP/1.1 request, B",
    ]
    .map(String::from)
    .into();
    head.extend(policies.iter().map(|p| format!("HTTP/2 {p}, first / later, B")));
    let mut table = Table { caption: "Credentials on the wire, exact".into(), head, rows: vec![] };
    for row in &input.run.wire {
        let or = |level: &Option<String>| level.clone().unwrap_or_else(|| MISSING.into());
        let mut cells = vec![
            row.credential.clone(),
            or(&row.algorithm),
            or(&row.claims),
            row.carrier.clone(),
            or_missing(row.claims_bytes, count),
            count(row.credential_bytes),
            count(row.header_line_bytes),
            count(row.request_bytes),
        ];
        cells.extend(policies.iter().map(|policy| {
            let block = row.header_blocks.iter().find(|block| block.policy == *policy);
            or_missing(block, |b| format!("{} / {}", count(b.first_bytes), count(b.later_bytes)))
        }));
        table.rows.push(cells);
    }
    table
}

/// Where credentials cross limits.
#[must_use]
pub fn limits(input: &Input<'_>) -> Table {
    let head = ["limit", "what it says", "bytes", "algorithm", "carrier", "crossed from claims of"];
    Table::new("From how many bytes of claims a limit is exceeded, exact", &head).with(
        input.run.limits.iter().map(|row| {
            vec![
                row.limit.clone(),
                row.about.clone(),
                count(row.limit_bytes),
                row.algorithm.clone(),
                row.carrier.clone(),
                or_missing(row.claims_bytes, |n| format!("{} B", count(n))),
            ]
        }),
    )
}

/// What an entry weighs.
#[must_use]
pub fn memory(input: &Input<'_>) -> Table {
    let head =
        ["strategy", "entry", "entries filed", "Redis grew per entry, B", "MEMORY USAGE of one, B"];
    Table::new("Memory of Redis per entry", &head).with(input.derived.memory.iter().map(|row| {
        vec![
            code(&row.strategy),
            row.entry.clone(),
            count(row.entries),
            three_digits(row.bytes_per_entry),
            count(row.usage_bytes),
        ]
    }))
}
