//! Races over real servers: never two live chains, and one use of what is good once.

mod server_support;

use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Renewal, Uses};
use authbench_fixture::PrivateRedis;
use authbench_harness::load::driver::DriverSettings;
use authbench_harness::measure::block::Silent;
use authbench_harness::measure::spectrum::races::{Race, What, run};
use authbench_harness::os::interrupt::Interrupt;
use authbench_harness::record::spectrum::RaceSeries;
use server_support::*;

const AT_ONCE: u32 = 50;
const REPETITIONS: u32 = 5;

fn race(kind: StrategyKind, redis: Option<&PrivateRedis>, race: &Race) -> RaceSeries {
    let mut config = config(kind, Carrier::Bearer, redis);
    config.settings.refresh_grace_s = race.grace_s;
    let servers = [start(&config), start(&config)];
    let nodes = [servers[0].data(), servers[1].data()];
    let subjects: Vec<SubjectId> = (0..race.repetitions.into()).map(SubjectId).collect();
    // Patient: what is counted here must not depend on how busy the machine is.
    let timeout = std::time::Duration::from_secs(20);
    let settings = DriverSettings { timeout, ..DriverSettings::DEFAULT };
    let found = run(kind, race, &nodes, &subjects, settings, &Silent(Interrupt::default()));
    let found = found.unwrap();
    assert_eq!((found.failed, found.repetitions, found.nodes), (0, REPETITIONS, 2), "{found:?}");
    found
}

#[test]
fn fifty_renewals_at_once_never_leave_two_chains() {
    let redis = PrivateRedis::start().ok();
    let rotates = |kind: &StrategyKind| kind.properties().renewal == Renewal::Rotating;
    for kind in runnable(redis.as_ref()).into_iter().filter(rotates) {
        let strict = Race {
            what: What::Refresh,
            at_once: AT_ONCE,
            spread_ns: 0,
            repetitions: REPETITIONS,
            grace_s: 0,
        };
        let found = race(kind, redis.as_ref(), &strict);
        assert_eq!((found.children_min, found.children_max), (1, 1), "{found:?}");
        assert_eq!(found.succeeded, u64::from(REPETITIONS));
        // Asking twice is theft where there is no grace: nobody keeps the login.
        assert_eq!((found.live_children_max, found.false_thefts), (0, REPETITIONS));
        let kind_one = Race { grace_s: 10, ..strict };
        let found = race(kind, redis.as_ref(), &kind_one);
        assert_eq!((found.children_min, found.children_max), (1, 1), "{found:?}");
        assert_eq!(found.succeeded, u64::from(REPETITIONS * AT_ONCE));
        assert_eq!((found.live_children_max, found.false_thefts), (1, 0));
        let spread = Race { at_once: 2, spread_ns: 20_000_000, ..kind_one };
        let found = race(kind, redis.as_ref(), &spread);
        assert_eq!((found.children_max, found.false_thefts), (1, 0), "{found:?}");
        assert_eq!(found.succeeded, u64::from(REPETITIONS * 2));
    }
}

#[test]
fn fifty_redemptions_at_once_are_one_unless_nothing_is_kept() {
    let redis = PrivateRedis::start().ok();
    let is_link = |kind: &StrategyKind| kind.properties().family == Family::Link;
    for kind in runnable(redis.as_ref()).into_iter().filter(is_link) {
        let redeem = Race {
            what: What::Redeem,
            at_once: AT_ONCE,
            spread_ns: 0,
            repetitions: REPETITIONS,
            grace_s: 0,
        };
        let found = race(kind, redis.as_ref(), &redeem);
        let (logins, live) = match kind.properties().uses {
            Uses::Once => (1, 0),
            Uses::Many => (AT_ONCE, 1),
        };
        assert_eq!((found.children_min, found.children_max), (logins, logins), "{found:?}");
        assert_eq!((found.live_children_max, found.false_thefts), (live, 0), "{found:?}");
    }
}
