//! Mixes of operations against real servers: every kind gets its declared answer, and both sides
//! count the same.

mod server_support;

use std::time::Duration;

use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Revocation;
use authbench_fixture::PrivateRedis;
use authbench_harness::load::deck::{Counts, Deck};
use authbench_harness::load::driver::{Driver, DriverSettings, Mode};
use authbench_harness::load::exchange::{Exchange, Expect};
use authbench_harness::load::mix::{Kind, Mix};
use authbench_harness::load::outcome::Outcome;
use authbench_harness::load::pacer::Pacing;
use authbench_harness::load::piles::{Order, twin_config};
use authbench_harness::load::schedule::{Arrivals, stream};
use authbench_harness::load::wallet::{self, Account, Wallet, call_all};
use authbench_harness::load::zipf::Popularity;
use authbench_harness::measure::block::driver_settings;
use authbench_harness::plan::{Plan, Profile};
use authbench_harness::server::child::ServerChild;
use server_support::*;

const REQUESTS: u64 = 600;
const WALLET: u64 = 50;

fn settings() -> DriverSettings {
    let mut settings = driver_settings(&Plan::shipped(Profile::Smoke).unwrap());
    settings.pacing = Pacing::Exact;
    settings.timeout = Duration::from_secs(10);
    settings.backlog_limit = 10_000;
    settings
}

/// Every kind, often enough that 600 requests hold some of each.
fn all_kinds() -> Mix {
    Mix {
        valid: 580,
        expired: 60,
        forged: 60,
        revoked: 60,
        login: 100,
        logout: 100,
        refresh: 40,
        zipf_milli: 1_000,
    }
}

struct Bench {
    server: ServerChild,
    driver: Driver,
    account: Account,
    subjects: Vec<SubjectId>,
    wallet: Wallet,
}

impl Bench {
    fn of(server: ServerChild, carrier: Carrier) -> Self {
        let mut driver = Driver::new(settings()).unwrap();
        let address = server.data();
        let target = driver.add_target(address, 8).unwrap();
        let account = Account { target, address, carrier };
        let subjects: Vec<SubjectId> = (1..=WALLET).map(SubjectId).collect();
        let wallet = wallet::fill(&mut driver, account, &subjects).unwrap();
        Self { server, driver, account, subjects, wallet }
    }

    fn order(&self, strategy: StrategyKind, mix: Mix) -> Order<'_> {
        Order {
            strategy,
            mix,
            requests: REQUESTS,
            valid: &self.wallet.exchanges,
            subjects: &self.subjects,
            pile: 16,
            seed: 1,
            purpose: strategy.name(),
            leeway_s: 0,
        }
    }
}

fn run_mix(kind: StrategyKind, carrier: Carrier, redis: Option<&PrivateRedis>) {
    let name = kind.name();
    let main = config(kind, carrier, redis);
    let twin = start(&twin_config(&main));
    let mut bench = Bench::of(start(&main), carrier);
    let mut driver = std::mem::replace(&mut bench.driver, Driver::new(settings()).unwrap());
    let order = bench.order(kind, all_kinds());
    let twin_at = Some((twin.data(), settings()));
    let mut deck = Deck::prepare(&mut driver, bench.account, &order, twin_at).unwrap();
    drop(twin);

    let mut rng = stream(1, "mix", 0);
    let times = Arrivals::Constant.times(REQUESTS, 1_000_000_000, &mut rng);
    let ops = deck.draw(&times, &mut rng).unwrap();
    let before = bench.server.counters().unwrap();
    let rows = driver.execute(&ops, deck.exchanges(), Mode::Open, false).unwrap().rows;
    let after = bench.server.counters().unwrap();

    let by_kind = deck.by_kind(&rows, &ops);
    assert_eq!(by_kind.len(), Kind::ALL.len(), "{name}: {by_kind:?}");
    for (what, l) in &by_kind {
        assert!(l.scheduled > 0, "{name}: no {what:?}");
        assert_eq!(l.expected, l.scheduled, "{name}: {what:?}: {l:?}");
    }
    assert_eq!(by_kind.iter().map(|(_, l)| l.scheduled).sum::<u64>(), REQUESTS, "{name}");
    assert_eq!(Counts::between(&before, &after), deck.counts(&ops), "{name}");

    // What was refused is what the strategy declares.
    let sent = |kind| by_kind.iter().find(|(k, _)| *k == kind).unwrap().1.scheduled;
    let counts = deck.counts(&ops);
    let revoked_is_refused = kind.properties().revoke == Revocation::Immediate;
    let is_floor = kind == StrategyKind::None;
    let denied = sent(Kind::Forged)
        + sent(Kind::Refresh)
        + if revoked_is_refused { sent(Kind::Revoked) } else { 0 }
        + if is_floor { 0 } else { sent(Kind::Expired) };
    assert_eq!(counts.denied, denied, "{name}");
    assert_eq!(counts.logins, sent(Kind::Login), "{name}");
    assert_eq!(counts.revocations, sent(Kind::Logout), "{name}");
}

#[test]
fn every_kind_gets_its_answer_without_redis() {
    run_mix(StrategyKind::JwtHs256, Carrier::Bearer, None);
    run_mix(StrategyKind::SessionMemory, Carrier::Cookie, None);
    run_mix(StrategyKind::None, Carrier::Bearer, None);
}

#[test]
fn every_kind_gets_its_answer_with_redis() {
    let redis = PrivateRedis::start().ok();
    let runnable = runnable(redis.as_ref());
    for (kind, carrier) in [
        (StrategyKind::SessionRedis, Carrier::Cookie),
        (StrategyKind::JwtDenylist, Carrier::Bearer),
        (StrategyKind::JwtVersion, Carrier::Bearer),
    ] {
        if runnable.contains(&kind) {
            run_mix(kind, carrier, redis.as_ref());
        }
    }
}

/// The control of the outcomes: whoever expects a revoked session to work is told that it does not.
#[test]
fn a_revoked_session_that_is_expected_to_work_is_a_wrong_outcome() {
    let kind = StrategyKind::SessionMemory;
    let mut bench = Bench::of(start(&config(kind, Carrier::Bearer, None)), Carrier::Bearer);
    let account = bench.account;
    let logouts: Vec<Exchange> = bench
        .wallet
        .credentials
        .iter()
        .map(|c| account.exchange("POST", "/logout", c, Expect::Status(200)))
        .collect();
    let (rows, _) = call_all(&mut bench.driver, account.target, &logouts).unwrap();
    assert!(rows.iter().all(|row| row.outcome == Outcome::Expected));
    // The wallet's exchanges still expect the body that was verified before the logout.
    let (rows, _) = call_all(&mut bench.driver, account.target, &bench.wallet.exchanges).unwrap();
    assert!(rows.iter().all(|row| row.outcome == Outcome::WrongOutcome && row.status == 401));
}

/// The control of the preparation: a credential in the wrong pile is found before the load.
#[test]
fn a_credential_that_was_never_revoked_is_found_among_the_revoked() {
    let kind = StrategyKind::SessionMemory;
    let mut bench = Bench::of(start(&config(kind, Carrier::Bearer, None)), Carrier::Bearer);
    let account = bench.account;
    let mix = Mix { valid: 900, expired: 0, forged: 0, revoked: 100, ..Mix::default() };
    let (revoked, kept) = bench.wallet.credentials.split_at(3);
    let refused = |c: &String| account.exchange("GET", "/me", c, Expect::Status(401));
    let deck = |pile: Vec<Exchange>| {
        let valid = bench.wallet.exchanges[3..].to_vec();
        let law = Popularity::new(valid.len() as u32, 0, 1, "test").unwrap();
        let piles = vec![(Kind::Valid, valid), (Kind::Revoked, pile)];
        Deck::assemble(mix, account.target, piles, law).unwrap()
    };
    let right = deck(revoked.iter().map(refused).collect());
    let wrong = deck(revoked.iter().chain(&kept[..1]).map(refused).collect());
    let logouts: Vec<Exchange> = revoked
        .iter()
        .map(|c| account.exchange("POST", "/logout", c, Expect::Status(200)))
        .collect();
    call_all(&mut bench.driver, account.target, &logouts).unwrap();
    right.verify(&mut bench.driver).unwrap();
    let said = wrong.verify(&mut bench.driver).unwrap_err().to_string();
    assert!(said.contains("revoked credential 3"), "{said}");
    assert!(said.contains("status 200") && said.contains("401 was expected"), "{said}");
}

#[test]
fn a_mix_without_its_twin_is_refused_and_one_that_needs_none_is_not() {
    let kind = StrategyKind::None;
    let mut bench = Bench::of(start(&config(kind, Carrier::Bearer, None)), Carrier::Bearer);
    let mut driver = std::mem::replace(&mut bench.driver, Driver::new(settings()).unwrap());
    let order = bench.order(kind, Mix::default());
    let said = Deck::prepare(&mut driver, bench.account, &order, None).unwrap_err().to_string();
    assert!(said.contains("expired"), "{said}");
    let without = Mix { valid: 970, expired: 0, ..Mix::default() };
    let order = bench.order(kind, without);
    let deck = Deck::prepare(&mut driver, bench.account, &order, None).unwrap();
    assert!(deck.kinds().contains(&Kind::Revoked));
}
