//! What does it cost to issue a token or a session, with keys prepared and with keys parsed?
//!
//! Local nanoseconds by algorithm, claims, crypto backend and path. A session includes its id, the
//! hash of it and the write to its store; a password hash is there once, for scale.

mod support;

use authbench::strategy::StrategyKind;
use authbench_subjects::bed::Bed;
use authbench_subjects::strategies;
use authbench_subjects::tokens::issue;
use criterion::{Criterion, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    let bed = Bed::with_redis().expect("a Redis that answers, or none");
    let mut subjects = issue::subjects();
    let through_strategies = strategies::subjects(StrategyKind::ALL);
    subjects.extend(through_strategies.into_iter().filter(|s| s.name.operation == "issue"));
    support::time(c, &bed, subjects);
}

criterion_group!(benches, all);
criterion_main!(benches);
