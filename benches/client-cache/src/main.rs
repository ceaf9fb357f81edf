//! Prints one table: how many removed keys the client-side cache of redis-rs 1.8.1 still serves,
//! at once and a second after the last removal.

use std::error::Error;

use authbench_client_cache::{KEYS, TRIALS, stale};
use authbench_fixture::PrivateRedis;

fn main() -> Result<(), Box<dyn Error>> {
    println!("redis-rs 1.8.1, cache-aio: removed keys that are served, at once / a second later");
    println!("{:<10} {:<18} {:>16} {:>10}", "removal", "order", "current thread", "2 workers");
    for (removal, order) in TRIALS {
        let mut counts = Vec::new();
        for workers in [1, 2] {
            let mut builder = match workers {
                1 => tokio::runtime::Builder::new_current_thread(),
                _ => tokio::runtime::Builder::new_multi_thread(),
            };
            let runtime = builder.worker_threads(workers).enable_all().build()?;
            let redis = PrivateRedis::start()?;
            // On a worker where there are any, and not on the thread that waits for it.
            let trial = runtime.spawn(async move { stale(&redis, removal, order).await });
            let [at_once, later] = runtime.block_on(trial)??;
            counts.push(format!("{at_once} / {later}"));
        }
        let (removal, order) = (format!("{removal:?}"), format!("{order:?}"));
        println!("{removal:<10} {order:<18} {:>16} {:>10}", counts[0], counts[1]);
    }
    println!("of {KEYS} each");
    Ok(())
}
