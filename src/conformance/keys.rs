//! Keys: each has one algorithm, two are live at a time, and none comes with the token.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac::HMAC_SHA256;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use serde_json::json;

use super::forge::{Forge, NO_TOKEN, encode, mac, sign_as_relatives};
use super::{ALICE, Held, Verdict, World, admitted, build, ensure, refused};
use crate::error::{BuildError, Denial};
use crate::strategy::contract::{AuthStrategy, Deps};
use crate::token::key::{Algorithm, Key, Keyring, generate_key};

/// A key works with the algorithm it is pinned to and no other, of its family or not.
pub(super) async fn another_algorithm_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let key = &forge.keys[0];
    let (_, claims) = forge.edited(|_, _| {});
    for (name, _) in sign_as_relatives(key, b"") {
        let (header, _) = forge.edited(|header, _| drop(header.insert("alg".into(), json!(name))));
        let token = forge.assemble(&header, &claims, |input| {
            let all = sign_as_relatives(key, input);
            all.into_iter().find(|(n, _)| *n == name).map(|(_, s)| s).unwrap_or_default()
        });
        refused(&format!("our key as {name}"), &strategy, &token, world.now, &[]).await?;
    }
    for algorithm in Algorithm::REGISTERED {
        if algorithm == forge.algorithm {
            continue;
        }
        let others = world.deps.keys.of(algorithm).map_err(|e| e.to_string())?;
        // Another strategy's key, under its own name and under one of ours.
        for kid in [&others[0].kid, &key.kid] {
            let token = forge.token_by(others[0], |header, _| {
                header.insert("alg".into(), json!(algorithm.name()));
                header.insert("kid".into(), json!(kid));
            });
            let what = format!("{} by {kid}", algorithm.name());
            refused(&what, &strategy, &token, world.now, &[]).await?;
        }
    }
    Ok(Held::Shown)
}

/// Ways in which a public key is written down, each of which an attacker can read.
fn encodings(key: &Key) -> Vec<Vec<u8>> {
    let spki = |der: PublicKeyX509Der<'_>| der.as_ref().to_vec();
    let spki: Option<Vec<u8>> = match key.algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => None,
        Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.private)
            .ok()
            .and_then(|pair| pair.public_key().as_der().ok().map(spki)),
        Algorithm::Es256 | Algorithm::Es384 => {
            let curve = if key.algorithm == Algorithm::Es256 {
                &ECDSA_P256_SHA256_FIXED_SIGNING
            } else {
                &ECDSA_P384_SHA384_FIXED_SIGNING
            };
            EcdsaKeyPair::from_pkcs8(curve, &key.private)
                .ok()
                .and_then(|pair| pair.public_key().as_der().ok().map(spki))
        }
        Algorithm::Rs256 | Algorithm::Ps256 => RsaKeyPair::from_pkcs8(&key.private)
            .ok()
            .and_then(|pair| pair.public_key().as_der().ok().map(spki)),
    };
    let mut all = vec![key.public.clone(), encode(&key.public).into_bytes()];
    if matches!(key.algorithm, Algorithm::Es256 | Algorithm::Es384) {
        // x and y, without the byte that says the point is not compressed.
        all.push(key.public[1..].to_vec());
    }
    for (label, der) in
        [("PUBLIC KEY", spki.unwrap_or_default()), ("RSA PUBLIC KEY", key.public.clone())]
    {
        let base64 = base64_simd::STANDARD.encode_to_string(&der);
        let lines: Vec<&str> =
            (0..base64.len()).step_by(64).map(|i| &base64[i..base64.len().min(i + 64)]).collect();
        for end in ["\n", "\r\n"] {
            let pem = format!(
                "-----BEGIN {label}-----{end}{}{end}-----END {label}-----",
                lines.join(end)
            );
            all.push(format!("{pem}{end}").into_bytes());
            all.push(pem.into_bytes());
        }
        all.push(der);
    }
    all
}

/// A MAC under the public key is not a signature (RFC 8725 section 2.1).
pub(super) async fn a_public_key_is_no_secret<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let mut secrets = vec![Vec::new(), vec![0], b"secret".to_vec()];
    for key in &forge.keys {
        if key.algorithm != Algorithm::Hs256 {
            secrets.extend(encodings(key));
        }
    }
    for secret in &secrets {
        for kid in forge.keys.iter().map(|key| &key.kid) {
            let (header, claims) = forge.edited(|header, _| {
                header.insert("alg".into(), json!("HS256"));
                header.insert("kid".into(), json!(kid));
            });
            let token = forge.assemble(&header, &claims, |input| mac(HMAC_SHA256, secret, input));
            let what = format!("a MAC under {} known bytes", secret.len());
            refused(&what, &strategy, &token, world.now, &[]).await?;
        }
    }
    Ok(Held::Shown)
}

/// A key, or a place to fetch one, that the bearer puts into the header is not used.
pub(super) async fn keys_in_the_header_are_ignored<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let kid = forge.keys[0].kid.clone();
    let own =
        generate_key(kid, forge.algorithm, &*world.deps.entropy).map_err(|e| e.to_string())?;
    let members = [
        ("jwk", json!({"kty": "oct", "k": encode(&own.private)})),
        ("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&own.public)})),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/chain")),
        ("x5c", json!([base64_simd::STANDARD.encode_to_string(&own.public)])),
    ];
    for (name, value) in members {
        let token = forge.token_by(&own, |header, _| drop(header.insert(name.into(), value)));
        refused(&format!("its own key in {name}"), &strategy, &token, world.now, &[]).await?;
    }
    Ok(Held::Shown)
}

/// The key before this one verifies as long as it is kept, and not a moment longer.
pub(super) async fn keys_rotate<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    ensure!(forge.keys.len() > 1, "the ring holds one key only");
    let previous = &forge.keys[1];
    let old = forge.token_by(previous, |header, _| {
        header.insert("kid".into(), json!(previous.kid));
    });
    admitted("by the previous key", &strategy, &old, ALICE, world.now).await?;
    let keys = Arc::new(Keyring::new(vec![forge.keys[0].clone()]));
    let rotated: S = build(&Deps { keys, ..world.deps.clone() }).await?;
    admitted("by the current key", &rotated, &forge.genuine, ALICE, world.now).await?;
    refused("by a removed key", &rotated, &old, world.now, &[Denial::UnknownKey]).await?;
    Ok(Held::Shown)
}

/// A secret shorter than the digest keeps the server from starting (RFC 7518 section 3.2).
pub(super) async fn a_short_secret_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.algorithm != Some(Algorithm::Hs256) {
        return Ok(Held::NotApplicable("it has no shared secret"));
    }
    for bytes in [0, 1, 16, 31, 32] {
        let (kid, algorithm) = ("short".to_owned(), Algorithm::Hs256);
        let key = Key { kid, algorithm, private: vec![7; bytes], public: Vec::new() };
        let keys = Arc::new(Keyring::new(vec![key]));
        let built = S::build(&Deps { keys, ..world.deps.clone() }).await;
        match built {
            Err(BuildError::Config(_)) if bytes < 32 => {}
            Ok(_) if bytes >= 32 => {}
            Ok(_) => return Err(format!("it started with a secret of {bytes} bytes")),
            Err(e) => return Err(format!("with a secret of {bytes} bytes: {e}")),
        }
    }
    Ok(Held::Shown)
}
