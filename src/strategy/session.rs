//! `session-*`: a random id, and a record of whom it stands for. Logout is a deletion.
//!
//! Deliberately absent: refresh tokens. A session lives on by being used, up to its absolute end.
//! That costs a write, so a use is noted once in a while: see [`Session`].

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD as BASE64URL;

use crate::credential::{Credential, Grant, Secret};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::settings::Settings;
use crate::store::{SessionKey, SessionRecord, SessionStore};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Granularity, Properties, Revocation, Uses,
};
use crate::strategy::law::LagLaw;

/// Random bytes in an id: 256 bits, twice what OWASP ASVS 5.0, 7.2.3 asks for.
const ID_BYTES: usize = 32;
/// Those bytes in base64url.
const ID_CHARS: usize = 43;

/// Sessions kept in `S`. A use prolongs a session once a `PART`-th of the idle time-out has passed
/// since it was last prolonged, so there is at most one write per session in that time: by default
/// in half of it, which moves the deadline least often that is still felt as sliding.
#[derive(Debug)]
pub(super) struct Session<S, const PART: u64 = 2> {
    store: S,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
}

impl<S: SessionStore, const PART: u64> Session<S, PART> {
    /// The session that `credential` names, if it is alive at `now`.
    async fn find(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<(SessionKey, SessionRecord), AuthError> {
        let id = credential.expose().as_bytes();
        let one_of_ours = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if id.len() != ID_CHARS || !id.iter().all(one_of_ours) {
            return Err(Denial::Malformed.into());
        }
        let key = SessionKey::of(credential.expose());
        let record = self.store.load(&key).await?.ok_or(Denial::Unknown)?;
        // Judged by the caller's clock: the store may forget later than that.
        if now >= record.expires_at() {
            return Err(Denial::Expired.into());
        }
        Ok((key, record))
    }

    /// The idle deadline of a session used at `now`.
    fn idle_until(&self, now: UnixTime, ends_at: UnixTime) -> UnixTime {
        now.plus(self.settings.session_idle_s).min(ends_at)
    }

    /// Whether it is long enough ago that a use was noted, and noting this one prolongs anything. A
    /// write on every request would double the cost of a read to move a deadline by seconds.
    fn is_due_for_touch(&self, record: &SessionRecord, now: UnixTime) -> bool {
        let idle_s = self.settings.session_idle_s;
        let unused_s = idle_s.saturating_sub(now.seconds_until(record.idle_until));
        unused_s.saturating_mul(PART) > idle_s && record.idle_until < record.ends_at
    }
}

impl<S: SessionStore, const PART: u64> AuthStrategy for Session<S, PART> {
    const PROPERTIES: Properties = Properties {
        family: Family::Session,
        algorithm: None,
        revoke: S::REVOKE,
        granularity: Granularity::Credential,
        revoke_all: S::REVOKE,
        scope: S::SCOPE,
        faults: S::FAULTS,
        redis: S::REDIS,
        store: S::KIND,
        renewal: S::RENEWAL,
        uses: Uses::Many,
        counts_live: true,
        hops_verify: None,
        remembers: S::REMEMBERS,
    };

    const LAG_LAW: LagLaw = LagLaw::named_or_of(S::LAG_LAW, &Self::PROPERTIES);

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        deps.settings.check()?;
        Ok(Self {
            store: S::open(deps).await?,
            entropy: Arc::clone(&deps.entropy),
            settings: deps.settings.clone(),
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let id = BASE64URL.encode_to_string(fresh::<ID_BYTES>(&*self.entropy)?);
        let who = Principal::of_test_subject(subject, now);
        let ends_at = now.plus(self.settings.session_absolute_s);
        let record = SessionRecord::at_login(who, self.idle_until(now, ends_at), ends_at);
        if !self.store.create(&SessionKey::of(&id), &record, now).await? {
            return Err(Outage::new("the random generator repeated a session id"));
        }
        Ok(Grant { access: Secret::new(id), refresh: None, expires_at: record.expires_at() })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let (key, record) = self.find(credential, now).await?;
        if self.is_due_for_touch(&record, now) {
            let idle_until = self.idle_until(now, record.ends_at);
            let used = SessionRecord { idle_until, ..record };
            // Gone since it was read: a logout came in between, and logout wins.
            if !self.store.touch(&key, &used, now).await? {
                return Err(Denial::Unknown.into());
            }
        }
        Ok(record.principal())
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
        let (key, record) = self.find(credential, now).await?;
        self.store.delete(&key, record.subject).await?;
        Ok(S::REVOKE)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        self.store.delete_all(subject).await?;
        Ok(S::REVOKE)
    }

    async fn count_live(&self, subject: SubjectId, now: UnixTime) -> Result<Option<u64>, Outage> {
        self.store.count(subject, now).await.map(Some)
    }

    fn sweep(&self, now: UnixTime) {
        self.store.sweep(now);
    }
}
