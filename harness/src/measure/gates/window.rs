//! Which latency windows may be used, and how many may not.

use super::{Failure, check};
use crate::measure::histogram::LatencyHistogram;
use crate::measure::stationarity::Stationarity;
use crate::record::run::{Cell, Check, Histogram, PlanRecord, Run};

/// Medians of the two halves may differ by this share.
const DRIFT: f64 = 0.25;
/// A thread that only sleeps may wake this late, p99: a slice of the scheduler is no stall.
const HICCUP_NS: u64 = 5_000_000;
/// This share of the requests may leave in another 100 ms than they were due in.
const ELSEWHERE: f64 = 0.01;

/// The gates that a cell's window fails, with their figures; empty for one that may be used, and
/// where the plan has none.
#[must_use]
pub fn failures(plan: &PlanRecord, cell: &Cell) -> Vec<(&'static str, String)> {
    let Some(window) = &cell.window_latency else { return vec![] };
    let mut failed = Vec::new();
    let mut late = |name, who: &str, histogram: &Histogram, limit_ns| match p99(histogram) {
        Ok(p99_ns) if p99_ns <= limit_ns => {}
        Ok(p99_ns) => failed.push((
            name,
            format!("{who}, p99 {} µs, limit {} µs", p99_ns / 1_000, limit_ns / 1_000),
        )),
        Err(why) => failed.push((name, why)),
    };
    late("window-slip", "the driver was late", &window.slip, plan.slip_limit_ns);
    let Some(facts) = &cell.window_facts else { return failed };
    if plan.judge_host == Some(true) {
        late("window-hiccup", "the host was late", &facts.hiccup, HICCUP_NS);
    }
    if facts.reconnects > 0 {
        failed.push(("window-reconnect", format!("{} connections failed", facts.reconnects)));
    }
    let n = cell.window_ledger.map_or(0, |ledger| ledger.scheduled);
    if facts.dispatched_elsewhere as f64 > ELSEWHERE * n as f64 {
        let elsewhere = facts.dispatched_elsewhere;
        failed.push(("window-dispatch", format!("{elsewhere} of {n} left in another 100 ms")));
    }
    if plan.judge_host == Some(true) {
        failed.extend(drift(plan, cell).map(|what| ("window-stationary", what)));
    }
    failed
}

fn p99(histogram: &Histogram) -> Result<u64, String> {
    let read = LatencyHistogram::from_record(histogram).map_err(|error| error.to_string())?;
    Ok(read.percentile(990).unwrap_or(0))
}

/// How the end of a window differs from its beginning, when it does.
fn drift(plan: &PlanRecord, cell: &Cell) -> Option<String> {
    let facts = cell.window_facts.as_ref()?;
    let ns = |median: Option<u64>| median.map_or(0.0, |ns| ns as f64);
    let window = Stationarity {
        first_median_ns: ns(facts.first_half_p50_ns),
        second_median_ns: ns(facts.second_half_p50_ns),
        in_flight_slope_per_s: facts.in_flight_slope_milli as f64 / 1e3,
        in_flight_mean: facts.in_flight_mean_milli as f64 / 1e3,
        window_s: plan.latency_window_ms as f64 / 1e3,
    };
    (!window.holds(DRIFT)).then(|| {
        // As a ratio: an invalid run gives no latency away.
        format!(
            "the median of its second half is {:.2} times the first's, in flight grew by {:.1}",
            window.median_ratio(),
            window.in_flight_slope_per_s * window.window_s
        )
    })
}

/// The share of discarded windows is within the plan's limit; of each arm within twice that.
pub(super) fn discarded(run: &Run, plan: &PlanRecord) -> Check {
    const NAME: &str = "discarded-windows";
    if plan.latency_window_ms == 0 {
        let why = "not judged: none were planned, latency is that of the slots";
        return check(NAME, None, || why.into());
    }
    let all = run.cells.iter().filter(|cell| cell.window_latency.is_some()).count();
    let bad: Vec<_> =
        run.cells.iter().filter_map(|cell| failures(plan, cell).into_iter().next()).collect();
    let permille = (bad.len() * 1_000).div_ceil(all.max(1)) as u64;
    let first = bad.first().map_or(String::new(), |(gate, why)| format!("; first: {gate}, {why}"));
    let limit = plan.discard_limit_permille;
    let detail = format!("{} of {all} windows discarded; limit {limit} in 1000{first}", bad.len());
    let mut failure =
        (permille > u64::from(limit)).then(|| Failure { cell: None, detail: detail.clone() });
    for arm in &run.arms {
        let own: Vec<&Cell> = run.cells.iter().filter(|cell| cell.arm == arm.id).collect();
        let bad = own.iter().filter(|cell| !failures(plan, cell).is_empty()).count();
        if bad * 1_000 > own.len() * 2 * limit as usize {
            let detail = format!("{bad} of {} windows of {} discarded", own.len(), arm.id);
            failure = failure.or(Some(Failure { cell: None, detail }));
        }
    }
    check(NAME, failure, || detail)
}
