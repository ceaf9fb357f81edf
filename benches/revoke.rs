//! What does it cost to take credentials back, and what do checks and memory cost afterwards?
//!
//! `what=one` and `what=everywhere` are one call at a time, so for Redis latencies; `what=mass` is
//! the whole event, 64 calls in flight; `live=` is a check beside so many entries of others. Not
//! included: log-ins before, and the look afterwards that every credential is refused. At the end,
//! what the entries weigh in Redis; not included there are the server's own megabyte and what its
//! allocator keeps to itself.

mod support;

use std::sync::Arc;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Revocation;
use authbench_subjects::bed::Bed;
use authbench_subjects::state::{memory, revoke};
use criterion::{Criterion, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    let bed = Bed::with_redis().expect("a bed");
    for kind in StrategyKind::ALL {
        let properties = kind.properties();
        for (what, promise) in [("one", properties.revoke), ("everywhere", properties.revoke_all)] {
            if promise != Revocation::Immediate {
                println!("revoke/{}/what={what}: not timed: {}", kind.name(), promise.name());
            }
        }
    }
    if !revoke::offers_heavy(&bed) {
        println!("skipped: what files much: this Redis was named, and may not be flushed");
    }
    support::time(c, &bed, revoke::subjects(&bed));
    weigh(&bed);
}

fn weigh(bed: &Arc<Bed>) {
    let entries = if support::testing() { &memory::ENTRIES[..1] } else { &memory::ENTRIES };
    match memory::rows_of(bed, entries) {
        Ok(rows) => rows.iter().for_each(|row| println!("memory: {row}")),
        Err(why) => println!("skipped: memory in Redis: {why:#}"),
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
