//! The data routes: login, who am I, redemption, renewal, logout, logout everywhere, health.

use std::sync::Arc;

use authbench::credential::Credential;
use authbench::error::{AuthError, Denial};
use authbench::identity::SubjectId;
use authbench::strategy::contract::{AuthStrategy, Family, Revocation};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::app::{App, Authenticated};
use super::carrier;
use super::reply::{self, Refusal};
use super::work;
use crate::os::cpu;

/// A login names one subject; nothing longer is read.
const LOGIN_BODY_BYTES_MAX: usize = 1_024;

type Shared<S> = State<Arc<App<S>>>;

/// The routes of one strategy's server.
pub(super) fn router<S: AuthStrategy>(app: Arc<App<S>>) -> Router {
    let login_limit = DefaultBodyLimit::max(LOGIN_BODY_BYTES_MAX);
    let mut router = Router::new();
    // By POST alone: whoever only follows the link, a mail scanner or a preview, uses up nothing.
    if S::PROPERTIES.family == Family::Link {
        router = router.route("/redeem", post(redeem::<S>).layer(login_limit));
    }
    router
        .route("/login", post(login::<S>).layer(login_limit))
        .route("/me", get(me::<S>))
        .route("/refresh", post(refresh::<S>))
        .route("/logout", post(logout::<S>))
        .route("/logout-all", post(logout_all::<S>))
        .route("/health", get(health::<S>))
        .fallback(not_found::<S>)
        .method_not_allowed_fallback(method_not_allowed::<S>)
        .with_state(app)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login<'b> {
    subject: &'b str,
}

/// The subject of a login's body; derived structs would also take a JSON array.
fn parse_login(body: &[u8]) -> Option<SubjectId> {
    let text = std::str::from_utf8(body).ok()?.trim_ascii_start();
    let login: Login<'_> = text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    login.subject.parse().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|v| {
        let value = v.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
        value.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redemption<'b> {
    credential: &'b str,
}

/// The credential of a redemption's body, in which a page sends what stood in its link.
fn parse_redemption(body: &[u8]) -> Option<Credential<'_>> {
    let text = std::str::from_utf8(body).ok()?.trim_ascii_start();
    let found: Redemption<'_> =
        text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    Some(Credential::new(found.credential))
}

/// Uses a link: the credential stands in its carrier or in a JSON body, and in one of them alone.
async fn redeem<S: AuthStrategy>(
    State(app): Shared<S>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    app.tally.requests.add_one();
    let Ok(body) = body else {
        return reply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large_or_broken");
    };
    let carried = carrier::credential(app.carrier, &headers);
    let presented = match carried {
        Err(Denial::Missing) if !body.is_empty() && is_json(&headers) => {
            parse_redemption(&body).ok_or(Denial::Malformed)
        }
        Ok(_) if !body.is_empty() => Err(Denial::Malformed),
        carried => carried,
    };
    let redeemed = match presented {
        Ok(credential) => app.strategy.authenticate(credential, app.now()).await,
        Err(denial) => Err(denial.into()),
    };
    match redeemed {
        Ok(principal) => {
            app.tally.admitted.add_one();
            reply::principal(&principal)
        }
        Err(why) => refused(app.refuse(&why)),
    }
}

/// Issues to a named test subject without a password: the reason why only loopback is served.
async fn login<S: AuthStrategy>(
    State(app): Shared<S>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    app.tally.requests.add_one();
    // A form on another site can post JSON text, but not under this type (login CSRF).
    if !is_json(&headers) {
        return reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_not_json");
    }
    let Ok(body) = body else {
        return reply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large_or_broken");
    };
    let Some(subject) = parse_login(&body) else {
        return reply::error(StatusCode::BAD_REQUEST, "subject_expected");
    };
    let now = app.now();
    match app.strategy.issue(subject, now).await {
        Ok(grant) => {
            app.tally.logins.add_one();
            carrier::hand_out(app.carrier, &grant, now)
        }
        Err(outage) => refused(app.refuse(&AuthError::Unavailable(outage))),
    }
}

async fn me<S: AuthStrategy>(State(app): Shared<S>, who: Authenticated) -> Response {
    if app.spin_ns > 0 {
        cpu::burn_thread_ns(app.spin_ns);
    }
    work::do_kib(app.work_kib);
    if let Some(store) = &app.pinged
        && let Err(outage) = store.query::<()>(&redis::cmd("PING")).await
    {
        return refused(app.refuse(&AuthError::Unavailable(outage)));
    }
    reply::principal(&who.principal)
}

/// Trades the credential, or the refresh token in its place, for a fresh grant in the same carrier,
/// where the strategy renews.
async fn refresh<S: AuthStrategy>(State(app): Shared<S>, headers: HeaderMap) -> Response {
    app.tally.requests.add_one();
    let now = app.now();
    let presented = carrier::renewal(app.carrier, S::PROPERTIES.renewal, &headers);
    let renewed = match presented {
        Ok(credential) => app.strategy.refresh(credential, now).await,
        Err(denial) => Err(denial.into()),
    };
    match renewed {
        Ok(grant) => {
            app.tally.admitted.add_one();
            app.tally.refreshes.add_one();
            carrier::hand_out(app.carrier, &grant, now)
        }
        Err(why) => refused(app.refuse(&why)),
    }
}

async fn logout<S: AuthStrategy>(State(app): Shared<S>, headers: HeaderMap) -> Response {
    app.tally.requests.add_one();
    let now = app.now();
    let revoked = match carrier::credential(app.carrier, &headers) {
        Ok(credential) => app.strategy.revoke(credential, now).await,
        Err(denial) => Err(denial.into()),
    };
    match revoked {
        Ok(revocation) => {
            app.tally.admitted.add_one();
            acknowledge(&app, revocation)
        }
        Err(why) => refused(app.refuse(&why)),
    }
}

async fn logout_all<S: AuthStrategy>(State(app): Shared<S>, who: Authenticated) -> Response {
    match app.strategy.revoke_all(who.principal.subject, who.now).await {
        Ok(revocation) => acknowledge(&app, revocation),
        Err(outage) => refused(app.refuse(&AuthError::Unavailable(outage))),
    }
}

/// Says when the revocation takes effect, and no more than the strategy promises.
fn acknowledge<S: AuthStrategy>(app: &App<S>, revocation: Revocation) -> Response {
    app.tally.revocations.add_one();
    let body = format!("{{\"revocation\":\"{}\"}}", revocation.name());
    let renewal = S::PROPERTIES.renewal;
    carrier::take_back(app.carrier, renewal, reply::json(StatusCode::OK, body))
}

fn refused(refusal: Refusal) -> Response {
    axum::response::IntoResponse::into_response(refusal)
}

async fn health<S: AuthStrategy>(State(app): Shared<S>) -> Response {
    app.tally.requests.add_one();
    reply::json(StatusCode::OK, "{\"status\":\"ok\"}")
}

async fn not_found<S: AuthStrategy>(State(app): Shared<S>) -> Response {
    app.tally.requests.add_one();
    reply::error(StatusCode::NOT_FOUND, "not_found")
}

async fn method_not_allowed<S: AuthStrategy>(State(app): Shared<S>) -> Response {
    app.tally.requests.add_one();
    reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
}

#[cfg(test)]
mod tests {
    use authbench::credential::{Carrier, Grant, Secret};
    use authbench::error::{BuildError, Outage};
    use authbench::identity::{Principal, UnixTime};
    use authbench::strategy::StrategyKind;
    use authbench::strategy::contract::{Deps, Properties};

    use super::*;
    use crate::server::counters::Tally;

    /// A strategy that renews, and does nothing else.
    struct Renewing;

    impl AuthStrategy for Renewing {
        const PROPERTIES: Properties = StrategyKind::None.properties();

        async fn build(_: &Deps) -> Result<Self, BuildError> {
            Ok(Self)
        }

        async fn issue(&self, _: SubjectId, _: UnixTime) -> Result<Grant, Outage> {
            Err(Outage::new("never asked"))
        }

        async fn authenticate(
            &self,
            _: Credential<'_>,
            _: UnixTime,
        ) -> Result<Principal, AuthError> {
            Err(Denial::Unknown.into())
        }

        async fn refresh(&self, old: Credential<'_>, now: UnixTime) -> Result<Grant, AuthError> {
            match old.expose() {
                "old" => Ok(Grant {
                    access: Secret::new("new".to_owned()),
                    refresh: None,
                    expires_at: now.plus(60),
                }),
                "outage" => Err(Outage::new("down").into()),
                _ => Err(Denial::Unknown.into()),
            }
        }

        async fn revoke(&self, _: Credential<'_>, _: UnixTime) -> Result<Revocation, AuthError> {
            Ok(Revocation::AtExpiry)
        }

        async fn revoke_all(&self, _: SubjectId, _: UnixTime) -> Result<Revocation, Outage> {
            Ok(Revocation::AtExpiry)
        }

        async fn count_live(&self, _: SubjectId, _: UnixTime) -> Result<Option<u64>, Outage> {
            Ok(None)
        }

        fn sweep(&self, _: UnixTime) {}
    }

    #[tokio::test]
    async fn a_renewal_hands_out_the_fresh_credential_and_is_counted() {
        for carrier in [Carrier::Bearer, Carrier::Cookie] {
            let tally = Arc::new(Tally::default());
            let tally_too = Arc::clone(&tally);
            let app = App {
                strategy: Renewing,
                carrier,
                tally: tally_too,
                spin_ns: 0,
                work_kib: 0,
                pinged: None,
                clock_offset_s: 0,
            };
            let app = Arc::new(app);
            let ask = async |credential: &str| {
                let (name, value) = match carrier {
                    Carrier::Bearer => ("authorization", format!("Bearer {credential}")),
                    Carrier::Cookie => ("cookie", format!("{}={credential}", carrier::COOKIE_NAME)),
                };
                let mut headers = HeaderMap::new();
                headers.insert(name, value.parse().unwrap());
                refresh(State(Arc::clone(&app)), headers).await
            };
            let renewed = ask("old").await;
            assert_eq!(renewed.status(), 200);
            assert_eq!(renewed.headers()["cache-control"], "no-store");
            let cookie =
                renewed.headers().get("set-cookie").map(|v| v.to_str().unwrap().to_owned());
            let body = axum::body::to_bytes(renewed.into_body(), 1_000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["expires_in"], 60);
            match carrier {
                Carrier::Bearer => {
                    assert_eq!((&body["access_token"], cookie), (&"new".into(), None))
                }
                Carrier::Cookie => {
                    let cookie = cookie.unwrap();
                    assert!(
                        cookie.starts_with("__Host-authbench=new; Path=/; Secure;"),
                        "{cookie}"
                    );
                    assert!(cookie.ends_with("Max-Age=60"), "{cookie}");
                }
            }
            assert_eq!(ask("other").await.status(), 401);
            assert_eq!(ask("outage").await.status(), 503);
            let counted = tally.read();
            assert_eq!((counted.requests, counted.admitted, counted.refreshes), (3, 1, 1));
            assert_eq!((counted.denied_total(), counted.outages, counted.logins), (1, 1, 0));
        }
    }

    #[test]
    fn a_login_names_exactly_one_subject() {
        let right = br#" {"subject":"u-00000000000004d2"}"#;
        assert_eq!(parse_login(right), Some(SubjectId(0x4d2)));
        for wrong in [
            r#"["u-00000000000004d2"]"#,
            r#""u-00000000000004d2""#,
            r#"{"subject":"u-4d2"}"#,
            r#"{"subject":"u-00000000000004D2"}"#,
            r#"{"subject":1234}"#,
            r#"{"subject":"u-00000000000004d2","admin":true}"#,
            r#"{"subject":"u-00000000000004d2","subject":"u-00000000000004d3"}"#,
            "{}",
            "",
        ] {
            assert_eq!(parse_login(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse_login(b"\xff"), None);
    }
}
