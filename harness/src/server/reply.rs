//! Every answer's shape: JSON, never stored, never sniffed, and nothing that tells denials apart.

use authbench::credential::Carrier;
use authbench::error::AuthError;
use authbench::identity::Principal;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An answer that says what was wrong with the request, in one fixed word.
pub(super) fn error(status: StatusCode, what: &'static str) -> Response {
    json(status, format!("{{\"error\":\"{what}\"}}"))
}

/// Who the request is. Every field is made of characters that JSON leaves as they are.
pub(super) fn principal(who: &Principal) -> Response {
    let body = format!(
        "{{\"subject\":\"{}\",\"tenant\":\"{}\",\"scopes\":\"{}\",\"auth_time\":{}}}",
        who.subject, who.tenant, who.scopes, who.auth_time.0
    );
    json(StatusCode::OK, body)
}

/// Why a request was not admitted, as far as the client may know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// Turned away; every denial is this one answer.
    Denied(Carrier),
    /// Could not be judged.
    Unavailable,
}

impl Refusal {
    /// What the client sees of `why`.
    pub(super) const fn of(why: &AuthError, carrier: Carrier) -> Self {
        match why {
            AuthError::Denied(_) => Self::Denied(carrier),
            AuthError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Denied(carrier) => {
                let mut response = error(StatusCode::UNAUTHORIZED, "unauthenticated");
                // RFC 6750 section 3. No `error` attribute: it would tell denials apart. No
                // authentication scheme is registered for cookies.
                if carrier == Carrier::Bearer {
                    let scheme = HeaderValue::from_static("Bearer");
                    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                }
                response
            }
            Self::Unavailable => error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}
