//! Test 8: the histogram adds up, whatever is recorded in whatever order.

use rand::{Rng, RngExt as _};

use super::Scale;
use super::verdict::Verdict;
use crate::load::outcome::nearest_rank;
use crate::load::schedule::stream;
use crate::measure::histogram::{HIGH_NS, LatencyHistogram};

/// Largest distance of a percentile to the exact one, as a share of it.
const RESOLUTION: f64 = 0.001;
const PERMILLES: [u32; 8] = [1, 10, 250, 500, 900, 990, 999, 1_000];

fn of(values: &[u64]) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::new();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

fn merged(parts: &[&LatencyHistogram]) -> LatencyHistogram {
    let mut all = LatencyHistogram::new();
    parts.iter().for_each(|part| all.add(part));
    all
}

/// Up to 400 values of every order of magnitude, a few of them out of range.
fn values(rng: &mut impl Rng) -> Vec<u64> {
    let n = rng.random_range(0..400);
    (0..n)
        .map(|_| match rng.random_range(0..50) {
            0 => HIGH_NS + rng.random_range(1..1_000_000),
            _ => {
                let bits = rng.random_range(0..37);
                rng.random_range(0..=1_u64 << bits).min(HIGH_NS)
            }
        })
        .collect()
}

/// Cases in which a property did not hold, of how many.
#[derive(Default)]
struct Broken {
    merge: u32,
    commutes: u32,
    associates: u32,
    range: u32,
    round_trip: u32,
    /// The control: a merge that forgets the last value.
    forgetful: u32,
}

/// Test 8.
///
/// # Errors
/// When a written histogram cannot be read back.
pub(super) fn properties(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let cases = scale.pick(500, 60);
    let mut broken = Broken::default();
    let (mut worst, mut worst_truncated) = (0.0_f64, 0.0_f64);
    for case in 0..cases {
        let mut rng = stream(8, "selftest histograms", case);
        let parts = [values(&mut rng), values(&mut rng), values(&mut rng)];
        let [a, b, c] = [of(&parts[0]), of(&parts[1]), of(&parts[2])];
        let all: Vec<u64> = parts.concat();
        let union = of(&all);
        let (ab, bc) = (merged(&[&a, &b]), merged(&[&b, &c]));
        let whole = merged(&[&ab, &c]);
        broken.merge += u32::from(whole != union || whole.to_record() != union.to_record());
        broken.commutes += u32::from(ab != merged(&[&b, &a]));
        broken.associates += u32::from(whole != merged(&[&a, &bc]));
        let above = all.iter().filter(|value| **value > HIGH_NS).count() as u64;
        let counted = union.out_of_range() == above && union.len() == all.len() as u64 - above;
        broken.range += u32::from(!counted);
        broken.round_trip += u32::from(LatencyHistogram::from_record(&union.to_record())? != union);
        let forgetful = all.split_last().map(|(_, kept)| of(kept));
        broken.forgetful += u32::from(forgetful.is_some_and(|kept| kept != union));
        let mut exact: Vec<u64> = all.into_iter().filter(|value| *value <= HIGH_NS).collect();
        for permille in PERMILLES {
            let Some(found) = union.percentile(permille) else { continue };
            let wanted = nearest_rank(&mut exact, permille as usize);
            worst = worst.max(relative(found, wanted));
            // The control: a histogram of two digits.
            worst_truncated = worst_truncated.max(relative(two_digits(wanted), wanted));
        }
    }
    let none = || format!("0 of {cases}");
    for (what, broken) in [
        ("merge differs from the union, bucket by bucket", broken.merge),
        ("A + B differs from B + A", broken.commutes),
        ("(A + B) + C differs from A + (B + C)", broken.associates),
        ("values out of range that were not counted as such", broken.range),
        ("V2 + DEFLATE and back differs", broken.round_trip),
    ] {
        verdict.check(what, broken, none(), broken == 0);
    }
    let forgetful = broken.forgetful;
    verdict.control("a merge that forgets one value differs", forgetful, none(), forgetful == 0);
    let shown = |worst: f64| format!("{:.4} %", worst * 100.0);
    let what = "worst percentile against an exact sort";
    verdict.check(what, shown(worst), "at most 0.1 %", worst <= RESOLUTION);
    let what = "the same, of values cut to two digits";
    let held = worst_truncated <= RESOLUTION;
    verdict.control(what, shown(worst_truncated), "at most 0.1 %", held);
    Ok(verdict)
}

fn relative(found: u64, wanted: u64) -> f64 {
    found.abs_diff(wanted) as f64 / wanted.max(1) as f64
}

fn two_digits(value: u64) -> u64 {
    let unit = 10_u64.pow(value.max(1).ilog10().saturating_sub(1));
    value / unit * unit
}
