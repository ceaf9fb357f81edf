//! Checks a token's signature with a key that the reader gives: nothing else of it.

use anyhow::{Context as _, bail};
use authbench_subjects::tokens::provider;
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::{Kind, Token};

/// What a check found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signature {
    /// It was made with that key.
    Good,
    /// It was not, or the token was changed since.
    Bad,
}

/// Checks the signature of `token` with `key`: a JSON Web Key, a set of them (RFC 7517), or the
/// bytes of a secret where the token's algorithm is an HMAC.
///
/// # Errors
/// When the token is not signed, its algorithm is not known, or no key is one for it.
pub fn check(token: &Token<'_>, key: &[u8]) -> anyhow::Result<Signature> {
    // Several backends are linked in: one must be chosen, and here all use the same switch.
    provider::install()?;
    if token.kind != Kind::Signed {
        bail!("it is not a signed token, so there is no signature to check");
    }
    let name = token.header_text("alg").context("its header has no `alg`")?;
    let algorithm: Algorithm = name.parse().map_err(|_| {
        anyhow::anyhow!("the algorithm `{}` is not known here", name.escape_debug())
    })?;
    let (message, signature) = token.text.rsplit_once('.').context("it has no signature")?;
    if URL_SAFE_NO_PAD.decode_to_vec(signature).is_err() {
        bail!("its signature is not base64url without padding (RFC 7515 section 2)");
    }
    let keys = keys(token, key, algorithm)?;
    let check = |key: &DecodingKey| {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm).ok()
    };
    let found: Vec<bool> = keys.iter().filter_map(check).collect();
    if found.is_empty() {
        bail!("no key is one for the token's algorithm, {name}");
    }
    Ok(if found.contains(&true) { Signature::Good } else { Signature::Bad })
}

/// The keys that may have signed it: of a set the one of its `kid`, else all that can be read.
fn keys(token: &Token<'_>, key: &[u8], algorithm: Algorithm) -> anyhow::Result<Vec<DecodingKey>> {
    let is_hmac = matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    let text = std::str::from_utf8(key).unwrap_or("");
    if text.trim_start().starts_with("-----BEGIN") {
        bail!("the key is PEM; give it as a JSON Web Key (RFC 7517), or a set of them");
    }
    let all: Vec<Jwk> = match serde_json::from_str::<JwkSet>(text) {
        Ok(set) => set.keys,
        Err(_) => serde_json::from_str::<Jwk>(text).into_iter().collect(),
    };
    if all.is_empty() {
        let is_json = text.trim_start().starts_with('{');
        if is_json || !is_hmac {
            bail!("the key is no JSON Web Key (RFC 7517), nor a set of them");
        }
        let secret = key.strip_suffix(b"\n").unwrap_or(key);
        return Ok(vec![DecodingKey::from_secret(secret)]);
    }
    let kid = token.header_text("kid");
    let named =
        |jwk: &&Jwk| kid.is_none() || jwk.common.key_id.as_deref().is_none_or(|id| Some(id) == kid);
    let fit: Vec<&Jwk> = all.iter().filter(named).collect();
    if fit.is_empty() {
        bail!("no key of the set has the token's `kid`");
    }
    let read: Vec<DecodingKey> =
        fit.into_iter().filter_map(|jwk| DecodingKey::from_jwk(jwk).ok()).collect();
    if read.is_empty() {
        bail!("no key of the set can be read");
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 appendix A.1: an HS256 token and its key.
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
        cnVlfQ.\
        dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const KEY: &str = "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-\
        1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}";

    #[test]
    fn the_token_of_rfc_7515_is_good_and_a_changed_one_is_not() {
        let token = Token::read(TOKEN).unwrap();
        assert_eq!(check(&token, KEY.as_bytes()).unwrap(), Signature::Good);
        assert_eq!(check(&token, b"another secret, of some length").unwrap(), Signature::Bad);
        let changed = TOKEN.replace("zODAsDQog", "zODEsDQog");
        let changed = Token::read(&changed).unwrap();
        assert_eq!(check(&changed, KEY.as_bytes()).unwrap(), Signature::Bad);
    }

    #[test]
    fn a_key_that_is_none_is_an_error_and_no_verdict() {
        let hmac = Token::read(TOKEN).unwrap();
        let ecdsa =
            TOKEN.replacen("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9", 1);
        let ecdsa = Token::read(&ecdsa).unwrap();
        assert!(check(&ecdsa, b"a secret").unwrap_err().to_string().contains("JSON Web Key"));
        assert!(check(&ecdsa, KEY.as_bytes()).is_err());
        assert!(check(&hmac, br#"{"keys":[]}"#).unwrap_err().to_string().contains("JSON Web Key"));
        let pem = check(&hmac, b"-----BEGIN PUBLIC KEY-----").unwrap_err().to_string();
        assert!(pem.contains("PEM"), "{pem}");
    }
}
