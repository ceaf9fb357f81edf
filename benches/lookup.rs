//! What does it cost to look a session up, here or in Redis?
//!
//! Through the strategies, so hashing the id and reading the record count. With one lookup in
//! flight the figure is a latency. With 64 it is the time per lookup at that concurrency: answers
//! share system calls, and what remains is close to CPU.

#[path = "support/redis.rs"]
mod redis;
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use authbench::credential::{Credential, Secret};
use authbench::identity::{SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Family, Visitor};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use redis::Stage;
use support::{CREDENTIALS, deps, now};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// A strategy and the credentials of subjects 0, 1, 2, ...
struct Wallet<S> {
    strategy: S,
    credentials: Vec<Secret>,
    now: UnixTime,
}

impl<S: AuthStrategy> Wallet<S> {
    async fn look_up(&self, n: u64) {
        let subject = n % CREDENTIALS;
        let credential = self.credentials[subject as usize].as_credential();
        let principal = self.strategy.authenticate(credential, self.now).await;
        assert_eq!(principal.expect("a live session").subject, SubjectId(subject));
    }
}

/// A wallet of some strategy.
trait Lookup: Send {
    /// The time `lookups` of them take, `in_flight` at a time, every answer checked.
    fn time(&self, runtime: &Runtime, lookups: u64, in_flight: u64) -> Duration;
}

impl<S: AuthStrategy> Lookup for Arc<Wallet<S>> {
    fn time(&self, runtime: &Runtime, lookups: u64, in_flight: u64) -> Duration {
        runtime.block_on(async {
            let started = Instant::now();
            let mut workers = JoinSet::new();
            for first in 0..in_flight {
                let wallet = Self::clone(self);
                workers.spawn(async move {
                    let mut n = first;
                    while n < lookups {
                        wallet.look_up(n).await;
                        n += in_flight;
                    }
                });
            }
            while let Some(ended) = workers.join_next().await {
                ended.expect("every lookup found its session");
            }
            started.elapsed()
        })
    }
}

struct FillWallet(Deps);

impl Visitor for FillWallet {
    type Output = Box<dyn Lookup>;

    async fn visit<S: AuthStrategy>(self, kind: StrategyKind) -> Box<dyn Lookup> {
        let strategy = S::build(&self.0).await.expect("the store answers");
        let (now, mut credentials) = (now(), Vec::new());
        for n in 0..CREDENTIALS {
            let grant = strategy.issue(SubjectId(n), now).await.expect("the store answers");
            credentials.push(grant.access);
        }
        // An id that was never issued, in the same spelling.
        let mut forged = credentials[0].expose().to_owned();
        forged.replace_range(..1, if forged.starts_with('A') { "B" } else { "A" });
        let answer = strategy.authenticate(Credential::new(&forged), now).await;
        assert!(answer.is_err(), "{} admits a forged id", kind.name());
        Box::new(Arc::new(Wallet { strategy, credentials, now }))
    }
}

fn lookup(c: &mut Criterion) {
    let stage = Stage::set();
    let deps = deps(stage.redis.clone());
    let mut group = c.benchmark_group("lookup");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for kind in StrategyKind::ALL.iter().filter(|k| k.properties().family == Family::Session) {
        let needs_redis = kind.properties().needs_redis;
        if needs_redis && stage.redis.is_none() {
            continue;
        }
        let wallet = stage.runtime.block_on(kind.visit(FillWallet(deps.clone())));
        // In this process nothing waits: more in flight would measure the scheduler.
        let concurrencies: &[u64] = if needs_redis { &[1, 64] } else { &[1] };
        for &in_flight in concurrencies {
            group.bench_function(BenchmarkId::new(kind.name(), in_flight), |b| {
                b.iter_custom(|lookups| wallet.time(&stage.runtime, lookups, in_flight));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lookup);
criterion_main!(benches);
