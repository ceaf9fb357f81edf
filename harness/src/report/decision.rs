//! A decision in words, for a terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::decide::choice::{INDIFFERENCE, indifferent, money, seconds};
use crate::decide::workload::Workload;
use crate::record::decision::{Assessment, Decision, Flip, Interval, ModelCheck};

/// Flips that are printed.
const FLIPS: usize = 8;

/// The whole answer.
#[must_use]
pub fn text(decision: &Decision, workload: &Workload, explain: bool) -> String {
    let mut out = String::new();
    verdict(&mut out, decision);
    let _ = writeln!(out, "\n{}", table(decision));
    let _ = writeln!(
        out,
        "Prices are in the currency of the workload's own; within {:.2} a month ({} % of the \
         application's processors) of the cheapest they do not decide.",
        indifferent(workload),
        INDIFFERENCE * 100.0
    );
    let _ = writeln!(
        out,
        "CPU is that of a server which does nothing else; the profile `conditions` measures it \
         beside an application's own work."
    );
    if let Some(checked) = &decision.checked {
        let _ = writeln!(out, "{}", model_check(checked));
    }
    flips(&mut out, decision);
    rows(&mut out, decision);
    if explain {
        decision.assessments.iter().for_each(|a| explained(&mut out, a));
    }
    out
}

/// How far off the model was, in words.
#[must_use]
pub fn model_check(checked: &ModelCheck) -> String {
    let [half, most] = checked.within_percent;
    let share = checked.share_within_percent.map_or_else(String::new, |[half, most]| {
        format!("; as shares of `none`, whatever the host's speed, {half:.0} % and {most:.0} %")
    });
    format!(
        "How far off: of {} figures of CPU that were predicted before they were measured, half \
         were within {half:.0} % and nine in ten within {most:.0} %{share} ({}).",
        checked.figures, checked.record
    )
}

fn verdict(out: &mut String, decision: &Decision) {
    let _ = match &decision.choice {
        Some(choice) => writeln!(out, "{}: take `{choice}`", decision.workload),
        None => writeln!(
            out,
            "{}: no strategy meets {} together",
            decision.workload,
            decision.contradiction.join(" and ")
        ),
    };
    if let Some(own) = decision.assessments.first().filter(|_| decision.choice.is_some()) {
        if let Some(share) = own.share_percent {
            let _ = writeln!(
                out,
                "authentication is {} of a request's CPU{}",
                percent(share),
                if share.high < 1.0 { ": invisible" } else { "" }
            );
        }
        if let Some(line) = added(own) {
            let _ = writeln!(out, "{line}");
        }
        if let Some(lag) = own.lag.filter(|lag| lag.partition_s > 0.0) {
            let _ = writeln!(
                out,
                "a logout works after {} at most; with a node cut off from the store, after {}",
                at_most(lag.worst_s),
                at_most(lag.partition_s)
            );
        }
        let unknown = unpriced(decision);
        if !unknown.is_empty() {
            let _ = writeln!(
                out,
                "these meet every demand too, but their price is not known, so they come last: {}",
                unknown.join(", ")
            );
        }
        for missing in &own.missing {
            let _ = writeln!(out, "not measured of it: {missing}");
        }
        for law in &own.laws {
            let _ = writeln!(out, "by law: {law}");
        }
    }
    if let Some(next) = &decision.runner_up {
        let own = decision.assessments.first();
        let other = decision.assessments.iter().find(|a| a.strategy == next.strategy);
        let is_known = [own, other].iter().all(|a| a.is_some_and(|a| a.monthly.is_some()));
        let apart = match (is_known, next.told_apart) {
            (false, _) => " (a price is not known)",
            (true, true) => "",
            (true, false) => " (their prices cannot be told apart)",
        };
        let _ =
            writeln!(out, "runner-up: `{}`{apart}; against it: {}", next.strategy, next.because);
    }
    if !decision.binding.is_empty() {
        let _ = writeln!(out, "binding: {}", decision.binding.join(", "));
    }
    if let Some(advice) = &decision.advice {
        let _ = writeln!(out, "{advice}");
    }
}

/// A lag as a figure of its own.
#[must_use]
pub fn within(s: f64) -> String {
    if s > 0.0 { seconds(s) } else { "at once".into() }
}

fn at_most(s: f64) -> String {
    if s > 0.0 { seconds(s) } else { "no time".into() }
}

/// Those that meet every demand and cannot be compared by price, beside the choice.
fn unpriced(decision: &Decision) -> Vec<String> {
    let others = decision.assessments.iter().skip(1);
    let unknown = others.filter(|a| a.broken.is_empty() && a.monthly.is_none());
    unknown.map(|a| format!("`{}`", a.strategy)).collect()
}

/// What it adds to response times.
fn added(own: &Assessment) -> Option<String> {
    let ms = |ns: f64| format!("{:.2} ms", ns / 1e6);
    let median = own.latency_ns?;
    let slowest = own.latency_p99_ns.map_or_else(String::new, |ns| {
        // Less than nothing is what the host did to `none`.
        let ns = if ns > 0.0 { ms(ns) } else { "nothing that can be told".into() };
        format!(" and {ns} to the 99th percentile")
    });
    Some(format!("it adds {} to the median response time{slowest}", ms(median.value)))
}

/// A share with its interval, in words.
#[must_use]
pub fn percent(share: Interval) -> String {
    format!("{:.2} % ({:.2} to {:.2})", share.value, share.low, share.high)
}

fn table(decision: &Decision) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "strategy",
        "cores",
        "store ops/s",
        "added p50",
        "lag",
        "cut off",
        "MB",
        "a month",
        "out by",
    ]);
    for a in &decision.assessments {
        table.add_row(row(a));
    }
    for figures in 1..8 {
        if let Some(column) = table.column_mut(figures) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(a: &Assessment) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    vec![
        a.strategy.clone(),
        or_dash(a.cores.map(|c| format!("{:.3}", c.value))),
        or_dash(a.store_operations.map(|o| format!("{:.0}", o.value))),
        or_dash(a.latency_ns.map(|ns| format!("{:.3} ms", ns.value / 1e6))),
        or_dash(a.lag.map(|lag| within(lag.worst_s))),
        or_dash(a.lag.map(|lag| within(lag.partition_s))),
        or_dash(a.memory_bytes.map(|bytes| format!("{:.0}", bytes / 1e6))),
        or_dash(a.monthly.map(|price| format!("{:.2}", price.value))),
        a.broken.join(" "),
    ]
}

fn flips(out: &mut String, decision: &Decision) {
    if decision.choice.is_none() {
        return;
    }
    if decision.flips.is_empty() {
        let _ = writeln!(out, "\nNothing within a factor of 1,000 changes the choice.");
        return;
    }
    let _ = writeln!(out, "\nWhat would change it, the nearest first:");
    for flip in decision.flips.iter().take(FLIPS) {
        let _ = writeln!(out, "  {}", flip_line(flip));
    }
}

/// One flip in a line.
#[must_use]
pub fn flip_line(flip: &Flip) -> String {
    let known: Vec<f64> = flip.interval.iter().flatten().copied().collect();
    let low = known.iter().copied().fold(f64::INFINITY, f64::min);
    let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let interval = match known.len() {
        2 if number(low) != number(high) => format!(" ({} to {})", number(low), number(high)),
        1 => format!(" ({} at one end of the intervals, nowhere at the other)", number(low)),
        _ => String::new(),
    };
    let becomes =
        flip.becomes.as_ref().map_or_else(|| "none is left".into(), |id| format!("`{id}`"));
    let sign = if flip.now.is_some_and(|now| flip.at >= now) { "above" } else { "below" };
    let now =
        flip.now.map_or_else(|| "not demanded now".into(), |now| format!("now {}", number(now)));
    format!(
        "{} {sign} {}{interval}, {now}: {becomes} (by {})",
        flip.input,
        number(flip.at),
        flip.because
    )
}

/// Three digits: an interval knows no more.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits = (2 - value.abs().log10().floor() as i32).max(0);
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

fn rows(out: &mut String, decision: &Decision) {
    let _ = writeln!(out, "\nRows:");
    let named = [decision.choice.as_ref(), decision.runner_up.as_ref().map(|next| &next.strategy)];
    for id in named.into_iter().flatten() {
        let own = decision.assessments.iter().find(|a| a.strategy == *id);
        for row in own.iter().flat_map(|a| &a.rows) {
            let _ = writeln!(out, "  {id}: {row}");
        }
    }
}

fn explained(out: &mut String, a: &Assessment) {
    let _ = writeln!(out, "\n{}", a.strategy);
    let mut line = |what: &str, text: Option<String>| {
        let _ = writeln!(out, "  {what}: {}", text.unwrap_or_else(|| "not measured".into()));
    };
    let span = |i: Interval, by: f64, digits: usize| {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", i.value / by, i.low / by, i.high / by)
    };
    line("CPU per request, µs", a.cpu_ns.map(|ns| span(ns, 1e3, 2)));
    line("cores", a.cores.map(|cores| span(cores, 1.0, 4)));
    line("share of a request's CPU", a.share_percent.map(percent));
    line("store operations per second", a.store_operations.map(|ops| span(ops, 1.0, 1)));
    line("request bytes per second", a.request_bytes.map(|bytes| format!("{bytes:.0}")));
    line("memory, MB", a.memory_bytes.map(|bytes| format!("{:.1}", bytes / 1e6)));
    line("added to the median, ms", a.latency_ns.map(|ns| span(ns, 1e6, 3)));
    line("added to the 99th percentile, ms", a.latency_p99_ns.map(|ns| format!("{:.3}", ns / 1e6)));
    line("lag on average", a.lag.map(|lag| seconds(lag.mean_s)));
    line("lag at the longest", a.lag.map(|lag| seconds(lag.worst_s)));
    line("lag when cut off", a.lag.map(|lag| seconds(lag.partition_s)));
    line("stale requests per stolen credential", a.stale_requests.map(|n| format!("{n:.1}")));
    line("a month", a.monthly.map(money));
    for (what, all) in [("law", &a.laws), ("missing", &a.missing), ("row", &a.rows)] {
        for one in all {
            let _ = writeln!(out, "  {what}: {one}");
        }
    }
}
