//! `jwt-*`: a signed token that is believed until it expires.
//!
//! Deliberately absent: any way to take one back. Logout says so instead of pretending.

use std::sync::Arc;

use crate::credential::{Credential, Grant};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Renewal,
    Revocation, Scope, Uses,
};
use crate::token::{AccessTokens, NewToken, TokenId};

/// Believes what `T` verifies.
#[derive(Debug)]
pub(super) struct Jwt<T> {
    tokens: T,
    entropy: Arc<dyn Entropy>,
}

impl<T: AccessTokens> AuthStrategy for Jwt<T> {
    const PROPERTIES: Properties = Properties {
        family: Family::Token,
        algorithm: Some(T::ALGORITHM),
        revoke: Revocation::AtExpiry,
        granularity: Granularity::Nothing,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: Faults::TOKEN,
        redis: RedisCommands::NONE,
        store: None,
        renewal: Renewal::None,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: T::REMEMBERS,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self { tokens: T::build(deps)?, entropy: Arc::clone(&deps.entropy) })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let token = NewToken {
            principal: Principal::of_test_subject(subject, now),
            id: TokenId(fresh(&*self.entropy)?),
            version: None,
            session: None,
        };
        self.tokens.issue(&token, now)
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        Ok(self.tokens.verify(credential.expose(), now)?.principal)
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
