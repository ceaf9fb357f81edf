//! The entry a strategy keeps in Redis, and how to file many through its own operations.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use authbench::credential::Secret;
use authbench::error::AuthError;
use authbench::identity::{SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Family, Properties, Renewal, Revocation};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

/// Operations in flight while entries are filed, untimed.
const FILING: usize = 256;

/// Subjects that nobody else logs in: the wallets' start at zero.
static NEXT_SUBJECT: AtomicU64 = AtomicU64::new(1 << 32);

/// A subject that no one has met.
pub(super) fn fresh_subject() -> SubjectId {
    SubjectId(NEXT_SUBJECT.fetch_add(1, Ordering::Relaxed))
}

/// What a strategy keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    /// One for each live session: filed by a login.
    Session,
    /// One for each token taken back: filed by a login and a logout.
    Denied,
    /// One for each subject that ever logged out: filed by a logout everywhere.
    Version,
    /// One for each login whose tokens are renewed: filed by it.
    RefreshFamily,
    /// One for each link that was not used yet: filed by issuing it.
    Link,
}

impl Entry {
    /// What `kind` keeps in Redis, if anything.
    pub(super) fn of(kind: StrategyKind) -> Option<Self> {
        let properties = kind.properties();
        if properties.needs_redis() { Self::declared(&properties) } else { None }
    }

    fn declared(properties: &Properties) -> Option<Self> {
        match (properties.family, properties.revoke_all) {
            (Family::Session, _) => Some(Self::Session),
            (Family::TokenWithState, Revocation::Immediate) => Some(Self::Version),
            (Family::TokenWithState, _) => Some(Self::Denied),
            (Family::Hybrid, _) if properties.renewal == Renewal::Rotating => {
                Some(Self::RefreshFamily)
            }
            (Family::Hybrid, _) => Some(Self::Session),
            (Family::Link, _) => Some(Self::Link),
            (Family::Floor | Family::Token, _) => None,
        }
    }

    /// Its name in records.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Denied => "deny-list-entry",
            Self::Version => "version",
            Self::RefreshFamily => "refresh-family",
            Self::Link => "link",
        }
    }

    /// Files one for a subject of its own; a credential that was taken back, where there is one.
    async fn file<S: AuthStrategy>(
        self,
        strategy: &S,
        now: UnixTime,
    ) -> anyhow::Result<Option<Secret>> {
        let subject = fresh_subject();
        if self == Self::Version {
            strategy.revoke_all(subject, now).await?;
            return Ok(None);
        }
        let access = strategy.issue(subject, now).await?.access;
        if self != Self::Denied {
            return Ok(None);
        }
        strategy.revoke(access.as_credential(), now).await?;
        Ok(Some(access))
    }
}

/// Files `count` entries. If that takes credentials back, the last of them must be refused.
///
/// # Errors
/// When the store does not answer, or the promise is not kept.
pub(super) async fn file<S: AuthStrategy>(
    strategy: &S,
    count: u64,
    now: UnixTime,
) -> anyhow::Result<()> {
    let entry = Entry::declared(&S::PROPERTIES).context("it keeps nothing")?;
    let filed = stream::iter(0..count).map(|_| entry.file(strategy, now));
    let keep_last = |_, access| std::future::ready(Ok(access));
    let last = filed.buffer_unordered(FILING).try_fold(None, keep_last).await?;
    if let Some(access) = last {
        must_be_refused(strategy, &access, now).await?;
    }
    Ok(())
}

/// # Errors
/// When the credential is admitted, or could not be judged.
pub(super) async fn must_be_refused<S: AuthStrategy>(
    strategy: &S,
    access: &Secret,
    now: UnixTime,
) -> anyhow::Result<()> {
    match strategy.authenticate(access.as_credential(), now).await {
        Err(AuthError::Denied(_)) => Ok(()),
        Err(AuthError::Unavailable(outage)) => Err(outage.into()),
        Ok(_) => anyhow::bail!("a credential is admitted that must not be"),
    }
}
