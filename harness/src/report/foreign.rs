//! The page of an application that is not ours, in plain text.

use std::fmt::Write as _;

use crate::measure::foreign::figures::sorted_lags;
use crate::measure::foreign::layout::{Layout, REFUSALS, logins};
use crate::record::foreign::{Figures, ForeignRecord, Series, Verdict};
use crate::report::format::{MISSING, count, duration};

/// Cells of a full bar.
const BAR: usize = 40;

/// What is about to be sent, in one paragraph.
#[must_use]
pub fn extent(layouts: &[Layout], nodes: usize, rate_per_second: u64) -> String {
    let sum = |of: &dyn Fn(&Layout) -> u64| layouts.iter().map(of).sum::<u64>();
    let trials = sum(&|layout| layout.trials() as u64);
    let logins = 1 + sum(&|layout| (layout.trials() * logins(layout.operation)) as u64);
    let probes = 2 * nodes as u64 + sum(&Layout::probes);
    let length = duration(sum(&Layout::length_ns) as f64);
    format!(
        "{} requests to {nodes} node{}: {} logins, {} logouts, {} probes at up to {} a second; \
         about {length}",
        count(logins + trials + 1 + probes),
        if nodes == 1 { "" } else { "s" },
        count(logins),
        count(trials + 1),
        count(probes),
        count(rate_per_second),
    )
}

/// The page.
#[must_use]
pub fn page(record: &ForeignRecord) -> String {
    let mut text = String::new();
    let (setup, controls) = (&record.setup, record.controls);
    let nodes = setup.nodes.len();
    let _ = writeln!(
        text,
        "{} on {}, probed every {} on each node\n\
         controls: a fresh credential was accepted by {} of {nodes} nodes, one with a character \
         changed refused by {} of {nodes}",
        setup.request,
        setup.nodes.join(", "),
        duration(setup.probe_interval_ns as f64),
        controls.fresh_accepted,
        controls.tampered_refused,
    );
    if let Some(why) = &record.void {
        let _ = writeln!(text, "\nVOID: {why}");
    }
    for series in &record.series {
        write_series(&mut text, series, setup.watch_ns, setup.probe_interval_ns);
    }
    text
}

fn write_series(text: &mut String, series: &Series, watch_ns: u64, interval_ns: u64) {
    let f = &series.figures;
    let watch = duration(watch_ns as f64);
    let _ = writeln!(text, "\n{}: {} trials, {}", series.operation, f.n, verdict(f, &watch));
    let lag = |ns: Option<i64>| ns.map_or_else(|| open(f, &watch), |ns| duration(ns as f64));
    let bound = |ns: Option<i64>, least: u32| match ns {
        None if f.n < least => format!("{MISSING} (needs {least} trials)"),
        None => lag(None),
        Some(ns) => format!("at most {}", duration(ns as f64)),
    };
    let _ = writeln!(
        text,
        "  lag, from the logout's acknowledgement to the last probe accepted on any node\n    \
         median {}, p95 {}, p99 {}, max {}",
        lag(f.median_ns),
        bound(f.p95_upper_ns, 59),
        bound(f.p99_upper_ns, 299),
        lag(f.max_ns),
    );
    if let Some(below) = f.max_below_ns {
        let _ = writeln!(
            text,
            "    resolution {}: no lag reached {}",
            duration(interval_ns as f64),
            duration(below as f64)
        );
    }
    let _ = writeln!(
        text,
        "  stale accepts (sent after the acknowledgement, and accepted): {} in all, {} per trial, \
         at most {}",
        count(f.stale_accepts),
        crate::report::format::three_digits(f.stale_accepts as f64 / f64::from(f.n.max(1))),
        count(f.stale_accepts_max),
    );
    if f.accepts_after_refusal > 0 {
        let _ = writeln!(
            text,
            "  {} probes were accepted after a refusal had been read from the same node: it does \
             not agree with itself",
            count(f.accepts_after_refusal)
        );
    }
    if f.unjudged_probes > 0 || f.unjudged > 0 {
        let why = series.trials.iter().find_map(|trial| trial.why.as_deref());
        let _ = writeln!(
            text,
            "  not judged: {} probes ({} of them without an answer, the others with a status that \
             is neither accepted nor refused), {} trials{}",
            count(f.unjudged_probes),
            count(f.unanswered_probes),
            f.unjudged,
            why.map_or_else(String::new, |why| format!("; the first: {why}"))
        );
    }
    if f.unanswered_probes > 0 {
        text.push_str("  if the application is too slow for this many probes, lower its rate\n");
    }
    let _ = writeln!(text, "  driver: late by {} at most", duration(series.slip_max_ns as f64));
    text.push_str(&ecdf(series, &watch));
}

fn verdict(f: &Figures, watch: &str) -> String {
    match (f.not_settled, f.n) {
        (_, 0) => "none of them judged".into(),
        (0, _) => {
            format!("all settled ({REFUSALS} refusals by every node after the last acceptance)")
        }
        (open, n) if open == n => {
            format!("none settled: still accepted {watch} after the logout, when the watch ended")
        }
        (open, _) => format!("{open} not settled: still accepted {watch} after the logout"),
    }
}

/// What stands where a lag has no end.
fn open(f: &Figures, watch: &str) -> String {
    if f.not_settled > 0 { format!("over {watch}") } else { MISSING.into() }
}

/// The distribution: for each tenth of the trials, the lag they do not exceed.
fn ecdf(series: &Series, watch: &str) -> String {
    let lags = sorted_lags(&series.trials);
    let n = series.trials.iter().filter(|trial| trial.verdict != Verdict::Unjudged).count();
    if n == 0 {
        return String::new();
    }
    let mut text = String::from("  share of trials whose lag is at most\n");
    for tenth in 1..=10 {
        let rank = (n * tenth).div_ceil(10);
        let shown = lags.get(rank - 1).map(|ns| duration(*ns as f64));
        let bar = "#".repeat(BAR * tenth / 10);
        match shown {
            Some(lag) => {
                let _ = writeln!(text, "    {:>3} % {lag:>10} {bar}", tenth * 10);
            }
            None => {
                let _ = writeln!(text, "    {:>3} %  over {watch}", tenth * 10);
            }
        }
    }
    text
}
