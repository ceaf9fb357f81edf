//! Test 7: requests that fail are slower than any that succeed, in every percentile that is shown.

use super::Scale;
use super::child::{Load, Program};
use super::rig::note_late;
use super::stub::{OK, Reply, Seen, Stub};
use super::verdict::Verdict;

/// One request in so many is never answered: 2 %.
const ONE_IN: u64 = 50;
const ARGUMENTS: [&str; 10] = [
    "--rate",
    "2000",
    "--seconds",
    "6",
    "--arrivals",
    "constant",
    "--timeout-ms",
    "500",
    "--connections",
    "64",
];

fn stub() -> std::io::Result<Stub> {
    Stub::start(
        |seen: &Seen<'_>| {
            if seen.number % ONE_IN == ONE_IN - 1 { Reply::Hang } else { Reply::Now(OK) }
        },
    )
}

/// Test 7.
///
/// # Errors
/// When the stub or a load fails.
pub(super) fn run(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let target = stub()?;
    let url = format!("http://{}/", target.address());
    let loaded = Load::start(&url, &ARGUMENTS)?.end()?;
    note_late(&mut verdict, "the driver's slip p99", loaded.slip_p99_ns()?);
    let timeouts = loaded.record.ledger.timeout;
    let wanted = loaded.record.ledger.scheduled / ONE_IN;
    // The first request of all was the load's own probe.
    let near = timeouts.abs_diff(wanted) <= 1;
    verdict.check("timeouts of 2 %", timeouts, format!("{wanted} +- 1"), near);
    let percentile = |name: &str| {
        let all = loaded.printed["percentiles"].as_array();
        all.and_then(|all| all.iter().find(|row| row["name"] == name)).cloned().unwrap_or_default()
    };
    let shown = |name: &str| {
        percentile(name)["response_all"]["shown"].as_str().unwrap_or("nothing").to_owned()
    };
    for name in ["p99.0", "p99", "max"] {
        if percentile(name).is_null() {
            continue;
        }
        let found = shown(name);
        let pass = found == ">500 ms";
        verdict.check(format!("{name} of all requests"), found, ">500 ms", pass);
    }
    let found = shown("p90");
    let is_value = found.ends_with(" us");
    verdict.check("p90 of all requests", found, "a time", is_value);
    let alone = percentile("p99")["response_ok_only_ns"].as_u64();
    let said = alone.map_or_else(|| "nothing".into(), |ns| format!("{ns} ns"));
    let beyond = alone.is_none_or(|ns| ns >= 500_000_000);
    verdict.control("p99 of the successes alone", said, ">500 ms", beyond);

    // The page a reader sees: what is of the successes alone says so.
    let target = stub()?;
    let url = format!("http://{}/", target.address());
    let text = Program::start(&[&["load", &url][..], &ARGUMENTS].concat())?.end()?.stdout;
    let labelled = text.contains("ok-only") && text.contains(">500 ms");
    let invalid = text.contains("INVALID");
    let said = if labelled { "named" } else { "not named" };
    if invalid {
        verdict.disturbed("a load called itself invalid", 0);
    }
    verdict.check("`ok-only` in the printed table", said, "named", labelled);
    Ok(verdict)
}
