//! Two kept runs against each other: what every strategy costs over `none` in one and in the other.
//!
//! Blocks of different runs are no pairs: Welch's t on the logarithms of the ratios, with Mann and
//! Whitney's test as the cross-check, and Holm's rule over all strategies of a metric.
//!
//! Blocks do not see what changes between runs: when `none` itself costs less on another day, every
//! ratio to it grows. The controls see it, because nothing was done to them: rulers and the A/A
//! arm. What they moved by is added to the threshold.

use super::comparison::LEVEL;
use super::derive::cpu::CpuTable;
use super::derive::latency::ArmLatency;
use super::stats::means::{Located, holm};
use super::stats::ranks::mann_whitney;
use super::stats::t95;
use crate::record::derived::Estimate;
use crate::record::run::{Arm, Role, Run};

/// Above this share of the claimed change, a change of the driver's lateness may explain it.
const SLIP_SHARE: f64 = 0.1;

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Metric {
    /// CPU of server and store per request, over `none`'s.
    Cpu,
    /// Median response time, over `none`'s.
    P50,
}

impl Metric {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::P50 => "p50",
        }
    }
}

/// What may be said of a strategy in the second run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Decided, and worse by more than the threshold.
    Regressed,
    /// Decided, and better by more than the threshold.
    Improved,
    /// Decided to be within the threshold.
    Same,
    /// None of these: the data do not tell.
    Undecided,
    /// A control, which is not judged.
    Control,
}

impl Change {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Same => "same",
            Self::Undecided => "undecided",
            Self::Control => "control",
        }
    }
}

/// One arm and one metric in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The arm's id.
    pub arm: String,
    /// What is compared.
    pub metric: Metric,
    /// Over `none`, less one, in the first run, with a 95 % interval.
    pub before: Estimate,
    /// In the second.
    pub after: Estimate,
    /// after / before, less one, of the whole request, with a 95 % interval.
    pub change: Estimate,
    /// Welch's p, Holm's over the metric's contenders; of a control by itself.
    pub p_adjusted: f64,
    /// p of a change within the threshold, Holm's likewise.
    pub p_same_adjusted: f64,
    /// Mann and Whitney's p, two-sided; `None` where so few blocks cannot reach 0.05.
    pub ranks_p: Option<f64>,
    /// What may be said.
    pub verdict: Change,
    /// What limits it.
    pub note: Option<String>,
}

/// How far the controls of a metric moved, a share: what nobody changed, and what the blocks of
/// neither run explain. It is added to the threshold. 0 where no control moved.
#[must_use]
pub fn controls_moved(rows: &[Row], metric: Metric) -> f64 {
    let own = rows.iter().filter(|row| row.metric == metric && row.verdict == Change::Control);
    let moved = own.filter(|row| row.p_adjusted < LEVEL).map(|row| row.change.value.ln_1p().abs());
    moved.fold(0.0, f64::max).exp_m1()
}

/// What makes two runs unlike, one line each; empty when they may be compared.
#[must_use]
pub fn unlike(a: &Run, b: &Run) -> Vec<String> {
    let (m, n) = (&a.environment, &b.environment);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let mut facts = vec![
        ("processor", text(&m.cpu_model), text(&n.cpu_model)),
        ("instruction set", m.arch.clone(), n.arch.clone()),
        ("cores", m.cores.to_string(), n.cores.to_string()),
        ("virtualization", text(&m.virtualization), text(&n.virtualization)),
        ("CPU clock", m.cpu_clock.clone(), n.cpu_clock.clone()),
        ("method version", a.method_version.to_string(), b.method_version.to_string()),
        ("build", a.provenance.build.clone(), b.provenance.build.clone()),
        ("profile", a.run.profile.clone(), b.run.profile.clone()),
    ];
    if let (Some(p), Some(q)) = (&a.plan, &b.plan) {
        facts.extend([
            ("requests per second", p.rate_per_second.to_string(), q.rate_per_second.to_string()),
            ("arrivals", p.arrivals.clone(), q.arrivals.clone()),
            ("pacing", p.pacing.clone(), q.pacing.clone()),
            ("connections", p.connections.to_string(), q.connections.to_string()),
            ("server threads", p.server_threads.to_string(), q.server_threads.to_string()),
            ("slot, ms", p.slot_ms.to_string(), q.slot_ms.to_string()),
            (
                "latency window, ms",
                p.latency_window_ms.to_string(),
                q.latency_window_ms.to_string(),
            ),
            ("credentials per arm", p.wallet.to_string(), q.wallet.to_string()),
        ]);
    }
    let differs =
        |(what, a, b): (&str, String, String)| (a != b).then(|| format!("{what}: `{a}` and `{b}`"));
    facts.into_iter().filter_map(differs).collect()
}

/// One arm's samples in both runs, before anything is decided.
struct Samples {
    arm: String,
    is_control: bool,
    metric: Metric,
    before: Vec<f64>,
    after: Vec<f64>,
    /// Change of the driver's lateness over the change claimed; 0 for CPU.
    slip_share: f64,
}

/// Compares every contender and control that both runs have; the figures of `b` are the new ones.
/// `threshold`, a share above 0, is the least change worth a word.
#[must_use]
pub fn compare(a: &Run, b: &Run, threshold: f64) -> Vec<Row> {
    let pair = |own| {
        let same = |other: &&Arm| {
            let key = |arm: &Arm| (arm.id.clone(), arm.strategy.clone(), arm.role, arm.spin_ns);
            key(other) == key(own)
        };
        Some((own, b.arms.iter().find(same)?))
    };
    let is_compared =
        |arm: &&Arm| matches!(arm.role, Role::Contender | Role::Ruler | Role::AaControl);
    let both: Vec<(&Arm, &Arm)> = a.arms.iter().filter(is_compared).filter_map(pair).collect();
    let (before, after) = (Side::new(a), Side::new(b));
    let cpu = both.iter().map(|(one, other)| Samples {
        arm: one.id.clone(),
        is_control: one.role != Role::Contender,
        metric: Metric::Cpu,
        before: before.cpu(one),
        after: after.cpu(other),
        slip_share: 0.0,
    });
    let p50 = both.iter().filter_map(|(one, other)| p50(&before, one, &after, other));
    let mut rows = family(cpu.collect(), threshold);
    rows.extend(family(p50.collect(), threshold));
    rows
}

/// One of the two runs.
struct Side<'a> {
    run: &'a Run,
    table: CpuTable<'a>,
    floor: Option<ArmLatency>,
}

impl<'a> Side<'a> {
    fn new(run: &'a Run) -> Self {
        let table = CpuTable::new(run);
        let floor = table.baseline().map(|none| ArmLatency::new(run, none));
        Self { run, table, floor }
    }

    fn cpu(&self, arm: &Arm) -> Vec<f64> {
        self.table.baseline().map_or_else(Vec::new, |none| self.table.log_ratios(arm, none, false))
    }
}

fn p50(before: &Side<'_>, one: &Arm, after: &Side<'_>, other: &Arm) -> Option<Samples> {
    let read = |side: &Side<'_>, arm: &Arm| {
        let (own, floor) = (ArmLatency::new(side.run, arm), side.floor.as_ref()?);
        Some((own.p50_log_ratios(floor), own.slip_over_ns(floor)?, floor.p50_ns()?))
    };
    let ((a, slip_a, _), (b, slip_b, floor_ns)) = (read(before, one)?, read(after, other)?);
    let mean = |samples: &[f64]| samples.iter().sum::<f64>() / samples.len().max(1) as f64;
    let claimed_ns = (mean(&b) - mean(&a)).exp_m1().abs() * mean(&b).exp() * floor_ns;
    let slip_share = (slip_b - slip_a).abs() / claimed_ns;
    let is_control = one.role != Role::Contender;
    let arm = one.id.clone();
    Some(Samples { arm, is_control, metric: Metric::P50, before: a, after: b, slip_share })
}

/// What nobody changed, and how far it moved: logarithm of the largest change of a control that is
/// not explained by its blocks; 0 where there is none.
fn moved(located: &[(Samples, Located)]) -> f64 {
    let controls = located.iter().filter(|(own, l)| own.is_control && l.p() < LEVEL);
    controls.map(|(_, l)| l.mean.abs()).fold(0.0, f64::max)
}

/// Decides the rows of one metric together.
fn family(samples: Vec<Samples>, threshold: f64) -> Vec<Row> {
    let locate = |own: Samples| {
        let located = Located::welch(&own.after, &own.before)?;
        Some((own, located))
    };
    let located: Vec<(Samples, Located)> = samples.into_iter().filter_map(locate).collect();
    let moved = moved(&located);
    let least = threshold.ln_1p() + moved;
    // What the controls moved by may have hidden as much of a change.
    let alike = threshold.ln_1p() - moved;
    let (controls, judged): (Vec<_>, Vec<_>) =
        located.into_iter().partition(|(own, _)| own.is_control);
    let all = |p: &dyn Fn(&Located) -> f64| {
        holm(&judged.iter().map(|(_, located)| p(located)).collect::<Vec<_>>())
    };
    let differ = all(&Located::p);
    let same = all(&|located| if alike > 0.0 { located.p_within(-alike, alike) } else { 1.0 });
    let rows = judged.iter().zip(differ.iter().zip(&same));
    let rows = rows
        .filter_map(|((own, located), (differ, same))| row(own, located, (*differ, *same), least));
    let beside = controls.iter().filter_map(|(own, located)| {
        let row = row(own, located, (located.p(), 1.0), f64::INFINITY)?;
        Some(Row { verdict: Change::Control, note: None, ..row })
    });
    rows.chain(beside).collect()
}

/// `least` is the logarithm of the least change worth a word.
fn row(own: &Samples, located: &Located, ps: (f64, f64), least: f64) -> Option<Row> {
    let shown = |samples: &[f64]| Some(t95(samples)?.as_change().estimate());
    let change = located.interval(0.95)?.as_change();
    let ranks = mann_whitney(&own.after, &own.before).filter(|exact| exact.least < LEVEL);
    let agrees = ranks.is_none_or(|exact| (exact.p < LEVEL) == (located.p() < LEVEL));
    let decided = ps.0 < LEVEL;
    let mut notes: Vec<String> = Vec::new();
    let mut verdict = if decided && located.mean > least {
        Change::Regressed
    } else if decided && located.mean < -least {
        Change::Improved
    } else if ps.1 < LEVEL {
        Change::Same
    } else {
        Change::Undecided
    };
    if !agrees {
        notes.push(
            "cross-check disagrees: the ranks of the blocks do not say what Welch's t says".into(),
        );
        // That a change is small enough does not hang on whether it is zero.
        if verdict != Change::Same {
            verdict = Change::Undecided;
        }
    }
    if matches!(verdict, Change::Regressed | Change::Improved) && own.slip_share > SLIP_SHARE {
        notes.push(
            "the driver's lateness changed by more than a tenth of what would be claimed".into(),
        );
        verdict = Change::Undecided;
    }
    Some(Row {
        arm: own.arm.clone(),
        metric: own.metric,
        before: shown(&own.before)?,
        after: shown(&own.after)?,
        change: change.estimate(),
        p_adjusted: ps.0,
        p_same_adjusted: ps.1,
        ranks_p: ranks.map(|exact| exact.p),
        verdict,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}
