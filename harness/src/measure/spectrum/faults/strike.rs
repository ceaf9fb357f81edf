//! Brings a fault about, beside the prober, and says when it began and ended.

use std::time::Duration;

use anyhow::Context as _;
use authbench::strategy::contract::Fault;

use super::stage::{Scene, joined};
use super::store::Policy;
use crate::load::delay_line::LineMode;
use crate::os::timer::Clock;

/// When the fault began and ended for each strategy, nanoseconds on the driver's clock. One that
/// never ends does so at the end of time.
pub(super) type Spans = Vec<(u64, u64)>;

/// Brings `fault` about at `at_ns` of `clock`, for `length_ns` where it lasts. What evicts does so
/// by one policy or the other, as the number of the `trial` is even or odd.
///
/// # Errors
/// When it cannot be brought about, or not be undone.
pub(super) fn strike(
    scene: &mut Scene,
    fault: Fault,
    clock: Clock,
    (at_ns, length_ns): (u64, u64),
    trial: usize,
) -> anyhow::Result<Spans> {
    let everybody = scene.players.len();
    let span = match fault {
        Fault::ClockBehind => (at_ns, u64::MAX),
        Fault::FeedCut => {
            let feeds = scene.victim.feeds()?;
            wait(clock, at_ns);
            let begin_ns = clock.now_ns();
            feeds.cut()?;
            (begin_ns, clock.now_ns())
        }
        Fault::FeedSilent | Fault::Partition => {
            wait(clock, at_ns);
            turn(scene, LineMode::Blackhole)?;
            let begin_ns = clock.now_ns();
            wait(clock, begin_ns + length_ns);
            let end_ns = clock.now_ns();
            turn(scene, LineMode::Pass)?;
            (begin_ns, end_ns)
        }
        Fault::StoreDown => {
            wait(clock, at_ns);
            let begin_ns = clock.now_ns();
            let frozen = scene.victim.freeze()?;
            wait(clock, begin_ns + length_ns);
            drop(frozen);
            (begin_ns, clock.now_ns())
        }
        Fault::StoreLost => {
            wait(clock, at_ns);
            let begin_ns = clock.now_ns();
            scene.victim.lose()?;
            (begin_ns, clock.now_ns())
        }
        Fault::StoreEvicts => {
            wait(clock, at_ns);
            let begin_ns = clock.now_ns();
            let survivors = scene.victim.evict(Policy::of_trial(trial))?;
            if survivors > 0 {
                eprintln!("note: {survivors} entries survived in a store that was written full");
            }
            (begin_ns, clock.now_ns())
        }
        Fault::NodeRestart => {
            wait(clock, at_ns);
            return restart(scene, clock);
        }
    };
    Ok(vec![span; everybody])
}

fn wait(clock: Clock, at_ns: u64) {
    std::thread::sleep(Duration::from_nanos(at_ns.saturating_sub(clock.now_ns())));
}

fn turn(scene: &Scene, mode: LineMode) -> anyhow::Result<()> {
    for line in scene.players.iter().filter_map(|player| player.line.as_ref()) {
        line.set_mode(mode).context("a relay broke down")?;
    }
    Ok(())
}

/// Restarts the last node of each strategy on its port, all at the same time.
fn restart(scene: &mut Scene, clock: Clock) -> anyhow::Result<Spans> {
    std::thread::scope(|scope| {
        let restarts = scene.players.iter_mut().map(|player| {
            scope.spawn(move || {
                let begin_ns = clock.now_ns();
                let last = player.servers.len() - 1;
                player.restart(last)?;
                anyhow::Ok((begin_ns, clock.now_ns()))
            })
        });
        joined(restarts.collect())
    })
}
