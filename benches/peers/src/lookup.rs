//! How lookups are driven, so that a peer and ours differ in the lookup alone; and our lookup.
//!
//! Stand-in: our subjects are made here until the common list has them; then the driver of that
//! list must drive the peer too.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Visitor};
use authbench::token::key::Algorithm;
use authbench_subjects::bed::{Bed, CREDENTIALS, Scheme};
use authbench_subjects::subject::{Batch, Name, Subject};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// Requests in flight at a time.
pub const IN_FLIGHT: [usize; 2] = [1, 64];

/// What a lookup is called.
#[must_use]
pub fn name(subject: &str, in_flight: usize) -> Name {
    Name::new("lookup", subject).with("in-flight", in_flight)
}

/// Our lookups, for the interleaved runner.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let ours = |in_flight| {
        Subject::new(name("session-redis", in_flight), move |bed| {
            let kind: StrategyKind = "session-redis".parse().map_err(|e| anyhow!("{e}"))?;
            bed.runtime.block_on(kind.visit(Make { bed: Arc::clone(bed), in_flight }))
        })
        .waiting()
    };
    IN_FLIGHT.into_iter().map(ours).collect()
}

/// So many lookups, `in_flight` of them at a time, on the bed's single-threaded runtime.
pub fn batch<F>(bed: &Arc<Bed>, in_flight: usize, once: F) -> Batch
where
    F: AsyncFn(u64) -> anyhow::Result<()> + Send + 'static,
{
    let bed = Arc::clone(bed);
    let mut next = 0;
    Box::new(move |iterations, stopwatch| {
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| {
            let all = stream::iter(range).map(|i| once(i)).buffer_unordered(in_flight);
            bed.runtime.block_on(all.try_collect::<()>())
        })?
    })
}

struct Make {
    bed: Arc<Bed>,
    in_flight: usize,
}

impl Visitor for Make {
    type Output = anyhow::Result<Batch>;

    async fn visit<S: AuthStrategy>(self, _kind: StrategyKind) -> Self::Output {
        let deps = self.bed.deps(Scheme::of(Algorithm::Hs256))?;
        let strategy = S::build(&deps).await.map_err(|e| anyhow!("{e}"))?;
        let now = self.bed.now;
        let mut wallet = Vec::new();
        for i in 0..CREDENTIALS {
            let grant = strategy.issue(SubjectId(i), now).await.map_err(|e| anyhow!("{e}"))?;
            wallet.push(grant.access);
        }
        Ok(batch(&self.bed, self.in_flight, async move |i| {
            let i = i % CREDENTIALS;
            let credential = wallet.get(i as usize).context("no credential")?.as_credential();
            let found = strategy.authenticate(credential, now).await;
            let found = found.map_err(|e| anyhow!("{e}"))?;
            ensure!(found.subject == SubjectId(i), "it authenticated somebody else");
            Ok(())
        }))
    }
}
