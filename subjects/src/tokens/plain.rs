//! `jsonwebtoken` as its documentation shows it and nothing on top: what most programs do.

use anyhow::ensure;
use authbench::token::algorithm::Pinned;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};

use crate::bed::{Bed, Scheme};
use crate::mint::Claims;
use crate::tokens::provider::{self, Backend};

/// The typical claims, as a program would declare them; further ones are skipped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TypicalClaims {
    /// RFC 7519 section 4.1.1.
    pub iss: String,
    /// RFC 7519 section 4.1.2.
    pub sub: String,
    /// RFC 7519 section 4.1.3.
    pub aud: String,
    /// RFC 7519 section 4.1.4.
    pub exp: u64,
    /// RFC 7519 section 4.1.6.
    pub iat: u64,
    /// OpenID Connect Core section 2.
    pub auth_time: u64,
    /// RFC 7519 section 4.1.7.
    pub jti: String,
    /// RFC 8693 section 4.2.
    pub scope: String,
    /// The user's customer.
    pub tenant: String,
    /// What fills the larger claims up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlements: Option<String>,
}

/// The fewest claims anybody can work with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MinimalClaims {
    /// RFC 7519 section 4.1.2.
    pub sub: String,
    /// RFC 7519 section 4.1.6.
    pub iat: u64,
    /// RFC 7519 section 4.1.4.
    pub exp: u64,
}

/// Decodes tokens of one scheme and one kind of claims.
#[derive(Debug)]
pub struct Plain {
    key: DecodingKey,
    validation: Validation,
    minimal: bool,
}

impl Plain {
    /// For tokens of the bed's current key of `scheme`.
    ///
    /// # Errors
    /// When there is no key.
    pub fn new<A: Pinned>(bed: &Bed, scheme: Scheme, claims: Claims) -> anyhow::Result<Self> {
        let deps = bed.deps(scheme)?;
        let keys = deps.keys.of(A::ALGORITHM)?;
        let minimal = claims == Claims::Minimal;
        let mut validation = Validation::new(A::LIBRARY);
        validation.leeway = 0;
        if !minimal {
            validation.set_issuer(&[&deps.settings.issuer]);
            validation.set_audience(&[&deps.settings.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        }
        Ok(Self { key: A::decoding_key(keys[0]), validation, minimal })
    }

    /// The subject of `token`, if the library accepts it; the header's algorithm must be the one
    /// that was pinned.
    ///
    /// # Errors
    /// It does not accept it.
    pub fn subject_of(&self, token: &str) -> anyhow::Result<String> {
        let (algorithm, subject) = if self.minimal {
            let read = decode::<MinimalClaims>(token, &self.key, &self.validation)?;
            (read.header.alg, read.claims.sub)
        } else {
            let read = decode::<TypicalClaims>(token, &self.key, &self.validation)?;
            (read.header.alg, read.claims.sub)
        };
        ensure!(self.validation.algorithms == [algorithm], "it took another algorithm");
        Ok(subject)
    }
}

/// Runs `work`, a batch of `iterations` calls of the library, and demands that `backend` did it.
///
/// # Errors
/// What `work` says, or that another backend was asked.
pub fn by_backend<T>(
    backend: Backend,
    iterations: u64,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    provider::choose(backend);
    let before = provider::calls(backend);
    let answer = work();
    let asked = provider::calls(backend) - before;
    provider::choose(Backend::AwsLc);
    let answer = answer?;
    ensure!(asked == iterations, "{backend} was asked {asked} times in {iterations} iterations");
    Ok(answer)
}
