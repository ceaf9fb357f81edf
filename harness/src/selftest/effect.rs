//! Test 12: a server that burns 20 us more per request is found to cost 20 us more.

use std::time::Duration;

use anyhow::ensure;
use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use rand_pcg::Pcg64;

use super::Scale;
use super::rig::{SECOND_NS, closed, schedule, server_config, settings};
use super::verdict::Verdict;
use crate::load::driver::{Driver, Mode};
use crate::load::exchange::{Exchange, Op};
use crate::load::outcome::ledger;
use crate::load::schedule::{Arrivals, shuffled, stream};
use crate::load::wallet::{Account, fill};
use crate::measure::stats::{Interval, t_interval};
use crate::os::cpu::ProcessCpu;
use crate::server::child::ServerChild;

const SPIN_NS: u64 = 20_000;
/// By what the estimate may be off.
const TOLERANCE_NS: f64 = 2_000.0;
/// As the noise floor of a run.
const CONFIDENCE: f64 = 0.999;
/// So many that a closed loop always has a request waiting at the server: with few the driver takes
/// turns with it, and what the server adds changes how requests are batched.
const CONNECTIONS: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Twice the same, then the effect: the first is what the others are held against.
const ARMS: usize = 3;

/// How an arm is loaded in one slot.
#[derive(Clone, Copy)]
enum Load {
    /// Open loop at 1,000/s.
    Slow,
    /// Closed loop: as fast as the connections allow.
    Full,
}

impl Load {
    const fn name(self) -> &'static str {
        match self {
            Self::Slow => "1000/s",
            Self::Full => "saturation",
        }
    }

    /// What every arm burns. At saturation all three servers must be the slower side: against an
    /// empty one the driver never sleeps, and a server that burns more also wakes it, request by
    /// request, which its own CPU clock is charged for.
    const fn base_ns(self) -> u64 {
        match self {
            Self::Slow => 0,
            Self::Full => 40_000,
        }
    }
}

struct Arm {
    server: ServerChild,
    cpu: ProcessCpu,
    target: u32,
    exchange: u32,
}

/// Three servers, one driver.
struct Block {
    driver: Driver,
    arms: Vec<Arm>,
    exchanges: Vec<Exchange>,
}

impl Block {
    fn start(load: Load) -> anyhow::Result<Self> {
        let mut driver = Driver::new(settings(TIMEOUT))?;
        let (mut arms, mut exchanges) = (Vec::new(), Vec::new());
        let base_ns = load.base_ns();
        for spin_ns in [base_ns, base_ns, base_ns + SPIN_NS] {
            let server = ServerChild::spawn(&server_config(StrategyKind::None, spin_ns, None))?;
            let target = driver.add_target(server.data(), CONNECTIONS)?;
            let account = Account { target, address: server.data(), carrier: Carrier::Bearer };
            let exchange = u32::try_from(exchanges.len())?;
            exchanges.extend(fill(&mut driver, account, &[SubjectId(12)])?.exchanges);
            arms.push(Arm { cpu: server.cpu(), server, target, exchange });
        }
        Ok(Self { driver, arms, exchanges })
    }

    /// CPU per request of one slot of one arm, nanoseconds; `None` when its clock did not settle.
    fn slot(&mut self, arm: usize, load: Load, index: u64) -> anyhow::Result<Option<f64>> {
        let Arm { target, exchange, .. } = self.arms[arm];
        let (mode, mut ops, mut lead_in) = match load {
            Load::Slow => {
                let ops = |ms| schedule(Arrivals::Poisson, 1_000, ms * SECOND_NS / 1_000, index);
                (Mode::Open, ops(150), ops(20))
            }
            Load::Full => (Mode::Closed, closed(4_000), closed(400)),
        };
        ops.iter_mut().chain(&mut lead_in).for_each(|op| *op = Op { target, exchange, ..*op });
        self.driver.execute(&lead_in, &self.exchanges, mode, false)?;
        let before = self.arms[arm].cpu.read_settled()?;
        let rows = self.driver.execute(&ops, &self.exchanges, mode, false)?.rows;
        let after = self.arms[arm].cpu.read_settled()?;
        let found = ledger(&rows);
        ensure!(found.expected == found.scheduled, "not every request was answered: {found:?}");
        let pid = self.arms[arm].server.pid();
        ensure!(after.ns > before.ns, "the server of pid {pid} answered for nothing");
        let settled = before.settled && after.settled;
        Ok(settled.then(|| (after.ns - before.ns) as f64 / rows.len() as f64))
    }

    /// The mean paired differences of the second and third arm to the first, over `rounds`.
    fn differences(
        &mut self,
        load: Load,
        rounds: u64,
        rng: &mut Pcg64,
    ) -> anyhow::Result<Option<[f64; 2]>> {
        let (mut sums, mut pairs) = ([0.0; 2], 0.0);
        for round in 0..rounds {
            let mut found = [None; ARMS];
            for arm in shuffled(ARMS, rng) {
                found[arm] = self.slot(arm, load, round)?;
            }
            if let [Some(base), Some(same), Some(more)] = found {
                sums[0] += same - base;
                sums[1] += more - base;
                pairs += 1.0;
            }
        }
        Ok((pairs > 0.0).then(|| sums.map(|sum| sum / pairs)))
    }
}

/// Test 12.
///
/// # Errors
/// When a server or the driver fails.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let (blocks, rounds) = (scale.pick(10, 6), scale.pick(8, 3));
    let mut rng = stream(12, "selftest order", 0);
    let loads = [Load::Slow, Load::Full];
    let mut found: [[Vec<f64>; 2]; 2] = Default::default();
    for _ in 0..blocks {
        // Fresh processes: what differs between two of the same program must not be an effect.
        for (load, found) in loads.into_iter().zip(&mut found) {
            let mut block = Block::start(load)?;
            if let Some(differences) = block.differences(load, rounds, &mut rng)? {
                found.iter_mut().zip(differences).for_each(|(all, one)| all.push(one));
            }
        }
    }
    for (load, [same, more]) in loads.into_iter().zip(&found) {
        if same.len() < blocks {
            verdict.disturbed("the clocks of a block did not settle", 0);
        }
        judge(&mut verdict, load, same, more, scale.quick);
    }
    Ok(verdict)
}

fn judge(verdict: &mut Verdict, load: Load, same: &[f64], more: &[f64], quick: bool) {
    let [Some(same), Some(more)] = [same, more].map(|blocks| t_interval(blocks, CONFIDENCE)) else {
        verdict.check("blocks", same.len(), "at least 2", false);
        return;
    };
    let us = |interval: &Interval| {
        let Interval { mean, low, high, n } = interval.scaled(1e-3);
        format!("{mean:.2} us [{low:.2}, {high:.2}], {n} blocks")
    };
    let what = |effect: &str| format!("{effect} at {}", load.name());
    let is_resolved = |interval: &Interval| !interval.contains(0.0);
    verdict.check(what("+20 us"), us(&more), "resolved: without 0", is_resolved(&more));
    let off = (more.mean - SPIN_NS as f64).abs();
    // A short run's interval is wider than the tolerance; it must hold the truth all the same.
    let near = off <= TOLERANCE_NS || (quick && more.contains(SPIN_NS as f64));
    verdict.check(what("+20 us"), us(&more), "20 +- 2 us", near);
    verdict.check(what("+0 us"), us(&same), "not resolved: with 0", !is_resolved(&same));
    let near = (same.mean - SPIN_NS as f64).abs() <= TOLERANCE_NS;
    verdict.control(what("+0 us"), us(&same), "20 +- 2 us", near);
}
