//! The tables of the distance sweep: the figures, and what follows about who answers sooner.

use super::chart::Input;
use super::chart::rows::tick_label;
use super::format::{self, MICROS, MILLIS, MISSING, count, estimate, three_digits};
use super::page::Table;
use super::verdicts::code;
use crate::record::derived::{CpuCrossing, Crossing, CrossingKind, Verdict};

/// What a proxy cannot imitate; stands wherever figures of the sweep do.
pub const LIMITS: &str = "The delay line is a TCP proxy: the round trip of each command is \
    imitated; connection set-up, Nagle's algorithm, delayed acknowledgements, the congestion \
    window, loss and its recovery are not.";

/// Every arm at every distance.
#[must_use]
pub fn figures(input: &Input<'_>) -> Table {
    let head = [
        "arm",
        "round trip added, ms",
        "p50, µs",
        "p50 above none, µs (95 %)",
        "p90 above none, µs (95 %)",
        "CPU above none, µs (95 %)",
        "in flight",
        "Redis commands a request",
        "line late, p99, µs",
        "requests",
        "windows (left out)",
    ];
    let rows = input.derived.distance.iter().flat_map(|result| &result.rows);
    let of = |e: Option<_>| or_missing(e, |e| format::interval(&e, MICROS));
    Table::new("The store at a distance", &head).with(rows.map(|row| {
        vec![
            code(&row.arm),
            row.round_trip_ns.map_or_else(|| "no line".into(), |ns| tick_label(ns as f64 / 1e6)),
            or_missing(row.p50_ns, |ns| three_digits(ns / 1e3)),
            of(row.p50_above_none_ns),
            of(row.p90_above_none_ns),
            of(row.cpu_above_none_ns),
            or_missing(row.in_flight, three_digits),
            or_missing(row.redis_commands_per_request, tick_label),
            or_missing(row.line_lateness_p99_ns, format::micros),
            count(row.requests),
            format!("{} ({})", row.windows, row.left_out),
        ]
    }))
}

/// Each token against each strategy with a store.
#[must_use]
pub fn crossovers(input: &Input<'_>) -> Table {
    let head = [
        "token",
        "against",
        "answers sooner (p50) from a round trip of, with a 95 % interval",
        "blocks: at once, crossing, never",
        "costs less CPU",
    ];
    let rows = input.derived.distance.iter().flat_map(|result| &result.crossovers);
    Table::new("From which distance on a token is ahead", &head).with(rows.map(|c| {
        let latency = &c.latency;
        vec![
            code(&c.token),
            code(&c.store),
            crossing_in_words(latency),
            format!(
                "{}, {}, {}",
                latency.blocks_always, latency.blocks_crossing, latency.blocks_never
            ),
            cpu_in_words(&c.cpu),
        ]
    }))
}

/// `0.41 (0.38 to 0.44) ms`, `at once`, `never`, or that the blocks disagree.
#[must_use]
pub fn crossing_in_words(crossing: &Crossing) -> String {
    let all = crossing.blocks_always + crossing.blocks_crossing + crossing.blocks_never;
    match (crossing.kind, crossing.round_trip_ns) {
        (CrossingKind::Always, _) => "at once, at any distance".into(),
        (CrossingKind::Never, _) => "never, at no distance measured".into(),
        (CrossingKind::Crosses, Some(e)) => estimate(&e, MILLIS),
        (CrossingKind::Crosses, None) => "it crosses; one block gives no interval".into(),
        (CrossingKind::Undecided, Some(e)) => format!(
            "{}; at once in {} of {all} blocks",
            estimate(&e, MILLIS),
            crossing.blocks_always
        ),
        (CrossingKind::Undecided, None) if all == 0 => MISSING.into(),
        (CrossingKind::Undecided, None) => {
            format!("undecided: it crosses in {} of {all} blocks", crossing.blocks_crossing)
        }
    }
}

fn cpu_in_words(cpu: &CpuCrossing) -> String {
    let at = |verdict: Verdict| {
        let at = cpu.at.iter().filter(|at| at.verdict == verdict);
        at.map(|at| tick_label(at.round_trip_ns as f64 / 1e6)).collect::<Vec<_>>()
    };
    match cpu.kind {
        CrossingKind::Always => "always, at every distance".into(),
        CrossingKind::Never => "never: dearer at every distance".into(),
        CrossingKind::Crosses => {
            let from = at(Verdict::Cheaper);
            format!("from {} ms on", from.first().map_or("", String::as_str))
        }
        CrossingKind::Undecided => {
            let said: Vec<String> = [
                ("cheaper", Verdict::Cheaper),
                ("dearer", Verdict::Dearer),
                ("undecided", Verdict::Undecided),
            ]
            .into_iter()
            .map(|(word, verdict)| (word, at(verdict)))
            .filter(|(_, at)| !at.is_empty())
            .map(|(word, at)| format!("{word} at {} ms", format::list(&at)))
            .collect();
            if said.is_empty() { MISSING.into() } else { said.join("; ") }
        }
    }
}

fn or_missing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| MISSING.into(), show)
}
