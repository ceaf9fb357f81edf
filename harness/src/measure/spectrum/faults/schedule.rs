//! Who asks what when in a trial: one logout before the fault, one during it, and probes of every
//! credential on every node from the first moment to the last.

use authbench::strategy::contract::Fault;

use super::shape::Shape;
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::wallet::Account;

/// A credential of a trial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// Good all the time.
    Valid,
    /// Revoked before the fault, and due before it.
    RevokedBefore,
    /// Revoked during the fault.
    RevokedDuring,
}

impl Role {
    /// Every role, the good one first.
    pub(super) const ALL: [Self; 3] = [Self::Valid, Self::RevokedBefore, Self::RevokedDuring];
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// The logout before the fault.
    LogoutBefore,
    /// The logout during the fault.
    LogoutDuring,
    /// `GET /me` with a credential on a node.
    Probe(Role, usize),
}

/// One strategy's accounts, a node each, and its credentials by role: the good one alone where
/// nothing can be revoked.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    /// The nodes, the one that logs in and out first.
    pub(super) accounts: Vec<Account>,
    /// The credentials.
    pub(super) credentials: Vec<String>,
}

/// A trial, ready to be executed. `parts[i]` says for whom (by its place in the cast) and for what
/// exchange `i` is.
#[derive(Debug)]
pub(super) struct Script {
    /// What is asked.
    pub(super) exchanges: Vec<Exchange>,
    /// For whom and for what.
    pub(super) parts: Vec<(usize, Part)>,
    /// When.
    pub(super) ops: Vec<Op>,
}

impl Script {
    /// Writes the trial of that number.
    #[must_use]
    pub(super) fn new(
        casts: &[Cast],
        shape: &Shape,
        fault: Fault,
        trial: usize,
        interval_ns: u64,
    ) -> Self {
        let mut script = Self { exchanges: Vec::new(), parts: Vec::new(), ops: Vec::new() };
        let streams: usize = casts.iter().map(|c| c.accounts.len() * c.credentials.len()).sum();
        let mut stream = 0_u64;
        for (who, cast) in casts.iter().enumerate() {
            let logouts = [
                (Part::LogoutBefore, shape.logout_before_ns),
                (Part::LogoutDuring, shape.logout_during_ns(fault, trial)),
            ];
            for ((part, at_ns), credential) in logouts.into_iter().zip(&cast.credentials[1..]) {
                let home = cast.accounts[0];
                let ask = home.exchange("POST", "/logout", credential, Expect::Status(200));
                script.add((who, part), home.target, ask, [at_ns]);
            }
            for (role, credential) in Role::ALL.into_iter().zip(&cast.credentials) {
                for (node, account) in cast.accounts.iter().enumerate() {
                    let ask = account.exchange("GET", "/me", credential, Expect::Status(200));
                    // Evenly over the interval: no two streams strike at the same instant.
                    let first_ns = interval_ns * stream / streams.max(1) as u64;
                    let times = (first_ns..shape.end_ns).step_by(interval_ns.max(1) as usize);
                    script.add((who, Part::Probe(role, node)), account.target, ask, times);
                    stream += 1;
                }
            }
        }
        script.ops.sort_by_key(|op| op.at_ns);
        script
    }

    fn add(
        &mut self,
        part: (usize, Part),
        target: u32,
        exchange: Exchange,
        times: impl IntoIterator<Item = u64>,
    ) {
        let index = u32::try_from(self.exchanges.len()).unwrap_or(u32::MAX);
        self.exchanges.push(exchange);
        self.parts.push(part);
        self.ops.extend(times.into_iter().map(|at_ns| Op { at_ns, target, exchange: index }));
    }
}
