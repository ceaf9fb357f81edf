//! oxitoken, on aws-lc-rs like ours: through its traits, which are there for backends of one's own.
//! The backend it brings for aws-lc-rs does not compile with the version that ours is made on.

use std::fmt;

use ::oxitoken::claims::{Aud, Exp, Iss};
use ::oxitoken::encoding::{JwtEncodingError, Signer, encode};
use ::oxitoken::error::JwtError;
use ::oxitoken::validation::keystore::LocalKeystore;
use ::oxitoken::validation::{TokenValidator, ValidationPipeline, VerificationKey};
use ::oxitoken::{Algorithm as Alg, header};
use anyhow::{Context as _, anyhow, bail};
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::token::NewToken;
use authbench::token::key::{Algorithm, Key};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::claims::{Claims, NewClaims};
use crate::peer::Peer;

/// oxitoken with the keys of one algorithm.
pub struct Oxitoken {
    signing: Signing,
    header: NewHeader,
    pipeline: ValidationPipeline<Header, Claims, LocalKeystore<Verifying>>,
    settings: Settings,
}

enum Signing {
    Hs256(Box<hmac::Key>),
    EdDsa(Box<Ed25519KeyPair>),
    Es256(Box<EcdsaKeyPair>),
    Rs256(Box<RsaKeyPair>),
}

impl Signing {
    const fn alg(&self) -> Alg {
        match self {
            Self::Hs256(_) => Alg::HS256,
            Self::EdDsa(_) => Alg::EdDSA,
            Self::Es256(_) => Alg::ES256,
            Self::Rs256(_) => Alg::RS256,
        }
    }
}

impl Signer for Signing {
    type Error = Unspecified;

    fn check_alg(&self, algorithm: Alg) -> Result<(), JwtEncodingError<Unspecified>> {
        if algorithm == self.alg() { Ok(()) } else { Err(JwtEncodingError::WrongAlgorithm) }
    }

    fn sign_jwt(&self, _: Alg, jwt: &mut String) -> Result<(), JwtEncodingError<Unspecified>> {
        let input = jwt.as_bytes();
        match self {
            Self::Hs256(key) => {
                let tag = hmac::sign(key, input);
                self.append_sig(tag, jwt);
            }
            Self::EdDsa(pair) => {
                let signature = pair.sign(input);
                self.append_sig(signature, jwt);
            }
            Self::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), input)?;
                self.append_sig(signature, jwt);
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature)?;
                self.append_sig(signature, jwt);
            }
        }
        Ok(())
    }

    fn siglen(&self) -> usize {
        match self {
            Self::Hs256(_) => 32,
            Self::EdDsa(_) | Self::Es256(_) => 64,
            Self::Rs256(pair) => pair.public_modulus_len(),
        }
    }
}

enum Verifying {
    Secret(Box<hmac::Key>),
    Public(Alg, Box<ParsedPublicKey>),
}

impl VerificationKey for Verifying {
    fn alg(&self) -> Option<Alg> {
        Some(match self {
            Self::Secret(_) => Alg::HS256,
            Self::Public(alg, _) => *alg,
        })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JwtError> {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature),
            Self::Public(_, key) => key.verify_sig(message, signature),
        }
        .map_err(|_| JwtError::InvalidSignature)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: Alg,
    typ: String,
    kid: String,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[derive(Serialize)]
struct NewHeader {
    typ: &'static str,
    alg: Alg,
    kid: String,
}

impl header::Alg for NewHeader {
    fn alg(&self) -> Alg {
        self.alg
    }
}

impl header::Alg for Header {
    fn alg(&self) -> Alg {
        self.alg
    }
}

impl header::Kid for Header {
    fn kid(&self) -> &str {
        &self.kid
    }
}

impl header::Typ for Header {
    type Type = str;

    fn typ(&self) -> &str {
        &self.typ
    }
}

impl Iss for Claims {
    fn iss(&self) -> &str {
        &self.iss
    }
}

impl Aud for Claims {
    fn aud(&self) -> impl Iterator<Item = impl AsRef<str>> {
        std::iter::once(&self.aud)
    }
}

impl Exp for Claims {
    fn exp(&self) -> i64 {
        i64::try_from(self.exp).unwrap_or(i64::MAX)
    }
}

/// It has no opinion on `crit`; this one refuses any.
struct NothingCritical;

impl<C> TokenValidator<Header, C> for NothingCritical {
    fn validate(&self, header: &Header, _: &C) -> Result<(), JwtError> {
        if header.crit { Err(JwtError::WrongType) } else { Ok(()) }
    }
}

impl fmt::Debug for Oxitoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Oxitoken(..)")
    }
}

fn verifying(algorithm: Algorithm, key: &Key) -> anyhow::Result<Verifying> {
    let public = |alg, how| -> anyhow::Result<Verifying> {
        let parsed = ParsedPublicKey::new(how, &key.public).map_err(|e| anyhow!("{e}"))?;
        Ok(Verifying::Public(alg, Box::new(parsed)))
    };
    match algorithm {
        Algorithm::Hs256 => {
            Ok(Verifying::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &key.private))))
        }
        Algorithm::EdDsa => public(Alg::EdDSA, &ED25519),
        Algorithm::Es256 => public(Alg::ES256, &ECDSA_P256_SHA256_FIXED),
        Algorithm::Rs256 => public(Alg::RS256, &RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::Es384 | Algorithm::Ps256 => {
            bail!("{} is not compared", algorithm.name())
        }
    }
}

fn signing(algorithm: Algorithm, key: &Key) -> anyhow::Result<Signing> {
    let der = &key.private;
    Ok(match algorithm {
        Algorithm::Hs256 => Signing::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, der))),
        Algorithm::EdDsa => Signing::EdDsa(Box::new(Ed25519KeyPair::from_pkcs8(der)?)),
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?;
            Signing::Es256(Box::new(pair))
        }
        Algorithm::Rs256 => Signing::Rs256(Box::new(RsaKeyPair::from_pkcs8(der)?)),
        Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::Es384 | Algorithm::Ps256 => {
            bail!("{} is not compared", algorithm.name())
        }
    })
}

impl Peer for Oxitoken {
    const NAME: &'static str = "oxitoken";

    fn new(algorithm: Algorithm, keys: &[&Key], settings: &Settings) -> anyhow::Result<Self> {
        let first = keys.first().context("no key")?;
        let mut store = LocalKeystore::empty();
        for key in keys {
            store.add_key(&key.kid, verifying(algorithm, key)?);
        }
        let pipeline = ValidationPipeline::builder(store)
            .with_max_size(8 * 1024)
            .with_type_validator(["at+jwt"])
            .with_issuer_validator(&settings.issuer)
            .with_audience_validator(&settings.audience)
            .with_expiration_validator()
            .with(NothingCritical)
            .build();
        let signing = signing(algorithm, first)?;
        Ok(Self {
            header: NewHeader { typ: "at+jwt", alg: signing.alg(), kid: first.kid.clone() },
            signing,
            pipeline,
            settings: settings.clone(),
        })
    }

    fn read(&self, token: &str) -> anyhow::Result<Claims> {
        let (_, claims) = self.pipeline.verify(token.as_bytes())?;
        Ok(claims)
    }

    /// Its `exp` is compared with the system's clock; ours with the caller's.
    fn check_the_rest(&self, claims: &Claims, now: UnixTime) -> anyhow::Result<()> {
        claims.must_not_have_expired(now)
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> anyhow::Result<String> {
        let claims = NewClaims::of(token, &self.settings, now);
        Ok(encode(&self.signing, &self.header, &claims)?)
    }
}
