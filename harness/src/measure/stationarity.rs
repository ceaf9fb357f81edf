//! Whether a window is one steady state: medians of its halves, the slope of requests in flight.

use super::stats::median;
use crate::load::outcome::Row;

/// Instants at which requests in flight are counted.
const INSTANTS: u64 = 100;
/// The medians of the halves may differ by this share of the first.
pub const MEDIAN_LIMIT: f64 = 0.05;
/// Over the window, requests in flight may grow or fall by this many or by this share of their
/// mean, whichever is more.
const GROWTH_REQUESTS: f64 = 2.0;
const GROWTH_SHARE: f64 = 0.5;

/// How steady a window was. By intended time: a request belongs to the half in which it was due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stationarity {
    /// Median response time of the first half, nanoseconds; 0 without an answer in it.
    pub first_median_ns: f64,
    /// The same of the second half.
    pub second_median_ns: f64,
    /// Least-squares slope of requests in flight, from intended start to last byte, requests per
    /// second.
    pub in_flight_slope_per_s: f64,
    /// Their mean.
    pub in_flight_mean: f64,
    /// From the first intended start to the last, seconds.
    pub window_s: f64,
}

impl Stationarity {
    /// Second median over first; 1 when there is nothing to compare.
    #[must_use]
    pub fn median_ratio(&self) -> f64 {
        if self.first_median_ns > 0.0 && self.second_median_ns > 0.0 {
            self.second_median_ns / self.first_median_ns
        } else {
            1.0
        }
    }

    /// Whether the medians agree within `limit` (a share, such as [`MEDIAN_LIMIT`] or the noise
    /// floor) and requests in flight neither pile up nor drain.
    #[must_use]
    pub fn holds(&self, limit: f64) -> bool {
        let growth = (self.in_flight_slope_per_s * self.window_s).abs();
        let allowed = GROWTH_REQUESTS.max(GROWTH_SHARE * self.in_flight_mean);
        self.median_ratio().ln().abs() <= limit.ln_1p() && growth <= allowed
    }
}

/// When a request was due and when its answer was whole; `None` for one that was never answered. It
/// was in flight to the end of the window, and beyond.
fn span(row: &Row) -> (u64, Option<u64>) {
    (row.intended_ns, row.was_answered().then_some(row.done_ns))
}

/// Judges the rows of one window, in any order. Failed requests count as in flight until the end:
/// what was not answered piles up.
#[must_use]
pub fn stationarity(rows: &[Row]) -> Stationarity {
    let from = rows.iter().map(|row| row.intended_ns).min();
    let to = rows.iter().map(|row| row.intended_ns).max();
    let Some((from, to)) = from.zip(to).filter(|(from, to)| from < to) else {
        return Stationarity::default();
    };
    let middle = u64::midpoint(from, to);
    let half = |is_first: bool| {
        let own = rows.iter().filter(|r| (r.intended_ns < middle) == is_first && r.was_answered());
        median(&own.map(|row| row.response_ns() as f64).collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let mut starts: Vec<u64> = rows.iter().map(|row| span(row).0).collect();
    let mut ends: Vec<u64> = rows.iter().filter_map(|row| span(row).1).collect();
    starts.sort_unstable();
    ends.sort_unstable();
    let length = to - from;
    let at = |i: u64| {
        // In the middle of each hundredth, so that neither edge is seen.
        let share = u128::from(length) * u128::from(2 * i + 1) / u128::from(2 * INSTANTS);
        let now = from + share as u64;
        let due = starts.partition_point(|start| *start <= now);
        (share as f64 / 1e9, (due - ends.partition_point(|end| *end <= now)) as f64)
    };
    let samples: Vec<(f64, f64)> = (0..INSTANTS).map(at).collect();
    let n = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / n;
    let (time, in_flight) = (mean(|s| s.0), mean(|s| s.1));
    let with: f64 = samples.iter().map(|(t, k)| (t - time) * (k - in_flight)).sum();
    let spread: f64 = samples.iter().map(|(t, _)| (t - time).powi(2)).sum();
    Stationarity {
        first_median_ns: half(true),
        second_median_ns: half(false),
        in_flight_slope_per_s: with / spread,
        in_flight_mean: in_flight,
        window_s: length as f64 / 1e9,
    }
}
