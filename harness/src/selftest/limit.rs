//! Test 15: asked for more than it can do, the driver says that it could not.

use std::time::Duration;

use super::Scale;
use super::child::Load;
use super::rig::{closed, drive, note_late, settings};
use super::stub::{OK, Reply, Stub};
use super::verdict::Verdict;
use crate::load::driver::Mode;
use crate::load::outcome::Row;

/// How often its capability the driver is asked for.
const TIMES: u64 = 10;
const CONNECTIONS: usize = 16;

/// Test 15. What the driver can do is found by a closed loop over the same connections.
///
/// # Errors
/// When stub, driver or the child fail.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let requests = scale.pick(50_000, 10_000);
    let stub = Stub::start(|_| Reply::Now(OK))?;
    let timeout = settings(Duration::from_secs(5));
    let rows = drive(stub.address(), CONNECTIONS, &closed(requests), Mode::Closed, timeout)?.rows;
    let begin = rows.iter().map(|row: &Row| row.intended_ns).min().unwrap_or(0);
    let end = rows.iter().map(|row| row.done_ns).max().unwrap_or(0);
    let capability = (requests as f64 / (end.saturating_sub(begin).max(1) as f64 / 1e9)) as u64;

    let url = format!("http://{}/", stub.address());
    for (rate, is_control) in [(capability.max(1_000) * TIMES, false), (200, true)] {
        let rate = rate.to_string();
        let arguments = ["--rate", &rate, "--seconds", "1", "--timeout-ms", "2000"];
        let loaded = Load::start(&url, &arguments)?.end()?;
        let what = format!("asked for {rate}/s, of {capability}/s it can do");
        let (refused, given) = (loaded.is_refused(), loaded.has_percentiles());
        let (limit, said) = ("exit 4, valid: false", if given { "given" } else { "none" });
        if is_control {
            note_late(&mut verdict, "the small load's slip p99", loaded.slip_p99_ns()?);
            verdict.control(what.clone(), loaded.said(), limit, refused);
            verdict.control(format!("{what}: percentiles"), said, "none", !given);
        } else {
            verdict.check(what.clone(), loaded.said(), limit, refused);
            verdict.check(format!("{what}: percentiles"), said, "none", !given);
        }
    }
    Ok(verdict)
}
