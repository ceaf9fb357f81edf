//! The micro pass: subject and reference alternate in batches of about a millisecond on the thread
//! CPU clock, so that a drifting machine moves both alike.
//!
//! What waits for a store is timed by the wall and by the store's own CPU clock as well, in batches
//! long enough for both to be read with nothing in flight.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use authbench::strategy::StrategyKind;
use authbench_subjects::bed::Bed;
use authbench_subjects::strategies;
use authbench_subjects::subject::{Batch, Name, Spent, Stopwatch, Subject};
use rand::seq::SliceRandom as _;

use crate::load::schedule::stream;
use crate::measure::block::Watcher;
use crate::record::run::{MicroCell, Timer};

/// Length of a batch, nanoseconds of CPU.
const BATCH_NS: u64 = 1_000_000;
/// Length of a batch that waits for a store, nanoseconds of wall time.
const WAITING_BATCH_NS: u64 = 5_000_000;

/// A subject that was set up.
struct Ready {
    name: Name,
    strategy: Option<StrategyKind>,
    reference: Option<usize>,
    waits: bool,
    iterations: u64,
    batch: Batch,
}

/// Keeps the subjects whose id contains one of `filters`, and what they alternate with. Nothing is
/// left out when there are no filters. The second list names those that were only kept as
/// references.
#[must_use]
pub fn select(subjects: Vec<Subject>, filters: &[String]) -> (Vec<Subject>, Vec<String>) {
    let wanted = |subject: &Subject| {
        let id = subject.name.to_string();
        filters.is_empty() || filters.iter().any(|filter| id.contains(filter.as_str()))
    };
    let chosen: Vec<String> =
        subjects.iter().filter(|s| wanted(s)).map(|s| s.name.to_string()).collect();
    let needed: Vec<String> =
        subjects.iter().filter(|s| wanted(s)).filter_map(|s| s.reference.clone()).collect();
    let is_kept = |s: &Subject| {
        let id = s.name.to_string();
        chosen.contains(&id) || needed.contains(&id)
    };
    let mut kept: Vec<Subject> = subjects.into_iter().filter(is_kept).collect();
    let mut only_references = Vec::new();
    for subject in &mut kept {
        let id = subject.name.to_string();
        if !chosen.contains(&id) {
            // What it would alternate with itself is not needed.
            subject.reference = None;
            only_references.push(id);
        }
    }
    (kept, only_references)
}

/// Times every strategy of `kinds` that needs no Redis, for about `budget` in all.
///
/// # Errors
/// When a strategy cannot be built, waits, or answers wrongly; when it was interrupted.
pub fn micro_pass(
    budget: Duration,
    seed: u64,
    kinds: &[StrategyKind],
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<MicroCell>> {
    let kinds: Vec<StrategyKind> =
        kinds.iter().copied().filter(|kind| kind.properties().store.is_none()).collect();
    let subjects = strategies::subjects(&kinds);
    interleave(&Bed::without_redis()?, subjects, budget, seed, watcher)
}

/// Times `subjects`, each in turn with its reference, for about `budget` in all; every round takes
/// them in another order. Each cell alternates with the subject whose id is its reference.
///
/// # Errors
/// A subject cannot be set up or answers wrongly, its reference is not among `subjects`, two have
/// one id, or the pass was interrupted.
pub fn interleave(
    bed: &Arc<Bed>,
    subjects: Vec<Subject>,
    budget: Duration,
    seed: u64,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<MicroCell>> {
    let mut ready = set_up(bed, subjects, watcher)?;
    let mut cells: Vec<MicroCell> = ready.iter().map(|own| empty_cell(own, &ready)).collect();
    let mut order: Vec<usize> = (0..ready.len()).collect();
    let mut rng = stream(seed, "micro", 0);
    let (end, mut swap) = (Instant::now() + budget, false);
    let mut seen = Instant::now();
    while Instant::now() < end {
        order.shuffle(&mut rng);
        for &i in &order {
            watcher.check()?;
            pair(bed, &mut ready, i, swap, &mut cells[i])?;
        }
        swap = !swap;
        watcher.passed(u64::try_from(seen.elapsed().as_millis()).unwrap_or(0));
        seen = Instant::now();
    }
    Ok(cells)
}

fn set_up(
    bed: &Arc<Bed>,
    subjects: Vec<Subject>,
    watcher: &dyn Watcher,
) -> anyhow::Result<Vec<Ready>> {
    let mut places = HashMap::new();
    for (i, subject) in subjects.iter().enumerate() {
        let id = subject.name.to_string();
        ensure!(places.insert(id, i).is_none(), "two subjects are called `{}`", subject.name);
    }
    let mut ready = Vec::with_capacity(subjects.len());
    for subject in subjects {
        watcher.check()?;
        let (name, strategy, waits) = (subject.name.clone(), subject.strategy, subject.waits);
        let reference = subject.reference.as_ref().map(|id| {
            places.get(id).copied().with_context(|| {
                format!("`{name}` alternates with `{id}`, which is not among the subjects")
            })
        });
        let reference = reference.transpose()?;
        let batch = subject.make(bed)?;
        let mut own = Ready { name, strategy, reference, waits, iterations: 1, batch };
        calibrate(bed, &mut own)?;
        ready.push(own);
    }
    Ok(ready)
}

/// A batch of `ready[i]` and one of its reference, in the order that `swap` says.
fn pair(
    bed: &Bed,
    ready: &mut [Ready],
    i: usize,
    swap: bool,
    cell: &mut MicroCell,
) -> anyhow::Result<()> {
    let reference = ready[i].reference;
    let mut other = None;
    if swap && let Some(reference) = reference {
        other = Some(time(bed, &mut ready[reference])?);
    }
    let own = time(bed, &mut ready[i])?;
    if !swap && let Some(reference) = reference {
        other = Some(time(bed, &mut ready[reference])?);
    }
    let waits = ready[i].waits;
    cell.iterations.push(ready[i].iterations);
    cell.cpu_ns.push(own.cpu_ns);
    if waits {
        cell.wall_ns.push(nanoseconds(own.wall));
        cell.store_cpu_ns.push(own.store_cpu_ns);
    }
    let (Some(reference), Some(other)) = (reference, other) else { return Ok(()) };
    cell.reference_iterations.push(ready[reference].iterations);
    cell.reference_cpu_ns.push(other.cpu_ns);
    if waits {
        cell.reference_wall_ns.push(nanoseconds(other.wall));
        cell.reference_store_cpu_ns.push(other.store_cpu_ns);
    }
    Ok(())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn empty_cell(own: &Ready, all: &[Ready]) -> MicroCell {
    let declared = own.strategy.and_then(|kind| kind.properties().algorithm).map(|a| a.name());
    MicroCell {
        id: own.name.to_string(),
        operation: own.name.operation.into(),
        strategy: own.strategy.map(|kind| kind.name().into()),
        algorithm: own.name.level("alg").or(declared).map(String::from),
        reference: own.reference.map(|place| all[place].name.to_string()),
        timer: Timer::Interleaved,
        ..MicroCell::default()
    }
}

fn time(bed: &Bed, subject: &mut Ready) -> anyhow::Result<Spent> {
    let mut stopwatch = match &bed.redis {
        Ok(stage) if subject.waits => Stopwatch::with_store(&stage.cpu),
        _ => Stopwatch::new(),
    };
    (subject.batch)(subject.iterations, &mut stopwatch)
        .with_context(|| format!("in `{}`", subject.name))?;
    Ok(stopwatch.spent())
}

/// Finds the iterations that fill a batch; warms the path on the way. A first call pays for cold
/// code and fresh pages, so no length is believed before a batch of it was about as long as meant.
fn calibrate(bed: &Bed, subject: &mut Ready) -> anyhow::Result<()> {
    const TRIES: u32 = 40;
    let target = if subject.waits { WAITING_BATCH_NS } else { BATCH_NS };
    for _ in 0..TRIES {
        let spent = time(bed, subject)?;
        let ns = if subject.waits { nanoseconds(spent.wall) } else { spent.cpu_ns }.max(1);
        let is_long_enough = ns >= target / 2;
        if is_long_enough && (subject.iterations == 1 || ns <= target * 2) {
            // One iteration that fills a batch is timed once more: it may have been the cold one.
            let again = time(bed, subject)?;
            let ns = if subject.waits { nanoseconds(again.wall) } else { again.cpu_ns };
            if ns >= target / 2 {
                return Ok(());
            }
        }
        // By a factor of eight at the most: a short batch says little about a long one.
        let fitting = subject.iterations.saturating_mul(target) / ns;
        let most = subject.iterations.saturating_mul(8);
        subject.iterations = fitting.clamp(1, most.min(1 << 24));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::block::Silent;
    use crate::os::interrupt::Interrupt;
    use authbench_subjects::subject::repeat;

    fn pass(budget: Duration) -> Vec<MicroCell> {
        let silent = Silent(Interrupt::listen().unwrap());
        micro_pass(budget, 1, StrategyKind::ALL, &silent).unwrap()
    }

    #[test]
    fn every_strategy_without_a_redis_is_timed_against_another() {
        assert!(pass(Duration::ZERO).iter().all(|cell| cell.iterations.is_empty()));
        let cells = pass(Duration::from_millis(1));
        let timed = StrategyKind::ALL.iter().filter(|k| k.properties().store.is_none()).count();
        assert_eq!(cells.len(), 2 * timed);
        for cell in &cells {
            assert_ne!(Some(&cell.id), cell.reference.as_ref());
            assert!(cell.reference.is_some(), "{}", cell.id);
            assert!(!cell.iterations.is_empty() && cell.iterations[0] > 0, "{}", cell.id);
            assert_eq!(cell.cpu_ns.len(), cell.reference_cpu_ns.len());
        }
    }

    #[test]
    fn a_wrong_answer_or_a_missing_reference_ends_the_pass() {
        let silent = Silent(Interrupt::listen().unwrap());
        let bed = Bed::without_redis().unwrap();
        let run = |subject: Subject| {
            interleave(&bed, vec![subject], Duration::from_millis(1), 1, &silent)
                .map_err(|e| format!("{e:#}"))
        };
        let wrong = Subject::new(Name::new("verify", "liar"), |_| {
            Ok(repeat(|n| {
                ensure!(n < 3, "iteration {n} is wrong");
                Ok(())
            }))
        });
        assert!(run(wrong).unwrap_err().contains("iteration 3 is wrong"));
        let lonely = Subject::new(Name::new("verify", "lonely"), |_| Ok(repeat(|_| Ok(()))));
        let lonely = lonely.against(&Name::new("verify", "nobody"));
        assert!(run(lonely).unwrap_err().contains("`verify/nobody`"));
    }

    #[test]
    fn a_filter_keeps_the_references_of_what_it_chooses() {
        let subjects = strategies::subjects(&[StrategyKind::JwtHs256, StrategyKind::JwtEs256]);
        let (kept, references) = select(subjects, &["verify/jwt-es256".into()]);
        let ids: Vec<String> = kept.iter().map(|s| s.name.to_string()).collect();
        assert_eq!(ids, ["verify/jwt-hs256", "verify/jwt-es256"]);
        assert_eq!(references, ["verify/jwt-hs256"]);
    }
}
