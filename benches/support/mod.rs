//! What the benches share: settings, fresh keys, the time, and how many of everything.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authbench::entropy::OsEntropy;
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::store::redis::RedisHandle;
use authbench::strategy::contract::Deps;
use authbench::token::key::Keyring;

/// Distinct credentials that are cycled through: one alone would live in the branch predictor.
pub(crate) const CREDENTIALS: u64 = 1_024;

/// Default settings, but tokens that outlive any bench.
pub(crate) fn deps(redis: Option<RedisHandle>) -> Deps {
    let settings = Settings { token_lifetime_s: 3_600, ..Settings::default() };
    let keys = Keyring::generate(&OsEntropy).expect("the system has randomness");
    Deps { settings, keys: Arc::new(keys), redis, entropy: Arc::new(OsEntropy) }
}

/// The system's time, which `jsonwebtoken` reads too.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    UnixTime(since.as_secs())
}
