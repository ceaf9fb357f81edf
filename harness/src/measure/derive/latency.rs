//! Latency percentiles: pooled by merging histograms for the picture, paired within a block for
//! what may be said.

use crate::measure::gates::window::failures;
use crate::measure::histogram::{LatencyHistogram, supports};
use crate::measure::stats::{EQUIVALENCE, latency_verdict, t95};
use crate::record::derived::{Percentile, Verdict};
use crate::record::run::{Arm, Cell, Latency, Run};

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

/// One arm's latency in one block, reduced to what is used.
struct InBlock {
    block: u32,
    n: u64,
    percentiles: [Option<u64>; 4],
    slip_sum_ns: u64,
    slip_n: u64,
}

/// One arm's latency over the run.
pub(super) struct ArmLatency {
    response: LatencyHistogram,
    service: LatencyHistogram,
    blocks: Vec<InBlock>,
    unread: Vec<String>,
}

impl ArmLatency {
    /// Reads and merges an arm's histograms, one block after the other.
    pub(super) fn new(run: &Run, arm: &Arm) -> Self {
        let mut this = Self {
            response: LatencyHistogram::new(),
            service: LatencyHistogram::new(),
            blocks: vec![],
            unread: vec![],
        };
        for cell in run.cells.iter().filter(|cell| cell.arm == arm.id) {
            match usable(run, cell).and_then(|latency| this.add(cell.block, latency)) {
                Ok(()) => {}
                Err(why) => this.unread.push(format!("block {} is left out: {why}", cell.block)),
            }
        }
        this
    }

    fn add(&mut self, block: u32, latency: &Latency) -> Result<(), String> {
        let read = |which: &str, recorded| {
            LatencyHistogram::from_record(recorded).map_err(|error| format!("{which}: {error}"))
        };
        let response = read("response", &latency.response)?;
        let service = read("service", &latency.service)?;
        self.response.add(&response);
        self.service.add(&service);
        self.blocks.push(InBlock {
            block,
            n: response.len(),
            percentiles: PERMILLES.map(|permille| response.supported_percentile(permille)),
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

    /// The rows of this arm, read against `none`'s where there is one.
    pub(super) fn percentiles(&self, none: Option<&Self>) -> Vec<Percentile> {
        (0..PERMILLES.len()).map(|i| self.percentile(i, none)).collect()
    }

    fn percentile(&self, i: usize, none: Option<&Self>) -> Percentile {
        let permille = PERMILLES[i];
        let n = self.len();
        let mut notes = self.unread.clone();
        let mut row = Percentile {
            permille,
            n,
            response_ns: self.response.supported_percentile(permille),
            service_ns: self.service.supported_percentile(permille),
            above_none_ns: None,
            verdict: None,
            note: None,
        };
        if row.response_ns.is_none() {
            let needed = 100_000 / u64::from(1_000 - permille);
            notes.push(format!("{n} samples; {needed} are needed for 100 beyond it"));
        }
        if let Some(none) = none {
            self.compare(i, none, &mut row, &mut notes);
        }
        row.note = (!notes.is_empty()).then(|| notes.join("; "));
        row
    }

    /// Arm minus `none` within a block, over the blocks where both have enough samples.
    fn compare(&self, i: usize, none: &Self, row: &mut Percentile, notes: &mut Vec<String>) {
        let paired: Vec<(f64, f64)> = self
            .blocks
            .iter()
            .filter_map(|own| {
                let floor = none.blocks.iter().find(|other| other.block == own.block)?;
                Some((own.percentiles[i]? as f64, floor.percentiles[i]? as f64))
            })
            .collect();
        let differences: Vec<f64> = paired.iter().map(|(own, floor)| own - floor).collect();
        let Some(interval) = t95(&differences) else {
            let short = self.blocks.iter().filter(|own| !supports(own.n, PERMILLES[i])).count();
            notes.push(if short > 0 {
                format!("no difference: {short} blocks have fewer than 100 samples beyond it")
            } else {
                "no difference: fewer than two blocks have both arms".into()
            });
            return;
        };
        row.above_none_ns = Some(interval.estimate());
        let floor = paired.iter().map(|(_, floor)| floor).sum::<f64>() / paired.len() as f64;
        let margin = EQUIVALENCE * floor;
        let verdict = latency_verdict(&interval, margin);
        // To call two arms equivalent is to claim the margin.
        let claimed = if verdict == Verdict::Equivalent { margin } else { interval.mean.abs() };
        let slip = self.mean_slip_ns().zip(none.mean_slip_ns()).map(|(own, other)| own - other);
        row.verdict = match slip {
            _ if verdict == Verdict::Undecided => Some(verdict),
            Some(slip) if slip.abs() <= SLIP_SHARE * claimed => Some(verdict),
            Some(slip) => {
                notes.push(format!(
                    "no verdict: the driver was {slip:+.0} ns later than with none on average, \
                     more than a tenth of the {claimed:.0} ns claimed"
                ));
                None
            }
            None => {
                notes.push("no verdict: the driver's lateness is not known".into());
                None
            }
        };
    }
}
