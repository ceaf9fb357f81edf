//! A trial: one revoked credential, probed on every node at equal intervals, and what its rows say.
//!
//! A trial is a schedule like any other. Revoker and prober share a thread and a clock. The lag is
//! counted from the logout's acknowledgement to the first-sent time of the last probe accepted.

use anyhow::{Context as _, ensure};

use super::layout::{Layout, PROBES_BEFORE, REFUSALS};
use crate::load::driver::{Driver, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::Row;
use crate::load::wallet::Account;
use crate::record::run::LagTrial;

/// What one call takes back, and what is presented to find out when.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The credential that the revoke call presents.
    pub presented: String,
    /// The credential that each node is asked about, in the nodes' order.
    pub probed: Vec<String>,
}

impl Revoked {
    /// One credential, presented to all of `nodes`.
    #[must_use]
    pub fn one(credential: &str, nodes: usize) -> Self {
        let probed = vec![credential.to_owned(); nodes];
        Self { presented: credential.to_owned(), probed }
    }

    /// Several of one subject, each node asked about another as far as there are.
    #[must_use]
    pub fn several(credentials: &[String], nodes: usize) -> Self {
        let probed = credentials.iter().cycle().take(nodes).cloned().collect();
        Self { presented: credentials.first().cloned().unwrap_or_default(), probed }
    }
}

/// What is sent meanwhile, over the same connections.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// When each is due; their `exchange` counts from the first of these.
    pub ops: Vec<Op>,
}

/// How one batch of trials is made.
#[derive(Clone, Copy, Debug)]
pub struct Probing<'a> {
    /// `/logout` or `/logout-all`.
    pub path: &'a str,
    /// When what is due.
    pub layout: &'a Layout,
    /// The promised bound, nanoseconds: what is accepted later is no short trial but a finding.
    pub bound_ns: u64,
    /// When the credentials were handed out, on the driver's clock.
    pub logged_in_ns: u64,
    /// What is sent meanwhile.
    pub beside: &'a Beside,
}

/// What the probes of one layout found.
#[derive(Clone, Debug)]
pub struct Probed {
    /// One trial per credential, in the credentials' order.
    pub trials: Vec<LagTrial>,
    /// Per node, `last_accepted_ns` of each trial there.
    pub node_lags_ns: Vec<Vec<i64>>,
    /// When each logout's acknowledgement was read, on the driver's clock.
    pub acknowledged_ns: Vec<u64>,
    /// The driver's worst lateness.
    pub slip_max_ns: u64,
    /// What became of the requests beside, in the order of their ops.
    pub beside: Vec<Row>,
}

/// Revokes each of `credentials` on the first of `accounts` and probes it on all of them.
///
/// # Errors
/// When the driver fails, or a trial cannot be judged.
pub fn probe(
    driver: &mut Driver,
    accounts: &[Account],
    credentials: &[Revoked],
    probing: &Probing<'_>,
) -> anyhow::Result<Probed> {
    let (ops, exchanges) = schedule(probing, accounts, credentials);
    let executed = driver.execute(&ops, &exchanges, Mode::Open, false)?;
    let per_trial = u32::try_from(accounts.len())? + 1;
    let mut sorted: Vec<Vec<(u32, Row)>> = vec![Vec::new(); credentials.len()];
    let mut beside = Vec::with_capacity(probing.beside.ops.len());
    for (op, row) in ops.iter().zip(&executed.rows) {
        let (trial, kind) = (op.exchange / per_trial, op.exchange % per_trial);
        match sorted.get_mut(trial as usize) {
            Some(rows) => rows.push((kind, *row)),
            None => beside.push(*row),
        }
    }
    let done = |rows: &Vec<(u32, Row)>| rows.iter().find(|(k, _)| *k == 0).map(|(_, r)| r.done_ns);
    let mut probed = Probed {
        trials: Vec::with_capacity(credentials.len()),
        node_lags_ns: vec![Vec::with_capacity(credentials.len()); accounts.len()],
        acknowledged_ns: sorted.iter().filter_map(done).collect(),
        slip_max_ns: executed.rows.iter().map(Row::slip_ns).max().unwrap_or(0),
        beside,
    };
    let mut never = vec![0; accounts.len()];
    for rows in &sorted {
        let (trial, nodes) = judge(rows, accounts.len(), probing)?;
        probed.trials.push(trial);
        let columns = probed.node_lags_ns.iter_mut().zip(&mut never);
        for ((lags, never), node) in columns.zip(nodes) {
            lags.push(node.lag_ns);
            *never += usize::from(!node.accepted);
        }
    }
    // A host that pauses can make a node miss what was sent before a logout; one that misses it
    // as a rule does not know the credentials, and refuses nothing by their revocation.
    let blind = never.iter().position(|trials| 2 * trials > credentials.len());
    ensure!(blind.is_none(), "a node accepted hardly any credential before it was revoked");
    Ok(probed)
}

/// Exchanges `[logout, probe of node 0, probe of node 1, ..]` per credential, those beside behind
/// them, and when each is due.
fn schedule(
    probing: &Probing<'_>,
    accounts: &[Account],
    credentials: &[Revoked],
) -> (Vec<Op>, Vec<Exchange>) {
    let layout = probing.layout;
    let mut exchanges = Vec::new();
    let mut ops = Vec::new();
    for (trial, (revoked, logout_ns)) in credentials.iter().zip(&layout.logouts_ns).enumerate() {
        let logout = u32::try_from(exchanges.len()).unwrap_or(u32::MAX);
        let (presented, expect) = (&revoked.presented, Expect::Status(200));
        exchanges.push(accounts[0].exchange("POST", probing.path, presented, expect));
        ops.push(Op { at_ns: *logout_ns, target: accounts[0].target, exchange: logout });
        let first_ns = logout_ns.saturating_sub(PROBES_BEFORE * layout.interval_ns);
        for (node, (account, credential)) in accounts.iter().zip(&revoked.probed).enumerate() {
            let exchange = logout + 1 + u32::try_from(node).unwrap_or(0);
            let target = account.target;
            exchanges.push(account.exchange("GET", "/me", credential, Expect::Status(200)));
            if let Some(at_ns) = layout.primes_ns.get(trial).and_then(|primes| primes.get(node)) {
                ops.push(Op { at_ns: *at_ns, target, exchange });
            }
            // Nodes are probed in turn, not at the same instant.
            let phase_ns = node as u64 * layout.interval_ns / accounts.len() as u64;
            let mut at_ns = first_ns + phase_ns;
            while at_ns < logout_ns + layout.probe_for_ns {
                ops.push(Op { at_ns, target, exchange });
                at_ns += layout.interval_ns;
            }
        }
    }
    let own = u32::try_from(exchanges.len()).unwrap_or(u32::MAX);
    exchanges.extend(probing.beside.exchanges.iter().cloned());
    ops.extend(probing.beside.ops.iter().map(|op| Op { exchange: own + op.exchange, ..*op }));
    // Stable: what is sent beside stays in its order.
    ops.sort_by_key(|op| op.at_ns);
    (ops, exchanges)
}

/// What one node did in one trial.
#[derive(Clone, Copy, Debug)]
struct NodeLag {
    /// From the acknowledgement to the first-sent time of the last probe accepted; of the first
    /// probe, which can only be later, where none was.
    lag_ns: i64,
    /// Whether any probe was accepted.
    accepted: bool,
}

/// What one trial's rows say, and each node's lag. Kind 0 is the logout, kind `n` a probe of node
/// `n - 1`.
fn judge(
    rows: &[(u32, Row)],
    nodes: usize,
    probing: &Probing<'_>,
) -> anyhow::Result<(LagTrial, Vec<NodeLag>)> {
    let logout = rows.iter().find(|(kind, _)| *kind == 0).context("no logout")?.1;
    ensure!(logout.was_accepted(), "a logout was answered with status {}", logout.status);
    let ack_ns = logout.done_ns;
    let mut trial = LagTrial {
        age_ns: logout.written_ns.saturating_sub(probing.logged_in_ns),
        call_ns: logout.service_ns(),
        last_accepted_ns: i64::MIN,
        first_refused_ns: Some(i64::MIN),
        stale_accepts: 0,
        refusals: u64::MAX,
        accepts_after_refusal: 0,
    };
    let mut lags = Vec::with_capacity(nodes);
    for node in 1..=nodes {
        let mut probes: Vec<Row> =
            rows.iter().filter(|(k, _)| *k as usize == node).map(|(_, row)| *row).collect();
        probes.sort_by_key(|row| row.written_ns);
        let unjudged = probes.iter().filter(|r| !(r.was_accepted() || r.status == 401)).count();
        ensure!(unjudged == 0, "{unjudged} probes were neither accepted nor refused");
        let last = probes.iter().rposition(Row::was_accepted);
        let first_refused = probes.iter().position(|row| !row.was_accepted());
        let (after, accepted) = (last.map_or(0, |last| last + 1), last.is_some());
        let shown = probes.get(last.unwrap_or(0)).context("a node was not asked")?;
        let lag_ns = signed_difference(shown.written_ns, ack_ns);
        lags.push(NodeLag { lag_ns, accepted });
        if accepted {
            trial.last_accepted_ns = trial.last_accepted_ns.max(lag_ns);
        }
        // One node that never refuses is a credential that was never refused.
        let refused = probes.get(after).map(|row| signed_difference(row.written_ns, ack_ns));
        let so_far = trial.first_refused_ns;
        trial.first_refused_ns = so_far.zip(refused).map(|(one, other)| one.max(other));
        trial.stale_accepts +=
            probes.iter().filter(|r| r.was_accepted() && r.written_ns > ack_ns).count() as u64;
        trial.refusals = trial.refusals.min((probes.len() - after) as u64);
        trial.accepts_after_refusal += first_refused.map_or(0, |first| {
            probes[first..].iter().filter(|row| row.was_accepted()).count() as u64
        });
    }
    ensure!(trial.last_accepted_ns > i64::MIN, "the credential was never accepted");
    let is_kept = trial.last_accepted_ns <= i64::try_from(probing.bound_ns).unwrap_or(i64::MAX);
    ensure!(
        trial.refusals >= REFUSALS || !is_kept,
        "only {} refusals were seen after the last acceptance; {REFUSALS} are needed, and the \
         revoke call took {} ms",
        trial.refusals,
        trial.call_ns / 1_000_000
    );
    Ok((trial, lags))
}

fn signed_difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    fn row(written_ns: u64, status: u16) -> Row {
        Row {
            intended_ns: written_ns,
            dispatched_ns: written_ns,
            written_ns,
            done_ns: written_ns + 100,
            request_bytes: 1,
            response_bytes: 1,
            status,
            outcome: Outcome::Expected,
            ..Row::NEVER_SENT
        }
    }

    /// Probes each 1,000 ns on `nodes` nodes; node `n` accepts up to `lags[n]` past the
    /// acknowledgement at 20,100.
    fn trial(lags: &[i64]) -> Vec<(u32, Row)> {
        let mut rows = vec![(0, row(20_000, 200))];
        for (node, lag) in lags.iter().enumerate() {
            for at in (10_000..200_000_u64).step_by(1_000) {
                let accepted = signed_difference(at, 20_100) <= *lag;
                rows.push((node as u32 + 1, row(at, if accepted { 200 } else { 401 })));
            }
        }
        rows
    }

    /// Judged against a bound, by a prober that knows when the credentials were handed out.
    fn judged(rows: &[(u32, Row)], nodes: usize, bound_ns: u64) -> anyhow::Result<LagTrial> {
        let (beside, logouts_ns) = (Beside::default(), vec![]);
        let layout = Layout { logouts_ns, primes_ns: vec![], probe_for_ns: 0, interval_ns: 1_000 };
        let logged_in_ns = 5_000;
        let path = "/logout";
        let probing = Probing { path, layout: &layout, bound_ns, logged_in_ns, beside: &beside };
        let (trial, lags) = judge(rows, nodes, &probing)?;
        let seen = lags.iter().filter(|node| node.accepted).map(|node| node.lag_ns);
        assert_eq!(seen.max(), Some(trial.last_accepted_ns));
        Ok(trial)
    }

    #[test]
    fn the_lag_is_the_slowest_nodes_to_within_one_interval() {
        for truth in [0, 7_000, 45_500] {
            let found = judged(&trial(&[0, truth]), 2, 50_000).unwrap();
            assert!(found.last_accepted_ns <= truth, "{truth}: {found:?}");
            assert!(found.first_refused_ns.unwrap() > truth, "{truth}: {found:?}");
            assert!(found.first_refused_ns.unwrap() - found.last_accepted_ns <= 1_000);
            assert_eq!(found.age_ns, 15_000);
        }
    }

    #[test]
    fn stale_accepts_are_those_first_sent_after_the_acknowledgement() {
        assert_eq!(judged(&trial(&[-1]), 1, 0).unwrap().stale_accepts, 0);
        assert_eq!(judged(&trial(&[900]), 1, 0).unwrap().stale_accepts, 1);
        assert_eq!(judged(&trial(&[900, 2_900]), 2, 0).unwrap().stale_accepts, 4);
    }

    #[test]
    fn a_trial_that_ends_too_early_or_was_not_judged_is_no_trial() {
        let too_few = judged(&trial(&[150_000]), 1, 160_000);
        assert!(too_few.unwrap_err().to_string().contains("refusals"));
        let mut broken = trial(&[0]);
        broken[3].1.status = 503;
        assert!(judged(&broken, 1, 0).is_err(), "an outage is no refusal");
        let mut refused = trial(&[0]);
        refused[0].1.status = 401;
        assert!(judged(&refused, 1, 0).is_err(), "the logout was refused");
        assert!(judged(&trial(&[-20_000]), 1, 0).is_err(), "nothing was seen to end");
    }

    #[test]
    fn a_node_that_missed_what_came_before_does_not_shorten_the_lag() {
        let found = judged(&trial(&[7_000, -20_000]), 2, 10_000).unwrap();
        let alone = judged(&trial(&[7_000]), 1, 10_000).unwrap();
        assert_eq!(found.last_accepted_ns, alone.last_accepted_ns);
        assert_eq!(found.first_refused_ns, alone.first_refused_ns);
    }

    #[test]
    fn what_outlasts_its_bound_is_a_finding_and_not_a_short_trial() {
        let late = judged(&trial(&[0, 150_000]), 2, 100_000).unwrap();
        assert!(late.last_accepted_ns > 100_000 && late.first_refused_ns.is_some());
        let endless = judged(&trial(&[0, 1_000_000]), 2, 100_000).unwrap();
        assert_eq!((endless.first_refused_ns, endless.refusals), (None, 0));
    }

    #[test]
    fn an_acceptance_after_a_refusal_is_reported() {
        let mut rows = trial(&[0]);
        let late = rows.iter().position(|(k, r)| *k == 1 && r.written_ns == 60_000).unwrap();
        rows[late].1.status = 200;
        let found = judged(&rows, 1, 0).unwrap();
        assert_eq!((found.accepts_after_refusal, found.stale_accepts), (1, 1));
        assert_eq!(found.last_accepted_ns, 39_900);
    }

    #[test]
    fn every_node_is_asked_and_what_is_beside_comes_behind() {
        let carrier = authbench::credential::Carrier::Bearer;
        let account = |target| Account { target, address: ([127, 0, 0, 1], 1).into(), carrier };
        let accounts = [account(0), account(1)];
        let layout = Layout {
            logouts_ns: vec![50_000],
            primes_ns: vec![vec![5_000, 7_000]],
            probe_for_ns: 20_000,
            interval_ns: 1_000,
        };
        let all = [String::from("a"), String::from("b"), String::from("c")];
        let revoked = [Revoked::several(&all, 2)];
        let other = accounts[1].exchange("GET", "/me", "other", Expect::Status(200));
        let op = Op { at_ns: 6_000, target: 1, exchange: 0 };
        let beside = Beside { exchanges: vec![other], ops: vec![op] };
        let probing = Probing {
            path: "/logout-all",
            layout: &layout,
            bound_ns: 0,
            logged_in_ns: 0,
            beside: &beside,
        };
        let (ops, exchanges) = schedule(&probing, &accounts, &revoked);
        assert_eq!(exchanges.len(), 4);
        let text = |i: usize| String::from_utf8_lossy(&exchanges[i].request).into_owned();
        assert!(text(0).starts_with("POST /logout-all") && text(0).contains("Bearer a"));
        assert!(text(1).contains("Bearer a") && text(2).contains("Bearer b"));
        let first: Vec<(u64, u32)> = ops.iter().take(3).map(|op| (op.at_ns, op.exchange)).collect();
        assert_eq!(first, [(5_000, 1), (6_000, 3), (7_000, 2)]);
        for node in [1, 2] {
            let probes = ops.iter().filter(|op| op.exchange == node).count();
            assert_eq!(probes, 31, "a prime, ten before the logout and twenty behind it");
        }
    }
}
