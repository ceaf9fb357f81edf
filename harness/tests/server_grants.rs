//! Renewal by refresh tokens and redemption of links, over real sockets and two servers.

mod server_support;

use authbench::credential::Carrier;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, Renewal, Uses};
use authbench_fixture::PrivateRedis;
use server_support::*;

const REFRESH_COOKIE: &str = "__Secure-authbench-refresh";

/// The refresh token of a grant.
fn refresh_token(answer: &Answer, carrier: Carrier) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    match carrier {
        Carrier::Bearer => answer.json()["refresh_token"].as_str().unwrap().to_owned(),
        Carrier::Cookie => {
            let prefix = format!("{REFRESH_COOKIE}=");
            let cookies = answer.all("set-cookie");
            let line = cookies.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap();
            let (value, attributes) = line.split_once(';').unwrap();
            assert_eq!(attributes, " Path=/refresh; Secure; HttpOnly; SameSite=Strict");
            assert!(!answer.body.contains(value), "scripts can read the body");
            value.to_owned()
        }
    }
}

/// The header line that carries a refresh token.
fn refresh_header(carrier: Carrier, token: &str) -> String {
    match carrier {
        Carrier::Bearer => format!("Authorization: Bearer {token}"),
        Carrier::Cookie => format!("Cookie: {REFRESH_COOKIE}={token}"),
    }
}

#[test]
fn a_refresh_token_is_traded_once_and_its_reuse_ends_the_login() {
    let redis = PrivateRedis::start().ok();
    let rotates = |kind: &StrategyKind| kind.properties().renewal == Renewal::Rotating;
    for kind in runnable(redis.as_ref()).into_iter().filter(rotates) {
        for carrier in [Carrier::Bearer, Carrier::Cookie] {
            let config = config(kind, carrier, redis.as_ref());
            let nodes = [start(&config), start(&config)];
            let [here, there] = [nodes[0].data(), nodes[1].data()];
            let renew = |at, token: &str| {
                request(at, "POST /refresh", &[&refresh_header(carrier, token)], "")
            };
            let granted = login(here, SUBJECT);
            let first = refresh_token(&granted, carrier);
            let access = granted.credential(carrier);
            // Neither does the other's work.
            assert_eq!(renew(here, &access).status, 401);
            assert_eq!(with(here, "GET /me", carrier, &first).status, 401);
            let renewed = renew(there, &first);
            let second = refresh_token(&renewed, carrier);
            assert_ne!(first, second);
            let access = renewed.credential(carrier);
            assert_eq!(with(here, "GET /me", carrier, &access).status, 200);
            let third = refresh_token(&renew(here, &second), carrier);
            assert_eq!(renew(there, &first).status, 401, "a used one");
            assert_eq!(renew(here, &third).status, 401, "the current one, after that");
            // Logout by the access token ends the renewal, and takes both cookies away.
            let granted = login(here, SUBJECT);
            let refresh = refresh_token(&granted, carrier);
            let out = with(there, "POST /logout", carrier, &granted.credential(carrier));
            assert_eq!(out.status, 200);
            let cookies = if carrier == Carrier::Cookie { 2 } else { 0 };
            let gone = out.all("set-cookie");
            assert!(gone.len() == cookies && gone.iter().all(|c| c.ends_with("Max-Age=0")));
            assert_eq!(renew(here, &refresh).status, 401);
            assert_eq!(nodes[0].counters().unwrap().refreshes, 1);
        }
    }
}

#[test]
fn a_link_is_redeemed_by_post_alone() {
    let redis = PrivateRedis::start().ok();
    let is_link = |kind: &StrategyKind| kind.properties().family == Family::Link;
    for kind in runnable(redis.as_ref()).into_iter().filter(is_link) {
        let name = kind.name();
        let once = kind.properties().uses == Uses::Once;
        let server = start(&config(kind, Carrier::Bearer, redis.as_ref()));
        let data = server.data();
        let link = login(data, SUBJECT).credential(Carrier::Bearer);
        let line = header(Carrier::Bearer, &link);
        // A scanner: follows the link, looks at the page, carries on.
        for (route, status) in [("GET /redeem", 405), ("HEAD /redeem", 405), ("GET /", 404)] {
            assert_eq!(request(data, route, &[&line], "").status, status, "{name}: {route}");
            let with_link = format!("{route}?credential={link}");
            assert_eq!(request(data, &with_link, &[], "").status, status, "{name}: {route}");
        }
        if once {
            for route in ["GET /me", "HEAD /me"] {
                assert_eq!(request(data, route, &[&line], "").status, 401, "{name}: {route}");
            }
        }
        let json = "Content-Type: application/json";
        let body = format!("{{\"credential\":\"{link}\"}}");
        let in_url = request(data, &format!("POST /redeem?credential={link}"), &[], "");
        let twice = request(data, "POST /redeem", &[&line, json], &body);
        let form = request(data, "POST /redeem", &["Content-Type: text/plain"], &body);
        let array = request(data, "POST /redeem", &[json], &format!("[\"{link}\"]"));
        for (what, answer) in [("URL", in_url), ("both", twice), ("form", form), ("array", array)] {
            assert_eq!(answer.status, 401, "{name}: {what}");
        }
        let redeemed = request(data, "POST /redeem", &[json], &body);
        assert_eq!(redeemed.status, 200, "{name}: nothing before used it up");
        assert_eq!(redeemed.json()["subject"], SUBJECT, "{name}");
        let again = with(data, "POST /redeem", Carrier::Bearer, &link);
        assert_eq!(again.status, if once { 401 } else { 200 }, "{name}");
        let next = login(data, SUBJECT).credential(Carrier::Bearer);
        assert_eq!(with(data, "POST /redeem", Carrier::Bearer, &next).status, 200, "{name}");
    }
}

#[test]
fn what_is_no_link_is_not_redeemed() {
    let server = start(&config(StrategyKind::None, Carrier::Bearer, None));
    assert_eq!(with(server.data(), "POST /redeem", Carrier::Bearer, SUBJECT).status, 404);
}
