//! One marker type per signature algorithm: a verifier is pinned to its algorithm by its type.

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::key::{Algorithm, Key};
use crate::error::BuildError;

mod sealed {
    pub trait Sealed {}
}

/// An algorithm that tokens are signed with, as a type. Sealed: there are no others.
pub trait Pinned: sealed::Sealed + Send + Sync + 'static {
    /// The algorithm.
    const ALGORITHM: Algorithm;

    /// The algorithm as `jsonwebtoken` names it.
    const LIBRARY: jsonwebtoken::Algorithm;

    /// The key that signs, in the library's form. Whether it parses shows when it first signs.
    ///
    /// # Errors
    /// When the key is not packed as [`Key::private`] says.
    fn encoding_key(key: &Key) -> Result<EncodingKey, BuildError>;

    /// The key that verifies, in the library's form.
    fn decoding_key(key: &Key) -> DecodingKey;
}

macro_rules! pinned {
    ($($about:literal $name:ident = $library:ident, $encoding:expr, $decoding:expr;)+) => {$(
        #[doc = $about]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl sealed::Sealed for $name {}

        impl Pinned for $name {
            const ALGORITHM: Algorithm = Algorithm::$name;
            const LIBRARY: jsonwebtoken::Algorithm = jsonwebtoken::Algorithm::$library;

            fn encoding_key(key: &Key) -> Result<EncodingKey, BuildError> {
                $encoding(key)
            }

            fn decoding_key(key: &Key) -> DecodingKey {
                $decoding(key)
            }
        }
    )+};
}

pinned! {
    "HMAC with SHA-256 (RFC 7518 section 3.2)." Hs256 = HS256, hmac, hmac_again;
    "Ed25519 (RFC 8037 section 3.1)." EdDsa = EdDSA,
        |key: &Key| Ok(EncodingKey::from_ed_der(&key.private)),
        |key: &Key| DecodingKey::from_ed_der(&key.public);
    "ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4)." Es256 = ES256, ecdsa, ecdsa_public;
    "RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3)." Rs256 = RS256, rsa, rsa_public;
    "HMAC with SHA-384 (RFC 7518 section 3.2)." Hs384 = HS384, hmac, hmac_again;
    "HMAC with SHA-512 (RFC 7518 section 3.2)." Hs512 = HS512, hmac, hmac_again;
    "RSASSA-PSS with SHA-256 (RFC 7518 section 3.5)." Ps256 = PS256, rsa, rsa_public;
    "ECDSA on P-384 with SHA-384 (RFC 7518 section 3.4)." Es384 = ES384, ecdsa, ecdsa_public;
}

#[expect(clippy::unnecessary_wraps, reason = "one of the ways to make a key, and others can fail")]
fn hmac(key: &Key) -> Result<EncodingKey, BuildError> {
    Ok(EncodingKey::from_secret(&key.private))
}

fn hmac_again(key: &Key) -> DecodingKey {
    DecodingKey::from_secret(&key.private)
}

#[expect(clippy::unnecessary_wraps, reason = "one of the ways to make a key, and others can fail")]
fn ecdsa(key: &Key) -> Result<EncodingKey, BuildError> {
    Ok(EncodingKey::from_ec_der(&key.private))
}

fn ecdsa_public(key: &Key) -> DecodingKey {
    DecodingKey::from_ec_der(&key.public)
}

fn rsa(key: &Key) -> Result<EncodingKey, BuildError> {
    let inner = pkcs1_of_pkcs8(&key.private).ok_or_else(|| {
        BuildError::Config(format!("the RSA key `{}` is not PKCS#8 DER", key.kid))
    })?;
    Ok(EncodingKey::from_rsa_der(inner))
}

fn rsa_public(key: &Key) -> DecodingKey {
    DecodingKey::from_rsa_der(&key.public)
}

/// The PKCS#1 key inside a PKCS#8 one (RFC 5208 section 5): `jsonwebtoken` takes nothing else.
fn pkcs1_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    const OCTET_STRING: u8 = 0x04;
    let (outer, _) = der_element(der, SEQUENCE)?;
    let (_version, rest) = der_element(outer, INTEGER)?;
    let (_algorithm, rest) = der_element(rest, SEQUENCE)?;
    der_element(rest, OCTET_STRING).map(|(key, _)| key)
}

/// The content of the DER element `der` starts with, if its tag is `tag`, and what follows it.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&n, rest)| (usize::from(n), rest))?,
        0x82 => {
            let (&bytes, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(bytes)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
