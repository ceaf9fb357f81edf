//! THE POLICY: what every verifier refuses, and in which order, so that any two of them give the
//! same answer to the same token.
//!
//! The first that applies is the answer:
//!
//! 1. `Malformed`: over 8 KiB, or not three segments; a header that is not base64url, not a JSON
//!    object, says a member twice, has `typ`, `alg` or `kid` of another type than text, no `alg`,
//!    or brings a key, a pointer to one, encryption or compression;
//! 2. `UnknownCritical`: any `crit`, even `null` or empty (RFC 7515 section 4.1.11);
//! 3. `WrongType`: `typ` is neither `at+jwt` nor `application/at+jwt` (RFC 9068 section 4),
//!    compared without regard to ASCII case as media types are (RFC 7515 section 4.1.9);
//! 4. `WrongAlgorithm`: `alg` is not, to the letter, the one the keys are pinned to;
//! 5. `UnknownKey`: `kid` is absent or names no live key;
//! 6. `Malformed`: the signature is not base64url; `BadSignature`: it does not verify;
//! 7. `Malformed`: the payload is not base64url or not sound claims ([`Claims`]);
//! 8. `Expired`: `now >= exp + leeway` ("the current date/time MUST be before", RFC 7519 4.1.4);
//! 9. `WrongIssuer`; `WrongAudience`: anything but ours and ours alone;
//! 10. `NotYetValid`: `nbf` or `iat` beyond `now + leeway`;
//! 11. `LifetimeTooLong`: `exp - iat` over the maximum, whoever signed it;
//! 12. `Malformed`: `sub`, `tenant`, `scope`, `jti` or `sid` not in its one accepted spelling.

use std::collections::BTreeMap;

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Verified;
use super::claims::{Audience, Claims, token_id};
use super::key::{Algorithm, Key};
use crate::error::{BuildError, Denial};
use crate::identity::{Principal, UnixTime};
use crate::settings::Settings;

/// A longer token is not looked at. Ours have about 400 to 700 bytes; servers commonly stop at
/// 8 KiB for all headers together.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// RFC 7519 section 4.1.4: "usually no more than a few minutes".
const MAX_LEEWAY_S: u64 = 600;

/// `typ` of an access token (RFC 9068 section 2.1).
pub(super) const TYPE: &str = "at+jwt";

/// The header we write, and nothing else.
#[derive(Serialize)]
struct OwnHeader<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

/// The segments of a token, still encoded.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'t> {
    /// Before the first dot.
    pub header: &'t [u8],
    /// Between the dots.
    pub payload: &'t [u8],
    /// Behind the second dot.
    pub signature: &'t [u8],
    /// Header, dot and payload: what is signed (RFC 7515 section 5.1).
    pub signing_input: &'t [u8],
}

/// Cuts a token at its two dots.
pub(super) fn split(token: &str) -> Result<Segments<'_>, Denial> {
    let bytes = token.as_bytes();
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(Denial::Malformed);
    }
    let mut dots = memchr::memchr_iter(b'.', bytes);
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(Denial::Malformed);
    };
    Ok(Segments {
        header: &bytes[..first],
        payload: &bytes[first + 1..second],
        signature: &bytes[second + 1..],
        signing_input: &bytes[..second],
    })
}

/// The policy of one verifier: its keys' names and the settings it judges by.
#[derive(Debug)]
pub(super) struct Policy {
    settings: Settings,
    algorithm: Algorithm,
    kids: Vec<KeyName>,
}

#[derive(Debug)]
struct KeyName {
    kid: String,
    /// The header segment we write under this key.
    header: String,
}

impl Policy {
    /// The policy for tokens under `keys`, all of one algorithm, the signing one first.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub(super) fn new(settings: &Settings, keys: &[&Key]) -> Result<Self, BuildError> {
        settings.check()?;
        if settings.leeway_s > MAX_LEEWAY_S {
            return Err(BuildError::Config(format!(
                "leeway_s is {}; it must be at most {MAX_LEEWAY_S} (RFC 7519 section 4.1.4)",
                settings.leeway_s
            )));
        }
        let [signing, ..] = keys else {
            return Err(BuildError::Config("no key was given".into()));
        };
        let name = |key: &&Key| KeyName { kid: key.kid.clone(), header: own_header(key) };
        Ok(Self {
            settings: settings.clone(),
            algorithm: signing.algorithm,
            kids: keys.iter().map(name).collect(),
        })
    }

    /// What the policy was made from.
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The header segment of the tokens we issue.
    pub(super) fn signing_header(&self) -> &str {
        &self.kids[0].header
    }

    /// The place of the header's key among the keys. A header we would write ourselves needs no
    /// second look; any other one is read.
    pub(super) fn key_of(&self, header: &[u8]) -> Result<usize, Denial> {
        match self.kids.iter().position(|k| k.header.as_bytes() == header) {
            Some(place) => Ok(place),
            None => self.key_of_foreign(header),
        }
    }

    #[cold]
    fn key_of_foreign(&self, header: &[u8]) -> Result<usize, Denial> {
        let header = Header::read(header)?;
        if header.crit.is_some() {
            return Err(Denial::UnknownCritical);
        }
        if !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(Denial::WrongType);
        }
        if header.alg != self.algorithm.name() {
            return Err(Denial::WrongAlgorithm);
        }
        let kid = header.kid.ok_or(Denial::UnknownKey)?;
        self.kids.iter().position(|k| k.kid == kid).ok_or(Denial::UnknownKey)
    }

    /// Judges the claims of a token whose signature is good.
    #[inline]
    pub(super) fn judge<T: AsRef<str>>(
        &self,
        claims: &Claims<T>,
        now: UnixTime,
    ) -> Result<Verified, Denial> {
        let leeway = self.settings.leeway_s;
        if self.has_expired(claims, now) {
            return Err(Denial::Expired);
        }
        if claims.iss.as_ref() != self.settings.issuer {
            return Err(Denial::WrongIssuer);
        }
        match &claims.aud {
            Audience::Sole(aud) if aud.as_ref() == self.settings.audience => {}
            Audience::Sole(_) | Audience::Many => return Err(Denial::WrongAudience),
        }
        let horizon = now.plus(leeway).0;
        if claims.nbf.is_some_and(|nbf| nbf > horizon) || claims.iat > horizon {
            return Err(Denial::NotYetValid);
        }
        if claims.exp.saturating_sub(claims.iat) > self.settings.token_max_lifetime_s {
            return Err(Denial::LifetimeTooLong);
        }
        let session = match &claims.sid {
            Some(sid) => Some(token_id(sid.as_ref()).ok_or(Denial::Malformed)?),
            None => None,
        };
        Ok(Verified {
            principal: Principal {
                subject: claims.sub.as_ref().parse().map_err(|_| Denial::Malformed)?,
                tenant: claims.tenant.as_ref().parse().map_err(|_| Denial::Malformed)?,
                scopes: claims.scope.as_ref().parse().map_err(|_| Denial::Malformed)?,
                auth_time: UnixTime(claims.auth_time),
            },
            id: token_id(claims.jti.as_ref()).ok_or(Denial::Malformed)?,
            version: claims.ver,
            session,
            expires_at: UnixTime(claims.exp),
        })
    }

    /// Whether `now` is at or past `exp + leeway`.
    pub(super) const fn has_expired<T>(&self, claims: &Claims<T>, now: UnixTime) -> bool {
        now.0 >= claims.exp.saturating_add(self.settings.leeway_s)
    }
}

/// The header segment of the tokens signed with `key`.
fn own_header(key: &Key) -> String {
    let header = OwnHeader { typ: TYPE, alg: key.algorithm.name(), kid: &key.kid };
    let json = serde_json::to_vec(&header).unwrap_or_default();
    URL_SAFE_NO_PAD.encode_to_string(json)
}

/// Whether `typ` names an access token. Media types are compared without regard to case, and the
/// prefix `application/` may be left out (RFC 7515 section 4.1.9).
fn is_access_token(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let subtype = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    };
    subtype.eq_ignore_ascii_case(TYPE)
}

/// A header that somebody else may have written.
///
/// A member that would bring a key of the sender's, point to one, or make the payload something
/// else than claims is refused rather than ignored (RFC 8725 sections 3.10 and 2.6); members
/// nobody registered are ignored, as RFC 7515 section 4 asks.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    #[serde(default, deserialize_with = "present")]
    pub(super) typ: Option<String>,
    pub(super) alg: String,
    #[serde(default, deserialize_with = "present")]
    pub(super) kid: Option<String>,
    /// Present whatever its value: a derived `Option` would read `null` as absence.
    #[serde(default, deserialize_with = "present")]
    pub(super) crit: Option<Value>,
    #[serde(default, rename = "jku", deserialize_with = "refused")]
    _jku: (),
    #[serde(default, rename = "jwk", deserialize_with = "refused")]
    _jwk: (),
    #[serde(default, rename = "x5u", deserialize_with = "refused")]
    _x5u: (),
    #[serde(default, rename = "x5c", deserialize_with = "refused")]
    _x5c: (),
    #[serde(default, rename = "x5t", deserialize_with = "refused")]
    _x5t: (),
    #[serde(default, rename = "x5t#S256", deserialize_with = "refused")]
    _x5t_s256: (),
    #[serde(default, rename = "enc", deserialize_with = "refused")]
    _enc: (),
    #[serde(default, rename = "zip", deserialize_with = "refused")]
    _zip: (),
    #[serde(default, rename = "cty", deserialize_with = "refused")]
    _cty: (),
    /// RFC 8555 section 6: of no meaning here, but `jsonwebtoken` wants text.
    #[serde(default, rename = "url")]
    _url: Option<String>,
    #[serde(default, rename = "nonce")]
    _nonce: Option<String>,
    /// Flattening also refuses a header that is an array.
    #[serde(flatten)]
    _others: BTreeMap<String, Value>,
}

impl Header {
    /// Reads a header segment.
    pub(super) fn read(segment: &[u8]) -> Result<Self, Denial> {
        let json = URL_SAFE_NO_PAD.decode_to_vec(segment).map_err(|_| Denial::Malformed)?;
        serde_json::from_slice(&json).map_err(|_| Denial::Malformed)
    }
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

fn refused<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(serde::de::Error::custom("a header member that no access token of ours has"))
}
