//! What does it cost to take a credential back - one, or all of a subject's?
//!
//! One call at a time, so for Redis the figures are latencies. Every call must answer with the
//! promise its strategy declares; where that is `Immediate`, none of its credentials may be
//! admitted once its batch is over.

#[path = "support/redis.rs"]
mod redis;
mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use authbench::credential::Secret;
use authbench::error::AuthError;
use authbench::identity::{SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Revocation, Visitor};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use redis::Stage;
use support::{CREDENTIALS, deps, now};
use tokio::runtime::Runtime;

/// Logins of a subject that logs out everywhere: a phone, a laptop, a tablet.
const DEVICES: usize = 3;

/// What is taken back.
#[derive(Clone, Copy)]
enum Extent {
    One,
    Everywhere,
}

/// A strategy and the next subject to log in: no subject comes twice.
struct Bench<S> {
    strategy: S,
    next_subject: AtomicU64,
    now: UnixTime,
}

impl<S: AuthStrategy> Bench<S> {
    /// A fresh subject and its credentials.
    async fn log_in(&self, extent: Extent) -> (SubjectId, Vec<Secret>) {
        let subject = SubjectId(self.next_subject.fetch_add(1, Ordering::Relaxed));
        let logins = match extent {
            Extent::One => 1,
            Extent::Everywhere => DEVICES,
        };
        let mut credentials = Vec::with_capacity(logins);
        for _ in 0..logins {
            let grant = self.strategy.issue(subject, self.now).await.expect("the store answers");
            credentials.push(grant.access);
        }
        (subject, credentials)
    }

    /// Times the calls alone; logging in before and looking afterwards are not the question.
    async fn time_batch(&self, extent: Extent, calls: u64) -> Duration {
        let mut logins = Vec::new();
        for _ in 0..calls {
            logins.push(self.log_in(extent).await);
        }
        let promise = match extent {
            Extent::One => S::PROPERTIES.revoke,
            Extent::Everywhere => S::PROPERTIES.revoke_all,
        };
        let started = Instant::now();
        for (subject, credentials) in &logins {
            let answer = match extent {
                Extent::One => {
                    let credential = credentials[0].as_credential();
                    self.strategy.revoke(credential, self.now).await.expect("a live credential")
                }
                Extent::Everywhere => {
                    let answer = self.strategy.revoke_all(*subject, self.now).await;
                    answer.expect("the store answers")
                }
            };
            assert_eq!(answer, promise);
        }
        let elapsed = started.elapsed();
        if promise != Revocation::Immediate {
            return elapsed;
        }
        for credential in logins.iter().flat_map(|(_, credentials)| credentials) {
            let answer = self.strategy.authenticate(credential.as_credential(), self.now).await;
            assert!(matches!(answer, Err(AuthError::Denied(_))), "admitted after it was revoked");
        }
        elapsed
    }
}

/// A bench of some strategy.
trait Revoke: Send {
    fn time(&self, runtime: &Runtime, extent: Extent, calls: u64) -> Duration;
}

impl<S: AuthStrategy> Revoke for Bench<S> {
    fn time(&self, runtime: &Runtime, extent: Extent, calls: u64) -> Duration {
        let (mut left, mut elapsed) = (calls, Duration::ZERO);
        while left > 0 {
            let batch = left.min(CREDENTIALS);
            elapsed += runtime.block_on(self.time_batch(extent, batch));
            left -= batch;
        }
        elapsed
    }
}

struct Build(Deps);

impl Visitor for Build {
    type Output = Box<dyn Revoke>;

    async fn visit<S: AuthStrategy>(self, _: StrategyKind) -> Box<dyn Revoke> {
        let strategy = S::build(&self.0).await.expect("the store answers");
        Box::new(Bench { strategy, next_subject: AtomicU64::new(0), now: now() })
    }
}

fn revoke(c: &mut Criterion) {
    let stage = Stage::set();
    let deps = deps(stage.redis.clone());
    let mut group = c.benchmark_group("revoke");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.sample_size(20);
    for kind in StrategyKind::ALL {
        let properties = kind.properties();
        if properties.needs_redis && stage.redis.is_none() {
            continue;
        }
        let bench = stage.runtime.block_on(kind.visit(Build(deps.clone())));
        let extents = [
            ("one", Extent::One, properties.revoke),
            ("everywhere", Extent::Everywhere, properties.revoke_all),
        ];
        for (name, extent, promise) in extents {
            if promise == Revocation::AtExpiry {
                println!("revoke/{}/{name}: nothing to measure: {}", kind.name(), promise.name());
                continue;
            }
            group.bench_function(BenchmarkId::new(kind.name(), name), |b| {
                b.iter_custom(|calls| bench.time(&stage.runtime, extent, calls));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, revoke);
criterion_main!(benches);
