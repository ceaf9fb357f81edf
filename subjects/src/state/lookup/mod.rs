//! What does it cost to look a session up? Strategies, and the parts they are made of.
//!
//! One factor at a time, from one cell: the typical record, one TCP connection without Nagle's
//! algorithm, shared by all that is in flight. Every subject cycles through [`CREDENTIALS`]
//! records and compares what it is given with what was filed.
//!
//! Deliberately absent: a client in another process or on another machine. The network is the
//! loopback, so what waiting costs is the least it can cost.
//!
//! [`CREDENTIALS`]: crate::bed::CREDENTIALS

mod connections;
mod local;
mod record;
mod redis;
pub(super) mod strategy;

use std::sync::Arc;

use authbench::strategy::StrategyKind;

use self::connections::Way;
use self::record::Record;
use self::redis::How;
use self::strategy::Filling;
use super::database::Place;
use crate::bed::Bed;
use crate::subject::{Name, Subject};

/// What servers have in flight: one client, a few, many, more than redis-rs buffers (50).
const IN_FLIGHT: [u64; 4] = [1, 8, 64, 256];

/// Every lookup. What needs Redis waits; what needs its Unix socket is offered unless the Redis
/// is one that was named, whose socket is not known.
#[must_use]
pub fn subjects(bed: &Arc<Bed>) -> Vec<Subject> {
    let mut subjects = strategies();
    subjects.extend(local::subjects());
    subjects.extend(bare(bed));
    subjects
}

/// `lookup/<strategy>/in-flight=n`.
fn strategies() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for kind in super::stateful() {
        let waits = crate::strategies::waits(kind);
        // In this process nothing waits: more in flight would measure the scheduler.
        let levels: &[u64] = if waits { &IN_FLIGHT } else { &IN_FLIGHT[..1] };
        for &in_flight in levels {
            let subject = through_registry(kind, in_flight);
            subjects.push(if waits {
                subject.waiting().against(&base(in_flight))
            } else {
                subject.against(&local::map_name(Record::TYPICAL))
            });
        }
    }
    subjects
}

fn through_registry(kind: StrategyKind, in_flight: u64) -> Subject {
    let name = Name::new("lookup", kind.name()).with("in-flight", in_flight);
    let make = move |bed: &Arc<Bed>| {
        let place = Place::shared(bed, kind)?;
        strategy::batch(bed, kind, place, Filling { in_flight, others: 0 })
    };
    Subject::new(name, make).of(kind)
}

/// The cell that all others differ from in one factor.
fn base(in_flight: u64) -> Name {
    name(How::Get, Way::Tcp, Record::TYPICAL, in_flight)
}

fn name(how: How, way: Way, record: Record, in_flight: u64) -> Name {
    Name::new("lookup", how.name())
        .with("conn", way.name())
        .with("record", record.name)
        .with("in-flight", in_flight)
}

/// What redis-rs alone costs: commands, records, connections.
fn bare(bed: &Arc<Bed>) -> Vec<Subject> {
    let typical = Record::TYPICAL;
    let mut cells: Vec<_> = IN_FLIGHT.map(|n| (How::Get, Way::Tcp, typical, n)).into();
    for in_flight in [1, 64] {
        let of_size = |record| (How::Get, Way::Tcp, record, in_flight);
        cells.extend(Record::SIZES.map(of_size));
        let by = |how| (how, Way::Tcp, typical, in_flight);
        cells.extend([How::GetAndSha256, How::GetEx, How::HGetAll].map(by));
    }
    for way in [Way::Unix, Way::TcpNagle] {
        cells.extend([1, 8, 64].map(|n| (How::Get, way, typical, n)));
    }
    for way in [Way::Multiplexed8, Way::Exclusive16, Way::Pool16] {
        cells.extend([8, 64, 256].map(|n| (How::Get, way, typical, n)));
    }
    let no_socket = bed.stage().is_ok_and(|stage| stage.unix_url.is_none());
    cells.retain(|(_, way, ..)| *way != Way::Unix || !no_socket);
    cells
        .into_iter()
        .map(|(how, way, record, in_flight)| {
            let cell = name(how, way, record, in_flight);
            let reference = (cell != base(in_flight)).then(|| base(in_flight));
            let make = move |bed: &Arc<Bed>| redis::batch(bed, how, way, record, in_flight);
            let subject = Subject::new(cell, make).waiting();
            reference.iter().fold(subject, Subject::against)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::subject::Stopwatch;

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
    fn every_lookup_finds_what_was_filed() {
        let bed = Bed::with_redis().unwrap();
        if let Err(why) = &bed.redis {
            println!("skipped: lookups in Redis: {why}");
        }
        for subject in subjects(&bed) {
            if subject.waits && bed.redis.is_err() {
                continue;
            }
            let name = subject.name.to_string();
            let mut batch = subject.make(&bed).unwrap();
            batch(2_000, &mut Stopwatch::new()).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        }
    }
}
