//! Verify and issue on the thread CPU clock: subject and reference alternate in batches of about a
//! millisecond, so that whatever slows the machine down slows both.
//!
//! Only strategies that never wait can be timed this way: each operation is polled once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail, ensure};
use authbench::credential::{Grant, Secret};
use authbench::entropy::OsEntropy;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Revocation, Visitor};
use authbench::token::key::Keyring;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use crate::os::cpu;
use crate::record::run::MicroCell;

/// What every subject alternates with: the commonest token.
const REFERENCE: &str = "jwt-hs256";
/// What the reference itself alternates with.
const REFERENCE_OF_REFERENCE: &str = "session-memory";
/// Distinct credentials of each strategy, presented in turn.
const WALLET: usize = 512;
/// Thread CPU time of a batch, about.
const BATCH_NS: u64 = 1_000_000;
/// Fewer batches say nothing, whatever the budget.
const BATCHES_MIN: usize = 5;

/// Times `verify` and `issue` of every strategy among `kinds` that keeps no state in Redis, for
/// about `budget` of wall time in all. `seed` decides the subjects and the order.
///
/// # Errors
/// A strategy that cannot be built, that turns its own credential away, says somebody else's name,
/// or waits.
pub fn micro_pass(
    budget: Duration,
    seed: u64,
    kinds: &[StrategyKind],
) -> anyhow::Result<Vec<MicroCell>> {
    let start = Instant::now();
    let mut random = Pcg64::seed_from_u64(seed);
    let mut bench = Bench::prepare(kinds, &mut random)?;
    let mut cells = bench.cells(kinds);
    loop {
        let enough = cells.iter().all(|cell| cell.iterations.len() >= BATCHES_MIN);
        if cells.is_empty() || (enough && start.elapsed() >= budget) {
            return Ok(cells);
        }
        // A fresh order each round: no cell always runs in the wake of the same neighbour.
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.shuffle(&mut random);
        for i in order {
            bench.alternate(&mut cells[i])?;
        }
    }
}

/// The operations that are timed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Operation {
    Verify,
    Issue,
}

impl Operation {
    const ALL: [Self; 2] = [Self::Verify, Self::Issue];

    const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Issue => "issue",
        }
    }
}

/// One strategy's batches, its type forgotten: one dynamic call per batch, none inside.
trait Subject: Send {
    /// Runs `n` operations, every result checked; thread CPU time in nanoseconds.
    fn batch(&mut self, operation: Operation, n: u64) -> anyhow::Result<u64>;
}

/// Every strategy that takes part, and how many operations make a batch.
struct Bench {
    subjects: BTreeMap<&'static str, Box<dyn Subject>>,
    iterations: BTreeMap<(&'static str, Operation), u64>,
}

impl Bench {
    fn prepare(kinds: &[StrategyKind], random: &mut Pcg64) -> anyhow::Result<Self> {
        let deps = Deps {
            settings: Settings::default(),
            keys: Arc::new(Keyring::generate(&OsEntropy)?),
            redis: None,
            entropy: Arc::new(OsEntropy),
        };
        let mut bench = Self { subjects: BTreeMap::new(), iterations: BTreeMap::new() };
        let wanted = StrategyKind::ALL.iter().copied().filter(|kind| {
            let name = kind.name();
            takes_part(*kind)
                && (kinds.contains(kind) || [REFERENCE, REFERENCE_OF_REFERENCE].contains(&name))
        });
        for kind in wanted {
            let name = kind.name();
            let first_subject = random.random();
            let visit = kind.visit(Prepare { deps: &deps, first_subject });
            let mut subject = at_once(visit).and_then(|made| made).context(name)?;
            for operation in Operation::ALL {
                let n = calibrate(&mut *subject, operation).context(name)?;
                bench.iterations.insert((name, operation), n);
            }
            bench.subjects.insert(name, subject);
        }
        Ok(bench)
    }

    /// An empty cell for each operation of each strategy of `kinds` that takes part.
    fn cells(&self, kinds: &[StrategyKind]) -> Vec<MicroCell> {
        let mut cells = Vec::new();
        for kind in kinds.iter().filter(|kind| takes_part(**kind)) {
            let name = kind.name();
            let reference = if name == REFERENCE { REFERENCE_OF_REFERENCE } else { REFERENCE };
            for operation in Operation::ALL {
                cells.push(MicroCell {
                    id: format!("{}/{name}", operation.name()),
                    operation: operation.name().to_owned(),
                    strategy: name.to_owned(),
                    algorithm: kind.properties().algorithm.map(|a| a.name().to_owned()),
                    reference: reference.to_owned(),
                    iterations: Vec::new(),
                    cpu_ns: Vec::new(),
                    reference_iterations: Vec::new(),
                    reference_cpu_ns: Vec::new(),
                });
            }
        }
        cells
    }

    /// One batch of the subject, and one of its reference behind it.
    fn alternate(&mut self, cell: &mut MicroCell) -> anyhow::Result<()> {
        let named = Operation::ALL.into_iter().find(|o| o.name() == cell.operation);
        let operation = named.context("a cell of an unknown operation")?;
        let (n, ns) = self.run(&cell.strategy, operation)?;
        cell.iterations.push(n);
        cell.cpu_ns.push(ns);
        let (n, ns) = self.run(&cell.reference, operation)?;
        cell.reference_iterations.push(n);
        cell.reference_cpu_ns.push(ns);
        Ok(())
    }

    fn run(&mut self, name: &str, operation: Operation) -> anyhow::Result<(u64, u64)> {
        let (name, subject) =
            self.subjects.iter_mut().find(|(known, _)| **known == name).with_context(|| {
                format!("`{name}` is not registered, and is the reference here")
            })?;
        let n = self.iterations.get(&(*name, operation)).copied().unwrap_or(1);
        Ok((n, subject.batch(operation, n).context(*name)?))
    }
}

fn takes_part(kind: StrategyKind) -> bool {
    !kind.properties().needs_redis
}

/// How many operations take about [`BATCH_NS`]; runs a few batches to find out, and to warm up.
fn calibrate(subject: &mut dyn Subject, operation: Operation) -> anyhow::Result<u64> {
    let mut n = 1;
    loop {
        let ns = subject.batch(operation, n)?.max(1);
        if ns >= BATCH_NS / 4 || n >= 1 << 20 {
            return Ok((n * BATCH_NS).div_ceil(ns));
        }
        n *= 2;
    }
}

/// Builds one strategy and a wallet of its credentials.
struct Prepare<'d> {
    deps: &'d Deps,
    first_subject: u64,
}

impl Visitor for Prepare<'_> {
    type Output = anyhow::Result<Box<dyn Subject>>;

    async fn visit<S: AuthStrategy>(self, _kind: StrategyKind) -> Self::Output {
        let mut purse = Purse {
            strategy: S::build(self.deps).await?,
            held: Vec::new(),
            turn: 0,
            next_subject: self.first_subject,
        };
        let now = unix_now();
        for _ in 0..WALLET {
            let (subject, grant) = purse.issue_one(now)?;
            purse.held.push((grant.access, Principal::of_test_subject(subject, now)));
        }
        Ok(Box::new(purse))
    }
}

/// A strategy and credentials it issued, each with the principal it stands for.
struct Purse<S> {
    strategy: S,
    held: Vec<(Secret, Principal)>,
    turn: usize,
    next_subject: u64,
}

impl<S: AuthStrategy> Purse<S> {
    fn issue_one(&mut self, now: UnixTime) -> anyhow::Result<(SubjectId, Grant)> {
        let subject = SubjectId(self.next_subject);
        self.next_subject = self.next_subject.wrapping_add(1);
        Ok((subject, at_once(self.strategy.issue(subject, now))??))
    }

    fn verify(&mut self, n: u64) -> anyhow::Result<u64> {
        let now = unix_now();
        let start = cpu::thread_ns();
        for _ in 0..n {
            let (credential, expected) = &self.held[self.turn % self.held.len()];
            self.turn += 1;
            let judged = at_once(self.strategy.authenticate(credential.as_credential(), now))?;
            if judged? != *expected {
                bail!("a credential was taken for somebody else's");
            }
        }
        Ok(cpu::thread_ns() - start)
    }

    fn issue(&mut self, n: u64) -> anyhow::Result<u64> {
        let now = unix_now();
        let mut issued = Vec::with_capacity(usize::try_from(n)?);
        let start = cpu::thread_ns();
        for _ in 0..n {
            issued.push(self.issue_one(now)?);
        }
        let ns = cpu::thread_ns() - start;
        // Checked outside the timed part: a check costs as much as what it checks.
        for (subject, grant) in issued {
            let credential = grant.access.as_credential();
            let who = at_once(self.strategy.authenticate(credential, now))??;
            let expected = Principal::of_test_subject(subject, now);
            ensure!(who == expected, "a new credential is somebody else's");
            if S::PROPERTIES.revoke == Revocation::Immediate {
                // What keeps state would grow with every batch.
                at_once(self.strategy.revoke(credential, now))??;
            }
        }
        Ok(ns)
    }
}

impl<S: AuthStrategy> Subject for Purse<S> {
    fn batch(&mut self, operation: Operation, n: u64) -> anyhow::Result<u64> {
        match operation {
            Operation::Verify => self.verify(n),
            Operation::Issue => self.issue(n),
        }
    }
}

/// The result of a future that never waits.
fn at_once<F: Future>(future: F) -> anyhow::Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(anyhow!("it waits for something, so its CPU time cannot be read")),
    }
}

fn unix_now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime(since.map_or(0, |elapsed| elapsed.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_without_redis_is_timed_against_its_reference() {
        let cells = micro_pass(Duration::ZERO, 7, StrategyKind::ALL).unwrap();
        let expected: Vec<String> = StrategyKind::ALL
            .iter()
            .filter(|kind| takes_part(**kind))
            .flat_map(|kind| Operation::ALL.map(|o| format!("{}/{}", o.name(), kind.name())))
            .collect();
        let ids: Vec<&String> = cells.iter().map(|cell| &cell.id).collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>());
        for cell in &cells {
            let batches = cell.iterations.len();
            assert!(batches >= BATCHES_MIN, "{}", cell.id);
            for column in [&cell.cpu_ns, &cell.reference_iterations, &cell.reference_cpu_ns] {
                assert_eq!(column.len(), batches, "{}", cell.id);
            }
            assert!(cell.iterations.iter().all(|n| *n > 0), "{}", cell.id);
            assert_ne!(cell.strategy, cell.reference);
        }
    }

    #[test]
    fn a_future_that_waits_is_an_error_and_not_a_figure() {
        assert!(at_once(std::future::pending::<()>()).is_err());
        assert_eq!(at_once(std::future::ready(7)).unwrap(), 7);
    }
}
