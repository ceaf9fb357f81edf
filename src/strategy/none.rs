//! `none`: admits whoever the credential names. The cost of everything but authentication.
//!
//! Deliberately absent: any check. Its server refuses every address but loopback.

use crate::credential::{Credential, Grant, Secret};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, Uses,
};

/// Parses the subject and believes it.
#[derive(Debug)]
pub(super) struct NoAuthentication {
    lifetime_s: u64,
}

impl AuthStrategy for NoAuthentication {
    const PROPERTIES: Properties = Properties {
        family: Family::Floor,
        algorithm: None,
        revoke: Revocation::AtExpiry,
        granularity: Granularity::Nothing,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: Faults::NONE,
        redis: RedisCommands::NONE,
        store: None,
        renewal: Renewal::None,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self { lifetime_s: deps.settings.token_lifetime_s })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        // The login time travels along, so that the principal equals every other strategy's.
        let access = Secret::new(format!("{subject}.{:010}", now.0));
        Ok(Grant { access, refresh: None, expires_at: now.plus(self.lifetime_s) })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        _now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let (subject, auth_time) = credential.expose().split_once('.').ok_or(Denial::Malformed)?;
        let subject = subject.parse().map_err(|_| Denial::Malformed)?;
        let auth_time = auth_time.parse().map_err(|_| Denial::Malformed)?;
        Ok(Principal::of_test_subject(subject, UnixTime(auth_time)))
    }

    async fn refresh(
        &self,
        _credential: Credential<'_>,
        _now: UnixTime,
    ) -> Result<Grant, AuthError> {
        Err(Denial::NotRenewable.into())
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        self.authenticate(credential, now).await?;
        Ok(Revocation::AtExpiry)
    }

    async fn revoke_all(&self, _subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}
