//! Sessions in Redis with one flaw each.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use authbench::credential::{Credential, Grant, Secret};
use authbench::entropy::{Entropy, fresh};
use authbench::error::{AuthError, BuildError, Denial, Outage};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::redis::RedisHandle;
use authbench::store::redis::sessions::RedisSessions;
use authbench::store::{SessionKey, SessionRecord, SessionStore};
use authbench::strategy::contract::{
    AuthStrategy, Deps, Family, Granularity, Properties, Remembers, Renewal, Revocation, Uses,
};
use redis::cmd;

/// What is wrong with a mutant. Nothing, unless it says so.
trait Flaw: Send + Sync + 'static {
    const ADMITS_AT_EXPIRY: bool = false;
    const NEVER_IDLES_OUT: bool = false;
    const NEVER_ENDS: bool = false;
    const KEEPS_PLAIN_IDS: bool = false;
    const CREATE_OVERWRITES: bool = false;
    const TOUCH_RESURRECTS: bool = false;
    const TOUCHES_EVERY_TIME: bool = false;
    const REUSES_IDS: bool = false;
    const LOGOUT_ONLY_CLEARS_THE_COOKIE: bool = false;
    const LOGOUT_EVERYWHERE_HITS_EVERYBODY: bool = false;
    const AN_OUTAGE_ADMITS: bool = false;
    const RUBBISH_IS_AN_OUTAGE: bool = false;
}

/// A session strategy that is sound but for `F`.
struct Mutant<F> {
    store: RedisSessions,
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    last_id: Mutex<Option<(SubjectId, String)>>,
    flaw: PhantomData<F>,
}

impl<F: Flaw> Mutant<F> {
    async fn find(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<(SessionKey, SessionRecord), AuthError> {
        let id = credential.expose();
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if id.len() != 43 || !plain {
            if F::RUBBISH_IS_AN_OUTAGE {
                return Err(Outage::new("rubbish").into());
            }
            return Err(Denial::Malformed.into());
        }
        let key = SessionKey::of(id);
        let record = self.store.load(&key).await?.ok_or(Denial::Unknown)?;
        let end = match (F::NEVER_IDLES_OUT, F::NEVER_ENDS) {
            (true, _) => record.ends_at,
            (_, true) => record.idle_until,
            _ => record.expires_at(),
        };
        if now > end || (now == end && !F::ADMITS_AT_EXPIRY) {
            return Err(Denial::Expired.into());
        }
        Ok((key, record))
    }

    async fn prolong(
        &self,
        key: &SessionKey,
        record: SessionRecord,
        now: UnixTime,
    ) -> Result<(), AuthError> {
        let idle = self.settings.session_idle_s;
        let late = now.seconds_until(record.idle_until) * 2 < idle;
        if !late && !F::TOUCHES_EVERY_TIME {
            return Ok(());
        }
        let mut used = SessionRecord { idle_until: now.plus(idle).min(record.ends_at), ..record };
        if F::NEVER_ENDS {
            used.idle_until = now.plus(idle);
            used.ends_at = used.idle_until;
        }
        if F::TOUCH_RESURRECTS {
            self.store.touch(key, &used, now).await?;
            let hex: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
            let json = used.to_json()?;
            let set = cmd("SET").arg(format!("session:{hex}")).arg(json).to_owned();
            self.redis.query::<()>(&set).await?;
        } else if !self.store.touch(key, &used, now).await? {
            return Err(Denial::Unknown.into());
        }
        Ok(())
    }

    /// A new id, or the subject's last one, and whether it is that.
    fn new_id(&self, subject: SubjectId) -> Result<(String, bool), Outage> {
        let mut last = self.last_id.lock().expect("no thread panicked");
        if F::REUSES_IDS
            && let Some((whose, id)) = &*last
            && *whose == subject
        {
            return Ok((id.clone(), true));
        }
        let id = base64_simd::URL_SAFE_NO_PAD.encode_to_string(fresh::<32>(&*self.entropy)?);
        *last = Some((subject, id.clone()));
        Ok((id, false))
    }
}

impl<F: Flaw> AuthStrategy for Mutant<F> {
    const PROPERTIES: Properties = Properties {
        family: Family::Session,
        algorithm: None,
        revoke: Revocation::Immediate,
        granularity: Granularity::Credential,
        revoke_all: Revocation::Immediate,
        scope: RedisSessions::SCOPE,
        faults: RedisSessions::FAULTS,
        redis: RedisSessions::REDIS,
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
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            settings: deps.settings.clone(),
            last_id: Mutex::new(None),
            flaw: PhantomData,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let (id, reused) = self.new_id(subject)?;
        let who = Principal::of_test_subject(subject, now);
        let ends_at = now.plus(self.settings.session_absolute_s);
        let record = SessionRecord::at_login(
            who,
            now.plus(self.settings.session_idle_s).min(ends_at),
            ends_at,
        );
        let key = SessionKey::of(&id);
        if F::CREATE_OVERWRITES {
            self.store.delete(&key, subject).await?;
        }
        if !self.store.create(&key, &record, now).await? && !reused {
            return Err(Outage::new("repeated"));
        }
        if F::KEEPS_PLAIN_IDS {
            let note = cmd("SET").arg(format!("login:{subject}")).arg(&id).to_owned();
            self.redis.query::<()>(&note).await?;
        }
        Ok(Grant { access: Secret::new(id), refresh: None, expires_at: record.expires_at() })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let (key, record) = match self.find(credential, now).await {
            Err(AuthError::Unavailable(_)) if F::AN_OUTAGE_ADMITS => {
                return Ok(Principal::of_test_subject(SubjectId(0xa11ce), now));
            }
            found => found?,
        };
        self.prolong(&key, record, now).await?;
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
        if !F::LOGOUT_ONLY_CLEARS_THE_COOKIE {
            self.store.delete(&key, record.subject).await?;
        }
        Ok(Revocation::Immediate)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        if F::LOGOUT_EVERYWHERE_HITS_EVERYBODY {
            self.redis.query::<()>(&cmd("FLUSHDB")).await?;
        }
        self.store.delete_all(subject).await?;
        Ok(Revocation::Immediate)
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
    Late ADMITS_AT_EXPIRY;
    Idler NEVER_IDLES_OUT;
    Immortal NEVER_ENDS;
    Plain KEEPS_PLAIN_IDS;
    Overwriter CREATE_OVERWRITES;
    Resurrecter TOUCH_RESURRECTS;
    Chatty TOUCHES_EVERY_TIME;
    Reuser REUSES_IDS;
    Forgetful LOGOUT_ONLY_CLEARS_THE_COOKIE;
    Grenade LOGOUT_EVERYWHERE_HITS_EVERYBODY;
    Open AN_OUTAGE_ADMITS;
    Confused RUBBISH_IS_AN_OUTAGE;
}

super::mutants! {
    sound_sessions_show_everything: Mutant<Sound> => [];
    expiry_off_by_one: Mutant<Late> =>
        [expiry_is_a_threshold, an_unused_session_ends, a_busy_session_ends_too,
         only_a_good_credential_revokes];
    no_idle_deadline: Mutant<Idler> =>
        [expiry_is_a_threshold, an_unused_session_ends, only_a_good_credential_revokes];
    no_absolute_deadline: Mutant<Immortal> => [a_busy_session_ends_too];
    ids_kept_in_the_clear: Mutant<Plain> => [the_store_holds_no_credential];
    create_overwrites: Mutant<Overwriter> => [a_repeated_id_overwrites_nobody];
    touch_resurrects: Mutant<Resurrecter> => [logout_wins_over_use];
    touch_on_every_request: Mutant<Chatty> => [an_admission_costs_what_is_declared];
    id_reused_at_login: Mutant<Reuser> =>
        [every_login_has_a_credential_of_its_own, revocation_takes_back_what_it_says,
         expiry_is_a_threshold];
    logout_without_the_server: Mutant<Forgetful> =>
        [revocation_keeps_its_promise, only_a_good_credential_revokes, the_revoked_stays_revoked,
         logout_wins_over_use, the_living_are_counted, a_restart_is_as_declared,
         a_store_that_lost_its_state_is_as_declared];
    logout_everywhere_of_everybody: Mutant<Grenade> =>
        [logout_everywhere_keeps_its_promise, a_store_that_is_down_is_as_declared];
    an_outage_admits: Mutant<Open> =>
        [a_store_that_is_down_is_as_declared, a_corrupt_store_admits_nobody];
    rubbish_is_an_outage: Mutant<Confused> =>
        [malformed_credentials_are_denied, tampering_is_refused,
         the_store_holds_no_credential];
}
