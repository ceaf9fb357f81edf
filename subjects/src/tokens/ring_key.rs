//! ring behind the two doors that are compared: as a backend of `jsonwebtoken`, where a key is
//! parsed at every call, and as a prepared key, parsed once.

use std::fmt;
use std::marker::PhantomData;

use authbench::error::{BuildError, Outage};
use authbench::token::algorithm::Pinned;
use authbench::token::key::{Algorithm, Key};
use authbench::token::prepared::{PreparedKey, Signature};
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm as Alg, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    self as sig, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use ring::{hmac, signature};

/// A key that ring has parsed.
enum Parsed {
    Hmac(hmac::Key),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
}

impl Parsed {
    fn sign(&self, message: &[u8]) -> Option<Signature> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(key) => Some(Signature::of(hmac::sign(key, message).as_ref())),
            Self::Ed25519(pair) => Some(Signature::of(pair.sign(message).as_ref())),
            Self::Ecdsa(pair) => Some(Signature::of(pair.sign(&random, message).ok()?.as_ref())),
            Self::Rsa(pair, padding) => {
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(*padding, &random, message, &mut bytes).ok()?;
                Some(Signature::of(&bytes))
            }
        }
    }
}

/// The private key of `algorithm` in `bytes`, in the form `jsonwebtoken` holds it.
fn parse(algorithm: Alg, bytes: &[u8]) -> Option<Parsed> {
    let ecdsa = |with: &'static EcdsaSigningAlgorithm| {
        EcdsaKeyPair::from_pkcs8(with, bytes, &SystemRandom::new()).ok().map(Parsed::Ecdsa)
    };
    let rsa = |padding: &'static dyn signature::RsaEncoding| {
        RsaKeyPair::from_der(bytes).ok().map(|pair| Parsed::Rsa(pair, padding))
    };
    match algorithm {
        Alg::HS256 => Some(Parsed::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes))),
        Alg::HS384 => Some(Parsed::Hmac(hmac::Key::new(hmac::HMAC_SHA384, bytes))),
        Alg::HS512 => Some(Parsed::Hmac(hmac::Key::new(hmac::HMAC_SHA512, bytes))),
        Alg::EdDSA => {
            // `from_pkcs8` wants the second version of PKCS#8.
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok().map(Parsed::Ed25519)
        }
        Alg::ES256 => ecdsa(&sig::ECDSA_P256_SHA256_FIXED_SIGNING),
        Alg::ES384 => ecdsa(&sig::ECDSA_P384_SHA384_FIXED_SIGNING),
        Alg::RS256 => rsa(&sig::RSA_PKCS1_SHA256),
        Alg::PS256 => rsa(&sig::RSA_PSS_SHA256),
        _ => None,
    }
}

/// How ring verifies `algorithm`, where it is no MAC.
fn verification(algorithm: Alg) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Alg::EdDSA => Some(&sig::ED25519),
        Alg::ES256 => Some(&sig::ECDSA_P256_SHA256_FIXED),
        Alg::ES384 => Some(&sig::ECDSA_P384_SHA384_FIXED),
        Alg::RS256 => Some(&sig::RSA_PKCS1_2048_8192_SHA256),
        Alg::PS256 => Some(&sig::RSA_PSS_2048_8192_SHA256),
        _ => None,
    }
}

struct RingSigner(Alg, Parsed);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        self.1.sign(message).map(|made| made.as_ref().to_vec()).ok_or_else(Error::new)
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Alg {
        self.0
    }
}

enum RingVerifier {
    Mac(Alg, hmac::Key),
    Public(Alg, UnparsedPublicKey<Vec<u8>>),
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        match self {
            Self::Mac(_, key) => hmac::verify(key, message, signature),
            Self::Public(_, key) => key.verify(message, signature),
        }
        .map_err(|_| Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Alg {
        match self {
            Self::Mac(algorithm, _) | Self::Public(algorithm, _) => *algorithm,
        }
    }
}

/// Signs for `jsonwebtoken`.
///
/// # Errors
/// A key that does not parse, or belongs to another family.
pub fn signer(algorithm: &Alg, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let parsed = parse(*algorithm, key.as_bytes()).ok_or(ErrorKind::InvalidKeyFormat)?;
    Ok(Box::new(RingSigner(*algorithm, parsed)))
}

/// Verifies for `jsonwebtoken`.
///
/// # Errors
/// A key of another family, or an algorithm that is not compared.
pub fn verifier(algorithm: &Alg, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let bytes = key.try_get_as_bytes()?;
    if let Some(with) = verification(*algorithm) {
        let key = UnparsedPublicKey::new(with, bytes.to_vec());
        return Ok(Box::new(RingVerifier::Public(*algorithm, key)));
    }
    match parse(*algorithm, bytes) {
        Some(Parsed::Hmac(key)) => Ok(Box::new(RingVerifier::Mac(*algorithm, key))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

/// A key for the algorithm `A`, parsed once. ring keeps no parsed public keys: what it does at each
/// verification of a signature includes reading the key.
pub struct RingKey<A> {
    pair: Parsed,
    public: Option<UnparsedPublicKey<Vec<u8>>>,
    algorithm: PhantomData<A>,
}

impl<A: Pinned> fmt::Debug for RingKey<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingKey({})", A::ALGORITHM.name())
    }
}

impl<A: Pinned> PreparedKey for RingKey<A> {
    const ALGORITHM: Algorithm = A::ALGORITHM;

    fn prepare(key: &Key) -> std::result::Result<Self, BuildError> {
        let bad = || BuildError::Config(format!("ring does not read the key `{}`", key.kid));
        // In the library's form, which ring's own readers take.
        let private = A::encoding_key(key)?;
        let pair = parse(A::LIBRARY, private.as_bytes()).ok_or_else(bad)?;
        let public =
            verification(A::LIBRARY).map(|with| UnparsedPublicKey::new(with, key.public.clone()));
        Ok(Self { pair, public, algorithm: PhantomData })
    }

    fn sign(&self, message: &[u8]) -> std::result::Result<Signature, Outage> {
        self.pair.sign(message).ok_or_else(|| Outage::new("ring failed to sign"))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match (&self.public, &self.pair) {
            (Some(public), _) => public.verify(message, signature).is_ok(),
            (None, Parsed::Hmac(key)) => hmac::verify(key, message, signature).is_ok(),
            (None, _) => false,
        }
    }
}
