//! A database of its own, inside the bed's private Redis, for what files much: it starts empty,
//! disturbs nobody, and leaves nothing behind. The process is the same, and so is its CPU clock.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use authbench::store::redis::{RedisHandle, RedisSettings};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Deps;

use crate::bed::{Bed, RedisStage};

/// The databases that `SELECT` offers by default, beside the one that everybody shares.
const NUMBERS: std::ops::RangeInclusive<u16> = 1..=15;

/// Which of them are in use: bit `n` for number `n`.
static TAKEN: Mutex<u16> = Mutex::new(0);

/// Where a strategy keeps its state.
#[derive(Debug)]
pub(super) struct Place {
    /// What to build the strategy from.
    pub(super) deps: Deps,
    database: Option<Database>,
}

impl Place {
    /// A database of its own where the strategy needs Redis and the Redis is the bed's; else the
    /// bed's common one, or none.
    ///
    /// # Errors
    /// When no database is free, or Redis does not answer.
    pub(super) fn of(bed: &Arc<Bed>, kind: StrategyKind) -> anyhow::Result<Self> {
        let mut deps = bed.deps(crate::strategies::scheme_of(kind))?;
        let mut database = None;
        if let Ok(stage) = &bed.redis
            && kind.properties().needs_redis()
            && stage.is_private()
        {
            let own = Database::take(stage)?;
            deps.redis = Some(own.connect(bed)?);
            database = Some(own);
        }
        Ok(Self { deps, database })
    }

    /// The database that everybody shares, for what files little.
    ///
    /// # Errors
    /// When the keys cannot be made.
    pub(super) fn shared(bed: &Arc<Bed>, kind: StrategyKind) -> anyhow::Result<Self> {
        Ok(Self { deps: bed.deps(crate::strategies::scheme_of(kind))?, database: None })
    }

    /// Empties it, if it is a database of its own.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) fn flush(&self) -> anyhow::Result<()> {
        self.database.as_ref().map_or(Ok(()), Database::flush)
    }
}

#[derive(Debug)]
struct Database {
    number: u16,
    url: String,
}

impl Database {
    fn take(stage: &RedisStage) -> anyhow::Result<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |number: &u16| *taken & (1 << number) == 0;
        let number = NUMBERS.into_iter().find(free).context("every database is in use")?;
        *taken |= 1 << number;
        Ok(Self { number, url: format!("{}/{number}", stage.url) })
    }

    /// Answers may take long while much is filed; that is no outage.
    fn connect(&self, bed: &Bed) -> anyhow::Result<RedisHandle> {
        let settings = RedisSettings { response_timeout_ms: 10_000, ..RedisSettings::default() };
        let handle = bed.runtime.block_on(RedisHandle::connect(&self.url, settings));
        handle.map_err(|outage| anyhow::anyhow!("{outage}"))
    }

    fn flush(&self) -> anyhow::Result<()> {
        let mut connection = redis::Client::open(self.url.as_str())?.get_connection()?;
        Ok(redis::cmd("FLUSHDB").exec(&mut connection)?)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It cannot be emptied when the server is gone, and then it need not be.
        let _ = self.flush();
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) &= !(1 << self.number);
    }
}
