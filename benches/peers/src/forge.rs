//! Tokens that must be refused: our own, changed in one thing and signed again, so that nothing but
//! the change is wrong with them.

use anyhow::{Context as _, anyhow, bail};
use authbench::entropy::OsEntropy;
use authbench::identity::UnixTime;
use authbench::token::algorithm::{EdDsa, Es256, Hs256, Pinned, Rs256};
use authbench::token::key::{Algorithm, Key, generate_key};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// A token that must be refused.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// What is wrong with it; completes "a token that is ...".
    pub what: &'static str,
    /// The token.
    pub token: String,
}

type Object = Map<String, Value>;

/// Forgeries of `genuine`, which the first of `keys` has signed with `algorithm`.
///
/// # Errors
/// When `genuine` is not a token, or the crypto library fails.
pub fn forged(
    algorithm: Algorithm,
    keys: &[&Key],
    genuine: &str,
    now: UnixTime,
) -> anyhow::Result<Vec<Forgery>> {
    let key = keys.first().context("no key")?;
    let forge = Forge::of(genuine, key)?;
    let other = if algorithm == Algorithm::Hs256 { Algorithm::Es256 } else { Algorithm::Hs256 };
    let other_key = Key { kid: key.kid.clone(), ..new_key(other)? };
    let stranger = Key { kid: key.kid.clone(), ..new_key(algorithm)? };
    let claim = |name: &'static str, value: Value| {
        forge.signed(move |_, claims| {
            claims.insert(name.into(), value);
        })
    };
    let header = |name: &'static str, value: Value| {
        forge.signed(move |header, _| {
            header.insert(name.into(), value);
        })
    };
    let mut all = vec![
        ("about somebody else under the old signature", forge.tampered()?),
        ("expired an hour ago", claim("exp", json!(now.0 - 3_600))?),
        ("expired in this very second", claim("exp", json!(now.0))?),
        ("without exp", forge.signed(|_, claims| drop(claims.remove("exp")))?),
        ("of another issuer", claim("iss", json!("https://id.example.evil"))?),
        ("for another audience", claim("aud", json!("https://other.example"))?),
        ("for no audience", forge.signed(|_, claims| drop(claims.remove("aud")))?),
        ("of another algorithm under the same kid", forge.signed_by(&other_key, other.name())?),
        ("signed as pinned, labelled otherwise", header("alg", json!(other.name()))?),
        ("signed by nobody: alg none", forge.unsigned()?),
        ("signed by a stranger under our kid", forge.signed_by(&stranger, algorithm.name())?),
        ("under an unknown kid", header("kid", json!("nobody"))?),
        ("without kid", forge.signed(|header, _| drop(header.remove("kid")))?),
        ("of another type", header("typ", json!("JWT"))?),
        ("with an unknown critical extension", header("crit", json!(["exp", "unheard-of"]))?),
    ];
    if !key.public.is_empty() {
        let confused = Key {
            kid: key.kid.clone(),
            algorithm: Algorithm::Hs256,
            private: key.public.clone(),
            public: Vec::new(),
        };
        all.push(("keyed with the public key", forge.signed_by(&confused, "HS256")?));
    }
    Ok(all.into_iter().map(|(what, token)| Forgery { what, token }).collect())
}

fn new_key(algorithm: Algorithm) -> anyhow::Result<Key> {
    generate_key("other".into(), algorithm, &OsEntropy).map_err(|e| anyhow!("{e}"))
}

struct Forge<'a> {
    key: &'a Key,
    header: Object,
    claims: Object,
    signature: &'a str,
}

impl<'a> Forge<'a> {
    fn of(genuine: &'a str, key: &'a Key) -> anyhow::Result<Self> {
        let mut segments = genuine.split('.');
        let mut object = || -> anyhow::Result<Object> {
            let text = segments.next().context("not a token")?;
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(text)?)?)
        };
        let (header, claims) = (object()?, object()?);
        Ok(Self { key, header, claims, signature: segments.next().context("not a token")? })
    }

    /// Changed by `edit` and signed by our key.
    fn signed(&self, edit: impl FnOnce(&mut Object, &mut Object)) -> anyhow::Result<String> {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        edit(&mut header, &mut claims);
        let input = assemble(&header, &claims)?;
        Ok(format!("{input}.{}", sign(self.key, &input)?))
    }

    /// Unchanged but for `alg`, and signed by `key`.
    fn signed_by(&self, key: &Key, alg: &str) -> anyhow::Result<String> {
        let mut header = self.header.clone();
        header.insert("alg".into(), json!(alg));
        let input = assemble(&header, &self.claims)?;
        Ok(format!("{input}.{}", sign(key, &input)?))
    }

    fn tampered(&self) -> anyhow::Result<String> {
        let mut claims = self.claims.clone();
        claims.insert("sub".into(), json!("u-00000000deadbeef"));
        Ok(format!("{}.{}", assemble(&self.header, &claims)?, self.signature))
    }

    fn unsigned(&self) -> anyhow::Result<String> {
        let mut header = self.header.clone();
        header.insert("alg".into(), json!("none"));
        Ok(format!("{}.", assemble(&header, &self.claims)?))
    }
}

fn assemble(header: &Object, claims: &Object) -> anyhow::Result<String> {
    let [header, claims] = [header, claims].map(serde_json::to_vec);
    let [header, claims] = [header?, claims?].map(|json| URL_SAFE_NO_PAD.encode_to_string(json));
    Ok(format!("{header}.{claims}"))
}

fn sign(key: &Key, input: &str) -> anyhow::Result<String> {
    match key.algorithm {
        Algorithm::Hs256 => sign_with::<Hs256>(key, input),
        Algorithm::EdDsa => sign_with::<EdDsa>(key, input),
        Algorithm::Es256 => sign_with::<Es256>(key, input),
        Algorithm::Rs256 => sign_with::<Rs256>(key, input),
        Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::Es384 | Algorithm::Ps256 => {
            bail!("{} is not compared", key.algorithm.name())
        }
    }
}

fn sign_with<A: Pinned>(key: &Key, input: &str) -> anyhow::Result<String> {
    let encoding = A::encoding_key(key).map_err(|e| anyhow!("{e}"))?;
    Ok(jsonwebtoken::crypto::sign(input.as_bytes(), &encoding, A::LIBRARY)?)
}
