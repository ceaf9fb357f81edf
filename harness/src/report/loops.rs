//! What a run that loaded no server allows to be said, in sentences.

use super::chart::Input;
use super::format::{self, NANOS, three_digits};
use super::verdicts::{code, machine_in_short};
use crate::record::derived::OverheadResult;

/// The findings, the conditions first.
pub(super) fn sentences(input: &Input<'_>) -> Vec<String> {
    let mut said = vec![conditions(input)];
    for operation in ["verify", "issue"] {
        said.extend(above_signature(input, operation));
    }
    said.extend(input.derived.part_sums.iter().map(|sum| {
        format!(
            "The {} parts of {} add up to {} % of it{}.",
            sum.steps.len(),
            code(&sum.whole),
            three_digits(sum.percent),
            if sum.pass { "" } else { ", so they must not be read as its parts" }
        )
    }));
    said.extend(weights(input));
    said
}

fn conditions(input: &Input<'_>) -> String {
    let rows = &input.derived.micro;
    let on = format!("On {}", machine_in_short(input.run));
    let interleaved = rows.iter().any(|row| row.cpu_ns.is_some());
    let criterion = rows.iter().any(|row| row.criterion_ns.is_some());
    match (interleaved, criterion) {
        (true, false) => format!(
            "{on}, in loops of one thread without a server around them: subject and reference \
             alternate, 95 % intervals over groups of batches:"
        ),
        (true, true) => format!(
            "{on}, in loops of one thread without a server around them: ratios and CPU where \
             subject and reference alternate, 95 % intervals over groups of batches; beside them \
             local nanoseconds by Criterion, which times one subject after the other:"
        ),
        (false, true) => format!(
            "{on}, timed by Criterion, one subject after the other: local nanoseconds, each of its \
             own minute, so no ratios:"
        ),
        (false, false) if has_counts(input) => format!("{on}, counted and weighed, not timed:"),
        (false, false) => format!("{on}, nothing was measured."),
    }
}

fn has_counts(input: &Input<'_>) -> bool {
    !input.run.wire.is_empty() || !input.run.limits.is_empty() || !input.run.memory.is_empty()
}

/// Claims and backend at the levels that stand for the usual.
pub(super) fn is_usual(claims: Option<&str>, backend: Option<&str>) -> bool {
    claims.is_none_or(|claims| claims == "typical")
        && backend.is_none_or(|backend| backend == "aws-lc-rs")
}

/// One sentence per way: the least and the most it costs above the signature, by algorithm.
fn above_signature(input: &Input<'_>, operation: &str) -> Vec<String> {
    let usual = |row: &&OverheadResult| {
        row.operation == operation && is_usual(row.claims.as_deref(), row.backend.as_deref())
    };
    let rows: Vec<&OverheadResult> = input.derived.overhead.iter().filter(usual).collect();
    let mut ways: Vec<&str> = Vec::new();
    for row in &rows {
        if !ways.contains(&row.path.as_str()) {
            ways.push(&row.path);
        }
    }
    let sentence = |way: &&str| {
        let all: Vec<_> = rows.iter().filter(|row| row.path == **way).collect();
        // Beside a signature of a millisecond, a microsecond cannot be seen.
        let seen: Vec<_> = all.iter().filter(|row| row.above_ns.low > 0.0).collect();
        let by_value = |a: &&&&&OverheadResult, b: &&&&&OverheadResult| {
            a.above_ns.value.total_cmp(&b.above_ns.value)
        };
        let (least, most) = (seen.iter().min_by(by_value)?, seen.iter().max_by(by_value)?);
        let figure = |row: &OverheadResult| {
            format!("{} ({})", format::estimate(&row.above_ns, NANOS), row.algorithm)
        };
        let range = if least.algorithm == most.algorithm {
            figure(least)
        } else {
            format!("from {} to {}", figure(least), figure(most))
        };
        let told = if seen.len() == all.len() {
            String::new()
        } else {
            format!(", in {} of {} algorithms; else the data do not tell", seen.len(), all.len())
        };
        Some(format!(
            "Above the signature alone, {operation} by {} costs {range}{told}.",
            code(way)
        ))
    };
    ways.iter().filter_map(sentence).collect()
}

fn weights(input: &Input<'_>) -> Option<String> {
    let each: Vec<String> = (input.derived.memory.iter())
        .map(|row| {
            format!(
                "{} of {} {} B",
                row.entry,
                code(&row.strategy),
                three_digits(row.bytes_per_entry)
            )
        })
        .collect();
    (!each.is_empty()).then(|| format!("An entry adds to Redis: {}.", format::list(&each)))
}

/// What no figure of a loop says.
pub(super) fn limits() -> Vec<String> {
    vec![
        "Nothing about a request: no server, no HTTP, warm caches. The same work costs more inside \
         a server; compare ratios, and do not add these figures to CPU per request."
            .into(),
        "Nothing about other processors: signatures and hashes rank differently with other \
         instructions."
            .into(),
        "Nothing about a network: a store was asked over this machine's own sockets.".into(),
        "No ratios between figures of Criterion: each was taken in another minute.".into(),
    ]
}
