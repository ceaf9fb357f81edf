//! Test 9: what is written of a load adds up, and is read alike by a decoder of another language.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use hdrhistogram::Histogram as Buckets;

use super::Scale;
use super::child::Load;
use super::stub::{OK, Reply, Seen, Stub};
use super::verdict::Verdict;
use crate::measure::histogram::LatencyHistogram;
use crate::measure::interval_log::{TAGS, parse};
use crate::record::segment::{self, SegmentRecord};

/// It shares no line with what wrote the files.
const DECODER: &str = include_str!("../../../scripts/check-histograms");

/// Test 9.
///
/// # Errors
/// When the stub or the load fails, or a file cannot be written.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    // Delays of every order of magnitude up to 0.1 s.
    let stub = Stub::start(|seen: &Seen<'_>| {
        Reply::At(seen.at_ns + 10_u64.pow(seen.number as u32 % 9), OK)
    })?;
    let url = format!("http://{}/", stub.address());
    let seconds = scale.pick("8", "3");
    let arguments = ["--rate", "1000", "--seconds", seconds, "--connections", "64"];
    let loaded = Load::start(&url, &arguments)?.end()?;
    let record = &loaded.record;
    let histograms = [&record.response, &record.service, &record.slip];

    let mut differ = 0;
    for histogram in histograms {
        let again = LatencyHistogram::from_record(histogram)?.to_record();
        differ += u32::from(again != *histogram);
    }
    let what = "histograms that V2 + DEFLATE and back changes";
    verdict.check(what, differ, "0 of 3", differ == 0);

    let sums = sums(&loaded.log)?;
    let cut = without_a_line(&loaded.log);
    let cut_sums = self::sums(&cut)?;
    for (tag, histogram) in TAGS.into_iter().zip(histograms) {
        let whole = LatencyHistogram::from_record(histogram)?;
        let equal = |sums: &BTreeMap<String, Buckets<u64>>| {
            sums.get(tag).is_some_and(|sum| sum == whole.buckets())
        };
        let len = |sums: &BTreeMap<String, Buckets<u64>>| sums.get(tag).map_or(0, Buckets::len);
        let limit = format!("{}, in the same buckets", whole.len());
        let what = format!("{tag}: values of the intervals");
        verdict.check(what.clone(), len(&sums), limit.clone(), equal(&sums));
        if tag == TAGS[0] {
            let what = format!("{what}, one interval lost");
            verdict.control(what, len(&cut_sums), limit, equal(&cut_sums));
        }
    }
    decode(&mut verdict, record, &loaded.log, &cut)?;
    Ok(verdict)
}

/// The intervals of a log, added up by tag.
fn sums(log: &str) -> anyhow::Result<BTreeMap<String, Buckets<u64>>> {
    let mut sums: BTreeMap<String, Buckets<u64>> = BTreeMap::new();
    for interval in parse(log).map_err(anyhow::Error::msg)? {
        match sums.get_mut(&interval.tag) {
            Some(sum) => sum.add(&interval.buckets)?,
            None => drop(sums.insert(interval.tag, interval.buckets)),
        }
    }
    Ok(sums)
}

/// The log without its first interval of responses.
fn without_a_line(log: &str) -> String {
    let mut lost = false;
    let kept = log.lines().filter(|line| {
        let lose = !lost && line.starts_with("Tag=response,");
        lost |= lose;
        !lose
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The same files by another decoder.
fn decode(
    verdict: &mut Verdict,
    record: &SegmentRecord,
    log: &str,
    cut: &str,
) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("authbench-selftest-").tempdir()?;
    let file = |name: &str| folder.path().join(name);
    segment::write(&file("record.json"), record)?;
    std::fs::write(file("whole.log"), log)?;
    std::fs::write(file("cut.log"), cut)?;
    for (name, is_control) in [("whole.log", false), ("cut.log", true)] {
        let mut command = Command::new("python3");
        command.arg("-").args([file("record.json"), file(name)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            verdict.not_run("an independent decoder: no python3");
            return Ok(());
        };
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(DECODER.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        let agrees = output.status.success();
        let said = String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or("").to_owned();
        let what = "record and log, decoded in Python";
        if is_control {
            verdict.control(format!("{what}, one interval lost"), said, "all agree", agrees);
        } else {
            verdict.check(what, said, "all agree", agrees);
        }
    }
    Ok(())
}
