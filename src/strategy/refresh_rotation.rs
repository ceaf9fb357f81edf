//! `refresh-rotation`: a short-lived token, and a refresh token that is good for one renewal and
//! comes back as another. Presenting a used one means that two hold it: the login ends for both.
//!
//! The tokens of one login are a family, of which Redis knows the hash of the current refresh token
//! and of the one before it. An access token asks Redis nothing: logout ends the renewal at once,
//! and the access tokens that are out live until they expire. After a theft that is discovered they
//! do so as well.
//!
//! Whose answer got lost cannot tell that the renewal took place, and asks again with a used token.
//! `refresh_grace_s` forgives that: for so long, in whole seconds and never for less, the token
//! used last yields the child it yielded before. That child is computed from its parent, so nothing
//! that could be used is kept. Deliberately absent: other scopes than those of the login.

use std::sync::{Arc, LazyLock};

use base64_simd::{AsOut, URL_SAFE_NO_PAD as BASE64URL};
use redis::{Cmd, Script};

use super::derived::DerivedKeys;
use crate::credential::{Credential, Grant, Secret};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::settings::Settings;
use crate::store::SessionKey;
use crate::store::redis::RedisHandle;
use crate::store::redis::listed::{LIST, Listed, hex};
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};
use crate::token::{AccessTokens, NewToken, TokenId};

/// Bytes of a family's name, which its access tokens carry as `sid`.
const FAMILY_BYTES: usize = 16;
/// Secret bytes of a refresh token; random in the first of a family.
const SECRET_BYTES: usize = 32;
/// Bytes of the MAC that says that it is one of ours: who only knows a family's name cannot end it
/// by presenting what looks like a used token.
const TAG_BYTES: usize = 16;
const REFRESH_BYTES: usize = FAMILY_BYTES + SECRET_BYTES + TAG_BYTES;
/// Those bytes in base64url.
const REFRESH_CHARS: usize = 86;

const FAMILIES: Listed = Listed { prefix: "family:", list_prefix: "families-of:" };

/// Begins a family unless its name is taken, and lists it under its subject: both or neither.
static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    let script = r"
local list, name = KEYS[2], ARGV[1]
local now, idle, ends_at = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'current', ARGV[5], 'previous', '', 'rotated', 0,
    'idle', idle, 'ends', ends_at,
    'sub', ARGV[6], 'tenant', ARGV[7], 'scope', ARGV[8], 'auth_time', ARGV[9])
redis.call('EXPIRE', KEYS[1], math.max(idle - now, 1))";
    Script::new(&format!("{script}{LIST}"))
});

/// Claims the presented token: the one step in which it is found to be current and made the
/// previous one, or found to be used and the family ended.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local family, presented, child = KEYS[1], ARGV[1], ARGV[2]
local now, idle_s, grace_s = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local kept = redis.call('HMGET', family, 'current', 'previous', 'rotated', 'idle', 'ends',
    'sub', 'tenant', 'scope', 'auth_time')
local current, previous, rotated = kept[1], kept[2], tonumber(kept[3])
local idle, ends_at = tonumber(kept[4]), tonumber(kept[5])
if not current then return {'unknown'} end
if now >= idle or now >= ends_at then return {'expired'} end
if presented == current then
    idle = math.min(now + idle_s, ends_at)
    redis.call('HSET', family, 'current', child, 'previous', presented, 'rotated', now,
        'idle', idle)
    redis.call('EXPIRE', family, math.max(idle - now, 1))
    return {'rotated', child, kept[6], kept[7], kept[8], kept[9]}
end
if presented == previous and grace_s > 0 and now <= rotated + grace_s then
    return {'again', current, kept[6], kept[7], kept[8], kept[9]}
end
redis.call('ZREM', ARGV[6] .. kept[6], ARGV[7])
redis.call('DEL', family)
return {'reused'}",
    )
});

/// A refresh token that was made here.
#[derive(Clone, Copy)]
struct Refresh {
    family: [u8; FAMILY_BYTES],
    secret: [u8; SECRET_BYTES],
}

/// Tokens `T`, renewed by families of refresh tokens.
#[derive(Debug)]
pub(super) struct RefreshRotation<T> {
    tokens: T,
    tags: DerivedKeys,
    children: DerivedKeys,
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
}

impl<T: AccessTokens> RefreshRotation<T> {
    /// Reads a refresh token. Only who holds a real one can make Redis work.
    fn read(&self, credential: Credential<'_>) -> Result<Refresh, Denial> {
        let text = credential.expose().as_bytes();
        let mut bytes = [0; REFRESH_BYTES];
        if text.len() != REFRESH_CHARS {
            return Err(Denial::Malformed);
        }
        BASE64URL.decode(text, bytes.as_mut_slice().as_out()).map_err(|_| Denial::Malformed)?;
        let (mut family, mut secret) = ([0; FAMILY_BYTES], [0; SECRET_BYTES]);
        let (body, tag) = bytes.split_at(FAMILY_BYTES + SECRET_BYTES);
        family.copy_from_slice(&body[..FAMILY_BYTES]);
        secret.copy_from_slice(&body[FAMILY_BYTES..]);
        if !self.tags.verify(&[body], tag) {
            return Err(Denial::BadSignature);
        }
        Ok(Refresh { family, secret })
    }

    /// The text of a refresh token, tagged by the key in `place`.
    fn write(&self, token: &Refresh, place: usize) -> String {
        let mut bytes = [0; REFRESH_BYTES];
        let (body, tag) = bytes.split_at_mut(FAMILY_BYTES + SECRET_BYTES);
        body[..FAMILY_BYTES].copy_from_slice(&token.family);
        body[FAMILY_BYTES..].copy_from_slice(&token.secret);
        tag.copy_from_slice(&self.tags.sign(place, &[body])[..TAG_BYTES]);
        BASE64URL.encode_to_string(bytes)
    }

    /// The one child of `parent` under the keys in `place`.
    fn child(&self, parent: &Refresh, place: usize) -> String {
        let secret = self.children.sign(place, &[&parent.family, &parent.secret]);
        self.write(&Refresh { family: parent.family, secret }, place)
    }

    /// A grant of the family: a fresh access token and the refresh token `next`.
    fn grant(
        &self,
        family: [u8; FAMILY_BYTES],
        principal: Principal,
        next: String,
        now: UnixTime,
    ) -> Result<Grant, Outage> {
        let id = TokenId(fresh(&*self.entropy)?);
        let session = Some(TokenId(family));
        let token = NewToken { principal, id, version: None, session };
        let access = self.tokens.issue(&token, now)?;
        Ok(Grant { refresh: Some(Secret::new(next)), ..access })
    }

    /// Ends a family: whether there was one.
    async fn end(&self, family: &[u8], subject: SubjectId) -> Result<bool, Outage> {
        FAMILIES.delete(&self.redis, &hex(family), subject).await
    }
}

/// Who a claimed token renews, from what the script answered.
fn principal_of(fields: &[Vec<u8>]) -> Option<Principal> {
    let text = |at: usize| std::str::from_utf8(fields.get(at)?).ok();
    Some(Principal {
        subject: text(2)?.parse().ok()?,
        tenant: text(3)?.parse().ok()?,
        scopes: text(4)?.parse().ok()?,
        auth_time: UnixTime(text(5)?.parse().ok()?),
    })
}

impl<T: AccessTokens> AuthStrategy for RefreshRotation<T> {
    const PROPERTIES: Properties = Properties {
        family: Family::Hybrid,
        algorithm: Some(T::ALGORITHM),
        revoke: Revocation::AtExpiry,
        granularity: Granularity::Renewal,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        // Of the access token. Renewal needs Redis and is closed without it.
        faults: Faults::TOKEN,
        redis: RedisCommands::NONE,
        store: Some(StoreKind::Redis),
        renewal: Renewal::Rotating,
        uses: Uses::Many,
        counts_live: true,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        deps.settings.check()?;
        let mut own = deps.clone();
        own.settings.token_lifetime_s = own.settings.access_lifetime_s;
        Ok(Self {
            tokens: T::build(&own)?,
            tags: DerivedKeys::of(&deps.keys, "refresh-tag")?,
            children: DerivedKeys::of(&deps.keys, "refresh-child")?,
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            settings: own.settings,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let family = fresh::<FAMILY_BYTES>(&*self.entropy)?;
        let secret = fresh::<SECRET_BYTES>(&*self.entropy)?;
        let first = self.write(&Refresh { family, secret }, 0);
        let who = Principal::of_test_subject(subject, now);
        let ends_at = now.plus(self.settings.session_absolute_s);
        let idle = now.plus(self.settings.session_idle_s).min(ends_at);
        let name = hex(&family);
        let mut call = BEGIN.prepare_invoke();
        call.key(FAMILIES.key(&name)).key(FAMILIES.list(subject));
        call.arg(&name).arg(now.0).arg(idle.0).arg(ends_at.0);
        call.arg(SessionKey::of(&first).as_bytes()).arg(subject.to_string());
        call.arg(who.tenant.to_string()).arg(who.scopes.to_string()).arg(who.auth_time.0);
        if !self.redis.run::<bool>(&call).await? {
            return Err(Outage::new("the random generator repeated the name of a family"));
        }
        self.grant(family, who, first, now)
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let token = self.tokens.verify(credential.expose(), now)?;
        // One of ours belongs to a family.
        token.session.ok_or(Denial::Malformed)?;
        Ok(token.principal)
    }

    async fn refresh(&self, credential: Credential<'_>, now: UnixTime) -> Result<Grant, AuthError> {
        let parent = self.read(credential)?;
        let child = self.child(&parent, 0);
        let name = hex(&parent.family);
        let mut call = CLAIM.prepare_invoke();
        call.key(FAMILIES.key(&name));
        call.arg(SessionKey::of(credential.expose()).as_bytes());
        call.arg(SessionKey::of(&child).as_bytes()).arg(now.0);
        call.arg(self.settings.session_idle_s).arg(self.settings.refresh_grace_s);
        call.arg(FAMILIES.list_prefix).arg(&name);
        let answer: Vec<Vec<u8>> = self.redis.run(&call).await?;
        match answer.first().map(Vec::as_slice) {
            Some(b"rotated" | b"again") => {}
            Some(b"expired") => return Err(Denial::Expired.into()),
            Some(b"reused") => return Err(Denial::Revoked.into()),
            _ => return Err(Denial::Unknown.into()),
        }
        let odd = || Outage::new("Redis holds something that is not a family");
        let principal = principal_of(&answer).ok_or_else(odd)?;
        // A node with another current key may have made the child.
        let is_current = |text: &String| SessionKey::of(text).as_bytes()[..] == answer[1];
        let mut same = (0..self.children.count()).map(|place| self.child(&parent, place));
        let next = same.find(is_current).ok_or(Denial::Unknown)?;
        Ok(self.grant(parent.family, principal, next, now)?)
    }

    /// Takes an access token or a refresh token, used ones too (RFC 7009 section 2.1).
    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        if let Ok(token) = self.read(credential) {
            let key = FAMILIES.key(&hex(&token.family));
            let subject: Option<String> = self.redis.query(&Cmd::hget(key, "sub")).await?;
            let subject = subject.ok_or(Denial::Unknown)?.parse().map_err(Outage::new)?;
            self.end(&token.family, subject).await?;
            return Ok(Revocation::AtExpiry);
        }
        let token = self.tokens.verify(credential.expose(), now)?;
        let family = token.session.ok_or(Denial::Malformed)?;
        // Again is no error: the token goes on being good.
        self.end(&family.0, token.principal.subject).await?;
        Ok(Revocation::AtExpiry)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        FAMILIES.delete_all(&self.redis, subject).await?;
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        FAMILIES.count(&self.redis, subject).await.map(Some)
    }

    fn sweep(&self, _now: UnixTime) {}
}
