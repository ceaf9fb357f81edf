//! Where the time of one accepted verification goes: its steps, timed apart over the same tokens,
//! to be added up and held against the whole.
//!
//! The steps of `prepared` are the functions that its `verify` calls. Those of `jsonwebtoken` are
//! its own public functions where there are any, as often as `decode` of 11.1 does the same:
//!
//! - `header`, twice: cut the token, base64, JSON;
//! - `signature`: make a verifier from the key, base64, the MAC;
//! - `claims`: cut the token, base64, JSON into the caller's struct.
//!
//! What it keeps to itself is done here by the same calls of the same crates: `claims-again`, JSON
//! into a struct of its own, and `claim-checks`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use authbench::identity::SubjectId;
use authbench::settings::Settings;
use authbench::token::AccessTokens;
use authbench::token::algorithm::{Hs256, Pinned};
use authbench::token::prepared::{AwsLc, PayloadBuffer, Prepared, ReadClaims};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{crypto, decode_header};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::plain::TypicalClaims;
use super::provider::Backend;
use super::verify::{self, BASE};
use crate::bed::{Bed, CREDENTIALS};
use crate::mint::Claims;
use crate::subject::{Batch, Name, Subject, repeat};

type Tokens = Prepared<AwsLc<Hs256>>;

/// The steps of [`Prepared::verify`](AccessTokens::verify), in order.
const OF_PREPARED: [&str; 6] =
    ["split", "header", "signature", "base64", "claims-json", "claim-checks"];
/// The steps of `jsonwebtoken::decode`, in order.
const OF_LIBRARY: [&str; 5] = ["header", "signature", "claims", "claims-again", "claim-checks"];

/// Every step of both paths; each alternates with the whole.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let step = |path: &'static str, step: &'static str, make: fn(&str, Material) -> Batch| {
        Subject::new(Name::new("part", path).with("step", step), move |bed| {
            Ok(make(step, Material::gather(bed)?))
        })
        .against(&verify::name(path, BASE, Claims::Typical, Backend::AwsLc))
    };
    let prepared = OF_PREPARED.map(|name| step("prepared", name, of_prepared));
    let library = OF_LIBRARY.map(|name| step("jsonwebtoken", name, of_library));
    prepared.into_iter().chain(library).collect()
}

/// The tokens and what each step needs of them.
struct Material {
    tokens: Vec<String>,
    jsons: Vec<String>,
    subjects: Vec<String>,
    verifier: Tokens,
    settings: Settings,
    key: jsonwebtoken::DecodingKey,
    bed: Arc<Bed>,
}

impl Material {
    fn gather(bed: &Arc<Bed>) -> anyhow::Result<Self> {
        let tokens = verify::tokens(bed, BASE, Claims::Typical)?;
        let jsons =
            tokens.iter().map(|token| crate::mint::payload(token)).collect::<Result<_, _>>()?;
        let deps = bed.deps(BASE)?;
        Ok(Self {
            tokens,
            jsons,
            subjects: (0..CREDENTIALS).map(|n| SubjectId(n).to_string()).collect(),
            verifier: Tokens::build(&deps)?,
            key: Hs256::decoding_key(deps.keys.of(BASE.algorithm)?[0]),
            settings: deps.settings,
            bed: Arc::clone(bed),
        })
    }
}

fn of_prepared(step: &str, m: Material) -> Batch {
    match step {
        "split" => repeat(move |n| {
            let token = &m.tokens[(n % CREDENTIALS) as usize];
            ensure!(Tokens::split(token)?.header.len() < token.len(), "no header");
            Ok(())
        }),
        // The cut costs what the step before is for, so it is done beforehand.
        "header" => over_segments(m, |m, segments| {
            ensure!(m.verifier.key_of(segments)? == 0, "another key");
            Ok(())
        }),
        "signature" => {
            over_segments(m, |m, segments| Ok(m.verifier.check_signature(0, segments)?))
        }
        "base64" => over_segments(m, |_, segments| {
            let mut buffer = PayloadBuffer::new();
            let json = Tokens::decode_payload(segments.payload, &mut buffer)?;
            ensure!(json.ends_with('}'), "no JSON object");
            Ok(())
        }),
        "claims-json" => repeat(move |n| {
            let n = (n % CREDENTIALS) as usize;
            ensure!(Tokens::read(&m.jsons[n])?.subject() == m.subjects[n], "somebody else");
            Ok(())
        }),
        _ => judge_prepared(m),
    }
}

/// A batch over segments that were cut before the clock ran.
fn over_segments(
    m: Material,
    once: fn(&Material, &authbench::token::prepared::Segments<'_>) -> anyhow::Result<()>,
) -> Batch {
    let mut next = 0;
    Box::new(move |iterations, stopwatch| {
        let cut =
            m.tokens.iter().map(|token| Tokens::split(token)).collect::<Result<Vec<_>, _>>()?;
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| {
            range.into_iter().try_for_each(|n| once(&m, &cut[(n % CREDENTIALS) as usize]))
        })?
    })
}

/// Judges claims that were read before the clock ran.
fn judge_prepared(m: Material) -> Batch {
    let mut next = 0;
    Box::new(move |iterations, stopwatch| {
        let read: Vec<ReadClaims<'_>> =
            m.jsons.iter().map(|json| Tokens::read(json)).collect::<Result<_, _>>()?;
        let range = next..next + iterations;
        next += iterations;
        let now = m.bed.now;
        stopwatch.time(|| {
            range.into_iter().try_for_each(|n| {
                let verified = m.verifier.judge(&read[(n % CREDENTIALS) as usize], now)?;
                ensure!(verified.principal.subject == SubjectId(n % CREDENTIALS), "somebody else");
                Ok(())
            })
        })?
    })
}

/// What `jsonwebtoken` reads the claims into for its own checks: each may be missing or mistyped,
/// which costs more to read than a struct that knows what it wants.
#[derive(Deserialize)]
struct Checked<'a> {
    #[serde(default, deserialize_with = "number")]
    exp: Tried<u64>,
    #[serde(default, deserialize_with = "number")]
    nbf: Tried<u64>,
    #[serde(borrow)]
    sub: Tried<Cow<'a, str>>,
    #[serde(borrow)]
    iss: Tried<OneOrMany<'a>>,
    #[serde(borrow)]
    aud: Tried<OneOrMany<'a>>,
}

/// A claim that is there and of the right type, or not.
#[derive(Default)]
enum Tried<T> {
    Read(T),
    #[default]
    Not,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tried<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer).ok().flatten().map_or(Self::Not, Self::Read))
    }
}

impl<T> Tried<T> {
    fn is_read_and(&self, holds: impl FnOnce(&T) -> bool) -> bool {
        matches!(self, Self::Read(value) if holds(value))
    }
}

/// A time: whole seconds, or a fraction that is rounded.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tried<u64>, D::Error> {
    struct Seconds;
    impl Visitor<'_> for Seconds {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number of seconds")
        }

        fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }

        fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
            Ok(value.round() as u64)
        }
    }
    Ok(deserializer.deserialize_any(Seconds).map_or(Tried::Not, Tried::Read))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    #[serde(borrow)]
    One(Cow<'a, str>),
    Many(HashSet<String>),
}

impl OneOrMany<'_> {
    fn meets(&self, allowed: &HashSet<String>) -> bool {
        match self {
            Self::One(name) => allowed.contains(name.as_ref()),
            Self::Many(names) => !names.is_disjoint(allowed),
        }
    }
}

fn of_library(step: &str, m: Material) -> Batch {
    match step {
        "header" => repeat(move |n| {
            for _ in 0..2 {
                let header = decode_header(&m.tokens[(n % CREDENTIALS) as usize])?;
                ensure!(header.alg == Hs256::LIBRARY, "another algorithm");
            }
            Ok(())
        }),
        "signature" => repeat(move |n| {
            let token = &m.tokens[(n % CREDENTIALS) as usize];
            let (message, signature) = token.rsplit_once('.').context("no token")?;
            let good = crypto::verify(signature, message.as_bytes(), &m.key, Hs256::LIBRARY)?;
            ensure!(good, "a good MAC was refused");
            Ok(())
        }),
        "claims" => repeat(move |n| {
            let n = (n % CREDENTIALS) as usize;
            let claims: TypicalClaims = insecure_decode_claims(&m.tokens[n])?;
            ensure!(claims.sub == m.subjects[n], "it read somebody else");
            Ok(())
        }),
        "claims-again" => repeat(move |n| {
            let json = m.jsons[(n % CREDENTIALS) as usize].as_bytes();
            let checked: Checked<'_> = serde_json::from_slice(json)?;
            ensure!(checked.exp.is_read_and(|exp| *exp > m.bed.now.0), "other claims");
            Ok(())
        }),
        _ => check_like_the_library(m),
    }
}

/// The library's checks on claims that were read before the clock ran: four must be there, `exp` is
/// compared with the system's clock, issuer and audience are looked up in sets.
fn check_like_the_library(m: Material) -> Batch {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<HashSet<String>>();
    let required = set(&["exp", "iss", "aud", "sub"]);
    let (issuers, audiences) = (set(&[&m.settings.issuer]), set(&[&m.settings.audience]));
    let mut next = 0;
    Box::new(move |iterations, stopwatch| {
        let read: Vec<Checked<'_>> =
            m.jsons.iter().map(|json| serde_json::from_str(json)).collect::<Result<_, _>>()?;
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| {
            range.into_iter().try_for_each(|n| {
                let claims = &read[(n % CREDENTIALS) as usize];
                let there = |name: &String| match name.as_str() {
                    "exp" => claims.exp.is_read_and(|_| true),
                    "sub" => claims.sub.is_read_and(|_| true),
                    "iss" => claims.iss.is_read_and(|_| true),
                    _ => claims.aud.is_read_and(|_| true),
                };
                ensure!(required.iter().all(there), "a claim is missing");
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                ensure!(claims.exp.is_read_and(|exp| *exp >= now), "it has expired");
                ensure!(!claims.nbf.is_read_and(|nbf| *nbf > now), "not yet valid");
                ensure!(claims.iss.is_read_and(|iss| iss.meets(&issuers)), "not from them");
                ensure!(claims.aud.is_read_and(|aud| aud.meets(&audiences)), "not for us");
                Ok(())
            })
        })?
    })
}
