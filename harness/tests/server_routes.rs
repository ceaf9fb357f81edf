//! Every route and status, for every registered strategy and both carriers, over real sockets.

mod server_support;

use authbench::credential::Carrier;
use authbench::identity::{Principal, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Renewal, Revocation, Uses};
use authbench_fixture::PrivateRedis;
use authbench_harness::server::child::ServerChild;
use server_support::*;

/// Runs `check` against the server of every strategy that can run here, with both carriers.
fn for_each_server(check: impl Fn(StrategyKind, Carrier, &mut ServerChild)) {
    let redis = PrivateRedis::start().ok();
    for kind in runnable(redis.as_ref()) {
        for carrier in [Carrier::Bearer, Carrier::Cookie] {
            let mut server = start(&config(kind, carrier, redis.as_ref()));
            check(kind, carrier, &mut server);
            assert!(server.is_running(), "{} ended", kind.name());
        }
    }
}

fn assert_never_stored(answer: &Answer) {
    assert_eq!(answer.all("cache-control"), ["no-store"], "{answer:?}");
    assert_eq!(answer.all("x-content-type-options"), ["nosniff"], "{answer:?}");
    assert_eq!(answer.all("content-type"), ["application/json"], "{answer:?}");
}

/// Whether a request with a revoked credential may be answered so right after the logout. A bound
/// that has not passed may have been undercut by the node that took the logout.
fn fits(promise: Revocation, status: u16) -> bool {
    match promise {
        Revocation::Immediate => status == 401,
        Revocation::Within(_) => status == 401 || status == 200,
        Revocation::AtExpiry => status == 200,
    }
}

#[test]
fn a_login_is_remembered_until_it_is_taken_back() {
    for_each_server(|kind, carrier, server| {
        let (name, data) = (kind.name(), server.data());
        let granted = login(data, SUBJECT);
        assert_never_stored(&granted);
        let credential = granted.credential(carrier);
        let me = with(data, use_line(kind), carrier, &credential);
        assert_never_stored(&me);
        assert_eq!(me.status, 200, "{name}");
        let auth_time = me.json()["auth_time"].as_u64().unwrap();
        let who = Principal::of_test_subject(SUBJECT.parse().unwrap(), UnixTime(auth_time));
        let expected = format!(
            "{{\"subject\":\"{}\",\"tenant\":\"{}\",\"scopes\":\"{}\",\"auth_time\":{auth_time}}}",
            who.subject, who.tenant, who.scopes
        );
        assert_eq!(me.body, expected, "{name}");
        // What is good once was used up.
        let credential = match kind.properties().uses {
            Uses::Many => credential,
            Uses::Once => login(data, SUBJECT).credential(carrier),
        };
        let out = with(data, "POST /logout", carrier, &credential);
        assert_never_stored(&out);
        let promised = kind.properties().revoke.name();
        assert_eq!(out.body, format!("{{\"revocation\":\"{promised}\"}}"), "{name}");
        let after = with(data, use_line(kind), carrier, &credential);
        assert!(fits(kind.properties().revoke, after.status), "{name}: {}", after.status);
    });
}

#[test]
fn logout_everywhere_takes_every_credential_of_the_subject_and_no_other() {
    for_each_server(|kind, carrier, server| {
        let (name, data) = (kind.name(), server.data());
        let own = [login(data, SUBJECT), login(data, SUBJECT)].map(|a| a.credential(carrier));
        let other = login(data, "u-0000000000000001").credential(carrier);
        let out = with(data, "POST /logout-all", carrier, &own[0]);
        let promised = kind.properties().revoke_all;
        assert_eq!(out.body, format!("{{\"revocation\":\"{}\"}}", promised.name()), "{name}");
        for credential in &own {
            let status = with(data, use_line(kind), carrier, credential).status;
            assert!(fits(promised, status), "{name}: {status}");
        }
        assert_eq!(with(data, use_line(kind), carrier, &other).status, 200, "{name}");
        assert_eq!(login(data, SUBJECT).status, 200, "{name}");
    });
}

#[test]
fn every_denial_is_the_same_answer() {
    for_each_server(|kind, carrier, server| {
        let (name, data) = (kind.name(), server.data());
        let good = login(data, SUBJECT).credential(carrier);
        let line = header(carrier, &good);
        let long = header(carrier, &"A".repeat(6_000));
        let cut = header(carrier, &good[..good.len() / 2]);
        let other_carrier = match carrier {
            Carrier::Bearer => header(Carrier::Cookie, &good),
            Carrier::Cookie => header(Carrier::Bearer, &good),
        };
        let bad_heads: [&[&str]; 8] = [
            &[],
            &[&other_carrier],
            &[&cut],
            &[&long],
            &[&line, &line],
            &["Authorization: Basic dTpw"],
            &["Authorization: Bearer"],
            &["Authorization: Bearer a, Bearer b", "Cookie: __Host-authbench=a.b.c"],
        ];
        let before = server.counters().unwrap();
        let mut answers = Vec::new();
        for head in bad_heads {
            for route in ["GET /me", "POST /refresh", "POST /logout", "POST /logout-all"] {
                answers.push(request(data, route, head, ""));
            }
        }
        // A credential in the URL or in the body is no credential.
        answers.push(request(data, &format!("GET /me?access_token={good}"), &[], ""));
        let body = format!("access_token={good}");
        let form = "Content-Type: application/x-www-form-urlencoded";
        answers.push(request(data, "POST /logout", &[form], &body));
        for answer in &answers {
            assert_eq!(answer.status, 401, "{name}");
            assert_never_stored(answer);
            assert_eq!(answer.headers, answers[0].headers, "{name}");
            assert_eq!(answer.body, answers[0].body, "{name}");
        }
        let scheme: &[&str] = if carrier == Carrier::Bearer { &["Bearer"] } else { &[] };
        assert_eq!(answers[0].all("www-authenticate"), scheme, "{name}");
        assert_eq!(with(data, use_line(kind), carrier, &good).status, 200, "{name}");
        let after = server.counters().unwrap();
        let denied = after.denied_total() - before.denied_total();
        assert_eq!(denied, answers.len() as u64, "{name}");
        assert_eq!(after.requests - before.requests, denied + 1, "{name}");
        assert_eq!(after.admitted - before.admitted, 1, "{name}");
    });
}

/// Where nothing renews the answer is a denial like any other, and the credential stays.
#[test]
fn a_strategy_that_does_not_renew_refuses_and_leaves_the_credential() {
    for_each_server(|kind, carrier, server| {
        let (name, data) = (kind.name(), server.data());
        if kind.properties().renewal == Renewal::Rotating {
            return;
        }
        let credential = login(data, SUBJECT).credential(carrier);
        let before = server.counters().unwrap();
        let refused = with(data, "POST /refresh", carrier, &credential);
        assert_eq!(refused.status, 401, "{name}");
        assert_never_stored(&refused);
        assert!(refused.all("set-cookie").is_empty(), "{name}");
        let missing = request(data, "POST /refresh", &[], "");
        assert_eq!((refused.headers, refused.body), (missing.headers, missing.body), "{name}");
        assert_eq!(with(data, use_line(kind), carrier, &credential).status, 200, "{name}");
        let after = server.counters().unwrap();
        let grown = |why: &str| after.denied[why] - before.denied[why];
        assert_eq!((grown("not-renewable"), grown("missing")), (1, 1), "{name}");
        assert_eq!(after.requests - before.requests, 3, "{name}");
        assert_eq!(after.refreshes, 0, "{name}");
    });
}

#[test]
fn the_cookie_is_set_and_taken_away_with_the_same_attributes() {
    let server = start(&config(StrategyKind::None, Carrier::Cookie, None));
    let granted = login(server.data(), SUBJECT);
    let credential = granted.credential(Carrier::Cookie);
    assert!(!granted.body.contains(&credential), "{granted:?}");
    let attributes = "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=";
    let set = format!("__Host-authbench={credential}{attributes}900");
    assert_eq!(granted.all("set-cookie"), [set]);
    for route in ["POST /logout", "POST /logout-all"] {
        let out = with(server.data(), route, Carrier::Cookie, &credential);
        let gone = format!("__Host-authbench={attributes}0");
        assert_eq!(out.all("set-cookie"), [gone], "{route}");
    }
    let twice = format!("Cookie: __Host-authbench={credential}; __Host-authbench={credential}");
    assert_eq!(request(server.data(), "GET /me", &[&twice], "").status, 401);
}

#[test]
fn a_bearer_login_answers_as_oauth_does() {
    let server = start(&config(StrategyKind::None, Carrier::Bearer, None));
    let granted = login(server.data(), SUBJECT);
    assert!(granted.all("set-cookie").is_empty());
    let json = granted.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 900);
    assert_eq!(json.as_object().unwrap().len(), 3);
}

#[test]
fn a_login_that_names_no_subject_issues_nothing() {
    let server = start(&config(StrategyKind::None, Carrier::Bearer, None));
    let json = "Content-Type: application/json";
    let good = format!("{{\"subject\":\"{SUBJECT}\"}}");
    let cases = [
        (json, format!("[\"{SUBJECT}\"]"), 400),
        (json, "{\"subject\":\"admin\"}".to_owned(), 400),
        (json, "{\"subject\":\"u-00000000000004D2\"}".to_owned(), 400),
        (json, "{\"subject\":12}".to_owned(), 400),
        (json, "{}".to_owned(), 400),
        (json, "{".to_owned(), 400),
        (json, format!("{good}{}", " ".repeat(2_000)), 413),
        ("Content-Type: text/plain", good.clone(), 415),
        ("X-Content-Type: application/json", good.clone(), 415),
    ];
    for (kind, body, status) in &cases {
        let answer = request(server.data(), "POST /login", &[kind], body);
        assert_eq!(answer.status, *status, "{body}");
        assert_never_stored(&answer);
    }
    let counters = server.counters().unwrap();
    assert_eq!((counters.logins, counters.requests), (0, cases.len() as u64));
    let charset = "content-type: Application/JSON; charset=utf-8";
    assert_eq!(request(server.data(), "POST /login", &[charset], &good).status, 200);
}

#[test]
fn what_is_not_a_route_is_said_in_the_same_way() {
    let server = start(&config(StrategyKind::None, Carrier::Bearer, None));
    for (line, status) in [
        ("GET /health", 200),
        ("GET /", 404),
        ("GET /receipt", 404),
        ("POST /stop", 404),
        ("GET /login", 405),
        ("GET /logout", 405),
        ("GET /refresh", 405),
        ("POST /me", 405),
    ] {
        let answer = request(server.data(), line, &[], "");
        assert_eq!(answer.status, status, "{line}");
        assert_never_stored(&answer);
    }
    assert_eq!(server.counters().unwrap().requests, 8);
}

#[test]
fn several_threads_and_the_ruler_serve_as_well() {
    let mut ruler = config(StrategyKind::None, Carrier::Bearer, None);
    ruler.threads = 2;
    ruler.spin_ns = 20_000_000;
    let server = start(&ruler);
    let credential = login(server.data(), SUBJECT).credential(Carrier::Bearer);
    let before = server.counters().unwrap().cpu_ns;
    assert_eq!(with(server.data(), "GET /me", Carrier::Bearer, &credential).status, 200);
    let spent = server.counters().unwrap().cpu_ns - before;
    assert!(spent >= 15_000_000, "the ruler burnt {spent} ns instead of 20 ms");
}
