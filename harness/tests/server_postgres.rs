//! A strategy that keeps its state in PostgreSQL, served: it works, an outage is 503 and passes.

mod server_support;

use authbench::credential::Carrier;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::StoreKind;
use authbench_fixture::{FixtureError, PrivatePostgres};
use authbench_harness::server::config::{HiddenUrl, ServeConfig};
use server_support::{SUBJECT, config, login, start, with};

fn postgres() -> Option<PrivatePostgres> {
    match PrivatePostgres::start() {
        Ok(postgres) => Some(postgres),
        Err(why @ FixtureError::PostgresNotInstalled) => {
            println!("skipped: {why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn kinds() -> impl Iterator<Item = StrategyKind> {
    let is_kept_there = |kind: &StrategyKind| kind.properties().store == Some(StoreKind::Postgres);
    StrategyKind::ALL.iter().copied().filter(is_kept_there)
}

fn ordered(kind: StrategyKind, postgres: &PrivatePostgres) -> ServeConfig {
    let postgres_url = Some(HiddenUrl(postgres.url()));
    ServeConfig { postgres_url, ..config(kind, Carrier::Cookie, None) }
}

#[test]
fn a_restart_of_the_store_is_503_and_forgets_nothing() {
    let Some(mut postgres) = postgres() else { return };
    for kind in kinds() {
        let name = kind.name();
        let here = start(&ordered(kind, &postgres));
        let there = start(&ordered(kind, &postgres));
        assert!(here.receipt().postgres.is_some() && here.receipt().redis.is_none());
        let [live, gone] =
            [(); 2].map(|()| login(here.data(), SUBJECT).credential(Carrier::Cookie));
        let me = |server: std::net::SocketAddr, text: &str| {
            with(server, "GET /me", Carrier::Cookie, text).status
        };
        assert_eq!((me(there.data(), &live), me(there.data(), &gone)), (200, 200), "{name}");
        let out = with(there.data(), "POST /logout", Carrier::Cookie, &gone).status;
        assert!((200..300).contains(&out), "{name}: {out}");
        assert_eq!((me(here.data(), &live), me(here.data(), &gone)), (200, 401), "{name}");
        postgres.restart().unwrap();
        // The connection was lost meanwhile: one request says so, and the next opens another.
        for server in [here.data(), there.data()] {
            let first = me(server, &live);
            assert!([200, 503].contains(&first), "{name}: {first}");
            assert_eq!((me(server, &live), me(server, &gone)), (200, 401), "{name}");
        }
    }
}

#[test]
fn a_store_that_is_gone_is_503_until_the_end() {
    let Some(postgres) = postgres() else { return };
    let Some(kind) = kinds().next() else { return println!("skipped: no strategy needs it") };
    let mut server = start(&ordered(kind, &postgres));
    let live = login(server.data(), SUBJECT).credential(Carrier::Cookie);
    drop(postgres);
    for _ in 0..3 {
        assert_eq!(with(server.data(), "GET /me", Carrier::Cookie, &live).status, 503);
        assert_eq!(login(server.data(), SUBJECT).status, 503);
    }
    assert!(server.is_running());
}
