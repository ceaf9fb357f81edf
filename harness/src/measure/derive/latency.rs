//! Latency percentiles: pooled by merging histograms for the picture, paired within a block for
//! what may be said.

use std::time::Duration;

use super::cpu::{NO_FLOOR, valid_sum};
use crate::measure::comparison::{Comparison, EQUIVALENCE, Outcome, decide};
use crate::measure::gates::window::failures;
use crate::measure::histogram::{LatencyHistogram, supports};
use crate::measure::ranked::Ranked;
use crate::measure::stats::six;
use crate::record::derived::{ArmResult, Percentile, TrustRow, Verdict};
use crate::record::run::{Arm, Cell, Latency, Role, Run};

/// The percentiles that are given, in thousandths.
pub(super) const PERMILLES: [u32; 4] = [500, 900, 990, 999];
/// A latency claim needs the arms' difference in slip to be at most this share of it.
const SLIP_SHARE: f64 = 0.1;

/// The latency of a cell that may be used. The longer window is the source when the plan has one;
/// the two are never mixed. A window is discarded as a slot is, for a late driver alone; slots
/// were gated before their latency was collected.
///
/// # Errors
/// Why there is none.
pub fn usable<'a>(run: &Run, cell: &'a Cell) -> Result<&'a Latency, String> {
    let plan = run.plan.as_ref().ok_or("no server was loaded")?;
    if plan.latency_window_ms == 0 {
        return cell.slot_latency.as_ref().ok_or_else(|| "it has no latencies".into());
    }
    let window = cell.window_latency.as_ref().ok_or("it has no latency window")?;
    if let Some((_, why)) = failures(plan, cell).into_iter().next() {
        return Err(why);
    }
    Ok(window)
}

/// Requests of the latency that is used that were not answered as expected.
fn failed(run: &Run, cell: &Cell) -> u64 {
    let from_slots = run.plan.as_ref().is_some_and(|plan| plan.latency_window_ms == 0);
    match cell.window_ledger {
        Some(ledger) if !from_slots => ledger.scheduled.saturating_sub(ledger.expected),
        _ => {
            let sum = |column: &[u64]| valid_sum(&cell.slots, column);
            sum(&cell.slots.scheduled).saturating_sub(sum(&cell.slots.expected))
        }
    }
}

/// One arm's latency in one block, reduced to what is used.
struct InBlock {
    block: u32,
    n: u64,
    percentiles: [Option<u64>; 4],
    slip_sum_ns: u64,
    slip_n: u64,
}

/// One arm's latency over the run.
pub(in crate::measure) struct ArmLatency {
    response: LatencyHistogram,
    service: LatencyHistogram,
    /// Requests that failed, which are slower than every success.
    failed: u64,
    blocks: Vec<InBlock>,
    unread: Vec<String>,
}

impl ArmLatency {
    /// Reads and merges an arm's histograms, one block after the other.
    pub(in crate::measure) fn new(run: &Run, arm: &Arm) -> Self {
        let mut this = Self {
            response: LatencyHistogram::new(),
            service: LatencyHistogram::new(),
            failed: 0,
            blocks: vec![],
            unread: vec![],
        };
        for cell in run.cells.iter().filter(|cell| cell.arm == arm.id) {
            let failed = failed(run, cell);
            match usable(run, cell).and_then(|latency| this.add(cell.block, latency, failed)) {
                Ok(()) => {}
                Err(why) => this.unread.push(format!("block {} is left out: {why}", cell.block)),
            }
        }
        this
    }

    fn add(&mut self, block: u32, latency: &Latency, failed: u64) -> Result<(), String> {
        let read = |which: &str, recorded| {
            LatencyHistogram::from_record(recorded).map_err(|error| format!("{which}: {error}"))
        };
        let response = read("response", &latency.response)?;
        let service = read("service", &latency.service)?;
        self.response.add(&response);
        self.service.add(&service);
        self.failed = self.failed.saturating_add(failed);
        let ranked = Ranked { ok: &response, failed, timeout: Duration::ZERO };
        self.blocks.push(InBlock {
            block,
            n: response.len(),
            percentiles: PERMILLES.map(|permille| ranked.supported_all(permille)?.value_ns()),
            slip_sum_ns: latency.slip.sum_ns,
            slip_n: latency.slip.n,
        });
        Ok(())
    }

    /// Requests whose latency is known.
    pub(super) const fn len(&self) -> u64 {
        self.response.len()
    }

    /// Mean service time, nanoseconds.
    pub(super) fn mean_service_ns(&self) -> Option<f64> {
        self.service.mean_ns()
    }

    /// Mean lateness of the driver, nanoseconds.
    fn mean_slip_ns(&self) -> Option<f64> {
        let n: u64 = self.blocks.iter().map(|block| block.slip_n).sum();
        let sum: u64 = self.blocks.iter().map(|block| block.slip_sum_ns).sum();
        (n > 0).then(|| sum as f64 / n as f64)
    }

    /// Whether the pooled percentiles grow.
    pub(super) fn is_monotone(&self) -> bool {
        let stated = PERMILLES.map(|permille| self.response.percentile(permille));
        stated.is_sorted() && stated[3] <= self.response.max_ns()
    }

    /// Median of the response time in a block, over `none`'s in the same block, as a logarithm; the
    /// blocks where both have enough samples.
    pub(in crate::measure) fn p50_log_ratios(&self, none: &Self) -> Vec<f64> {
        let pairs = self.paired(0, none).into_iter();
        pairs.filter(|(own, floor)| *own > 0.0 && *floor > 0.0).map(|(a, b)| (a / b).ln()).collect()
    }

    /// The pooled median, nanoseconds.
    pub(in crate::measure) fn p50_ns(&self) -> Option<f64> {
        self.response_ns(500).map(|ns| ns as f64)
    }

    /// The pooled percentile of all requests, nanoseconds; `None` where a failure stands there.
    fn response_ns(&self, permille: u32) -> Option<u64> {
        let ranked = Ranked { ok: &self.response, failed: self.failed, timeout: Duration::ZERO };
        ranked.supported_all(permille)?.value_ns()
    }

    /// How much later than with `none` the driver was on average, nanoseconds.
    pub(in crate::measure) fn slip_over_ns(&self, none: &Self) -> Option<f64> {
        Some(self.mean_slip_ns()? - none.mean_slip_ns()?)
    }

    /// This arm's percentile and `none`'s, in each block where both have enough samples.
    fn paired(&self, i: usize, none: &Self) -> Vec<(f64, f64)> {
        let pair = |own: &InBlock| {
            let floor = none.blocks.iter().find(|other| other.block == own.block)?;
            Some((own.percentiles[i]? as f64, floor.percentiles[i]? as f64))
        };
        self.blocks.iter().filter_map(pair).collect()
    }

    /// A row of this arm, read against `none` where there is one, and what is to be decided.
    fn percentile(&self, i: usize, arm: &Arm, none: Option<&Self>) -> Draft {
        let permille = PERMILLES[i];
        let n = self.len();
        let mut notes = self.unread.clone();
        let row = Percentile {
            permille,
            n,
            response_ns: self.response_ns(permille),
            service_ns: self.service.supported_percentile(permille),
            above_none_ns: None,
            p_adjusted: None,
            verdict: None,
            note: None,
        };
        if row.response_ns.is_none() && supports(n, permille) {
            let failed = self.failed;
            notes.push(format!("{failed} requests failed, and a failure stands at this rank"));
        } else if row.response_ns.is_none() {
            let needed = 100_000 / u64::from(1_000 - permille);
            notes.push(format!("{n} samples; {needed} are needed for 100 beyond it"));
        }
        let mut draft = Draft { row, notes, claim: None };
        if let Some(none) = none {
            self.compare(i, arm, none, &mut draft);
        }
        draft
    }

    /// Arm minus `none` within a block, over the blocks where both have enough samples.
    fn compare(&self, i: usize, arm: &Arm, none: &Self, draft: &mut Draft) {
        let paired = self.paired(i, none);
        let differences: Vec<f64> = paired.iter().map(|(own, floor)| own - floor).collect();
        let floor = paired.iter().map(|(_, floor)| floor).sum::<f64>() / paired.len().max(1) as f64;
        let margin_ns = EQUIVALENCE * floor;
        let stream = format!("bca/p{}/{}", PERMILLES[i], arm.id);
        let Some(comparison) = Comparison::of_differences(&differences, margin_ns, &stream) else {
            let short = self.blocks.iter().filter(|own| !supports(own.n, PERMILLES[i])).count();
            draft.notes.push(if short > 0 {
                format!("no difference: {short} blocks have fewer than 100 samples beyond it")
            } else {
                "no difference: fewer than two blocks have both arms".into()
            });
            return;
        };
        draft.row.above_none_ns = Some(comparison.printed().estimate());
        draft.notes.extend(comparison.note());
        draft.claim = Some(Claim { comparison, margin_ns, slip_ns: self.slip_over_ns(none) });
    }
}

/// Whether a row of the trust panel says that the driver was not fit for claims about latency.
#[must_use]
pub fn is_latency_gate(row: &TrustRow) -> bool {
    let about_driver = [
        "How late was the driver",
        "Was every scheduled request sent",
        "Was the driver an observer",
    ];
    row.pass == Some(false) && about_driver.iter().any(|begin| row.question.starts_with(begin))
}

/// Takes the latency verdicts back where the driver failed one of its gates.
pub(super) fn without_unfit_claims(rows: &mut [ArmResult], trust: &[TrustRow]) {
    let Some(gate) = trust.iter().find(|row| is_latency_gate(row)) else { return };
    let why = format!("no verdict: {} {}, {}", gate.question, gate.figure, gate.limit);
    for row in rows.iter_mut().flat_map(|arm| &mut arm.latency) {
        if row.verdict.take().is_some() {
            let before = row.note.take().map_or_else(String::new, |note| format!("{note}; "));
            row.note = Some(before + &why);
        }
    }
}

/// A row whose verdict waits for its family.
struct Draft {
    row: Percentile,
    notes: Vec<String>,
    claim: Option<Claim>,
}

/// What a verdict rests on.
struct Claim {
    comparison: Comparison,
    margin_ns: f64,
    slip_ns: Option<f64>,
}

impl Draft {
    fn finish(mut self) -> Percentile {
        self.row.note = (!self.notes.is_empty()).then(|| self.notes.join("; "));
        self.row
    }

    /// Gives the verdict, unless the driver's lateness may be what was seen.
    fn judge(&mut self, outcome: Outcome, p_adjusted: f64, has_floor: bool) {
        let Some(claim) = &self.claim else { return };
        self.row.p_adjusted = Some(six(p_adjusted));
        if !has_floor {
            self.notes.push(NO_FLOOR.into());
            return;
        }
        let (verdict, claimed) = match outcome {
            Outcome::Undecided => {
                self.row.verdict = Some(Verdict::Undecided);
                return;
            }
            // To call two arms equivalent is to claim the margin.
            Outcome::Equivalent => (Verdict::Equivalent, claim.margin_ns),
            Outcome::Above => (Verdict::Slower, claim.comparison.interval.mean.abs()),
            Outcome::Below => (Verdict::Faster, claim.comparison.interval.mean.abs()),
        };
        match claim.slip_ns {
            Some(slip) if slip.abs() <= SLIP_SHARE * claimed => self.row.verdict = Some(verdict),
            Some(slip) => self.notes.push(format!(
                "no verdict: the driver was {slip:+.0} ns later than with none on average, more \
                 than a tenth of the {claimed:.0} ns claimed"
            )),
            None => self.notes.push("no verdict: the driver's lateness is not known".into()),
        }
    }
}

/// The rows of every arm, in the run's order, read against `latencies[none]`. Of each percentile
/// the contenders are one family; a control is judged by itself.
pub(super) fn all_percentiles(
    run: &Run,
    latencies: &[ArmLatency],
    none: Option<usize>,
) -> Vec<Vec<Percentile>> {
    let mut rows: Vec<Vec<Percentile>> = run.arms.iter().map(|_| vec![]).collect();
    let has_floor = run.arms.iter().any(|arm| arm.role == Role::AaControl);
    for i in 0..PERMILLES.len() {
        let draft = |(a, arm): (usize, &Arm)| {
            let floor = none.filter(|none| *none != a).map(|none| &latencies[none]);
            latencies[a].percentile(i, arm, floor)
        };
        let mut drafts: Vec<Draft> = run.arms.iter().enumerate().map(draft).collect();
        let is_contender = |a: &usize| run.arms[*a].role == Role::Contender;
        let (contenders, controls): (Vec<usize>, Vec<usize>) =
            (0..drafts.len()).filter(|a| drafts[*a].claim.is_some()).partition(is_contender);
        for family in std::iter::once(contenders).chain(controls.into_iter().map(|a| vec![a])) {
            let claims = family.iter().filter_map(|a| drafts[*a].claim.as_ref());
            let decisions = decide(&claims.map(|claim| &claim.comparison).collect::<Vec<_>>());
            for (a, decision) in family.iter().zip(decisions) {
                drafts[*a].judge(decision.outcome, decision.p_adjusted, has_floor);
            }
        }
        for (row, draft) in rows.iter_mut().zip(drafts) {
            row.push(draft.finish());
        }
    }
    rows
}
