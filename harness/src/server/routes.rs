//! The data routes: login, who am I, logout, logout everywhere, health.

use std::sync::Arc;

use authbench::error::AuthError;
use authbench::identity::SubjectId;
use authbench::strategy::contract::{AuthStrategy, Revocation};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::app::{App, Authenticated, unix_now};
use super::carrier;
use super::reply::{self, Refusal};
use crate::os::cpu;

/// A login names one subject; nothing longer is read.
const LOGIN_BODY_BYTES_MAX: usize = 1_024;

type Shared<S> = State<Arc<App<S>>>;

/// The routes of one strategy's server.
pub(super) fn router<S: AuthStrategy>(app: Arc<App<S>>) -> Router {
    let login_limit = DefaultBodyLimit::max(LOGIN_BODY_BYTES_MAX);
    Router::new()
        .route("/login", post(login::<S>).layer(login_limit))
        .route("/me", get(me::<S>))
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

/// Issues to a named test subject without a password: the reason why only loopback is served.
async fn login<S: AuthStrategy>(
    State(app): Shared<S>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    app.tally.requests.add_one();
    // A form on another site can post JSON text, but not under this type (login CSRF).
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|v| {
        let value = v.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
        value.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if !is_json {
        return reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_not_json");
    }
    let Ok(body) = body else {
        return reply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large_or_broken");
    };
    let Some(subject) = parse_login(&body) else {
        return reply::error(StatusCode::BAD_REQUEST, "subject_expected");
    };
    let now = unix_now();
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
    if let Some(store) = &app.pinged
        && let Err(outage) = store.query::<()>(&redis::cmd("PING")).await
    {
        return refused(app.refuse(&AuthError::Unavailable(outage)));
    }
    reply::principal(&who.principal)
}

async fn logout<S: AuthStrategy>(State(app): Shared<S>, headers: HeaderMap) -> Response {
    app.tally.requests.add_one();
    let now = unix_now();
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
fn acknowledge<S>(app: &App<S>, revocation: Revocation) -> Response {
    app.tally.revocations.add_one();
    let body = format!("{{\"revocation\":\"{}\"}}", revocation.name());
    carrier::take_back(app.carrier, reply::json(StatusCode::OK, body))
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
    use super::*;

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
