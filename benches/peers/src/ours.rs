//! What the peers are divided by: our prepared verifier and issuer, on the same keys and claims;
//! and the tokens that both see.

use std::fmt;

use anyhow::{anyhow, bail};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::contract::Deps;
use authbench::token::algorithm::{EdDsa, Es256, Hs256, Rs256};
use authbench::token::key::Algorithm;
use authbench::token::library::Library;
use authbench::token::{AccessTokens, NewToken, TokenId, Verified};
use authbench_subjects::bed::Scheme;
use authbench_subjects::mint::Claims as Size;
use authbench_subjects::subject::{Name, Subject};
use authbench_subjects::tokens::provider::Backend;
use authbench_subjects::tokens::{issue, verify};

use crate::claims::{Claims, jti};

/// What the reference of a cell is called.
#[must_use]
pub fn name(operation: &'static str, algorithm: Algorithm) -> Name {
    let of = if operation == "issue" { issue::name } else { verify::name };
    of("prepared", Scheme::of(algorithm), Size::Typical, Backend::AwsLc)
}

/// All that is timed of our tokens, the references among it.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let mut all = verify::subjects();
    all.append(&mut issue::subjects());
    all
}

fn build<T: AccessTokens>(deps: &Deps) -> anyhow::Result<T> {
    T::build(deps).map_err(|e| anyhow!("{e}"))
}

type Issue = Box<dyn Fn(&NewToken, UnixTime) -> anyhow::Result<String>>;
type Verify = Box<dyn Fn(&str, UnixTime) -> anyhow::Result<Verified>>;

/// Our issuer and verifier of one algorithm, for setting up; never timed.
pub struct Ours {
    issue: Issue,
    verify: Verify,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours(..)")
    }
}

impl Ours {
    /// Takes the keys of `algorithm`.
    ///
    /// # Errors
    /// An algorithm that no strategy uses, or keys that do not parse.
    pub fn new(algorithm: Algorithm, deps: &Deps) -> anyhow::Result<Self> {
        match algorithm {
            Algorithm::Hs256 => Self::of::<Library<Hs256>>(deps),
            Algorithm::EdDsa => Self::of::<Library<EdDsa>>(deps),
            Algorithm::Es256 => Self::of::<Library<Es256>>(deps),
            Algorithm::Rs256 => Self::of::<Library<Rs256>>(deps),
            Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::Es384 | Algorithm::Ps256 => {
                bail!("{} is not compared", algorithm.name())
            }
        }
    }

    fn of<T: AccessTokens>(deps: &Deps) -> anyhow::Result<Self> {
        let (issuer, verifier) = (build::<T>(deps)?, build::<T>(deps)?);
        Ok(Self {
            issue: Box::new(move |token, now| {
                let grant = issuer.issue(token, now).map_err(|e| anyhow!("{e}"))?;
                Ok(grant.access.expose().to_owned())
            }),
            verify: Box::new(move |token, now| {
                verifier.verify(token, now).map_err(|e| anyhow!("{e}"))
            }),
        })
    }

    /// Signs a token.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn issue(&self, token: &NewToken, now: UnixTime) -> anyhow::Result<String> {
        (self.issue)(token, now)
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// It is refused.
    pub fn verify(&self, token: &str, now: UnixTime) -> anyhow::Result<Verified> {
        (self.verify)(token, now)
    }
}

/// Token number `i`, for a subject of its own.
#[must_use]
pub fn new_token(i: u64, now: UnixTime) -> NewToken {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let subject = SubjectId(i.wrapping_mul(0xd134_2543_de82_ef95));
    let principal = Principal::of_test_subject(subject, now);
    NewToken { principal, id: TokenId(id), version: None, session: None }
}

/// The claims of that token as text.
#[must_use]
pub fn claims(token: &NewToken, settings: &Settings, now: UnixTime) -> Claims {
    Claims {
        iss: settings.issuer.clone(),
        sub: token.principal.subject.to_string(),
        aud: settings.audience.clone(),
        exp: now.plus(settings.token_lifetime_s).0,
        iat: now.0,
        auth_time: token.principal.auth_time.0,
        jti: jti(&token.id),
        scope: token.principal.scopes.to_string(),
        tenant: token.principal.tenant.to_string(),
    }
}
