//! Our lookups, and how a peer's is driven: by the loop of the common list, so that the two
//! differ in the lookup alone.

use std::sync::Arc;

use authbench_subjects::bed::Bed;
use authbench_subjects::state::lookup;
use authbench_subjects::subject::{Name, Subject};

pub use authbench_subjects::state::drive::{Step, driven};

/// Requests in flight at a time.
pub const IN_FLIGHT: [u64; 2] = [1, 64];

/// What a lookup is called.
#[must_use]
pub fn name(subject: &str, in_flight: u64) -> Name {
    Name::new("lookup", subject).with("in-flight", in_flight)
}

/// Our lookups that peers alternate with.
#[must_use]
pub fn subjects(bed: &Arc<Bed>) -> Vec<Subject> {
    let ours = IN_FLIGHT.map(|in_flight| name("session-redis", in_flight));
    lookup::subjects(bed).into_iter().filter(|subject| ours.contains(&subject.name)).collect()
}
