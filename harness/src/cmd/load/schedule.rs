//! The arguments that say what is sent when, and the schedule that follows from them.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::UsageError;
use crate::load::exchange::Op;
use crate::load::schedule::{Arrivals, stream};
use crate::load::shape::{LENGTH_MAX_NS, Shape, TraceUnit, parse_trace};

/// Most requests one call may send: rows are kept in memory, and a typo must not fill it.
pub(super) const REQUESTS_MAX: u64 = 20_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// How the offered rate moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum ShapeName {
    /// One rate: --rate
    Steady,
    /// From --from to --to, linearly
    Ramp,
    /// --steps, one after the other
    Step,
    /// --rate, and --burst-size at once every --burst-every-ms
    Burst,
    /// Intended starts from the file --trace
    Trace,
}

/// What is sent when.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ScheduleArgs {
    /// Requests per second of `steady` and `burst` [default: 1000]
    #[arg(long)]
    pub(super) rate: Option<u64>,
    /// How long, in seconds; `step` and `trace` have a length of their own [default: 10]
    #[arg(long)]
    pub(super) seconds: Option<u64>,
    /// The arrival law
    #[arg(long, value_enum, default_value = "poisson")]
    pub(super) arrivals: Arrivals,
    /// How the rate moves
    #[arg(long, value_enum, default_value = "steady")]
    pub(super) shape: ShapeName,
    /// ramp: requests per second at the begin
    #[arg(long, value_name = "RATE")]
    from: Option<u64>,
    /// ramp: requests per second at the end
    #[arg(long, value_name = "RATE")]
    to: Option<u64>,
    /// step: rates and how long each is held, as 1000:5,2000:5
    #[arg(long, value_name = "RATE:SECONDS,..")]
    steps: Option<String>,
    /// burst: requests at once
    #[arg(long, value_name = "N")]
    burst_size: Option<u64>,
    /// burst: from one to the next, milliseconds
    #[arg(long, value_name = "MS")]
    burst_every_ms: Option<u64>,
    /// trace: one number a line, ascending from the begin
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// trace: decimal seconds or whole nanoseconds
    #[arg(long, value_enum, default_value = "s")]
    trace_unit: TraceUnit,
    /// The schedule's seed
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

/// A schedule, whole.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The rate over time.
    pub(super) shape: Shape,
    /// Its length, nanoseconds.
    pub(super) length_ns: u64,
    /// Its requests.
    pub(super) ops: Vec<Op>,
}

fn usage(what: String) -> anyhow::Error {
    UsageError(what).into()
}

impl ScheduleArgs {
    /// Computes the schedule.
    ///
    /// # Errors
    /// When the arguments do not fit together, ask for nothing or for far too much, or the trace
    /// cannot be read.
    pub(super) fn schedule(&self) -> anyhow::Result<Schedule> {
        let shape = self.shape()?;
        let length_ns = self.length_ns(&shape)?;
        let requests = shape.due_before(length_ns, length_ns);
        if !(0.5..=REQUESTS_MAX as f64).contains(&requests) {
            return Err(usage(format!(
                "{} over {} s is {requests:.0} requests; at least 1 and at most {REQUESTS_MAX}",
                shape.describe(),
                length_ns as f64 / 1e9
            )));
        }
        let mut rng = stream(self.seed, "load", 0);
        let times = shape.times(self.arrivals, length_ns, &mut rng);
        if times.is_empty() {
            return Err(usage("the schedule came out empty; ask for more requests".into()));
        }
        let ops = times.into_iter().map(|at_ns| Op { at_ns, target: 0, exchange: 0 }).collect();
        Ok(Schedule { shape, length_ns, ops })
    }

    fn length_ns(&self, shape: &Shape) -> anyhow::Result<u64> {
        let length_ns = match (shape.own_length_ns(), self.seconds) {
            (Some(_), Some(_)) => {
                return Err(usage(format!(
                    "--seconds does not go with --shape {}, which has a length of its own",
                    shape.name()
                )));
            }
            (Some(own), None) => own,
            (None, seconds) => seconds.unwrap_or(10).saturating_mul(SECOND_NS),
        };
        if length_ns > LENGTH_MAX_NS {
            return Err(usage(format!("{} s is longer than a day", length_ns / SECOND_NS)));
        }
        Ok(length_ns)
    }

    fn shape(&self) -> anyhow::Result<Shape> {
        self.refuse_strangers()?;
        let needs = |name: &str| usage(format!("--shape {} needs {name}", self.shape_name()));
        Ok(match self.shape {
            ShapeName::Steady => Shape::Steady { rate: self.rate.unwrap_or(1_000) },
            ShapeName::Ramp => Shape::Ramp {
                from: self.from.ok_or_else(|| needs("--from"))?,
                to: self.to.ok_or_else(|| needs("--to"))?,
            },
            ShapeName::Step => Shape::Step {
                steps: steps(self.steps.as_deref().ok_or_else(|| needs("--steps"))?)?,
            },
            ShapeName::Burst => Shape::Burst {
                base: self.rate.unwrap_or(1_000),
                size: self.burst_size.ok_or_else(|| needs("--burst-size"))?,
                every_ns: self
                    .burst_every_ms
                    .filter(|ms| *ms > 0)
                    .ok_or_else(|| needs("--burst-every-ms, at least 1"))?
                    .saturating_mul(1_000_000),
            },
            ShapeName::Trace => {
                let file = self.trace.as_ref().ok_or_else(|| needs("--trace"))?;
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("the trace {} cannot be read", file.display()))?;
                let times = parse_trace(&text, self.trace_unit)
                    .map_err(|why| usage(format!("the trace {}: {why}", file.display())))?;
                Shape::Trace { times }
            }
        })
    }

    const fn shape_name(&self) -> &'static str {
        match self.shape {
            ShapeName::Steady => "steady",
            ShapeName::Ramp => "ramp",
            ShapeName::Step => "step",
            ShapeName::Burst => "burst",
            ShapeName::Trace => "trace",
        }
    }

    /// A parameter of another shape was meant to do something, and would do nothing.
    fn refuse_strangers(&self) -> anyhow::Result<()> {
        use ShapeName::{Burst, Ramp, Steady, Step, Trace};
        let given: [(&str, bool, &[ShapeName]); 7] = [
            ("--rate", self.rate.is_some(), &[Steady, Burst]),
            ("--from", self.from.is_some(), &[Ramp]),
            ("--to", self.to.is_some(), &[Ramp]),
            ("--steps", self.steps.is_some(), &[Step]),
            ("--burst-size", self.burst_size.is_some(), &[Burst]),
            ("--burst-every-ms", self.burst_every_ms.is_some(), &[Burst]),
            ("--trace", self.trace.is_some(), &[Trace]),
        ];
        match given.iter().find(|(_, is_given, of)| *is_given && !of.contains(&self.shape)) {
            None => Ok(()),
            Some((name, ..)) => {
                Err(usage(format!("{name} does not go with --shape {}", self.shape_name())))
            }
        }
    }
}

/// `1000:5,2000:2.5`: rates and seconds.
fn steps(text: &str) -> anyhow::Result<Vec<(u64, u64)>> {
    text.split(',')
        .map(|step| {
            let (rate, seconds) = step.split_once(':')?;
            let seconds: f64 = seconds.parse().ok()?;
            let is_a_length = seconds > 0.0 && seconds <= LENGTH_MAX_NS as f64 / 1e9;
            is_a_length.then_some((rate.parse().ok()?, (seconds * 1e9).round() as u64))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| usage(format!("--steps `{text}`: it is RATE:SECONDS,.. as 1000:5,2000:2.5")))
}
