//! What an access token says: the claims of RFC 7519 and RFC 9068 that are written and read here.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{NewToken, TokenId};
use crate::identity::{Scopes, SubjectId, TenantId, UnixTime};
use crate::settings::Settings;

/// Characters of a `jti` or a `sid`: 16 bytes in base64url without padding.
const TOKEN_ID_CHARS: usize = 22;

/// The claims of a new token, in the order they are written.
#[derive(Serialize)]
pub(super) struct Outgoing<'a> {
    iss: &'a str,
    #[serde(serialize_with = "as_text")]
    sub: SubjectId,
    aud: &'a str,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: UnixTime,
    #[serde(serialize_with = "as_base64url")]
    jti: TokenId,
    #[serde(serialize_with = "as_text")]
    scope: Scopes,
    #[serde(serialize_with = "as_text")]
    tenant: TenantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    ver: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<IdText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entitlements: Option<Entitlements>,
}

impl<'a> Outgoing<'a> {
    /// The claims of `token`, issued at `now` for the settings' lifetime.
    pub(super) fn new(token: &NewToken, settings: &'a Settings, now: UnixTime) -> Self {
        Self {
            iss: &settings.issuer,
            sub: token.principal.subject,
            aud: &settings.audience,
            exp: now.plus(settings.token_lifetime_s),
            iat: now,
            auth_time: token.principal.auth_time,
            jti: token.id,
            scope: token.principal.scopes,
            tenant: token.principal.tenant,
            ver: token.version,
            sid: token.session.map(IdText),
            entitlements: Entitlements::in_claims_of(settings.extra_claims_bytes),
        }
    }

    /// The first second in which the token is refused, leeway aside.
    pub(super) const fn expires_at(&self) -> UnixTime {
        self.exp
    }
}

/// What an application might put into a token for itself: names of entitlements with spaces
/// between, as in `scope` (RFC 8693 section 4.2), cut after so many characters.
#[derive(Clone, Copy, Debug)]
pub struct Entitlements(pub usize);

impl Entitlements {
    /// The claim that makes a JSON object `bytes` longer; none for 0.
    fn in_claims_of(bytes: u32) -> Option<Self> {
        let around = ",\"entitlements\":\"\"".len();
        (bytes > 0).then(|| Self((bytes as usize).saturating_sub(around)))
    }
}

impl fmt::Display for Entitlements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (1_u32..).flat_map(|n| format!("invoice-{n:04}:read ").into_bytes());
        names.take(self.0).try_for_each(|byte| f.write_char(byte.into()))
    }
}

impl Serialize for Entitlements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// An id as it is written in a claim.
struct IdText(TokenId);

impl Serialize for IdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_base64url(&self.0, serializer)
    }
}

fn as_base64url<S: Serializer>(id: &TokenId, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = [MaybeUninit::uninit(); TOKEN_ID_CHARS];
    serializer.serialize_str(URL_SAFE_NO_PAD.encode_as_str(&id.0, text.as_mut_slice().as_out()))
}

/// Reads a `jti` or a `sid`: exactly 22 characters of base64url. One spelling per id: two would be
/// two keys in a deny-list.
pub(super) fn token_id(text: &str) -> Option<TokenId> {
    let mut id = [0; 16];
    if text.len() != TOKEN_ID_CHARS {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text.as_bytes(), id.as_mut_slice().as_out()).ok()?;
    Some(TokenId(id))
}

/// The claims of a presented token, each present and of the right type, none of them judged yet.
/// `T` holds a text: [`String`], or [`Text`] where accepting must not allocate.
///
/// Stricter than a derived reader: an array is not an object, a member that is read here must not
/// come twice, `null` is not absence, and the members that are *not* read must be sound JSON too
/// (RFC 7519 section 7.2 step 10). A time is a whole number of seconds.
#[derive(Debug)]
pub(super) struct Claims<T> {
    pub(super) iss: T,
    pub(super) sub: T,
    pub(super) aud: Audience<T>,
    pub(super) exp: u64,
    pub(super) nbf: Option<u64>,
    pub(super) iat: u64,
    pub(super) auth_time: u64,
    pub(super) jti: T,
    pub(super) scope: T,
    pub(super) tenant: T,
    pub(super) ver: Option<u64>,
    pub(super) sid: Option<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Claims<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor(PhantomData))
    }
}

struct ClaimsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ClaimsVisitor<T> {
    type Value = Claims<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims<T>, A::Error> {
        let (mut iss, mut sub, mut aud, mut jti) = (None, None, None, None);
        let (mut exp, mut nbf, mut iat, mut auth_time) = (None, None, None, None);
        let (mut scope, mut tenant, mut ver, mut sid) = (None, None, None, None);
        while let Some(name) = map.next_key()? {
            match name {
                Name::Iss => fill(&mut iss, &mut map, "iss")?,
                Name::Sub => fill(&mut sub, &mut map, "sub")?,
                Name::Aud => fill(&mut aud, &mut map, "aud")?,
                Name::Exp => fill(&mut exp, &mut map, "exp")?,
                Name::Nbf => fill(&mut nbf, &mut map, "nbf")?,
                Name::Iat => fill(&mut iat, &mut map, "iat")?,
                Name::AuthTime => fill(&mut auth_time, &mut map, "auth_time")?,
                Name::Jti => fill(&mut jti, &mut map, "jti")?,
                Name::Scope => fill(&mut scope, &mut map, "scope")?,
                Name::Tenant => fill(&mut tenant, &mut map, "tenant")?,
                Name::Ver => fill(&mut ver, &mut map, "ver")?,
                Name::Sid => fill(&mut sid, &mut map, "sid")?,
                Name::Other => {
                    let _: Sound = map.next_value()?;
                }
            }
        }
        let missing = A::Error::missing_field;
        Ok(Claims {
            iss: iss.ok_or_else(|| missing("iss"))?,
            sub: sub.ok_or_else(|| missing("sub"))?,
            aud: aud.ok_or_else(|| missing("aud"))?,
            exp: exp.ok_or_else(|| missing("exp"))?,
            nbf,
            iat: iat.ok_or_else(|| missing("iat"))?,
            auth_time: auth_time.ok_or_else(|| missing("auth_time"))?,
            jti: jti.ok_or_else(|| missing("jti"))?,
            scope: scope.ok_or_else(|| missing("scope"))?,
            tenant: tenant.ok_or_else(|| missing("tenant"))?,
            ver,
            sid,
        })
    }
}

/// Reads the value of the member `name` into `slot`, which must still be empty.
fn fill<'de, A: MapAccess<'de>, V: Deserialize<'de>>(
    slot: &mut Option<V>,
    map: &mut A,
    name: &'static str,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// The name of a claim.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    AuthTime,
    Jti,
    Scope,
    Tenant,
    Ver,
    Sid,
    #[serde(other)]
    Other,
}

/// Claim `aud`: a text or an array of texts (RFC 7519 section 4.1.3).
#[derive(Debug)]
pub(super) enum Audience<T> {
    /// One text, alone or in an array.
    Sole(T),
    /// An array of none, or of more than one.
    Many,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Audience<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor(PhantomData))
    }
}

struct AudienceVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AudienceVisitor<T> {
    type Value = Audience<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Audience<T>, E> {
        T::deserialize(serde::de::value::BorrowedStrDeserializer::new(text)).map(Audience::Sole)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Audience<T>, E> {
        T::deserialize(serde::de::value::StrDeserializer::new(text)).map(Audience::Sole)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience<T>, A::Error> {
        let Some(first) = seq.next_element()? else { return Ok(Audience::Many) };
        let mut sole = true;
        while seq.next_element::<T>()?.is_some() {
            sole = false;
        }
        Ok(if sole { Audience::Sole(first) } else { Audience::Many })
    }
}

/// A text that is borrowed from the JSON unless it is written there with escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// A value that is not kept but must be sound: `IgnoredAny` skips over bytes that are not UTF-8,
/// lone surrogates, numbers beyond all range and any depth.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SoundVisitor)
    }
}

struct SoundVisitor;

impl<'de> Visitor<'de> for SoundVisitor {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sound, A::Error> {
        while seq.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sound, A::Error> {
        while map.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Sound)
    }
}
