//! How a credential gets in and out: the `Authorization` header or a `__Host-` cookie, and nothing
//! else. URL and body are never looked at.

use authbench::credential::{Carrier, Credential, Grant};
use authbench::error::Denial;
use authbench::identity::UnixTime;
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::reply;

/// The cookie's name. The prefix makes browsers insist on Secure, Path=/ and no Domain
/// (RFC 6265bis section 4.1.3.2).
pub const COOKIE_NAME: &str = "__Host-authbench";

/// Attributes of the cookie, the same when it is set and when it is taken away.
const COOKIE_ATTRIBUTES: &str = "; Path=/; Secure; HttpOnly; SameSite=Lax";

/// Browsers drop a cookie whose name and value are longer than this (RFC 6265bis section 5.6).
const COOKIE_BYTES_MAX: usize = 4_096;

/// The one credential of a request.
///
/// # Errors
/// None, more than one, or not in the carrier's one accepted form.
pub(super) fn credential(carrier: Carrier, headers: &HeaderMap) -> Result<Credential<'_>, Denial> {
    match carrier {
        Carrier::Bearer => bearer(headers),
        Carrier::Cookie => cookie(headers),
    }
}

/// `Authorization: Bearer <token>`: one header, one space, the scheme in any case
/// (RFC 6750 section 2.1, RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Result<Credential<'_>, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denial::Missing)?;
    if values.next().is_some() {
        return Err(Denial::Malformed);
    }
    let value = value.to_str().map_err(|_| Denial::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(Denial::Malformed)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Denial::Missing);
    }
    one_word(token)
}

/// The value of the cookie. Two of the same name mean that somebody planted one, and the order
/// does not tell which (RFC 6265bis section 8.6).
fn cookie(headers: &HeaderMap) -> Result<Credential<'_>, Denial> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        let line = line.to_str().map_err(|_| Denial::Malformed)?;
        for pair in line.split(';') {
            let Some((COOKIE_NAME, value)) = pair.trim_ascii().split_once('=') else { continue };
            if found.replace(value).is_some() {
                return Err(Denial::Malformed);
            }
        }
    }
    one_word(found.ok_or(Denial::Missing)?)
}

/// Refuses the empty text and whatever would be two credentials in one.
fn one_word(text: &str) -> Result<Credential<'_>, Denial> {
    let separators = |b: u8| matches!(b, b' ' | b'\t' | b',' | b';' | b'"');
    if text.is_empty() || text.bytes().any(separators) {
        return Err(Denial::Malformed);
    }
    Ok(Credential::new(text))
}

/// The answer to a login: the grant, in the carrier it will come back in.
pub(super) fn hand_out(carrier: Carrier, grant: &Grant, now: UnixTime) -> Response {
    let lifetime_s = now.seconds_until(grant.expires_at);
    let access = grant.access.expose();
    match carrier {
        // RFC 6749 section 5.1.
        Carrier::Bearer => {
            let body = serde_json::json!({
                "access_token": access, "token_type": "Bearer", "expires_in": lifetime_s
            });
            reply::json(StatusCode::OK, body.to_string())
        }
        Carrier::Cookie if COOKIE_NAME.len() + access.len() > COOKIE_BYTES_MAX => {
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "credential_too_long_for_a_cookie")
        }
        Carrier::Cookie => {
            let body = format!("{{\"expires_in\":{lifetime_s}}}");
            with_cookie(reply::json(StatusCode::OK, body), access, lifetime_s)
        }
    }
}

/// The answer to a logout, which also takes the cookie away from the browser.
pub(super) fn take_back(carrier: Carrier, response: Response) -> Response {
    match carrier {
        Carrier::Bearer => response,
        Carrier::Cookie => with_cookie(response, "", 0),
    }
}

fn with_cookie(mut response: Response, value: &str, max_age_s: u64) -> Response {
    let line = format!("{COOKIE_NAME}={value}{COOKIE_ATTRIBUTES}; Max-Age={max_age_s}");
    match HeaderValue::try_from(line) {
        Ok(line) => {
            response.headers_mut().insert(SET_COOKIE, line);
            response
        }
        Err(_) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "credential_not_a_cookie_value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(carrier: Carrier, lines: &[&str]) -> Result<String, Denial> {
        let name = match carrier {
            Carrier::Bearer => AUTHORIZATION,
            Carrier::Cookie => COOKIE,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        credential(carrier, &headers).map(|c| c.expose().to_owned())
    }

    #[test]
    fn one_bearer_credential_is_read_and_nothing_like_two() {
        for right in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d"] {
            assert_eq!(read(Carrier::Bearer, &[right]).as_deref(), Ok("a.b-c_d"));
        }
        let wrong: &[(&[&str], Denial)] = &[
            (&[], Denial::Missing),
            (&["Basic dTpw"], Denial::Missing),
            (&["Bearer"], Denial::Malformed),
            (&["Bearer "], Denial::Malformed),
            (&["Bearer  a"], Denial::Malformed),
            (&["Bearer\ta"], Denial::Malformed),
            (&["Bearer a b"], Denial::Malformed),
            (&["Bearer a, Bearer b"], Denial::Malformed),
            (&["Bearer a,b"], Denial::Malformed),
            (&["Bearer a", "Bearer a"], Denial::Malformed),
            (&["Bearer \u{e9}"], Denial::Malformed),
        ];
        for (lines, denial) in wrong {
            assert_eq!(read(Carrier::Bearer, lines), Err(*denial), "{lines:?}");
        }
    }

    #[test]
    fn one_cookie_is_read_and_two_are_refused() {
        for right in ["__Host-authbench=v", "a=b; __Host-authbench=v; c", "a=b;__Host-authbench=v"]
        {
            assert_eq!(read(Carrier::Cookie, &[right]).as_deref(), Ok("v"));
        }
        let wrong: &[(&[&str], Denial)] = &[
            (&[], Denial::Missing),
            (&["authbench=v; __host-authbench=v; __Host-authbench2=v"], Denial::Missing),
            (&["__Host-authbench=v; __Host-authbench=v"], Denial::Malformed),
            (&["__Host-authbench=v", "__Host-authbench=w"], Denial::Malformed),
            (&["__Host-authbench="], Denial::Malformed),
            (&["__Host-authbench=\"v\""], Denial::Malformed),
        ];
        for (lines, denial) in wrong {
            assert_eq!(read(Carrier::Cookie, lines), Err(*denial), "{lines:?}");
        }
    }
}
