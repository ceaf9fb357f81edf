//! Refresh tokens that rotate, with one flaw each.
//!
//! A refresh token is `<family>.<generation>.<MAC>`, and Redis keeps the generation alone: another
//! build than the registered one, so that the suite does not only know how that one looks.

use std::marker::PhantomData;
use std::sync::Arc;

use authbench::credential::{Credential, Grant, Secret};
use authbench::entropy::{Entropy, fresh};
use authbench::error::{AuthError, BuildError, Denial, Outage};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::redis::RedisHandle;
use authbench::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};
use authbench::token::algorithm::Hs256;
use authbench::token::key::Algorithm;
use authbench::token::library::Library;
use authbench::token::{AccessTokens, NewToken, TokenId};
use aws_lc_rs::{digest, hmac};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use redis::{Script, cmd};

/// What is wrong with a mutant. Nothing, unless it says so.
trait Flaw: Send + Sync + 'static {
    const READS_THEN_WRITES: bool = false;
    const FORGETS_REUSE: bool = false;
    const GRACE_BEGINS_A_CHAIN: bool = false;
    const GRACE_FOR_ALL_ANCESTORS: bool = false;
    const NEVER_ENDS: bool = false;
    const NEVER_IDLES_OUT: bool = false;
    const LOGOUT_ENDS_NOTHING: bool = false;
    const ACCESS_RENEWS: bool = false;
    const KEEPS_THE_TOKEN: bool = false;
}

/// One claim, whole: `step` is the grandchild's distance that still counts as current.
const CLAIM: &str = r"
local kept = redis.call('HMGET', KEYS[1], 'gen', 'at', 'idle', 'ends', 'sub', 'from')
if not kept[1] then return {} end
local gen, at, now = tonumber(kept[1]), tonumber(kept[2]), tonumber(ARGV[2])
if now >= tonumber(kept[3]) or now >= tonumber(kept[4]) then return {} end
local mine, grace, all = tonumber(ARGV[1]), tonumber(ARGV[3]), ARGV[4] == '1'
if mine == gen then
    redis.call('HSET', KEYS[1], 'gen', gen + 1, 'at', now, 'idle', now + ARGV[6])
    return {kept[5], kept[6], tostring(gen + 1)}
end
if (mine == gen - 1 or all) and grace > 0 and now <= at + grace then
    return {kept[5], kept[6], tostring(gen)}
end
if ARGV[5] == '0' then redis.call('DEL', KEYS[1]) end
return {}";

/// A rotating strategy that is sound but for `F`.
struct Mutant<F> {
    tokens: Library<Hs256>,
    secret: hmac::Key,
    redis: RedisHandle,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    flaw: PhantomData<F>,
}

fn key_name(family: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA256, family);
    [b"family:".as_slice(), hash.as_ref()].concat()
}

impl<F: Flaw> Mutant<F> {
    fn refresh_token(&self, family: [u8; 16], generation: u64, chain: &[u8]) -> String {
        let body = [family.as_slice(), &generation.to_be_bytes(), chain].concat();
        let mac = hmac::sign(&self.secret, &body);
        BASE64URL.encode_to_string([&body, mac.as_ref()].concat())
    }

    fn read(&self, text: &str, now: UnixTime) -> Result<([u8; 16], u64), Denial> {
        if F::ACCESS_RENEWS
            && let Ok(token) = self.tokens.verify(text, now)
            && let Some(family) = token.session
        {
            return Ok((family.0, 0));
        }
        let bytes = BASE64URL.decode_to_vec(text).map_err(|_| Denial::Malformed)?;
        if bytes.len() < 56 {
            return Err(Denial::Malformed);
        }
        let (body, mac) = bytes.split_at(bytes.len() - 32);
        hmac::verify(&self.secret, body, mac).map_err(|_| Denial::BadSignature)?;
        let family = body[..16].try_into().map_err(|_| Denial::Malformed)?;
        let generation = body[16..24].try_into().map_err(|_| Denial::Malformed)?;
        Ok((family, u64::from_be_bytes(generation)))
    }

    fn grant(
        &self,
        family: [u8; 16],
        generation: u64,
        who: Principal,
        now: UnixTime,
    ) -> Result<Grant, Outage> {
        let id = TokenId(fresh(&*self.entropy)?);
        let session = Some(TokenId(family));
        let token = NewToken { principal: who, id, version: None, session };
        let access = self.tokens.issue(&token, now)?;
        let chain: &[u8] = if F::GRACE_BEGINS_A_CHAIN { &id.0 } else { &[] };
        let refresh = Some(Secret::new(self.refresh_token(family, generation, chain)));
        Ok(Grant { refresh, ..access })
    }

    /// What [`CLAIM`] answers, by two commands.
    async fn claim_in_two(&self, key: &[u8], mine: u64) -> Result<Vec<String>, Outage> {
        let fields = ["gen", "sub", "from"];
        let kept: Vec<Option<String>> =
            self.redis.query(cmd("HMGET").arg(key).arg(&fields)).await?;
        let Some(kept) = kept.into_iter().collect::<Option<Vec<String>>>() else {
            return Ok(Vec::new());
        };
        if kept[0] != mine.to_string() {
            self.redis.query::<()>(cmd("DEL").arg(key)).await?;
            return Ok(Vec::new());
        }
        let next = (mine + 1).to_string();
        self.redis.query::<()>(cmd("HSET").arg(key).arg("gen").arg(&next)).await?;
        Ok(vec![kept[1].clone(), kept[2].clone(), next])
    }

    async fn end(&self, family: &[u8]) -> Result<Revocation, Outage> {
        if !F::LOGOUT_ENDS_NOTHING {
            self.redis.query::<()>(cmd("DEL").arg(key_name(family))).await?;
        }
        Ok(Revocation::AtExpiry)
    }
}

impl<F: Flaw> AuthStrategy for Mutant<F> {
    const PROPERTIES: Properties = Properties {
        family: Family::Hybrid,
        algorithm: Some(Algorithm::Hs256),
        revoke: Revocation::AtExpiry,
        granularity: Granularity::Renewal,
        revoke_all: Revocation::AtExpiry,
        scope: Scope::Shared,
        faults: Faults::TOKEN,
        redis: RedisCommands::NONE,
        store: Some(StoreKind::Redis),
        renewal: Renewal::Rotating,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    };

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        let secret = &deps.keys.of(Algorithm::Hs256)?[0].private;
        let secret = [secret.as_slice(), b"refresh"].concat();
        Ok(Self {
            tokens: Library::build(deps)?,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            redis: deps.redis()?,
            entropy: Arc::clone(&deps.entropy),
            settings: deps.settings.clone(),
            flaw: PhantomData,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let family = fresh::<16>(&*self.entropy)?;
        let who = Principal::of_test_subject(subject, now);
        let grant = self.grant(family, 0, who, now)?;
        let ends = now.plus(if F::NEVER_ENDS { 99_999 } else { self.settings.session_absolute_s });
        let idle_s = if F::NEVER_IDLES_OUT { 99_999 } else { self.settings.session_idle_s };
        let mut create = cmd("HSET");
        create.arg(key_name(&family)).arg("gen").arg(0).arg("at").arg(0);
        create.arg("idle").arg(now.plus(idle_s).0).arg("ends").arg(ends.0);
        create.arg("sub").arg(subject.to_string()).arg("from").arg(now.0);
        self.redis.query::<()>(&create).await?;
        // For everybody's logout: the families of a subject.
        let list = format!("families-of:{subject}");
        self.redis.query::<()>(cmd("SADD").arg(list).arg(key_name(&family))).await?;
        Ok(grant)
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        Ok(self.tokens.verify(credential.expose(), now)?.principal)
    }

    async fn refresh(&self, credential: Credential<'_>, now: UnixTime) -> Result<Grant, AuthError> {
        let (family, mine) = self.read(credential.expose(), now)?;
        let key = key_name(&family);
        let answer = if F::READS_THEN_WRITES {
            self.claim_in_two(&key, mine).await?
        } else {
            let script = Script::new(CLAIM);
            let idle_s = if F::NEVER_IDLES_OUT { 99_999 } else { self.settings.session_idle_s };
            let mut call = script.prepare_invoke();
            call.key(&key[..]).arg(mine).arg(now.0).arg(self.settings.refresh_grace_s);
            call.arg(u8::from(F::GRACE_FOR_ALL_ANCESTORS)).arg(u8::from(F::FORGETS_REUSE));
            call.arg(idle_s);
            self.redis.run::<Vec<String>>(&call).await?
        };
        let [subject, from, next] = &answer[..] else { return Err(Denial::Unknown.into()) };
        let odd = || Outage::new("not a family");
        let from = UnixTime(from.parse().map_err(|_| odd())?);
        let who = Principal::of_test_subject(subject.parse().map_err(|_| odd())?, from);
        let grant = self.grant(family, next.parse().map_err(|_| odd())?, who, now)?;
        if F::KEEPS_THE_TOKEN {
            let token = grant.refresh.as_ref().map_or("", |refresh| refresh.expose());
            self.redis.query::<()>(cmd("SET").arg("last").arg(token)).await?;
        }
        Ok(grant)
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        if let Ok((family, _)) = self.read(credential.expose(), now) {
            return Ok(self.end(&family).await?);
        }
        let token = self.tokens.verify(credential.expose(), now)?;
        let family = token.session.ok_or(Denial::Malformed)?;
        Ok(self.end(&family.0).await?)
    }

    async fn revoke_all(&self, subject: SubjectId, _: UnixTime) -> Result<Revocation, Outage> {
        let list = format!("families-of:{subject}");
        let families: Vec<Vec<u8>> = self.redis.query(cmd("SMEMBERS").arg(&list)).await?;
        for key in families {
            self.redis.query::<()>(cmd("DEL").arg(key)).await?;
        }
        Ok(Revocation::AtExpiry)
    }

    async fn count_live(&self, _: SubjectId, _: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
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
    Racy READS_THEN_WRITES;
    Forgetful FORGETS_REUSE;
    Forking GRACE_BEGINS_A_CHAIN;
    Generous GRACE_FOR_ALL_ANCESTORS;
    Immortal NEVER_ENDS;
    Idler NEVER_IDLES_OUT;
    Sticky LOGOUT_ENDS_NOTHING;
    Confused ACCESS_RENEWS;
    Plain KEEPS_THE_TOKEN;
}

super::mutants! {
    sound_renewals_show_everything: Mutant<Sound> => [];
    read_then_write: Mutant<Racy> =>
        [fifty_renewals_at_once_have_one_child, a_grace_yields_the_same_child, a_family_ends];
    reuse_is_not_noticed: Mutant<Forgetful> =>
        [a_used_refresh_token_ends_its_family, fifty_renewals_at_once_have_one_child,
         a_grace_yields_the_same_child];
    a_grace_begins_another_chain: Mutant<Forking> =>
        [fifty_renewals_at_once_have_one_child, a_grace_yields_the_same_child];
    a_grace_for_every_ancestor: Mutant<Generous> => [a_grace_yields_the_same_child];
    renewal_without_end: Mutant<Immortal> => [a_family_ends];
    renewal_without_idle_end: Mutant<Idler> => [a_family_ends];
    logout_leaves_the_renewal: Mutant<Sticky> => [a_logout_ends_renewal];
    access_tokens_renew: Mutant<Confused> => [nothing_else_renews];
    refresh_tokens_in_the_clear: Mutant<Plain> => [the_store_holds_no_refresh_token];
}
