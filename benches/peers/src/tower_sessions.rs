//! tower-sessions with its Redis store, which asks Redis through fred: one connection, as ours.
//!
//! What is timed is `SessionStore::load`, which a request awaits when it first reads its session,
//! and the reading of one value, as `Session::get` does it. Not the cookie, nor the lock around the
//! session, nor the middleware.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::SessionRecord;
use authbench_subjects::bed::{Bed, CREDENTIALS};
use authbench_subjects::subject::{Batch, Subject};
use fred::clients::Client;
use fred::interfaces::ClientLike as _;
use fred::types::Builder;
use fred::types::config::Config;
use time::OffsetDateTime;
use tower_sessions_core::SessionStore as _;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_redis_store::RedisStore;

use crate::lookup;

/// The value's name in a session: an application keeps one struct under one name.
const NAME: &str = "session";

/// The lookups.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    let theirs = |in_flight| {
        Subject::new(lookup::name("tower-sessions-redis", in_flight), move |bed| {
            make(bed, in_flight)
        })
        .against(&lookup::name("session-redis", in_flight))
        .waiting()
    };
    lookup::IN_FLIGHT.into_iter().map(theirs).collect()
}

fn make(bed: &Arc<Bed>, in_flight: u64) -> anyhow::Result<Batch> {
    let filed = bed.runtime.block_on(file(&bed.stage()?.url, bed.now))?;
    Ok(lookup::driven(bed, filed, in_flight))
}

/// Sessions of subjects 0, 1, 2, ...
struct Filed {
    store: RedisStore<Client>,
    ids: Vec<Id>,
    now: UnixTime,
}

impl lookup::Step for Filed {
    async fn step(&self, n: u64) -> anyhow::Result<()> {
        let subject = n % CREDENTIALS;
        let id = &self.ids[subject as usize];
        let found = load(&self.store, id, self.now).await?.context("no such session")?;
        ensure!(found.subject == SubjectId(subject), "it found somebody else");
        Ok(())
    }
}

/// Loads a session, and judges it as ours is judged.
async fn load(
    store: &RedisStore<Client>,
    id: &Id,
    now: UnixTime,
) -> anyhow::Result<Option<SessionRecord>> {
    let Some(record) = store.load(id).await? else { return Ok(None) };
    let value = record.data.get(NAME).cloned().context("a session without its value")?;
    let session: SessionRecord = serde_json::from_value(value)?;
    Ok((now < session.expires_at()).then_some(session))
}

/// Files the sessions, and shows that one that was deleted is not found.
async fn file(url: &str, now: UnixTime) -> anyhow::Result<Filed> {
    let client = Builder::from_config(Config::from_url(url)?).build()?;
    // Detached: the task that drives the connection ends with the runtime.
    drop(client.init().await?);
    let store = RedisStore::new(client);
    let mut ids = Vec::new();
    for i in 0..CREDENTIALS {
        let session = record_of(SubjectId(i), now);
        let mut record = Record {
            id: Id::default(),
            data: HashMap::from([(NAME.to_owned(), serde_json::to_value(session)?)]),
            expiry_date: OffsetDateTime::from_unix_timestamp(i64::try_from(session.ends_at.0)?)?,
        };
        store.create(&mut record).await?;
        let found = load(&store, &record.id, now).await?;
        ensure!(found == Some(session), "it does not find what it filed");
        ids.push(record.id);
    }
    let mut deleted = Record { id: Id::default(), data: HashMap::new(), expiry_date: in_an_hour() };
    store.create(&mut deleted).await?;
    store.delete(&deleted.id).await?;
    ensure!(store.load(&deleted.id).await?.is_none(), "it finds a session that was deleted");
    Ok(Filed { store, ids, now })
}

fn in_an_hour() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::HOUR
}

/// The record that our strategy would file.
#[must_use]
pub fn record_of(subject: SubjectId, now: UnixTime) -> SessionRecord {
    let settings = Settings::default();
    let who = Principal::of_test_subject(subject, now);
    SessionRecord {
        subject: who.subject,
        tenant: who.tenant,
        scopes: who.scopes,
        auth_time: who.auth_time,
        created: now,
        idle_until: now.plus(settings.session_idle_s),
        ends_at: now.plus(settings.session_absolute_s),
    }
}
