//! One marker type per signature algorithm: a verifier is pinned to its algorithm by its type.

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::key::{Algorithm, Key};
use crate::error::BuildError;

mod sealed {
    pub trait Sealed {}
}

/// An algorithm that tokens are signed with, as a type. Sealed: the algorithms are these four.
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

/// HMAC with SHA-256 (RFC 7518 section 3.2).
#[derive(Clone, Copy, Debug)]
pub struct Hs256;

/// Ed25519 (RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug)]
pub struct EdDsa;

/// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
#[derive(Clone, Copy, Debug)]
pub struct Es256;

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
#[derive(Clone, Copy, Debug)]
pub struct Rs256;

impl sealed::Sealed for Hs256 {}
impl sealed::Sealed for EdDsa {}
impl sealed::Sealed for Es256 {}
impl sealed::Sealed for Rs256 {}

impl Pinned for Hs256 {
    const ALGORITHM: Algorithm = Algorithm::Hs256;
    const LIBRARY: jsonwebtoken::Algorithm = jsonwebtoken::Algorithm::HS256;

    fn encoding_key(key: &Key) -> Result<EncodingKey, BuildError> {
        Ok(EncodingKey::from_secret(&key.private))
    }

    fn decoding_key(key: &Key) -> DecodingKey {
        DecodingKey::from_secret(&key.private)
    }
}

impl Pinned for EdDsa {
    const ALGORITHM: Algorithm = Algorithm::EdDsa;
    const LIBRARY: jsonwebtoken::Algorithm = jsonwebtoken::Algorithm::EdDSA;

    fn encoding_key(key: &Key) -> Result<EncodingKey, BuildError> {
        Ok(EncodingKey::from_ed_der(&key.private))
    }

    fn decoding_key(key: &Key) -> DecodingKey {
        DecodingKey::from_ed_der(&key.public)
    }
}

impl Pinned for Es256 {
    const ALGORITHM: Algorithm = Algorithm::Es256;
    const LIBRARY: jsonwebtoken::Algorithm = jsonwebtoken::Algorithm::ES256;

    fn encoding_key(key: &Key) -> Result<EncodingKey, BuildError> {
        Ok(EncodingKey::from_ec_der(&key.private))
    }

    fn decoding_key(key: &Key) -> DecodingKey {
        DecodingKey::from_ec_der(&key.public)
    }
}

impl Pinned for Rs256 {
    const ALGORITHM: Algorithm = Algorithm::Rs256;
    const LIBRARY: jsonwebtoken::Algorithm = jsonwebtoken::Algorithm::RS256;

    fn encoding_key(key: &Key) -> Result<EncodingKey, BuildError> {
        let inner = pkcs1_of_pkcs8(&key.private).ok_or_else(|| {
            BuildError::Config(format!("the RSA key `{}` is not PKCS#8 DER", key.kid))
        })?;
        Ok(EncodingKey::from_rsa_der(inner))
    }

    fn decoding_key(key: &Key) -> DecodingKey {
        DecodingKey::from_rsa_der(&key.public)
    }
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
