//! Sessions in Redis behind a cache in the process, with one flaw each.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use authbench::clock::Clock;
use authbench::credential::{Credential, Grant, Secret};
use authbench::entropy::{Entropy, fresh};
use authbench::error::{AuthError, BuildError, Denial, Outage};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::store::redis::sessions::RedisSessions;
use authbench::store::{SessionKey, SessionRecord, SessionStore};
use authbench::strategy::contract::{
    AuthStrategy, Deps, Family, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Uses,
};

const LIFE: Duration = Duration::from_secs(1);

/// What is wrong with a mutant. Nothing, unless it says so.
trait Flaw: Send + Sync + 'static {
    const AGES_BY_LAST_USE: bool = false;
    const NEVER_AGES: bool = false;
    const LOGOUT_LEAVES_THE_ENTRY: bool = false;
}

#[derive(Clone, Copy)]
struct Entry {
    record: SessionRecord,
    since: Duration,
}

/// The entries, and how often any was invalidated.
#[derive(Default)]
struct Entries {
    by_key: HashMap<SessionKey, Entry>,
    epoch: u64,
}

/// A cached session strategy that is sound but for `F`.
struct Mutant<F> {
    store: RedisSessions,
    entries: Mutex<Entries>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    idle_s: u64,
    absolute_s: u64,
    flaw: PhantomData<F>,
}

impl<F: Flaw> Mutant<F> {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no thread panicked")
    }

    fn remembered(&self, key: &SessionKey, at: Duration) -> Option<SessionRecord> {
        let mut entries = self.entries();
        let entry = entries.by_key.get_mut(key)?;
        if !F::NEVER_AGES && at - entry.since >= LIFE {
            return None;
        }
        if F::AGES_BY_LAST_USE {
            entry.since = at;
        }
        Some(entry.record)
    }

    fn file(&self, epoch: u64, key: &SessionKey, record: SessionRecord, since: Duration) {
        let mut entries = self.entries();
        if entries.epoch == epoch {
            entries.by_key.insert(*key, Entry { record, since });
        }
    }

    fn forget(&self, mut is_gone: impl FnMut(&SessionKey, &Entry) -> bool) {
        let mut entries = self.entries();
        entries.epoch += 1;
        entries.by_key.retain(|key, entry| !is_gone(key, entry));
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<SessionRecord>, Outage> {
        let since = self.clock.now();
        if let Some(record) = self.remembered(key, since) {
            return Ok(Some(record));
        }
        let epoch = self.entries().epoch;
        let found = self.store.load(key).await?;
        if let Some(record) = found {
            self.file(epoch, key, record, since);
        }
        Ok(found)
    }

    async fn find(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<(SessionKey, SessionRecord), AuthError> {
        let id = credential.expose();
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if id.len() != 43 || !plain {
            return Err(Denial::Malformed.into());
        }
        let key = SessionKey::of(id);
        let record = self.load(&key).await?.ok_or(Denial::Unknown)?;
        if now >= record.expires_at() {
            return Err(Denial::Expired.into());
        }
        Ok((key, record))
    }
}

impl<F: Flaw> AuthStrategy for Mutant<F> {
    const PROPERTIES: Properties = Properties {
        family: Family::Session,
        algorithm: None,
        revoke: Revocation::Within(LIFE),
        granularity: Granularity::Credential,
        revoke_all: Revocation::Within(LIFE),
        scope: RedisSessions::SCOPE,
        faults: RedisSessions::FAULTS,
        redis: RedisCommands { cached: true, ..RedisSessions::REDIS },
        store: RedisSessions::KIND,
        renewal: Renewal::Sliding,
        uses: Uses::Many,
        counts_live: true,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            store: RedisSessions::open(deps).await?,
            entries: Mutex::default(),
            clock: Arc::clone(&deps.clock),
            entropy: Arc::clone(&deps.entropy),
            idle_s: deps.settings.session_idle_s,
            absolute_s: deps.settings.session_absolute_s,
            flaw: PhantomData,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let id = base64_simd::URL_SAFE_NO_PAD.encode_to_string(fresh::<32>(&*self.entropy)?);
        let who = Principal::of_test_subject(subject, now);
        let ends_at = now.plus(self.absolute_s);
        let record = SessionRecord::at_login(who, now.plus(self.idle_s).min(ends_at), ends_at);
        if !self.store.create(&SessionKey::of(&id), &record, now).await? {
            return Err(Outage::new("repeated"));
        }
        Ok(Grant { access: Secret::new(id), refresh: None, expires_at: record.expires_at() })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let (key, record) = self.find(credential, now).await?;
        if now.seconds_until(record.idle_until) * 2 < self.idle_s {
            let idle_until = now.plus(self.idle_s).min(record.ends_at);
            let used = SessionRecord { idle_until, ..record };
            let (epoch, since) = (self.entries().epoch, self.clock.now());
            if !self.store.touch(&key, &used, now).await? {
                self.forget(|filed, _| *filed == key);
                return Err(Denial::Unknown.into());
            }
            self.file(epoch, &key, used, since);
        }
        Ok(record.principal())
    }

    async fn refresh(&self, _: Credential<'_>, _: UnixTime) -> Result<Grant, AuthError> {
        Err(Denial::NotRenewable.into())
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        let (key, record) = self.find(credential, now).await?;
        self.store.delete(&key, record.subject).await?;
        self.forget(|filed, _| *filed == key && !F::LOGOUT_LEAVES_THE_ENTRY);
        Ok(Self::PROPERTIES.revoke)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        self.store.delete_all(subject).await?;
        self.forget(|_, entry| entry.record.subject == subject);
        Ok(Self::PROPERTIES.revoke_all)
    }

    async fn count_live(&self, subject: SubjectId, now: UnixTime) -> Result<Option<u64>, Outage> {
        self.store.count(subject, now).await.map(Some)
    }

    fn sweep(&self, _now: UnixTime) {}
}

macro_rules! flaws {
    ($($flaw:ident $($is:ident)?;)+) => {
        $(
            struct $flaw;
            impl Flaw for $flaw {
                $(const $is: bool = true;)?
            }
        )+
    };
}
flaws! {
    Sound;
    Used AGES_BY_LAST_USE;
    Ageless NEVER_AGES;
    Clinging LOGOUT_LEAVES_THE_ENTRY;
}

super::mutants! {
    sound_caches_show_everything: Mutant<Sound> => [];
    age_by_last_use: Mutant<Used> => [revocation_keeps_its_promise];
    entries_never_age: Mutant<Ageless> =>
        [revocation_keeps_its_promise, a_store_that_is_down_is_as_declared,
         a_corrupt_store_admits_nobody];
    logout_leaves_the_entry: Mutant<Clinging> => [logout_wins_over_use];
}
