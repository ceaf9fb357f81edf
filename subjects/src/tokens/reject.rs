//! What does a forged credential cost, beside a good one? What an attacker makes a server do.
//!
//! Every strategy but the floor, one request at a time. Each answer must be the denial that is
//! expected of the kind, so nothing is refused for another reason than the one that is timed.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use authbench::credential::Credential;
use authbench::error::{AuthError, Denial};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Family, Visitor};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::bed::{Bed, Scheme};
use crate::drive::{drive, one_by_one};
use crate::mint::{Mint, payload, session_id};
use crate::strategies::{Wallet, is_timed_here, scheme_of, tamper, waits};
use crate::subject::{Batch, Name, Subject};

/// Distinct forgeries of a kind.
const FORGERIES: usize = 64;

/// A kind of forged credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forgery {
    /// A token whose signature has one character changed.
    BadSignature,
    /// A token of ours that has expired.
    Expired,
    /// A token of ours for another audience.
    WrongAudience,
    /// A token whose header names a key that nobody has.
    UnknownKid,
    /// Random characters.
    Garbage,
    /// A token that says `"alg":"none"` and carries no signature.
    AlgNone,
    /// A token of 64 KiB.
    Long,
    /// A session id that was never issued.
    RandomId,
}

impl Forgery {
    /// Those that are presented to a strategy of `family`, each with the answer it must get.
    #[must_use]
    pub fn of(family: Family) -> Vec<(Self, Denial)> {
        match family {
            // What a link turns away is no load: nobody presents one in bulk.
            Family::Floor | Family::Link => Vec::new(),
            Family::Session => vec![
                (Self::RandomId, Denial::Unknown),
                (Self::Garbage, Denial::Malformed),
                (Self::Long, Denial::Malformed),
            ],
            Family::Token | Family::TokenWithState | Family::Hybrid => vec![
                (Self::BadSignature, Denial::BadSignature),
                (Self::Expired, Denial::Expired),
                (Self::WrongAudience, Denial::WrongAudience),
                (Self::UnknownKid, Denial::UnknownKey),
                (Self::Garbage, Denial::Malformed),
                (Self::AlgNone, Denial::WrongAlgorithm),
                (Self::Long, Denial::Malformed),
            ],
        }
    }
}

impl Forgery {
    /// Whether it is a genuine JWT with another header or other claims.
    const fn edits_a_jwt(self) -> bool {
        matches!(self, Self::Expired | Self::WrongAudience | Self::UnknownKid | Self::AlgNone)
    }
}

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => "bad-signature",
            Self::Expired => "expired",
            Self::WrongAudience => "wrong-audience",
            Self::UnknownKid => "unknown-kid",
            Self::Garbage => "garbage",
            Self::AlgNone => "alg-none",
            Self::Long => "64k",
            Self::RandomId => "random-id",
        })
    }
}

/// Every kind for every strategy. What alternates with it is an accepted credential of the same
/// strategy: `accepted` names that subject.
#[must_use]
pub fn subjects(accepted: impl Fn(StrategyKind) -> Name) -> Vec<Subject> {
    let mut all = Vec::new();
    for &kind in StrategyKind::ALL.iter().filter(|kind| is_timed_here(**kind)) {
        let properties = kind.properties();
        for (forgery, expected) in Forgery::of(properties.family) {
            // What takes a JWT to be made from.
            if properties.algorithm.is_none() && forgery.edits_a_jwt() {
                continue;
            }
            let name = Name::new("reject", kind.name()).with("kind", forgery);
            let waits = waits(kind);
            let subject = Subject::new(name, move |bed| {
                let make = Make { bed: Arc::clone(bed), forgery, expected };
                drive(bed, waits, kind.visit(make))?
            });
            let subject = subject.of(kind).against(&accepted(kind));
            all.push(if waits { subject.waiting() } else { subject });
        }
    }
    all
}

struct Make {
    bed: Arc<Bed>,
    forgery: Forgery,
    expected: Denial,
}

impl Visitor for Make {
    type Output = anyhow::Result<Batch>;

    async fn visit<S: AuthStrategy>(self, kind: StrategyKind) -> Self::Output {
        let wallet = Wallet::<S>::fill(&self.bed, kind).await?;
        // The control: what the forgeries are made from is admitted.
        wallet.verify(0).await?;
        let forge = Forge { bed: &self.bed, scheme: scheme_of(kind), forgery: self.forgery };
        let mut forged = Vec::new();
        for (genuine, _) in &wallet.credentials[..FORGERIES] {
            forged.push(forge.from(genuine.expose())?);
        }
        let (expected, now) = (self.expected, self.bed.now);
        let waits = waits(kind);
        Ok(one_by_one(&self.bed, waits, async move |n| {
            let credential = Credential::new(&forged[n as usize % FORGERIES]);
            match wallet.strategy.authenticate(credential, now).await {
                Err(AuthError::Denied(denial)) if denial == expected => Ok(()),
                other => anyhow::bail!("it must be refused as {expected}, and was {other:?}"),
            }
        }))
    }
}

struct Forge<'b> {
    bed: &'b Arc<Bed>,
    scheme: Scheme,
    forgery: Forgery,
}

impl Forge<'_> {
    /// A forgery made from a genuine credential.
    fn from(&self, genuine: &str) -> anyhow::Result<String> {
        match self.forgery {
            Forgery::BadSignature => Ok(tamper(genuine)),
            Forgery::Expired => self.signed_again(genuine, |claims| {
                let issued = claims["iat"].as_u64().unwrap_or_default();
                claims["iat"] = (issued - 1_800).into();
                claims["exp"] = (issued - 900).into();
            }),
            Forgery::WrongAudience => self.signed_again(genuine, |claims| {
                claims["aud"] = "https://elsewhere.example".into();
            }),
            Forgery::UnknownKid => self.under_header(genuine, |header| {
                header["kid"] = "nobody-has-it".into();
            }),
            Forgery::AlgNone => {
                let token = self.under_header(genuine, |header| header["alg"] = "none".into())?;
                let (input, _) = token.rsplit_once('.').context("no token")?;
                Ok(format!("{input}."))
            }
            // As long as what it is made from, and without dots.
            Forgery::Garbage => {
                let mut text = session_id()?;
                while text.len() < genuine.len().max(64) {
                    text.push_str(&session_id()?);
                }
                text.truncate(genuine.len().max(64));
                Ok(text)
            }
            Forgery::Long => {
                let (head, tail) = genuine.rsplit_once('.').unwrap_or((genuine, ""));
                Ok(format!("{head}{}.{tail}", "A".repeat(64 * 1_024 - genuine.len())))
            }
            Forgery::RandomId => session_id(),
        }
    }

    /// The token with other claims, under our own key.
    fn signed_again(
        &self,
        genuine: &str,
        change: impl FnOnce(&mut Value),
    ) -> anyhow::Result<String> {
        let mut claims: Value = serde_json::from_str(&payload(genuine)?)?;
        change(&mut claims);
        Mint::new(self.bed, self.scheme)?.sign(&claims.to_string())
    }

    /// The token with another header and the old signature: the header is judged first.
    fn under_header(
        &self,
        genuine: &str,
        change: impl FnOnce(&mut Value),
    ) -> anyhow::Result<String> {
        let (header, rest) = genuine.split_once('.').context("no token")?;
        let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(header)?)?;
        ensure!(header["alg"] == self.scheme.algorithm.name(), "another algorithm");
        change(&mut header);
        Ok(format!("{}.{rest}", URL_SAFE_NO_PAD.encode_to_string(header.to_string())))
    }
}
