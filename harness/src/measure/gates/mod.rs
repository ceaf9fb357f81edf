//! The checks that travel with a run: what each asks, what its failure voids.
//!
//! A slot or a window is discarded for what the instrument or the host did, never for what the
//! server answered; a wrong answer, an account that does not close or counts that differ
//! invalidate the run. Checked at the end of a run, and again on its file.

mod distance;
mod faults;
mod host;
pub mod window;

pub use faults::FAULT_MATRIX;

use super::derive::cpu::{CpuTable, valid_slots, valid_sum};
use super::derive::{law, regime};
use crate::record::run::{Arm, Cell, Check, Ledger, Regime, Role, Run, Slots};

/// Below this many blocks the A/A interval is too wide to judge a run by.
const AA_BLOCKS: u32 = 5;

/// At most one request in so many may time out or lose its connection.
const LOST_ONE_IN: u64 = 1_000;

/// What a failure voids.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The slot: it enters no figure.
    Slot,
    /// The latency window: it enters no percentile.
    Window,
    /// The run: nothing in it may be cited.
    Run,
}

/// A gate.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Its name in records.
    pub name: &'static str,
    /// What its failure voids.
    pub scope: Scope,
    /// What it asks.
    pub question: &'static str,
    /// What passes.
    pub limit: &'static str,
}

const fn gate(
    name: &'static str,
    scope: Scope,
    question: &'static str,
    limit: &'static str,
) -> Gate {
    Gate { name, scope, question, limit }
}

/// Every gate. Each is shown to fail when it should by `authbench selftest --sabotage`.
pub const GATES: &[Gate] = &[
    gate("slip", Scope::Slot, "Was the driver on time?", "p99 within the plan's limit"),
    gate("reconnect", Scope::Slot, "Did every connection last?", "none opened anew"),
    gate("steal", Scope::Slot, "Did the host take time away?", "less than 2 ticks"),
    gate("unsettled-clock", Scope::Slot, "Did the CPU clocks come to rest?", "both sides"),
    gate("window-slip", Scope::Window, "Was the driver on time?", "p99 within the plan's limit"),
    gate("window-reconnect", Scope::Window, "Did every connection last?", "none opened anew"),
    gate("window-hiccup", Scope::Window, "Was the host steady?", "p99 at most 5 ms"),
    gate(
        "window-dispatch",
        Scope::Window,
        "Was what left in each 100 ms what was due?",
        "all but 1 %",
    ),
    gate(
        "window-stationary",
        Scope::Window,
        "Was it the same at the end as at the beginning?",
        "half medians within 25 %, no requests piling up",
    ),
    gate("ledger-closes", Scope::Run, "Is every scheduled request accounted for?", "all"),
    gate(
        "cross-count",
        Scope::Run,
        "Did driver and server count the same requests?",
        "equal, in each cell",
    ),
    gate("outcomes", Scope::Run, "Was every answer the expected one?", "all"),
    gate("forged-refused", Scope::Run, "Was every tampered credential refused?", "all"),
    gate(
        "redis-commands",
        Scope::Run,
        "Did Redis count the commands declared?",
        "equal, in each cell",
    ),
    gate("discarded-slots", Scope::Run, "How many slots were disturbed?", "the plan's limit"),
    gate("discarded-windows", Scope::Run, "How many windows were disturbed?", "the plan's limit"),
    gate(
        "a-a",
        Scope::Run,
        "Do two servers of the floor differ?",
        "the 99.9 % interval contains 0",
    ),
    gate("dispatched", Scope::Run, "Was every scheduled request sent?", "at least 99.9 %"),
    gate("driver-share", Scope::Run, "Was the driver an observer?", "at most 70 % of a core"),
    gate("headroom", Scope::Run, "Could the driver do more than was asked?", "2 x the rate"),
    gate("host-steal", Scope::Run, "How much time did the host take away?", "at most 1 %"),
    gate("little", Scope::Run, "Little's law: do counter and stamps agree?", "within 1 %"),
    gate("out-of-range", Scope::Run, "Latencies that no histogram holds?", "none above 120 s"),
];

/// The gate of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.name == name)
}

/// Every check of the run, passed or failed. One that failed names the arm and the block where it
/// failed worst or first. A run that loaded no server has none but that of its faults: what it
/// timed in loops compared every answer, and stopped at the first wrong one.
#[must_use]
pub fn checks(run: &Run) -> Vec<Check> {
    let declared = [law::check(run), faults::check(run)].into_iter().flatten();
    let Some(plan) = &run.plan else { return declared.collect() };
    if plan.blocks == 0 {
        // Servers were compared with what they declare, not with each other.
        return declared.collect();
    }
    let mut checks = vec![
        ledger(run),
        cross_count(run),
        outcomes(run),
        forged(run),
        redis_commands(run),
        discarded(run, plan.discard_limit_permille),
        window::discarded(run, plan),
        noise_floor(run),
    ];
    checks.extend(host::checks(run, plan));
    checks.extend(distance::checks(run, plan));
    checks.extend(run.regimes.iter().flat_map(|regime| of_regime(run, regime)));
    checks.extend(declared);
    checks
}

/// The checks of one regime, its name before theirs. What it does not have is not judged.
fn of_regime(run: &Run, regime: &Regime) -> Vec<Check> {
    let under = regime::as_run(run, regime);
    let own = [ledger(&under), cross_count(&under), outcomes(&under), forged(&under)];
    // What a mix sends to Redis depends on the operations; its counts are compared one by one.
    let commands = regime.mix.is_none().then(|| redis_commands(&under));
    let limit = run.plan.as_ref().map_or(1_000, |plan| plan.discard_limit_permille);
    let plan = under.plan.as_ref().filter(|_| regime.mode == "open");
    let host = plan.map_or(vec![], |plan| host::of_slots(&under, plan));
    own.into_iter()
        .chain(host)
        .chain(commands)
        .chain([discarded(&under, limit), noise_floor(&under)])
        .map(|check| Check { name: format!("{}/{}", regime.name, check.name), ..check })
        .collect()
}

/// The checks that failed.
#[must_use]
pub fn failed(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().filter(|check| !check.pass).collect()
}

/// What became of the requests of one slot.
#[must_use]
pub fn slot_ledger(slots: &Slots, i: usize) -> Ledger {
    let at = |column: &[u64]| column.get(i).copied().unwrap_or(0);
    Ledger {
        scheduled: at(&slots.scheduled),
        expected: at(&slots.expected),
        wrong_outcome: at(&slots.wrong_outcome),
        http_error: at(&slots.http_error),
        connection_error: at(&slots.connection_error),
        timeout: at(&slots.timeout),
        shed: at(&slots.shed),
    }
}

/// Where a check failed.
struct Failure<'a> {
    cell: Option<&'a Cell>,
    detail: String,
}

impl<'a> Failure<'a> {
    fn at(cell: &'a Cell, detail: String) -> Self {
        Self { cell: Some(cell), detail }
    }
}

fn check(name: &str, failure: Option<Failure<'_>>, passed: impl FnOnce() -> String) -> Check {
    let cell = failure.as_ref().and_then(|failure| failure.cell);
    Check {
        name: name.into(),
        scope: "run".into(),
        arm: cell.map(|cell| cell.arm.clone()),
        block: cell.map(|cell| cell.block),
        pass: failure.is_none(),
        detail: failure.map_or_else(passed, |failure| failure.detail),
    }
}

/// scheduled = expected + wrong outcome + http error + connection error + timeout + shed.
fn ledger(run: &Run) -> Check {
    let open = |cell: &Cell| {
        let slots = &cell.slots;
        let bad = (0..slots.scheduled.len())
            .map(|i| (Some(i), slot_ledger(slots, i)))
            .chain(cell.window_ledger.map(|window| (None, window)))
            .find(|(_, ledger)| !ledger.closes());
        bad.map(|(slot, ledger)| {
            let place = slot.map_or_else(|| "latency window".into(), |i| format!("slot {i}"));
            format!("{place}: {} scheduled, {} accounted for", ledger.scheduled, ledger.accounted())
        })
    };
    let failure = run.cells.iter().find_map(|cell| open(cell).map(|why| Failure::at(cell, why)));
    let slots: usize = run.cells.iter().map(|cell| cell.slots.scheduled.len()).sum();
    check("ledger-closes", failure, || format!("{slots} slots, every request accounted for"))
}

/// The driver's count of requests is the server's.
fn cross_count(run: &Run) -> Check {
    let differs = run.cells.iter().find(|cell| cell.driver_requests != cell.server_requests);
    let failure = differs.map(|cell| {
        let (driver, server) = (cell.driver_requests, cell.server_requests);
        Failure::at(cell, format!("the driver sent {driver} requests, the server counted {server}"))
    });
    let other = run.cells.iter().find(|cell| cell.operations_agree == Some(false)).map(|cell| {
        Failure::at(cell, "driver and server counted other operations of the mix".into())
    });
    check("cross-count", failure.or(other), || "driver and server counted the same requests".into())
}

/// No request was answered otherwise than expected. A disturbed slot may hold errors (it is
/// discarded), but never a wrong outcome.
fn outcomes(run: &Run) -> Check {
    let wrong = |cell: &Cell| {
        let slots = &cell.slots;
        let window = cell.window_ledger.unwrap_or_default();
        let wrong =
            slots.wrong_outcome.iter().fold(window.wrong_outcome, |a, b| a.saturating_add(*b));
        let errors = valid_sum(slots, &slots.http_error).saturating_add(window.http_error);
        if wrong > 0 || errors > 0 {
            let what = "answers other than expected";
            return Some(format!("{wrong} {what}, {errors} HTTP errors; must be 0"));
        }
        // Of all slots: a slot in which requests were lost must not vanish as a disturbed one.
        let all = |column: &[u64], of_window: u64| {
            column.iter().fold(of_window, |sum, n| sum.saturating_add(*n))
        };
        let lost = all(&slots.timeout, window.timeout)
            .saturating_add(all(&slots.connection_error, window.connection_error));
        let scheduled = all(&slots.scheduled, window.scheduled);
        (lost.saturating_mul(LOST_ONE_IN) > scheduled).then(|| {
            format!("{lost} of {scheduled} requests were lost; at most 1 in {LOST_ONE_IN}")
        })
    };
    let failure = run.cells.iter().find_map(|cell| wrong(cell).map(|why| Failure::at(cell, why)));
    check("outcomes", failure, || "every answer was the expected one".into())
}

/// Every tampered credential was refused, and every contender was shown some.
fn forged(run: &Run) -> Check {
    let accepted = run.cells.iter().find(|cell| cell.forged_refused != cell.forged_sent);
    let failure = accepted.map(|cell| {
        let (sent, refused) = (cell.forged_sent, cell.forged_refused);
        Failure::at(cell, format!("{refused} of {sent} tampered credentials were refused"))
    });
    let untested = || {
        let contender = |cell: &&Cell| arm(run, cell).is_some_and(|a| a.role == Role::Contender);
        let untested = run.cells.iter().filter(contender).find(|cell| cell.forged_sent == 0)?;
        Some(Failure::at(untested, "no tampered credential was presented".into()))
    };
    let sent: u64 = run.cells.iter().map(|cell| cell.forged_sent).fold(0, u64::saturating_add);
    check("forged-refused", failure.or_else(untested), || {
        format!("{sent} tampered credentials, all refused")
    })
}

/// Time between the readings of a counter and the edges of its slot, milliseconds, generously.
const BACKGROUND_SLACK_MS: u64 = 50;

/// Redis processed what the strategy declares, decoys apart. A request that failed may have sent
/// its commands or not.
fn redis_commands(run: &Run) -> Check {
    let differs = |cell: &Cell| {
        let slots = &cell.slots;
        if slots.redis_commands.is_empty() {
            return None;
        }
        let strategy = &arm(run, cell)?.strategy;
        let declared = run.strategies.iter().find(|record| record.id == *strategy)?;
        let pings = arm(run, cell).map_or(0, |arm| arm.store_pings);
        let each = u64::from(declared.redis_commands_per_request + pings);
        let all = valid_sum(slots, &slots.redis_commands);
        let counted = all.saturating_sub(valid_sum(slots, &slots.decoy_commands));
        let least = if declared.redis_cached { 0 } else { valid_sum(slots, &slots.expected) };
        let least = each.saturating_mul(least);
        let sent = valid_sum(slots, &slots.scheduled).saturating_sub(valid_sum(slots, &slots.shed));
        let most = each.saturating_mul(sent) + background(run, cell);
        (counted < least || counted > most).then(|| {
            format!("Redis counted {counted} commands; {each} per request make {least} to {most}")
        })
    };
    let failure = run.cells.iter().find_map(|cell| differs(cell).map(|why| Failure::at(cell, why)));
    check("redis-commands", failure, || "Redis counted what the strategies declare".into())
}

/// Standard deviations that what nodes send by themselves may be above its mean: one cell in
/// millions is.
const BACKGROUND_SIGMAS: f64 = 5.0;

/// What the servers of all arms may have sent to Redis by themselves during the valid slots of
/// `cell`: they are all up, whoever's turn it is.
///
/// A node sends what is declared of a second at once, at the worst, and a slot meets that or does
/// not: a coin for each slot, whose variance is a quarter at the most.
fn background(run: &Run, cell: &Cell) -> u64 {
    let declared = |arm: &Arm| run.strategies.iter().find(|record| record.id == arm.strategy);
    let Some(plan) = &run.plan else { return 0 };
    // Readings stand a little outside of the slot.
    let slot_s = (plan.lead_in_ms + plan.slot_ms + BACKGROUND_SLACK_MS) as f64 / 1e3;
    let slots = valid_slots(&cell.slots).count() as f64;
    let (mut mean, mut variance, mut most) = (0.0, 0.0, 0.0);
    for arm in &run.arms {
        let at_once = declared(arm).map_or(0.0, |d| f64::from(d.redis_background_per_second));
        mean += at_once * slot_s * slots;
        variance += at_once * at_once * slots / 4.0;
        most += at_once * slots.max(slot_s * slots);
    }
    let likely: f64 = mean + BACKGROUND_SIGMAS * f64::sqrt(variance);
    likely.min(most).ceil() as u64
}

/// The share of discarded slots is within the plan's limit, of each arm within twice that: one that
/// lost everything must not hide behind the others.
fn discarded(run: &Run, limit: u32) -> Check {
    let all: usize = run.cells.iter().map(|cell| cell.slots.discarded.len()).sum();
    let valid: usize = run.cells.iter().map(|cell| valid_slots(&cell.slots).count()).sum();
    let permille = ((all - valid) as u64 * 1_000).div_ceil(all.max(1) as u64);
    let detail = format!("{} of {all} slots discarded; limit {limit} in 1000", all - valid);
    let mut failure =
        (permille > u64::from(limit)).then(|| Failure { cell: None, detail: detail.clone() });
    for arm in &run.arms {
        let own = run.cells.iter().filter(|cell| cell.arm == arm.id);
        let (all, valid) = own.fold((0, 0), |(all, valid), cell| {
            (all + cell.slots.discarded.len(), valid + valid_slots(&cell.slots).count())
        });
        if (all - valid) * 1_000 > all * 2 * limit as usize {
            let detail = format!("{} of {all} slots of {} discarded", all - valid, arm.id);
            failure = failure.or(Some(Failure { cell: None, detail }));
        }
    }
    check("discarded-slots", failure, || detail)
}

/// Two servers of `none` do not differ, at 99.9 %.
fn noise_floor(run: &Run) -> Check {
    let floor = CpuTable::new(run).noise_floor();
    let Some(floor) = floor else {
        return check("a-a", None, || "not judged: no A/A arm in two blocks or more".into());
    };
    let (low, high, blocks) = (floor.low_999, floor.high_999, floor.difference.n);
    let said = format!("99.9 % interval {low} to {high} over {blocks} blocks");
    if blocks < AA_BLOCKS {
        return check("a-a", None, || format!("not judged below {AA_BLOCKS} blocks: {said}"));
    }
    let failure = (!floor.contains_zero)
        .then(|| Failure { cell: None, detail: format!("{said}; it must contain 0") });
    check("a-a", failure, || said)
}

fn arm<'a>(run: &'a Run, cell: &Cell) -> Option<&'a Arm> {
    run.arms.iter().find(|arm| arm.id == cell.arm)
}
