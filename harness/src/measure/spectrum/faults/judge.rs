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
pub(super) struct Frame {
    /// The fault.
    pub(super) fault: Fault,
    /// From a logout's acknowledgement to when it is due; `None` where nothing is revoked.
    pub(super) promise_ns: Option<u64>,
    /// A promise of a time is kept to within this; one of `immediate` exactly.
    pub(super) tolerance_ns: u64,
    /// When the fault began and ended.
    pub(super) span_ns: (u64, u64),
    /// When the last probe was due.
    pub(super) end_ns: u64,
    /// Server processes; the last one is the one that faults of one node strike.
    pub(super) nodes: usize,
}

/// Why a trial says nothing: something was wrong before the fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Disturbed(pub(super) String);

/// The prober's connections to a process that restarted break one by one, and may be found broken
/// this long after the new process is there: not its doing.
const RECONNECT_NS: u64 = 250_000_000;

/// When a request was first sent; when it was released, where it never was.
const fn sent_ns(row: &Row) -> u64 {
    if row.written_ns == 0 { row.dispatched_ns } else { row.written_ns }
}

/// Judges one strategy's rows of one trial.
///
/// # Errors
/// [`Disturbed`]: the trial is to be repeated.
pub(super) fn judge(frame: &Frame, rows: &[(Part, Row)]) -> Result<FaultTrial, Disturbed> {
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
        if is_restarted && row.status == 0 && sent <= end_ns.saturating_add(RECONNECT_NS) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    const MS: u64 = 1_000_000;
    /// The logout before the fault, the begin of the fault, its end, the trial's.
    const TIMES: [u64; 4] = [60 * MS, 300 * MS, 1_300 * MS, 2_100 * MS];

    fn frame(fault: Fault) -> Frame {
        let (span_ns, end_ns) = ((TIMES[1], TIMES[2]), TIMES[3]);
        Frame { fault, promise_ns: Some(0), tolerance_ns: 0, span_ns, end_ns, nodes: 2 }
    }

    fn row(at_ns: u64, status: u16) -> Row {
        Row {
            intended_ns: at_ns,
            dispatched_ns: at_ns,
            written_ns: at_ns,
            done_ns: at_ns + MS,
            status,
            outcome: if status == 0 { Outcome::ConnectionError } else { Outcome::Expected },
            ..Row::NEVER_SENT
        }
    }

    /// Two nodes, each credential presented every 20 ms and answered as `says` at that time.
    fn rows(says: impl Fn(Role, usize, u64) -> u16) -> Vec<(Part, Row)> {
        let mut rows = vec![
            (Part::LogoutBefore, row(TIMES[0], 200)),
            (Part::LogoutDuring, row(TIMES[1] + 50 * MS, 200)),
        ];
        for role in Role::ALL {
            for node in 0..2 {
                for at_ns in (0..TIMES[3]).step_by(20 * MS as usize) {
                    rows.push((Part::Probe(role, node), row(at_ns, says(role, node, at_ns))));
                }
            }
        }
        rows
    }

    /// What a strategy answers that nothing can shake.
    fn right(role: Role, at_ns: u64) -> u16 {
        let out_ns = match role {
            Role::Valid => u64::MAX,
            Role::RevokedBefore => TIMES[0],
            Role::RevokedDuring => TIMES[1] + 50 * MS,
        };
        if at_ns <= out_ns { 200 } else { 401 }
    }

    #[test]
    fn what_nothing_can_shake_is_counted_and_blameless() {
        for fault in Fault::ALL {
            let found = judge(&frame(fault), &rows(|role, _, at| right(role, at))).unwrap();
            let bad = [found.revoked_before_admitted, found.revoked_during_admitted];
            assert_eq!((bad, found.last_wrong_allow_ns), ([0, 0], None));
            assert_eq!(
                (found.valid_denied, found.valid_unavailable, found.valid_cut_off),
                (0, 0, 0)
            );
            assert_eq!(found.recovered_after_ns, Some(0));
            assert_eq!((found.valid_presented, found.fault_ns), (180, 1_000 * MS));
            assert_eq!(found.revoked_during_presented, 2 * 87);
            assert!(found.revoked_before_presented > 170 && !found.open_at_end);
            assert_eq!(found.revocations_acknowledged, 1);
        }
    }

    #[test]
    fn one_node_that_is_out_of_reach_is_closed_and_its_recovery_is_timed() {
        let found = rows(|role, node, at| match (role, node) {
            (Role::Valid, 1) if (TIMES[1]..TIMES[2] + 200 * MS).contains(&at) => 503,
            _ => right(role, at),
        });
        let found = judge(&frame(Fault::Partition), &found).unwrap();
        assert_eq!((found.valid_unavailable, found.recovered_after_ns), (60, Some(200 * MS)));
        let never = rows(|role, node, at| {
            if role == Role::Valid && node == 1 && at > TIMES[1] { 401 } else { right(role, at) }
        });
        let never = judge(&frame(Fault::StoreLost), &never).unwrap();
        assert_eq!((never.valid_denied > 80, never.recovered_after_ns), (true, None));
    }

    #[test]
    fn a_missed_revocation_is_late_or_open_and_an_undone_one_revives() {
        let admitted = |who: Role, from_ns: u64, to_ns: u64, fault| {
            let rows = rows(|role, _, at| {
                let wrong = role == who && (from_ns..to_ns).contains(&at);
                if wrong { 200 } else { right(role, at) }
            });
            judge(&frame(fault), &rows).unwrap()
        };
        let (begin, end, last) = (TIMES[1], TIMES[2], TIMES[3]);
        let late = admitted(Role::RevokedDuring, begin, begin + 400 * MS, Fault::FeedSilent);
        assert!(!late.open_at_end && !late.revived_at_end);
        assert_eq!(late.last_wrong_allow_ns, Some(380 * MS - 51 * MS));
        let open = admitted(Role::RevokedDuring, begin, end, Fault::FeedSilent);
        assert!(open.open_at_end && !open.revived_at_end);
        // Admitted for want of a store, refused again once it is back.
        let open = admitted(Role::RevokedBefore, begin, end, Fault::StoreDown);
        assert!(open.open_at_end && !open.revived_at_end && open.revoked_before_admitted == 98);
        let revived = admitted(Role::RevokedBefore, end, last, Fault::StoreLost);
        assert!(revived.revived_at_end && revived.revoked_during_admitted == 0);
        let missed = admitted(Role::RevokedDuring, begin, last, Fault::StoreLost);
        assert!(missed.open_at_end && !missed.revived_at_end);
    }

    #[test]
    fn a_process_that_restarts_is_apart_from_what_it_does_afterwards() {
        let cut = rows(|role, node, at| match node {
            1 if (TIMES[1]..TIMES[2]).contains(&at) => 0,
            _ => right(role, at),
        });
        let broken = rows(|role, node, at| match node {
            1 if (TIMES[1]..TIMES[2] + 200 * MS).contains(&at) => 0,
            1 if at == TIMES[2] + 600 * MS => 0,
            _ => right(role, at),
        });
        let late = judge(&frame(Fault::NodeRestart), &broken).unwrap();
        assert_eq!((late.valid_cut_off, late.valid_unavailable), (60, 1));
        let restarted = judge(&frame(Fault::NodeRestart), &cut).unwrap();
        assert_eq!((restarted.valid_cut_off, restarted.valid_unavailable), (50, 0));
        assert_eq!(restarted.recovered_after_ns, Some(0));
        let struck = judge(&frame(Fault::Partition), &cut).unwrap();
        assert_eq!((struck.valid_cut_off, struck.valid_unavailable), (0, 50));
    }

    #[test]
    fn what_was_wrong_before_the_fault_says_nothing_about_it() {
        let good = || rows(|role, _, at| right(role, at));
        let early = rows(|role, _, at| if at == 100 * MS { 503 } else { right(role, at) });
        assert!(judge(&frame(Fault::StoreDown), &early).is_err());
        let kept = rows(|role, _, at| if at == 200 * MS { 200 } else { right(role, at) });
        assert!(judge(&frame(Fault::StoreDown), &kept).is_err());
        // A promise of a time is not broken before that time.
        let later = Frame { promise_ns: Some(150 * MS), ..frame(Fault::StoreDown) };
        assert!(judge(&later, &kept).is_ok());
        let undue = Frame { promise_ns: Some(500 * MS), ..frame(Fault::StoreDown) };
        assert!(judge(&undue, &good()).is_err());
        let mut refused = good();
        refused[0].1.status = 503;
        assert!(judge(&frame(Fault::StoreDown), &refused).is_err());
        let nothing = Frame { promise_ns: None, ..frame(Fault::StoreDown) };
        assert_eq!(judge(&nothing, &refused).unwrap().revoked_before_presented, 0);
    }

    #[test]
    fn a_logout_that_was_refused_revokes_nothing() {
        for (status, counted) in [(503, [0, 1, 0]), (0, [0, 1, 0]), (401, [0, 0, 1])] {
            let mut rows = rows(|role, _, at| match role {
                Role::RevokedDuring => 200,
                Role::Valid | Role::RevokedBefore => right(role, at),
            });
            rows[1].1.status = status;
            let found = judge(&frame(Fault::StoreDown), &rows).unwrap();
            let all = [
                found.revocations_acknowledged,
                found.revocations_refused,
                found.revocations_denied,
            ];
            assert_eq!((all, found.revoked_during_presented), (counted, 0));
        }
    }
}
