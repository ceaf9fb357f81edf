//! `jwt-denylist*`: a token, and a list of those taken back.
//!
//! The list is of what is *not* good: what it does not know of is good until it expires. Where the
//! list is kept, how a node hears of it and what happens while it cannot, is the list's own affair.
//! Deliberately absent: logout everywhere, see [`crate::store::deny`].

use std::sync::Arc;

use crate::credential::{Credential, Grant};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::store::deny::{DenyList, Entry};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Granularity, Properties, Remembers, Renewal, Revocation, Scope,
    StoreKind, Uses,
};
use crate::strategy::law::LagLaw;
use crate::token::{AccessTokens, NewToken, TokenId};

/// Tokens `T` and a deny-list `L`.
#[derive(Debug)]
pub(super) struct JwtDenylist<T, L> {
    tokens: T,
    list: L,
    entropy: Arc<dyn Entropy>,
    leeway_s: u64,
}

impl<T: AccessTokens, L: DenyList> JwtDenylist<T, L> {
    /// Who the token is for and what the list knows it as, if it verifies and was not taken back.
    /// The signature comes first: only who holds a real token can make the store work.
    async fn find(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<(Principal, Entry), AuthError> {
        let token = self.tokens.verify(credential.expose(), now)?;
        let accepted_until = token.expires_at.plus(self.leeway_s);
        let entry = Entry { id: token.id, generation: token.version, accepted_until };
        if self.list.is_denied(&entry).await? {
            return Err(Denial::Revoked.into());
        }
        Ok((token.principal, entry))
    }
}

impl<T: AccessTokens, L: DenyList> AuthStrategy for JwtDenylist<T, L> {
    const PROPERTIES: Properties = Properties {
        family: Family::TokenWithState,
        algorithm: Some(T::ALGORITHM),
        revoke: L::REVOKE,
        granularity: Granularity::Credential,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: L::FAULTS,
        redis: L::REDIS,
        store: Some(StoreKind::Redis),
        renewal: Renewal::None,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    const LAG_LAW: LagLaw = LagLaw::named_or_of(L::LAG_LAW, &Self::PROPERTIES);

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            tokens: T::build(deps)?,
            list: L::open(deps).await?,
            entropy: Arc::clone(&deps.entropy),
            leeway_s: deps.settings.leeway_s,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let principal = Principal::of_test_subject(subject, now);
        let id = TokenId(fresh(&*self.entropy)?);
        let version = self.list.generation().await?;
        self.tokens.issue(&NewToken { principal, id, version, session: None }, now)
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        Ok(self.find(credential, now).await?.0)
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
        let (_, entry) = self.find(credential, now).await?;
        self.list.deny(&entry, now).await?;
        Ok(L::REVOKE)
    }

    async fn revoke_all(&self, _subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, now: UnixTime) {
        self.list.sweep(now);
    }
}
