//! What wrk, oha and this driver print, read into the same figures.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// One tool's own account of what it did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Account {
    /// Requests answered as wanted.
    pub requests: u64,
    /// In this time, nanoseconds.
    pub wall_ns: u64,
    /// Latency percentiles, nanoseconds: 50th, 90th, 99th.
    pub latency_ns: [Option<u64>; 3],
    /// 99th percentile of its own lateness, nanoseconds, where it states it.
    pub slip_p99_ns: Option<u64>,
    /// Why they are not valid by its own account; `None` when they are, or it has no such account.
    pub invalid: Option<String>,
    /// What limits the figures.
    pub note: String,
}

/// Reads what `wrk --latency` prints.
///
/// # Errors
/// When a figure is missing or cannot be read.
pub fn wrk(text: &str) -> anyhow::Result<Account> {
    let mut account = Account::default();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [n, "requests", "in", time, ..] => {
                account.requests = n.parse().with_context(|| format!("`{line}`"))?;
                account.wall_ns = wrk_time(time.trim_end_matches(','))?;
            }
            [percent @ ("50%" | "90%" | "99%"), time] => {
                let place = ["50%", "90%", "99%"].iter().position(|p| p == percent);
                account.latency_ns[place.unwrap_or(0)] = Some(wrk_time(time)?);
            }
            ["Socket", "errors:", ..] | ["Non-2xx", ..] => {
                account.note = join(&account.note, &format!("it says: {line}"));
                if let ["Non-2xx", .., wrong] = words.as_slice() {
                    let wrong: u64 = wrong.parse().with_context(|| format!("`{line}`"))?;
                    account.requests = account.requests.saturating_sub(wrong);
                }
            }
            _ => {}
        }
    }
    ensure!(account.wall_ns > 0, "wrk printed no `N requests in T`");
    ensure!(
        account.latency_ns.iter().all(Option::is_some),
        "wrk printed no 50%, 90% and 99%; was it called with --latency?"
    );
    Ok(account)
}

/// `9.31us`, `1.20ms`, `3.00s`, `1.05m`.
fn wrk_time(text: &str) -> anyhow::Result<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().with_context(|| format!("the time `{text}`"))?;
    let ns = match unit {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        _ => bail!("the time `{text}` has no unit that is known"),
    };
    Ok((number * ns).round() as u64)
}

/// Reads what `oha --no-tui --output-format json` prints.
///
/// # Errors
/// When it is not that, or a figure is missing.
pub fn oha(text: &str) -> anyhow::Result<Account> {
    let value: Value = serde_json::from_str(text).context("what oha printed is not JSON")?;
    let seconds = |at: &str| {
        let number = value.pointer(at).and_then(Value::as_f64);
        number.map(|seconds| (seconds * 1e9).round() as u64)
    };
    let counts = |at: &str| -> Vec<(String, u64)> {
        let map = value.pointer(at).and_then(Value::as_object).into_iter().flatten();
        map.map(|(name, n)| (name.clone(), n.as_u64().unwrap_or(0))).collect()
    };
    let statuses = counts("/statusCodeDistribution");
    let is_good = |status: &str| status.starts_with('2');
    let sum = |good: bool| -> u64 {
        statuses.iter().filter(|(s, _)| is_good(s) == good).map(|(_, n)| n).sum()
    };
    let mut note = String::new();
    if sum(false) > 0 {
        note = format!("it says: {} answers other than 2xx", sum(false));
    }
    for (error, n) in counts("/errorDistribution") {
        note = join(&note, &format!("it says: {n} x {error}"));
    }
    Ok(Account {
        requests: sum(true),
        wall_ns: seconds("/summary/total").context("oha printed no summary.total")?,
        latency_ns: ["p50", "p90", "p99"].map(|p| seconds(&format!("/latencyPercentiles/{p}"))),
        slip_p99_ns: None,
        invalid: None,
        note,
    })
}

/// Which of this driver's latencies stands beside another tool's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Latency {
    /// From the intended start, failures slowest.
    Response,
    /// From the first byte written.
    Service,
}

/// Reads what `authbench load --json` prints. An invalid load has counts and no percentiles.
///
/// # Errors
/// When it is not that, or a figure is missing.
pub fn own(text: &str, latency: Latency) -> anyhow::Result<Account> {
    let value: Value = serde_json::from_str(text).context("what this driver printed is no JSON")?;
    let number = |at: &str| value.pointer(at).and_then(Value::as_u64);
    let requests = number("/ledger/expected").context("no ledger.expected")?;
    let scheduled = number("/ledger/scheduled").context("no ledger.scheduled")?;
    let rows = value["percentiles"].as_array().context("no percentiles")?;
    let at = |permille: u64| {
        let row = rows.iter().find(|row| row["permille"] == permille)?;
        match latency {
            Latency::Response => row.pointer("/response_all/ns")?.as_u64(),
            Latency::Service => row["service_ns"].as_u64(),
        }
    };
    let mut note = String::new();
    if requests < scheduled {
        note = format!("{} of {scheduled} requests failed", scheduled - requests);
    }
    let invalid = value["invalid_reason"].as_str().map(str::to_owned);
    if let Some(reason) = &invalid {
        note = join(&note, &format!("invalid: {reason}"));
    }
    Ok(Account {
        requests,
        wall_ns: number("/wall_ns").context("no wall_ns")?,
        latency_ns: [500, 900, 990].map(at),
        slip_p99_ns: number("/slip_p99_ns"),
        invalid,
        note,
    })
}

fn join(a: &str, b: &str) -> String {
    if a.is_empty() { b.to_owned() } else { format!("{a}; {b}") }
}
