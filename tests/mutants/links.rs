//! Links that are good once, with one flaw each.

use std::marker::PhantomData;
use std::sync::Arc;

use authbench::credential::{Credential, Grant, Secret};
use authbench::entropy::{Entropy, fresh};
use authbench::error::{AuthError, BuildError, Denial, Outage};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::store::SessionKey;
use authbench::store::redis::RedisHandle;
use authbench::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};
use redis::cmd;

/// What is wrong with a mutant. Nothing, unless it says so.
trait Flaw: Send + Sync + 'static {
    const READS_THEN_DELETES: bool = false;
    const NEVER_DELETES: bool = false;
}

/// Links in Redis, each a text `<subject> <issued>`, sound but for `F`.
struct Mutant<F> {
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    lifetime_s: u64,
    flaw: PhantomData<F>,
}

fn key_name(credential: Credential<'_>) -> Result<Vec<u8>, Denial> {
    let id = credential.expose();
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if id.len() != 43 || !plain {
        return Err(Denial::Malformed);
    }
    Ok([b"link:".as_slice(), SessionKey::of(id).as_bytes()].concat())
}

impl<F: Flaw> Mutant<F> {
    fn judge(&self, kept: Option<String>, now: UnixTime) -> Result<Principal, AuthError> {
        let kept = kept.ok_or(Denial::Unknown)?;
        let odd = || Outage::new("not a link");
        let (subject, issued) = kept.split_once(' ').ok_or_else(odd)?;
        let issued = UnixTime(issued.parse().map_err(|_| odd())?);
        if now >= issued.plus(self.lifetime_s) {
            return Err(Denial::Expired.into());
        }
        Ok(Principal::of_test_subject(subject.parse().map_err(|_| odd())?, issued))
    }
}

impl<F: Flaw> AuthStrategy for Mutant<F> {
    const PROPERTIES: Properties = Properties {
        family: Family::Link,
        algorithm: None,
        revoke: Revocation::Immediate,
        granularity: Granularity::Credential,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: Faults::ALLOW_LIST,
        redis: RedisCommands::each(if F::READS_THEN_DELETES { 2 } else { 1 }),
        store: Some(StoreKind::Redis),
        renewal: Renewal::None,
        uses: Uses::Once,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            lifetime_s: deps.settings.link_lifetime_s,
            flaw: PhantomData,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let id = base64_simd::URL_SAFE_NO_PAD.encode_to_string(fresh::<32>(&*self.entropy)?);
        let key = key_name(Credential::new(&id)).map_err(Outage::new)?;
        let text = format!("{subject} {}", now.0);
        let set = cmd("SET").arg(key).arg(text).arg("NX").arg("EX").arg(self.lifetime_s).to_owned();
        if self.redis.query::<Option<String>>(&set).await?.is_none() {
            return Err(Outage::new("repeated"));
        }
        let expires_at = now.plus(self.lifetime_s);
        Ok(Grant { access: Secret::new(id), refresh: None, expires_at })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let key = key_name(credential)?;
        let reads = F::READS_THEN_DELETES || F::NEVER_DELETES;
        let name = if reads { "GET" } else { "GETDEL" };
        let kept = self.redis.query(cmd(name).arg(&key)).await?;
        let principal = self.judge(kept, now)?;
        if F::READS_THEN_DELETES {
            self.redis.query::<()>(cmd("DEL").arg(&key)).await?;
        }
        Ok(principal)
    }

    async fn refresh(&self, _: Credential<'_>, _: UnixTime) -> Result<Grant, AuthError> {
        Err(Denial::NotRenewable.into())
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        let key = key_name(credential)?;
        self.judge(self.redis.query(cmd("GET").arg(&key)).await?, now)?;
        self.redis.query::<()>(cmd("DEL").arg(&key)).await?;
        Ok(Revocation::Immediate)
    }

    async fn revoke_all(&self, _: SubjectId, _: UnixTime) -> Result<Revocation, Outage> {
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, _: SubjectId, _: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}

struct Sound;
impl Flaw for Sound {}

struct Racy;
impl Flaw for Racy {
    const READS_THEN_DELETES: bool = true;
}

struct Lasting;
impl Flaw for Lasting {
    const NEVER_DELETES: bool = true;
}

super::mutants! {
    sound_links_show_everything: Mutant<Sound> => [];
    read_then_delete: Mutant<Racy> => [fifty_uses_at_once_are_one];
    a_used_link_stays: Mutant<Lasting> => [a_link_is_used_up, fifty_uses_at_once_are_one];
}
