//! What an answer means, and what a trial's answers say together.

use crate::load::driver::Executed;
use crate::load::outcome::Row;
use crate::measure::foreign::credential::unchunked;
use crate::measure::foreign::layout::REFUSALS;
use crate::plan::foreign::Probe;
use crate::record::foreign::{Trial, Verdict};

/// What the application made of a credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// It admitted it.
    Accepted,
    /// It turned it away.
    Refused,
    /// The answer says neither, or there was none.
    Neither,
}

/// Reads answers as a target file says.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    probe: &'a Probe,
}

impl<'a> Judge<'a> {
    /// A judge of the probe's answers.
    #[must_use]
    pub const fn of(probe: &'a Probe) -> Self {
        Self { probe }
    }

    /// Whether it must see bodies.
    #[must_use]
    pub const fn needs_bodies(self) -> bool {
        self.probe.accept_contains.is_some()
    }

    /// What every row means. Answers that came after the timeout count: they were given.
    #[must_use]
    pub fn all(self, executed: &Executed) -> Vec<Seen> {
        let mut seen: Vec<Seen> =
            executed.rows.iter().map(|row| self.of_status(row.status)).collect();
        if let Some(marker) = &self.probe.accept_contains {
            let mut marked = vec![false; seen.len()];
            for (index, answer) in &executed.captured {
                marked[*index] = holds(answer, marker.as_bytes());
            }
            for (seen, marked) in seen.iter_mut().zip(marked) {
                if *seen == Seen::Accepted && !marked {
                    *seen = Seen::Refused;
                }
            }
        }
        seen
    }

    fn of_status(self, status: u16) -> Seen {
        if self.probe.accept.contains(&status) {
            Seen::Accepted
        } else if self.probe.refuse.contains(&status) {
            Seen::Refused
        } else {
            Seen::Neither
        }
    }
}

/// Whether the answer's body holds `marker`.
fn holds(answer: &[u8], marker: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let body = unchunked(&String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    body.windows(marker.len()).any(|window| window == marker)
}

/// One probe of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Probed {
    /// Which node was asked.
    pub node: usize,
    /// When its first byte was written; 0 when it was never sent.
    pub written_ns: u64,
    /// When its answer was read, or it was given up.
    pub done_ns: u64,
    /// What came of it.
    pub seen: Seen,
    /// Whether there was an answer.
    pub was_answered: bool,
}

/// What a trial's answers say; `logout_accepted`, whether the logout's status says it was done.
#[must_use]
pub fn trial(
    logout: &Row,
    logout_accepted: bool,
    probes: &[Probed],
    nodes: usize,
    watch_ns: u64,
) -> Trial {
    let ack_ns = logout.done_ns;
    let begun_ns = probes.iter().map(|p| p.written_ns).filter(|at| *at > 0).min().unwrap_or(0);
    let unjudged = probes.iter().filter(|p| p.seen == Seen::Neither).count() as u64;
    let mut trial = Trial {
        verdict: Verdict::Settled,
        why: None,
        age_ns: logout.written_ns.saturating_sub(begun_ns),
        call_ns: logout.service_ns(),
        last_accepted_ns: None,
        first_refused_ns: None,
        stale_accepts: 0,
        refusals: u64::MAX,
        accepts_after_refusal: 0,
        unjudged,
        unanswered: probes.iter().filter(|p| !p.was_answered).count() as u64,
    };
    let mut why = (!logout_accepted).then(|| format!("the logout was answered {}", logout.status));
    let mut is_open = false;
    for node in 0..nodes {
        let own = node_of(probes, node, ack_ns);
        trial.last_accepted_ns = trial.last_accepted_ns.max(own.last_accepted_ns);
        trial.first_refused_ns = trial.first_refused_ns.max(own.first_refused_ns);
        trial.stale_accepts += own.stale_accepts;
        trial.refusals = trial.refusals.min(own.refusals);
        trial.accepts_after_refusal += own.accepts_after_refusal;
        if !own.was_good {
            why.get_or_insert_with(|| "the credential was not accepted before its logout".into());
        }
        if own.refusals < REFUSALS {
            let watched = i64::try_from(watch_ns).unwrap_or(i64::MAX);
            if own.last_accepted_ns.is_some_and(|last| last >= watched) {
                is_open = true;
            } else {
                why.get_or_insert_with(|| {
                    format!("{unjudged} probes were neither accepted nor refused")
                });
            }
        }
    }
    if why.is_some() {
        trial.verdict = Verdict::Unjudged;
        trial.why = why;
    } else if is_open {
        trial.verdict = Verdict::NotSettled;
        trial.first_refused_ns = None;
    }
    trial
}

/// What one node's answers say; times from the acknowledgement.
struct NodeSays {
    was_good: bool,
    last_accepted_ns: Option<i64>,
    first_refused_ns: Option<i64>,
    stale_accepts: u64,
    refusals: u64,
    accepts_after_refusal: u64,
}

fn node_of(probes: &[Probed], node: usize, ack_ns: u64) -> NodeSays {
    let of_node = |p: &&Probed| p.node == node && p.written_ns > 0 && p.seen != Seen::Neither;
    let mut own: Vec<Probed> = probes.iter().filter(of_node).copied().collect();
    own.sort_by_key(|probe| probe.written_ns);
    let accepted = |probe: &Probed| probe.seen == Seen::Accepted;
    let after = own.iter().rposition(accepted).map_or(0, |last| last + 1);
    // Probes travel on several connections and may overtake each other: only one that was sent
    // after a refusal had been read contradicts it.
    let refused = own.iter().filter(|probe| !accepted(probe)).map(|probe| probe.done_ns);
    let first_refused_ns = refused.min().unwrap_or(u64::MAX);
    let accepts_after =
        |at_ns: u64| own.iter().filter(|p| accepted(p) && p.written_ns > at_ns).count() as u64;
    let at = |index: usize| own.get(index).map(|p| difference(p.written_ns, ack_ns));
    NodeSays {
        was_good: own.iter().any(|p| accepted(p) && p.written_ns < ack_ns),
        last_accepted_ns: after.checked_sub(1).and_then(at),
        first_refused_ns: at(after),
        stale_accepts: accepts_after(ack_ns),
        refusals: (own.len() - after) as u64,
        accepts_after_refusal: accepts_after(first_refused_ns),
    }
}

fn difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    const WATCH_NS: u64 = 100_000;

    fn logout() -> Row {
        Row {
            intended_ns: 20_000,
            dispatched_ns: 20_000,
            written_ns: 20_000,
            done_ns: 20_100,
            status: 200,
            outcome: Outcome::Expected,
            ..Row::NEVER_SENT
        }
    }

    /// Probes each 1,000 ns; node `n` accepts up to `lags[n]` after the acknowledgement at 20,100.
    fn probes(lags: &[i64]) -> Vec<Probed> {
        let mut probes = Vec::new();
        for (node, lag) in lags.iter().enumerate() {
            for written_ns in (10_000..20_100 + WATCH_NS + 60_000).step_by(1_000) {
                let accepted = difference(written_ns, 20_100) <= *lag;
                let seen = if accepted { Seen::Accepted } else { Seen::Refused };
                let done_ns = written_ns + 1_500;
                probes.push(Probed { node, written_ns, done_ns, seen, was_answered: true });
            }
        }
        probes
    }

    #[test]
    fn the_lag_is_the_slowest_nodes_to_within_one_interval() {
        for truth in [-1, 7_000, 45_500, 99_000] {
            let found = trial(&logout(), true, &probes(&[-1, truth]), 2, WATCH_NS);
            assert_eq!((found.verdict, found.age_ns), (Verdict::Settled, 10_000), "{found:?}");
            let (last, first) = (found.last_accepted_ns.unwrap(), found.first_refused_ns.unwrap());
            assert!(last <= truth && truth < first && first - last <= 1_000, "{found:?}");
        }
        let found = trial(&logout(), true, &probes(&[900, 2_900]), 2, WATCH_NS);
        assert_eq!(found.stale_accepts, 4);
    }

    #[test]
    fn what_is_still_accepted_when_the_watch_ends_is_a_result() {
        let found = trial(&logout(), true, &probes(&[-1, i64::MAX]), 2, WATCH_NS);
        assert_eq!(found.verdict, Verdict::NotSettled);
        assert_eq!((found.first_refused_ns, found.refusals), (None, 0));
        assert!(found.last_accepted_ns.unwrap() >= WATCH_NS as i64 && found.stale_accepts > 100);
    }

    #[test]
    fn what_the_answers_do_not_say_is_not_judged() {
        let mut outage = probes(&[-1]);
        outage.iter_mut().skip(30).for_each(|probe| probe.seen = Seen::Neither);
        outage[31].was_answered = false;
        let found = trial(&logout(), true, &outage, 1, WATCH_NS);
        assert_eq!(found.verdict, Verdict::Unjudged, "an outage is no refusal");
        assert!(found.why.unwrap().contains("neither accepted nor refused"));
        assert_eq!((found.unjudged, found.unanswered), (141, 1));
        let found = trial(&logout(), true, &probes(&[-20_000]), 1, WATCH_NS);
        assert_eq!(found.verdict, Verdict::Unjudged);
        assert!(found.why.unwrap().contains("not accepted before"));
        let refused = Row { status: 403, ..logout() };
        let found = trial(&refused, false, &probes(&[-1]), 1, WATCH_NS);
        assert_eq!(found.why.as_deref(), Some("the logout was answered 403"));
    }

    #[test]
    fn an_acceptance_after_a_refusal_is_counted_and_ends_the_lag() {
        let mut late = probes(&[-1]);
        late[40].seen = Seen::Accepted;
        let found = trial(&logout(), true, &late, 1, WATCH_NS);
        assert_eq!((found.accepts_after_refusal, found.stale_accepts), (1, 1));
        assert_eq!(found.last_accepted_ns, Some(29_900));
        // One that overtook the first refusal does not contradict it.
        let mut overtaken = probes(&[-1]);
        let first = overtaken.iter().position(|p| p.seen == Seen::Refused).unwrap();
        overtaken[first + 1].seen = Seen::Accepted;
        assert_eq!(trial(&logout(), true, &overtaken, 1, WATCH_NS).accepts_after_refusal, 0);
    }
}
