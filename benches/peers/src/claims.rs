//! The claims that every peer reads and writes: those of our typical token, under the same names.

use std::fmt;

use anyhow::{Context as _, ensure};
use authbench::identity::{Principal, Scopes, TenantId, UnixTime};
use authbench::settings::Settings;
use authbench::token::{NewToken, TokenId};
use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};

/// The claims of a presented token, each of them there: `None` has no place to go.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// Audience: exactly one.
    pub aud: String,
    /// From this second on it is refused.
    pub exp: u64,
    /// When it was issued.
    pub iat: u64,
    /// When the user proved who they are.
    pub auth_time: u64,
    /// The token's name.
    pub jti: String,
    /// What the user may do.
    pub scope: String,
    /// The user's customer.
    pub tenant: String,
}

impl Claims {
    /// Refuses an expired token, for peers that do not, or not in its very first second: "the
    /// current date/time MUST be before" `exp` (RFC 7519 section 4.1.4).
    ///
    /// # Errors
    /// When `now` is not before `exp`.
    pub fn must_not_have_expired(&self, now: UnixTime) -> anyhow::Result<()> {
        ensure!(now.0 < self.exp, "it has expired");
        Ok(())
    }
}

/// The claims that no registry names, for crates that take those apart from the rest.
#[derive(Clone, Debug, Deserialize)]
pub struct PrivateClaims {
    /// When the user proved who they are.
    pub auth_time: u64,
    /// What the user may do.
    pub scope: String,
    /// The user's customer.
    pub tenant: String,
}

/// [`PrivateClaims`] of a new token.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewPrivateClaims {
    auth_time: UnixTime,
    #[serde(serialize_with = "as_text")]
    scope: Scopes,
    #[serde(serialize_with = "as_text")]
    tenant: TenantId,
}

impl NewPrivateClaims {
    /// Those of `principal`.
    #[must_use]
    pub const fn of(principal: &Principal) -> Self {
        Self { auth_time: principal.auth_time, scope: principal.scopes, tenant: principal.tenant }
    }
}

/// All claims of a new token, for crates that take any struct.
#[derive(Clone, Debug, Serialize)]
pub struct NewClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: UnixTime,
    jti: String,
    #[serde(serialize_with = "as_text")]
    scope: Scopes,
    #[serde(serialize_with = "as_text")]
    tenant: TenantId,
}

impl<'a> NewClaims<'a> {
    /// Those of `token`, issued at `now`.
    #[must_use]
    pub fn of(token: &NewToken, settings: &'a Settings, now: UnixTime) -> Self {
        Self {
            iss: &settings.issuer,
            sub: token.principal.subject.to_string(),
            aud: &settings.audience,
            exp: now.plus(settings.token_lifetime_s),
            iat: now,
            auth_time: token.principal.auth_time,
            jti: jti(&token.id),
            scope: token.principal.scopes,
            tenant: token.principal.tenant,
        }
    }
}

/// A token's name as it is written.
#[must_use]
pub fn jti(id: &TokenId) -> String {
    URL_SAFE_NO_PAD.encode_to_string(id.0)
}

/// A claim that the crate thinks may be absent.
///
/// # Errors
/// When it is.
pub fn there<T>(claim: Option<T>, name: &'static str) -> anyhow::Result<T> {
    claim.with_context(|| format!("it has no claim `{name}` of the right type"))
}

fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
