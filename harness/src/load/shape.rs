//! How the offered rate moves over a schedule: steady, ramp, steps, bursts, or a trace.
//!
//! A law at a varying rate is the law at rate 1 seen through another clock: the n-th arrival is
//! where the cumulative rate reaches the n-th arrival of the unit law. So Poisson stays Poisson
//! (inhomogeneous), and constant arrivals stay exact.

use rand::Rng;
use rand_distr::{Distribution as _, Exp1};

use super::schedule::Arrivals;

/// Longest schedule, nanoseconds: a day.
pub const LENGTH_MAX_NS: u64 = 86_400 * 1_000_000_000;

/// The offered rate over time. Rates are per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// One rate.
    Steady {
        /// The rate.
        rate: u64,
    },
    /// From one rate to another, linearly over the whole length.
    Ramp {
        /// The rate at the begin.
        from: u64,
        /// The rate at the end.
        to: u64,
    },
    /// Rates held one after the other; the length is the sum of theirs.
    Step {
        /// Each rate and how long it is held, nanoseconds.
        steps: Vec<(u64, u64)>,
    },
    /// A steady rate, and requests at once on top of it.
    Burst {
        /// The steady rate.
        base: u64,
        /// Requests of one burst.
        size: u64,
        /// From one burst to the next, nanoseconds. The first is half of that in.
        every_ns: u64,
    },
    /// Intended starts as given.
    Trace {
        /// Nanoseconds from the schedule's begin, ascending.
        times: Vec<u64>,
    },
}

impl Shape {
    /// The shape's name in arguments and records.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Steady { .. } => "steady",
            Self::Ramp { .. } => "ramp",
            Self::Step { .. } => "step",
            Self::Burst { .. } => "burst",
            Self::Trace { .. } => "trace",
        }
    }

    /// The shape in words, with its parameters.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Steady { rate } => format!("steady {rate}/s"),
            Self::Ramp { from, to } => format!("ramp {from}/s to {to}/s"),
            Self::Step { steps } => {
                let held: Vec<String> = steps
                    .iter()
                    .map(|(rate, ns)| format!("{rate}/s for {} s", *ns as f64 / 1e9))
                    .collect();
                format!("step {}", held.join(", "))
            }
            Self::Burst { base, size, every_ns } => {
                format!("burst {size} every {} s over {base}/s", *every_ns as f64 / 1e9)
            }
            Self::Trace { times } => format!("trace of {}", times.len()),
        }
    }

    /// The length it has of itself, nanoseconds; `None` where the caller chooses.
    #[must_use]
    pub fn own_length_ns(&self) -> Option<u64> {
        match self {
            Self::Step { steps } => {
                Some(steps.iter().map(|(_, ns)| *ns).fold(0, u64::saturating_add))
            }
            Self::Trace { times } => Some(times.last().map_or(0, |last| last.saturating_add(1))),
            Self::Steady { .. } | Self::Ramp { .. } | Self::Burst { .. } => None,
        }
    }

    /// Requests due before `at_ns` of a schedule `length_ns` long: the cumulative rate, and for
    /// Poisson arrivals the expectation.
    #[must_use]
    pub fn due_before(&self, at_ns: u64, length_ns: u64) -> f64 {
        let (at, length) = (at_ns as f64 / 1e9, length_ns as f64 / 1e9);
        match self {
            Self::Steady { rate } => *rate as f64 * at,
            Self::Ramp { from, to } => {
                let (from, to) = (*from as f64, *to as f64);
                from * at + (to - from) * at * at / (2.0 * length.max(1e-9))
            }
            Self::Step { steps } => {
                let mut begin = 0;
                let mut due = 0.0;
                for (rate, ns) in steps {
                    due += *rate as f64 * (at_ns.saturating_sub(begin).min(*ns) as f64 / 1e9);
                    begin += ns;
                }
                due
            }
            Self::Burst { base, size, every_ns } => {
                let bursts = burst_times(*every_ns, at_ns).count() as f64;
                *base as f64 * at + bursts * *size as f64
            }
            Self::Trace { times } => times.partition_point(|t| *t < at_ns) as f64,
        }
    }

    /// The largest number of requests due within `window_ns`, about: for the bound of a backlog.
    #[must_use]
    pub fn peak_in(&self, window_ns: u64, length_ns: u64) -> u64 {
        let of = |rate: u64| (rate as f64 * window_ns as f64 / 1e9).ceil() as u64;
        match self {
            Self::Steady { rate } => of(*rate),
            Self::Ramp { from, to } => of(*from.max(to)),
            Self::Step { steps } => of(steps.iter().map(|(rate, _)| *rate).max().unwrap_or(0)),
            Self::Burst { base, size, every_ns } => {
                let bursts = window_ns.min(length_ns) / (*every_ns).max(1) + 1;
                of(*base).saturating_add(size.saturating_mul(bursts))
            }
            Self::Trace { times } => {
                let mut first = 0;
                let mut most = 0;
                for (i, at) in times.iter().enumerate() {
                    while at - times[first] > window_ns {
                        first += 1;
                    }
                    most = most.max(i + 1 - first);
                }
                most as u64
            }
        }
    }

    /// Intended start times in nanoseconds, ascending, all before `length_ns`. Their number is
    /// exact for constant arrivals. A steady shape is [`Arrivals::times`], bit for bit, and so is
    /// what a burst stands on.
    pub fn times(&self, law: Arrivals, length_ns: u64, rng: &mut impl Rng) -> Vec<u64> {
        match self {
            Self::Steady { rate } => law.times(*rate, length_ns, rng),
            Self::Ramp { .. } | Self::Step { .. } => {
                let total = self.due_before(length_ns, length_ns);
                let mut times = Vec::with_capacity(total as usize + 8);
                let mut unit = UnitLaw::new(law);
                loop {
                    let due = unit.next(rng);
                    if due >= total {
                        return times;
                    }
                    let at = self.reached(due, length_ns);
                    // Rounding may not carry an arrival past the end.
                    times.push((at as u64).min(length_ns.saturating_sub(1)));
                }
            }
            Self::Burst { base, size, every_ns } => {
                let mut times =
                    if *base == 0 { Vec::new() } else { law.times(*base, length_ns, rng) };
                for at in burst_times(*every_ns, length_ns) {
                    times.extend((0..*size).map(|_| at));
                }
                times.sort_unstable();
                times
            }
            Self::Trace { times } => times.iter().copied().filter(|t| *t < length_ns).collect(),
        }
    }

    /// When the cumulative rate reaches `due`, nanoseconds: the inverse of [`Self::due_before`]
    /// for shapes whose cumulative rate is continuous.
    fn reached(&self, due: f64, length_ns: u64) -> f64 {
        match self {
            Self::Ramp { from, to } => {
                let (from, to) = (*from as f64, *to as f64);
                let slope = (to - from) / (length_ns as f64 / 1e9);
                // The root without cancellation: it holds for a slope of 0 and a rate of 0 too.
                let root = (from * from + 2.0 * slope * due).max(0.0).sqrt();
                2.0 * due / (from + root) * 1e9
            }
            Self::Step { steps } => {
                let (mut begin, mut before) = (0.0, 0.0);
                for (rate, ns) in steps {
                    let within = *rate as f64 * (*ns as f64 / 1e9);
                    if due < before + within {
                        return begin + (due - before) / *rate as f64 * 1e9;
                    }
                    before += within;
                    begin += *ns as f64;
                }
                begin
            }
            Self::Steady { rate } | Self::Burst { base: rate, .. } => due / *rate as f64 * 1e9,
            Self::Trace { times } => times.get(due as usize).map_or(f64::MAX, |t| *t as f64),
        }
    }
}

/// The instants of bursts before `end_ns`.
fn burst_times(every_ns: u64, end_ns: u64) -> impl Iterator<Item = u64> {
    let every = every_ns.max(1);
    (0..).map(move |k: u64| every / 2 + k * every).take_while(move |at| *at < end_ns)
}

/// Arrivals at rate 1, one after the other.
struct UnitLaw {
    law: Arrivals,
    at: f64,
}

impl UnitLaw {
    const fn new(law: Arrivals) -> Self {
        let at = match law {
            Arrivals::Poisson => 0.0,
            Arrivals::Constant => -0.5,
        };
        Self { law, at }
    }

    fn next(&mut self, rng: &mut impl Rng) -> f64 {
        self.at += match self.law {
            Arrivals::Poisson => {
                let gap: f64 = Exp1.sample(rng);
                gap
            }
            Arrivals::Constant => 1.0,
        };
        self.at
    }
}

/// The unit of a trace's numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum TraceUnit {
    /// Decimal seconds, at most nine digits behind the point.
    S,
    /// Whole nanoseconds.
    Ns,
}

/// Reads a trace: one number a line, ascending; empty lines and what follows `#` are skipped.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn parse_trace(text: &str, unit: TraceUnit) -> Result<Vec<u64>, String> {
    let mut times: Vec<u64> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let number = line.split('#').next().unwrap_or_default().trim();
        if number.is_empty() {
            continue;
        }
        let wrong = |why: String| format!("line {}: {why}", i + 1);
        let at = match unit {
            TraceUnit::S => decimal_seconds(number).map_err(wrong)?,
            TraceUnit::Ns => number.parse().map_err(|_| {
                wrong(format!("`{number}` is no whole number of nanoseconds; --trace-unit s?"))
            })?,
        };
        if at >= LENGTH_MAX_NS {
            return Err(wrong(format!("`{number}` is a day or more after the begin")));
        }
        if let Some(last) = times.last().filter(|last| **last > at) {
            return Err(wrong(format!("{at} ns is before the line above it, {last} ns; sort it")));
        }
        times.push(at);
    }
    if times.is_empty() {
        return Err("it holds no number".into());
    }
    Ok(times)
}

/// Decimal seconds in nanoseconds, exactly: floating point would move the last digit.
fn decimal_seconds(number: &str) -> Result<u64, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(format!("`{number}` is no decimal number of seconds, as 0.25"));
    }
    if fraction.len() > 9 {
        return Err(format!("`{number}` is finer than a nanosecond"));
    }
    format!("{whole}{fraction:0<9}").parse().map_err(|_| format!("`{number}` is too large"))
}
