//! The one histogram geometry of the instrument, with exact extremes and sum beside the buckets.
//!
//! `HdrHistogram` merges bucket by bucket only on equal geometry, rounds its own extremes to bucket
//! edges and takes its mean from bucket midpoints; so the geometry is fixed here, and count,
//! extremes and sum are kept exactly.

use std::fmt;

use hdrhistogram::Histogram as Buckets;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};

use crate::record::run::Histogram as Recorded;

/// Lowest value told apart from zero, nanoseconds.
pub const LOW_NS: u64 = 1;
/// Largest value that is recorded, nanoseconds: 120 s.
pub const HIGH_NS: u64 = 120_000_000_000;
/// Significant decimal digits: a bucket is at most 0.1 % of its value wide.
pub const SIGNIFICANT_DIGITS: u8 = 3;
/// A percentile is stated only with at least this many samples beyond it.
pub const SAMPLES_BEYOND: u64 = 100;

/// Nanoseconds, counted in buckets, with exact count, extremes and sum.
#[derive(Clone, Debug)]
pub struct LatencyHistogram {
    buckets: Buckets<u64>,
    n: u64,
    min_ns: u64,
    max_ns: u64,
    sum_ns: u64,
    out_of_range: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for LatencyHistogram {
    fn eq(&self, other: &Self) -> bool {
        self.exact() == other.exact() && self.buckets == other.buckets
    }
}

impl LatencyHistogram {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let buckets = Buckets::new_with_bounds(LOW_NS, HIGH_NS, SIGNIFICANT_DIGITS)
            .unwrap_or_else(|error| unreachable!("the geometry is a constant: {error}"));
        Self { buckets, n: 0, min_ns: u64::MAX, max_ns: 0, sum_ns: 0, out_of_range: 0 }
    }

    /// Records `ns`. A value above [`HIGH_NS`] is counted as out of range and enters nothing else:
    /// clamping it would invent a latency.
    pub fn record(&mut self, ns: u64) {
        if ns > HIGH_NS || self.buckets.record(ns).is_err() {
            self.out_of_range += 1;
            return;
        }
        self.n += 1;
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    /// Adds every value of `other`: the same as having recorded both in one.
    pub fn add(&mut self, other: &Self) {
        // Equal geometry by construction, so this adds bucket to bucket and cannot fail.
        if let Err(error) = self.buckets.add(&other.buckets) {
            unreachable!("equal geometry: {error}");
        }
        self.n += other.n;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.out_of_range += other.out_of_range;
    }

    /// Values recorded.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.n
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Smallest value, exactly, nanoseconds.
    #[must_use]
    pub fn min_ns(&self) -> Option<u64> {
        (self.n > 0).then_some(self.min_ns)
    }

    /// Largest value, exactly, nanoseconds.
    #[must_use]
    pub fn max_ns(&self) -> Option<u64> {
        (self.n > 0).then_some(self.max_ns)
    }

    /// Sum, exactly, nanoseconds.
    #[must_use]
    pub const fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Mean from the exact sum, nanoseconds.
    #[must_use]
    pub fn mean_ns(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum_ns as f64 / self.n as f64)
    }

    /// Values above [`HIGH_NS`].
    #[must_use]
    pub const fn out_of_range(&self) -> u64 {
        self.out_of_range
    }

    /// The value that `permille` thousandths of the values do not exceed, to 0.1 %, nanoseconds.
    #[must_use]
    pub fn percentile(&self, permille: u32) -> Option<u64> {
        if self.n == 0 {
            return None;
        }
        self.value_at_rank(rank_of(self.n, permille))
    }

    /// The `rank`-th smallest value, from 1, to 0.1 %, nanoseconds; `None` where there is none.
    #[must_use]
    pub fn value_at_rank(&self, rank: u64) -> Option<u64> {
        if rank == 0 || rank > self.n {
            return None;
        }
        let value = self.buckets.value_at_quantile((rank as f64 - 0.5) / self.n as f64);
        Some(value.clamp(self.min_ns, self.max_ns))
    }

    /// The buckets, for other formats than the record's.
    #[must_use]
    pub const fn buckets(&self) -> &Buckets<u64> {
        &self.buckets
    }

    /// As [`Self::percentile`], but only with [`SAMPLES_BEYOND`] values beyond it.
    #[must_use]
    pub fn supported_percentile(&self, permille: u32) -> Option<u64> {
        supports(self.n, permille).then(|| self.percentile(permille)).flatten()
    }

    /// The form in which it is written to a record.
    #[must_use]
    pub fn to_record(&self) -> Recorded {
        let mut bytes = Vec::new();
        if let Err(error) = V2DeflateSerializer::new().serialize(&self.buckets, &mut bytes) {
            unreachable!("writing to memory: {error}");
        }
        Recorded {
            n: self.n,
            min_ns: self.min_ns(),
            max_ns: self.max_ns(),
            sum_ns: self.sum_ns,
            out_of_range: self.out_of_range,
            hdr_v2_deflate_base64: base64_simd::STANDARD.encode_to_string(bytes),
        }
    }

    /// Reads it back from a record.
    ///
    /// # Errors
    /// When the text is not such a histogram, or contradicts the exact figures beside it.
    pub fn from_record(recorded: &Recorded) -> Result<Self, HistogramError> {
        let bytes = base64_simd::STANDARD
            .decode_to_vec(&recorded.hdr_v2_deflate_base64)
            .map_err(|error| HistogramError(format!("base64: {error}")))?;
        let read: Buckets<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| HistogramError(format!("HdrHistogram V2 + DEFLATE: {error}")))?;
        if (read.low(), read.high(), read.sigfig()) != (LOW_NS, HIGH_NS, SIGNIFICANT_DIGITS) {
            return Err(HistogramError(format!(
                "geometry {}..{} ns with {} digits; it must be {LOW_NS}..{HIGH_NS} with \
                 {SIGNIFICANT_DIGITS}",
                read.low(),
                read.high(),
                read.sigfig()
            )));
        }
        let this = Self {
            n: recorded.n,
            min_ns: recorded.min_ns.unwrap_or(u64::MAX),
            max_ns: recorded.max_ns.unwrap_or(0),
            sum_ns: recorded.sum_ns,
            out_of_range: recorded.out_of_range,
            buckets: read,
        };
        this.check(recorded)?;
        Ok(this)
    }

    /// Whether the exact figures and the buckets can be of the same values.
    fn check(&self, recorded: &Recorded) -> Result<(), HistogramError> {
        let refuse = |what: String| Err(HistogramError(what));
        let counted = self.buckets.len();
        if counted != self.n {
            return refuse(format!("n is {}, but its buckets hold {counted} values", self.n));
        }
        if self.n == 0 {
            if recorded.min_ns.is_some() || recorded.max_ns.is_some() || self.sum_ns != 0 {
                return refuse("it is empty, yet has extremes or a sum".into());
            }
            return Ok(());
        }
        for (name, stated, found) in [
            ("min_ns", recorded.min_ns, self.buckets.min()),
            ("max_ns", recorded.max_ns, self.buckets.max()),
        ] {
            if !stated.is_some_and(|value| self.buckets.equivalent(value, found)) {
                return refuse(format!("{name} is {stated:?}, but its buckets say about {found}"));
            }
        }
        let about = self.buckets.mean() * self.n as f64;
        if (self.sum_ns as f64 - about).abs() > 0.001 * about + self.n as f64 {
            return refuse(format!(
                "sum_ns is {}, but its buckets add up to about {about:.0}",
                self.sum_ns
            ));
        }
        Ok(())
    }

    const fn exact(&self) -> (u64, u64, u64, u64, u64) {
        (self.n, self.min_ns, self.max_ns, self.sum_ns, self.out_of_range)
    }
}

/// The rank, from 1, of the value that `permille` thousandths of `n` do not exceed. Found in
/// integers: 0.999 * 1000 is above 999 in floating point.
#[must_use]
pub fn rank_of(n: u64, permille: u32) -> u64 {
    let rank = (u128::from(n) * u128::from(permille.min(1000))).div_ceil(1000).max(1);
    u64::try_from(rank).unwrap_or(u64::MAX)
}

/// Whether `n` values leave [`SAMPLES_BEYOND`] beyond the percentile `permille`.
#[must_use]
pub const fn supports(n: u64, permille: u32) -> bool {
    // n * (1000 - permille) / 1000 >= SAMPLES_BEYOND, in integers.
    n.saturating_mul(1000_u64.saturating_sub(permille as u64)) >= SAMPLES_BEYOND * 1000
}

/// A recorded histogram that cannot be read, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistogramError(pub String);

impl fmt::Display for HistogramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HistogramError {}
