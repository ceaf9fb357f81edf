//! What does it cost to take a credential back: one, all of a subject's, those of a whole
//! population? And what do checks cost once much was taken back?
//!
//! Only the calls are timed. Log-ins before, and the look afterwards that every credential is
//! refused, are not. Offered is what a strategy promises to do at once.
//!
//! Deliberately absent: a Redis that was named, for all that files much. It may hold somebody's
//! data, which must not be flushed.

use std::sync::Arc;

use authbench::credential::Secret;
use authbench::identity::{SubjectId, UnixTime};
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Revocation, Visitor};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::database::Place;
use super::drive::{Step, drive};
use super::entry::{fresh_subject, must_be_refused};
use crate::bed::{Bed, CREDENTIALS};
use crate::subject::{Batch, Name, Stopwatch, Subject};

/// Sessions of a subject that logs out everywhere: one device, several, a shared account.
const SESSIONS: [u64; 3] = [1, 5, 50];
/// Subjects whose credentials are all taken back: a tenant, a town, a breach.
const MASS: [u64; 3] = [1_000, 10_000, 100_000];
/// Calls in flight in a mass revocation.
const MASS_IN_FLIGHT: u64 = 64;
/// Log-ins and checks in flight, untimed.
const UNTIMED_IN_FLIGHT: usize = 64;

/// Every revocation, and the lookups beside many live entries.
#[must_use]
pub fn subjects(bed: &Arc<Bed>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for kind in super::stateful() {
        let everywhere = SESSIONS.map(|k| What::Everywhere { k });
        let one = std::iter::once(What::One);
        subjects.extend(one.chain(everywhere).filter_map(|what| subject(kind, what)));
    }
    if offers_heavy(bed) {
        for kind in super::stateful().filter(|kind| kind.properties().needs_redis()) {
            subjects.extend(MASS.iter().filter_map(|n| subject(kind, What::Mass { n: *n })));
        }
        subjects.extend(super::live::subjects());
    }
    subjects
}

/// Whether what files much is offered: on any Redis but one that was named.
#[must_use]
pub fn offers_heavy(bed: &Bed) -> bool {
    bed.stage().map_or(true, crate::bed::RedisStage::is_private)
}

/// What is taken back in one iteration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    /// The credential that is presented.
    One,
    /// All of a subject that logged in `k` times.
    Everywhere { k: u64 },
    /// The credentials of `n` subjects, one each, many calls in flight.
    Mass { n: u64 },
}

impl What {
    fn name(self, kind: StrategyKind) -> Name {
        let name = Name::new("revoke", kind.name());
        match self {
            Self::One => name.with("what", "one"),
            Self::Everywhere { k } => name.with("what", "everywhere").with("k", k),
            Self::Mass { n } => name.with("what", "mass").with("n", n),
        }
    }

    /// The call that does it, if `kind` promises to do it at once.
    fn call(self, kind: StrategyKind) -> Option<Call> {
        let properties = kind.properties();
        let one = (properties.revoke == Revocation::Immediate).then_some(Call::Revoke);
        let all = (properties.revoke_all == Revocation::Immediate).then_some(Call::RevokeAll);
        match self {
            Self::One => one,
            Self::Everywhere { .. } => all,
            Self::Mass { .. } => all.or(one),
        }
    }
}

/// An operation of a strategy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
    Revoke,
    RevokeAll,
}

fn subject(kind: StrategyKind, what: What) -> Option<Subject> {
    let call = what.call(kind)?;
    let make = move |bed: &Arc<Bed>| {
        let place = Place::of(bed, kind)?;
        bed.runtime.block_on(kind.visit(Build { bed: Arc::clone(bed), place, what, call }))
    };
    let subject = Subject::new(what.name(kind), make).of(kind);
    let subject = if crate::strategies::waits(kind) { subject.waiting() } else { subject };
    Some(match what {
        What::One => subject,
        What::Everywhere { k: 1 } if What::One.call(kind).is_some() => {
            subject.against(&What::One.name(kind))
        }
        What::Everywhere { .. } => subject.against(&What::Everywhere { k: 1 }.name(kind)),
        What::Mass { n } => subject.after_filing(n).slow(),
    })
}

struct Build {
    bed: Arc<Bed>,
    place: Place,
    what: What,
    call: Call,
}

impl Visitor for Build {
    type Output = anyhow::Result<Batch>;

    async fn visit<S: AuthStrategy>(self, _: StrategyKind) -> anyhow::Result<Batch> {
        let strategy = Arc::new(S::build(&self.place.deps).await?);
        let revoker = Revoker { bed: self.bed, strategy, call: self.call, place: self.place };
        let what = self.what;
        Ok(Box::new(move |iterations, stopwatch| revoker.repeat(what, iterations, stopwatch)))
    }
}

/// A subject and what it was given for each of its log-ins.
struct Login {
    subject: SubjectId,
    credentials: Vec<Secret>,
}

/// A strategy and the calls to time.
struct Revoker<S> {
    bed: Arc<Bed>,
    strategy: Arc<S>,
    call: Call,
    place: Place,
}

impl<S: AuthStrategy> Revoker<S> {
    /// In parts: no more than [`CREDENTIALS`] are alive at a time, but for a mass.
    fn repeat(
        &self,
        what: What,
        iterations: u64,
        stopwatch: &mut Stopwatch<'_>,
    ) -> anyhow::Result<()> {
        let (sessions, part, in_flight) = match what {
            What::One => (1, CREDENTIALS, 1),
            What::Everywhere { k } => (k, (CREDENTIALS / k).max(1), 1),
            What::Mass { n } => {
                return (0..iterations)
                    .try_for_each(|_| self.time(n, 1, MASS_IN_FLIGHT, stopwatch));
            }
        };
        let mut left = iterations;
        while left > 0 {
            let subjects = left.min(part);
            self.time(subjects, sessions, in_flight, stopwatch)?;
            left -= subjects;
        }
        Ok(())
    }

    /// Logs in, times the calls, looks whether they did what they promise, and clears up.
    fn time(
        &self,
        subjects: u64,
        sessions: u64,
        in_flight: u64,
        stopwatch: &mut Stopwatch<'_>,
    ) -> anyhow::Result<()> {
        let (runtime, now) = (&self.bed.runtime, self.bed.now);
        let logins = runtime.block_on(self.log_in(subjects, sessions))?;
        let strategy = Arc::clone(&self.strategy);
        let calls = Arc::new(Calls { strategy, call: self.call, logins, now });
        stopwatch.time(|| runtime.block_on(drive(&calls, 0..subjects, in_flight)))??;
        runtime.block_on(async {
            let credentials = calls.logins.iter().flat_map(|login| &login.credentials);
            stream::iter(credentials)
                .map(|access| must_be_refused(&*self.strategy, access, now))
                .buffer_unordered(UNTIMED_IN_FLIGHT)
                .try_collect::<()>()
                .await
        })?;
        self.place.flush()
    }

    /// So many subjects that nobody else logs in, each logged in so many times.
    async fn log_in(&self, subjects: u64, sessions: u64) -> anyhow::Result<Vec<Login>> {
        let (strategy, now) = (&*self.strategy, self.bed.now);
        let one = |_| async move {
            let subject = fresh_subject();
            let mut credentials = Vec::new();
            for _ in 0..sessions {
                credentials.push(strategy.issue(subject, now).await?.access);
            }
            anyhow::Ok(Login { subject, credentials })
        };
        stream::iter(0..subjects).map(one).buffer_unordered(UNTIMED_IN_FLIGHT).try_collect().await
    }
}

/// What is timed: call `n` is about login `n`.
struct Calls<S> {
    strategy: Arc<S>,
    call: Call,
    logins: Vec<Login>,
    now: UnixTime,
}

impl<S: AuthStrategy> Step for Calls<S> {
    async fn step(&self, n: u64) -> anyhow::Result<()> {
        let login = &self.logins[n as usize];
        let (answer, promise) = match self.call {
            Call::Revoke => {
                let credential = login.credentials[0].as_credential();
                (self.strategy.revoke(credential, self.now).await?, S::PROPERTIES.revoke)
            }
            Call::RevokeAll => {
                let answer = self.strategy.revoke_all(login.subject, self.now).await?;
                (answer, S::PROPERTIES.revoke_all)
            }
        };
        anyhow::ensure!(answer == promise, "it promises {promise:?} and answers {answer:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_every_reference_is_listed() {
        let bed = Bed::without_redis().unwrap();
        let subjects = subjects(&bed);
        let names: HashSet<_> = subjects.iter().map(|s| s.name.to_string()).collect();
        assert_eq!(names.len(), subjects.len());
        for reference in subjects.iter().filter_map(|s| s.reference.as_ref()) {
            assert!(names.contains(reference), "{reference}");
        }
    }

    #[test]
    fn what_is_taken_back_is_refused_afterwards() {
        let bed = Bed::with_redis().unwrap();
        if let Err(why) = &bed.redis {
            println!("skipped: revocations in Redis: {why}");
        }
        for subject in subjects(&bed) {
            if (subject.waits && bed.redis.is_err()) || subject.entries > 1_000 {
                continue;
            }
            let name = subject.name.to_string();
            let mut batch = subject.make(&bed).unwrap();
            batch(3, &mut Stopwatch::new()).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        }
    }

    #[test]
    fn a_private_redis_is_left_empty() {
        let bed = Bed::with_redis().unwrap();
        let Ok(stage) = bed.stage() else {
            println!("skipped: what is left in Redis: there is none");
            return;
        };
        let mass = |s: &Subject| s.entries == 1_000;
        for subject in subjects(&bed).into_iter().filter(mass) {
            drop(subject.make(&bed).unwrap());
        }
        let mut connection =
            redis::Client::open(stage.url.as_str()).unwrap().get_connection().unwrap();
        let keyspace: String = redis::cmd("INFO").arg("keyspace").query(&mut connection).unwrap();
        assert!(!keyspace.contains("keys="), "{keyspace}");
    }
}
