//! The stores of a run beside Redis: a SQLite file, and a PostgreSQL where an arm needs one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use authbench::strategy::contract::StoreKind;
use authbench_fixture::{FixtureError, PrivatePostgres};
use tempfile::TempDir;

use crate::measure::store::NoStore;
use crate::os::cpu::{ProcessCpu, Reading};
use crate::plan::PlannedArm;
use crate::record::run::NotMeasured;

/// The environment variable that names a PostgreSQL to use instead of a private one.
pub const POSTGRES_URL_VARIABLE: &str = "AUTHBENCH_POSTGRES_URL";

/// The stores beside Redis. What is private ends with this value.
#[derive(Debug, Default)]
pub struct Stores {
    postgres: Option<Postgres>,
    sqlite: Option<TempDir>,
}

struct Postgres {
    url: String,
    /// Of all its processes; `None` where they are not ours to read.
    cpu: Option<ProcessCpu>,
    _private: Option<Arc<PrivatePostgres>>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({})", crate::server::config::without_password(&self.url))
    }
}

impl Stores {
    /// Opens what some of `arms` need, and says why there is no PostgreSQL if there should be.
    ///
    /// # Errors
    /// When a private PostgreSQL does not start, or no folder can be made.
    pub fn open(arms: &[PlannedArm]) -> anyhow::Result<(Self, Option<NoStore>)> {
        let is_needed = |store| arms.iter().any(|arm| arm.needs(store));
        let (mut stores, mut missing) = (Self::default(), None);
        if is_needed(StoreKind::Sqlite) {
            let folder = tempfile::Builder::new().prefix("authbench-sqlite-").tempdir();
            stores.sqlite = Some(folder.context("no folder for the SQLite file")?);
        }
        if is_needed(StoreKind::Postgres) {
            match Postgres::open()? {
                Ok(postgres) => stores.postgres = Some(postgres),
                Err(why) => missing = Some(why),
            }
        }
        Ok((stores, missing))
    }

    /// Where strategies find PostgreSQL.
    #[must_use]
    pub fn postgres_url(&self) -> Option<&str> {
        self.postgres.as_ref().map(|postgres| &*postgres.url)
    }

    /// The file that strategies share.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        self.sqlite.as_ref().map(|folder| folder.path().join("sessions"))
    }

    /// The CPU of the stores that an arm's requests may reach: Redis', which every arm's reading
    /// holds so that its idling can be subtracted, and PostgreSQL's where it is the arm's store. A
    /// SQLite file has no process: its cost is in the server's.
    ///
    /// # Errors
    /// When a clock cannot be read.
    pub fn with_own_cpu(
        &self,
        arm: &PlannedArm,
        redis: Option<Reading>,
    ) -> anyhow::Result<Option<Reading>> {
        if !arm.needs(StoreKind::Postgres) {
            return Ok(redis);
        }
        // Not counted is not nothing: without its own store's, there is no figure.
        let Some(cpu) = self.postgres.as_ref().and_then(|postgres| postgres.cpu.as_ref()) else {
            return Ok(None);
        };
        let own = cpu.read_settled()?;
        let redis = redis.unwrap_or(Reading { ns: 0, settled: true, reads: 0 });
        Ok(Some(Reading {
            ns: own.ns + redis.ns,
            settled: own.settled && redis.settled,
            reads: own.reads.max(redis.reads),
        }))
    }

    /// What of the stores cannot be counted, for the record.
    #[must_use]
    pub fn uncounted(&self, arms: &[PlannedArm]) -> Vec<NotMeasured> {
        if self.postgres.as_ref().is_none_or(|postgres| postgres.cpu.is_some()) {
            return Vec::new();
        }
        let its = arms.iter().filter(|arm| arm.needs(StoreKind::Postgres));
        its.map(|arm| NotMeasured {
            what: format!("{}: CPU of the store", arm.record.id),
            reason: "the processes of this PostgreSQL cannot be read from here".into(),
            remedy: format!("unset {POSTGRES_URL_VARIABLE}, on Linux"),
        })
        .collect()
    }
}

impl Postgres {
    /// The reader's PostgreSQL where the environment names one, else a private one.
    fn open() -> anyhow::Result<Result<Self, NoStore>> {
        if let Ok(url) = std::env::var(POSTGRES_URL_VARIABLE) {
            // Whether it is of use, the first server that needs it will say, without the password.
            return Ok(Ok(Self { url, cpu: None, _private: None }));
        }
        match PrivatePostgres::start() {
            Ok(private) => {
                let url = private.url();
                let private = Arc::new(private);
                let own = Arc::clone(&private);
                let cpu = ProcessCpu::of_all(move || {
                    own.processes().into_iter().filter_map(|pid| pid.try_into().ok()).collect()
                });
                Ok(Ok(Self { url, cpu, _private: Some(private) }))
            }
            Err(error @ FixtureError::PostgresNotInstalled) => Ok(Err(NoStore {
                reason: error.to_string(),
                remedy: format!("run scripts/setup, or set {POSTGRES_URL_VARIABLE}"),
            })),
            Err(error) => Err(error.into()),
        }
    }
}
