//! `session-edge-jwt`: the client holds a session id, and nothing behind the edge ever sees it. The
//! edge looks the session up and makes a short token for the services behind, which verify it
//! without asking anybody.
//!
//! Measured as one process: the lookup, the making of the token, and its verification by one hop.
//! The promise is the edge's. Behind it a token that was made before a logout is good until it
//! expires, [`Settings::internal_lifetime_s`](crate::settings::Settings::internal_lifetime_s) at
//! most: the time a request may take to get through.
//!
//! A token is made for each request: exact, and with a MAC it costs microseconds. Who signs with
//! RSA or ECDSA would keep one for each session for a part of its life. A MAC, because it is the
//! cheapest and edge and hops are one house; but each hop could then make tokens as the edge does.
//! Where that matters the edge signs (EdDSA) and the hops hold the public key.
//!
//! Deliberately absent: a second credential. The token has an audience of its own, so that one that
//! leaks is nothing at the edge, and one of the outside is nothing behind it.

use std::sync::Arc;

use super::session::Session;
use crate::credential::{Credential, Grant, Secret};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::settings::Settings;
use crate::store::SessionStore;
use crate::strategy::contract::{AuthStrategy, Deps, Properties, Revocation};
use crate::token::{AccessTokens, NewToken, TokenId};

/// Sessions in `S` at the edge, tokens `T` behind it.
#[derive(Debug)]
pub(super) struct SessionEdgeJwt<S, T> {
    edge: Session<S>,
    internal: T,
    entropy: Arc<dyn Entropy>,
}

/// The settings of the tokens behind the edge.
fn internal_settings(settings: &Settings) -> Settings {
    Settings {
        audience: format!("{}/internal", settings.audience),
        token_lifetime_s: settings.internal_lifetime_s,
        ..settings.clone()
    }
}

impl<S, T: AccessTokens> SessionEdgeJwt<S, T> {
    /// What the edge sends on with a request of `principal`.
    fn mint(&self, principal: Principal, now: UnixTime) -> Result<Secret, Outage> {
        let id = TokenId(fresh(&*self.entropy)?);
        Ok(self
            .internal
            .issue(&NewToken { principal, id, version: None, session: None }, now)?
            .access)
    }

    /// Whom a service behind the edge takes the request for. One that refuses what the edge has
    /// just made is out of step with it: that is no fault of the client's, and so no denial.
    fn hop(&self, token: &Secret, now: UnixTime) -> Result<Principal, Outage> {
        match self.internal.verify(token.expose(), now) {
            Ok(verified) => Ok(verified.principal),
            Err(why) => Err(Outage::new(format!("a hop refused the edge's token: {why}"))),
        }
    }
}

impl<S: SessionStore, T: AccessTokens> AuthStrategy for SessionEdgeJwt<S, T> {
    /// Those of the credential, which is the session's: the algorithm is none that a client sees.
    const PROPERTIES: Properties =
        Properties { hops_verify: Some(T::ALGORITHM), ..Session::<S>::PROPERTIES };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        let inside = Deps { settings: internal_settings(&deps.settings), ..deps.clone() };
        Ok(Self {
            edge: Session::build(deps).await?,
            internal: T::build(&inside)?,
            entropy: Arc::clone(&deps.entropy),
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        self.edge.issue(subject, now).await
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let principal = self.edge.authenticate(credential, now).await?;
        let token = self.mint(principal, now)?;
        Ok(self.hop(&token, now)?)
    }

    async fn refresh(&self, credential: Credential<'_>, now: UnixTime) -> Result<Grant, AuthError> {
        self.edge.refresh(credential, now).await
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        self.edge.revoke(credential, now).await
    }

    async fn revoke_all(&self, subject: SubjectId, now: UnixTime) -> Result<Revocation, Outage> {
        self.edge.revoke_all(subject, now).await
    }

    async fn count_live(&self, subject: SubjectId, now: UnixTime) -> Result<Option<u64>, Outage> {
        self.edge.count_live(subject, now).await
    }

    fn sweep(&self, now: UnixTime) {
        self.edge.sweep(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::entropy::OsEntropy;
    use crate::error::Denial;
    use crate::store::memory::MemorySessions;
    use crate::strategy::contract::Revocation;
    use crate::token::algorithm::Hs256;
    use crate::token::key::Keyring;
    use crate::token::prepared::{AwsLc, Prepared};

    type Tokens = Prepared<AwsLc<Hs256>>;
    type Edge = SessionEdgeJwt<MemorySessions, Tokens>;

    const NOW: UnixTime = UnixTime(1_700_000_000);
    const ALICE: SubjectId = SubjectId(0xa11ce);

    fn deps() -> Deps {
        Deps {
            settings: Settings::default(),
            keys: Arc::new(Keyring::generate(&OsEntropy).expect("keys")),
            redis: None,
            postgres_url: None,
            sqlite_file: None,
            clock: Arc::new(ManualClock::default()),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// An edge, a credential, and the token that a request with it is sent on with.
    async fn at_work(deps: &Deps) -> (Edge, Secret, Secret) {
        let edge = Edge::build(deps).await.expect("it builds");
        let cookie = edge.issue(ALICE, NOW).await.expect("a login").access;
        let who = edge.authenticate(cookie.as_credential(), NOW).await.expect("a good session");
        assert_eq!(who, Principal::of_test_subject(ALICE, NOW));
        let token = edge.mint(who, NOW).expect("it signs");
        assert_eq!(edge.hop(&token, NOW).expect("a good token"), who);
        (edge, cookie, token)
    }

    #[tokio::test]
    async fn what_is_used_inside_is_nothing_outside_and_the_other_way_round() {
        let deps = deps();
        let (edge, cookie, token) = at_work(&deps).await;
        for presented in [&token, &Secret::new(token.expose()[..43].to_owned())] {
            let answer = edge.authenticate(presented.as_credential(), NOW).await;
            assert!(matches!(answer, Err(AuthError::Denied(_))), "{answer:?}");
            let answer = edge.revoke(presented.as_credential(), NOW).await;
            assert!(matches!(answer, Err(AuthError::Denied(_))), "{answer:?}");
        }
        // The same keys and the same issuer; the audience alone tells them apart.
        let outside = Tokens::build(&deps).expect("it builds");
        assert_eq!(outside.verify(token.expose(), NOW), Err(Denial::WrongAudience));
        let id = TokenId([1; 16]);
        let who = Principal::of_test_subject(ALICE, NOW);
        let theirs =
            outside.issue(&NewToken { principal: who, id, version: None, session: None }, NOW);
        let theirs = theirs.expect("it signs").access;
        outside.verify(theirs.expose(), NOW).expect("good where it is meant for");
        assert_eq!(edge.internal.verify(theirs.expose(), NOW), Err(Denial::WrongAudience));
        edge.hop(&cookie, NOW).expect_err("a session id is no token");
    }

    #[tokio::test]
    async fn logout_is_at_once_at_the_edge_and_at_expiry_behind_it() {
        let deps = deps();
        let (edge, cookie, token) = at_work(&deps).await;
        let promise = edge.revoke(cookie.as_credential(), NOW).await.expect("a logout");
        assert_eq!(promise, Revocation::Immediate);
        let answer = edge.authenticate(cookie.as_credential(), NOW).await;
        assert!(matches!(answer, Err(AuthError::Denied(Denial::Unknown))), "{answer:?}");
        let life = deps.settings.internal_lifetime_s;
        edge.hop(&token, NOW.plus(life - 1)).expect("a token is good until it expires");
        edge.hop(&token, NOW.plus(life)).expect_err("and then it is not");
    }

    #[tokio::test]
    async fn a_hop_out_of_step_is_an_outage() {
        let (edge, _, token) = at_work(&deps()).await;
        let other = Edge::build(&deps()).await.expect("it builds");
        let answer = other.hop(&token, NOW).expect_err("other keys");
        assert!(answer.to_string().contains("bad-signature"), "{answer}");
        edge.hop(&token, NOW).expect("the same keys");
    }
}
