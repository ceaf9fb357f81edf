//! How many requests are in flight, and whether their number grows.

use crate::load::outcome::Row;

/// Instants at which the number is taken.
const SAMPLES: u64 = 100;

/// The slope of the number of requests in flight (due and not ended) over a schedule `length_ns`
/// long that began at `base_ns`, requests per second, by least squares. A target that keeps up has
/// about 0; one that does not, the rate it falls short by.
#[must_use]
pub fn slope(rows: &[Row], base_ns: u64, length_ns: u64) -> f64 {
    let mut ends: Vec<u64> = rows.iter().map(|row| row.done_ns).collect();
    let mut begins: Vec<u64> = rows.iter().map(|row| row.intended_ns).collect();
    begins.sort_unstable();
    ends.sort_unstable();
    let points: Vec<(f64, f64)> = (0..SAMPLES)
        .map(|i| {
            let after = length_ns / SAMPLES * i + length_ns / SAMPLES / 2;
            let at = base_ns + after;
            let due = begins.partition_point(|begin| *begin <= at);
            let ended = ends.partition_point(|end| *end <= at);
            (after as f64 / 1e9, due as f64 - ended as f64)
        })
        .collect();
    let n = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let products: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let squares: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rate` requests a second for 2 s from 1 s on, `served` of them a second.
    fn queue(rate: u64, served: u64) -> Vec<Row> {
        (0..2 * rate)
            .map(|i| {
                let due = 1_000_000_000 * i / rate;
                let done = due.max(1_000_000_000 * i / served) + 200_000;
                let at = |ns| ns + 1_000_000_000;
                Row { intended_ns: at(due), done_ns: at(done), ..Row::NEVER_SENT }
            })
            .collect()
    }

    #[test]
    fn a_queue_grows_by_what_the_target_falls_short() {
        let found = slope(&queue(1_000, 800), 1_000_000_000, 2_000_000_000);
        assert!((found - 200.0).abs() < 10.0, "{found}");
        let steady = slope(&queue(1_000, 2_000), 1_000_000_000, 2_000_000_000);
        assert!(steady.abs() < 2.0, "{steady}");
        assert_eq!(slope(&[], 0, 0), 0.0);
    }
}
