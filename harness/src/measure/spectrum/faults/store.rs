//! The Redis that faults strike: the instrument's own, never the reader's.
//!
//! It can be frozen, killed, written full and robbed of its feeds. What was frozen is thawed when
//! the freeze is dropped; everything else goes with the private server.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use authbench::store::redis::FEED_NAME;
use authbench_fixture::PrivateRedis;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::{Client, Cmd, Connection, cmd, pipe};

/// An answer to the instrument's own questions takes no longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Memory that is left when the limit is set, bytes: what is written into it has to push out what
/// was there before, many times over.
const ROOM_BYTES: u64 = 4 << 20;
/// One junk value, bytes. Large against an entry, so that there are few of them: what is evicted
/// is drawn among all keys, and an entry must be drawn soon.
const JUNK_BYTES: usize = 16 << 10;
/// Junk values written at once.
const JUNK_AT_ONCE: u64 = 64;
/// Junk expires, so that it can be evicted by every policy; but not by itself, seconds.
const JUNK_S: u64 = 600;
/// More junk than this is never written, values.
const JUNK_MAX: u64 = 65_536;
/// Writing full takes no longer.
const FILL_LIMIT: Duration = Duration::from_millis(2_500);

/// What may be evicted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Policy {
    /// Everything.
    AllKeys,
    /// What has an expiry.
    Volatile,
}

impl Policy {
    /// Every policy in turn: the outcome of the fault is the worst that any trial saw.
    #[must_use]
    pub(super) const fn of_trial(number: usize) -> Self {
        if number.is_multiple_of(2) { Self::AllKeys } else { Self::Volatile }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AllKeys => "allkeys-lru",
            Self::Volatile => "volatile-lru",
        }
    }
}

/// The private server, to be struck.
#[derive(Debug)]
pub(super) struct Victim {
    redis: PrivateRedis,
}

impl Victim {
    /// Takes over a private server.
    #[must_use]
    pub(super) const fn new(redis: PrivateRedis) -> Self {
        Self { redis }
    }

    fn connect(&self) -> anyhow::Result<Connection> {
        let client = Client::open(self.redis.url())?;
        let connection = client.get_connection_with_timeout(ANSWER_LIMIT)?;
        connection.set_read_timeout(Some(ANSWER_LIMIT))?;
        connection.set_write_timeout(Some(ANSWER_LIMIT))?;
        Ok(connection)
    }

    /// Looks for the connections that are fed, so that they can be cut at a moment's notice.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) fn feeds(&self) -> anyhow::Result<Feeds> {
        let mut connection = self.connect()?;
        let clients: String = cmd("CLIENT").arg("LIST").query(&mut connection)?;
        let name = format!("name={FEED_NAME}");
        let of_feed = clients.lines().filter(|line| line.split(' ').any(|word| word == name));
        let ids = of_feed.filter_map(|line| line.split(' ').find_map(|w| w.strip_prefix("id=")));
        let ids = ids.map(str::to_owned).collect();
        Ok(Feeds { connection, ids })
    }

    /// Stops the server until the value is dropped. Its sockets stay open.
    ///
    /// # Errors
    /// When there is no such process.
    pub(super) fn freeze(&self) -> anyhow::Result<Frozen> {
        let pid = Pid::from_raw(self.redis.pid());
        kill(pid, Signal::SIGSTOP).context("the private Redis cannot be stopped")?;
        Ok(Frozen(pid))
    }

    /// Kills the server and starts an empty one on its port.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn lose(&mut self) -> anyhow::Result<()> {
        Ok(self.redis.restart()?)
    }

    /// Sets a memory limit and writes until everything that `policy` lets go has been evicted once,
    /// then takes both back. Redis evicts the least recently used of a sample, to the second: what
    /// is read all the time is as young as the junk, and drawn as often as that. Says how many
    /// entries survived all that is written at the most.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) fn evict(&self, policy: Policy) -> anyhow::Result<usize> {
        let mut connection = self.connect()?;
        let mut planted = evictable(&mut connection, policy)?;
        let memory: String = cmd("INFO").arg("memory").query(&mut connection)?;
        let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.context("Redis does not say what it uses")?.trim().parse()?;
        set(&mut connection, "maxmemory-policy", policy.name())?;
        set(&mut connection, "maxmemory", &(used + ROOM_BYTES).to_string())?;
        let began = Instant::now();
        let mut written = 0;
        let junk = vec![b'j'; JUNK_BYTES];
        while !planted.is_empty() && written < JUNK_MAX && began.elapsed() < FILL_LIMIT {
            let mut batch = pipe();
            for number in written..written + JUNK_AT_ONCE {
                batch.add_command(Cmd::set_ex(junk_name(number), &junk[..], JUNK_S)).ignore();
            }
            // EXISTS does not make a key young.
            planted.iter().for_each(|key| {
                batch.add_command(Cmd::exists(&key[..]));
            });
            let there: Vec<bool> = batch.query(&mut connection)?;
            written += JUNK_AT_ONCE;
            let mut there = there.into_iter();
            planted.retain(|_| there.next().unwrap_or(true));
        }
        set(&mut connection, "maxmemory", "0")?;
        set(&mut connection, "maxmemory-policy", "noeviction")?;
        for from in (0..written).step_by(1_000) {
            let names = (from..written.min(from + 1_000)).map(junk_name);
            cmd("UNLINK").arg(names.collect::<Vec<String>>()).query::<()>(&mut connection)?;
        }
        Ok(planted.len())
    }
}

/// The keys that `policy` lets go.
fn evictable(connection: &mut Connection, policy: Policy) -> anyhow::Result<Vec<Vec<u8>>> {
    let names: Vec<Vec<u8>> = cmd("KEYS").arg("*").query(connection)?;
    let mut batch = pipe();
    names.iter().for_each(|name| {
        batch.cmd("PTTL").arg(name);
    });
    let left_ms: Vec<i64> = if names.is_empty() { Vec::new() } else { batch.query(connection)? };
    // One that is gone since has no time left either.
    let goes = |left_ms: i64| policy == Policy::AllKeys || left_ms >= 0;
    Ok(names.into_iter().zip(left_ms).filter(|(_, ms)| goes(*ms)).map(|(name, _)| name).collect())
}

fn junk_name(number: u64) -> String {
    format!("junk:{number}")
}

fn set(connection: &mut Connection, name: &str, value: &str) -> anyhow::Result<()> {
    Ok(cmd("CONFIG").arg("SET").arg(name).arg(value).query(connection)?)
}

/// The connections that were fed a moment ago.
pub(super) struct Feeds {
    connection: Connection,
    ids: Vec<String>,
}

impl std::fmt::Debug for Feeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feeds({})", self.ids.len())
    }
}

impl Feeds {
    /// Has Redis close them all, and says how many there were. One that has gone by itself is cut
    /// already.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(super) fn cut(mut self) -> anyhow::Result<usize> {
        let mut batch = pipe();
        for id in &self.ids {
            batch.cmd("CLIENT").arg("KILL").arg("ID").arg(id).ignore();
        }
        if !self.ids.is_empty() {
            batch.query::<()>(&mut self.connection)?;
        }
        Ok(self.ids.len())
    }
}

/// A stopped process, which goes on when this is dropped.
#[derive(Debug)]
pub(super) struct Frozen(Pid);

impl Drop for Frozen {
    fn drop(&mut self) {
        // One that is gone needs no thaw.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn victim() -> Option<Victim> {
        let started = PrivateRedis::start();
        if let Err(why) = &started {
            println!("skipped: {why}");
        }
        started.ok().map(Victim::new)
    }

    #[test]
    fn what_never_expires_outlives_the_other_policy_alone() {
        let Some(victim) = victim() else { return };
        let mut connection = victim.connect().unwrap();
        for (policy, stays) in [(Policy::Volatile, true), (Policy::AllKeys, false)] {
            Cmd::set("for-ever", "x").exec(&mut connection).unwrap();
            Cmd::set_ex("expires", "x", 60).exec(&mut connection).unwrap();
            assert_eq!(victim.evict(policy).unwrap(), 0, "{policy:?}");
            let there: (bool, bool) = pipe()
                .add_command(Cmd::exists("for-ever"))
                .add_command(Cmd::exists("expires"))
                .query(&mut connection)
                .unwrap();
            assert_eq!(there, (stays, false), "{policy:?}");
        }
    }

    #[test]
    fn everything_that_was_there_is_evicted_however_hot() {
        let Some(victim) = victim() else { return };
        let mut connection = victim.connect().unwrap();
        for number in 0..200 {
            Cmd::set(format!("entry:{number}"), "x").exec(&mut connection).unwrap();
        }
        let hot = std::thread::scope(|scope| {
            let evicting = scope.spawn(|| victim.evict(Policy::AllKeys));
            while !evicting.is_finished() {
                let _: Option<String> = Cmd::get("entry:7").query(&mut connection).unwrap();
            }
            evicting.join().unwrap()
        });
        assert_eq!(hot.unwrap(), 0, "some survived");
        let left: u64 = cmd("DBSIZE").query(&mut connection).unwrap();
        assert_eq!(left, 0, "the junk is taken away too");
        let limit: Vec<String> =
            cmd("CONFIG").arg("GET").arg("maxmemory").query(&mut connection).unwrap();
        assert_eq!(limit[1], "0");
    }

    #[test]
    fn only_feeds_are_cut_and_what_is_frozen_thaws() {
        let Some(victim) = victim() else { return };
        let (mut fed, mut other) = (victim.connect().unwrap(), victim.connect().unwrap());
        cmd("CLIENT").arg("SETNAME").arg(FEED_NAME).exec(&mut fed).unwrap();
        assert_eq!(victim.feeds().unwrap().cut().unwrap(), 1);
        assert!(cmd("PING").exec(&mut fed).is_err());
        cmd("PING").exec(&mut other).unwrap();
        let frozen = victim.freeze().unwrap();
        other.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(cmd("PING").exec(&mut other).is_err());
        drop(frozen);
        cmd("PING").exec(&mut victim.connect().unwrap()).unwrap();
    }
}
