//! How a bench file hands subjects to Criterion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use authbench_subjects::bed::Bed;
use authbench_subjects::subject::{Batch, Spent, Stopwatch, Subject};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};

/// Iterations, at most, of the batch whose CPU is printed beside the wall time of what waits for a
/// store, and how long it may take with what is done before and after them.
const CPU_ITERATIONS_MAX: u64 = 4_096;
const CPU_TIME: Duration = Duration::from_millis(300);

/// Set-ups of this many entries are left out of `cargo bench -- --test`.
const TOO_MANY_FOR_A_TEST: u64 = 100_000;

/// Whether this is `cargo bench -- --test` or `cargo test --benches`: every subject once, and no
/// figures. Criterion tells the two from a measurement in the same way.
pub(crate) fn testing() -> bool {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    has("--test") || !has("--bench")
}

/// Times every subject in a group of its operation, one after the other. One that cannot be set up,
/// or answers wrongly, ends the bench.
pub(crate) fn time(c: &mut Criterion, bed: &Arc<Bed>, subjects: Vec<Subject>) {
    if let (Err(why), true) = (&bed.redis, subjects.iter().any(|s| s.waits)) {
        println!("skipped: what needs a Redis: {why}");
    }
    let testing = testing();
    for subject in subjects {
        if subject.waits && bed.redis.is_err() {
            continue;
        }
        if testing && subject.entries >= TOO_MANY_FOR_A_TEST {
            println!("skipped: {}: a test does not file {} entries", subject.name, subject.entries);
            continue;
        }
        let mut group = c.benchmark_group(subject.name.operation);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        if subject.slow {
            group.sample_size(10).sampling_mode(SamplingMode::Flat);
        } else {
            group.sample_size(50);
        }
        one(&mut group, bed, subject, testing);
        group.finish();
    }
}

fn one(group: &mut BenchmarkGroup<'_, WallTime>, bed: &Arc<Bed>, subject: Subject, testing: bool) {
    let (name, waits) = (subject.name.clone(), subject.waits);
    let cell = name.cell();
    let id = if cell.is_empty() {
        BenchmarkId::from_parameter(&name.subject)
    } else {
        BenchmarkId::new(&name.subject, cell)
    };
    // Made when Criterion asks for it: what the filter leaves out costs nothing.
    let mut subject = Some(subject);
    let mut batch: Option<Batch> = None;
    let mut last = (1, Duration::ZERO);
    group.bench_function(id, |bencher| {
        if let Some(subject) = subject.take() {
            batch = Some(subject.make(bed).unwrap_or_else(|e| panic!("{e:#}")));
        }
        let batch = batch.as_mut().expect("made above");
        bencher.iter_custom(|iterations| {
            let (mut stopwatch, started) = (Stopwatch::new(), Instant::now());
            batch(iterations, &mut stopwatch).unwrap_or_else(|e| panic!("{name}: {e:#}"));
            last = (iterations, started.elapsed());
            stopwatch.spent().wall
        });
    });
    if let (Some(mut batch), Ok(stage), true, false) = (batch, &bed.redis, waits, testing) {
        let fitting = CPU_TIME.as_secs_f64() * last.0 as f64 / last.1.as_secs_f64();
        let iterations = (fitting as u64).clamp(1, CPU_ITERATIONS_MAX);
        let mut stopwatch = Stopwatch::with_store(&stage.cpu);
        batch(iterations, &mut stopwatch).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        print_cpu(stopwatch.spent(), iterations);
    }
}

fn print_cpu(spent: Spent, iterations: u64) {
    let us = |ns: u64| ns as f64 / iterations as f64 / 1e3;
    println!(
        "{:24}CPU:    [client {:.2} µs, Redis {:.2} µs, of {:.2} µs wall]",
        "",
        us(spent.cpu_ns),
        us(spent.store_cpu_ns),
        us(u64::try_from(spent.wall.as_nanos()).unwrap_or(u64::MAX))
    );
}
