//! How often a request allocates on the driver's thread: never.
//!
//! The stub answers on threads of its own, which the counter does not see.

mod driver_support;

use allocation_counter::measure;
use authbench_harness::load::driver::{Driver, Mode};
use authbench_harness::load::exchange::{Exchange, Expect};
use authbench_harness::load::outcome::ledger;
use authbench_harness::load::pacer::Pacing;
use driver_support::{Action, OK, Stub, get, ops, settings};

/// Allocations of one execution of `count` requests at 10,000 a second, all answered.
fn allocations(driver: &mut Driver, exchange: &[Exchange], count: u64, mode: Mode) -> u64 {
    let ops = ops(10_000, count / 10);
    let mut executed = None;
    let info = measure(|| {
        executed = Some(driver.execute(&ops, exchange, mode, false).unwrap());
    });
    assert_eq!(ledger(&executed.unwrap().rows).expected, count);
    info.count_total
}

/// Allocations of 2,000 requests beyond those of 200, after a warm-up.
fn growth(pacing: Pacing, expect: Expect, mode: Mode) -> u64 {
    let stub = Stub::start(|_| Action::Answer(OK));
    let mut settings = settings(10_000, 10_000);
    settings.pacing = pacing;
    let mut driver = stub.driver(settings, 4);
    let exchange = [get(stub.address, expect)];
    allocations(&mut driver, &exchange, 2_000, mode);
    let few = allocations(&mut driver, &exchange, 200, mode);
    assert!(few > 0, "the rows themselves are not counted: nothing is");
    allocations(&mut driver, &exchange, 2_000, mode) - few
}

#[test]
fn a_request_allocates_nothing() {
    let body = || Expect::Body(200, b"ok".as_slice().into());
    for mode in [Mode::Open, Mode::Closed] {
        assert_eq!(growth(Pacing::Exact, body(), mode), 0, "{mode:?}");
        assert_eq!(growth(Pacing::Tick, Expect::Status(200), mode), 0, "{mode:?}");
    }
}

#[test]
fn a_captured_answer_is_kept_and_therefore_allocated() {
    assert!(growth(Pacing::Exact, Expect::Any, Mode::Closed) >= 1_800);
}
