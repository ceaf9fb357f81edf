//! How often accepting a token allocates: never, on the prepared path.
//!
//! Counts the calls to Rust's allocator on this thread. What a crypto library takes from C's
//! allocator is not seen.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use allocation_counter::measure;
use authbench::entropy::OsEntropy;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Visitor};
use authbench::token::algorithm::Hs256;
use authbench::token::key::Keyring;
use authbench::token::library::Library;
use authbench::token::prepared::{AwsLc, Prepared};
use authbench::token::{AccessTokens, NewToken, TokenId};

const TOKENS: u64 = 64;

fn deps() -> Deps {
    Deps {
        settings: Settings::default(),
        keys: Arc::new(Keyring::generate(&OsEntropy).expect("the system has randomness")),
        redis: None,
        postgres_url: None,
        sqlite_file: None,
        clock: Arc::new(authbench::clock::ManualClock::default()),
        entropy: Arc::new(OsEntropy),
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    UnixTime(since.as_secs())
}

/// Allocations of verifying `TOKENS` good tokens, the first time included.
fn allocations_of_verify<T: AccessTokens>() -> u64 {
    let (tokens, now) = (T::build(&deps()).unwrap(), now());
    let issue = |n| {
        let principal = Principal::of_test_subject(SubjectId(n), now);
        let id = TokenId([n as u8; 16]);
        let token = NewToken { principal, id, version: Some(n), session: Some(id) };
        tokens.issue(&token, now).unwrap().access
    };
    let credentials: Vec<_> = (0..TOKENS).map(issue).collect();
    let mut accepted = 0;
    let info = measure(|| {
        for (n, secret) in (0..).zip(&credentials) {
            let verified = tokens.verify(secret.expose(), now);
            accepted += u64::from(verified.is_ok_and(|v| v.principal.subject == SubjectId(n)));
        }
    });
    assert_eq!(accepted, TOKENS);
    info.count_total
}

/// Allocations of authenticating `TOKENS` good credentials, each in a single poll.
struct Authenticate;

impl Visitor for Authenticate {
    type Output = u64;

    async fn visit<S: AuthStrategy>(self, _: StrategyKind) -> u64 {
        let (strategy, now) = (S::build(&deps()).await.unwrap(), now());
        let mut credentials = Vec::new();
        for n in 0..TOKENS {
            credentials.push(strategy.issue(SubjectId(n), now).await.unwrap().access);
        }
        let mut accepted = 0;
        let info = measure(|| {
            for (n, secret) in (0..).zip(&credentials) {
                let answer = pin!(strategy.authenticate(secret.as_credential(), now));
                let polled = answer.poll(&mut Context::from_waker(Waker::noop()));
                let good = matches!(polled, Poll::Ready(Ok(p)) if p.subject == SubjectId(n));
                accepted += u64::from(good);
            }
        });
        assert_eq!(accepted, TOKENS);
        info.count_total
    }
}

fn allocations_of_authenticate(kind: StrategyKind) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(kind.visit(Authenticate))
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}

#[test]
fn the_prepared_path_accepts_without_allocating() {
    assert_eq!(allocations_of_verify::<Prepared<AwsLc<Hs256>>>(), 0);
    assert_eq!(allocations_of_authenticate(StrategyKind::JwtHs256Prepared), 0);
}

#[test]
fn the_library_path_allocates() {
    let per_token = allocations_of_verify::<Library<Hs256>>() / TOKENS;
    println!("jsonwebtoken: {per_token} allocations a token");
    assert!(per_token > 0);
    assert!(allocations_of_authenticate(StrategyKind::JwtHs256) >= TOKENS);
}
