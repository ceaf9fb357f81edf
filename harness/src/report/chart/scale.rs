//! From values to pixels, and round numbers for the axis.

/// Linear or logarithmic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Equal steps.
    Linear,
    /// Equal factors; the domain lies above zero.
    Log,
}

/// Values `from..=to` drawn onto pixels `start..=end` (which may run downwards).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    kind: Kind,
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// A scale. An empty domain is widened, so that mapping never divides by zero.
    #[must_use]
    pub fn new(kind: Kind, (from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (from, to) = match kind {
            Kind::Linear if to > from => (from, to),
            Kind::Linear => (from, from + 1.0),
            Kind::Log => {
                let from = from.max(f64::MIN_POSITIVE);
                (from, if to > from { to } else { from * 10.0 })
            }
        };
        Self { kind, from, to, start, end }
    }

    /// Where `value` is drawn; values outside the domain are drawn at its edge.
    #[must_use]
    pub fn map(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        let share = match self.kind {
            Kind::Linear => (value - self.from) / (self.to - self.from),
            Kind::Log => (value / self.from).ln() / (self.to / self.from).ln(),
        };
        self.start + share * (self.end - self.start)
    }

    /// The value that is drawn at `at`.
    #[must_use]
    pub fn invert(&self, at: f64) -> f64 {
        let share = (at - self.start) / (self.end - self.start);
        match self.kind {
            Kind::Linear => self.from + share * (self.to - self.from),
            Kind::Log => self.from * (self.to / self.from).powf(share),
        }
    }

    /// Round values of the domain, about `wanted` of them.
    #[must_use]
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        let wanted = wanted.max(2);
        match self.kind {
            Kind::Linear => linear_ticks(self.from, self.to, wanted),
            Kind::Log => log_ticks(self.from, self.to, wanted),
        }
    }
}

/// The next of 1, 2, 5, 10, ... at or above `value`.
#[must_use]
pub fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    let step = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    step.iter().map(|s| s * decade).find(|v| *v >= value * 0.999_999).unwrap_or(value)
}

/// Durations a reader thinks in, nanoseconds.
const DURATIONS: [f64; 17] = [
    1e3,
    1e4,
    1e5,
    1e6,
    1e7,
    1e8,
    1e9,
    10e9,
    60e9,
    900e9,
    3_600e9,
    43_200e9,
    86_400e9,
    604_800e9,
    2_592_000e9,
    31_536_000e9,
    315_360_000e9,
];

/// The duration ticks strictly within `from..to`, nanoseconds.
pub fn duration_ticks(from: f64, to: f64) -> impl Iterator<Item = f64> {
    DURATIONS.into_iter().filter(move |ns| *ns >= from * 0.999 && *ns <= to * 1.001)
}

fn linear_ticks(from: f64, to: f64, wanted: usize) -> Vec<f64> {
    let rough = (to - from) / wanted as f64;
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|s| s * decade)
        .find(|s| *s >= rough * 0.999_999)
        .unwrap_or(rough);
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

fn log_ticks(from: f64, to: f64, wanted: usize) -> Vec<f64> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let within = |v: &f64| *v >= from * 0.999_999 && *v <= to * 1.000_001;
    for factors in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]] {
        let ticks: Vec<f64> = (first..=last)
            .flat_map(|e| factors.iter().map(move |f| f * 10_f64.powi(e)))
            .filter(within)
            .collect();
        if ticks.len() <= wanted || factors.len() == 1 {
            // Decades alone may still be too many.
            let every = ticks.len().div_ceil(wanted).max(1);
            return ticks.into_iter().step_by(every).collect();
        }
    }
    vec![from, to]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_domain() {
        let linear = Scale::new(Kind::Linear, (0.0, 68.0), (0.0, 500.0));
        assert_eq!(linear.ticks(5), [0.0, 20.0, 40.0, 60.0]);
        let log = Scale::new(Kind::Log, (0.5, 900.0), (0.0, 500.0));
        assert_eq!(log.ticks(5), [1.0, 10.0, 100.0]);
    }

    #[test]
    fn equal_ends_still_map_to_finite_pixels() {
        for kind in [Kind::Linear, Kind::Log] {
            let scale = Scale::new(kind, (0.0, 0.0), (10.0, 20.0));
            assert!(scale.map(0.0).is_finite());
            assert!(scale.map(-3.0) >= 10.0);
        }
    }
}
