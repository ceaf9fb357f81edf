//! What can be read of a token by anybody who holds it: its parts, its times, its size, what is
//! wrong with it. Pure; nothing is sent or kept, and nothing is verified unless a key is given.

pub mod pitfalls;
pub mod signature;

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// More than this is no token, bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A token in the compact serialisation of RFC 7515, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Token<'t> {
    /// The text.
    pub text: &'t str,
    /// What kind of token it is.
    pub kind: Kind,
    /// The header; empty of an opaque token.
    pub header: Map<String, Value>,
    /// The claims, where they can be read.
    pub claims: Option<Map<String, Value>>,
    /// Bytes of each part as it is sent, dots excluded: header, claims, signature of a JWT.
    pub parts: Vec<usize>,
}

/// What kind of token it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Signed (RFC 7515): everybody can read it.
    Signed,
    /// Encrypted (RFC 7516): only the header can be read.
    Encrypted,
    /// Neither: an id that means nothing outside the server that made it.
    Opaque,
}

/// Why a token cannot be taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl<'t> Token<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// Which part of what looks like a JWT cannot be read, and why. The error holds nothing of the
    /// token.
    pub fn read(text: &'t str) -> Result<Self, Unreadable> {
        let text = text.trim();
        let text = text.strip_prefix("Bearer ").unwrap_or(text);
        let fail = |what: &str| Err(Unreadable(what.to_owned()));
        if text.is_empty() {
            return fail("there is no token: it is empty");
        }
        if text.len() > MAX_BYTES {
            return fail("it is longer than a MiB, and no token");
        }
        if text.contains(char::is_whitespace) {
            return fail("it has white space inside; a token has none, was it broken over lines?");
        }
        let segments: Vec<&str> = text.split('.').collect();
        let kind = match segments.len() {
            3 => Kind::Signed,
            5 => Kind::Encrypted,
            2 if object("header", segments[0]).is_ok_and(|header| header.contains_key("alg")) => {
                return fail(
                    "it has two parts, the first a JWT's header: its signature was cut off, and a \
                     verifier must refuse it",
                );
            }
            _ => Kind::Opaque,
        };
        let parts = segments.iter().map(|part| part.len()).collect();
        if kind == Kind::Opaque {
            return Ok(Self { text, kind, header: Map::new(), claims: None, parts });
        }
        let header = object("header", segments[0])?;
        let is_signed = kind == Kind::Signed;
        let claims = is_signed.then(|| object("claims", segments[1])).transpose()?;
        Ok(Self { text, kind, header, claims, parts })
    }

    /// A text of the header.
    #[must_use]
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    /// A claim that is a time (RFC 7519 section 2, `NumericDate`), seconds since 1970.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<f64> {
        self.claim(name)?.as_f64()
    }

    /// How long it is good for, seconds: from `iat`, or `nbf`, to `exp`.
    #[must_use]
    pub fn lifetime_s(&self) -> Option<f64> {
        let from = self.time("iat").or_else(|| self.time("nbf"))?;
        Some(self.time("exp")? - from)
    }

    /// Bytes of the HTTP/1.1 header line that carries it as a bearer token (RFC 6750).
    #[must_use]
    pub const fn bearer_line_bytes(&self) -> usize {
        "Authorization: Bearer \r\n".len() + self.text.len()
    }
}

/// The JSON object in a part. Names that stand twice in it, or in an object within, are refused:
/// readers differ in which they take (RFC 7519 section 4).
fn object(name: &str, part: &str) -> Result<Map<String, Value>, Unreadable> {
    let wrong = |what: &str| Unreadable(format!("its {name} {what}"));
    let bytes = URL_SAFE_NO_PAD
        .decode_to_vec(part)
        .map_err(|_| wrong("is not base64url without padding (RFC 7515 section 2)"))?;
    match serde_json::from_slice(&bytes) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(_) => Err(wrong("is JSON, but no object")),
        Err(error) if error.is_data() => Err(wrong("has a name that stands twice")),
        Err(error) => {
            Err(wrong(&format!("is no JSON: line {}, column {}", error.line(), error.column())))
        }
    }
}

/// A JSON value in whose objects no name stands twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Strict(all.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Strict(all.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(r#"{"alg":"ES256","kid":"a"}"#, r#"{"iat":100,"exp":1000,"sub":"x"}"#);
        let sent = format!("Bearer {text}\n");
        let read = Token::read(&sent).unwrap();
        assert_eq!((read.kind, read.header_text("alg")), (Kind::Signed, Some("ES256")));
        assert_eq!((read.lifetime_s(), read.parts.len()), (Some(900.0), 3));
        assert_eq!(read.bearer_line_bytes(), 24 + text.len());
        let id = Token::read("Yh3kD0c9a2").unwrap();
        assert_eq!((id.kind, id.claims), (Kind::Opaque, None));
        let sealed = Token::read("eyJhbGciOiJkaXIifQ....").unwrap();
        assert_eq!((sealed.kind, sealed.claims), (Kind::Encrypted, None));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_repeated() {
        for (text, part) in [
            ("", "empty"),
            ("a b.c.d", "white space"),
            ("?.b.c", "header"),
            (&*token("{\"alg\":", "{}"), "header is no JSON"),
            (&*token("{}", "[1]"), "claims is JSON, but no object"),
            (
                &*token(r#"{"alg":"none","alg":"ES256"}"#, "{}"),
                "header has a name that stands twice",
            ),
            ("eyJhbGciOiJub25lIn0.e30", "signature was cut off"),
            (&*token("{}", r#"{"a":{"b":1,"b":2}}"#), "claims has a name that stands twice"),
        ] {
            let why = Token::read(text).unwrap_err().0;
            assert!(why.contains(part), "{text}: {why}");
        }
        let secret = Token::read("c2VjcmV0.c2VjcmV0.c2VjcmV0").unwrap_err().0;
        assert!(!secret.contains("secret"), "{secret}");
    }
}
