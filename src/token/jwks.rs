//! JSON Web Key Sets (RFC 7517): public keys as an issuer publishes them, and a verifier of access
//! tokens that has nothing but such a set.
//!
//! Stricter than the RFC: `kty`, `crv`, `alg`, `use` and `kid` must be there and belong together, a
//! private member is refused (an issuer that publishes one has lost the key, and is not to be
//! believed), and two keys must not share a `kid`. Read by hand: `jsonwebtoken`'s own reader
//! overlooks `d` and takes any curve for any type. As section 5 asks, keys of a type that is not
//! understood are passed over, and so are members that are not.
//!
//! Deliberately absent: fetching, RSA, `x5c`, `key_ops`, and shared secrets, which are not to be
//! published at all.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Verified;
use super::algorithm::Pinned;
use super::claims::Claims;
use super::key::{Algorithm, Key};
use super::library::{first_reason, validation};
use super::policy::{Policy, split};
use crate::error::{BuildError, Denial};
use crate::identity::UnixTime;
use crate::settings::Settings;

/// A longer document is not looked at.
pub const MAX_BYTES: usize = 64 * 1024;
/// More keys than this are not an issuer's.
pub const MAX_KEYS: usize = 32;

/// Why a document is no key set; the text says which key and what is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwksError(pub String);

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JwksError {}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind {
    kty: String,
}

/// A key of a type that is understood. Absent members are `None`, doubled ones refused.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    kid: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Private: RFC 7518 section 6.2.2, RFC 8037 section 2.
    d: Option<IgnoredAny>,
    /// Secret: RFC 7518 section 6.4.1.
    k: Option<IgnoredAny>,
}

/// Reads a key set: public keys, whose `private` is empty, in the document's order.
///
/// # Errors
/// When it is no key set, or one of its keys that is understood is not sound.
pub fn parse(document: &[u8]) -> Result<Vec<Key>, JwksError> {
    if document.len() > MAX_BYTES {
        let bytes = document.len();
        return Err(JwksError(format!("a key set of {bytes} bytes; at most {MAX_BYTES} are read")));
    }
    let set: Document<'_> = serde_json::from_slice(document)
        .map_err(|e| JwksError(format!("no JSON Web Key Set: {e}")))?;
    if set.keys.len() > MAX_KEYS {
        let count = set.keys.len();
        return Err(JwksError(format!("a key set of {count} keys; at most {MAX_KEYS} are read")));
    }
    let mut keys: Vec<Key> = Vec::new();
    for (place, raw) in set.keys.into_iter().enumerate() {
        let wrong = |what: String| JwksError(format!("key {place}: {what}"));
        let kind: Kind = serde_json::from_str(raw.get()).map_err(|e| wrong(e.to_string()))?;
        if !matches!(&*kind.kty, "EC" | "OKP" | "oct") {
            continue;
        }
        let jwk: Jwk = serde_json::from_str(raw.get()).map_err(|e| wrong(e.to_string()))?;
        let key = jwk.key().map_err(wrong)?;
        if keys.iter().any(|other| other.kid == key.kid) {
            return Err(wrong(format!("its kid `{}` is another's too", key.kid)));
        }
        keys.push(key);
    }
    Ok(keys)
}

impl Jwk {
    fn key(self) -> Result<Key, String> {
        if self.d.is_some() || self.k.is_some() || self.kty == "oct" {
            return Err("it is private; a set that is published must not hold it".into());
        }
        let need = |name: &str, value: Option<String>| {
            value.filter(|text| !text.is_empty()).ok_or_else(|| format!("it has no `{name}`"))
        };
        let (crv, alg) = (need("crv", self.crv)?, need("alg", self.alg)?);
        let (usage, kid) = (need("use", self.usage)?, need("kid", self.kid)?);
        if usage != "sig" {
            return Err(format!("its `use` is `{usage}`; keys that verify have `sig`"));
        }
        let x = coordinate("x", &need("x", self.x)?)?;
        let (algorithm, public) = match (&*self.kty, &*crv, &*alg) {
            ("EC", "P-256", "ES256") => {
                let y = coordinate("y", &need("y", self.y)?)?;
                (Algorithm::Es256, [&[4], &x[..], &y[..]].concat())
            }
            ("OKP", "Ed25519", "EdDSA") if self.y.is_none() => (Algorithm::EdDsa, x.to_vec()),
            _ => {
                let what = format!("`{}`, `{crv}` and `{alg}`", self.kty);
                return Err(format!("{what} do not belong together, or are not read here"));
            }
        };
        let sound = match algorithm {
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public).is_ok(),
            _ => ParsedPublicKey::new(&ED25519, &public).is_ok(),
        };
        if !sound {
            return Err(format!("its point is not on {crv}"));
        }
        Ok(Key { kid, algorithm, private: Vec::new(), public })
    }
}

/// 32 bytes in the one spelling of base64url (RFC 7518 section 6.2.1.2: the full size).
fn coordinate(name: &str, text: &str) -> Result<[u8; 32], String> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(text).unwrap_or_default();
    bytes.try_into().map_err(|_| format!("its `{name}` is not 32 bytes in base64url"))
}

/// The document that publishes the public halves of `keys`.
///
/// # Errors
/// When one of them is neither ES256 nor EdDSA.
pub fn publish(keys: &[&Key]) -> Result<String, JwksError> {
    #[derive(Serialize)]
    struct Set<'a> {
        keys: Vec<Public<'a>>,
    }
    #[derive(Serialize)]
    struct Public<'a> {
        kty: &'a str,
        crv: &'a str,
        alg: &'a str,
        r#use: &'a str,
        kid: &'a str,
        x: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        y: Option<String>,
    }
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
    let of = |key: &&'_ Key| {
        let (kty, crv, x, y) = match (key.algorithm, key.public.as_slice()) {
            (Algorithm::Es256, [4, point @ ..]) if point.len() == 64 => {
                ("EC", "P-256", encode(&point[..32]), Some(encode(&point[32..])))
            }
            (Algorithm::EdDsa, point) => ("OKP", "Ed25519", encode(point), None),
            _ => return Err(JwksError(format!("the key `{}` is not published here", key.kid))),
        };
        Ok((kty, crv, x, y))
    };
    let mut set = Set { keys: Vec::new() };
    for key in keys {
        let (kty, crv, x, y) = of(key)?;
        let (alg, kid) = (key.algorithm.name(), &*key.kid);
        set.keys.push(Public { kty, crv, alg, r#use: "sig", kid, x, y });
    }
    serde_json::to_string(&set).map_err(|e| JwksError(e.to_string()))
}

/// Verifies access tokens of the algorithm `A` with published keys; the answers are those of every
/// other verifier here.
pub struct PublicVerifier<A> {
    policy: Policy,
    keys: Vec<DecodingKey>,
    validation: Validation,
    algorithm: std::marker::PhantomData<A>,
}

impl<A: Pinned> fmt::Debug for PublicVerifier<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicVerifier({}, {} keys)", A::ALGORITHM.name(), self.keys.len())
    }
}

impl<A: Pinned> PublicVerifier<A> {
    /// A verifier with those of `keys` that are of the algorithm.
    ///
    /// # Errors
    /// None of them is, or settings that cannot be used.
    pub fn new(keys: &[Key], settings: &Settings) -> Result<Self, BuildError> {
        // As every user of the library does: an error means that a backend is chosen already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let own: Vec<&Key> = keys.iter().filter(|key| key.algorithm == A::ALGORITHM).collect();
        Ok(Self {
            policy: Policy::new(settings, &own)?,
            keys: own.iter().map(|key| A::decoding_key(key)).collect(),
            validation: validation::<A>(settings),
            algorithm: std::marker::PhantomData,
        })
    }

    /// Verifies the signature and every claim.
    ///
    /// # Errors
    /// The first reason to turn the token away; [`Denial::UnknownKey`] asks for a newer key set.
    pub fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        let place = self.policy.key_of(split(token)?.header)?;
        let claims = decode::<Claims<String>>(token, &self.keys[place], &self.validation)
            .map_err(|e| first_reason(&self.policy, &e, token, now))?
            .claims;
        self.policy.judge(&claims, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;
    use crate::token::key::generate_key;

    fn fresh(kid: &str, algorithm: Algorithm) -> Key {
        generate_key(kid.into(), algorithm, &OsEntropy).unwrap()
    }

    #[test]
    fn what_is_published_is_read_and_nothing_private_is_in_it() {
        let keys = [fresh("a", Algorithm::Es256), fresh("b", Algorithm::EdDsa)];
        let text = publish(&keys.iter().collect::<Vec<_>>()).unwrap();
        assert!(!text.contains("\"d\""), "{text}");
        let read = parse(text.as_bytes()).unwrap();
        for (own, found) in keys.iter().zip(&read) {
            assert_eq!(
                (&own.kid, own.algorithm, &own.public),
                (&found.kid, found.algorithm, &found.public)
            );
            assert!(found.private.is_empty());
        }
        assert_eq!(read.len(), 2);
        assert!(publish(&[&fresh("c", Algorithm::Hs256)]).is_err());
    }

    /// The public key of RFC 8037 appendix A.2, with the members that are asked for here.
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn read(key: &str) -> Result<Vec<Key>, JwksError> {
        parse(format!("{{\"keys\":[{key}]}}").as_bytes())
    }

    #[test]
    fn the_key_of_rfc_8037_is_read_and_foreign_members_and_types_are_passed_over() {
        let key = &read(ED25519).unwrap()[0];
        assert_eq!(
            (key.algorithm, key.public[..4].to_vec()),
            (Algorithm::EdDsa, vec![215, 90, 152, 1])
        );
        assert_eq!(read(&ED25519.replacen('{', "{\"x5t\":\"?\",", 1)).unwrap().len(), 1);
        let rsa = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
        assert_eq!(read(&format!("{rsa},{ED25519}")).unwrap().len(), 1);
    }

    #[test]
    fn a_key_that_is_not_sound_spoils_the_set() {
        for (from, to, why) in [
            ("\"kid\":\"k\"", "\"kid\":\"\"", "no `kid`"),
            ("\"kid\":\"k\",", "", "no `kid`"),
            ("\"alg\":\"EdDSA\",", "", "no `alg`"),
            ("\"use\":\"sig\",", "", "no `use`"),
            ("\"use\":\"sig\"", "\"use\":\"enc\"", "`use` is `enc`"),
            ("EdDSA", "ES256", "do not belong together"),
            ("Ed25519", "P-256", "do not belong together"),
            ("OKP", "EC", "no `y`"),
            ("OKP", "oct", "private"),
            ("\"kid\"", "\"d\":\"AA\",\"kid\"", "private"),
            ("\"kid\"", "\"y\":\"AA\",\"kid\"", "do not belong together"),
            ("\"kid\"", "\"alg\":\"EdDSA\",\"kid\"", "duplicate field"),
            ("11qY", "11q", "not 32 bytes"),
            ("11qY", "11q=", "not 32 bytes"),
        ] {
            // `OKP` to `EC` changes what belongs together as well: then `y` is missed first.
            let text = ED25519.replacen(from, to, 1);
            let text = if to == "EC" {
                text.replacen("Ed25519", "P-256", 1).replacen("EdDSA", "ES256", 1)
            } else {
                text
            };
            let error = read(&text).unwrap_err();
            assert!(error.0.contains("key 0") && error.0.contains(why), "{to}: {error}");
        }
        let twice = read(&format!("{ED25519},{ED25519}")).unwrap_err();
        assert!(twice.0.contains("another's too"), "{twice}");
        for text in ["[]", "{}", "{\"keys\":[1]}", "{\"keys\":[]} x"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&vec![b' '; MAX_BYTES + 1]).is_err());
        let many = vec!["{\"kty\":\"RSA\"}"; MAX_KEYS + 1].join(",");
        assert!(read(&many).unwrap_err().0.contains("33 keys"));
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let text = publish(&[&fresh("a", Algorithm::Es256)]).unwrap();
        let at = text.find("\"y\":\"").unwrap() + 5;
        let zeros = "A".repeat(43);
        let text = format!("{}{zeros}{}", &text[..at], &text[at + 43..]);
        assert!(parse(text.as_bytes()).unwrap_err().0.contains("not on P-256"));
    }
}
