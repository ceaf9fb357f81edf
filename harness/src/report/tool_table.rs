//! The table of this driver beside other load generators.

use super::chart::Input;
use super::format::{MISSING, TIMES, count, estimate, three_digits};
use super::page::Table;
use crate::record::derived::{Estimate, ToolResult};

/// How many blocks, and how many were left out.
fn blocks(result: &ToolResult) -> String {
    let valid = count(u64::from(result.blocks));
    match result.blocks_invalid {
        0 => valid,
        late => format!("{valid}; {late} left out, the driver was late"),
    }
}

/// This driver over each other tool, in the same blocks against the same server.
#[must_use]
pub fn tools(input: &Input<'_>) -> Table {
    let head = [
        "load",
        "driver",
        "other tool",
        "blocks",
        "CPU per request, driver / other",
        "ratio of CPU (95 %)",
        "ratio of the server's CPU",
        "ratio of throughput",
        "ratio of p50",
        "ratio of p99",
        "driver's slip p99",
    ];
    let ratio =
        |e: &Option<Estimate>| e.as_ref().map_or_else(|| MISSING.into(), |e| estimate(e, TIMES));
    let us = |ns: Option<f64>| ns.map_or_else(|| MISSING.into(), |ns| three_digits(ns / 1e3));
    Table::new("The driver beside other tools", &head).with(input.derived.tools.iter().map(|r| {
        vec![
            r.load.clone(),
            r.ours.clone(),
            r.version.clone(),
            blocks(r),
            format!("{} / {} µs", us(r.ours_cpu_ns), us(r.theirs_cpu_ns)),
            ratio(&r.cpu),
            ratio(&r.server_cpu),
            ratio(&r.throughput),
            ratio(&r.p50),
            ratio(&r.p99),
            r.slip_p99_ns.map_or_else(
                || MISSING.into(),
                |ns| format!("{} µs", three_digits(ns as f64 / 1e3)),
            ),
        ]
    }))
}
