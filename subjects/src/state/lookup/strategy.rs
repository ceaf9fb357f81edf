//! Lookups through a strategy: hashing the id or verifying the token, the store, reading the
//! record.

use std::sync::Arc;

use authbench::credential::Secret;
use authbench::identity::{SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Visitor};

use crate::bed::{Bed, CREDENTIALS};
use crate::state::database::Place;
use crate::state::drive::{Step, driven};
use crate::state::entry;
use crate::subject::Batch;

/// How full and how busy it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct Filling {
    /// Lookups at a time.
    pub(in crate::state) in_flight: u64,
    /// Entries of other subjects, filed before.
    pub(in crate::state) others: u64,
}

/// Lookups of the credentials of subjects 0, 1, 2, ... of a strategy that keeps its state in
/// `place`.
///
/// # Errors
/// When it cannot be built, a forged credential is admitted, or the store does not answer.
pub(in crate::state) fn batch(
    bed: &Arc<Bed>,
    kind: StrategyKind,
    place: Place,
    filling: Filling,
) -> anyhow::Result<Batch> {
    bed.runtime.block_on(kind.visit(Fill { bed: Arc::clone(bed), place, filling }))
}

/// A strategy and the credentials of subjects 0, 1, 2, ...
struct Wallet<S> {
    strategy: S,
    credentials: Vec<Secret>,
    now: UnixTime,
    _place: Place,
}

impl<S: AuthStrategy> Step for Wallet<S> {
    async fn step(&self, n: u64) -> anyhow::Result<()> {
        let subject = n % CREDENTIALS;
        let credential = self.credentials[subject as usize].as_credential();
        let principal = self.strategy.authenticate(credential, self.now).await?;
        anyhow::ensure!(principal.subject == SubjectId(subject), "somebody else's session");
        Ok(())
    }
}

struct Fill {
    bed: Arc<Bed>,
    place: Place,
    filling: Filling,
}

impl Visitor for Fill {
    type Output = anyhow::Result<Batch>;

    async fn visit<S: AuthStrategy>(self, _: StrategyKind) -> anyhow::Result<Batch> {
        let now = self.bed.now;
        let strategy = S::build(&self.place.deps).await?;
        if self.filling.others > 0 {
            entry::file(&strategy, self.filling.others, now).await?;
        }
        let mut credentials = Vec::new();
        for n in 0..CREDENTIALS {
            credentials.push(strategy.issue(SubjectId(n), now).await?.access);
        }
        entry::must_be_refused(&strategy, &forged(&credentials[0]), now).await?;
        let wallet = Wallet { strategy, credentials, now, _place: self.place };
        Ok(driven(&self.bed, wallet, self.filling.in_flight))
    }
}

/// An id that was never issued, or a token with a bit of its signature turned: the same spelling.
fn forged(access: &Secret) -> Secret {
    let mut text = access.expose().to_owned();
    let at = text.len() - 10;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    text.replace_range(at..=at, other);
    Secret::new(text)
}
