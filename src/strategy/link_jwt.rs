//! `link-jwt`: a signed token in a link, and no state: THE NEGATIVE CONTROL. It is good for as many
//! uses as fit into its lifetime, and nothing takes it back.
//!
//! Its audience is its purpose: it is no access token, and an access token is no link. Deliberately
//! absent: everything that would make it good once, which is to say state.

use std::sync::Arc;

use crate::credential::{Credential, Grant};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, Uses,
};
use crate::token::{AccessTokens, NewToken, TokenId};

/// What follows the audience of access tokens in that of links.
const PURPOSE: &str = "/redeem";

/// Links that are tokens `T`.
#[derive(Debug)]
pub(super) struct LinkJwt<T> {
    tokens: T,
    entropy: Arc<dyn Entropy>,
}

impl<T: AccessTokens> AuthStrategy for LinkJwt<T> {
    const PROPERTIES: Properties = Properties {
        family: Family::Link,
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
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        let mut own = deps.clone();
        own.settings.audience.push_str(PURPOSE);
        own.settings.token_lifetime_s = own.settings.link_lifetime_s;
        Ok(Self { tokens: T::build(&own)?, entropy: Arc::clone(&deps.entropy) })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let principal = Principal::of_test_subject(subject, now);
        let id = TokenId(fresh(&*self.entropy)?);
        self.tokens.issue(&NewToken { principal, id, version: None, session: None }, now)
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
        self.tokens.verify(credential.expose(), now)?;
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
