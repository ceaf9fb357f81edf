//! Whether the sweep of distances may be believed: every window accounted for, every answer the
//! expected one, not too many windows disturbed.

use super::{Failure, check};
use crate::record::run::{Check, DistanceCell, PlanRecord, Run};

/// The checks of a sweep, its name before theirs; none where there was no sweep.
pub(super) fn checks(run: &Run, plan: &PlanRecord) -> Vec<Check> {
    if run.distance.is_empty() {
        return vec![];
    }
    let limit = plan.discard_limit_permille;
    let own = [ledger(run), outcomes(run), commands(run), discarded(run, limit)];
    own.into_iter()
        .map(|check| Check { name: format!("distance/{}", check.name), ..check })
        .collect()
}

fn place(cell: &DistanceCell) -> String {
    let at = cell.round_trip_ns.map_or_else(
        || "without the line".to_owned(),
        |ns| format!("at a round trip of {} µs", ns / 1_000),
    );
    format!("{}, block {}, {at}", cell.arm, cell.block)
}

fn ledger(run: &Run) -> Check {
    let open = run.distance.iter().find(|cell| !cell.ledger.closes());
    let failure = open.map(|cell| Failure {
        cell: None,
        detail: format!(
            "{}: {} scheduled, {} accounted for",
            place(cell),
            cell.ledger.scheduled,
            cell.ledger.accounted()
        ),
    });
    let windows = run.distance.len();
    check("ledger-closes", failure, || format!("{windows} windows, every request accounted for"))
}

/// A disturbed window may hold errors (it is discarded), but never a wrong outcome.
fn outcomes(run: &Run) -> Check {
    let is_wrong = |cell: &&DistanceCell| {
        let errors = if cell.discarded.is_empty() { cell.ledger.http_error } else { 0 };
        cell.ledger.wrong_outcome > 0 || errors > 0
    };
    let failure = run.distance.iter().find(is_wrong).map(|cell| {
        let (wrong, errors) = (cell.ledger.wrong_outcome, cell.ledger.http_error);
        let detail =
            format!("{}: {wrong} other answers, {errors} HTTP errors; must be 0", place(cell));
        Failure { cell: None, detail }
    });
    check("outcomes", failure, || "every answer was the expected one".into())
}

/// Redis processed what the strategies declare, in the windows that count.
fn commands(run: &Run) -> Check {
    let differs = |cell: &&DistanceCell| {
        let declared = run.strategies.iter().find(|record| record.id == cell.strategy);
        let each = declared.map_or(0, |record| u64::from(record.redis_commands_per_request));
        let (least, most) = (each * cell.ledger.expected, each * cell.ledger.scheduled);
        let is_off = |n: u64| n < least || n > most;
        cell.discarded.is_empty() && cell.redis_commands.is_some_and(is_off)
    };
    let failure = run.distance.iter().find(differs).map(|cell| {
        let counted = cell.redis_commands.unwrap_or(0);
        let detail = format!(
            "{}: Redis counted {counted} commands for {} requests",
            place(cell),
            cell.ledger.scheduled
        );
        Failure { cell: None, detail }
    });
    check("redis-commands", failure, || "Redis counted what the strategies declare".into())
}

fn discarded(run: &Run, limit: u32) -> Check {
    let all = run.distance.len();
    let bad = run.distance.iter().filter(|cell| !cell.discarded.is_empty()).count();
    let permille = (bad * 1_000).div_ceil(all.max(1)) as u64;
    let detail = format!("{bad} of {all} windows discarded; limit {limit} in 1000");
    let failure =
        (permille > u64::from(limit)).then(|| Failure { cell: None, detail: detail.clone() });
    check("discarded-windows", failure, || detail)
}
