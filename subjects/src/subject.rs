//! A subject: one operation with a name, ready to be repeated and timed, its answer checked every
//! time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use authbench::strategy::StrategyKind;

use crate::bed::Bed;
use crate::clock::{ProcessCpu, thread_ns};

/// What a subject is called: `operation/subject/parameters`, for instance
/// `verify/prepared/alg=HS256,claims=typical,backend=ring`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    /// The question: `verify`, `issue`, `reject`, `part`, `lookup`, `revoke`.
    pub operation: &'static str,
    /// Who answers it: a strategy's id, or a part.
    pub subject: String,
    /// The cell of the comparison, factor by factor; may be empty.
    pub parameters: Vec<(&'static str, String)>,
}

impl Name {
    /// A name without parameters.
    #[must_use]
    pub fn new(operation: &'static str, subject: impl Into<String>) -> Self {
        Self { operation, subject: subject.into(), parameters: Vec::new() }
    }

    /// The same with one parameter more.
    #[must_use]
    pub fn with(mut self, factor: &'static str, level: impl fmt::Display) -> Self {
        self.parameters.push((factor, level.to_string()));
        self
    }

    /// The level of one factor, where it has it.
    #[must_use]
    pub fn level(&self, factor: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| *name == factor).map(|(_, level)| level.as_str())
    }

    /// The third part of the id: `alg=HS256,claims=typical`; empty without parameters.
    #[must_use]
    pub fn cell(&self) -> String {
        let each: Vec<String> =
            self.parameters.iter().map(|(factor, level)| format!("{factor}={level}")).collect();
        each.join(",")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.operation, self.subject)?;
        if self.parameters.is_empty() { Ok(()) } else { write!(f, "/{}", self.cell()) }
    }
}

/// What a batch cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    /// Wall time.
    pub wall: Duration,
    /// CPU of the thread that ran the batch, nanoseconds. Everything a subject does here happens
    /// on that thread: runtimes are single-threaded.
    pub cpu_ns: u64,
    /// CPU of the store's process, nanoseconds, when one is watched.
    pub store_cpu_ns: u64,
}

/// Adds up what the timed parts of a batch cost.
#[derive(Debug, Default)]
pub struct Stopwatch<'a> {
    store: Option<&'a ProcessCpu>,
    spent: Spent,
}

impl<'a> Stopwatch<'a> {
    /// One that reads the wall and the thread's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that also reads the clock of the store's process.
    #[must_use]
    pub fn with_store(store: &'a ProcessCpu) -> Self {
        Self { store: Some(store), spent: Spent::default() }
    }

    /// Runs `work` and adds what it cost. Nothing may be in flight before or after it.
    ///
    /// # Errors
    /// When the store's clock cannot be read.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        let store_before = self.store_ns()?;
        let wall = Instant::now();
        let cpu = thread_ns();
        let result = work();
        self.spent.cpu_ns += thread_ns() - cpu;
        self.spent.wall += wall.elapsed();
        self.spent.store_cpu_ns += self.store_ns()?.saturating_sub(store_before);
        Ok(result)
    }

    fn store_ns(&self) -> anyhow::Result<u64> {
        self.store.map_or(Ok(0), |store| Ok(store.read_settled()?.ns))
    }

    /// The sum so far.
    #[must_use]
    pub const fn spent(&self) -> Spent {
        self.spent
    }
}

/// So many iterations of an operation, every answer checked; what is timed goes through the
/// stopwatch. An error is a wrong answer, or a store that did not give one.
pub type Batch = Box<dyn FnMut(u64, &mut Stopwatch<'_>) -> anyhow::Result<()> + Send>;

type Make = Box<dyn FnOnce(&Arc<Bed>) -> anyhow::Result<Batch> + Send>;

/// One operation that can be timed. Made when it is wanted, because some take seconds to set up.
pub struct Subject {
    /// What it is called.
    pub name: Name,
    /// The strategy, when it is one.
    pub strategy: Option<StrategyKind>,
    /// The id of the subject that `authbench micro` alternates it with.
    pub reference: Option<String>,
    /// Whether it waits for a store in another process.
    pub waits: bool,
    /// Entries that must be filed before it can be timed.
    pub entries: u64,
    make: Make,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.name)
    }
}

impl Subject {
    /// A subject that `make` sets up. `make` must refuse to set up what answers wrongly: a tampered
    /// credential that is admitted is an error there.
    pub fn new(
        name: Name,
        make: impl FnOnce(&Arc<Bed>) -> anyhow::Result<Batch> + Send + 'static,
    ) -> Self {
        let make = Box::new(make);
        Self { name, strategy: None, reference: None, waits: false, entries: 0, make }
    }

    /// Says which strategy it is.
    #[must_use]
    pub const fn of(mut self, strategy: StrategyKind) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Says what it alternates with.
    #[must_use]
    pub fn against(mut self, reference: &Name) -> Self {
        self.reference = Some(reference.to_string());
        self
    }

    /// Says that it waits for a store in another process.
    #[must_use]
    pub const fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Says how many entries its set-up files.
    #[must_use]
    pub const fn after_filing(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// Sets it up.
    ///
    /// # Errors
    /// When that fails, or when it answers wrongly.
    pub fn make(self, bed: &Arc<Bed>) -> anyhow::Result<Batch> {
        use anyhow::Context as _;
        (self.make)(bed).with_context(|| format!("`{}` cannot be set up", self.name))
    }
}

/// A batch that is timed whole and calls `once` for iteration 0, 1, 2, ... across batches.
pub fn repeat(mut once: impl FnMut(u64) -> anyhow::Result<()> + Send + 'static) -> Batch {
    let mut next = 0;
    Box::new(move |iterations, stopwatch| {
        let range = next..next + iterations;
        next += iterations;
        stopwatch.time(|| range.into_iter().try_for_each(&mut once))?
    })
}
