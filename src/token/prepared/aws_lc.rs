//! Keys of aws-lc-rs, parsed once: what stays the same from token to token is done at the start.

use std::fmt;
use std::marker::PhantomData;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};

use super::{PreparedKey, SIGNATURE_MAX_BYTES, Signature};
use crate::error::{BuildError, Outage};
use crate::token::algorithm::Pinned;
use crate::token::key::{Algorithm, Key};

/// A key for the algorithm `A`, by aws-lc-rs.
pub struct AwsLc<A> {
    key: Parsed,
    algorithm: PhantomData<A>,
}

/// Both halves. Which one it is was settled by the type; the match costs nothing beside a
/// signature.
enum Parsed {
    /// The two pads of RFC 2104, hashed once; a copy of that state starts each MAC.
    Hmac(hmac::Key),
    Ed25519(Ed25519KeyPair, ParsedPublicKey),
    Ecdsa(EcdsaKeyPair, ParsedPublicKey),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding, ParsedPublicKey),
}

impl<A: Pinned> fmt::Debug for AwsLc<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsLc({})", A::ALGORITHM.name())
    }
}

impl<A: Pinned> PreparedKey for AwsLc<A> {
    const ALGORITHM: Algorithm = A::ALGORITHM;

    fn prepare(key: &Key) -> Result<Self, BuildError> {
        let bad = || {
            BuildError::Config(format!(
                "the {} key `{}` does not parse",
                A::ALGORITHM.name(),
                key.kid
            ))
        };
        let public = |with: &'static dyn VerificationAlgorithm| {
            ParsedPublicKey::new(with, &key.public).map_err(|_| bad())
        };
        let key = match A::ALGORITHM {
            Algorithm::Hs256 => Parsed::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &key.private)),
            Algorithm::Hs384 => Parsed::Hmac(hmac::Key::new(hmac::HMAC_SHA384, &key.private)),
            Algorithm::Hs512 => Parsed::Hmac(hmac::Key::new(hmac::HMAC_SHA512, &key.private)),
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.private);
                Parsed::Ed25519(pair.map_err(|_| bad())?, public(&ED25519)?)
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.private);
                Parsed::Ecdsa(pair.map_err(|_| bad())?, public(&ECDSA_P256_SHA256_FIXED)?)
            }
            Algorithm::Es384 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &key.private);
                Parsed::Ecdsa(pair.map_err(|_| bad())?, public(&ECDSA_P384_SHA384_FIXED)?)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&key.private).map_err(|_| bad())?;
                Parsed::Rsa(pair, &RSA_PKCS1_SHA256, public(&RSA_PKCS1_2048_8192_SHA256)?)
            }
            Algorithm::Ps256 => {
                let pair = RsaKeyPair::from_pkcs8(&key.private).map_err(|_| bad())?;
                Parsed::Rsa(pair, &RSA_PSS_SHA256, public(&RSA_PSS_2048_8192_SHA256)?)
            }
        };
        Ok(Self { key, algorithm: PhantomData })
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, Outage> {
        // aws-lc draws nonces from its own generator; the argument is there for ring's sake.
        let random = SystemRandom::new();
        let failed = |_| Outage::new("the crypto library failed to sign");
        match &self.key {
            Parsed::Hmac(key) => Ok(Signature::of(hmac::sign(key, message).as_ref())),
            Parsed::Ed25519(pair, _) => Ok(Signature::of(pair.sign(message).as_ref())),
            Parsed::Ecdsa(pair, _) => {
                Ok(Signature::of(pair.sign(&random, message).map_err(failed)?.as_ref()))
            }
            Parsed::Rsa(pair, padding, _) => {
                let mut bytes = [0; SIGNATURE_MAX_BYTES];
                let length = pair.public_modulus_len();
                let place = bytes
                    .get_mut(..length)
                    .ok_or_else(|| Outage::new("an RSA key of over 4,096 bits"))?;
                pair.sign(*padding, &random, message, place).map_err(failed)?;
                Ok(Signature { bytes, length })
            }
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Parsed::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Parsed::Ed25519(_, public) | Parsed::Ecdsa(_, public) | Parsed::Rsa(_, _, public) => {
                public.verify_sig(message, signature).is_ok()
            }
        }
    }
}
