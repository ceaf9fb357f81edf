//! `scripts/peers`: times the rivals beside ours and prints one table.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use authbench_harness::measure::derive::micro::result;
use authbench_harness::record::run::MicroCell;
use authbench_peers::{list, redis_benchmark};
use authbench_subjects::bed::Bed;
use clap::Parser as _;
use comfy_table::Table;

/// Times other JWT crates and tower-sessions beside ours: the same tokens, the same store
#[derive(Debug, clap::Parser)]
struct Args {
    /// How long, in seconds, set-up not counted; tokens live for an hour
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1_800))]
    seconds: u64,
    /// Only subjects whose name contains this, and what they alternate with
    #[arg(long, default_value = "", value_name = "TEXT")]
    filter: String,
    /// Write every batch to this file, as `authbench collect --cells` reads it
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let bed = Bed::with_redis()?;
    if let Err(why) = &bed.redis {
        eprintln!("skipped: everything that looks up in Redis: {why}");
    }
    let subjects = list::subjects(&args.filter, &bed);
    let context = "redis-benchmark".contains(&args.filter);
    ensure!(!subjects.is_empty() || context, "no subject's name contains `{}`", args.filter);
    if !subjects.is_empty() {
        let cells = list::time(&bed, subjects, Duration::from_secs(args.seconds))?;
        println!("{}", table(&cells));
        if let Some(file) = &args.out {
            let json = serde_json::to_vec_pretty(&cells)?;
            std::fs::write(file, json).with_context(|| format!("cannot write {file:?}"))?;
        }
    }
    if let (true, Ok(stage)) = (context, &bed.redis) {
        for line in redis_benchmark::run(stage, bed.now)? {
            println!("{line}");
        }
    }
    Ok(())
}

fn table(cells: &[MicroCell]) -> Table {
    let mut table = Table::new();
    table.set_header(["subject", "ns of CPU (95 %)", "ratio to ours (95 %)", "ours"]);
    for r in cells.iter().filter_map(result) {
        table.add_row([
            r.id,
            r.cpu_ns.map_or_else(String::new, |ns| {
                format!("{:.0} ({:.0} to {:.0})", ns.value, ns.low, ns.high)
            }),
            r.ratio.map_or_else(String::new, |ratio| {
                format!("{:.2} ({:.2} to {:.2})", ratio.value, ratio.low, ratio.high)
            }),
            r.reference.unwrap_or_default(),
        ]);
    }
    table
}
