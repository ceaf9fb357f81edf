//! Tokens with everything prepared that does not depend on the token: no allocation to say yes.
//! How far a token is from what its library makes it cost.
//!
//! The same policy, and to the letter the same answers, as [`Library`](super::library::Library)
//! with the same keys; `tests/tokens/agreement.rs` holds both to it. The steps of a verification
//! are functions of their own, in the order in which [`Prepared::verify`] takes them, so that a
//! bench can time them one by one.

mod aws_lc;

use std::fmt;
use std::mem::MaybeUninit;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};
use serde::Deserialize;

pub use super::policy::Segments;
pub use aws_lc::AwsLc;

use super::claims::{Claims, Outgoing, Text};
use super::key::{Algorithm, Key};
use super::policy::{MAX_TOKEN_BYTES, Policy, split};
use super::{AccessTokens, NewToken, Verified};
use crate::credential::{Grant, Secret};
use crate::error::{BuildError, Denial, Outage};
use crate::identity::UnixTime;
use crate::strategy::contract::Deps;

/// Bytes of the longest signature: that of a 4,096-bit RSA key.
pub const SIGNATURE_MAX_BYTES: usize = 512;

/// A signature as it was made, before it is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    bytes: [u8; SIGNATURE_MAX_BYTES],
    length: usize,
}

impl Signature {
    /// A copy of `bytes`.
    ///
    /// # Panics
    /// With more than [`SIGNATURE_MAX_BYTES`] of them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut signature = Self { bytes: [0; SIGNATURE_MAX_BYTES], length: bytes.len() };
        signature.bytes[..bytes.len()].copy_from_slice(bytes);
        signature
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A key of one algorithm that some crypto library has parsed.
pub trait PreparedKey: fmt::Debug + Send + Sync + Sized + 'static {
    /// The one algorithm it is pinned to.
    const ALGORITHM: Algorithm;

    /// Parses both halves.
    ///
    /// # Errors
    /// When one of them does not parse.
    fn prepare(key: &Key) -> Result<Self, BuildError>;

    /// Signs `message`.
    ///
    /// # Errors
    /// When the crypto library fails.
    fn sign(&self, message: &[u8]) -> Result<Signature, Outage>;

    /// Whether `signature` is this key's for `message`; a MAC is compared in constant time.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// Claims that were read and not judged yet.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct ReadClaims<'a>(#[serde(borrow)] Claims<Text<'a>>);

impl ReadClaims<'_> {
    /// Who the claims are about, as it is written there; nothing has been judged.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.sub.as_ref()
    }
}

/// Where a payload is decoded to. Uninitialised, because zeroing six kilobytes costs more than
/// decoding three hundred bytes.
#[derive(Debug)]
pub struct PayloadBuffer([MaybeUninit<u8>; MAX_TOKEN_BYTES / 4 * 3]);

impl PayloadBuffer {
    /// An empty one.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); MAX_TOKEN_BYTES / 4 * 3])
    }
}

impl Default for PayloadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Access tokens without `jsonwebtoken`, under keys `K`.
#[derive(Debug)]
pub struct Prepared<K> {
    policy: Policy,
    /// In the policy's order.
    keys: Vec<K>,
}

impl<K: PreparedKey> Prepared<K> {
    /// Step 1: cuts a token at its two dots.
    ///
    /// # Errors
    /// `Malformed`: over 8 KiB, or not three segments.
    #[inline]
    pub fn split(token: &str) -> Result<Segments<'_>, Denial> {
        split(token)
    }

    /// Step 2: the place of the header's key among the keys. A header that we would write
    /// ourselves is compared; any other is parsed and judged.
    ///
    /// # Errors
    /// The first thing wrong with the header.
    #[inline]
    pub fn key_of(&self, segments: &Segments<'_>) -> Result<usize, Denial> {
        self.policy.key_of(segments.header)
    }

    /// Step 3: whether the signature is that of the key in `place`.
    ///
    /// # Errors
    /// `Malformed`: it is not base64url. `BadSignature`: it does not verify.
    ///
    /// # Panics
    /// When `place` is not one that [`Prepared::key_of`] has answered.
    #[inline]
    pub fn check_signature(&self, place: usize, segments: &Segments<'_>) -> Result<(), Denial> {
        check_signature(&self.keys[place], segments)
    }

    /// Step 4: the payload's JSON, decoded. Not before the signature is good: nobody without a key
    /// reaches the JSON parser.
    ///
    /// # Errors
    /// `Malformed`: it is not base64url, or not UTF-8.
    #[inline]
    pub fn decode_payload<'b>(
        payload: &[u8],
        buffer: &'b mut PayloadBuffer,
    ) -> Result<&'b str, Denial> {
        let json = URL_SAFE_NO_PAD
            .decode(payload, buffer.0.as_mut_slice().as_out())
            .map_err(|_| Denial::Malformed)?;
        // Once over the whole is cheaper than `from_slice`, which checks every text by itself.
        std::str::from_utf8(json).map_err(|_| Denial::Malformed)
    }

    /// Step 5: the claims in it.
    ///
    /// # Errors
    /// `Malformed`: not sound claims.
    #[inline]
    pub fn read(json: &str) -> Result<ReadClaims<'_>, Denial> {
        serde_json::from_str(json).map_err(|_| Denial::Malformed)
    }

    /// Step 6: judges them.
    ///
    /// # Errors
    /// The first claim that is not as it must be.
    #[inline]
    pub fn judge(&self, claims: &ReadClaims<'_>, now: UnixTime) -> Result<Verified, Denial> {
        self.policy.judge(&claims.0, now)
    }
}

impl<K: PreparedKey> AccessTokens for Prepared<K> {
    const ALGORITHM: Algorithm = K::ALGORITHM;

    fn build(deps: &Deps) -> Result<Self, BuildError> {
        let keys = deps.keys.of(Self::ALGORITHM)?;
        let policy = Policy::new(&deps.settings, &keys)?;
        let prepared = keys.iter().map(|key| try_out(key)).collect::<Result<_, _>>()?;
        Ok(Self { policy, keys: prepared })
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> Result<Grant, Outage> {
        let claims = Outgoing::new(token, self.policy.settings(), now);
        let json = serde_json::to_vec(&claims).map_err(Outage::new)?;
        let header = self.policy.signing_header();
        let payload_chars = URL_SAFE_NO_PAD.encoded_length(json.len());
        let mut text = String::with_capacity(header.len() + payload_chars + 128);
        text.push_str(header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_append(&json, &mut text);
        let signature = self.keys[0].sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_append(signature, &mut text);
        Ok(Grant { access: Secret::new(text), refresh: None, expires_at: claims.expires_at() })
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        let segments = Self::split(token)?;
        let place = self.key_of(&segments)?;
        self.check_signature(place, &segments)?;
        let mut buffer = PayloadBuffer::new();
        let claims = Self::read(Self::decode_payload(segments.payload, &mut buffer)?)?;
        self.judge(&claims, now)
    }
}

/// Decodes the presented signature and verifies it.
#[inline]
pub(super) fn check_signature<K: PreparedKey>(
    key: &K,
    segments: &Segments<'_>,
) -> Result<(), Denial> {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; SIGNATURE_MAX_BYTES];
    if segments.signature.len() > SIGNATURE_MAX_BYTES.div_ceil(3) * 4 {
        URL_SAFE_NO_PAD.check(segments.signature).map_err(|_| Denial::Malformed)?;
        return Err(Denial::BadSignature);
    }
    let signature = URL_SAFE_NO_PAD
        .decode(segments.signature, buffer.as_mut_slice().as_out())
        .map_err(|_| Denial::Malformed)?;
    if key.verify(segments.signing_input, signature) { Ok(()) } else { Err(Denial::BadSignature) }
}

/// Prepares a key and sees whether its halves belong together.
fn try_out<K: PreparedKey>(key: &Key) -> Result<K, BuildError> {
    const MESSAGE: &[u8] = b"tried out before it is needed";
    let prepared = K::prepare(key)?;
    let signature = prepared.sign(MESSAGE)?;
    if prepared.verify(MESSAGE, signature.as_ref()) {
        return Ok(prepared);
    }
    Err(BuildError::Config(format!(
        "the halves of the {} key `{}` do not belong together",
        K::ALGORITHM.name(),
        key.kid
    )))
}
