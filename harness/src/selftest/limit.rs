//! Test 15: asked for more than it can do, the driver says that it could not.

use std::time::Duration;

use super::Scale;
use super::child::Program;
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
        let arguments = ["load", &url, "--rate", &rate, "--seconds", "1", "--timeout-ms", "2000"];
        let as_json = Program::start(&[&arguments[..], &["--json"]].concat())?.end()?;
        let found = as_json.json()?;
        let status = as_json.status.map_or_else(|| "a signal".into(), |s| s.to_string());
        let refused = as_json.status == Some(4) && found["valid"] == false;
        let given = found["percentiles"].as_array().is_some_and(|given| {
            given.iter().any(|one| one.as_array().is_some_and(|f| f[1..].iter().any(is_figure)))
        });
        let slip_ns = found["slip_p99_ns"].as_u64().unwrap_or(0);
        let what = format!("asked for {rate}/s, {capability}/s is what it can do");
        let figure = format!("exit {status}, valid: {}", found["valid"]);
        let limit = "exit 4, valid: false";
        if is_control {
            note_late(&mut verdict, "the small load's slip p99", slip_ns);
            verdict.control(what.clone(), figure, limit, refused);
            verdict.control(format!("{what}: percentiles"), said(given), "none", !given);
        } else {
            verdict.check(what.clone(), figure, limit, refused);
            verdict.check(format!("{what}: percentiles"), said(given), "none", !given);
        }
    }
    Ok(verdict)
}

fn is_figure(value: &serde_json::Value) -> bool {
    value.is_number()
}

const fn said(given: bool) -> &'static str {
    if given { "given" } else { "none" }
}
