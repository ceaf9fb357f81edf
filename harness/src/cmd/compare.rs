//! `authbench compare`: two kept runs, and whether the second is worse.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use comfy_table::Table;
use serde_json::json;

use crate::cli::{Exit, UsageError};
use crate::measure::compare::{Change, Metric, Row, compare, controls_moved, unlike};
use crate::record::derived::Estimate;
use crate::record::integrity::findings;
use crate::record::io::{Loaded, RUN_FILE, read_run};
use crate::record::run::Status;
use crate::report::format::{self, PERCENT};

/// Arguments of `authbench compare`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The run before: a results folder or its run.json
    pub before: PathBuf,
    /// The run after
    pub after: PathBuf,
    /// The least change that is a regression or an improvement, per cent of a whole request
    #[arg(long, value_name = "PER CENT", default_value_t = 5.0)]
    pub threshold: f64,
    /// Go on when machine, method, rate or profile differ
    #[arg(long)]
    pub allow_different: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
///
/// # Errors
/// When a record cannot be read, is not valid as a measurement, or is not alike the other; when
/// they have nothing in common.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if !(args.threshold > 0.0 && args.threshold < 100.0) {
        let given = args.threshold;
        return Err(UsageError(format!(
            "--threshold is {given}; it is a share of a whole request, above 0 and below 100"
        ))
        .into());
    }
    let (before, after) = (sound(&args.before)?, sound(&args.after)?);
    let differ = unlike(&before.run, &after.run);
    if !differ.is_empty() {
        let what = differ.join("\n  ");
        if !args.allow_different {
            bail!(
                "what was compared is not alike:\n  {what}\nmeasure both alike, or give \
                 --allow-different to compare them nevertheless"
            );
        }
        eprintln!("note: what was compared is not alike:\n  {what}");
    }
    let rows = compare(&before.run, &after.run, args.threshold / 100.0);
    if rows.iter().all(|row| row.verdict == Change::Control) {
        bail!(
            "{} and {} have no strategy in common that both measured in two blocks or more",
            args.before.display(),
            args.after.display()
        );
    }
    let text = if args.json {
        as_json(args, &before, &after, &differ, &rows)
    } else {
        as_text(args, &before, &after, &rows)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let regressed = rows.iter().any(|row| row.verdict == Change::Regressed);
    Ok(if regressed { Exit::Regression } else { Exit::Ok })
}

/// A record that may be compared: whole and valid.
fn sound(given: &Path) -> anyhow::Result<Loaded> {
    let path = if given.is_dir() { given.join(RUN_FILE) } else { given.to_owned() };
    let loaded = read_run(&path).with_context(|| path.display().to_string())?;
    let info = &loaded.run.run;
    let because =
        if info.reasons.is_empty() { "no reason given".into() } else { info.reasons.join("; ") };
    match info.status {
        Status::Complete => {}
        Status::Invalid => {
            bail!("{}: the run is invalid ({because}); measure it again", path.display())
        }
        Status::Partial => {
            bail!("{}: the run is partial ({because}); measure it whole", path.display())
        }
    }
    let found = findings(&loaded.run);
    if let Some(first) = found.first() {
        bail!(
            "{}: not valid as a measurement, {} findings, the first at {}: {}; `authbench \
             validate` lists them",
            path.display(),
            found.len(),
            first.place,
            first.what
        );
    }
    Ok(loaded)
}

fn as_text(args: &Args, before: &Loaded, after: &Loaded, rows: &[Row]) -> String {
    use std::fmt::Write as _;
    let mut table = Table::new();
    table.set_header([
        "arm",
        "metric",
        "over none before, %",
        "after, %",
        "change, % (95 %)",
        "p (Holm)",
        "verdict",
    ]);
    for row in rows {
        table.add_row([
            row.arm.clone(),
            row.metric.name().into(),
            format::interval(&row.before, PERCENT),
            format::interval(&row.after, PERCENT),
            format::interval(&row.change, PERCENT),
            format::p(row.p_adjusted),
            row.verdict.name().into(),
        ]);
    }
    let ids = (&before.run.run.id, &after.run.run.id);
    let mut text = format!(
        "before {}, after {}; per request over `none`, blocks of each run, Welch's t on \
         logarithms, Holm's rule over the rows of a metric\n{table}\n",
        ids.0, ids.1
    );
    for row in rows {
        if let Some(note) = &row.note {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {}: {note}", row.arm, row.metric.name());
        }
    }
    for metric in [Metric::Cpu, Metric::P50] {
        let moved = controls_moved(rows, metric);
        if moved > 0.0 {
            let _ = writeln!(
                text,
                "{}: the controls moved by up to {} %, so that the machine or `none` changed \
                 between the runs; only what exceeds it by the threshold counts",
                metric.name(),
                format::three_digits(moved * 100.0)
            );
        }
    }
    let named = |which: Change| -> Vec<String> {
        let own = rows.iter().filter(|row| row.verdict == which);
        own.map(|row| format!("{} ({})", row.arm, row.metric.name())).collect()
    };
    for (which, words) in [(Change::Regressed, "regressed"), (Change::Improved, "improved")] {
        let arms = named(which);
        let said = if arms.is_empty() { "none".into() } else { format::list(&arms) };
        let _ = writeln!(text, "{words} by more than {} %: {said}", args.threshold);
    }
    text
}

fn as_json(
    args: &Args,
    before: &Loaded,
    after: &Loaded,
    differ: &[String],
    rows: &[Row],
) -> String {
    let estimate =
        |e: &Estimate| json!({ "value": e.value, "low": e.low, "high": e.high, "n": e.n });
    let side = |of: &Loaded| json!({ "run": of.run.run.id, "sha256": of.sha256 });
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "arm": row.arm,
                "metric": row.metric.name(),
                "before": estimate(&row.before),
                "after": estimate(&row.after),
                "change": estimate(&row.change),
                "p_adjusted": row.p_adjusted,
                "p_same_adjusted": row.p_same_adjusted,
                "ranks_p": row.ranks_p,
                "verdict": row.verdict.name(),
                "note": row.note,
            })
        })
        .collect();
    let result = json!({
        "before": side(before),
        "after": side(after),
        "threshold_percent": args.threshold,
        "unlike": differ,
        "controls_moved_percent": {
            "cpu": 100.0 * controls_moved(rows, Metric::Cpu),
            "p50": 100.0 * controls_moved(rows, Metric::P50),
        },
        "regressed": rows.iter().any(|row| row.verdict == Change::Regressed),
        "rows": shown,
    });
    format!("{result:#}\n")
}
