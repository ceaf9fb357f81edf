//! The knee: the highest rate that a target sustains, found without any server of its own.
//!
//! Doubling from a low rate until one is not sustained, bisection to 3 %, then one step down and
//! one up again: a system that stays broken after an overload is told by that. Where the driver's
//! own gates fail first, the answer is a lower bound and says so.

/// Least answered, in shares of the offered rate.
pub const ACHIEVED_LEAST: f64 = 0.99;
/// Largest growth of the requests in flight, in shares of the offered rate.
pub const GROWTH_MOST: f64 = 0.01;
/// The bisection ends when the bounds are this close.
pub const TOLERANCE: f64 = 0.03;
/// The loosest bound on the search's length.
pub const STEPS_MAX: usize = 40;

/// What a step at one rate showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Requests answered as expected, per second, over the offered rate.
    pub achieved: f64,
    /// Requests that failed.
    pub failures: u64,
    /// 99th percentile of response time, nanoseconds; `None` where it is a failure.
    pub p99_ns: Option<u64>,
    /// Growth of the requests in flight, per second.
    pub in_flight_slope: f64,
    /// The driver's gate that failed, if any: then nothing above is the target's.
    pub driver_fault: Option<String>,
}

/// What a step says of the target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It keeps up.
    Sustained,
    /// It does not, and in what.
    Overloaded(String),
    /// The driver does not; of the target nothing is known.
    DriverLimited(String),
}

impl Observation {
    /// Judges a step at `rate` against `slo_ns`, the largest 99th percentile allowed.
    #[must_use]
    pub fn judge(&self, rate: u64, slo_ns: u64) -> Verdict {
        if let Some(fault) = &self.driver_fault {
            return Verdict::DriverLimited(fault.clone());
        }
        let over = Verdict::Overloaded;
        if self.failures > 0 {
            return over(format!("{} requests failed", self.failures));
        }
        let Some(p99) = self.p99_ns else {
            return over("the 99th percentile is a failure".into());
        };
        if self.achieved < ACHIEVED_LEAST {
            return over(format!("answered {:.3} of the offered rate", self.achieved));
        }
        if p99 > slo_ns {
            return over(format!("p99 {} us is above {} us", p99 / 1_000, slo_ns / 1_000));
        }
        let growth = self.in_flight_slope / rate.max(1) as f64;
        if growth > GROWTH_MOST {
            return over(format!("requests in flight grow by {growth:.3} of the offered rate"));
        }
        Verdict::Sustained
    }
}

/// Why a rate was tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Looking for a rate that is not sustained.
    Double,
    /// Between one that is and one that is not.
    Bisect,
    /// One step below the best.
    Down,
    /// The best once more.
    Up,
}

impl Phase {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Bisect => "bisect",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// One step of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Why this rate.
    pub phase: Phase,
    /// The rate, per second.
    pub rate: u64,
    /// What the step showed.
    pub seen: Observation,
    /// And what that says.
    pub verdict: Verdict,
}

/// The answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Knee {
    /// `rate` is sustained, before and after an overload; `above` is not.
    At {
        /// The highest rate that was sustained.
        rate: u64,
        /// The lowest that was not.
        above: u64,
    },
    /// `rate` was sustained on the way up, and after the overload only `again` was, if anything.
    Hysteresis {
        /// The highest rate that was sustained on the way up.
        rate: u64,
        /// The highest that was sustained after the overload.
        again: Option<u64>,
    },
    /// At least `rate`: beyond that the driver, the range or the number of steps ended the search.
    AtLeast {
        /// The highest rate that was sustained.
        rate: u64,
        /// What ended it.
        why: String,
    },
    /// Not even the lowest rate was sustained.
    Below {
        /// The lowest rate.
        rate: u64,
        /// In what it was not.
        why: String,
    },
    /// The driver's own gates failed before any answer.
    Unknown {
        /// Which gate.
        why: String,
    },
}

/// Where the search looks.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The first rate, per second.
    pub low: u64,
    /// The highest, per second.
    pub high: u64,
    /// The largest 99th percentile allowed, nanoseconds.
    pub slo_ns: u64,
}

/// A search and the steps it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// In order.
    pub steps: Vec<Step>,
    /// The answer.
    pub knee: Knee,
}

/// How a bound came about.
struct Bounds {
    best: u64,
    failing: u64,
}

/// Searches `range` by `probe`, which loads the target at a rate and says what it saw.
///
/// # Errors
/// What `probe` fails with: then there is no answer.
pub fn search<E>(
    range: Range,
    probe: impl FnMut(u64) -> Result<Observation, E>,
) -> Result<Search, E> {
    let mut searcher = Searcher { range, probe, steps: Vec::new() };
    let knee = match searcher.double()? {
        Ok(bounds) => match searcher.bisect(bounds)? {
            Ok(bounds) => searcher.confirm(&bounds)?,
            Err(ended) => ended,
        },
        Err(ended) => ended,
    };
    Ok(Search { steps: searcher.steps, knee })
}

struct Searcher<P> {
    range: Range,
    probe: P,
    steps: Vec<Step>,
}

impl<E, P: FnMut(u64) -> Result<Observation, E>> Searcher<P> {
    fn step(&mut self, phase: Phase, rate: u64) -> Result<Verdict, E> {
        let mut verdict = self.once(phase, rate)?;
        // A disturbance of the driver is not yet its limit: once more.
        if matches!(verdict, Verdict::DriverLimited(_)) {
            verdict = self.once(phase, rate)?;
        }
        Ok(verdict)
    }

    fn once(&mut self, phase: Phase, rate: u64) -> Result<Verdict, E> {
        let seen = (self.probe)(rate)?;
        let verdict = seen.judge(rate, self.range.slo_ns);
        self.steps.push(Step { phase, rate, seen, verdict: verdict.clone() });
        Ok(verdict)
    }

    fn is_out_of_steps(&self) -> bool {
        // Room for the confirmation and the second tries.
        self.steps.len() + 8 > STEPS_MAX
    }

    fn double(&mut self) -> Result<Result<Bounds, Knee>, E> {
        let mut best = None;
        let mut rate = self.range.low.max(1);
        loop {
            match (self.step(Phase::Double, rate)?, best) {
                (Verdict::Overloaded(_), Some(best)) => {
                    return Ok(Ok(Bounds { best, failing: rate }));
                }
                (Verdict::Overloaded(why), None) => return Ok(Err(Knee::Below { rate, why })),
                (Verdict::DriverLimited(why), Some(rate)) => {
                    return Ok(Err(at_least_driver(rate, &why)));
                }
                (Verdict::DriverLimited(why), None) => return Ok(Err(Knee::Unknown { why })),
                (Verdict::Sustained, _) => {}
            }
            best = Some(rate);
            if rate >= self.range.high || self.is_out_of_steps() {
                let why = format!("{rate}/s is the highest rate that was looked at");
                return Ok(Err(Knee::AtLeast { rate, why }));
            }
            rate = rate.saturating_mul(2).min(self.range.high);
        }
    }

    fn bisect(&mut self, mut bounds: Bounds) -> Result<Result<Bounds, Knee>, E> {
        while bounds.failing - bounds.best > ((bounds.best as f64 * TOLERANCE) as u64).max(1)
            && !self.is_out_of_steps()
        {
            let rate = u64::midpoint(bounds.best, bounds.failing);
            match self.step(Phase::Bisect, rate)? {
                Verdict::Sustained => bounds.best = rate,
                Verdict::Overloaded(_) => bounds.failing = rate,
                Verdict::DriverLimited(why) => return Ok(Err(at_least_driver(bounds.best, &why))),
            }
        }
        Ok(Ok(bounds))
    }

    /// One step down and one up again. Where the step down is not sustained any more, down further:
    /// halving what is left, to where it is.
    fn confirm(&mut self, bounds: &Bounds) -> Result<Knee, E> {
        let rate = bounds.best;
        let down = (rate as f64 * (1.0 - TOLERANCE)) as u64;
        match self.step(Phase::Down, down.max(1))? {
            Verdict::Sustained => {}
            Verdict::DriverLimited(why) => return Ok(at_least_driver(rate, &why)),
            Verdict::Overloaded(_) => return self.recover(rate, down),
        }
        Ok(match self.step(Phase::Up, rate)? {
            Verdict::Sustained => Knee::At { rate, above: bounds.failing },
            Verdict::DriverLimited(why) => at_least_driver(down, &why),
            Verdict::Overloaded(_) => Knee::Hysteresis { rate, again: Some(down) },
        })
    }

    fn recover(&mut self, rate: u64, mut down: u64) -> Result<Knee, E> {
        while down / 2 >= self.range.low.max(1) && self.steps.len() < STEPS_MAX {
            down /= 2;
            if self.once(Phase::Down, down)? == Verdict::Sustained {
                return Ok(Knee::Hysteresis { rate, again: Some(down) });
            }
        }
        Ok(Knee::Hysteresis { rate, again: None })
    }
}

fn at_least_driver(rate: u64, why: &str) -> Knee {
    Knee::AtLeast { rate, why: format!("driver-limited: {why}") }
}
