//! `link-redis`: a random id in a link, and a record of whom it logs in. Redeeming it is one
//! command that reads the record and removes it, so that of many at once one succeeds.
//!
//! Deliberately absent: an answer to the owner whose redemption Redis carried out and whose answer
//! was lost. The link is used up then, and another one is asked for.

use std::sync::{Arc, LazyLock};

use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use redis::{Cmd, Script, cmd};

use crate::credential::{Credential, Grant, Secret};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::store::redis::RedisHandle;
use crate::store::redis::listed::{LIST, Listed, hex};
use crate::store::{SessionKey, SessionRecord};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};

/// Random bytes in a link (OWASP ASVS 5.0, 6.6.3 asks for 64 bits).
const ID_BYTES: usize = 32;
/// Those bytes in base64url.
const ID_CHARS: usize = 43;

const LINKS: Listed = Listed { prefix: "link:", list_prefix: "links-of:" };

/// Files a link unless its key is taken, and lists it under its subject: both or neither.
static CREATE: LazyLock<Script> = LazyLock::new(|| {
    let script = r"
local list, name = KEYS[2], ARGV[5]
local now, ends_at = tonumber(ARGV[3]), tonumber(ARGV[4])
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 0 end";
    Script::new(&format!("{script}{LIST}"))
});

/// Links kept in Redis.
#[derive(Debug)]
pub(super) struct LinkRedis {
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    lifetime_s: u64,
}

/// What a link is filed under: the digits of its hash.
fn digits_of(credential: Credential<'_>) -> Result<String, Denial> {
    let id = credential.expose();
    let one_of_ours = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if id.len() != ID_CHARS || !id.bytes().all(one_of_ours) {
        return Err(Denial::Malformed);
    }
    Ok(hex(SessionKey::of(id).as_bytes()))
}

impl LinkRedis {
    /// The record that `command` answers with, if it has not ended by `now`.
    async fn read(&self, command: &Cmd, now: UnixTime) -> Result<SessionRecord, AuthError> {
        let kept: Option<Vec<u8>> = self.redis.query(command).await?;
        let record = SessionRecord::from_json(&kept.ok_or(Denial::Unknown)?)?;
        // Judged by the caller's clock: Redis may forget later than that.
        if now >= record.ends_at {
            return Err(Denial::Expired.into());
        }
        Ok(record)
    }
}

impl AuthStrategy for LinkRedis {
    const PROPERTIES: Properties = Properties {
        family: Family::Link,
        algorithm: None,
        revoke: Revocation::Immediate,
        granularity: Granularity::Credential,
        revoke_all: Revocation::Immediate,
        scope: Scope::Shared,
        faults: Faults::ALLOW_LIST,
        redis: RedisCommands::each(1),
        store: Some(StoreKind::Redis),
        renewal: Renewal::None,
        uses: Uses::Once,
        counts_live: true,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        deps.settings.check()?;
        Ok(Self {
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            lifetime_s: deps.settings.link_lifetime_s,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let id = BASE64URL.encode_to_string(fresh::<ID_BYTES>(&*self.entropy)?);
        let who = Principal::of_test_subject(subject, now);
        let ends_at = now.plus(self.lifetime_s);
        let record = SessionRecord::at_login(who, ends_at, ends_at);
        let name = hex(SessionKey::of(&id).as_bytes());
        let mut call = CREATE.prepare_invoke();
        call.key(LINKS.key(&name)).key(LINKS.list(subject));
        call.arg(record.to_json()?).arg(self.lifetime_s).arg(now.0).arg(ends_at.0).arg(&name);
        if !self.redis.run::<bool>(&call).await? {
            return Err(Outage::new("the random generator repeated a link's id"));
        }
        Ok(Grant { access: Secret::new(id), refresh: None, expires_at: ends_at })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let key = LINKS.key(&digits_of(credential)?);
        // The list of its subject still names it; that is noticed when the list is read.
        Ok(self.read(cmd("GETDEL").arg(key), now).await?.principal())
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
        let digits = digits_of(credential)?;
        let record = self.read(&Cmd::get(LINKS.key(&digits)), now).await?;
        // Redeemed since it was read: there is nothing left to cancel.
        if !LINKS.delete(&self.redis, &digits, record.subject).await? {
            return Err(Denial::Unknown.into());
        }
        Ok(Revocation::Immediate)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        LINKS.delete_all(&self.redis, subject).await?;
        Ok(Revocation::Immediate)
    }

    async fn count_live(&self, subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        LINKS.count(&self.redis, subject).await.map(Some)
    }

    fn sweep(&self, _now: UnixTime) {}
}
