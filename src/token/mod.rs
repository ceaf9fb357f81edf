//! Access tokens: what a JWT carries, the keys behind it, and two ways to verify one.

pub mod algorithm;
pub mod jwks;
pub mod key;
pub mod library;
pub mod prepared;
pub mod verified_cache;

mod claims;
mod policy;
#[cfg(test)]
mod vectors;

pub use claims::Entitlements;

use std::fmt;

use crate::credential::Grant;
use crate::error::{BuildError, Denial, Outage};
use crate::identity::{Principal, UnixTime};
use crate::strategy::contract::{Deps, Remembers};
use key::Algorithm;

/// A token's own name, claim `jti` (RFC 7519 section 4.1.7): 128 random bits, written as 22
/// characters of base64url. Deny-lists key on it and never on the token, whose ES256 signature
/// can be rewritten without the key.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TokenId(pub [u8; 16]);

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenId(..)")
    }
}

/// What a new token says beyond the settings.
#[derive(Clone, Copy, Debug)]
pub struct NewToken {
    /// Who it is for.
    pub principal: Principal,
    /// Its name.
    pub id: TokenId,
    /// The subject's version (claim `ver`), where the strategy counts one.
    pub version: Option<u64>,
    /// The name of the login that it belongs to (claim `sid`), where the strategy keeps one.
    pub session: Option<TokenId>,
}

/// What an accepted token said. `Copy`: accepting one must not allocate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verified {
    /// Who it is for.
    pub principal: Principal,
    /// Its name.
    pub id: TokenId,
    /// The subject's version (claim `ver`), where it carries one.
    pub version: Option<u64>,
    /// The name of the login that it belongs to (claim `sid`), where it carries one.
    pub session: Option<TokenId>,
    /// Its `exp`; it is accepted before `expires_at + leeway`.
    pub expires_at: UnixTime,
}

/// Issues and verifies access tokens of one algorithm.
pub trait AccessTokens: Send + Sync + Sized + 'static {
    /// The one algorithm its keys are pinned to.
    const ALGORITHM: Algorithm;
    /// What is remembered of tokens that were verified.
    const REMEMBERS: Remembers = Remembers::Nothing;

    /// Takes the algorithm's keys: the first signs, all verify.
    ///
    /// # Errors
    /// No key of the algorithm, a key that does not parse, an HMAC secret under 32 bytes.
    fn build(deps: &Deps) -> Result<Self, BuildError>;

    /// Signs a token that lives for the settings' lifetime.
    ///
    /// # Errors
    /// When the crypto library fails to sign.
    fn issue(&self, token: &NewToken, now: UnixTime) -> Result<Grant, Outage>;

    /// Verifies the signature and every claim.
    ///
    /// # Errors
    /// The first reason to turn the token away.
    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial>;
}
