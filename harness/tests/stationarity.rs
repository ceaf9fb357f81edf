//! Steady windows pass, growing queues fail, Little's law is checked: on made-up rows.

use authbench_harness::load::outcome::{Outcome, Row};
use authbench_harness::measure::stationarity::{MEDIAN_LIMIT, stationarity};

/// A request every millisecond for ten seconds, answered after `response_us(i)`.
fn rows(response_us: impl Fn(u64) -> u64) -> Vec<Row> {
    let row = |i: u64| {
        let intended_ns = 1_000_000_000 + i * 1_000_000;
        Row {
            intended_ns,
            dispatched_ns: intended_ns,
            written_ns: intended_ns + 5_000,
            done_ns: intended_ns + response_us(i) * 1_000,
            status: 200,
            outcome: Outcome::Expected,
            ..Row::NEVER_SENT
        }
    };
    (0..10_000).map(row).collect()
}

#[test]
fn a_steady_window_is_steady() {
    let found = stationarity(&rows(|i| 3_000 + (i * 7_919) % 1_000));
    assert!(found.holds(MEDIAN_LIMIT), "{found:?}");
    assert!((found.median_ratio() - 1.0).abs() < 0.02, "{found:?}");
    // Little's law: 1,000 a second, 3.5 ms each.
    assert!((found.in_flight_mean - 3.5).abs() < 0.6, "{found:?}");
    assert!(found.in_flight_slope_per_s.abs() < 0.1, "{found:?}");
}

#[test]
fn a_growing_queue_is_not() {
    // Offered 1,000 a second, served 950: 50 more wait each second.
    let found = stationarity(&rows(|i| 1_000 + i * 1_000 / 19));
    assert!(!found.holds(MEDIAN_LIMIT), "{found:?}");
    assert!((found.in_flight_slope_per_s - 50.0).abs() < 5.0, "{found:?}");
    assert!(found.second_median_ns > 2.5 * found.first_median_ns, "{found:?}");
}

#[test]
fn what_is_never_answered_piles_up_although_the_medians_agree() {
    let mut lost = rows(|_| 2_000);
    for row in lost.iter_mut().step_by(20) {
        (row.outcome, row.status, row.done_ns) = (Outcome::Timeout, 0, 0);
    }
    let found = stationarity(&lost);
    assert_eq!(found.median_ratio(), 1.0);
    assert!((found.in_flight_slope_per_s - 50.0).abs() < 5.0 && !found.holds(MEDIAN_LIMIT));
}

#[test]
fn a_step_in_service_time_shows_in_the_medians_alone() {
    let found = stationarity(&rows(|i| if i < 5_000 { 500 } else { 600 }));
    assert!((found.median_ratio() - 1.2).abs() < 0.01);
    assert!(!found.holds(MEDIAN_LIMIT) && found.holds(0.25));
}

#[test]
fn the_order_of_rows_does_not_matter_and_nothing_is_judged_of_nothing() {
    let steady = rows(|i| 3_000 + i % 100);
    let mut turned = steady.clone();
    turned.reverse();
    assert_eq!(stationarity(&steady), stationarity(&turned));
    assert_eq!(stationarity(&[]).in_flight_mean, 0.0);
}
