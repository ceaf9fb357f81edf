//! `jwt-version`: a token that carries its subject's version, and the current one in Redis.
//!
//! Logout raises the version, so it takes back every token of the subject at once. Deliberately
//! absent: logout of one device, which would need a version for each.

use std::sync::Arc;

use redis::{Cmd, cmd};

use crate::credential::{Credential, Grant};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::store::redis::RedisHandle;
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};
use crate::token::{AccessTokens, NewToken, TokenId};

/// The Redis key of a subject's version. It has no time to live: an expired counter would start
/// again at zero and lock out the tokens that carry a higher version. The price is one small key
/// for every user who ever logged out.
fn key_name(subject: SubjectId) -> String {
    format!("version:{subject}")
}

/// Tokens `T` and a version for each subject.
#[derive(Debug)]
pub(super) struct JwtVersion<T> {
    tokens: T,
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
}

impl<T: AccessTokens> JwtVersion<T> {
    /// The subject's version; zero when nothing was ever taken back.
    async fn version(&self, subject: SubjectId) -> Result<u64, Outage> {
        let kept: Option<u64> = self.redis.query(&Cmd::get(key_name(subject))).await?;
        Ok(kept.unwrap_or(0))
    }

    /// Takes back every token issued so far. One that is being issued meanwhile carries the old
    /// version and dies with them, or was issued after.
    async fn raise(&self, subject: SubjectId) -> Result<Revocation, Outage> {
        self.redis.query::<u64>(cmd("INCR").arg(key_name(subject))).await?;
        Ok(Revocation::Immediate)
    }
}

impl<T: AccessTokens> AuthStrategy for JwtVersion<T> {
    const PROPERTIES: Properties = Properties {
        family: Family::TokenWithState,
        algorithm: Some(T::ALGORITHM),
        revoke: Revocation::Immediate,
        granularity: Granularity::Subject,
        revoke_all: Revocation::Immediate,
        scope: Scope::Shared,
        faults: Faults::DENY_LIST,
        redis: RedisCommands::each(1),
        store: Some(StoreKind::Redis),
        renewal: Renewal::None,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            tokens: T::build(deps)?,
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let principal = Principal::of_test_subject(subject, now);
        let id = TokenId(fresh(&*self.entropy)?);
        let version = Some(self.version(subject).await?);
        self.tokens.issue(&NewToken { principal, id, version, session: None }, now)
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let token = self.tokens.verify(credential.expose(), now)?;
        let carried = token.version.ok_or(Denial::Malformed)?;
        // Equal, not at least: after a loss of the store a token from the future must not pass.
        if carried != self.version(token.principal.subject).await? {
            return Err(Denial::Revoked.into());
        }
        Ok(token.principal)
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
        let principal = self.authenticate(credential, now).await?;
        Ok(self.raise(principal.subject).await?)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        self.raise(subject).await
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}
