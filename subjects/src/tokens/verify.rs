//! What does it cost to verify an access token, and how much of that is the signature?
//!
//! One factor at a time from a base cell (HS256, typical claims, aws-lc-rs). The paths:
//!
//! - `primitive`: the signature alone, over bytes and with a decoded signature that are at hand;
//! - `floor`: with the MAC, what no HS256 token can do without: base64 and one JSON parse;
//! - `prepared`: our verifier, every check of the policy included;
//! - `jsonwebtoken`: the library's `decode` into a struct, nothing on top;
//! - `jsonwebtoken+policy`: with the policy on top, as the registered strategies have it.

use std::sync::Arc;

use anyhow::ensure;
use authbench::error::Denial;
use authbench::identity::SubjectId;
use authbench::token::AccessTokens;
use authbench::token::algorithm::Pinned;
use authbench::token::key::Algorithm;
use authbench::token::library::Library;
use authbench::token::prepared::{AwsLc, PayloadBuffer, Prepared, PreparedKey};
use aws_lc_rs::hmac;
use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use super::plain::{Plain, by_backend};
use super::provider::Backend;
use super::ring_key::RingKey;
use super::{SCHEMES, in_every_backend, with_pinned};
use crate::bed::{Bed, CREDENTIALS, Scheme};
use crate::mint::{Claims, Mint};
use crate::strategies::tamper;
use crate::subject::{Batch, Name, Subject, repeat};

/// The base cell's algorithm.
pub const BASE: Scheme = Scheme::of(Algorithm::Hs256);

/// The name of a cell.
#[must_use]
pub fn name(path: &str, scheme: Scheme, claims: Claims, backend: Backend) -> Name {
    Name::new("verify", path).with("alg", scheme).with("claims", claims).with("backend", backend)
}

/// Every cell.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let mut all = vec![floor(Claims::Typical)];
    for scheme in SCHEMES {
        all.push(primitive(scheme, Claims::Typical, Backend::AwsLc));
        all.push(prepared(scheme, Claims::Typical, Backend::AwsLc));
        all.push(plain(scheme, Claims::Typical, Backend::AwsLc));
        all.push(with_policy(scheme, Claims::Typical));
    }
    for scheme in in_every_backend() {
        all.push(primitive(scheme, Claims::Typical, Backend::Ring));
        all.push(prepared(scheme, Claims::Typical, Backend::Ring));
        all.push(plain(scheme, Claims::Typical, Backend::Ring));
        all.push(plain(scheme, Claims::Typical, Backend::RustCrypto));
    }
    for claims in Claims::ALL.into_iter().filter(|claims| *claims != Claims::Typical) {
        all.push(primitive(BASE, claims, Backend::AwsLc));
        all.push(plain(BASE, claims, Backend::AwsLc));
        // The policy demands nine claims, and the minimal ones are three.
        if claims != Claims::Minimal {
            all.push(floor(claims));
            all.push(prepared(BASE, claims, Backend::AwsLc));
            all.push(with_policy(BASE, claims));
        }
    }
    all
}

/// Tokens of subjects 0, 1, 2, ...
///
/// # Errors
/// When they cannot be made.
pub fn tokens(bed: &Arc<Bed>, scheme: Scheme, claims: Claims) -> anyhow::Result<Vec<String>> {
    let mint = Mint::new(bed, scheme)?;
    (0..CREDENTIALS).map(|n| mint.token(claims, n)).collect()
}

/// A batch that verifies the tokens in turn; `verify` answers whether token `n` is subject `n`'s.
/// It must refuse the first token with its signature changed.
fn cycle(
    tokens: Vec<String>,
    verify: impl Fn(u64, &str) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Batch> {
    ensure!(verify(0, &tamper(&tokens[0])).is_err(), "a tampered token was accepted");
    Ok(repeat(move |n| {
        let n = n % CREDENTIALS;
        verify(n, &tokens[n as usize])
    }))
}

fn primitive(scheme: Scheme, claims: Claims, backend: Backend) -> Subject {
    let name = name("primitive", scheme, claims, backend);
    let subject = Subject::new(name, move |bed| {
        with_pinned!(scheme.algorithm, A => match backend {
            Backend::Ring => primitive_batch::<RingKey<A>>(bed, scheme, claims),
            _ => primitive_batch::<AwsLc<A>>(bed, scheme, claims),
        })
    });
    if backend != Backend::AwsLc {
        return subject.against(&self::name("primitive", scheme, claims, Backend::AwsLc));
    }
    // How much dearer than an HMAC.
    if scheme == BASE && claims == Claims::Typical {
        return subject.against(&self::name("floor", BASE, claims, Backend::AwsLc));
    }
    subject.against(&self::name("primitive", BASE, Claims::Typical, Backend::AwsLc))
}

fn primitive_batch<K: PreparedKey>(
    bed: &Arc<Bed>,
    scheme: Scheme,
    claims: Claims,
) -> anyhow::Result<Batch> {
    let ring = bed.keys(scheme)?;
    let key = K::prepare(ring.of(scheme.algorithm)?[0])?;
    let mut signed = Vec::new();
    for token in tokens(bed, scheme, claims)? {
        let segments = Prepared::<K>::split(&token)?;
        let signature = URL_SAFE_NO_PAD.decode_to_vec(segments.signature)?;
        signed.push((segments.signing_input.to_vec(), signature));
    }
    ensure!(!key.verify(b"forged", &signed[0].1), "a signature of something else was accepted");
    Ok(repeat(move |n| {
        let (input, signature) = &signed[(n % CREDENTIALS) as usize];
        ensure!(key.verify(input, signature), "a good signature was refused");
        Ok(())
    }))
}

fn prepared(scheme: Scheme, claims: Claims, backend: Backend) -> Subject {
    let reference = if scheme == BASE && backend == Backend::AwsLc { "floor" } else { "primitive" };
    Subject::new(name("prepared", scheme, claims, backend), move |bed| {
        with_pinned!(scheme.algorithm, A => match backend {
            Backend::Ring => checked::<Prepared<RingKey<A>>>(bed, scheme, claims),
            _ => checked::<Prepared<AwsLc<A>>>(bed, scheme, claims),
        })
    })
    .against(&name(reference, scheme, claims, backend))
}

/// Our checks, by whichever way the signature is verified.
fn checked<T: AccessTokens>(
    bed: &Arc<Bed>,
    scheme: Scheme,
    claims: Claims,
) -> anyhow::Result<Batch> {
    let (verifier, now) = (T::build(&bed.deps(scheme)?)?, bed.now);
    let tokens = tokens(bed, scheme, claims)?;
    let refused = verifier.verify(&tamper(&tokens[0]), now);
    ensure!(refused == Err(Denial::BadSignature), "a tampered token was answered {refused:?}");
    cycle(tokens, move |n, token| {
        ensure!(verifier.verify(token, now)?.principal.subject == SubjectId(n), "somebody else");
        Ok(())
    })
}

fn with_policy(scheme: Scheme, claims: Claims) -> Subject {
    Subject::new(name("jsonwebtoken+policy", scheme, claims, Backend::AwsLc), move |bed| {
        let mut batch =
            with_pinned!(scheme.algorithm, A => checked::<Library<A>>(bed, scheme, claims))?;
        Ok(Box::new(move |iterations, stopwatch| {
            by_backend(Backend::AwsLc, iterations, || batch(iterations, stopwatch))
        }))
    })
    .against(&name("jsonwebtoken", scheme, claims, Backend::AwsLc))
}

fn plain(scheme: Scheme, claims: Claims, backend: Backend) -> Subject {
    let subject = Subject::new(name("jsonwebtoken", scheme, claims, backend), move |bed| {
        let mut batch = with_pinned!(scheme.algorithm, A => plain_batch::<A>(bed, scheme, claims))?;
        Ok(Box::new(move |iterations, stopwatch| {
            by_backend(backend, iterations, || batch(iterations, stopwatch))
        }))
    });
    if backend != Backend::AwsLc {
        return subject.against(&name("jsonwebtoken", scheme, claims, Backend::AwsLc));
    }
    let reference = if claims == Claims::Minimal { "primitive" } else { "prepared" };
    subject.against(&name(reference, scheme, claims, Backend::AwsLc))
}

fn plain_batch<A: Pinned>(bed: &Arc<Bed>, scheme: Scheme, claims: Claims) -> anyhow::Result<Batch> {
    let plain = Plain::new::<A>(bed, scheme, claims)?;
    let subjects: Vec<String> = (0..CREDENTIALS).map(|n| SubjectId(n).to_string()).collect();
    cycle(tokens(bed, scheme, claims)?, move |n, token| {
        ensure!(plain.subject_of(token)? == subjects[n as usize], "it read somebody else");
        Ok(())
    })
}

/// What no verification of an HS256 token can do without: the MAC over the signing input, base64
/// of payload and signature, and one JSON parse into the struct that `prepared` reads. Each in the
/// fastest form that we know; no check of any claim, no header, no search for the dots.
fn floor(claims: Claims) -> Subject {
    Subject::new(name("floor", BASE, claims, Backend::AwsLc), move |bed| {
        type Hs256 = Prepared<AwsLc<authbench::token::algorithm::Hs256>>;
        let ring = bed.keys(BASE)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &ring.of(BASE.algorithm)?[0].private);
        let cut = |token: String| {
            let segments = Hs256::split(&token)?;
            let (header, payload) = (segments.header.len(), segments.payload.len());
            Ok((token, header + 1..header + 1 + payload))
        };
        let cut: Vec<_> =
            tokens(bed, BASE, claims)?.into_iter().map(cut).collect::<Result<_, Denial>>()?;
        let subjects: Vec<String> = (0..CREDENTIALS).map(|n| SubjectId(n).to_string()).collect();
        Ok(repeat(move |n| {
            let n = (n % CREDENTIALS) as usize;
            let (token, payload) = &cut[n];
            let token = token.as_bytes();
            let mut tag = [0; 32];
            URL_SAFE_NO_PAD.decode(&token[payload.end + 1..], tag.as_mut_slice().as_out())?;
            let good = hmac::verify(&key, &token[..payload.end], &tag).is_ok();
            ensure!(good, "a good MAC was refused");
            let mut buffer = PayloadBuffer::new();
            let json = Hs256::decode_payload(&token[payload.clone()], &mut buffer)?;
            ensure!(Hs256::read(json)?.subject() == subjects[n], "it read somebody else");
            Ok(())
        }))
    })
    .against(&name("primitive", BASE, claims, Backend::AwsLc))
}
