//! Figures in words, with no more digits than their interval supports.

use crate::record::derived::{Estimate, Verdict};

/// What stands where nothing was measured.
pub const MISSING: &str = "–";

/// A scale for figures in base units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Base units in one of these.
    pub per: f64,
    /// What is written behind the figure.
    pub name: &'static str,
}

/// Microseconds of nanoseconds.
pub const MICROS: Unit = Unit { per: 1e3, name: "µs" };
/// Milliseconds of nanoseconds.
pub const MILLIS: Unit = Unit { per: 1e6, name: "ms" };
/// Nanoseconds.
pub const NANOS: Unit = Unit { per: 1.0, name: "ns" };
/// Per cent of a share.
pub const PERCENT: Unit = Unit { per: 0.01, name: "%" };
/// A bare ratio.
pub const TIMES: Unit = Unit { per: 1.0, name: "×" };

/// `12.3 (11.9 to 12.8) µs`.
#[must_use]
pub fn estimate(e: &Estimate, unit: Unit) -> String {
    format!("{} {}", interval(e, unit), unit.name)
}

/// `12.3 (11.9 to 12.8)`.
#[must_use]
pub fn interval(e: &Estimate, unit: Unit) -> String {
    let [value, low, high] = [e.value, e.low, e.high].map(|v| v / unit.per);
    let mut places = places((high - low) / 2.0, value);
    // A bound that decides a verdict must not be rounded to zero.
    let nearest = if low > 0.0 { low } else { -high };
    if nearest > 0.0 && nearest * 10_f64.powi(places) < 0.5 {
        places += 1;
    }
    let show = |v: f64| fixed(v, places);
    format!("{} ({} to {})", show(value), show(low), show(high))
}

/// The estimate alone, with the digits its interval supports: `12.3`.
#[must_use]
pub fn value(e: &Estimate, unit: Unit) -> String {
    let half = (e.high - e.low) / 2.0 / unit.per;
    let value = e.value / unit.per;
    fixed(value, places(half, value))
}

/// Decimal places (negative: tens) so that the half-width keeps one digit, two if it begins
/// with 1; three significant digits where there is no width.
fn places(half: f64, value: f64) -> i32 {
    if half.is_finite() && half > 0.0 {
        let leading = half.log10().floor();
        let digit = half / 10_f64.powf(leading);
        return -(leading as i32) + i32::from(digit < 1.95);
    }
    if value == 0.0 || !value.is_finite() { 0 } else { 2 - value.abs().log10().floor() as i32 }
}

/// `value` with `places` decimals; negative places round to tens and more.
fn fixed(value: f64, places: i32) -> String {
    if !value.is_finite() {
        return MISSING.into();
    }
    let text = if places >= 0 {
        format!("{value:.*}", places.min(6) as usize)
    } else {
        let step = 10_f64.powi(-places);
        format!("{:.0}", (value / step).round() * step)
    };
    let zero = text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.');
    grouped(if zero { text.trim_start_matches('-') } else { &text })
}

/// Three significant digits, for figures without an interval: `53.2`.
#[must_use]
pub fn three_digits(value: f64) -> String {
    fixed(value, places(0.0, value).clamp(0, 6))
}

/// Thousands parted by a comma: `12,345.6`.
#[must_use]
pub fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, part) = rest.split_once('.').map_or((rest, None), |(w, p)| (w, Some(p)));
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// A count: `12,345`.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A duration in the largest unit that leaves at least one: `2 ms`, `15 min`.
#[must_use]
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        v if v < 1e3 => (ns, "ns"),
        v if v < 1e6 => (ns / 1e3, "µs"),
        v if v < 1e9 => (ns / 1e6, "ms"),
        v if v < 120e9 => (ns / 1e9, "s"),
        v if v < 7_200e9 => (ns / 60e9, "min"),
        _ => (ns / 3_600e9, "h"),
    };
    let text = three_digits(value);
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {unit}")
}

/// A latency of a histogram with three significant digits, in microseconds: `131`.
#[must_use]
pub fn micros(ns: u64) -> String {
    three_digits(ns as f64 / 1e3)
}

/// A p: `< 0.001`, `0.021`.
#[must_use]
pub fn p(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// The same as an assertion: `p < 0.001`, `p = 0.021`.
#[must_use]
pub fn p_is(value: f64) -> String {
    if value < 0.001 { format!("p {}", p(value)) } else { format!("p = {}", p(value)) }
}

/// The word for a verdict.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Cheaper => "cheaper",
        Verdict::Dearer => "dearer",
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Equivalent => "equivalent",
        Verdict::Undecided => "undecided",
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A rank range: `2` or `1–3`.
#[must_use]
pub fn rank([first, last]: [u32; 2]) -> String {
    if first == last { first.to_string() } else { format!("{first}–{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn est(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high, n: 5 }
    }

    #[test]
    fn digits_follow_the_interval_not_the_value() {
        let show = |v, l, h| interval(&est(v, l, h), MICROS);
        assert_eq!(show(53_214.0, 51_480.0, 54_930.0), "53.2 (51.5 to 54.9)");
        assert_eq!(show(53_214.0, 49_800.0, 56_600.0), "53 (50 to 57)");
        assert_eq!(show(640.0, 40.0, 1_240.0), "0.64 (0.04 to 1.24)");
        assert_eq!(show(653.0, 310.0, 990.0), "0.7 (0.3 to 1.0)");
        assert_eq!(show(1_234_567.0, 1_200_000.0, 1_270_000.0), "1,230 (1,200 to 1,270)");
    }

    #[test]
    fn zero_has_no_sign_and_no_width_means_three_digits() {
        assert_eq!(interval(&est(-4.0, -40.0, 38.0), MICROS), "0.00 (-0.04 to 0.04)");
        assert_eq!(interval(&est(2_000.0, 2_000.0, 2_000.0), MICROS), "2.00 (2.00 to 2.00)");
    }

    #[test]
    fn durations_take_the_unit_a_reader_would() {
        for (ns, text) in [(2e6, "2 ms"), (900e9, "15 min"), (6e9, "6 s"), (43_200e9, "12 h")] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn lists_and_ranks_read_as_prose() {
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!((p(0.000_99), p(0.020_6)), ("< 0.001".into(), "0.021".into()));
        assert_eq!((rank([1, 3]), rank([2, 2])), ("1–3".into(), "2".into()));
        assert_eq!(grouped("-1234567.89"), "-1,234,567.89");
    }
}
