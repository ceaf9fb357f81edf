//! What does it cost to verify an access token, and how much of that is the signature?
//!
//! Local nanoseconds by algorithm, claims, crypto backend and path, then the steps of one
//! verification, and their sum beside the whole. A loop that does nothing else keeps code and keys
//! in the caches; a server does not. For ratios that stand up use `authbench micro`, which
//! interleaves.

mod support;

use std::sync::Arc;

use authbench::strategy::StrategyKind;
use authbench_subjects::bed::Bed;
use authbench_subjects::strategies;
use authbench_subjects::tokens::{parts, sum, verify};
use criterion::{Criterion, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    let bed = Bed::without_redis().expect("a clock");
    let mut subjects = verify::subjects();
    let kinds = StrategyKind::ALL.iter().copied().filter(|kind| kind.properties().store.is_none());
    let through_strategies = strategies::subjects(&kinds.collect::<Vec<_>>());
    subjects.extend(through_strategies.into_iter().filter(|s| s.name.operation == "verify"));
    subjects.extend(parts::subjects());
    support::time(c, &bed, subjects);
    print_sums(&bed);
}

/// Whether the parts explain the whole: on the thread CPU clock, in turns.
fn print_sums(bed: &Arc<Bed>) {
    let rounds = if support::testing() { 1 } else { 200 };
    for sum in sum::sums(bed, rounds).expect("every step answers rightly") {
        if support::testing() {
            println!("skipped: the sum for {}: a test measures nothing", sum.whole);
        } else {
            println!("{sum}");
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
