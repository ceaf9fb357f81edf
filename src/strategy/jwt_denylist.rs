//! `jwt-denylist`: a token, and a list in Redis of those taken back, asked on every request.
//!
//! The list is of what is *not* good: when it is lost, what stood on it is good again until it
//! expires. Deliberately absent: logout everywhere. It would need a registry of every live `jti`
//! by subject, that is, the session table the token was meant to replace.

use std::sync::Arc;

use redis::{Cmd, SetExpiry, SetOptions};

use crate::credential::{Credential, Grant};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::store::redis::RedisHandle;
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Renewal,
    Revocation, Scope, StoreKind, Uses,
};
use crate::token::{AccessTokens, NewToken, TokenId, Verified};

const PREFIX: &[u8] = b"denied:";
const KEY_BYTES: usize = PREFIX.len() + 16;

/// The Redis key that stands for "this token was taken back": the 16 bytes of its `jti`. Tokens of
/// one issuer only are accepted, so the `jti` alone is unique.
fn key_name(id: TokenId) -> [u8; KEY_BYTES] {
    let mut name = [0; KEY_BYTES];
    name[..PREFIX.len()].copy_from_slice(PREFIX);
    name[PREFIX.len()..].copy_from_slice(&id.0);
    name
}

/// Tokens `T` and a deny-list.
#[derive(Debug)]
pub(super) struct JwtDenylist<T> {
    tokens: T,
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    leeway_s: u64,
}

impl<T: AccessTokens> JwtDenylist<T> {
    /// The token's claims, if it verifies and was not taken back. The signature comes first: only
    /// who holds a real token can make Redis work.
    async fn find(&self, credential: Credential<'_>, now: UnixTime) -> Result<Verified, AuthError> {
        let token = self.tokens.verify(credential.expose(), now)?;
        if self.redis.query(&Cmd::exists(&key_name(token.id)[..])).await? {
            return Err(Denial::Revoked.into());
        }
        Ok(token)
    }
}

impl<T: AccessTokens> AuthStrategy for JwtDenylist<T> {
    const PROPERTIES: Properties = Properties {
        family: Family::TokenWithState,
        algorithm: Some(T::ALGORITHM),
        revoke: Revocation::Immediate,
        granularity: Granularity::Credential,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: Faults::DENY_LIST,
        redis: RedisCommands::each(1),
        store: Some(StoreKind::Redis),
        renewal: Renewal::None,
        uses: Uses::Many,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            tokens: T::build(deps)?,
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            leeway_s: deps.settings.leeway_s,
        })
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
        Ok(self.find(credential, now).await?.principal)
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
        let token = self.find(credential, now).await?;
        // The entry outlives the token: verifiers accept it until its expiry plus the leeway.
        let accepted_until = token.expires_at.plus(self.leeway_s);
        let life = SetExpiry::EX(now.seconds_until(accepted_until).max(1));
        let entry = Cmd::set_options(
            &key_name(token.id)[..],
            "",
            SetOptions::default().with_expiration(life),
        );
        // Acknowledged by Redis before it is by us: whoever asks later finds it.
        self.redis.query::<()>(&entry).await?;
        Ok(Revocation::Immediate)
    }

    async fn revoke_all(&self, _subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}
