//! Lookups by redis-rs alone: what `session-redis` adds is what it costs beyond these.
//!
//! A record is filed under a name as long as that of a session's, with the same time to live.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use authbench::settings::Settings;
use authbench::store::SessionKey;
use redis::{Cmd, Expiry, FromRedisValue as _, Value, cmd};

use super::connections::{Connections, Way, exclusive, pool, shared};
use super::record::{self, Record};
use crate::bed::{Bed, CREDENTIALS};
use crate::state::drive::{Step, drive, driven};
use crate::subject::Batch;

/// How a record is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum How {
    /// `GET` of a name that is known.
    Get,
    /// `GET` of a name that is the SHA-256 of an id, hashed here and now.
    GetAndSha256,
    /// `GETEX`: every lookup prolongs the record's life.
    GetEx,
    /// `HGETALL` of a hash with a field for each of the record's.
    HGetAll,
}

impl How {
    /// Its part in a name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "redis-get",
            Self::GetAndSha256 => "redis-get+sha256",
            Self::GetEx => "redis-getex",
            Self::HGetAll => "redis-hgetall",
        }
    }
}

/// Lookups `how`, through `way`.
///
/// # Errors
/// When Redis cannot be reached so, or answers with anything but what was filed.
pub(super) fn batch(
    bed: &Arc<Bed>,
    how: How,
    way: Way,
    record: Record,
    in_flight: u64,
) -> anyhow::Result<Batch> {
    let stage = bed.stage()?;
    let filed = Filed::new(bed, how, record)?;
    match way {
        Way::Exclusive16 => {
            let connections = bed.runtime.block_on(exclusive(stage))?;
            checked(bed, Lookup { connections, how, filed }, in_flight)
        }
        Way::Pool16 => {
            let connections = pool(stage)?;
            checked(bed, Lookup { connections, how, filed }, in_flight)
        }
        Way::Tcp | Way::TcpNagle | Way::Unix | Way::Multiplexed8 => {
            let connections = bed.runtime.block_on(shared(stage, way))?;
            checked(bed, Lookup { connections, how, filed }, in_flight)
        }
    }
}

/// Looks once for what was never filed and once for everything else; pools connect meanwhile.
fn checked<C: Connections>(
    bed: &Arc<Bed>,
    lookup: Lookup<C>,
    in_flight: u64,
) -> anyhow::Result<Batch> {
    let lookup = Arc::new(lookup);
    bed.runtime.block_on(async {
        let never_filed = lookup.filed.prefix.name(&record::key(CREDENTIALS));
        let answer = lookup.connections.send(0, &Cmd::get(&never_filed[..])).await?;
        anyhow::ensure!(answer == Value::Nil, "Redis finds what was never filed");
        drive(&lookup, 0..CREDENTIALS, in_flight).await
    })?;
    let lookup = Arc::into_inner(lookup).context("every worker has ended")?;
    Ok(driven(bed, lookup, in_flight))
}

struct Lookup<C> {
    connections: C,
    how: How,
    filed: Filed,
}

impl<C: Connections> Step for Lookup<C> {
    async fn step(&self, n: u64) -> anyhow::Result<()> {
        let i = (n % CREDENTIALS) as usize;
        let name = &self.filed.names[i][..];
        let command = match self.how {
            How::Get => Cmd::get(name),
            How::GetAndSha256 => {
                let key = SessionKey::of(&self.filed.ids[i]);
                Cmd::get(&self.filed.prefix.name(&key)[..])
            }
            How::GetEx => Cmd::get_ex(name, Expiry::EX(lifetime())),
            How::HGetAll => Cmd::hgetall(name),
        };
        let answer = self.connections.send(n, &command).await?;
        let same = match answer {
            Value::BulkString(bytes) => bytes == self.filed.records[i],
            hash if self.how == How::HGetAll => {
                let fields: Vec<(String, String)> = Vec::from_redis_value(hash)?;
                fields == self.filed.hashes[i]
            }
            _ => false,
        };
        anyhow::ensure!(same, "Redis answers with another record");
        Ok(())
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const PREFIX_BYTES: usize = "session:".len();
const NAME_BYTES: usize = PREFIX_BYTES + 64;

/// As long as that of the strategies' sessions, and another for every subject.
#[derive(Clone, Copy)]
struct Prefix([u8; PREFIX_BYTES]);

impl Prefix {
    fn new() -> anyhow::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let text = format!("bare{:03}:", NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(Self(text.as_bytes().try_into().context("too many subjects for a prefix")?))
    }

    /// The prefix, and `key` in hexadecimal digits.
    fn name(&self, key: &SessionKey) -> [u8; NAME_BYTES] {
        let mut name = [0; NAME_BYTES];
        name[..PREFIX_BYTES].copy_from_slice(&self.0);
        for (pair, byte) in name[PREFIX_BYTES..].chunks_exact_mut(2).zip(key.as_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        name
    }
}

/// Seconds that a session lives without being used.
fn lifetime() -> u64 {
    Settings::default().session_idle_s
}

/// Records in Redis; deleted when dropped.
struct Filed {
    url: String,
    prefix: Prefix,
    ids: Vec<String>,
    names: Vec<[u8; NAME_BYTES]>,
    /// What each name stands for, where it is a string.
    records: Vec<Vec<u8>>,
    /// What each name stands for, where it is a hash.
    hashes: Vec<Vec<(String, String)>>,
}

impl Filed {
    fn new(bed: &Arc<Bed>, how: How, record: Record) -> anyhow::Result<Self> {
        let prefix = Prefix::new()?;
        let filed = Self {
            url: bed.stage()?.url.clone(),
            prefix,
            ids: (0..CREDENTIALS).map(record::id).collect(),
            names: (0..CREDENTIALS).map(|n| prefix.name(&record::key(n))).collect(),
            records: record.all(bed.now)?,
            hashes: (0..CREDENTIALS).map(|n| record::fields(n, bed.now)).collect(),
        };
        let mut connection = redis::Client::open(filed.url.as_str())?.get_connection()?;
        let mut pipeline = redis::pipe();
        for (i, name) in filed.names.iter().enumerate() {
            if how == How::HGetAll {
                pipeline.cmd("HSET").arg(&name[..]).arg(&filed.hashes[i]);
                pipeline.cmd("EXPIRE").arg(&name[..]).arg(lifetime());
            } else {
                pipeline.add_command(Cmd::set_ex(&name[..], &filed.records[i], lifetime()));
            }
        }
        pipeline.exec(&mut connection)?;
        Ok(filed)
    }
}

impl Drop for Filed {
    fn drop(&mut self) {
        // What cannot be deleted expires.
        let _ = (|| -> anyhow::Result<()> {
            let mut connection = redis::Client::open(self.url.as_str())?.get_connection()?;
            let names: Vec<&[u8]> = self.names.iter().map(|name| &name[..]).collect();
            Ok(cmd("DEL").arg(names).exec(&mut connection)?)
        })();
    }
}
