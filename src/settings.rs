//! What every strategy is told: lifetimes, leeway, issuer, audience. Explicit, equal, recorded.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::BuildError;

/// The settings of one server. Every field is recorded with the results.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Claim `iss` (RFC 7519 section 4.1.1).
    pub issuer: String,
    /// Claim `aud` (RFC 7519 section 4.1.3).
    pub audience: String,
    /// Seconds from a token's `iat` to its `exp`.
    pub token_lifetime_s: u64,
    /// A verifier refuses a token that was made to live longer than this, whoever signed it.
    pub token_max_lifetime_s: u64,
    /// Clock skew tolerated on `exp`, `nbf` and `iat`, in seconds.
    pub leeway_s: u64,
    /// Bytes of JSON that a JWT carries beyond the claims that are read here: an application's own,
    /// as one claim `entitlements`; 0 = none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_claims_bytes: u32,
    /// Seconds that an access token lives where a refresh token renews it.
    pub access_lifetime_s: u64,
    /// Seconds that a token lives which an edge makes for the services behind it.
    pub internal_lifetime_s: u64,
    /// For this long after its use a refresh token still yields the child it yielded before, and
    /// is not taken for stolen, seconds; 0 = single use without mercy.
    pub refresh_grace_s: u64,
    /// Seconds that a one-time link lives (OWASP ASVS 5.0, 6.5.5: ten minutes at most).
    pub link_lifetime_s: u64,
    /// A session unused for this long ends (OWASP ASVS 5.0, 7.3.1).
    pub session_idle_s: u64,
    /// A session ends this long after its login, however busy (OWASP ASVS 5.0, 7.3.2).
    pub session_absolute_s: u64,
}

/// Settings without further claims are written as they were before there were any.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(bytes: &u32) -> bool {
    *bytes == 0
}

/// Bytes of further claims: fewer do not hold the claim's name, with more a token of the longest
/// signature would be longer than any verifier here reads.
pub const EXTRA_CLAIMS_BYTES: RangeInclusive<u32> = 32..=5_000;

impl Default for Settings {
    /// 15-minute tokens without leeway, 5 minutes where they are renewed; sessions idle out after
    /// 30 minutes and end after 12 hours.
    fn default() -> Self {
        Self {
            issuer: "https://id.example".into(),
            audience: "https://api.example".into(),
            token_lifetime_s: 900,
            token_max_lifetime_s: 3_600,
            leeway_s: 0,
            extra_claims_bytes: 0,
            access_lifetime_s: 300,
            internal_lifetime_s: 60,
            refresh_grace_s: 0,
            link_lifetime_s: 600,
            session_idle_s: 1_800,
            session_absolute_s: 43_200,
        }
    }
}

impl Settings {
    /// Checks the settings against each other.
    ///
    /// # Errors
    /// Names the first setting that cannot be used, and what it must be.
    pub fn check(&self) -> Result<(), BuildError> {
        let refuse = |what: String| Err(BuildError::Config(what));
        if self.issuer.is_empty() || self.audience.is_empty() {
            return refuse("issuer and audience must not be empty".into());
        }
        if self.token_lifetime_s == 0 || self.token_lifetime_s > self.token_max_lifetime_s {
            return refuse(format!(
                "token_lifetime_s is {}; it must be 1 to token_max_lifetime_s ({})",
                self.token_lifetime_s, self.token_max_lifetime_s
            ));
        }
        let extra = self.extra_claims_bytes;
        if extra > 0 && !EXTRA_CLAIMS_BYTES.contains(&extra) {
            return refuse(format!(
                "extra_claims_bytes is {extra}; it must be 0 or {} to {}",
                EXTRA_CLAIMS_BYTES.start(),
                EXTRA_CLAIMS_BYTES.end()
            ));
        }
        for (name, lifetime_s) in [
            ("access_lifetime_s", self.access_lifetime_s),
            ("internal_lifetime_s", self.internal_lifetime_s),
            ("link_lifetime_s", self.link_lifetime_s),
        ] {
            if lifetime_s == 0 || lifetime_s > self.token_max_lifetime_s {
                return refuse(format!(
                    "{name} is {lifetime_s}; it must be 1 to token_max_lifetime_s ({})",
                    self.token_max_lifetime_s
                ));
            }
        }
        if self.session_idle_s == 0 || self.session_idle_s > self.session_absolute_s {
            return refuse(format!(
                "session_idle_s is {}; it must be 1 to session_absolute_s ({})",
                self.session_idle_s, self.session_absolute_s
            ));
        }
        Ok(())
    }
}
