//! Forged tokens: what the strategy's own token says, changed, and signed with its own key, so that
//! nothing but the change is wrong with it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value};

use super::{ALICE, Held, Verdict, World, admitted, build, log_in};
use crate::identity::UnixTime;
use crate::strategy::contract::AuthStrategy;
use crate::token::key::{Algorithm, Key};

/// A JSON object: a header or a set of claims.
pub(super) type Object = Map<String, Value>;

/// What token checks answer for a strategy without tokens.
pub(super) const NO_TOKEN: Verdict = Ok(Held::NotApplicable("its credential is not a token"));

/// A token in pieces, and the keys to put it together again.
#[derive(Debug)]
pub(super) struct Forge {
    /// The strategy's algorithm.
    pub(super) algorithm: Algorithm,
    /// The strategy's keys, the signing one first.
    pub(super) keys: Vec<Key>,
    /// The token as it was issued.
    pub(super) genuine: String,
    header: Object,
    claims: Object,
}

impl Forge {
    /// An instance of the strategy, and a forge for its tokens; nothing when it has none. The
    /// control comes with it: a token put together again unchanged is admitted.
    pub(super) async fn open<S: AuthStrategy>(world: &World) -> Result<Option<(S, Self)>, String> {
        let Some(algorithm) = S::PROPERTIES.algorithm else { return Ok(None) };
        let strategy: S = build(&world.deps).await?;
        let genuine = log_in(&strategy, ALICE, world.now).await?;
        let keys = world.deps.keys.of(algorithm).map_err(|e| e.to_string())?;
        let keys = keys.into_iter().cloned().collect();
        let [header, claims] = read(&genuine).ok_or("what it issued is not a token")?;
        let forge = Self { algorithm, keys, genuine, header, claims };
        forge.control(&strategy, world.now).await?;
        Ok(Some((strategy, forge)))
    }

    /// Demands that the forge's unchanged token is admitted.
    pub(super) async fn control<S: AuthStrategy>(
        &self,
        strategy: &S,
        now: UnixTime,
    ) -> Result<(), String> {
        let same = self.token(|_, _| {});
        admitted("a token put together again", strategy, &same, ALICE, now).await
    }

    /// A token with its header and claims changed by `edit`, signed by the current key.
    pub(super) fn token(&self, edit: impl FnOnce(&mut Object, &mut Object)) -> String {
        self.token_by(&self.keys[0], edit)
    }

    /// As [`Forge::token`], signed by `key`, whose algorithm decides how.
    pub(super) fn token_by(
        &self,
        key: &Key,
        edit: impl FnOnce(&mut Object, &mut Object),
    ) -> String {
        let (header, claims) = self.edited(edit);
        self.assemble(&header, &claims, |input| sign(key, input))
    }

    /// The header and the claims as JSON, changed by `edit`.
    pub(super) fn edited(&self, edit: impl FnOnce(&mut Object, &mut Object)) -> (String, String) {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        edit(&mut header, &mut claims);
        (Value::Object(header).to_string(), Value::Object(claims).to_string())
    }

    /// A token of any text, with any signature.
    pub(super) fn assemble(
        &self,
        header: &str,
        claims: &str,
        sign: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = encode(&sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// One claim of the genuine token.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// A whole-number claim of the genuine token.
    pub(super) fn number(&self, name: &str) -> Result<u64, String> {
        let found = self.claims.get(name).and_then(Value::as_u64);
        found.ok_or_else(|| format!("the token has no whole number `{name}`"))
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64URL.encode_to_string(bytes)
}

/// The header and the claims of a token.
fn read(token: &str) -> Option<[Object; 2]> {
    let mut parts = token.split('.').map(|part| {
        let json = BASE64URL.decode_to_vec(part).ok()?;
        serde_json::from_slice(&json).ok()
    });
    Some([parts.next()??, parts.next()??])
}

/// Signs as the key's algorithm does. The keys come from the ring and are sound, so a failure is
/// the suite's own and shows as a signature that does not verify.
pub(super) fn sign(key: &Key, input: &[u8]) -> Vec<u8> {
    let signature = match key.algorithm {
        Algorithm::Hs256 => Some(mac(hmac::HMAC_SHA256, &key.private, input)),
        Algorithm::Hs384 => Some(mac(hmac::HMAC_SHA384, &key.private, input)),
        Algorithm::Hs512 => Some(mac(hmac::HMAC_SHA512, &key.private, input)),
        Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.private)
            .ok()
            .map(|pair| pair.sign(input).as_ref().to_vec()),
        Algorithm::Es256 => ecdsa(key, &ECDSA_P256_SHA256_FIXED_SIGNING, input),
        Algorithm::Es384 => ecdsa(key, &ECDSA_P384_SHA384_FIXED_SIGNING, input),
        Algorithm::Ps256 => rsa(key, &RSA_PSS_SHA256, input),
        Algorithm::Rs256 => rsa(key, &RSA_PKCS1_SHA256, input),
    };
    signature.unwrap_or_default()
}

/// Signs with the key's bytes under other algorithms of its family, by their names in a header.
pub(super) fn sign_as_relatives(key: &Key, input: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let secret = &key.private;
    let is_another = |(name, _): &(&str, Vec<u8>)| *name != key.algorithm.name();
    match key.algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => [
            ("HS256", mac(hmac::HMAC_SHA256, secret, input)),
            ("HS384", mac(hmac::HMAC_SHA384, secret, input)),
            ("HS512", mac(hmac::HMAC_SHA512, secret, input)),
        ]
        .into_iter()
        .filter(is_another)
        .collect(),
        Algorithm::Rs256 | Algorithm::Ps256 => [
            ("RS256", rsa(key, &RSA_PKCS1_SHA256, input)),
            ("RS384", rsa(key, &RSA_PKCS1_SHA384, input)),
            ("RS512", rsa(key, &RSA_PKCS1_SHA512, input)),
            ("PS256", rsa(key, &RSA_PSS_SHA256, input)),
        ]
        .into_iter()
        .filter_map(|(name, signature)| Some((name, signature?)))
        .filter(is_another)
        .collect(),
        Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Es384 => Vec::new(),
    }
}

/// The MAC of `input` under any bytes at all.
pub(super) fn mac(algorithm: hmac::Algorithm, secret: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret), input).as_ref().to_vec()
}

fn ecdsa(key: &Key, curve: &'static EcdsaSigningAlgorithm, input: &[u8]) -> Option<Vec<u8>> {
    let pair = EcdsaKeyPair::from_pkcs8(curve, &key.private).ok()?;
    Some(pair.sign(&SystemRandom::new(), input).ok()?.as_ref().to_vec())
}

fn rsa(key: &Key, padding: &'static dyn signature::RsaEncoding, input: &[u8]) -> Option<Vec<u8>> {
    let pair = RsaKeyPair::from_pkcs8(&key.private).ok()?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), input, &mut signature).ok()?;
    Some(signature)
}
