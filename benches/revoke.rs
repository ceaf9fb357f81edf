//! Placeholder until its subjects are listed.

mod support;

use authbench_subjects::bed::Bed;
use criterion::{Criterion, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    let bed = Bed::with_redis().expect("a bed");
    support::time(c, &bed, Vec::new());
}

criterion_group!(benches, all);
criterion_main!(benches);
