//! Signatures checked once: what `T` said of a token is kept under the token's SHA-256 for a while.
//!
//! The whole digest is compared, of the whole token: another signature is another token. What
//! depends on the time is judged anew by every request, and what was turned away is not kept. A key
//! that is taken off the ring would be believed for up to [`VerifiedCache::LIFE`] more; here rings
//! do not change, so that is a bound for those who would give it one that does. Deliberately
//! absent: any say in revocation. A deny-list is asked behind this cache, not in front of it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::key::Algorithm;
use super::{AccessTokens, NewToken, Verified};
use crate::bounded::{Bounded, Digest};
use crate::clock::Clock;
use crate::credential::Grant;
use crate::error::{BuildError, Denial, Outage};
use crate::identity::UnixTime;
use crate::strategy::contract::{Deps, Remembers};

/// `T`, asked once for each token.
#[derive(Debug)]
pub struct VerifiedCache<T> {
    tokens: T,
    kept: Bounded<Kept>,
    clock: Arc<dyn Clock>,
    leeway_s: u64,
}

#[derive(Clone, Copy)]
struct Kept {
    verified: Verified,
    /// What `iat` and `nbf` were judged against: they hold from then on, and not before.
    judged_at: UnixTime,
    since: Duration,
}

impl<T> VerifiedCache<T> {
    /// How long a token is believed without a look at its signature.
    pub const LIFE: Duration = Duration::from_secs(60);
    /// Tokens at most, in each process.
    pub const ENTRIES: usize = 65_536;

    /// How many tokens are kept, those included that are not believed any more.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.kept.len()
    }

    /// Whether a full verification at `now` would say the same: the token's own deadline, leeway
    /// included, and the times it must not be used before.
    fn holds(&self, kept: &Kept, now: UnixTime, at: Duration) -> bool {
        at.saturating_sub(kept.since) < Self::LIFE
            && kept.judged_at <= now
            && now < kept.verified.expires_at.plus(self.leeway_s)
    }
}

impl<T: AccessTokens> AccessTokens for VerifiedCache<T> {
    const ALGORITHM: Algorithm = T::ALGORITHM;
    const REMEMBERS: Remembers = Remembers::For(Self::LIFE, Self::ENTRIES);

    fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            tokens: T::build(deps)?,
            kept: Bounded::new(Self::ENTRIES),
            clock: Arc::clone(&deps.clock),
            leeway_s: deps.settings.leeway_s,
        })
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> Result<Grant, Outage> {
        self.tokens.issue(token, now)
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        let mut key: Digest = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let since = self.clock.now();
        let kept = self.kept.get(&key);
        if let Some(kept) = &kept
            && self.holds(kept, now, since)
        {
            return Ok(kept.verified);
        }
        let fetch = self.kept.begin(&key);
        // What does not hold any more is verified in full, so that the reason is the same too.
        let verified = self.tokens.verify(token, now).inspect_err(|_| {
            if kept.is_some() {
                self.kept.forget(&key);
            }
        })?;
        self.kept.file(fetch, &key, Kept { verified, judged_at: now, since });
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::clock::ManualClock;
    use crate::entropy::OsEntropy;
    use crate::identity::{Principal, SubjectId};
    use crate::settings::Settings;
    use crate::token::TokenId;
    use crate::token::algorithm::Es256;
    use crate::token::key::{Key, Keyring, generate_key};
    use crate::token::prepared::{AwsLc, Prepared};

    type Inner = Prepared<AwsLc<Es256>>;

    const NOW: UnixTime = UnixTime(1_700_000_000);
    const LEEWAY_S: u64 = 5;

    /// Counts what comes through.
    struct Counted(Inner, AtomicU64);

    impl AccessTokens for Counted {
        const ALGORITHM: Algorithm = Inner::ALGORITHM;

        fn build(deps: &Deps) -> Result<Self, BuildError> {
            Ok(Self(Inner::build(deps)?, AtomicU64::new(0)))
        }

        fn issue(&self, token: &NewToken, now: UnixTime) -> Result<Grant, Outage> {
            self.0.issue(token, now)
        }

        fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.verify(token, now)
        }
    }

    fn deps(clock: &Arc<ManualClock>) -> Deps {
        let key = |kid: &str| -> Key {
            generate_key(kid.into(), Algorithm::Es256, &OsEntropy).expect("a key")
        };
        Deps {
            settings: Settings { leeway_s: LEEWAY_S, ..Settings::default() },
            keys: Arc::new(Keyring::new(vec![key("a"), key("b")])),
            redis: None,
            postgres_url: None,
            sqlite_file: None,
            clock: Arc::clone(clock) as _,
            entropy: Arc::new(OsEntropy),
        }
    }

    fn cache() -> (VerifiedCache<Counted>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (VerifiedCache::build(&deps(&clock)).expect("it builds"), clock)
    }

    fn issue(cache: &VerifiedCache<Counted>, n: u64) -> Grant {
        let mut id = TokenId([0; 16]);
        id.0[..8].copy_from_slice(&n.to_le_bytes());
        let principal = Principal::of_test_subject(SubjectId(n), NOW);
        cache
            .issue(&NewToken { principal, id, version: Some(n), session: None }, NOW)
            .expect("it signs")
    }

    fn asked(cache: &VerifiedCache<Counted>) -> u64 {
        cache.tokens.1.load(Ordering::Relaxed)
    }

    #[test]
    fn a_hit_says_what_a_miss_says_at_every_threshold() {
        let (cache, _clock) = cache();
        let grant = issue(&cache, 1);
        let (text, end) = (grant.access.expose(), grant.expires_at.0);
        let thresholds = [NOW.0 - LEEWAY_S, NOW.0, end, end + LEEWAY_S];
        for at in thresholds.into_iter().flat_map(|at| [at - 1, at, at + 1]).map(UnixTime) {
            // Filed from another second each time, in and out of order.
            for filed_at in [NOW.0 - LEEWAY_S, NOW.0, end - 1, end + LEEWAY_S - 1] {
                cache.kept.clear();
                let filed = cache.verify(text, UnixTime(filed_at));
                assert!(filed.is_ok() && cache.entries() == 1, "{filed:?}");
                let miss = cache.tokens.0.verify(text, at);
                assert_eq!(cache.verify(text, at), miss, "at {at:?}, filed at {filed_at}");
            }
        }
    }

    #[test]
    fn the_signature_is_checked_once_and_once_more_when_the_entry_is_old() {
        let (cache, clock) = cache();
        let grant = issue(&cache, 1);
        let verify = || cache.verify(grant.access.expose(), NOW.plus(1)).expect("a good token");
        let first = verify();
        for _ in 0..10 {
            assert_eq!(verify(), first);
        }
        assert_eq!(asked(&cache), 1);
        // By age, and not by use.
        for _ in 0..3 {
            clock.advance(VerifiedCache::<Counted>::LIFE / 3);
            verify();
        }
        assert_eq!(asked(&cache), 2);
    }

    #[test]
    fn another_signature_is_another_token_and_no_refusal_is_kept() {
        let (cache, _clock) = cache();
        let grant = issue(&cache, 1);
        let text = grant.access.expose();
        cache.verify(text, NOW).expect("a good token");
        let start = text.rfind('.').expect("it has a signature") + 1;
        for at in start..text.len() {
            let new = if &text[at..=at] == "A" { "B" } else { "A" };
            let bad = [&text[..at], new, &text[at + 1..]].concat();
            for _ in 0..2 {
                let before = asked(&cache);
                cache.verify(&bad, NOW).expect_err("its signature is bad");
                assert_eq!(asked(&cache), before + 1);
            }
        }
        assert_eq!(cache.entries(), 1);
        cache.verify(text, NOW.plus(1_000_000)).expect_err("it has expired");
        assert_eq!(cache.entries(), 0, "what has expired is not kept");
    }

    #[test]
    fn it_is_bounded() {
        let clock = Arc::new(ManualClock::default());
        let mut cache: VerifiedCache<Counted> =
            VerifiedCache::build(&deps(&clock)).expect("builds");
        cache.kept = Bounded::new(64);
        for n in 0..500 {
            cache.verify(issue(&cache, n).access.expose(), NOW).expect("a good token");
            assert!(cache.entries() <= 64);
        }
        assert!(cache.entries() > 16, "{} entries", cache.entries());
    }
}
