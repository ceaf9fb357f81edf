//! The prepared path and `jsonwebtoken` under the same policy give the same answer to a million
//! generated tokens: the same claims, or the same reason.

use std::collections::BTreeMap;

use authbench::error::Denial;
use authbench::identity::UnixTime;
use authbench::settings::{EXTRA_CLAIMS_BYTES, Settings};
use authbench::token::AccessTokens;
use authbench::token::algorithm::{Hs256, Rs256};
use authbench::token::library::Library;
use authbench::token::prepared::{AwsLc, Prepared};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::generator::Generator;
use crate::support::{Forge, decode, deps_with, new_token, test_time};

const TOKENS: u32 = 1_000_000;

/// Reasons that presenting an HS256 token can have. The others need a store, or no token.
const REASONS: [Denial; 11] = [
    Denial::Malformed,
    Denial::WrongAlgorithm,
    Denial::WrongType,
    Denial::UnknownCritical,
    Denial::UnknownKey,
    Denial::BadSignature,
    Denial::Expired,
    Denial::NotYetValid,
    Denial::LifetimeTooLong,
    Denial::WrongIssuer,
    Denial::WrongAudience,
];

/// Counts the answers to `count` tokens, `None` being acceptance; panics at the first difference.
fn compare(leeway_s: u64, seed: u64, count: u32) -> BTreeMap<Option<Denial>, u32> {
    let deps = deps_with(Settings { leeway_s, ..Settings::default() });
    let library = Library::<Hs256>::build(&deps).expect("fresh keys");
    let prepared = Prepared::<AwsLc<Hs256>>::build(&deps).expect("fresh keys");
    let forge = Forge::new(&deps);
    let now = test_time();
    let rng = Pcg64Mcg::seed_from_u64(seed);
    let mut generator = Generator::new(rng, &forge, now, leeway_s);
    let mut answers = BTreeMap::new();
    for nth in 0..count {
        let token = generator.token();
        let (ours, theirs) = (prepared.verify(&token, now), library.verify(&token, now));
        assert_eq!(
            ours, theirs,
            "prepared (left) and library (right) differ on token {nth} of seed {seed}, leeway \
             {leeway_s}, at {now:?}: {token}"
        );
        *answers.entry(ours.err()).or_insert(0) += 1;
    }
    answers
}

#[test]
fn prepared_and_library_agree_on_a_million_tokens() {
    let mut answers = compare(0, 1, TOKENS / 2);
    for (answer, count) in compare(60, 2, TOKENS / 2) {
        *answers.entry(answer).or_insert(0) += count;
    }
    println!("{answers:?}");
    assert_eq!(answers.values().sum::<u32>(), TOKENS);
    assert!(answers[&None] > TOKENS / 4, "a good share is accepted: {}", answers[&None]);
    for reason in REASONS {
        let count = answers.get(&Some(reason)).copied().unwrap_or(0);
        assert!(count > TOKENS / 10_000, "{reason} came up {count} times");
    }
    assert_eq!(answers.len(), REASONS.len() + 1, "a reason that no token should have");
}

#[test]
fn prepared_and_library_issue_the_same_bytes() {
    let deps = deps_with(Settings::default());
    let library = Library::<Hs256>::build(&deps).expect("fresh keys");
    let prepared = Prepared::<AwsLc<Hs256>>::build(&deps).expect("fresh keys");
    let now = test_time();
    for n in 0..100 {
        let token = new_token(n, now);
        let (ours, theirs) = (prepared.issue(&token, now), library.issue(&token, now));
        let (ours, theirs) = (ours.expect("it can sign"), theirs.expect("it can sign"));
        assert_eq!(ours.access.expose(), theirs.access.expose());
        assert_eq!(ours.expires_at, theirs.expires_at);
    }
}

/// An application's own claims are read by nobody here, and are as long as was asked for.
#[test]
fn further_claims_are_exactly_as_long_and_change_no_answer() {
    fn check<T: AccessTokens>() {
        let now = test_time();
        let payload = |extra_claims_bytes: u32| {
            let deps = deps_with(Settings { extra_claims_bytes, ..Settings::default() });
            let tokens = T::build(&deps).expect("fresh keys");
            let grant = tokens.issue(&new_token(1, now), now).expect("it can sign");
            let token = grant.access.expose();
            let verified = tokens.verify(token, now).expect("its own token");
            (decode(token.split('.').nth(1).expect("three segments")), verified)
        };
        let (usual, verified) = payload(0);
        for extra in [*EXTRA_CLAIMS_BYTES.start(), 800, *EXTRA_CLAIMS_BYTES.end()] {
            let (longer, same) = payload(extra);
            assert_eq!(longer.len(), usual.len() + extra as usize);
            assert_eq!(same, verified);
        }
    }
    check::<Library<Hs256>>();
    check::<Prepared<AwsLc<Hs256>>>();
    // The longest signature there is.
    check::<Library<Rs256>>();
    check::<Prepared<AwsLc<Rs256>>>();
    for extra_claims_bytes in [1, 31, 5_001] {
        let settings = Settings { extra_claims_bytes, ..Settings::default() };
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains("extra_claims_bytes"), "{error}");
    }
}

/// The one difference there is: `jsonwebtoken` takes no clock, so in the past it is ahead of us.
#[test]
fn the_library_also_asks_the_clock_of_the_system() {
    let deps = deps_with(Settings::default());
    let library = Library::<Hs256>::build(&deps).expect("fresh keys");
    let prepared = Prepared::<AwsLc<Hs256>>::build(&deps).expect("fresh keys");
    let long_ago = UnixTime(1_000_000_000);
    let grant = prepared.issue(&new_token(1, long_ago), long_ago).expect("it can sign");
    let token = grant.access.expose();
    assert!(prepared.verify(token, long_ago).is_ok());
    assert_eq!(library.verify(token, long_ago), Err(Denial::Expired));
}
