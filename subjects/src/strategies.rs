//! Verify and issue through the registered strategies: what a server does per request and login.

use std::sync::Arc;

use anyhow::ensure;
use authbench::credential::Secret;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Family, StoreKind, Visitor};
use authbench::token::key::Algorithm;

use crate::bed::{Bed, CREDENTIALS, Scheme};
use crate::drive::{drive, one_by_one};
use crate::subject::{Batch, Name, Subject};

/// `verify/<strategy>` and `issue/<strategy>` for those of `kinds` that never wait, and issuing for
/// those that do. Each alternates with the first token strategy, and that one with another.
#[must_use]
pub fn subjects(kinds: &[StrategyKind]) -> Vec<Subject> {
    let mut all = Vec::new();
    for operation in ["verify", "issue"] {
        for &kind in kinds.iter().filter(|kind| is_timed_here(**kind)) {
            let waits = waits(kind);
            if waits && operation == "verify" {
                continue;
            }
            let name = Name::new(operation, kind.name());
            let mut subject = Subject::new(name, move |bed| {
                drive(bed, waits, kind.visit(Make { bed: Arc::clone(bed), operation }))?
            })
            .of(kind);
            if let Some(reference) = reference_of(kind, kinds) {
                subject = subject.against(&Name::new(operation, reference.name()));
            }
            all.push(if waits { subject.waiting() } else { subject });
        }
    }
    all
}

/// Whether a request of `kind` waits for another process. A SQLite file is read on the spot.
pub(crate) const fn waits(kind: StrategyKind) -> bool {
    matches!(kind.properties().store, Some(StoreKind::Redis | StoreKind::Postgres))
}

/// Whether `kind` is timed without a server. One that keeps its state in PostgreSQL is not: a bed
/// has no cluster, and half of what a request costs is spent in processes that come and go with
/// its connections. `authbench run` measures it, those processes included.
pub(crate) fn is_timed_here(kind: StrategyKind) -> bool {
    kind.properties().store != Some(StoreKind::Postgres)
}

/// What `kind` alternates with: the first token strategy; that one itself, the first other
/// contender that never waits; nothing when it is alone.
fn reference_of(kind: StrategyKind, kinds: &[StrategyKind]) -> Option<StrategyKind> {
    let family = |k: &&StrategyKind| k.properties().family;
    let token = kinds.iter().find(|k| family(k) == Family::Token);
    let other = kinds
        .iter()
        .find(|k| **k != kind && family(k) != Family::Floor && k.properties().store.is_none());
    token.filter(|token| **token != kind).or(other).copied()
}

/// The keys a strategy needs, by its algorithm; one without tokens gets any.
#[must_use]
pub fn scheme_of(kind: StrategyKind) -> Scheme {
    Scheme::of(kind.properties().algorithm.unwrap_or(Algorithm::Hs256))
}

/// A strategy with credentials of its own.
#[derive(Debug)]
pub struct Wallet<S> {
    /// The strategy.
    pub strategy: S,
    /// What it issued, and to whom.
    pub credentials: Vec<(Secret, Principal)>,
    /// When.
    pub now: UnixTime,
}

impl<S: AuthStrategy> Wallet<S> {
    /// Builds the strategy and logs in [`CREDENTIALS`] subjects. A credential with one character
    /// changed must be refused.
    ///
    /// # Errors
    /// It cannot be built, cannot issue, or admits the tampered credential.
    pub async fn fill(bed: &Bed, kind: StrategyKind) -> anyhow::Result<Self> {
        let strategy = S::build(&bed.deps(scheme_of(kind))?).await?;
        let now = bed.now;
        let mut credentials = Vec::new();
        for n in 0..CREDENTIALS {
            let grant = strategy.issue(SubjectId(n), now).await?;
            credentials.push((grant.access, Principal::of_test_subject(SubjectId(n), now)));
        }
        let wallet = Self { strategy, credentials, now };
        let family = kind.properties().family;
        if family != Family::Floor {
            let tampered = tamper(wallet.credentials[0].0.expose());
            let answer = wallet
                .strategy
                .authenticate(authbench::credential::Credential::new(&tampered), now)
                .await;
            ensure!(answer.is_err(), "`{}` admits a tampered credential", kind.name());
        }
        Ok(wallet)
    }

    /// Authenticates credential `n` (modulo their number) and compares the principal.
    ///
    /// # Errors
    /// It is refused, not judged, or taken for somebody else.
    pub async fn verify(&self, n: u64) -> anyhow::Result<()> {
        let (credential, principal) = &self.credentials[(n % CREDENTIALS) as usize];
        let found = self.strategy.authenticate(credential.as_credential(), self.now).await?;
        ensure!(found == *principal, "it authenticated somebody else");
        Ok(())
    }
}

/// The credential with the first character of its last segment changed: of a token, its signature.
#[must_use]
pub fn tamper(credential: &str) -> String {
    let at = credential.rfind('.').map_or(0, |dot| dot + 1);
    let mut text = credential.to_owned();
    let other = if text[at..].starts_with('A') { "B" } else { "A" };
    text.replace_range(at..=at, other);
    text
}

struct Make {
    bed: Arc<Bed>,
    operation: &'static str,
}

impl Visitor for Make {
    type Output = anyhow::Result<Batch>;

    async fn visit<S: AuthStrategy>(self, kind: StrategyKind) -> Self::Output {
        let wallet = Wallet::<S>::fill(&self.bed, kind).await?;
        let waits = waits(kind);
        if self.operation == "verify" {
            return Ok(one_by_one(&self.bed, waits, async move |n| wallet.verify(n).await));
        }
        Ok(one_by_one(&self.bed, waits, async move |n| {
            let subject = SubjectId(n % CREDENTIALS);
            let grant = wallet.strategy.issue(subject, wallet.now).await?;
            ensure!(
                grant.access.expose().len() == wallet.credentials[0].0.expose().len(),
                "it issued something of another length"
            );
            Ok(())
        }))
    }
}
