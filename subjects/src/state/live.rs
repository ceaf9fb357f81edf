//! Does a check grow dearer with what the store remembers? Lookups beside many live entries.

use std::sync::Arc;

use authbench::strategy::StrategyKind;

use super::database::Place;
use super::entry::Entry;
use super::lookup::strategy::{Filling, batch};
use crate::bed::Bed;
use crate::subject::{Name, Subject};

/// Entries of others.
const LIVE: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const IN_FLIGHT: u64 = 64;

fn name(kind: StrategyKind, live: u64) -> Name {
    Name::new("lookup", kind.name()).with("live", live).with("in-flight", IN_FLIGHT)
}

/// `lookup/<strategy>/live=n,in-flight=64`: for a Redis of the bed's own only.
pub(super) fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for kind in super::stateful().filter(|kind| Entry::of(*kind).is_some()) {
        for live in LIVE {
            let make = move |bed: &Arc<Bed>| {
                let place = Place::of(bed, kind)?;
                batch(bed, kind, place, Filling { in_flight: IN_FLIGHT, others: live })
            };
            let subject = Subject::new(name(kind, live), make).of(kind).waiting();
            let subject = subject.after_filing(live);
            let fewest = name(kind, LIVE[0]);
            subjects.push(if live == LIVE[0] { subject } else { subject.against(&fewest) });
        }
    }
    subjects
}
