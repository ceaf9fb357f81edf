//! Which part of a schedule this driver sends: every N-th request, from the k-th on.
//!
//! All drivers of a load compute the same schedule from the same seed; segment k of N sends the
//! requests whose index leaves k when divided by N. Nothing is agreed on while the load runs, and
//! together they send exactly what one driver would.

use std::fmt;
use std::str::FromStr;

use super::exchange::Op;

/// Most segments of one schedule.
pub const SEGMENTS_MAX: u32 = 4_096;

/// Segment `index` of `of`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    index: u32,
    of: u32,
}

impl Segment {
    /// The whole schedule.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Segment `index`, from 0, of `of`; `None` unless `index < of <= SEGMENTS_MAX`.
    #[must_use]
    pub const fn new(index: u32, of: u32) -> Option<Self> {
        if index < of && of <= SEGMENTS_MAX { Some(Self { index, of }) } else { None }
    }

    /// Which one, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Of how many.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Its requests, in order.
    #[must_use]
    pub fn select(self, ops: &[Op]) -> Vec<Op> {
        ops.iter().skip(self.index as usize).step_by(self.of as usize).copied().collect()
    }

    /// How many of `total` requests are its.
    #[must_use]
    pub const fn share(self, total: u64) -> u64 {
        let (index, of) = (self.index as u64, self.of as u64);
        total / of + if total % of > index { 1 } else { 0 }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Segment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('/')
            .and_then(|(index, of)| Self::new(index.parse().ok()?, of.parse().ok()?))
            .ok_or_else(|| {
                format!(
                    "`{text}` is no segment; it is k/N with k from 0 to N-1 and N at most \
                     {SEGMENTS_MAX}, as 0/4"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The control: dropping, doubling or shifting one request is seen.
    #[test]
    fn segments_of_any_number_make_the_whole_again() {
        let whole: Vec<Op> =
            (0..1_009).map(|i| Op { at_ns: i * 7, target: 0, exchange: i as u32 }).collect();
        for of in 1..=64 {
            let mut union = vec![None; whole.len()];
            for index in 0..of {
                let segment = Segment::new(index, of).unwrap();
                let part = segment.select(&whole);
                assert_eq!(part.len() as u64, segment.share(whole.len() as u64), "{segment}");
                for (i, op) in part.into_iter().enumerate() {
                    let place = &mut union[index as usize + i * of as usize];
                    assert_eq!(place.replace(op), None, "{segment} sends request {i} again");
                }
            }
            let union: Vec<Op> = union.into_iter().flatten().collect();
            assert_eq!(union, whole, "{of} segments");
        }
    }

    #[test]
    fn what_is_no_segment_is_refused() {
        for text in ["", "1", "1/1", "4/4", "-1/4", "0/0", "a/b", "0/4097", "0/4/1"] {
            assert!(text.parse::<Segment>().unwrap_err().contains("k/N"), "{text}");
        }
        assert_eq!("3/4".parse(), Ok(Segment { index: 3, of: 4 }));
        assert_eq!(Segment::WHOLE.to_string(), "0/1");
    }
}
