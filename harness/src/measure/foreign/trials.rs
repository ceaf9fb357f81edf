//! A series: batch after batch of logins, probes and logouts.

use super::Session;
use super::figures;
use super::judge::{self, Judge, Probed};
use super::layout::{Batch, Layout, logins};
use crate::load::driver::Mode;
use crate::load::exchange::{Exchange, Expect};
use crate::load::outcome::Row;
use crate::measure::spectrum::series::Operation;
use crate::plan::foreign::Call;
use crate::plan::template::Values;
use crate::record::foreign::{Series, Trial};

/// The credentials of one trial.
struct Pair {
    /// The one the logout presents.
    revoker: String,
    /// The one that is probed.
    probed: String,
}

impl Session<'_> {
    /// Measures one way to log out; `passed` is told the trials of each batch.
    pub(super) fn series(
        &mut self,
        layout: &Layout,
        passed: &mut dyn FnMut(usize),
    ) -> anyhow::Result<Series> {
        let (mut trials, mut slip_max_ns) = (Vec::new(), 0);
        for batch in &layout.batches {
            let (found, slip_ns) = self.batch(batch, layout.operation)?;
            slip_max_ns = slip_max_ns.max(slip_ns);
            trials.extend(found);
            passed(batch.users.len());
        }
        let figures = figures::of(&trials);
        Ok(Series { operation: layout.operation.name().into(), trials, figures, slip_max_ns })
    }

    fn batch(&mut self, batch: &Batch, operation: Operation) -> anyhow::Result<(Vec<Trial>, u64)> {
        let pairs = self.pairs(&batch.users, operation)?;
        let call = match (operation, &self.target.logout_all) {
            (Operation::LogoutAll, Some(all)) => all,
            _ => &self.target.logout,
        };
        let exchanges = self.exchanges(batch, &pairs, call)?;
        let ops = batch.ops();
        let executed = self.driver.execute(&ops, &exchanges, Mode::Open, false)?;
        let seen = Judge::of(&self.target.request).all(&executed);
        let mut logouts = vec![Row::NEVER_SENT; batch.users.len()];
        let mut probes: Vec<Vec<Probed>> = vec![Vec::new(); batch.users.len()];
        for ((op, row), seen) in ops.iter().zip(&executed.rows).zip(seen) {
            let exchange = op.exchange as usize;
            let (trial, kind) = (exchange / batch.per_trial(), exchange % batch.per_trial());
            match kind.checked_sub(1) {
                None => logouts[trial] = *row,
                Some(node) => {
                    let Row { written_ns, done_ns, status, .. } = *row;
                    let was_answered = status != 0;
                    probes[trial].push(Probed { node, written_ns, done_ns, seen, was_answered });
                }
            }
        }
        let (nodes, watch_ns) = (self.nodes.len(), self.target.watch_ms * 1_000_000);
        let trials = logouts.iter().zip(&probes).map(|(logout, probes)| {
            judge::trial(logout, call.accept.contains(&logout.status), probes, nodes, watch_ns)
        });
        let slip_ns = executed.rows.iter().map(Row::slip_ns).max().unwrap_or(0);
        Ok((trials.collect(), slip_ns))
    }

    /// Logs the users in, as often as the operation needs.
    fn pairs(&mut self, users: &[u32], operation: Operation) -> anyhow::Result<Vec<Pair>> {
        let probed = self.log_in(users)?;
        let revokers = match logins(operation) {
            1 => probed.clone(),
            _ => self.log_in(users)?,
        };
        let both = probed.into_iter().zip(revokers);
        Ok(both.map(|(probed, revoker)| Pair { revoker, probed }).collect())
    }

    fn exchanges(
        &self,
        batch: &Batch,
        pairs: &[Pair],
        call: &Call,
    ) -> anyhow::Result<Vec<Exchange>> {
        // Thousands of answers are kept only where their bodies decide; the statuses always are.
        let keep = Judge::of(&self.target.request).needs_bodies();
        let expect = if keep { Expect::Any } else { Expect::Status(self.target.request.accept[0]) };
        let mut exchanges = Vec::new();
        for (n, pair) in batch.users.iter().zip(pairs) {
            let user = self.user(*n);
            let values = Values { user: &user, n: *n, credential: &pair.revoker };
            exchanges.push(self.exchange(0, call.parts(), values)?);
            let values = Values { credential: &pair.probed, ..values };
            for node in 0..self.nodes.len() {
                let probe = self.exchange(node, self.target.request.parts(), values)?;
                exchanges.push(Exchange { expect: expect.clone(), ..probe });
            }
        }
        Ok(exchanges)
    }
}
