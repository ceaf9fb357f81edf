//! HS256 tokens with everything prepared that does not depend on the token: no allocation to say
//! yes. How far an HMAC token is from what its library makes it cost.
//!
//! The same policy, and to the letter the same answers, as [`Library`](super::library::Library)
//! with the same keys; `tests/tokens/agreement.rs` holds both to it.

use std::fmt;
use std::mem::MaybeUninit;

use aws_lc_rs::hmac;
use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use super::claims::{Claims, Outgoing, Text};
use super::key::Algorithm;
use super::policy::{MAX_TOKEN_BYTES, Policy, Segments, split};
use super::{AccessTokens, NewToken, Verified};
use crate::credential::{Grant, Secret};
use crate::error::{BuildError, Denial, Outage};
use crate::identity::UnixTime;
use crate::strategy::contract::Deps;

/// Bytes of an HMAC-SHA-256 tag, and of the same in base64url.
const TAG_BYTES: usize = 32;
const TAG_CHARS: usize = 43;

/// HS256 access tokens without `jsonwebtoken`.
pub struct Prepared {
    policy: Policy,
    /// In the policy's order.
    keys: Vec<hmac::Key>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({} keys)", self.keys.len())
    }
}

impl AccessTokens for Prepared {
    const ALGORITHM: Algorithm = Algorithm::Hs256;

    fn build(deps: &Deps) -> Result<Self, BuildError> {
        let keys = deps.keys.of(Self::ALGORITHM)?;
        Ok(Self {
            policy: Policy::new(&deps.settings, &keys)?,
            // Hashes the two pads of RFC 2104 once; a copy of that state starts each MAC.
            keys: keys.iter().map(|k| hmac::Key::new(hmac::HMAC_SHA256, &k.private)).collect(),
        })
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> Result<Grant, Outage> {
        let claims = Outgoing::new(token, self.policy.settings(), now);
        let json = serde_json::to_vec(&claims).map_err(Outage::new)?;
        let header = self.policy.signing_header();
        let payload_chars = URL_SAFE_NO_PAD.encoded_length(json.len());
        let mut text = String::with_capacity(header.len() + payload_chars + TAG_CHARS + 2);
        text.push_str(header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_append(&json, &mut text);
        let tag = hmac::sign(&self.keys[0], text.as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_append(tag, &mut text);
        Ok(Grant { access: Secret::new(text), refresh: None, expires_at: claims.expires_at() })
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        let segments = split(token)?;
        let place = self.policy.key_of(segments.header)?;
        verify_tag(&self.keys[place], &segments)?;
        // Not before the signature is good: nobody without a key reaches the JSON parser.
        // Uninitialised, because zeroing six kilobytes costs more than decoding three hundred.
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; MAX_TOKEN_BYTES / 4 * 3];
        let json = URL_SAFE_NO_PAD
            .decode(segments.payload, buffer.as_mut_slice().as_out())
            .map_err(|_| Denial::Malformed)?;
        // Once over the whole is cheaper than `from_slice`, which checks every text by itself.
        let json = std::str::from_utf8(json).map_err(|_| Denial::Malformed)?;
        let claims: Claims<Text<'_>> = serde_json::from_str(json).map_err(|_| Denial::Malformed)?;
        self.policy.judge(&claims, now)
    }
}

/// Compares the presented tag with the one of `key`, in constant time.
pub(super) fn verify_tag(key: &hmac::Key, segments: &Segments<'_>) -> Result<(), Denial> {
    if segments.signature.len() != TAG_CHARS {
        URL_SAFE_NO_PAD.check(segments.signature).map_err(|_| Denial::Malformed)?;
        return Err(Denial::BadSignature);
    }
    let mut tag = [0; TAG_BYTES];
    URL_SAFE_NO_PAD
        .decode(segments.signature, tag.as_mut_slice().as_out())
        .map_err(|_| Denial::Malformed)?;
    hmac::verify(key, segments.signing_input, &tag).map_err(|_| Denial::BadSignature)
}
