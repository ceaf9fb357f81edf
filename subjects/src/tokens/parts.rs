//! Where the time of one accepted verification goes: its steps, timed apart over the same tokens,
//! to be added up and held against the whole.
//!
//! The steps of `prepared` are the functions that its `verify` calls. `jsonwebtoken` keeps its own
//! to itself, so each of its steps is done here with the same calls of the same crates, as often as
//! `decode` of 11.1 does it: it cuts the token, decodes and parses the header twice, and parses the
//! claims into the caller's struct and into one of its own.

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
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use jsonwebtoken::crypto::aws_lc;
use serde::Deserialize;

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
const OF_LIBRARY: [&str; 6] =
    ["split", "base64", "header-json", "signature", "claims-json", "claim-checks"];

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

/// What `jsonwebtoken` reads the claims into for its own checks: each may be missing or mistyped.
#[derive(Deserialize)]
struct Checked<'a> {
    exp: Option<u64>,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(borrow)]
    sub: Option<Cow<'a, str>>,
    #[serde(borrow)]
    iss: OneOrMany<'a>,
    #[serde(borrow)]
    aud: OneOrMany<'a>,
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

/// Header, payload and signature, cut as the library does.
fn cut(token: &str) -> anyhow::Result<[&[u8]; 4]> {
    let mut parts = token.as_bytes().rsplitn(2, |b| *b == b'.');
    let (signature, message) = parts.next().zip(parts.next()).context("no dot")?;
    let mut parts = message.rsplitn(2, |b| *b == b'.');
    let (payload, header) = parts.next().zip(parts.next()).context("one dot")?;
    Ok([header, payload, signature, message])
}

fn of_library(step: &str, m: Material) -> Batch {
    match step {
        "split" => repeat(move |n| {
            let token = &m.tokens[(n % CREDENTIALS) as usize];
            for _ in 0..2 {
                ensure!(cut(std::hint::black_box(token))?[0].len() < token.len(), "no header");
            }
            Ok(())
        }),
        "base64" => over_cut(m, |_, [header, payload, signature, _], _| {
            let twice = (URL_SAFE_NO_PAD.decode(header)?, URL_SAFE_NO_PAD.decode(header)?);
            let rest = (URL_SAFE_NO_PAD.decode(payload)?, URL_SAFE_NO_PAD.decode(signature)?);
            ensure!(twice.0.len() == twice.1.len() && !rest.0.is_empty(), "not decoded");
            ensure!(rest.1.len() == 32, "no MAC");
            Ok(())
        }),
        "header-json" => {
            let header = cut(&m.tokens[0]).map(|parts| URL_SAFE_NO_PAD.decode(parts[0]));
            repeat(move |_| {
                let Ok(Ok(header)) = &header else { anyhow::bail!("no header") };
                for _ in 0..2 {
                    let read: Header = serde_json::from_slice(std::hint::black_box(header))?;
                    ensure!(read.alg == Hs256::LIBRARY, "another algorithm");
                }
                Ok(())
            })
        }
        "signature" => over_cut(m, |m, [_, _, _, message], signature| {
            let make = aws_lc::DEFAULT_PROVIDER.verifier_factory;
            let verifier = make(&Hs256::LIBRARY, &m.key)?;
            ensure!(verifier.verify(message, signature).is_ok(), "a good MAC was refused");
            Ok(())
        }),
        "claims-json" => repeat(move |n| {
            let n = (n % CREDENTIALS) as usize;
            let claims: TypicalClaims = serde_json::from_slice(m.jsons[n].as_bytes())?;
            let checked: Checked<'_> = serde_json::from_slice(m.jsons[n].as_bytes())?;
            ensure!(claims.sub == m.subjects[n] && checked.exp == Some(claims.exp), "other claims");
            Ok(())
        }),
        _ => check_like_the_library(m),
    }
}

/// A batch over tokens that were cut, and their signatures decoded, before the clock ran.
fn over_cut(m: Material, once: fn(&Material, [&[u8]; 4], &Vec<u8>) -> anyhow::Result<()>) -> Batch {
    let mut next = 0;
    Box::new(move |iterations, stopwatch| {
        let mut parts = Vec::new();
        for token in &m.tokens {
            let cut = cut(token)?;
            parts.push((cut, URL_SAFE_NO_PAD.decode(cut[2])?));
        }
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| {
            range.into_iter().try_for_each(|n| {
                let (parts, signature) = &parts[(n % CREDENTIALS) as usize];
                once(&m, *parts, signature)
            })
        })?
    })
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
                    "exp" => claims.exp.is_some(),
                    "sub" => claims.sub.is_some(),
                    _ => true,
                };
                ensure!(required.iter().all(there), "a claim is missing");
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                ensure!(claims.exp.is_some_and(|exp| exp >= now), "it has expired");
                ensure!(claims.nbf.is_none(), "not yet valid");
                ensure!(claims.iss.meets(&issuers) && claims.aud.meets(&audiences), "not for us");
                Ok(())
            })
        })?
    })
}
