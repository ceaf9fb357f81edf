//! The CPU of a lookup is all spent on the thread that drives it, so that the thread's clock counts
//! all of it. Alone in its process, because it reads the process's clock.

use std::sync::Arc;

use authbench_peers::list;
use authbench_subjects::bed::Bed;
use authbench_subjects::clock::own_process_ns;
use authbench_subjects::subject::{Stopwatch, Subject};

/// The share of the process's CPU that the stopwatch has seen.
fn share_seen(bed: &Arc<Bed>, subject: Subject) -> f64 {
    let mut batch = subject.make(bed).unwrap();
    let mut stopwatch = Stopwatch::new();
    let before = own_process_ns();
    batch(20_000, &mut stopwatch).unwrap();
    stopwatch.spent().cpu_ns as f64 / (own_process_ns() - before) as f64
}

#[test]
fn lookups_spend_their_cpu_on_the_thread_that_drives_them() {
    let bed = Bed::with_redis().unwrap();
    if let Err(why) = &bed.redis {
        println!("skipped: {why}");
        return;
    }
    for subject in list::subjects("lookup/", &bed) {
        let name = subject.name.to_string();
        let share = share_seen(&bed, subject);
        println!("{name}: {:.1} % of the process's CPU", share * 100.0);
        assert!(share > 0.95, "{name}: {share}");
    }
}
