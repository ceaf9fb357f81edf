//! Keys: each pinned to one algorithm, at least two live per algorithm so that they can rotate.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use serde::{Deserialize, Serialize};

use crate::entropy::{Entropy, fresh};
use crate::error::BuildError;

/// Bytes of an HMAC-SHA-256 secret: at least the digest's (RFC 7518 section 3.2).
pub const HMAC_SECRET_MIN_BYTES: usize = 32;

/// A signature algorithm of RFC 7518 or RFC 8037.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Algorithm {
    /// HMAC with SHA-256, a 256-bit secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, a 2,048-bit key.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::EdDsa, Self::Es256, Self::Rs256];

    /// The header's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// One key. `Debug` shows its name alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    /// The header's `kid`.
    pub kid: String,
    /// The one algorithm it may be used with.
    pub algorithm: Algorithm,
    /// HS256: the secret. Otherwise PKCS#8 v1 DER.
    pub private: Vec<u8>,
    /// HS256: empty. EdDSA: the 32-byte point. ES256: the uncompressed point. RS256: PKCS#1 DER.
    pub public: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.kid, self.algorithm.name())
    }
}

/// Every live key. The first of an algorithm signs; all of them verify.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// A ring of `keys`, in order of preference.
    #[must_use]
    pub const fn new(keys: Vec<Key>) -> Self {
        Self { keys }
    }

    /// Two fresh keys for every algorithm: the current one and the one before it.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, BuildError> {
        let mut keys = Vec::new();
        for algorithm in Algorithm::ALL {
            for age in ["current", "previous"] {
                let kid = format!("{}-{age}", algorithm.name().to_ascii_lowercase());
                keys.push(generate_key(kid, algorithm, entropy)?);
            }
        }
        Ok(Self { keys })
    }

    /// The keys of `algorithm`, the signing one first.
    ///
    /// # Errors
    /// When there is none, when two share a `kid`, or when an HMAC secret is too short.
    pub fn of(&self, algorithm: Algorithm) -> Result<Vec<&Key>, BuildError> {
        let keys: Vec<&Key> = self.keys.iter().filter(|k| k.algorithm == algorithm).collect();
        if keys.is_empty() {
            return Err(BuildError::Config(format!("no {} key was given", algorithm.name())));
        }
        for (i, key) in keys.iter().enumerate() {
            if self.keys.iter().filter(|k| k.kid == key.kid).count() > 1 {
                return Err(BuildError::Config(format!(
                    "two keys share the kid `{}`; give each its own",
                    keys[i].kid
                )));
            }
            if algorithm == Algorithm::Hs256 && key.private.len() < HMAC_SECRET_MIN_BYTES {
                return Err(BuildError::Config(format!(
                    "the HMAC secret `{}` has {} bytes; HS256 needs at least \
                     {HMAC_SECRET_MIN_BYTES} (RFC 7518 section 3.2)",
                    key.kid,
                    key.private.len()
                )));
            }
        }
        Ok(keys)
    }
}

/// One fresh key named `kid`.
///
/// # Errors
/// When the generator fails.
pub fn generate_key(
    kid: String,
    algorithm: Algorithm,
    entropy: &dyn Entropy,
) -> Result<Key, BuildError> {
    let failed = |_| BuildError::Config("the crypto library failed to generate a key".into());
    let pkcs8 = |der: Pkcs8V1Der<'_>| der.as_ref().to_vec();
    let (private, public) = match algorithm {
        Algorithm::Hs256 => (fresh::<HMAC_SECRET_MIN_BYTES>(entropy)?.to_vec(), Vec::new()),
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            (pkcs8(pair.as_der().map_err(failed)?), pair.public_key().as_ref().to_vec())
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            let private = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
            (private, pair.public_key().as_ref().to_vec())
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            (private.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
        }
    };
    Ok(Key { kid, algorithm, private, public })
}
