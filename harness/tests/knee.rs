//! The search for the knee, on systems whose knee is known.

use std::convert::Infallible;

use authbench_harness::load::knee::{
    Knee, Observation, Phase, Range, STEPS_MAX, Search, TOLERANCE, Verdict, search,
};

const RANGE: Range = Range { low: 100, high: 1_000_000, slo_ns: 5_000_000 };

/// A single server of deterministic service, `capacity` a second, loaded for 2 s: the mean wait of
/// M/D/1, times five for its 99th percentile; from capacity on the queue has no end and grows by
/// the difference.
fn md1(capacity: f64, rate: u64) -> Observation {
    let (rate, service_ns) = (rate as f64, 1e9 / capacity);
    let load = rate / capacity;
    if load >= 1.0 {
        let late_ns = (load - 1.0) * 2e9;
        return Observation {
            achieved: 1.0 / load,
            failures: 0,
            p99_ns: Some((1e9 + late_ns) as u64),
            in_flight_slope: rate - capacity,
            driver_fault: None,
        };
    }
    let wait_ns = load * service_ns / (2.0 * (1.0 - load));
    Observation {
        achieved: 1.0,
        failures: 0,
        p99_ns: Some((service_ns + 5.0 * wait_ns) as u64),
        in_flight_slope: 0.0,
        driver_fault: None,
    }
}

fn run(range: Range, mut system: impl FnMut(u64) -> Observation) -> Search {
    let found = search(range, |rate| Ok::<_, Infallible>(system(rate))).unwrap();
    assert!(found.steps.len() <= STEPS_MAX, "{} steps", found.steps.len());
    found
}

/// The rate at which M/D/1's stand-in for p99 meets the limit.
fn analytic(capacity: f64, slo_ns: f64) -> f64 {
    let service = 1e9 / capacity;
    let waits = (slo_ns - service) / service / 2.5;
    capacity * waits / (1.0 + waits)
}

#[test]
fn the_knee_of_a_queue_is_where_theory_has_it() {
    for capacity in [1_000.0, 7_300.0, 40_000.0] {
        let found = run(RANGE, |rate| md1(capacity, rate));
        let Knee::At { rate, above } = found.knee else { panic!("{:?}", found.knee) };
        let wanted = analytic(capacity, RANGE.slo_ns as f64);
        assert!(rate as f64 <= wanted && wanted <= above as f64, "{rate} {wanted} {above}");
        assert!(above - rate <= (rate as f64 * TOLERANCE) as u64 + 1);
        // Confirmed: the last two steps are one down and one up.
        let last: Vec<Phase> = found.steps.iter().rev().take(2).map(|step| step.phase).collect();
        assert_eq!(last, [Phase::Up, Phase::Down]);
        // The control: a tighter limit on p99 gives a lower knee.
        let tight = Range { slo_ns: RANGE.slo_ns / 4, ..RANGE };
        if let Knee::At { rate: lower, .. } = run(tight, |rate| md1(capacity, rate)).knee {
            assert!(lower < rate, "{lower} {rate}");
        }
    }
}

/// Overloaded once, it sustains only half until it has been relieved below that.
#[test]
fn a_system_that_stays_broken_is_told() {
    let mut is_broken = false;
    let found = run(RANGE, |rate| {
        if rate > 5_000 {
            is_broken = true;
        } else if rate <= 2_000 {
            is_broken = false;
        }
        md1(if is_broken { 2_500.0 } else { 20_000.0 }, rate)
    });
    let Knee::Hysteresis { rate, again } = found.knee else { panic!("{:?}", found.knee) };
    assert_eq!(rate, 3_200, "the last rate sustained on the way up");
    assert!(again.is_some_and(|again| again <= 2_500), "{again:?}");
    // The control: the same system without memory has a plain knee.
    let healthy = run(RANGE, |rate| md1(20_000.0, rate));
    assert!(matches!(healthy.knee, Knee::At { .. }));
}

fn limited(rate: u64, limit: u64, capacity: f64) -> Observation {
    let fault = (rate > limit).then(|| "slip: 9 ms".to_owned());
    Observation { driver_fault: fault, ..md1(capacity, rate) }
}

#[test]
fn a_driver_at_its_limit_gives_a_lower_bound() {
    let found = run(RANGE, |rate| limited(rate, 10_000, 1e6));
    let Knee::AtLeast { rate, why } = found.knee else { panic!("{:?}", found.knee) };
    assert_eq!(rate, 6_400);
    assert!(why.contains("driver-limited: slip"), "{why}");
    // Between a rate that is sustained and one that is not: the bound found so far.
    let found = run(RANGE, |rate| limited(rate, if rate > 12_000 { 20_000 } else { 8_000 }, 12e3));
    let Knee::AtLeast { rate, why } = found.knee else { panic!("{:?}", found.knee) };
    assert!(rate == 6_400 && why.contains("driver-limited"), "{rate} {why}");
    // Before any answer there is none.
    let found = run(RANGE, |rate| limited(rate, 0, 1e6));
    assert!(matches!(found.knee, Knee::Unknown { .. }), "{:?}", found.knee);
    assert_eq!(found.steps.len(), 2, "a fault is tried twice");
}

#[test]
fn one_disturbance_of_the_driver_is_no_limit() {
    let mut n = 0;
    let found = run(RANGE, |rate| {
        n += 1;
        let seen = md1(10_000.0, rate);
        Observation { driver_fault: (n == 4).then(|| "slip".to_owned()), ..seen }
    });
    assert!(matches!(found.knee, Knee::At { .. }), "{:?}", found.knee);
}

#[test]
fn the_ends_of_the_range_are_said() {
    let low = run(RANGE, |rate| md1(50.0, rate));
    assert!(matches!(low.knee, Knee::Below { rate: 100, .. }), "{:?}", low.knee);
    let range = Range { high: 5_000, ..RANGE };
    let high = run(range, |rate| md1(1e6, rate));
    let Knee::AtLeast { rate: 5_000, why } = high.knee else { panic!("{:?}", high.knee) };
    assert!(why.contains("highest rate"), "{why}");
}

#[test]
fn each_condition_alone_is_enough_to_fail() {
    let good = md1(10_000.0, 1_000);
    assert_eq!(good.judge(1_000, RANGE.slo_ns), Verdict::Sustained);
    for (seen, wanted) in [
        (Observation { achieved: 0.98, ..good.clone() }, "answered 0.980"),
        (Observation { failures: 1, ..good.clone() }, "1 requests failed"),
        (Observation { p99_ns: Some(5_000_001), ..good.clone() }, "p99"),
        (Observation { p99_ns: None, ..good.clone() }, "99th percentile is a failure"),
        (Observation { in_flight_slope: 11.0, ..good.clone() }, "in flight"),
    ] {
        let Verdict::Overloaded(why) = seen.judge(1_000, RANGE.slo_ns) else { panic!("{seen:?}") };
        assert!(why.contains(wanted), "{why}");
    }
    let faulty = Observation { driver_fault: Some("slip".into()), failures: 9, ..good };
    assert_eq!(faulty.judge(1_000, RANGE.slo_ns), Verdict::DriverLimited("slip".into()));
}

#[test]
fn a_probe_that_fails_ends_the_search() {
    assert_eq!(search(RANGE, |_| Err::<Observation, _>("gone")), Err("gone"));
}
