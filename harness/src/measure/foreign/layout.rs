//! When everything happens: fixed before the first request, so that its extent can be said.

use rand::RngExt as _;

use crate::load::exchange::Op;
use crate::load::schedule::stream;
use crate::measure::spectrum::series::Operation;
use crate::plan::foreign::TargetFile;

/// Refusals on every node after the last acceptance, before a trial is settled.
pub const REFUSALS: u64 = 50;
/// Probes sent before a logout, at least.
pub const PROBES_BEFORE: u64 = 10;
/// Trials at once, at the most.
const OVERLAP: u64 = 8;

/// Logins of one trial: of a logout everywhere the probes present another credential than the call.
#[must_use]
pub const fn logins(operation: Operation) -> usize {
    match operation {
        Operation::Logout => 1,
        Operation::LogoutAll => 2,
    }
}

/// All trials of one way to log out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Which way.
    pub operation: Operation,
    /// Trials that run at once, one after another of these.
    pub batches: Vec<Batch>,
}

/// Trials whose probes overlap.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The numbers of their users.
    pub users: Vec<u32>,
    /// When each logout is due, nanoseconds from the batch's begin.
    pub logouts_ns: Vec<u64>,
    /// From one probe of a node and a trial to its next.
    interval_ns: u64,
    /// From a logout to the trial's last probe.
    probe_for_ns: u64,
    nodes: usize,
}

/// Lays out every way to log out that the target has. Users are numbered from 1.
#[must_use]
pub fn of(target: &TargetFile, seed: u64) -> Vec<Layout> {
    let all = target.logout_all.as_ref().map(|_| Operation::LogoutAll);
    let mut next_user = 1;
    [Some(Operation::Logout), all]
        .into_iter()
        .flatten()
        .map(|operation| {
            let first = next_user;
            next_user += target.trials;
            one(target, operation, first, seed)
        })
        .collect()
}

fn one(target: &TargetFile, operation: Operation, first: u32, seed: u64) -> Layout {
    let nodes = target.base_urls.len();
    let interval_ns = target.interval_ms() * 1_000_000;
    // So many trials at once stay within the rate.
    let at_once = target.rate_per_second * target.interval_ms() / (nodes as u64 * 1_000);
    let at_once = at_once.clamp(1, OVERLAP) as usize;
    // A few more than needed: a probe that was in flight when the watch ended is no refusal.
    let probe_for_ns = target.watch_ms * 1_000_000 + (REFUSALS + 10) * interval_ns;
    let mut rng = stream(seed, &format!("foreign {}", operation.name()), 0);
    let users: Vec<u32> = (first..first + target.trials).collect();
    let batches = users.chunks(at_once).map(|users| {
        // Any age, and any place between two probes: in step with nothing of the application's.
        let spread_ns = target.age_up_to_ms * 1_000_000 + interval_ns;
        let age = |_: &u32| PROBES_BEFORE * interval_ns + rng.random_range(0..spread_ns);
        let logouts_ns = users.iter().map(age).collect();
        Batch { users: users.to_vec(), logouts_ns, interval_ns, probe_for_ns, nodes }
    });
    Layout { operation, batches: batches.collect() }
}

impl Layout {
    /// Trials in all.
    #[must_use]
    pub fn trials(&self) -> usize {
        self.batches.iter().map(|batch| batch.users.len()).sum()
    }

    /// Probes in all.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.ops().len() as u64 - batch.users.len() as u64).sum()
    }

    /// What it takes by plan, nanoseconds; logins come on top.
    #[must_use]
    pub fn length_ns(&self) -> u64 {
        self.batches.iter().map(Batch::length_ns).sum()
    }
}

impl Batch {
    fn length_ns(&self) -> u64 {
        self.logouts_ns.iter().max().map_or(0, |last| last + self.probe_for_ns)
    }

    /// Exchanges of one trial: its logout, then one probe of each node.
    #[must_use]
    pub const fn per_trial(&self) -> usize {
        self.nodes + 1
    }

    /// Every request of the batch. Exchange `t * per_trial` is the logout of trial `t`, and
    /// `t * per_trial + 1 + n` its probe of node `n`; probes of nodes and trials take turns.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        let trials = self.users.len();
        let turns = (trials * self.nodes) as u64;
        let mut ops = Vec::new();
        for (trial, logout_ns) in self.logouts_ns.iter().enumerate() {
            let logout = (trial * self.per_trial()) as u32;
            ops.push(Op { at_ns: *logout_ns, target: 0, exchange: logout });
            for node in 0..self.nodes {
                let turn = (node * trials + trial) as u64;
                let mut at_ns = turn * self.interval_ns / turns;
                while at_ns < logout_ns + self.probe_for_ns {
                    let exchange = logout + 1 + node as u32;
                    ops.push(Op { at_ns, target: node as u32, exchange });
                    at_ns += self.interval_ns;
                }
            }
        }
        ops.sort_by_key(|op| op.at_ns);
        ops
    }
}
