//! Properties of every HS256 verifier: no input stops it, no changed token passes, and time
//! divides acceptance from expiry in one place.

use std::sync::LazyLock;

use authbench::error::Denial;
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::token::algorithm::Hs256;
use authbench::token::library::Library;
use authbench::token::prepared::{AwsLc, Prepared};
use authbench::token::{AccessTokens, Verified};
use proptest::prelude::*;

use crate::support::{Forge, deps_with, encode, new_token, test_time};

const LEEWAY_S: u64 = 5;

/// Both verifiers with the same keys, and the forge that has them too.
struct Pair {
    library: Library<Hs256>,
    prepared: Prepared<AwsLc<Hs256>>,
    forge: Forge,
    now: UnixTime,
}

static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let deps = deps_with(Settings { leeway_s: LEEWAY_S, ..Settings::default() });
    Pair {
        library: Library::build(&deps).expect("fresh keys"),
        prepared: Prepared::<AwsLc<Hs256>>::build(&deps).expect("fresh keys"),
        forge: Forge::new(&deps),
        now: test_time(),
    }
});

impl Pair {
    /// The answer of both.
    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        let answer = self.prepared.verify(token, now);
        assert_eq!(answer, self.library.verify(token, now), "{token}");
        answer
    }

    fn issue(&self, n: u64) -> String {
        let grant = self.prepared.issue(&new_token(n, self.now), self.now);
        grant.expect("the key can sign").access.expose().to_owned()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_accepted_or_stops_it(text in any::<String>()) {
        prop_assert!(PAIR.verify(&text, PAIR.now).is_err());
    }

    #[test]
    fn no_three_segments_are_accepted(
        text in "[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_-]{0,60}",
    ) {
        prop_assert!(PAIR.verify(&text, PAIR.now).is_err());
    }

    #[test]
    fn signed_nonsense_is_malformed(bytes in any::<Vec<u8>>(), in_header in any::<bool>()) {
        let own = PAIR.forge.header(0);
        let (header, payload) =
            if in_header { (&bytes[..], &b"{}"[..]) } else { (own.as_bytes(), &bytes[..]) };
        let token = PAIR.forge.sign(0, header, payload);
        prop_assert_eq!(PAIR.verify(&token, PAIR.now), Err(Denial::Malformed));
    }

    #[test]
    fn no_flipped_bit_is_admitted(
        n in any::<u64>(),
        place in any::<prop::sample::Index>(),
        bit in 0..7_u8,
    ) {
        let token = PAIR.issue(n);
        let mut bytes = token.clone().into_bytes();
        bytes[place.index(token.len())] ^= 1 << bit;
        let flipped = String::from_utf8(bytes).expect("ASCII stays ASCII");
        prop_assert!(PAIR.verify(&token, PAIR.now).is_ok());
        prop_assert!(PAIR.verify(&flipped, PAIR.now).is_err());
    }

    #[test]
    fn expiry_is_a_threshold(offset in -2_000_i64..2_000) {
        let token = PAIR.issue(1);
        let end = PAIR.now.0 + Settings::default().token_lifetime_s + LEEWAY_S;
        let now = end.saturating_add_signed(offset);
        let answer = PAIR.verify(&token, UnixTime(now));
        if offset >= 0 {
            prop_assert_eq!(answer, Err(Denial::Expired));
        } else if now + LEEWAY_S < PAIR.now.0 {
            prop_assert_eq!(answer, Err(Denial::NotYetValid));
        } else {
            prop_assert!(answer.is_ok());
        }
    }

    #[test]
    fn what_is_issued_is_what_is_read(n in any::<u64>()) {
        let (token, now) = (new_token(n, PAIR.now), PAIR.now);
        let verified = PAIR.verify(&PAIR.issue(n), now).expect("just issued");
        prop_assert_eq!(verified.principal, token.principal);
        prop_assert_eq!(verified.id, token.id);
        prop_assert_eq!(encode(verified.id.0).len(), 22);
    }
}
