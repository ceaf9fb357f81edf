//! What renewal asks of servers: the cost of one, and the peak when many tokens end at once.

use std::net::SocketAddr;

use anyhow::ensure;
use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Renewal;

use crate::load::driver::{Driver, DriverSettings, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::Row;
use crate::load::wallet::{Account, Answers, call_all, credential_of, refresh_token_of};
use crate::measure::block::Watcher;
use crate::record::spectrum::{HerdRow, RenewalRow};
use crate::server::child::ServerChild;

/// Connections to a server.
const CONNECTIONS: usize = 16;
/// Answers are counted in bins of this width.
const BIN_NS: u64 = 100_000_000;

fn open(
    address: SocketAddr,
    settings: DriverSettings,
    subjects: &[SubjectId],
) -> anyhow::Result<(Driver, Account, Answers)> {
    let mut driver = Driver::new(settings)?;
    let target = driver.add_target(address, CONNECTIONS)?;
    let account = Account { target, address, carrier: Carrier::Bearer };
    let logins: Vec<Exchange> = subjects.iter().map(|s| account.login(*s, Expect::Any)).collect();
    let (_, answers) = call_all(&mut driver, target, &logins)?;
    Ok((driver, account, answers))
}

/// Counts what `rounds` calls of each of `subjects` cost: renewals where the strategy rotates, else
/// requests. `commands` reads how many commands Redis has served.
///
/// # Errors
/// When a call is not answered with 200, or on an interruption.
pub fn cost(
    kind: StrategyKind,
    server: &ServerChild,
    mut commands: impl FnMut() -> anyhow::Result<u64>,
    (subjects, rounds): (&[SubjectId], u32),
    settings: DriverSettings,
    watcher: &dyn Watcher,
) -> anyhow::Result<RenewalRow> {
    let rotates = kind.properties().renewal == Renewal::Rotating;
    let (mut driver, account, mut answers) = open(server.data(), settings, subjects)?;
    let read = |answer: &[u8]| match rotates {
        true => refresh_token_of(answer),
        false => credential_of(Carrier::Bearer, answer),
    };
    let mut row = RenewalRow {
        strategy: kind.name().into(),
        operation: if rotates { "refresh" } else { "request" }.into(),
        ..RenewalRow::default()
    };
    let mut credentials =
        answers.iter().map(|answer| read(answer)).collect::<anyhow::Result<Vec<_>>>()?;
    // The first round makes Redis learn scripts, and is not counted.
    for round in 0..=rounds {
        watcher.check()?;
        let (method, path) = if rotates { ("POST", "/refresh") } else { ("GET", "/me") };
        let exchange = |c: &String| account.exchange(method, path, c, Expect::Any);
        let exchanges: Vec<Exchange> = credentials.iter().map(exchange).collect();
        let before = (commands()?, server.counters()?.cpu_ns);
        let rows;
        (rows, answers) = call_all(&mut driver, account.target, &exchanges)?;
        let after = (server.counters()?.cpu_ns, commands()?);
        ensure!(rows.iter().all(Row::was_accepted), "a call was refused");
        if round > 0 {
            row.calls += rows.len() as u64;
            row.server_cpu_ns += after.0.saturating_sub(before.1);
            row.redis_commands += after.1.saturating_sub(before.0);
        }
        if rotates {
            credentials =
                answers.iter().map(|answer| read(answer)).collect::<anyhow::Result<_>>()?;
        }
    }
    Ok(row)
}

/// Renews once for each of `subjects`, whose tokens all end at one instant: each client comes at
/// that instant less an even share of `jitter_ns`; 0 for none.
///
/// # Errors
/// When the driver or a login fails, or on an interruption.
pub fn herd(
    kind: StrategyKind,
    address: SocketAddr,
    (subjects, jitter_ns): (&[SubjectId], u64),
    settings: DriverSettings,
    watcher: &dyn Watcher,
) -> anyhow::Result<HerdRow> {
    watcher.check()?;
    let (mut driver, account, answers) = open(address, settings, subjects)?;
    let (mut ops, mut exchanges) = (Vec::new(), Vec::new());
    let clients = answers.len() as u64;
    for (exchange, answer) in (0_u32..).zip(&answers) {
        let token = refresh_token_of(answer)?;
        exchanges.push(account.exchange("POST", "/refresh", &token, Expect::Status(200)));
        let at_ns = u64::from(exchange) * jitter_ns / clients.max(1);
        ops.push(Op { at_ns, target: account.target, exchange });
    }
    let executed = driver.execute(&ops, &exchanges, Mode::Open, false)?;
    let rows = &executed.rows;
    let begin_ns = rows.iter().map(|row| row.intended_ns).min().unwrap_or(0);
    Ok(HerdRow {
        strategy: kind.name().into(),
        clients: u32::try_from(clients)?,
        jitter_ns,
        due_peak_per_100_ms: peak(rows.iter().map(|row| row.intended_ns - begin_ns)),
        served_peak_per_100_ms: peak(
            rows.iter()
                .filter(|row| row.was_accepted())
                .map(|row| row.done_ns.saturating_sub(begin_ns)),
        ),
        wait_max_ns: rows.iter().map(Row::response_ns).max().unwrap_or(0),
        failed: rows.iter().filter(|row| !row.was_accepted()).count() as u64,
    })
}

/// The most of `times` in one bin.
fn peak(times: impl Iterator<Item = u64>) -> u32 {
    let mut bins = std::collections::BTreeMap::new();
    times.for_each(|at_ns| *bins.entry(at_ns / BIN_NS).or_insert(0_u32) += 1);
    bins.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_the_fullest_tenth_of_a_second() {
        assert_eq!(peak([].into_iter()), 0);
        assert_eq!(peak([0, 99_999_999, 100_000_000, 350_000_000].into_iter()), 2);
    }
}
