//! What does a forged credential cost, strategy by strategy and forgery by forgery?
//!
//! One at a time; every answer must be the denial that is expected of the kind. What needs Redis is
//! a latency, and shows whether a forgery gets that far at all.

mod support;

use authbench_subjects::bed::Bed;
use authbench_subjects::list::accepted;
use authbench_subjects::tokens::reject;
use criterion::{Criterion, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    let bed = Bed::with_redis().expect("a Redis that answers, or none");
    support::time(c, &bed, reject::subjects(accepted));
}

criterion_group!(benches, all);
criterion_main!(benches);
