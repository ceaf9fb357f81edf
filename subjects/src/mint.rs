//! Credentials to be sized: session ids, and tokens really signed, with claims of a chosen size.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use authbench::entropy::{OsEntropy, fresh};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::token::algorithm::{self, Pinned};
use authbench::token::key::Algorithm;
use authbench::token::library::Library;
use authbench::token::{AccessTokens, Entitlements, NewToken, TokenId};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::value::RawValue;

use crate::bed::{Bed, Scheme};

/// What a token claims.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claims {
    /// Who, since when and until when: `sub`, `iat`, `exp`.
    Minimal,
    /// What `authbench::token` issues.
    Typical,
    /// The typical claims and a list of entitlements, filled up to exactly so many bytes of JSON.
    Exactly(usize),
}

impl Claims {
    /// Every size that is reported.
    pub const ALL: [Self; 4] =
        [Self::Minimal, Self::Typical, Self::Exactly(1_024), Self::Exactly(4_096)];
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimal => f.write_str("minimal"),
            Self::Typical => f.write_str("typical"),
            Self::Exactly(bytes) if bytes % 1_024 == 0 => write!(f, "{}k", bytes / 1_024),
            Self::Exactly(bytes) => write!(f, "{bytes}"),
        }
    }
}

/// A fresh session id: 32 random bytes, 43 characters of base64url.
///
/// # Errors
/// When the generator fails.
pub fn session_id() -> anyhow::Result<String> {
    let id = fresh::<32>(&OsEntropy).map_err(|e| anyhow::anyhow!("no session id: {e}"))?;
    Ok(URL_SAFE_NO_PAD.encode_to_string(id))
}

type Issue = Box<dyn Fn(&NewToken, UnixTime) -> anyhow::Result<String>>;

/// Signs tokens of one scheme.
pub struct Mint {
    header: Header,
    key: EncodingKey,
    issue: Issue,
    now: UnixTime,
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mint({:?})", self.header)
    }
}

impl Mint {
    /// A mint with the bed's keys of `scheme`.
    ///
    /// # Errors
    /// When the keys cannot be made or used.
    pub fn new(bed: &Arc<Bed>, scheme: Scheme) -> anyhow::Result<Self> {
        match scheme.algorithm {
            Algorithm::Hs256 => Self::of::<algorithm::Hs256>(bed, scheme),
            Algorithm::EdDsa => Self::of::<algorithm::EdDsa>(bed, scheme),
            Algorithm::Es256 => Self::of::<algorithm::Es256>(bed, scheme),
            Algorithm::Rs256 => Self::of::<algorithm::Rs256>(bed, scheme),
            Algorithm::Hs384 => Self::of::<algorithm::Hs384>(bed, scheme),
            Algorithm::Hs512 => Self::of::<algorithm::Hs512>(bed, scheme),
            Algorithm::Ps256 => Self::of::<algorithm::Ps256>(bed, scheme),
            Algorithm::Es384 => Self::of::<algorithm::Es384>(bed, scheme),
        }
    }

    fn of<A: Pinned>(bed: &Arc<Bed>, scheme: Scheme) -> anyhow::Result<Self> {
        let deps = bed.deps(scheme)?;
        let wrong = |e: &dyn fmt::Display| anyhow::anyhow!("no {scheme} tokens: {e}");
        let tokens = Library::<A>::build(&deps).map_err(|e| wrong(&e))?;
        let keys = deps.keys.of(A::ALGORITHM).map_err(|e| wrong(&e))?;
        let mut header = Header::new(A::LIBRARY);
        header.typ = Some("at+jwt".into());
        header.kid = Some(keys[0].kid.clone());
        let key = A::encoding_key(keys[0]).map_err(|e| wrong(&e))?;
        let issue: Issue = Box::new(move |token, now| {
            let grant = tokens.issue(token, now).map_err(|e| anyhow::anyhow!("not issued: {e}"))?;
            Ok(grant.access.expose().to_owned())
        });
        Ok(Self { header, key, issue, now: bed.now })
    }

    /// A token with `claims`, for a subject and with a name of its own at every `number`.
    ///
    /// # Errors
    /// When the library fails to sign, or the typical claims are longer than those asked for.
    pub fn token(&self, claims: Claims, number: u64) -> anyhow::Result<String> {
        let subject = SubjectId(number);
        match claims {
            Claims::Minimal => {
                let (iat, exp) = (self.now.0, self.now.plus(3_600).0);
                self.sign(&format!("{{\"sub\":\"{subject}\",\"iat\":{iat},\"exp\":{exp}}}"))
            }
            Claims::Typical => self.typical(subject),
            Claims::Exactly(bytes) => {
                let typical = payload(&self.typical(subject)?)?;
                self.sign(&filled_up(&typical, bytes)?)
            }
        }
    }

    fn typical(&self, subject: SubjectId) -> anyhow::Result<String> {
        let id = fresh::<16>(&OsEntropy).map_err(|e| anyhow::anyhow!("no token id: {e}"))?;
        let principal = Principal::of_test_subject(subject, self.now);
        (self.issue)(
            &NewToken { principal, id: TokenId(id), version: None, session: None },
            self.now,
        )
    }

    /// A token with the JSON object `claims` as it stands.
    ///
    /// # Errors
    /// When it is no JSON, or the library fails to sign.
    pub fn sign(&self, claims: &str) -> anyhow::Result<String> {
        let claims = RawValue::from_string(claims.to_owned()).context("claims are no JSON")?;
        encode(&self.header, &claims, &self.key).context("the library failed to sign")
    }
}

/// The claims of `token`, as JSON.
///
/// # Errors
/// When it is no token.
pub fn payload(token: &str) -> anyhow::Result<String> {
    let segment = token.split('.').nth(1).context("a token without a payload")?;
    let json = URL_SAFE_NO_PAD.decode_to_vec(segment).context("a payload not in base64url")?;
    String::from_utf8(json).context("a payload that is no text")
}

/// The JSON object `typical` with a last member that makes it `bytes` long.
fn filled_up(typical: &str, bytes: usize) -> anyhow::Result<String> {
    let start = typical.strip_suffix('}').context("claims that are no object")?;
    let json = format!("{start},\"entitlements\":\"");
    let end = "\"}";
    let most = bytes.saturating_sub(end.len());
    ensure!(json.len() <= most, "the typical claims do not fit into {bytes} bytes");
    let names = Entitlements(most - json.len());
    Ok(format!("{json}{names}{end}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn claims_have_the_size_that_was_asked_for() {
        let bed = Bed::without_redis().unwrap();
        let mint = Mint::new(&bed, Scheme::of(Algorithm::Hs256)).unwrap();
        for (claims, bytes) in [
            (Claims::Minimal, 60..=65),
            (Claims::Typical, 220..=240),
            (Claims::Exactly(1_024), 1_024..=1_024),
            (Claims::Exactly(4_096), 4_096..=4_096),
            (Claims::Exactly(300), 300..=300),
        ] {
            let json = payload(&mint.token(claims, 7).unwrap()).unwrap();
            assert!(bytes.contains(&json.len()), "{claims}: {} bytes", json.len());
            let object: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(object["sub"], "u-0000000000000007");
        }
        assert!(mint.token(Claims::Exactly(100), 7).is_err(), "less than the typical claims");
        assert!(mint.sign("no JSON").is_err());
    }

    #[test]
    fn a_padded_token_has_the_header_of_an_issued_one_and_passes_its_verifier() {
        let bed = Bed::without_redis().unwrap();
        let scheme = Scheme::of(Algorithm::Es256);
        let mint = Mint::new(&bed, scheme).unwrap();
        let typical = mint.token(Claims::Typical, 7).unwrap();
        let padded = mint.token(Claims::Exactly(1_024), 7).unwrap();
        assert_eq!(padded.split('.').next(), typical.split('.').next());
        let tokens = Library::<algorithm::Es256>::build(&bed.deps(scheme).unwrap()).unwrap();
        for token in [typical, padded] {
            let verified = tokens.verify(&token, bed.now).unwrap();
            assert_eq!(verified.principal.subject, SubjectId(7));
        }
    }

    #[test]
    fn a_session_id_has_43_characters() {
        let id = session_id().unwrap();
        assert_eq!(id.len(), 43);
        assert_ne!(id, session_id().unwrap());
    }
}
