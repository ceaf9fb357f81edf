//! What is counted once, apart from everything that is timed: how fast the driver could be, and
//! the system calls of a request.

use std::time::Duration;

use anyhow::ensure;

use crate::load::driver::Mode;
use crate::load::exchange::Op;
use crate::load::outcome::ledger;
use crate::measure::contestant::Contestant;
use crate::measure::sabotage::{self, Freeze};
use crate::measure::slot::Rig;
use crate::os::syscalls::SyscallCount;
use crate::plan::PlannedArm;
use crate::record::run::{Instrument, Role, SyscallRow};

/// Requests of the closed loop that finds the driver's headroom.
const HEADROOM_REQUESTS: u32 = 6_000;
/// Requests sent while system calls are counted.
const COUNTED_REQUESTS: u32 = 400;
/// Requests per second meanwhile: each travels alone.
const COUNTED_RATE: u64 = 800;

/// Counts for every arm.
///
/// # Errors
/// When a request is not answered as expected, or the counter cannot be started.
pub fn count(rig: &mut Rig<'_>, contestants: &[Contestant<'_>]) -> anyhow::Result<Instrument> {
    let plan = rig.common.plan;
    let reason = if plan.count_syscalls {
        SyscallCount::available().err().map(|why| format!("{why:#}"))
    } else {
        Some("the plan does not count them".into())
    };
    let mut found = Instrument {
        headroom_per_second: headroom(rig, contestants)?,
        syscalls: Vec::new(),
        syscalls_reason: reason,
    };
    if found.syscalls_reason.is_none() {
        for contestant in contestants.iter().filter(|c| is_countable(c.arm)) {
            found.syscalls.push(syscalls(rig, contestant)?);
        }
    }
    Ok(found)
}

/// Not beside a load of its own, and not with credentials that the first of two uses uses up.
fn is_countable(arm: &PlannedArm) -> bool {
    arm.record.role != Role::Decoy && !arm.is_used_up()
}

/// Requests per second of a closed loop on the floor.
fn headroom(rig: &mut Rig<'_>, contestants: &[Contestant<'_>]) -> anyhow::Result<Option<u64>> {
    let floor = contestants.iter().find(|c| c.arm.record.role == Role::Baseline);
    let Some(floor) = floor else { return Ok(None) };
    // Shorter than the timeout, so that every request is answered all the same.
    let frozen = sabotage::is(rig.common.sabotage, "headroom").then(|| {
        let length = Duration::from_millis(rig.common.plan.timeout_ms * 3 / 4);
        Freeze::later(floor.server.pid(), Duration::ZERO, length)
    });
    let rows = send(rig, floor, HEADROOM_REQUESTS, None)?;
    drop(frozen);
    let begin = rows.iter().map(|row| row.intended_ns).min().unwrap_or(0);
    let end = rows.iter().map(|row| row.done_ns).max().unwrap_or(0);
    Ok((rows.len() as u64 * 1_000_000_000).checked_div(end.saturating_sub(begin)))
}

fn syscalls(rig: &mut Rig<'_>, contestant: &Contestant<'_>) -> anyhow::Result<SyscallRow> {
    let server = counted(rig, contestant, contestant.server.pid())?;
    let redis = rig.store.as_ref().and_then(|store| store.private_pid());
    let store = redis.map(|pid| counted(rig, contestant, pid)).transpose()?.flatten();
    let arm = contestant.arm.record.id.clone();
    Ok(SyscallRow { arm, requests: u64::from(COUNTED_REQUESTS), server, store })
}

/// System calls of process `pid` while requests are sent one at a time.
fn counted(
    rig: &mut Rig<'_>,
    contestant: &Contestant<'_>,
    pid: u32,
) -> anyhow::Result<Option<u64>> {
    let count = SyscallCount::attach(pid)?;
    send(rig, contestant, COUNTED_REQUESTS, Some(COUNTED_RATE))?;
    count.stop()
}

/// Sends `requests`, evenly at a rate or in a closed loop.
fn send(
    rig: &mut Rig<'_>,
    contestant: &Contestant<'_>,
    requests: u32,
    rate: Option<u64>,
) -> anyhow::Result<Vec<crate::load::outcome::Row>> {
    let wallet = u32::try_from(contestant.exchanges.len())?.max(1);
    let gap_ns = rate.map_or(0, |rate| 1_000_000_000 / rate);
    let target = contestant.account.target;
    let ops: Vec<Op> = (0..requests)
        .map(|i| Op { at_ns: u64::from(i) * gap_ns, target, exchange: i % wallet })
        .collect();
    let mode = if rate.is_some() { Mode::Open } else { Mode::Closed };
    let executed = rig.driver.execute(&ops, &contestant.exchanges, mode, false)?;
    let ledger = ledger(&executed.rows);
    ensure!(
        ledger.expected == ledger.scheduled,
        "`{}` answered {} of {} requests as verified: {ledger:?}",
        contestant.arm.record.id,
        ledger.expected,
        ledger.scheduled
    );
    Ok(executed.rows)
}
