//! What does it cost to look a session up, here, in SQLite or in Redis?
//!
//! Through the strategies, so hashing the id or verifying the token, and reading the record, count;
//! and, beside them, by redis-rs alone, one factor changed at a time. With one lookup in flight a
//! figure is a latency on the loopback. With more it is the time per lookup at that concurrency:
//! answers share system calls, and what remains is close to CPU, of which there is one thread's
//! here and Redis'. The line below a figure says how much each spent. Not included: a network, a
//! server around the lookup, other clients.

mod support;

use authbench_subjects::bed::Bed;
use authbench_subjects::state::lookup;
use criterion::{Criterion, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    let bed = Bed::with_redis().expect("a bed");
    support::time(c, &bed, lookup::subjects(&bed));
}

criterion_group!(benches, all);
criterion_main!(benches);
