//! Tokens, with and without state, with one flaw each.
//!
//! A flawed verifier is the sound one behind a helpful clerk: where the token's signature is good
//! (or the flaw is that it need not be), the clerk corrects what the flaw does not look at, signs
//! again, and shows the sound verifier the result.

mod flaws;

use std::marker::PhantomData;
use std::sync::Arc;

use authbench::credential::{Credential, Grant};
use authbench::entropy::{Entropy, fresh};
use authbench::error::{AuthError, BuildError, Denial, Outage};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::redis::RedisHandle;
use authbench::strategy::contract::{
    AuthStrategy, Deps, Family, Faults, Granularity, Properties, RedisCommands, Remembers, Renewal,
    Revocation, Scope, StoreKind, Uses,
};
use authbench::token::key::{Algorithm, Key};
use authbench::token::{AccessTokens, NewToken, TokenId, Verified};
use aws_lc_rs::{digest, hmac};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use redis::cmd;
use serde_json::{Map, Value};

/// What a mutant keeps in Redis.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Nothing,
    Denied,
    Versions,
}

/// What is wrong with a mutant. Nothing, unless it says so.
trait Flaw: Send + Sync + 'static {
    type Tokens: AccessTokens;
    const STATE: State = State::Nothing;
    /// Corrects what is not looked at, in a token whose signature is good.
    const OVERLOOKS: fn(&mut Map<String, Value>, &mut Map<String, Value>, &Settings) = |_, _, _| {};
    const UNSIGNED_WILL_DO: bool = false;
    const SHORT_SECRETS_WILL_DO: bool = false;
    const LEEWAY_NOBODY_ASKED_FOR_S: u64 = 0;
    const ENTRY_WITHOUT_LEEWAY: bool = false;
    const DENIES_THE_TEXT: bool = false;
    const AN_OUTAGE_ADMITS: bool = false;
    const AT_LEAST_WILL_DO: bool = false;
    const ONE_VERSION_FOR_ALL: bool = false;
    const VERSIONS_EXPIRE: bool = false;
}

/// A token strategy that is sound but for `F`.
struct Mutant<F: Flaw> {
    tokens: F::Tokens,
    keys: Vec<Key>,
    settings: Settings,
    entropy: Arc<dyn Entropy>,
    redis: Option<RedisHandle>,
    flaw: PhantomData<F>,
}

/// The header and the claims of a token whose signature is good under any of `keys`, whatever
/// `kid` it names; without a look at the signature when it need not be good.
fn open(token: &str, keys: &[Key], any: bool) -> Option<[Map<String, Value>; 2]> {
    let (input, signature) = token.rsplit_once('.')?;
    let signature = BASE64URL.decode_to_vec(signature).ok()?;
    let good = |key: &Key| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.private);
        hmac::verify(&secret, input.as_bytes(), &signature).is_ok()
    };
    if !(keys.iter().any(good) || any && signature.is_empty()) {
        return None;
    }
    let read = |part: &str| serde_json::from_slice(&BASE64URL.decode_to_vec(part).ok()?).ok();
    let (header, claims) = input.split_once('.')?;
    Some([read(header)?, read(claims)?])
}

impl<F: Flaw> Mutant<F> {
    /// The token the clerk shows instead, if it takes the one presented.
    fn corrected(&self, token: &str) -> Option<String> {
        let [mut header, mut claims] = open(token, &self.keys, F::UNSIGNED_WILL_DO)?;
        let before = (header.clone(), claims.clone());
        (F::OVERLOOKS)(&mut header, &mut claims, &self.settings);
        if before == (header.clone(), claims.clone()) {
            return None;
        }
        let kid = header.get("kid").and_then(Value::as_str)?;
        let key = self.keys.iter().find(|key| key.kid == kid)?;
        let part = |object| BASE64URL.encode_to_string(Value::Object(object).to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.private), input.as_bytes());
        Some(format!("{input}.{}", BASE64URL.encode_to_string(mac.as_ref())))
    }

    fn verify(&self, token: &str, now: UnixTime) -> Result<Verified, Denial> {
        let verify = |text: &str| match self.tokens.verify(text, now) {
            Err(Denial::Expired) if F::LEEWAY_NOBODY_ASKED_FOR_S > 0 => {
                self.tokens.verify(text, UnixTime(now.0 - F::LEEWAY_NOBODY_ASKED_FOR_S))
            }
            verdict => verdict,
        };
        verify(token).or_else(|denial| match self.corrected(token) {
            Some(corrected) => verify(&corrected),
            None => Err(denial),
        })
    }

    fn redis(&self) -> Result<&RedisHandle, Outage> {
        self.redis.as_ref().ok_or_else(|| Outage::new("no Redis"))
    }

    fn entry(token: &str, id: TokenId) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        let name: &[u8] = if F::DENIES_THE_TEXT { hash.as_ref() } else { &id.0 };
        [b"denied:", name].concat()
    }

    fn counter(subject: SubjectId) -> String {
        if F::ONE_VERSION_FOR_ALL { "version".into() } else { format!("version:{subject}") }
    }

    async fn version(&self, subject: SubjectId) -> Result<u64, Outage> {
        let get = cmd("GET").arg(Self::counter(subject)).to_owned();
        Ok(self.redis()?.query::<Option<u64>>(&get).await?.unwrap_or(0))
    }

    async fn raise(&self, subject: SubjectId) -> Result<(), Outage> {
        let name = Self::counter(subject);
        self.redis()?.query::<()>(cmd("INCR").arg(&name)).await?;
        if F::VERSIONS_EXPIRE {
            self.redis()?.query::<()>(cmd("EXPIRE").arg(&name).arg(60)).await?;
        }
        Ok(())
    }

    async fn find(&self, credential: Credential<'_>, now: UnixTime) -> Result<Verified, AuthError> {
        let text = credential.expose();
        let token = self.verify(text, now)?;
        let is_revoked = match F::STATE {
            State::Nothing => Ok(false),
            State::Denied => {
                let exists = cmd("EXISTS").arg(Self::entry(text, token.id)).to_owned();
                self.redis()?.query::<bool>(&exists).await
            }
            State::Versions => {
                let carried = token.version.ok_or(Denial::Malformed)?;
                let current = self.version(token.principal.subject).await;
                current.map(|now| carried < now || carried > now && !F::AT_LEAST_WILL_DO)
            }
        };
        match is_revoked {
            Ok(false) => Ok(token),
            Ok(true) => Err(Denial::Revoked.into()),
            Err(_) if F::AN_OUTAGE_ADMITS => Ok(token),
            Err(outage) => Err(outage.into()),
        }
    }
}

const fn properties(state: State, algorithm: Algorithm) -> Properties {
    let keeps_state = !matches!(state, State::Nothing);
    let versions = matches!(state, State::Versions);
    let commands = if keeps_state { 1 } else { 0 };
    let promise = if keeps_state { Revocation::Immediate } else { Revocation::AtExpiry };
    Properties {
        family: if keeps_state { Family::TokenWithState } else { Family::Token },
        algorithm: Some(algorithm),
        revoke: promise,
        granularity: match state {
            State::Nothing => Granularity::Nothing,
            State::Denied => Granularity::Credential,
            State::Versions => Granularity::Subject,
        },
        revoke_all: if versions { Revocation::Immediate } else { Revocation::AtExpiry },
        scope: Scope::Shared,
        faults: if keeps_state { Faults::DENY_LIST } else { Faults::TOKEN },
        redis: RedisCommands::each(commands),
        store: if keeps_state { Some(StoreKind::Redis) } else { None },
        renewal: Renewal::None,
        uses: Uses::Many,
        counts_live: false,
        hops_verify: None,
        remembers: Remembers::Nothing,
    }
}

impl<F: Flaw> AuthStrategy for Mutant<F> {
    const PROPERTIES: Properties = properties(F::STATE, F::Tokens::ALGORITHM);

    async fn build(deps: &Deps) -> Result<Self, BuildError> {
        let tokens = match F::Tokens::build(deps) {
            Err(_) if F::SHORT_SECRETS_WILL_DO => {
                let key = Key {
                    kid: "longer".into(),
                    algorithm: F::Tokens::ALGORITHM,
                    private: vec![7; 32],
                    public: Vec::new(),
                };
                let keys = Arc::new(authbench::token::key::Keyring::new(vec![key]));
                F::Tokens::build(&Deps { keys, ..deps.clone() })?
            }
            built => built?,
        };
        let keys = deps.keys.of(F::Tokens::ALGORITHM).unwrap_or_default();
        Ok(Self {
            tokens,
            keys: keys.into_iter().cloned().collect(),
            settings: deps.settings.clone(),
            entropy: Arc::clone(&deps.entropy),
            redis: deps.redis.clone(),
            flaw: PhantomData,
        })
    }

    async fn issue(&self, subject: SubjectId, now: UnixTime) -> Result<Grant, Outage> {
        let version = match F::STATE {
            State::Versions => Some(self.version(subject).await?),
            State::Nothing | State::Denied => None,
        };
        let principal = Principal::of_test_subject(subject, now);
        let id = TokenId(fresh(&*self.entropy)?);
        self.tokens.issue(&NewToken { principal, id, version, session: None }, now)
    }

    async fn authenticate(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Principal, AuthError> {
        Ok(self.find(credential, now).await?.principal)
    }

    async fn refresh(&self, _: Credential<'_>, _: UnixTime) -> Result<Grant, AuthError> {
        Err(Denial::NotRenewable.into())
    }

    async fn revoke(
        &self,
        credential: Credential<'_>,
        now: UnixTime,
    ) -> Result<Revocation, AuthError> {
        let token = self.find(credential, now).await?;
        match F::STATE {
            State::Nothing => {}
            State::Denied => {
                let leeway = if F::ENTRY_WITHOUT_LEEWAY { 0 } else { self.settings.leeway_s };
                let life = now.seconds_until(token.expires_at.plus(leeway)).max(1);
                let mut set = cmd("SET");
                set.arg(Self::entry(credential.expose(), token.id)).arg("").arg("EX").arg(life);
                self.redis()?.query::<()>(&set).await?;
            }
            State::Versions => self.raise(token.principal.subject).await?,
        }
        Ok(Self::PROPERTIES.revoke)
    }

    async fn revoke_all(&self, subject: SubjectId, _now: UnixTime) -> Result<Revocation, Outage> {
        if F::STATE == State::Versions {
            self.raise(subject).await?;
        }
        Ok(Self::PROPERTIES.revoke_all)
    }

    async fn count_live(&self, _subject: SubjectId, _now: UnixTime) -> Result<Option<u64>, Outage> {
        Ok(None)
    }

    fn sweep(&self, _now: UnixTime) {}
}
