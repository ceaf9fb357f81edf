//! How often the HTTP/2 driver allocates for a request: counted and printed, with no limit.
//!
//! Counts the calls to Rust's allocator on the driver's thread; the server is another process.

mod server_support;

use std::time::Duration;

use allocation_counter::measure;
use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench_harness::load::driver::{Driver, Mode};
use authbench_harness::load::exchange::Op;
use authbench_harness::load::h2::{H2Driver, H2Exchange};
use authbench_harness::load::outcome::ledger;
use authbench_harness::load::pacer::Pacing;
use authbench_harness::load::wallet::{self, Account};
use authbench_harness::measure::block::driver_settings;
use authbench_harness::plan::{Plan, Profile};
use server_support::*;

const REQUESTS: u32 = 1_000;

#[test]
fn allocations_of_a_request_are_counted() {
    let mut settings = driver_settings(&Plan::shipped(Profile::Smoke).unwrap());
    settings.pacing = Pacing::Exact;
    settings.timeout = Duration::from_secs(10);
    settings.backlog_limit = 10_000;
    let server = start(&config(StrategyKind::SessionMemory, Carrier::Bearer, None));
    let address = server.data();
    let mut plain = Driver::new(settings).unwrap();
    let target = plain.add_target(address, 4).unwrap();
    let account = Account { target, address, carrier: Carrier::Bearer };
    let subjects: Vec<SubjectId> = (1..=20).map(SubjectId).collect();
    let exchanges = wallet::fill(&mut plain, account, &subjects).unwrap().exchanges;
    let parsed = H2Exchange::parse_all(&exchanges).unwrap();
    let mut h2 = H2Driver::new(settings, 8).unwrap();
    h2.add_target(address, 1).unwrap();
    let ops: Vec<Op> = (0..REQUESTS)
        .map(|i| Op { at_ns: u64::from(i) * 500_000, target: 0, exchange: i % 20 })
        .collect();

    let count = |driver: &mut dyn FnMut() -> u64| {
        // Once uncounted: buffers and tables grow to their size.
        assert_eq!(driver(), u64::from(REQUESTS));
        measure(|| assert_eq!(driver(), u64::from(REQUESTS))).count_total
    };
    let by_h2 = count(&mut || {
        let done = h2.execute(&ops, &parsed, Mode::Open).unwrap();
        ledger(&done.executed.rows).expected
    });
    let by_1 = count(&mut || {
        let done = plain.execute(&ops, &exchanges, Mode::Open, false).unwrap();
        ledger(&done.rows).expected
    });
    println!(
        "allocations per request: HTTP/2 {}, HTTP/1.1 {}",
        per_request(by_h2),
        per_request(by_1)
    );
    // The counter counts: hyper boxes at least the request's way to its connection.
    assert!(by_h2 > u64::from(REQUESTS), "{by_h2}");
    assert!(by_1 < u64::from(REQUESTS), "{by_1}");
}

fn per_request(allocations: u64) -> f64 {
    allocations as f64 / f64::from(REQUESTS)
}
