//! From the rows of one trial to what it says: pure, and tested on made-up rows.
//!
//! Every answer is judged by when its request was first sent. What the fault found in flight
//! counts among the requests of the fault.

use authbench::strategy::contract::Fault;

use super::schedule::{Part, Role};
use super::shape::{TAIL_NS, lasts};
use crate::load::outcome::Row;
use crate::record::run::FaultTrial;

/// What the rows are judged by. Times in nanoseconds on the driver's clock.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The fault.
    pub fault: Fault,
    /// From a logout's acknowledgement to when it is due; `None` where nothing is revoked.
    pub promise_ns: Option<u64>,
    /// A promise of a time is kept to within this; one of `immediate` exactly.
    pub tolerance_ns: u64,
    /// When the fault began and ended.
    pub span_ns: (u64, u64),
    /// When the last probe was due.
    pub end_ns: u64,
    /// Server processes; the last one is the one that faults of one node strike.
    pub nodes: usize,
}

/// Why a trial says nothing: something was wrong before the fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Disturbed(pub String);

/// When a request was first sent; when it was released, where it never was.
const fn sent_ns(row: &Row) -> u64 {
    if row.written_ns == 0 { row.dispatched_ns } else { row.written_ns }
}

/// Judges one strategy's rows of one trial.
///
/// # Errors
/// [`Disturbed`]: the trial is to be repeated.
pub fn judge(frame: &Frame, rows: &[(Part, Row)]) -> Result<FaultTrial, Disturbed> {
    let (begin_ns, end_ns) = frame.span_ns;
    let fault_ns = end_ns.min(frame.end_ns).saturating_sub(begin_ns);
    let mut trial = FaultTrial { fault_ns, recovered_after_ns: Some(0), ..FaultTrial::default() };
    for node in 0..frame.nodes {
        valid(frame, rows, node, &mut trial)?;
    }
    if let Some(promise_ns) = frame.promise_ns {
        revoked_before(frame, rows, promise_ns, &mut trial)?;
        revoked_during(frame, rows, promise_ns, &mut trial)?;
    }
    Ok(trial)
}

fn probes(
    rows: &[(Part, Row)],
    is_one: impl Fn(Role, usize) -> bool,
) -> impl Iterator<Item = &Row> {
    rows.iter().filter_map(move |(part, row)| match part {
        Part::Probe(role, node) if is_one(*role, *node) => Some(row),
        Part::Probe(..) | Part::LogoutBefore | Part::LogoutDuring => None,
    })
}

/// The good credential on one node.
fn valid(
    frame: &Frame,
    rows: &[(Part, Row)],
    node: usize,
    trial: &mut FaultTrial,
) -> Result<(), Disturbed> {
    let (begin_ns, end_ns) = frame.span_ns;
    let is_restarted = frame.fault == Fault::NodeRestart && node + 1 == frame.nodes;
    let own: Vec<&Row> = probes(rows, |role, n| (role, n) == (Role::Valid, node)).collect();
    let mut failed_ns = None;
    let mut good_ns = Vec::new();
    for row in own {
        let sent = sent_ns(row);
        if row.done_ns < begin_ns {
            if !row.was_accepted() {
                let (status, outcome) = (row.status, row.outcome);
                let why =
                    format!("a good credential failed before the fault: {status}, {outcome:?}");
                return Err(Disturbed(why));
            }
            continue;
        }
        if is_restarted && row.status == 0 && sent <= end_ns {
            trial.valid_cut_off += 1;
            continue;
        }
        trial.valid_presented += 1;
        if row.was_accepted() {
            good_ns.push(sent);
            continue;
        }
        trial.valid_denied += u64::from(row.status == 401);
        trial.valid_unavailable += u64::from(row.status != 401);
        failed_ns = failed_ns.max(Some(sent));
    }
    if let Some(failed_ns) = failed_ns {
        let good_again = good_ns.into_iter().filter(|sent| *sent > failed_ns).min();
        let after = good_again.map(|sent| sent.saturating_sub(end_ns));
        trial.recovered_after_ns = trial.recovered_after_ns.zip(after).map(|(a, b)| a.max(b));
    }
    Ok(())
}

/// The credential that was revoked before the fault, on all nodes.
fn revoked_before(
    frame: &Frame,
    rows: &[(Part, Row)],
    promise_ns: u64,
    trial: &mut FaultTrial,
) -> Result<(), Disturbed> {
    let (begin_ns, end_ns) = frame.span_ns;
    let logout = rows.iter().find(|(part, _)| *part == Part::LogoutBefore);
    let Some((_, logout)) = logout.filter(|(_, row)| row.was_accepted()) else {
        return Err(Disturbed("the logout before the fault was not acknowledged".into()));
    };
    let due_ns = logout.done_ns.saturating_add(promise_ns);
    if frame.fault != Fault::ClockBehind && due_ns >= begin_ns {
        return Err(Disturbed("the logout before the fault was not due before it".into()));
    }
    let from_ns = due_ns.max(begin_ns);
    for row in probes(rows, |role, _| role == Role::RevokedBefore) {
        let sent = sent_ns(row);
        if row.was_accepted() && row.done_ns < begin_ns && sent > due_ns + frame.tolerance_ns {
            return Err(Disturbed("a revoked credential was admitted before the fault".into()));
        }
        if sent <= from_ns {
            continue;
        }
        trial.revoked_before_presented += 1;
        if row.was_accepted() {
            trial.revoked_before_admitted += 1;
            trial.last_wrong_allow_ns = trial.last_wrong_allow_ns.max(Some(sent - from_ns));
            let over = frame.fault != Fault::ClockBehind && sent > end_ns;
            trial.revived_at_end |= over && is_in_tail(sent, frame.end_ns);
            trial.open_at_end |= lasts(frame.fault) && is_in_tail(sent, end_ns.min(frame.end_ns));
        }
    }
    Ok(())
}

/// The credential that was revoked during the fault, on all nodes.
fn revoked_during(
    frame: &Frame,
    rows: &[(Part, Row)],
    promise_ns: u64,
    trial: &mut FaultTrial,
) -> Result<(), Disturbed> {
    let (begin_ns, end_ns) = frame.span_ns;
    let logout = rows.iter().find(|(part, _)| *part == Part::LogoutDuring);
    let Some((_, logout)) = logout else {
        return Err(Disturbed("there was no logout during the fault".into()));
    };
    if lasts(frame.fault) && sent_ns(logout) < begin_ns {
        return Err(Disturbed("the logout during the fault came before it".into()));
    }
    match logout.status {
        200..=299 => trial.revocations_acknowledged += 1,
        401 => trial.revocations_denied += 1,
        _ => trial.revocations_refused += 1,
    }
    if !logout.was_accepted() {
        return Ok(());
    }
    let due_ns = logout.done_ns.saturating_add(promise_ns);
    let last_ns = if lasts(frame.fault) { end_ns.min(frame.end_ns) } else { frame.end_ns };
    for row in probes(rows, |role, _| role == Role::RevokedDuring) {
        let sent = sent_ns(row);
        if sent <= due_ns {
            continue;
        }
        trial.revoked_during_presented += 1;
        if row.was_accepted() {
            trial.revoked_during_admitted += 1;
            trial.last_wrong_allow_ns = trial.last_wrong_allow_ns.max(Some(sent - due_ns));
            trial.open_at_end |= is_in_tail(sent, last_ns);
        }
    }
    Ok(())
}

/// Whether a request was sent in the last moments before `end_ns`.
const fn is_in_tail(sent_ns: u64, end_ns: u64) -> bool {
    sent_ns <= end_ns && sent_ns.saturating_add(TAIL_NS) > end_ns
}
