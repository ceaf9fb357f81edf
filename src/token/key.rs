//! Keys: each pinned to one algorithm, at least two live per algorithm so that they can rotate.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use serde::{Deserialize, Serialize};

use crate::entropy::{Entropy, fresh};
use crate::error::BuildError;

/// Bytes of an HMAC-SHA-256 secret: at least the digest's (RFC 7518 section 3.2).
pub const HMAC_SECRET_MIN_BYTES: usize = 32;

/// Bits of an RSA modulus, unless said otherwise: the least RFC 7518 section 3.3 allows.
pub const RSA_BITS: u32 = 2_048;

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
    /// HMAC with SHA-384, a 384-bit secret.
    #[serde(rename = "HS384")]
    Hs384,
    /// HMAC with SHA-512, a 512-bit secret.
    #[serde(rename = "HS512")]
    Hs512,
    /// RSASSA-PSS with SHA-256, a 2,048-bit key.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 8] = [
        Self::Hs256,
        Self::EdDsa,
        Self::Es256,
        Self::Rs256,
        Self::Hs384,
        Self::Hs512,
        Self::Ps256,
        Self::Es384,
    ];

    /// The algorithms of the registered strategies: those a server holds keys for.
    pub const REGISTERED: [Self; 4] = [Self::Hs256, Self::EdDsa, Self::Es256, Self::Rs256];

    /// The header's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Ps256 => "PS256",
            Self::Es384 => "ES384",
        }
    }

    /// Least bytes of its secret: those of the digest (RFC 7518 section 3.2). `None` where the key
    /// is no shared secret.
    #[must_use]
    pub const fn secret_min_bytes(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(HMAC_SECRET_MIN_BYTES),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            Self::EdDsa | Self::Es256 | Self::Es384 | Self::Rs256 | Self::Ps256 => None,
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
    /// HMAC: the secret. Otherwise PKCS#8 v1 DER.
    pub private: Vec<u8>,
    /// HMAC: empty. EdDSA: the 32-byte point. ECDSA: the uncompressed point. RSA: PKCS#1 DER.
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

    /// Two fresh keys for every registered algorithm: the current one and the one before it.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, BuildError> {
        let mut keys = Vec::new();
        for algorithm in Algorithm::REGISTERED {
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
            let least = algorithm.secret_min_bytes().unwrap_or(0);
            if key.private.len() < least {
                return Err(BuildError::Config(format!(
                    "the HMAC secret `{}` has {} bytes; {} needs at least {least} \
                     (RFC 7518 section 3.2)",
                    key.kid,
                    key.private.len(),
                    algorithm.name()
                )));
            }
        }
        Ok(keys)
    }
}

/// One fresh key named `kid`; an RSA one has [`RSA_BITS`] bits.
///
/// # Errors
/// When the generator fails.
pub fn generate_key(
    kid: String,
    algorithm: Algorithm,
    entropy: &dyn Entropy,
) -> Result<Key, BuildError> {
    let (private, public) = match algorithm {
        Algorithm::Hs256 => (fresh::<HMAC_SECRET_MIN_BYTES>(entropy)?.to_vec(), Vec::new()),
        Algorithm::Hs384 => (fresh::<48>(entropy)?.to_vec(), Vec::new()),
        Algorithm::Hs512 => (fresh::<64>(entropy)?.to_vec(), Vec::new()),
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            (pkcs8(&pair.as_der().map_err(failed)?), pair.public_key().as_ref().to_vec())
        }
        Algorithm::Es256 => ecdsa_pair(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
        Algorithm::Es384 => ecdsa_pair(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
        Algorithm::Rs256 | Algorithm::Ps256 => return generate_rsa_key(kid, algorithm, RSA_BITS),
    };
    Ok(Key { kid, algorithm, private, public })
}

/// One fresh RSA key named `kid` for `algorithm`, with a modulus of `bits`.
///
/// # Errors
/// A length other than 2,048, 3,072 or 4,096 bits, or a failing generator.
pub fn generate_rsa_key(kid: String, algorithm: Algorithm, bits: u32) -> Result<Key, BuildError> {
    let size = match bits {
        2_048 => KeySize::Rsa2048,
        3_072 => KeySize::Rsa3072,
        4_096 => KeySize::Rsa4096,
        _ => {
            return Err(BuildError::Config(format!(
                "an RSA key of {bits} bits was asked for; it must be 2048, 3072 or 4096"
            )));
        }
    };
    let pair = RsaKeyPair::generate(size).map_err(failed)?;
    let private = pkcs8(&pair.as_der().map_err(failed)?);
    Ok(Key { kid, algorithm, private, public: pair.public_key().as_ref().to_vec() })
}

fn ecdsa_pair(curve: &'static EcdsaSigningAlgorithm) -> Result<(Vec<u8>, Vec<u8>), BuildError> {
    let pair = EcdsaKeyPair::generate(curve).map_err(failed)?;
    let private = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
    Ok((private, pair.public_key().as_ref().to_vec()))
}

fn pkcs8(der: &Pkcs8V1Der<'_>) -> Vec<u8> {
    der.as_ref().to_vec()
}

fn failed<E>(_: E) -> BuildError {
    BuildError::Config("the crypto library failed to generate a key".into())
}
