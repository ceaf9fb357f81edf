//! The micro pass: verify and issue on the thread CPU clock, subject and reference alternating in
//! batches of about a millisecond, so that a drifting machine moves both alike.
//!
//! Only strategies that never wait can be timed this way: each future is polled once and must be
//! ready, which at the same time proves that they never wait.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use authbench::entropy::OsEntropy;
use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Family, Visitor};
use authbench::token::key::Keyring;
use rand::RngExt as _;

use crate::load::schedule::stream;
use crate::os::cpu::thread_ns;
use crate::record::run::MicroCell;

/// Distinct credentials per strategy: one alone would live in the branch predictor.
const CREDENTIALS: usize = 512;
/// Length of a batch, nanoseconds of CPU.
const BATCH_NS: u64 = 1_000_000;

/// One operation of one strategy, ready to be repeated.
type Batch = Box<dyn FnMut(u64) -> anyhow::Result<()> + Send>;

struct Subject {
    kind: StrategyKind,
    verify: Batch,
    issue: Batch,
}

/// Times every strategy of `kinds` that needs no Redis, for about `budget` in all.
///
/// # Errors
/// When a strategy cannot be built, waits, or answers wrongly.
pub fn micro_pass(
    budget: Duration,
    seed: u64,
    kinds: &[StrategyKind],
) -> anyhow::Result<Vec<MicroCell>> {
    let mut subjects = Vec::new();
    let keys = Arc::new(Keyring::generate(&OsEntropy)?);
    for kind in kinds.iter().filter(|kind| !kind.properties().needs_redis) {
        let maker = Maker { keys: Arc::clone(&keys), seed };
        let made = poll_once(kind.visit(maker)).and_then(|made| made);
        subjects.push(made.with_context(|| format!("`{}` cannot be timed", kind.name()))?);
    }
    let mut cells: Vec<(MicroCell, usize, usize)> = Vec::new();
    for operation in ["verify", "issue"] {
        for (i, subject) in subjects.iter().enumerate() {
            if let Some(reference) = reference_of(&subjects, i) {
                cells.push((
                    empty_cell(operation, subject.kind, &subjects[reference]),
                    i,
                    reference,
                ));
            }
        }
    }
    let mut lengths = Vec::with_capacity(cells.len());
    for (cell, subject, reference) in &cells {
        let of_subject = calibrate(&cell.operation, &mut subjects[*subject])?;
        lengths.push((of_subject, calibrate(&cell.operation, &mut subjects[*reference])?));
    }
    let end = Instant::now() + budget;
    let mut swap = false;
    while Instant::now() < end {
        for ((cell, subject, reference), (n, reference_n)) in cells.iter_mut().zip(&lengths) {
            let mut of_subject = 0;
            if !swap {
                of_subject = time(&cell.operation, &mut subjects[*subject], *n)?;
            }
            let of_reference = time(&cell.operation, &mut subjects[*reference], *reference_n)?;
            if swap {
                of_subject = time(&cell.operation, &mut subjects[*subject], *n)?;
            }
            cell.iterations.push(*n);
            cell.cpu_ns.push(of_subject);
            cell.reference_iterations.push(*reference_n);
            cell.reference_cpu_ns.push(of_reference);
        }
        swap = !swap;
    }
    Ok(cells.into_iter().map(|(cell, ..)| cell).collect())
}

/// What `subjects[i]` alternates with: the first token strategy; that one itself, the first other
/// contender; nothing when it is alone.
fn reference_of(subjects: &[Subject], i: usize) -> Option<usize> {
    let is_contender = |s: &Subject| s.kind.properties().family != Family::Floor;
    let token = subjects.iter().position(|s| s.kind.properties().family == Family::Token);
    match token {
        Some(token) if token != i => Some(token),
        _ => (0..subjects.len()).find(|j| *j != i && is_contender(&subjects[*j])),
    }
}

fn empty_cell(operation: &str, kind: StrategyKind, reference: &Subject) -> MicroCell {
    MicroCell {
        id: format!("{operation}/{}", kind.name()),
        operation: operation.into(),
        strategy: Some(kind.name().into()),
        algorithm: kind.properties().algorithm.map(|a| a.name().into()),
        reference: Some(reference.kind.name().into()),
        ..MicroCell::default()
    }
}

fn time(operation: &str, subject: &mut Subject, iterations: u64) -> anyhow::Result<u64> {
    let batch = if operation == "verify" { &mut subject.verify } else { &mut subject.issue };
    let before = thread_ns();
    batch(iterations)?;
    Ok(thread_ns() - before)
}

/// Iterations that fill a batch; warms the path on the way.
fn calibrate(operation: &str, subject: &mut Subject) -> anyhow::Result<u64> {
    let mut iterations = 1;
    loop {
        let ns = time(operation, subject, iterations)?.max(1);
        if ns >= BATCH_NS / 4 || iterations >= 1 << 24 {
            return Ok((iterations * BATCH_NS / ns).max(1));
        }
        iterations *= 2;
    }
}

/// Polls a future that must not wait.
fn poll_once<F: Future>(future: F) -> anyhow::Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(anyhow!("it waits for something, so its CPU cannot be timed here")),
    }
}

struct Maker {
    keys: Arc<Keyring>,
    seed: u64,
}

impl Visitor for Maker {
    type Output = anyhow::Result<Subject>;

    async fn visit<S: AuthStrategy>(self, kind: StrategyKind) -> Self::Output {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
        let now = UnixTime(now.as_secs());
        let deps = Deps {
            settings: Settings::default(),
            keys: self.keys,
            redis: None,
            entropy: Arc::new(OsEntropy),
        };
        let strategy = Arc::new(S::build(&deps).await?);
        let mut rng = stream(self.seed, "micro", 0);
        let mut wallet = Vec::with_capacity(CREDENTIALS);
        for _ in 0..CREDENTIALS {
            let subject = SubjectId(rng.random());
            let grant = strategy.issue(subject, now).await?;
            wallet.push((grant.access, Principal::of_test_subject(subject, now)));
        }
        let issuing = Arc::clone(&strategy);
        let subjects: Vec<SubjectId> = wallet.iter().map(|(_, p)| p.subject).collect();
        let (mut next, mut next_issue) = (0, 0);
        let verify: Batch = Box::new(move |iterations| {
            for _ in 0..iterations {
                let (credential, principal) = &wallet[next % CREDENTIALS];
                next += 1;
                let found = poll_once(strategy.authenticate(credential.as_credential(), now))??;
                ensure!(found == *principal, "it authenticated somebody else");
            }
            Ok(())
        });
        let issue: Batch = Box::new(move |iterations| {
            for _ in 0..iterations {
                let subject = subjects[next_issue % CREDENTIALS];
                next_issue += 1;
                let grant = poll_once(issuing.issue(subject, now))??;
                ensure!(!grant.access.expose().is_empty(), "it issued nothing");
            }
            Ok(())
        });
        Ok(Subject { kind, verify, issue })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_without_a_redis_is_timed_against_another() {
        let cells = micro_pass(Duration::ZERO, 1, StrategyKind::ALL).unwrap();
        assert!(cells.is_empty() || cells.iter().all(|c| c.iterations.is_empty()));
        let cells = micro_pass(Duration::from_millis(1), 1, StrategyKind::ALL).unwrap();
        let timed = StrategyKind::ALL.iter().filter(|k| !k.properties().needs_redis).count();
        assert_eq!(cells.len(), 2 * timed);
        for cell in &cells {
            assert_ne!(cell.strategy, cell.reference);
            assert!(!cell.iterations.is_empty() && cell.iterations[0] > 0, "{}", cell.id);
            assert_eq!(cell.cpu_ns.len(), cell.reference_cpu_ns.len());
        }
    }

    #[test]
    fn what_waits_is_refused() {
        assert!(poll_once(std::future::pending::<()>()).is_err());
        assert_eq!(poll_once(std::future::ready(7)).unwrap(), 7);
    }
}
