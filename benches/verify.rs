//! What does it cost to verify an access token, and how much of that is the signature?
//!
//! Per algorithm: through `jsonwebtoken` with our policy; prepared (HS256); and the primitive over
//! the same bytes with a key parsed once, which is the floor. Local nanoseconds: for ratios that
//! stand up use `authbench micro`, which interleaves.

mod support;

use std::time::Duration;

use authbench::credential::Secret;
use authbench::error::Denial;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::strategy::contract::Deps;
use authbench::token::algorithm::{EdDsa, Es256, Hs256, Rs256};
use authbench::token::key::{Algorithm, Key};
use authbench::token::library::Library;
use authbench::token::prepared::Prepared;
use authbench::token::{AccessTokens, NewToken, TokenId};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64_simd::URL_SAFE_NO_PAD;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use support::{CREDENTIALS, deps, now};

type Group<'c> = BenchmarkGroup<'c, WallTime>;

/// Whether a signature over a message is good.
type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// Tokens of subjects 0, 1, 2, ... in that order.
fn issue<T: AccessTokens>(tokens: &T, now: UnixTime) -> Vec<Secret> {
    let issue = |n: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let principal = Principal::of_test_subject(SubjectId(n), now);
        let token = NewToken { principal, id: TokenId(id), version: None };
        tokens.issue(&token, now).expect("the key can sign").access
    };
    (0..CREDENTIALS).map(issue).collect()
}

/// Cycles through the credentials; `verify` gets the subject that it must find.
fn cycle<C>(group: &mut Group<'_>, id: BenchmarkId, of: &[C], verify: impl Fn(SubjectId, &C)) {
    let mut numbered = (0..).map(SubjectId).zip(of).cycle();
    group.bench_function(id, |b| {
        b.iter(|| {
            let (subject, credential) = numbered.next().expect("a cycle does not end");
            verify(subject, credential);
        });
    });
}

/// `T::verify`, every answer compared with the subject the token was issued to.
fn through<T: AccessTokens>(group: &mut Group<'_>, path: &str, deps: &Deps) {
    let (tokens, now) = (T::build(deps).expect("fresh keys"), now());
    let secrets = issue(&tokens, now);
    let forged = secrets[0].expose().replacen('.', ".A", 1);
    assert_eq!(tokens.verify(&forged, now), Err(Denial::BadSignature));
    let id = BenchmarkId::new(path, T::ALGORITHM.name());
    cycle(group, id, &secrets, |subject, secret| {
        let verified = tokens.verify(secret.expose(), now).expect("a good token");
        assert_eq!(verified.principal.subject, subject);
    });
}

/// The signature alone: the bytes that are signed and the decoded signature are at hand.
fn primitive<T: AccessTokens>(group: &mut Group<'_>, deps: &Deps) {
    let tokens = T::build(deps).expect("fresh keys");
    let signed: Vec<(String, Vec<u8>)> = issue(&tokens, now())
        .iter()
        .map(|secret| {
            let (input, signature) = secret.expose().rsplit_once('.').expect("three segments");
            let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
            (input.to_owned(), signature)
        })
        .collect();
    let check = primitive_check(deps.keys.of(T::ALGORITHM).expect("fresh keys")[0]);
    assert!(!check(b"forged", &signed[0].1));
    let id = BenchmarkId::new("primitive", T::ALGORITHM.name());
    cycle(group, id, &signed, |_, (input, signature)| assert!(check(input.as_bytes(), signature)));
}

/// Verifies with a key that was parsed once.
fn primitive_check(key: &Key) -> Check {
    let public = |parsed: Result<ParsedPublicKey, _>| -> Check {
        let key = parsed.expect("a fresh key parses");
        Box::new(move |message, signature| key.verify_sig(message, signature).is_ok())
    };
    match key.algorithm {
        Algorithm::Hs256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key.private);
            Box::new(move |message, tag| hmac::verify(&key, message, tag).is_ok())
        }
        Algorithm::EdDsa => public(ParsedPublicKey::new(&ED25519, &key.public)),
        Algorithm::Es256 => public(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public)),
        Algorithm::Rs256 => public(ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.public)),
    }
}

fn verify(c: &mut Criterion) {
    let deps = deps(None);
    let mut group = c.benchmark_group("verify");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    through::<Library<Hs256>>(&mut group, "jsonwebtoken", &deps);
    through::<Prepared>(&mut group, "prepared", &deps);
    primitive::<Prepared>(&mut group, &deps);
    through::<Library<EdDsa>>(&mut group, "jsonwebtoken", &deps);
    primitive::<Library<EdDsa>>(&mut group, &deps);
    through::<Library<Es256>>(&mut group, "jsonwebtoken", &deps);
    primitive::<Library<Es256>>(&mut group, &deps);
    through::<Library<Rs256>>(&mut group, "jsonwebtoken", &deps);
    primitive::<Library<Rs256>>(&mut group, &deps);
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
