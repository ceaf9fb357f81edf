//! `authbench revoke --target`: how long a credential of any HTTP application goes on working
//! after its logout.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::{Exit, UsageError};
use crate::measure::foreign::{layout, measure, nodes};
use crate::plan::foreign::TargetFile;
use crate::plan::template::Values;
use crate::record::foreign;
use crate::report::foreign::{extent, page};

/// Longest that is measured without asking for less, nanoseconds.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// A measurement of a reader's own application.
#[derive(Clone, Debug)]
pub struct TargetArgs {
    /// The TOML file that describes the application.
    pub target: PathBuf,
    /// The target is the reader's though it is not on this machine.
    pub i_own_this: bool,
    /// Print the requests, credentials masked, and send none.
    pub dry_run: bool,
    /// Write the measurement, without credentials, to this file.
    pub record: Option<PathBuf>,
    /// Print the record as JSON instead of the page.
    pub json: bool,
    /// Fixes the random ages at which credentials are taken back.
    pub seed: u64,
}

/// Measures the target.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &TargetArgs) -> anyhow::Result<Exit> {
    let target = TargetFile::read(&args.target).map_err(|e| UsageError(e.to_string()))?;
    let nodes = nodes::find(&target, args.i_own_this)?;
    let layouts = layout::of(&target, args.seed);
    let length_ns: u64 = layouts.iter().map(layout::Layout::length_ns).sum();
    if length_ns > LONGEST_NS {
        let what = "by plan this takes more than an hour; lower `trials` or `watch_ms`, or raise \
                    `rate_per_second`, so that more trials run at once";
        return Err(UsageError(what.into()).into());
    }
    eprintln!("{}", extent(&layouts, nodes.len(), target.rate_per_second));
    if args.dry_run {
        print!("{}", requests(&target, &nodes));
        return Ok(Exit::Ok);
    }
    let mut passed = |done: usize, of: usize| {
        if done.is_multiple_of(10) || done == of {
            eprintln!("{done} of {of} trials");
        }
    };
    let record = measure(&target, &nodes, &layouts, args.seed, &mut passed)?;
    if let Some(path) = &args.record {
        foreign::write(path, &record)
            .with_context(|| format!("the record {} cannot be written", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&record)?);
    } else {
        print!("{}", page(&record));
    }
    Ok(if record.void.is_none() { Exit::Ok } else { Exit::Invalid })
}

/// One request of each kind, as the first trial sends it.
fn requests(target: &TargetFile, nodes: &[nodes::Node]) -> String {
    let user = target.user.masked(Values { n: 1, ..Values::default() });
    let values = Values { user: &user, n: 1, credential: "" };
    let first = &nodes[0];
    let mut text = String::new();
    let mut add = |name: &str, request: &str| {
        text.push_str(&format!("# {name}\n{request}\n"));
    };
    add("login, on the first node", &first.masked(target.login.parts(), values, true));
    for node in nodes {
        let probe = node.masked(target.request.parts(), values, false);
        add(&format!("request, on {}", node.shown), &probe);
    }
    add("logout, on the first node", &first.masked(target.logout.parts(), values, false));
    if let Some(all) = &target.logout_all {
        let what = "logout_all, on the first node, with another credential of the user";
        add(what, &first.masked(all.parts(), values, false));
    }
    text
}
