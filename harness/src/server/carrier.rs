//! How a credential gets in and out: the `Authorization` header or a `__Host-` cookie, and nothing
//! else. The URL is never looked at; the body where a link is redeemed, and nowhere else.
//!
//! A refresh token is presented to `/refresh` in the place of the credential. Among cookies it has
//! one of its own, which browsers send to no other route: what is sent with every request is
//! logged, proxied and leaked with every request.

use authbench::credential::{Carrier, Credential, Grant};
use authbench::error::Denial;
use authbench::identity::UnixTime;
use authbench::strategy::contract::Renewal;
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::reply;

/// The cookie's name. The prefix makes browsers insist on Secure, Path=/ and no Domain
/// (RFC 6265bis section 4.1.3.2).
pub const COOKIE_NAME: &str = "__Host-authbench";

/// The cookie of a refresh token. `__Host-` would insist on Path=/, that is, on sending it along
/// with everything.
pub const REFRESH_COOKIE_NAME: &str = "__Secure-authbench-refresh";

/// Attributes of the cookie, the same when it is set and when it is taken away.
const COOKIE_ATTRIBUTES: &str = "; Path=/; Secure; HttpOnly; SameSite=Lax";

/// Those of the refresh token's: no other site's navigation has a reason to renew.
const REFRESH_COOKIE_ATTRIBUTES: &str = "; Path=/refresh; Secure; HttpOnly; SameSite=Strict";

/// Browsers drop a cookie whose name and value are longer than this (RFC 6265bis section 5.6).
const COOKIE_BYTES_MAX: usize = 4_096;

/// The one credential of a request.
///
/// # Errors
/// None, more than one, or not in the carrier's one accepted form.
pub(super) fn credential(carrier: Carrier, headers: &HeaderMap) -> Result<Credential<'_>, Denial> {
    match carrier {
        Carrier::Bearer => bearer(headers),
        Carrier::Cookie => cookie(headers, COOKIE_NAME),
    }
}

/// What renews: the refresh token of a strategy that hands one out, else the credential itself.
///
/// # Errors
/// As [`credential`].
pub(super) fn renewal(
    carrier: Carrier,
    renewal: Renewal,
    headers: &HeaderMap,
) -> Result<Credential<'_>, Denial> {
    match (carrier, renewal) {
        (Carrier::Cookie, Renewal::Rotating) => cookie(headers, REFRESH_COOKIE_NAME),
        _ => credential(carrier, headers),
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
fn cookie<'h>(headers: &'h HeaderMap, cookie: &str) -> Result<Credential<'h>, Denial> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        let line = line.to_str().map_err(|_| Denial::Malformed)?;
        for pair in line.split(';') {
            let Some((name, value)) = pair.trim_ascii().split_once('=') else { continue };
            if name == cookie && found.replace(value).is_some() {
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
            let mut body = serde_json::json!({
                "access_token": access, "token_type": "Bearer", "expires_in": lifetime_s
            });
            if let Some(refresh) = &grant.refresh {
                body["refresh_token"] = refresh.expose().into();
            }
            reply::json(StatusCode::OK, body.to_string())
        }
        Carrier::Cookie if COOKIE_NAME.len() + access.len() > COOKIE_BYTES_MAX => {
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "credential_too_long_for_a_cookie")
        }
        Carrier::Cookie => {
            let body = format!("{{\"expires_in\":{lifetime_s}}}");
            let granted = with_cookie(reply::json(StatusCode::OK, body), access, lifetime_s);
            match &grant.refresh {
                // It ends with the browser, or when the server says so: how long a login lasts is
                // decided there alone.
                Some(refresh) => add_cookie(
                    granted,
                    &[REFRESH_COOKIE_NAME, "=", refresh.expose(), REFRESH_COOKIE_ATTRIBUTES],
                ),
                None => granted,
            }
        }
    }
}

/// The answer to a logout, which also takes the cookies away from the browser.
pub(super) fn take_back(carrier: Carrier, renewal: Renewal, response: Response) -> Response {
    match (carrier, renewal) {
        (Carrier::Bearer, _) => response,
        (Carrier::Cookie, Renewal::Rotating) => add_cookie(
            with_cookie(response, "", 0),
            &[REFRESH_COOKIE_NAME, "=", REFRESH_COOKIE_ATTRIBUTES, "; Max-Age=0"],
        ),
        (Carrier::Cookie, Renewal::None | Renewal::Sliding | Renewal::SlidingInStore) => {
            with_cookie(response, "", 0)
        }
    }
}

fn with_cookie(response: Response, value: &str, max_age_s: u64) -> Response {
    let max_age = format!("; Max-Age={max_age_s}");
    add_cookie(response, &[COOKIE_NAME, "=", value, COOKIE_ATTRIBUTES, &max_age])
}

fn add_cookie(mut response: Response, parts: &[&str]) -> Response {
    match HeaderValue::try_from(parts.concat()) {
        Ok(line) => {
            response.headers_mut().append(SET_COOKIE, line);
            response
        }
        Err(_) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "credential_not_a_cookie_value"),
    }
}

#[cfg(test)]
mod tests {
    use authbench::credential::Secret;

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
    fn a_refresh_token_travels_apart_from_the_credential() {
        let lines = format!("{COOKIE_NAME}=a; {REFRESH_COOKIE_NAME}=r");
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::try_from(lines).unwrap());
        let read = |how| renewal(Carrier::Cookie, how, &headers).unwrap().expose().to_owned();
        assert_eq!((read(Renewal::Rotating), read(Renewal::Sliding)), ("r".into(), "a".into()));
        let grant = Grant {
            access: Secret::new("a".to_owned()),
            refresh: Some(Secret::new("r".to_owned())),
            expires_at: UnixTime(160),
        };
        let granted = hand_out(Carrier::Cookie, &grant, UnixTime(100));
        let cookies: Vec<&HeaderValue> = granted.headers().get_all(SET_COOKIE).iter().collect();
        let own = "__Secure-authbench-refresh=r; Path=/refresh; Secure; HttpOnly; SameSite=Strict";
        assert_eq!(cookies.len(), 2);
        assert_eq!(cookies[1], own);
        let gone = take_back(Carrier::Cookie, Renewal::Rotating, granted);
        assert_eq!(gone.headers().get_all(SET_COOKIE).iter().count(), 4);
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
