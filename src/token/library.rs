//! Tokens through `jsonwebtoken`, used the way its documentation shows, with our policy on top.
//!
//! `jsonwebtoken` itself checks the signature, the algorithm, `exp` (by the system's clock: it
//! takes no other), `iss` and `aud`. The policy looks at what it leaves to the application:
//! `typ`, `crit`, `jti`, `iat`, `nbf`, the maximum lifetime, foreign members, `exp` by `now`.

use std::fmt;
use std::marker::PhantomData;

use jsonwebtoken::crypto::{self, aws_lc};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};

use super::algorithm::Pinned;
use super::claims::{Claims, Outgoing};
use super::key::{Algorithm, Key};
use super::policy::{Policy, TYPE, split};
use super::{AccessTokens, NewToken, Verified};
use crate::credential::{Grant, Secret};
use crate::error::{BuildError, Denial, Outage};
use crate::identity::UnixTime;
use crate::settings::Settings;
use crate::strategy::contract::Deps;

/// Access tokens of the algorithm `A` through `jsonwebtoken`.
pub struct Library<A> {
    policy: Policy,
    header: Header,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    validation: Validation,
    algorithm: PhantomData<A>,
}

impl<A: Pinned> fmt::Debug for Library<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({}, {} keys)", A::ALGORITHM.name(), self.verifying.len())
    }
}

impl<A: Pinned> AccessTokens for Library<A> {
    const ALGORITHM: Algorithm = A::ALGORITHM;

    fn build(deps: &Deps) -> Result<Self, BuildError> {
        // Explicit, or a second backend compiled in would leave none chosen. An error means that
        // the program has chosen already.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let keys = deps.keys.of(A::ALGORITHM)?;
        let policy = Policy::new(&deps.settings, &keys)?;
        for key in &keys {
            try_out::<A>(key)?;
        }
        let mut header = Header::new(A::LIBRARY);
        header.typ = Some(TYPE.into());
        header.kid = Some(keys[0].kid.clone());
        Ok(Self {
            policy,
            header,
            signing: A::encoding_key(keys[0])?,
            verifying: keys.iter().map(|k| (k.kid.clone(), A::decoding_key(k))).collect(),
            validation: validation::<A>(&deps.settings),
            algorithm: PhantomData,
        })
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> Result<Grant, Outage> {
        let claims = Outgoing::new(token, self.policy.settings(), now);
        let text = encode(&self.header, &claims, &self.signing).map_err(Outage::new)?;
        Ok(Grant { access: Secret::new(text), refresh: None, expires_at: claims.expires_at() })
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        self.policy.key_of(split(token)?.header)?;
        let kid = decode_header(token).map_err(|e| reason(&e))?.kid.ok_or(Denial::UnknownKey)?;
        let (_, key) =
            self.verifying.iter().find(|(name, _)| *name == kid).ok_or(Denial::UnknownKey)?;
        let claims = decode::<Claims<String>>(token, key, &self.validation)
            .map_err(|e| first_reason(&self.policy, &e, token, now))?
            .claims;
        self.policy.judge(&claims, now)
    }
}

/// The policy's name for what `jsonwebtoken` found wrong. It compares `exp` with a clock of its
/// own, and then `iss` and `aud`; by `now` the token may have expired before either.
#[cold]
pub(super) fn first_reason(policy: &Policy, error: &Error, token: &str, now: UnixTime) -> Denial {
    let reason = reason(error);
    if !matches!(reason, Denial::WrongIssuer | Denial::WrongAudience) {
        return reason;
    }
    // Only the order of the reasons is at stake, and the signature has been verified.
    match insecure_decode_claims::<Claims<String>>(token) {
        Ok(claims) => policy.judge(&claims, now).err().unwrap_or(reason),
        Err(_) => reason,
    }
}

/// What `jsonwebtoken` is to check by itself.
pub(super) fn validation<A: Pinned>(settings: &Settings) -> Validation {
    let mut validation = Validation::new(A::LIBRARY);
    validation.leeway = settings.leeway_s;
    validation.validate_exp = true;
    validation.validate_nbf = false; // the policy's, which has `now`
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    // Without this a claim that is missing or of the wrong type is not checked at all.
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}

fn reason(error: &Error) -> Denial {
    match error.kind() {
        ErrorKind::InvalidSignature => Denial::BadSignature,
        ErrorKind::ExpiredSignature => Denial::Expired,
        ErrorKind::ImmatureSignature => Denial::NotYetValid,
        ErrorKind::InvalidIssuer => Denial::WrongIssuer,
        ErrorKind::InvalidAudience => Denial::WrongAudience,
        ErrorKind::InvalidAlgorithm => Denial::WrongAlgorithm,
        _ => Denial::Malformed,
    }
}

/// Signs and verifies once: `jsonwebtoken` parses a key only when it is used.
fn try_out<A: Pinned>(key: &Key) -> Result<(), BuildError> {
    const MESSAGE: &[u8] = b"tried out before it is needed";
    let works = || {
        let signature = crypto::sign(MESSAGE, &A::encoding_key(key).ok()?, A::LIBRARY).ok()?;
        crypto::verify(&signature, MESSAGE, &A::decoding_key(key), A::LIBRARY).ok()
    };
    match works() {
        Some(true) => Ok(()),
        Some(false) | None => Err(BuildError::Config(format!(
            "the {} key `{}` does not parse, or its halves do not belong together",
            A::ALGORITHM.name(),
            key.kid
        ))),
    }
}
