//! `link-bound`: a link that is nothing but a MAC over whom it logs in, until when, and the state
//! of the account, of which Redis keeps sixteen random bytes. Whatever changes the account kills
//! every link that was made before, and using one of them is such a change.
//!
//! The state stands for what a real account has anyway: its password's hash, the last login. It
//! changes by being removed: a link is made for a fresh one, and a link whose state is missing is
//! refused. Deliberately absent: a list of links. Nothing is kept of any of them.

use std::sync::{Arc, LazyLock};

use base64_simd::{AsOut, URL_SAFE_NO_PAD as BASE64URL};
use redis::{Cmd, Script};

use super::derived::{DerivedKeys, MAC_BYTES};
use crate::credential::{Credential, Grant, Secret};
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, BuildError, Denial, Outage};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::store::redis::RedisHandle;
use crate::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};

/// Subject, time of issue, expiry: eight bytes each.
const TIMES_BYTES: usize = 24;
/// Random bytes that tell one link from the next of the same second.
const NONCE_BYTES: usize = 16;
/// What the MAC covers, beside the state.
const BODY_BYTES: usize = TIMES_BYTES + NONCE_BYTES;
const LINK_BYTES: usize = BODY_BYTES + MAC_BYTES;
/// Those bytes in base64url: a multiple of three, so that every text is the only one for its bytes.
const LINK_CHARS: usize = LINK_BYTES / 3 * 4;
/// Random bytes of an account's state.
const STATE_BYTES: usize = 16;

/// The state of an account, or the offered one where it has none; it lives as long as a link that
/// is made for it now.
static OPEN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[1])",
    )
});

/// Ends a state, if it is still that of the account: whether it was. Of many at once, one finds it.
static CLOSE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])",
    )
});

fn key_name(subject: SubjectId) -> String {
    format!("account:{subject}")
}

/// Links bound to the state of their account.
#[derive(Debug)]
pub(super) struct LinkBound {
    keys: DerivedKeys,
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    lifetime_s: u64,
}

/// A link whose MAC is good for the account as it is.
struct Good {
    subject: SubjectId,
    issued: UnixTime,
    state: [u8; STATE_BYTES],
}

/// The big-endian number in `bytes`, eight of them.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The bytes of a state; an account without one is `Unknown`.
fn state_of(kept: Option<Vec<u8>>) -> Result<[u8; STATE_BYTES], AuthError> {
    let odd = |_| Outage::new("Redis holds something that is not the state of an account");
    Ok(kept.ok_or(Denial::Unknown)?.try_into().map_err(odd)?)
}

impl LinkBound {
    /// Looks at a link without using it. A link that was used and one that was forged look the
    /// same: neither has a MAC over the account as it is now.
    async fn find(&self, credential: Credential<'_>, now: UnixTime) -> Result<Good, AuthError> {
        let text = credential.expose().as_bytes();
        let mut bytes = [0; LINK_BYTES];
        if text.len() != LINK_CHARS {
            return Err(Denial::Malformed.into());
        }
        BASE64URL.decode(text, bytes.as_mut_slice().as_out()).map_err(|_| Denial::Malformed)?;
        let (body, mac) = bytes.split_at(BODY_BYTES);
        let subject = SubjectId(number(&body[..8]));
        let state = state_of(self.redis.query(&Cmd::get(key_name(subject))).await?)?;
        if !self.keys.verify(&[body, &state], mac) {
            return Err(Denial::Unknown.into());
        }
        if now.0 >= number(&body[16..TIMES_BYTES]) {
            return Err(Denial::Expired.into());
        }
        Ok(Good { subject, issued: UnixTime(number(&body[8..16])), state })
    }

    /// Uses up a link, and with it every other that was made for the same state.
    async fn spend(&self, link: &Good) -> Result<(), AuthError> {
        let mut call = CLOSE.prepare_invoke();
        call.key(key_name(link.subject)).arg(&link.state);
        // Another was faster.
        if !self.redis.run::<bool>(&call).await? {
            return Err(Denial::Unknown.into());
        }
        Ok(())
    }
}

impl AuthStrategy for LinkBound {
    const PROPERTIES: Properties = Properties {
        family: Family::Link,
        algorithm: None,
        revoke: Revocation::Immediate,
        granularity: Granularity::Subject,
        revoke_all: Revocation::Immediate,
        scope: Scope::Shared,
        faults: Faults::ALLOW_LIST,
        // A read, and a script of two commands.
        redis: RedisCommands {
            authenticate: 4,
            round_trips: 2,
            cached: false,
            background_per_second: 0,
        },
        store: Some(StoreKind::Redis),
        renewal: Renewal::None,
        uses: Uses::Once,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        deps.settings.check()?;
        Ok(Self {
            keys: DerivedKeys::of(&deps.keys, "link-bound")?,
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            lifetime_s: deps.settings.link_lifetime_s,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let offered = fresh::<STATE_BYTES>(&*self.entropy)?;
        let nonce = fresh::<NONCE_BYTES>(&*self.entropy)?;
        let mut call = OPEN.prepare_invoke();
        call.key(key_name(subject)).arg(&offered).arg(self.lifetime_s);
        let state: Vec<u8> = self.redis.run(&call).await?;
        if state.len() != STATE_BYTES {
            return Err(Outage::new("Redis holds something that is not the state of an account"));
        }
        let expires_at = now.plus(self.lifetime_s);
        let mut link = Vec::with_capacity(LINK_BYTES);
        for number in [subject.0, now.0, expires_at.0] {
            link.extend_from_slice(&number.to_be_bytes());
        }
        link.extend_from_slice(&nonce);
        let mac = self.keys.sign(0, &[&link, &state]);
        link.extend_from_slice(&mac);
        let text = BASE64URL.encode_to_string(&link);
        Ok(Grant { access: Secret::new(text), refresh: None, expires_at })
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        let link = self.find(credential, now).await?;
        self.spend(&link).await?;
        Ok(Principal::of_test_subject(link.subject, link.issued))
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
        let link = self.find(credential, now).await?;
        self.spend(&link).await?;
        Ok(Revocation::Immediate)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        self.redis.query::<()>(&Cmd::del(key_name(subject))).await?;
        Ok(Revocation::Immediate)
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}
