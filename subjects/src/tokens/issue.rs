//! What does it cost to issue a token, with the key prepared and with the key parsed at each call?
//!
//! The paths: `primitive`, the signature alone; `prepared`, our issuer with a key parsed once;
//! `jsonwebtoken`, the library's `encode`, which parses a private key whenever it signs. Each token
//! is looked at as it comes, and the last one of a batch is verified when the clock has stopped.
//! Their rivals are `issue/session-*`: an id, its hash, a write to the store.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use argon2::{Algorithm as Variant, Argon2, Params, Version};
use authbench::entropy::{OsEntropy, fresh};
use authbench::identity::{Principal, SubjectId};
use authbench::store::SessionKey;
use authbench::token::algorithm::Pinned;
use authbench::token::library::Library;
use authbench::token::prepared::{AwsLc, Prepared, PreparedKey};
use authbench::token::{AccessTokens, NewToken, TokenId};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Header, encode};

use super::plain::{TypicalClaims, by_backend};
use super::provider::Backend;
use super::ring_key::RingKey;
use super::verify::BASE;
use super::{SCHEMES, in_every_backend, with_pinned};
use crate::bed::{Bed, CREDENTIALS, Scheme};
use crate::mint::{Claims, Mint, payload};
use crate::subject::{Batch, Name, Subject, repeat};

/// OWASP's minimum for argon2id: KiB of memory, passes, lanes.
const ARGON2: (u32, u32, u32) = (19 * 1_024, 2, 1);

/// The name of a cell.
#[must_use]
pub fn name(path: &str, scheme: Scheme, claims: Claims, backend: Backend) -> Name {
    Name::new("issue", path).with("alg", scheme).with("claims", claims).with("backend", backend)
}

/// Every cell.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for scheme in SCHEMES {
        all.push(primitive(scheme, Backend::AwsLc));
        all.push(prepared(scheme, Backend::AwsLc));
        all.push(through_library(scheme, Backend::AwsLc));
    }
    for scheme in in_every_backend() {
        all.push(primitive(scheme, Backend::Ring));
        all.push(prepared(scheme, Backend::Ring));
        all.push(through_library(scheme, Backend::Ring));
        all.push(through_library(scheme, Backend::RustCrypto));
    }
    all.extend([1_024, 4_096].map(|bytes| with_more_claims(Claims::Exactly(bytes))));
    all.extend([session_id(), argon2id()]);
    all
}

/// The contents of token `n`.
fn contents(bed: &Bed, n: u64) -> NewToken {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let principal = Principal::of_test_subject(SubjectId(n % CREDENTIALS), bed.now);
    NewToken { principal, id: TokenId(id), version: None, session: None }
}

fn prepared(scheme: Scheme, backend: Backend) -> Subject {
    Subject::new(name("prepared", scheme, Claims::Typical, backend), move |bed| {
        with_pinned!(scheme.algorithm, A => match backend {
            Backend::Ring => issue::<Prepared<RingKey<A>>>(bed, scheme),
            _ => issue::<Prepared<AwsLc<A>>>(bed, scheme),
        })
    })
    .against(&name("primitive", scheme, Claims::Typical, backend))
}

fn through_library(scheme: Scheme, backend: Backend) -> Subject {
    let (path, other) = match backend {
        Backend::AwsLc => ("prepared", Backend::AwsLc),
        _ => ("jsonwebtoken", Backend::AwsLc),
    };
    Subject::new(
        name("jsonwebtoken", scheme, Claims::Typical, backend),
        move |bed| with_pinned!(scheme.algorithm, A => library_batch::<A>(bed, scheme, backend)),
    )
    .against(&name(path, scheme, Claims::Typical, other))
}

/// Issues tokens in turn. They must begin with the header of the algorithm that was asked for.
fn issue<T: AccessTokens>(bed: &Arc<Bed>, scheme: Scheme) -> anyhow::Result<Batch> {
    let issuer = T::build(&bed.deps(scheme)?)?;
    let first = issuer.issue(&contents(bed, 0), bed.now)?.access.expose().to_owned();
    let header = header_of(&first, scheme)?;
    let (bed, mut next) = (Arc::clone(bed), 0);
    Ok(Box::new(move |iterations, stopwatch| {
        let mut last = None;
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| {
            for n in range.clone() {
                let grant = issuer.issue(&contents(&bed, n), bed.now)?;
                let token = grant.access.expose();
                ensure!(token.starts_with(&header), "it begins with another header");
                ensure!(token.len() == first.len(), "it has another length");
                last = Some(grant);
            }
            Ok(())
        })??;
        let Some(grant) = last else { return Ok(()) };
        let verified = issuer.verify(grant.access.expose(), bed.now)?;
        ensure!(verified.principal == contents(&bed, range.end - 1).principal, "somebody else");
        Ok(())
    }))
}

/// The header segment of `token`, dot included, which must name the scheme's algorithm.
fn header_of(token: &str, scheme: Scheme) -> anyhow::Result<String> {
    let (header, _) = token.split_once('.').context("a token without a dot")?;
    let json = URL_SAFE_NO_PAD.decode_to_vec(header)?;
    let read: serde_json::Value = serde_json::from_slice(&json)?;
    ensure!(read["alg"] == scheme.algorithm.name(), "the header names another algorithm");
    Ok(format!("{header}."))
}

fn library_batch<A: Pinned>(
    bed: &Arc<Bed>,
    scheme: Scheme,
    backend: Backend,
) -> anyhow::Result<Batch> {
    let mut batch = issue::<Library<A>>(bed, scheme)?;
    Ok(Box::new(move |iterations, stopwatch| {
        // One call more: the last token is verified.
        let calls = if iterations == 0 { 0 } else { iterations + 1 };
        by_backend(backend, calls, || batch(iterations, stopwatch))
    }))
}

fn primitive(scheme: Scheme, backend: Backend) -> Subject {
    let subject = Subject::new(name("primitive", scheme, Claims::Typical, backend), move |bed| {
        with_pinned!(scheme.algorithm, A => match backend {
            Backend::Ring => sign::<RingKey<A>>(bed, scheme),
            _ => sign::<AwsLc<A>>(bed, scheme),
        })
    });
    let reference = if backend == Backend::AwsLc { BASE } else { scheme };
    if backend == Backend::AwsLc && scheme == BASE {
        return subject.against(&name("prepared", BASE, Claims::Typical, Backend::AwsLc));
    }
    subject.against(&name("primitive", reference, Claims::Typical, Backend::AwsLc))
}

/// Signs the signing inputs of real tokens.
fn sign<K: PreparedKey>(bed: &Arc<Bed>, scheme: Scheme) -> anyhow::Result<Batch> {
    let ring = bed.keys(scheme)?;
    let key = K::prepare(ring.of(scheme.algorithm)?[0])?;
    let mint = Mint::new(bed, scheme)?;
    let mut inputs = Vec::new();
    for n in 0..CREDENTIALS {
        let token = mint.token(Claims::Typical, n)?;
        let (input, _) = token.rsplit_once('.').context("a token without a dot")?;
        inputs.push(input.to_owned().into_bytes());
    }
    let length = key.sign(&inputs[0])?.as_ref().len();
    let mut next = 0;
    Ok(Box::new(move |iterations, stopwatch| {
        let range = next..next + iterations;
        next += iterations;
        let mut last = None;
        stopwatch.time(|| {
            for n in range {
                let input = &inputs[(n % CREDENTIALS) as usize];
                let signature = key.sign(input)?;
                ensure!(signature.as_ref().len() == length, "a signature of another length");
                last = Some((input, signature));
            }
            Ok(())
        })??;
        let good = last.is_none_or(|(input, signature)| key.verify(input, signature.as_ref()));
        ensure!(good, "it signed wrongly");
        Ok(())
    }))
}

/// `jsonwebtoken` with larger claims.
fn with_more_claims(claims: Claims) -> Subject {
    Subject::new(name("jsonwebtoken", BASE, claims, Backend::AwsLc), move |bed| {
        let ring = bed.keys(BASE)?;
        let key = ring.of(BASE.algorithm)?[0];
        let signing = authbench::token::algorithm::Hs256::encoding_key(key)?;
        let mut header = Header::new(authbench::token::algorithm::Hs256::LIBRARY);
        (header.typ, header.kid) = (Some("at+jwt".into()), Some(key.kid.clone()));
        let mint = Mint::new(bed, BASE)?;
        let bodies: Vec<TypicalClaims> = (0..64)
            .map(|n| Ok(serde_json::from_str(&payload(&mint.token(claims, n)?)?)?))
            .collect::<anyhow::Result<_>>()?;
        let length = encode(&header, &bodies[0], &signing)?.len();
        ensure!(length == mint.token(claims, 0)?.len(), "other claims than those asked for");
        Ok(repeat(move |n| {
            let token = encode(&header, &bodies[(n % 64) as usize], &signing)?;
            ensure!(token.len() == length, "a token of another length");
            Ok(())
        }))
    })
    .against(&name("jsonwebtoken", BASE, Claims::Typical, Backend::AwsLc))
}

/// What a session costs before its store is asked: 32 random bytes, base64url, SHA-256.
fn session_id() -> Subject {
    Subject::new(Name::new("issue", "session-id"), |_| {
        let mut before = SessionKey::of("none yet");
        Ok(repeat(move |_| {
            let id = URL_SAFE_NO_PAD.encode_to_string(fresh::<32>(&OsEntropy)?);
            let key = SessionKey::of(&id);
            ensure!(key != before, "the generator repeated an id");
            before = key;
            Ok(())
        }))
    })
    .against(&name("prepared", BASE, Claims::Typical, Backend::AwsLc))
}

/// A password, for scale: what a login costs before anything is issued.
fn argon2id() -> Subject {
    let (memory, passes, lanes) = ARGON2;
    let cell = format!("m={}MiB,t={passes},p={lanes}", memory / 1_024);
    Subject::new(Name::new("issue", "argon2id").with("cost", cell.replace(',', " ")), move |_| {
        let params = Params::new(memory, passes, lanes, Some(32))
            .map_err(|e| anyhow::anyhow!("argon2: {e}"))?;
        let hasher = Argon2::new(Variant::Argon2id, Version::V0x13, params);
        let hash = move |password: &[u8]| -> anyhow::Result<[u8; 32]> {
            let mut out = [0; 32];
            hasher
                .hash_password_into(password, b"a salt of 16 byt", &mut out)
                .map_err(|e| anyhow::anyhow!("argon2: {e}"))?;
            Ok(out)
        };
        let right = hash(b"correct horse")?;
        ensure!(hash(b"battery staple")? != right, "two passwords have one hash");
        Ok(repeat(move |_| {
            ensure!(hash(b"correct horse")? == right, "another hash of the same password");
            Ok(())
        }))
    })
    .against(&name("prepared", BASE, Claims::Typical, Backend::AwsLc))
}
