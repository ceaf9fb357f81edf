//! Arms whose credentials are used up by being used: every request presents one of its own, issued
//! before the readings begin.

use anyhow::{Context as _, ensure};

use crate::load::driver::{Driver, Mode};
use crate::load::exchange::{Expect, Op};
use crate::load::outcome::ledger;
use crate::load::wallet::{self, presenting};
use crate::measure::contestant::{Common, Contestant, fresh_subjects};

/// Credentials that are kept to look at: for their size, and to tamper with.
const SAMPLES: u32 = 16;

impl Contestant<'_> {
    /// Gives each op of `schedules` a credential that nobody has used; nothing to do where
    /// credentials are good more than once. Whose it is stands in no timed answer's expectation:
    /// the time of its use does, too, and is not known before.
    ///
    /// # Errors
    /// When one is not issued.
    pub fn hand_out(
        &mut self,
        driver: &mut Driver,
        common: &Common<'_>,
        (purpose, index): (&str, u64),
        schedules: &mut [&mut Vec<Op>],
    ) -> anyhow::Result<()> {
        if !self.arm.is_used_up() {
            return Ok(());
        }
        let count = u32::try_from(schedules.iter().map(|ops| ops.len()).sum::<usize>())?;
        let credentials = self.issue(driver, common, (purpose, index), count)?.0;
        let (method, path) = presenting(self.arm.kind);
        let exchange = |of: &String| self.account.exchange(method, path, of, Expect::Status(200));
        self.exchanges = credentials.iter().map(exchange).collect();
        for (op, next) in schedules.iter_mut().flat_map(|ops| ops.iter_mut()).zip(0..) {
            op.exchange = next;
        }
        Ok(())
    }

    fn issue(
        &self,
        driver: &mut Driver,
        common: &Common<'_>,
        (purpose, index): (&str, u64),
        count: u32,
    ) -> anyhow::Result<(Vec<String>, u64)> {
        let id = &self.arm.record.id;
        let subjects = fresh_subjects(common, &format!("{purpose} of {id}"), index, count);
        wallet::log_in(driver, self.account, &subjects)
            .with_context(|| format!("cannot issue what `{id}` is to use in its {purpose}"))
    }

    /// A few credentials to look at, and one answer: bytes of a login's and of a use's.
    ///
    /// # Errors
    /// When one is not issued, or the first is not admitted.
    pub(super) fn samples(
        &self,
        driver: &mut Driver,
        common: &Common<'_>,
    ) -> anyhow::Result<(Vec<String>, (u64, u64))> {
        let (mut credentials, login_bytes) =
            self.issue(driver, common, ("samples", 0), SAMPLES + 1)?;
        let used = credentials.pop().unwrap_or_default();
        let (method, path) = presenting(self.arm.kind);
        let exchange = self.account.exchange(method, path, &used, Expect::Any);
        let (rows, answers) = wallet::call_all(driver, self.account.target, &[exchange])?;
        ensure!(
            rows[0].status == 200,
            "a fresh credential of `{}` was answered with status {}",
            self.arm.record.id,
            rows[0].status
        );
        Ok((credentials, (login_bytes, answers.first().map_or(0, |answer| answer.len() as u64))))
    }

    /// Sends `requests`, each with a fresh credential, as fast as the connections allow.
    ///
    /// # Errors
    /// When one is not issued or not admitted.
    pub(super) fn use_up(
        &mut self,
        driver: &mut Driver,
        common: &Common<'_>,
        (block, requests): (u32, u32),
    ) -> anyhow::Result<()> {
        let op = Op { at_ns: 0, target: self.account.target, exchange: 0 };
        let mut ops = vec![op; requests as usize];
        self.hand_out(driver, common, ("warm-up", block.into()), &mut [&mut ops])?;
        let executed = driver.execute(&ops, &self.exchanges, Mode::Closed, false)?;
        let ledger = ledger(&executed.rows);
        ensure!(
            ledger.expected == ledger.scheduled,
            "the fresh server of `{}` answered {} of {} first uses as it must: {ledger:?}",
            self.arm.record.id,
            ledger.expected,
            ledger.scheduled
        );
        Ok(())
    }
}
