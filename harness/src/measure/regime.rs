//! Some arms once more under other conditions: another rate, a closed loop, other processors.

use anyhow::Context as _;
use rand::RngExt as _;

use crate::load::driver::Mode;
use crate::load::schedule::stream;
use crate::measure::block::{self, Watcher};
use crate::measure::contestant::Common;
use crate::measure::purse::Purses;
use crate::measure::store::Store;
use crate::os::affinity::{self, Pinned};
use crate::plan::{Plan, PlannedArm, RegimePlan, Regimes};
use crate::record::run::{Cell, NotMeasured, Regime};

/// Milliseconds of planned measuring.
#[must_use]
pub fn planned_ms(plan: &Plan, arms: &[PlannedArm]) -> u64 {
    plan.regimes.as_ref().map_or(0, |regimes| {
        let slots = u64::from(regimes.blocks) * u64::from(regimes.rounds_per_block);
        let of = |regime: &RegimePlan| {
            let slot_ms = regimes.under(plan, regime).slot_ms + plan.lead_in_ms;
            slots * regimes.pick(regime, arms).len() as u64 * slot_ms
        };
        regimes.each.iter().map(of).sum()
    })
}

/// Measures one regime; the inner error when this machine does not allow it.
///
/// # Errors
/// As [`block::measure`].
pub fn measure(
    common: &Common<'_>,
    regimes: &Regimes,
    regime: &RegimePlan,
    arms: &[PlannedArm],
    store: &mut Option<Store>,
    purses: &mut Purses,
    watcher: &dyn Watcher,
) -> anyhow::Result<Result<Regime, NotMeasured>> {
    let (server_cpus, rest) = match affinity::allowed().and_then(|all| regime.layout.split(&all)) {
        Ok(split) => split,
        Err(why) => return Ok(Err(not_measured(regime, &why))),
    };
    let plan = regimes.under(common.plan, regime);
    let arms = regimes.pick(regime, arms);
    let under = Common {
        plan: &plan,
        seed: stream(common.seed, &format!("regime {}", regime.name), 0).random(),
        keys: common.keys,
        redis: common.redis.clone(),
        stores: common.stores,
        mode: if regime.closed { Mode::Closed } else { Mode::Open },
        server_cpus,
        mix: regime.mix,
        work_kib: regime.work_kib,
        http2_connections: regime.http2_connections,
        sabotage: common.sabotage,
    };
    let pinned = Pinned::to(&rest, store.as_ref().and_then(Store::private_pid));
    let _pinned = match pinned {
        Ok(pinned) => pinned,
        Err(why) => return Ok(Err(not_measured(regime, &why))),
    };
    let mut cells = Vec::new();
    for number in 0..plan.blocks {
        let measured = block::measure(&under, &arms, store, purses, number, watcher)
            .with_context(|| format!("in block {number} of the regime `{}`", regime.name))?;
        // Conditions are compared on CPU; their latencies would double the record.
        cells.extend(measured.cells.into_iter().map(|cell| Cell { slot_latency: None, ..cell }));
    }
    Ok(Ok(Regime {
        name: regime.name.clone(),
        mode: if regime.closed { "closed" } else { "open" }.into(),
        rate_per_second: plan.rate_per_second,
        slot_ms: regime.slot_ms,
        pacing: plan.pacing.name().into(),
        layout: regime.layout.name().into(),
        protocol: if regime.http2_connections.is_some() { "http/2" } else { "http/1.1" }.into(),
        mix: regime.mix.map(|mix| mix.to_string()),
        work_kib: Some(regime.work_kib).filter(|kib| *kib > 0),
        blocks: plan.blocks,
        rounds_per_block: plan.rounds_per_block,
        cells,
    }))
}

fn not_measured(regime: &RegimePlan, why: &anyhow::Error) -> NotMeasured {
    NotMeasured {
        what: format!("regime {}", regime.name),
        reason: format!("{why:#}"),
        remedy: "run on Linux with two processors or more".into(),
    }
}
