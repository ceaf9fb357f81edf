//! The HdrHistogram interval log: one line per second and stamp, readable by every port of the
//! library and by its plotting tools.

use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram as Buckets;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use super::drive::Stamps;
use super::histogram::LatencyHistogram;
use crate::load::outcome::Row;

/// The tags, in the order in which they stand within a second.
pub const TAGS: [&str; 3] = ["response", "service", "slip"];
const SECOND_NS: u64 = 1_000_000_000;

/// One line of a log, as read. The exact extremes and the sum do not survive the format.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// `response`, `service` or `slip`.
    pub tag: String,
    /// From the base time, to the millisecond.
    pub start: Duration,
    /// Its length.
    pub length: Duration,
    /// Its values, nanoseconds.
    pub buckets: Buckets<u64>,
}

/// The log of `rows`, cut by intended start into whole seconds from `begin_ns` on; `base` is the
/// wall-clock time of that. A second without requests has no line.
///
/// # Errors
/// None that is known: it is written to memory.
pub fn text(rows: &[Row], begin_ns: u64, base: SystemTime) -> io::Result<String> {
    let second = |row: &Row| row.intended_ns.saturating_sub(begin_ns) / SECOND_NS;
    let mut rows: Vec<Row> = rows.to_vec();
    rows.sort_by_key(second);
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[authbench: values in nanoseconds; cut by intended start]")
        .with_base_time(base)
        .with_start_time(base)
        .begin_log_with(&mut bytes, &mut serializer)?;
    for of_second in rows.chunk_by(|a, b| second(a) == second(b)) {
        let start = Duration::from_secs(second(&of_second[0]));
        let stamps = Stamps::of(of_second);
        for (tag, histogram) in TAGS.into_iter().zip(tagged(&stamps)) {
            log.write_histogram(histogram.buckets(), start, Duration::from_secs(1), Tag::new(tag))
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The histograms that go into a log, in the order of [`TAGS`].
#[must_use]
pub const fn tagged(stamps: &Stamps) -> [&LatencyHistogram; 3] {
    [&stamps.response, &stamps.service, &stamps.slip]
}

/// Reads a log back.
///
/// # Errors
/// The first line that is none of a log, or holds no histogram.
pub fn parse(text: &str) -> Result<Vec<Interval>, String> {
    let mut intervals = Vec::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        let n = intervals.len() + 1;
        let entry = entry.map_err(|error| format!("behind interval {}: {error:?}", n - 1))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let bytes = base64_simd::STANDARD
            .decode_to_vec(interval.encoded_histogram())
            .map_err(|error| format!("interval {n}: base64: {error}"))?;
        let buckets = deserializer
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| format!("interval {n}: HdrHistogram V2 + DEFLATE: {error}"))?;
        intervals.push(Interval {
            tag: interval.tag().map_or_else(String::new, |tag| tag.as_str().to_owned()),
            start: interval.start_timestamp(),
            length: interval.duration(),
            buckets,
        });
    }
    Ok(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    fn rows() -> Vec<Row> {
        (0..25_000_u64)
            .map(|i| {
                let intended_ns = 77 + i * 100_000;
                let dispatched_ns = intended_ns + i % 50;
                let outcome = if i % 100 == 0 { Outcome::Timeout } else { Outcome::Expected };
                let done_ns = dispatched_ns + 20_000 + (i * i) % 1_000_003;
                let written_ns = dispatched_ns + 10;
                let stamps = Row { intended_ns, dispatched_ns, written_ns, ..Row::NEVER_SENT };
                Row { done_ns, outcome, ..stamps }
            })
            .collect()
    }

    #[test]
    fn the_intervals_add_up_to_the_total() {
        let rows = rows();
        let base = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_250);
        let text = text(&rows, 77, base).unwrap();
        assert!(text.contains("BaseTime: 1800000000.250"), "{text}");
        let intervals = parse(&text).unwrap();
        // 2.5 s: three seconds of three tags, in order.
        let places: Vec<(u64, &str)> =
            intervals.iter().map(|i| (i.start.as_secs(), i.tag.as_str())).collect();
        let wanted: Vec<(u64, &str)> =
            (0..3).flat_map(|second| TAGS.into_iter().map(move |tag| (second, tag))).collect();
        assert_eq!(places, wanted);
        let total = Stamps::of(&rows);
        for (tag, histogram) in TAGS.into_iter().zip(tagged(&total)) {
            let mut sum = LatencyHistogram::new().buckets().clone();
            for interval in intervals.iter().filter(|interval| interval.tag == tag) {
                sum.add(&interval.buckets).unwrap();
            }
            assert_eq!(&sum, histogram.buckets(), "{tag}");
            // The control: without its last second it is not the total.
            sum.subtract(&intervals.iter().rfind(|i| i.tag == tag).unwrap().buckets).unwrap();
            assert_ne!(&sum, histogram.buckets(), "{tag}");
        }
    }

    #[test]
    fn a_log_that_is_none_is_refused() {
        let good = text(&rows(), 77, SystemTime::UNIX_EPOCH).unwrap();
        assert!(parse(&good.replace("HIST", "!!!!")).unwrap_err().contains("base64"));
        assert!(parse("Tag=response,0.000,1.000,2.000,AAAA\n").unwrap_err().contains("interval 1"));
        assert!(parse("what is this\n").is_err());
    }
}
