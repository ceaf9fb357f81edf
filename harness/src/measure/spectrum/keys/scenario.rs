//! What happens to the keys, and which tokens come when.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authbench::clock::ManualClock;
use authbench::entropy::{Entropy, OsEntropy, fresh};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::contract::Deps;
use authbench::token::algorithm::Es256;
use authbench::token::jwks::publish;
use authbench::token::key::{Algorithm, Key, Keyring, generate_key};
use authbench::token::library::Library;
use authbench::token::{AccessTokens as _, NewToken, TokenId};

use super::AT_ONCE;

/// Waves from the first use of a key to its publication, where that comes late: 100 ms.
const LATE_WAVES: u32 = 10;

/// What happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scenario {
    /// Nothing: good tokens under one of two live keys.
    Steady,
    /// A new key is published, and used a quarter of the time later.
    Rotation,
    /// A new key is used, and published 100 ms later.
    RotationLate,
    /// Every other token is under a name that does not exist.
    UnknownKidFlood,
    /// The same, and a new key is published at its first use.
    RotationInFlood,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 5] = [
        Self::Steady,
        Self::Rotation,
        Self::RotationLate,
        Self::UnknownKidFlood,
        Self::RotationInFlood,
    ];

    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Rotation => "rotation",
            Self::RotationLate => "rotation-late",
            Self::UnknownKidFlood => "unknown-kid-flood",
            Self::RotationInFlood => "rotation-in-flood",
        }
    }

    pub(super) const fn script(self, waves: u32) -> Script {
        let middle = waves / 2;
        let (published_at, used_from) = match self {
            Self::Steady | Self::UnknownKidFlood => (None, None),
            Self::Rotation => (Some(waves / 4), Some(middle)),
            Self::RotationLate => (Some(middle + LATE_WAVES), Some(middle)),
            Self::RotationInFlood => (Some(middle), Some(middle)),
        };
        let is_flooded = matches!(self, Self::UnknownKidFlood | Self::RotationInFlood);
        Script { published_at, used_from, is_flooded }
    }
}

/// A scenario, in waves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    /// From which wave on the issuer serves the new key.
    pub(super) published_at: Option<u32>,
    /// From which wave on good tokens are under it.
    pub(super) used_from: Option<u32>,
    is_flooded: bool,
}

/// A token, and what is right about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) is_forged: bool,
    pub(super) is_new: bool,
}

impl Script {
    /// The tokens of one wave.
    pub(super) fn wave<'a>(&self, cast: &'a Cast, wave: u32) -> Vec<Token<'a>> {
        let is_new = self.used_from.is_some_and(|from| wave >= from);
        let good = if is_new { &cast.under_new } else { &cast.under_old };
        let first = wave as usize * AT_ONCE / 2;
        let one = |i: usize| match self.is_flooded && i % 2 == 1 {
            true => {
                let text = &*cast.forged[(first + i / 2) % cast.forged.len()];
                Token { text, is_forged: true, is_new: false }
            }
            false => Token { text: good, is_forged: false, is_new },
        };
        (0..AT_ONCE).map(one).collect()
    }
}

/// Keys and tokens, made before anything is measured.
pub(super) struct Cast {
    pub(super) settings: Settings,
    pub(super) now: UnixTime,
    previous: Key,
    old: Key,
    new: Key,
    under_old: String,
    under_new: String,
    forged: Vec<String>,
}

impl Cast {
    /// With `forgeries` tokens, each under a name of its own that no key has.
    ///
    /// # Errors
    /// When the generator or the crypto library fails.
    pub(super) fn new(settings: Settings, forgeries: usize) -> anyhow::Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now = UnixTime(since.as_secs());
        let key = |kid: &str| generate_key(kid.into(), Algorithm::Es256, &OsEntropy);
        let (previous, old, new) = (key("es256-1")?, key("es256-2")?, key("es256-3")?);
        // A forger signs as well as anybody, with a key that is nobody's.
        let forger = key("forger")?;
        let forged = (0..forgeries.max(1)).map(|_| {
            let kid = format!("es256-{:032x}", u128::from_ne_bytes(fresh::<16>(&OsEntropy)?));
            sign(&Key { kid, ..forger.clone() }, &settings, now)
        });
        Ok(Self {
            forged: forged.collect::<anyhow::Result<_>>()?,
            under_old: sign(&old, &settings, now)?,
            under_new: sign(&new, &settings, now)?,
            settings,
            now,
            previous,
            old,
            new,
        })
    }

    /// What the issuer serves: two live keys, before the rotation and after it.
    ///
    /// # Errors
    /// Never for keys of this experiment.
    pub(super) fn document(&self, is_rotated: bool) -> anyhow::Result<String> {
        let live = if is_rotated { [&self.new, &self.old] } else { [&self.old, &self.previous] };
        Ok(publish(&live)?)
    }
}

/// A token under `key`.
fn sign(key: &Key, settings: &Settings, now: UnixTime) -> anyhow::Result<String> {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let deps = Deps {
        settings: settings.clone(),
        keys: Arc::new(Keyring::new(vec![key.clone()])),
        redis: None,
        postgres_url: None,
        sqlite_file: None,
        clock: Arc::new(ManualClock::default()),
        entropy,
    };
    let principal = Principal::of_test_subject(SubjectId(1_234), now);
    let token = NewToken {
        principal,
        id: TokenId(fresh::<16>(&*deps.entropy)?),
        version: None,
        session: None,
    };
    Ok(Library::<Es256>::build(&deps)?.issue(&token, now)?.access.expose().to_owned())
}
