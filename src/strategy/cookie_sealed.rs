//! `cookie-sealed`: the whole principal in the cookie, sealed by AES-256-GCM; nothing is kept.
//!
//! `<kid>.<base64url of nonce, ciphertext and tag>`. The client can neither read nor change it, and
//! the server can take it back no better than a token. Keys are derived from the HS256 secrets for
//! this purpose alone: every live one opens, the first seals.
//!
//! Deliberately absent: renewal, and a count of seals. Nonces are 96 random bits, so a key may
//! seal 2^32 times (NIST SP 800-38D section 8.3); at 1,000 logins a second that is 49 days, and
//! keys must rotate sooner.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

use crate::credential::{Credential, Grant, Secret};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, Scopes, SubjectId, TenantId, UnixTime};
use crate::settings::Settings;
use crate::store::{as_text, from_text};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, Uses,
};
use crate::token::key::{Algorithm, Key};

/// What the keys are derived for, and what every seal is bound to.
const PURPOSE: &[u8] = b"authbench cookie-sealed v1";

/// No cookie is longer than this, so nothing longer is decoded.
const MAX_CHARS: usize = 1_024;

/// What is sealed: the claims of a token, under the same names.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    #[serde(rename = "sub", serialize_with = "as_text", deserialize_with = "from_text")]
    subject: SubjectId,
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    tenant: TenantId,
    #[serde(rename = "scope", serialize_with = "as_text", deserialize_with = "from_text")]
    scopes: Scopes,
    auth_time: UnixTime,
    #[serde(rename = "iat")]
    issued_at: UnixTime,
    #[serde(rename = "exp")]
    expires_at: UnixTime,
}

/// A derived key, by the name of the secret it comes from.
struct SealingKey {
    kid: String,
    key: LessSafeKey,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.kid)
    }
}

impl SealingKey {
    fn derive(from: &Key) -> Result<Self, BuildError> {
        let in_a_cookie = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if from.kid.is_empty() || !from.kid.bytes().all(in_a_cookie) {
            return Err(BuildError::Config(format!(
                "the key name `{}` cannot stand in a cookie; letters, digits, - and _ can",
                from.kid
            )));
        }
        let secret = Salt::new(HKDF_SHA256, &[]).extract(&from.private);
        let derived = secret.expand(&[PURPOSE], &AES_256_GCM).map(UnboundKey::from);
        let key = derived.map_err(|_| BuildError::Config("HKDF derives no key".into()))?;
        Ok(Self { kid: from.kid.clone(), key: LessSafeKey::new(key) })
    }
}

/// Believes what it once sealed.
#[derive(Debug)]
pub(super) struct CookieSealed {
    keys: Vec<SealingKey>,
    /// Purpose, version, issuer and audience: a cookie of another service does not open.
    bound_to: Vec<u8>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
}

impl CookieSealed {
    /// What `text` seals, if one of the keys sealed it.
    fn open(&self, text: &str) -> Result<Sealed, Denial> {
        let (kid, sealed) = text.rsplit_once('.').ok_or(Denial::Malformed)?;
        if text.len() > MAX_CHARS {
            return Err(Denial::Malformed);
        }
        let named = self.keys.iter().find(|key| key.kid == kid).ok_or(Denial::UnknownKey)?;
        let mut bytes = BASE64URL.decode_to_vec(sealed).map_err(|_| Denial::Malformed)?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(Denial::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Denial::Malformed)?;
        let aad = Aad::from(&*self.bound_to);
        let json = named.key.open_in_place(nonce, aad, rest).map_err(|_| Denial::BadSignature)?;
        serde_json::from_slice(json).map_err(|_| Denial::Malformed)
    }

    /// The rules of a token: not from the future, not made to live for ever, not expired.
    fn judge(&self, sealed: &Sealed, now: UnixTime) -> Result<(), Denial> {
        let leeway_s = self.settings.leeway_s;
        if now >= sealed.expires_at.plus(leeway_s) {
            return Err(Denial::Expired);
        }
        if sealed.issued_at > now.plus(leeway_s) {
            return Err(Denial::NotYetValid);
        }
        let lifetime_s = sealed.issued_at.seconds_until(sealed.expires_at);
        if lifetime_s > self.settings.token_max_lifetime_s {
            return Err(Denial::LifetimeTooLong);
        }
        Ok(())
    }
}

impl AuthStrategy for CookieSealed {
    const PROPERTIES: Properties = Properties {
        family: Family::Token,
        // Not a JWT: there is no signature that a third party could check.
        algorithm: None,
        revoke: Revocation::AtExpiry,
        granularity: Granularity::Nothing,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: Faults::TOKEN,
        redis: RedisCommands::NONE,
        store: None,
        renewal: Renewal::None,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        deps.settings.check()?;
        let secrets = deps.keys.of(Algorithm::Hs256)?;
        let keys = secrets.into_iter().map(SealingKey::derive).collect::<Result<_, _>>()?;
        let (issuer, audience) = (&deps.settings.issuer, &deps.settings.audience);
        let parties = [PURPOSE, issuer.as_bytes(), audience.as_bytes()];
        Ok(Self {
            keys,
            // Neither is a text with a zero byte, so no two pairs are bound alike.
            bound_to: parties.join(&0),
            entropy: Arc::clone(&deps.entropy),
            settings: deps.settings.clone(),
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let who = Principal::of_test_subject(subject, now);
        let sealed = Sealed {
            subject: who.subject,
            tenant: who.tenant,
            scopes: who.scopes,
            auth_time: who.auth_time,
            issued_at: now,
            expires_at: now.plus(self.settings.token_lifetime_s),
        };
        let first = self.keys.first().ok_or_else(|| Outage::new("there is no key"))?;
        let mut json = serde_json::to_vec(&sealed).map_err(Outage::new)?;
        let nonce: [u8; NONCE_LEN] = fresh(&*self.entropy)?;
        let unique = Nonce::assume_unique_for_key(nonce);
        first
            .key
            .seal_in_place_append_tag(unique, Aad::from(&*self.bound_to), &mut json)
            .map_err(|_| Outage::new("AES-GCM sealed nothing"))?;
        let text = BASE64URL.encode_to_string([&nonce[..], &json].concat());
        let access = Secret::new(format!("{}.{text}", first.kid));
        Ok(Grant { access, refresh: None, expires_at: sealed.expires_at })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let sealed = self.open(credential.expose())?;
        self.judge(&sealed, now)?;
        let Sealed { subject, tenant, scopes, auth_time, .. } = sealed;
        Ok(Principal { subject, tenant, scopes, auth_time })
    }

    async fn refresh(
        &self,
        _credential: Credential<'_>,
        _now: UnixTime,
    ) -> Result<Grant, AuthError> {
        Err(Denial::NotRenewable.into())
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        self.authenticate(credential, now).await?;
        Ok(Revocation::AtExpiry)
    }

    async fn revoke_all(&self, _subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}
