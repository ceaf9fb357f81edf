//! This driver over other tools, block by block.

use crate::measure::stats::{Interval, median, six, t95};
use crate::record::run::Run;
use crate::record::tools::{ToolResult, ToolRun};

const OWN: &str = "authbench";

/// One result for each load, pacing of this driver and other tool, in the record's order.
#[must_use]
pub fn tools(run: &Run) -> Vec<ToolResult> {
    of_rows(&run.tools)
}

/// As [`tools`], of rows that are in no record yet.
#[must_use]
pub fn of_rows(rows: &[ToolRun]) -> Vec<ToolResult> {
    let mut results: Vec<ToolResult> = Vec::new();
    for theirs in rows.iter().filter(|row| row.tool != OWN) {
        for ours in rows.iter().filter(|row| row.tool == OWN && row.load == theirs.load) {
            let is_there = results.iter().any(|result| {
                let same = (&result.load, &result.ours, &result.theirs);
                same == (&theirs.load, &name(ours), &theirs.tool)
            });
            if !is_there {
                results.push(result(rows, ours, theirs));
            }
        }
    }
    let place = |result: &ToolResult| {
        let load = ["closed", "ticks", "open"].iter().position(|load| *load == result.load);
        (load.unwrap_or(usize::MAX), result.theirs.clone(), result.ours.clone())
    };
    results.sort_by_key(place);
    results
}

fn name(row: &ToolRun) -> String {
    row.pacing.as_ref().map_or_else(|| OWN.to_owned(), |pacing| format!("{OWN} {pacing}"))
}

/// The rows of both in each block in which both ran.
fn pairs<'a>(
    rows: &'a [ToolRun],
    ours: &ToolRun,
    theirs: &ToolRun,
) -> Vec<(&'a ToolRun, &'a ToolRun)> {
    let alike = |row: &ToolRun, as_in: &ToolRun| {
        (&row.load, &row.tool, &row.pacing) == (&as_in.load, &as_in.tool, &as_in.pacing)
            && row.requests > 0
            && row.wall_ns > 0
    };
    let of =
        |like: &ToolRun, block: u32| rows.iter().find(|row| row.block == block && alike(row, like));
    let mut blocks: Vec<u32> = rows.iter().map(|row| row.block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks.into_iter().filter_map(|block| of(ours, block).zip(of(theirs, block))).collect()
}

fn result(rows: &[ToolRun], ours: &ToolRun, theirs: &ToolRun) -> ToolResult {
    let (pairs, late): (Vec<_>, Vec<_>) = pairs(rows, ours, theirs)
        .into_iter()
        .partition(|(ours, theirs)| ours.valid && theirs.valid);
    let ratio = |figure: &dyn Fn(&ToolRun) -> Option<f64>| {
        let each = pairs.iter().filter_map(|(ours, theirs)| {
            let (ours, theirs) = (figure(ours)?, figure(theirs)?);
            (ours > 0.0 && theirs > 0.0).then(|| (ours / theirs).ln())
        });
        // On logarithms: half and twice are equally far from the same, and no end is negative.
        let interval = t95(&each.collect::<Vec<f64>>())?;
        let Interval { mean, low, high, n } = interval;
        Some(Interval { mean: mean.exp(), low: low.exp(), high: high.exp(), n }.estimate())
    };
    let per_request = |row: &ToolRun, ns: u64| ns as f64 / row.requests as f64;
    let cpu = |row: &ToolRun| per_request(row, row.cpu_ns);
    let of_ours: Vec<f64> = pairs.iter().map(|(ours, _)| cpu(ours)).collect();
    let of_theirs: Vec<f64> = pairs.iter().map(|(_, theirs)| cpu(theirs)).collect();
    ToolResult {
        load: theirs.load.clone(),
        ours: name(ours),
        theirs: theirs.tool.clone(),
        version: theirs.version.clone(),
        blocks: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
        blocks_invalid: u32::try_from(late.len()).unwrap_or(u32::MAX),
        ours_cpu_ns: median(&of_ours).map(six),
        theirs_cpu_ns: median(&of_theirs).map(six),
        cpu: ratio(&|row| Some(cpu(row))),
        server_cpu: ratio(&|row| Some(per_request(row, row.server_cpu_ns))),
        throughput: ratio(&|row| Some(row.requests as f64 / row.wall_ns as f64)),
        p50: ratio(&|row| row.p50_ns.map(|ns| ns as f64)),
        p90: ratio(&|row| row.p90_ns.map(|ns| ns as f64)),
        p99: ratio(&|row| row.p99_ns.map(|ns| ns as f64)),
        slip_p99_ns: pairs.iter().filter_map(|(ours, _)| ours.slip_p99_ns).max(),
    }
}
