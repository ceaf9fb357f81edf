//! What the token tests share: settings, keys, and a forge that signs whatever it is told.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authbench::entropy::OsEntropy;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::contract::Deps;
use authbench::token::key::{Algorithm, Keyring};
use authbench::token::{NewToken, TokenId};
use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;

/// The time that tokens are issued and judged at. `jsonwebtoken` compares `exp` with the system's
/// clock, so tests run ahead of it: whatever has expired there has expired here.
pub(crate) fn test_time() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    UnixTime(since.as_secs() + 3_600)
}

/// Default settings, fresh keys, no Redis.
pub(crate) fn deps() -> Deps {
    deps_with(Settings::default())
}

/// Fresh keys, no Redis.
pub(crate) fn deps_with(settings: Settings) -> Deps {
    let keys = Keyring::generate(&OsEntropy).expect("the system has randomness");
    Deps {
        settings,
        keys: Arc::new(keys),
        redis: None,
        postgres_url: None,
        sqlite_file: None,
        clock: Arc::new(authbench::clock::ManualClock::default()),
        entropy: Arc::new(OsEntropy),
    }
}

/// A token's contents for subject `n`.
pub(crate) fn new_token(n: u64, now: UnixTime) -> NewToken {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    NewToken {
        principal: Principal::of_test_subject(SubjectId(n), now),
        id: TokenId(id),
        version: None,
        session: None,
    }
}

/// Base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The bytes behind a segment.
pub(crate) fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(segment).expect("base64url")
}

/// Signs anything with the HS256 keys of a server.
pub(crate) struct Forge {
    keys: Vec<(String, hmac::Key)>,
}

impl Forge {
    /// A forge that has stolen the keys of `deps`.
    pub(crate) fn new(deps: &Deps) -> Self {
        let keys = deps.keys.of(Algorithm::Hs256).expect("HS256 keys");
        let steal = |private: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, private);
        Self { keys: keys.iter().map(|k| (k.kid.clone(), steal(&k.private))).collect() }
    }

    /// The name of key `place`.
    pub(crate) fn kid(&self, place: usize) -> &str {
        &self.keys[place].0
    }

    /// The header the server writes under key `place`.
    pub(crate) fn header(&self, place: usize) -> String {
        format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{}"}}"#, self.kid(place))
    }

    /// The MAC of `signing_input` under key `place`, encoded.
    pub(crate) fn mac(&self, place: usize, signing_input: &str) -> String {
        encode(hmac::sign(&self.keys[place].1, signing_input.as_bytes()))
    }

    /// A token of a header and a payload, signed with key `place`.
    pub(crate) fn sign(&self, place: usize, header: &[u8], payload: &[u8]) -> String {
        let signing_input = format!("{}.{}", encode(header), encode(payload));
        let mac = self.mac(place, &signing_input);
        format!("{signing_input}.{mac}")
    }
}
