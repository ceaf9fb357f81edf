//! The signature and header checks against the standards' own examples, and against public test
//! vectors when a folder with them is named.
//!
//! `AUTHBENCH_VECTORS` names a folder that holds `json_web_signature_test.json` of Project
//! Wycheproof. The vectors carry no claims of ours, so this drives the steps before the claims:
//! the same functions, in the same order, as `verify`.

use std::collections::BTreeMap;
use std::path::Path;

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;
use serde::Deserialize;

use super::algorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Pinned, Ps256, Rs256};
use super::key::{Algorithm, Key};
use super::policy::{Header, split};
use super::prepared::{AwsLc, PreparedKey as _, check_signature};
use crate::error::Denial;

/// Labels that contradict the standards or each other, by `tcId`.
const WAIVED: [(u32, &str); 8] = [
    (346, "valid, though the key is for PS256 and the token says PS384"),
    (347, "valid, with a key for `ES521`, which is no algorithm"),
    (350, "as 346"),
    (351, "as 347"),
    (367, "invalid, though identical to 357, which is valid"),
    (370, "invalid, though identical to 357, which is valid"),
    (372, "valid, with a `?` in the header's base64url"),
    (373, "valid, with a `?` in the payload's base64url"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    public: Option<Jwk>,
    private: Option<Jwk>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    jws: String,
    result: String,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    alg: Option<String>,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text?).ok()
}

/// One DER element, its length in as few bytes as possible.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a key under 64 KiB").to_be_bytes();
    let length = match length {
        [0, short @ ..0x80] => vec![short],
        [0, middle] => vec![0x81, middle],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag][..], &length, content].concat()
}

impl Jwk {
    /// Whether it is meant for signatures (RFC 7517 sections 4.2 and 4.3).
    fn is_for_signatures(&self) -> bool {
        let ops = self.key_ops.as_deref().unwrap_or_default();
        self.r#use.as_deref().is_none_or(|u| u == "sig")
            && (ops.is_empty() || ops.iter().any(|op| op == "verify"))
    }

    /// The key, if it is for one of our algorithms; `alg` may be left out where the type decides.
    fn key(&self) -> Option<Key> {
        if !self.is_for_signatures() {
            return None;
        }
        let alg = self.alg.as_deref();
        let public_or = |name| alg.is_none_or(|alg| alg == name);
        let of = |algorithm, private, public| {
            Some(Key { kid: self.kid.clone().unwrap_or_default(), algorithm, private, public })
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", _) if alg == Some("HS256") => {
                of(Algorithm::Hs256, bytes(self.k.as_ref())?, Vec::new())
            }
            ("EC", Some("P-256")) if public_or("ES256") => {
                let point = [vec![4], bytes(self.x.as_ref())?, bytes(self.y.as_ref())?].concat();
                of(Algorithm::Es256, Vec::new(), point)
            }
            ("OKP", Some("Ed25519")) if public_or("EdDSA") => {
                of(Algorithm::EdDsa, Vec::new(), bytes(self.x.as_ref())?)
            }
            ("RSA", _) if public_or("RS256") => {
                let integer = |n: Vec<u8>| der(2, &[vec![0], n].concat());
                // A leading zero too many is no DER: only where the sign bit asks for it.
                let minimal = |n: Vec<u8>| if n[0] < 0x80 { der(2, &n) } else { integer(n) };
                let (n, e) = (bytes(self.n.as_ref())?, bytes(self.e.as_ref())?);
                of(Algorithm::Rs256, Vec::new(), der(0x30, &[minimal(n), minimal(e)].concat()))
            }
            _ => None,
        }
    }
}

/// What `verify` does before it looks at the claims, for a verifier whose only key is `key`.
fn open<A: Pinned>(token: &str, key: &Key) -> Result<(), Denial> {
    // As the library path does; a second backend may be compiled in.
    let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let segments = split(token)?;
    let header = Header::read(segments.header)?;
    if header.crit.is_some() {
        return Err(Denial::UnknownCritical);
    }
    if header.alg != A::ALGORITHM.name() {
        return Err(Denial::WrongAlgorithm);
    }
    if header.kid.is_some_and(|kid| kid != key.kid) {
        return Err(Denial::UnknownKey);
    }
    let text = std::str::from_utf8(segments.signature).map_err(|_| Denial::Malformed)?;
    let verified = crypto::verify(text, segments.signing_input, &A::decoding_key(key), A::LIBRARY);
    let answer = match verified {
        Ok(true) => Ok(()),
        Ok(false) => Err(Denial::BadSignature),
        Err(_) => Err(Denial::Malformed),
    };
    if A::ALGORITHM == Algorithm::Hs256 {
        let prepared = AwsLc::<Hs256>::prepare(key).expect("a secret always parses");
        assert_eq!(check_signature(&prepared, &segments), answer, "prepared and library differ");
    }
    answer?;
    URL_SAFE_NO_PAD.check(segments.payload).map_err(|_| Denial::Malformed)
}

#[test]
fn public_signature_vectors_keep_their_labels() {
    let Some(folder) = std::env::var_os("AUTHBENCH_VECTORS") else {
        println!("skipped: AUTHBENCH_VECTORS names no folder with json_web_signature_test.json");
        return;
    };
    let path = Path::new(&folder).join("json_web_signature_test.json");
    let text = std::fs::read(&path).expect("AUTHBENCH_VECTORS holds json_web_signature_test.json");
    let file: File = serde_json::from_slice(&text).expect("the vectors' format");
    let (mut applied, mut no_such_key, mut wrong) = (BTreeMap::new(), 0, Vec::new());
    let mut accepted = 0;
    for group in &file.test_groups {
        let jwk = group.public.as_ref().or(group.private.as_ref()).expect("a group has a key");
        let key = jwk.key();
        for case in &group.tests {
            // A key for another algorithm or use is never in the ring: its tokens are refused.
            let answer = match &key {
                None => Err(Denial::UnknownKey),
                Some(key) => match key.algorithm {
                    Algorithm::Hs256 => open::<Hs256>(&case.jws, key),
                    Algorithm::EdDsa => open::<EdDsa>(&case.jws, key),
                    Algorithm::Es256 => open::<Es256>(&case.jws, key),
                    Algorithm::Rs256 => open::<Rs256>(&case.jws, key),
                    Algorithm::Hs384 => open::<Hs384>(&case.jws, key),
                    Algorithm::Hs512 => open::<Hs512>(&case.jws, key),
                    Algorithm::Ps256 => open::<Ps256>(&case.jws, key),
                    Algorithm::Es384 => open::<Es384>(&case.jws, key),
                },
            };
            match &key {
                Some(key) => *applied.entry(key.algorithm.name()).or_insert(0) += 1,
                None => no_such_key += 1,
            }
            let expected = case.result == "valid" && key.is_some();
            accepted += u32::from(answer.is_ok());
            let waived = WAIVED.iter().any(|(id, _)| *id == case.tc_id);
            if answer.is_ok() != expected && !waived {
                wrong.push((case.tc_id, case.result.clone(), answer));
            }
        }
    }
    println!("applied: {applied:?}, accepted: {accepted}; without a key of ours: {no_such_key}");
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(accepted > 0, "no vector was accepted");
}

/// A payload of RFC 7515 appendix A, as it is encoded there.
const JOE: &str = concat!(
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt",
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
);

/// Accepts the token and, with its payload changed, refuses it.
fn check_example<A: Pinned>(jwk: &str, header: &str, payload: &str, signature: &str) {
    let jwk: Jwk = serde_json::from_str(jwk).expect("a JWK");
    let key = jwk.key().expect("a key of ours");
    assert_eq!(open::<A>(&format!("{header}.{payload}.{signature}"), &key), Ok(()));
    let tampered = open::<A>(&format!("{header}.A{payload}.{signature}"), &key);
    assert_eq!(tampered, Err(Denial::BadSignature));
}

#[test]
fn the_examples_of_the_standards_verify() {
    // RFC 7515 appendix A.1
    check_example::<Hs256>(
        concat!(
            r#"{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"#,
            r#"-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#
        ),
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
        JOE,
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    );
    // RFC 7515 appendix A.3
    check_example::<Es256>(
        concat!(
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
            r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
        ),
        "eyJhbGciOiJFUzI1NiJ9",
        JOE,
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    // RFC 8037 appendix A.4
    check_example::<EdDsa>(
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "eyJhbGciOiJFZERTQSJ9",
        "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
}
