//! What a logout costs, what it takes back, and how large the messages are.

use anyhow::ensure;
use authbench::strategy::contract::Family;

use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::Outcome;
use crate::load::schedule::Arrivals;
use crate::load::wallet::{call_all, log_in, presenting};
use crate::measure::contestant::{Contestant, fresh_subjects};
use crate::measure::histogram::LatencyHistogram;
use crate::measure::purse::Purses;
use crate::measure::slot::Rig;
use crate::record::run::{RevocationCost, Role, SizeRow};

/// Logouts per second: far below what any server here takes, so that none waits for another.
const CALLS_PER_SECOND: u64 = 400;

/// Measures logouts and logouts everywhere of a contender in its usual carrier; nothing for the
/// controls, which would measure the same thing twice.
///
/// # Errors
/// When a login or a logout is not answered as it must be.
pub fn cost(
    rig: &mut Rig<'_>,
    contestant: &Contestant<'_>,
    block: u32,
) -> anyhow::Result<Vec<RevocationCost>> {
    let arm = &contestant.arm.record;
    let is_floor = contestant.arm.kind.properties().family == Family::Floor;
    let plan = rig.common.plan;
    if arm.role != Role::Contender || arm.id != arm.strategy || is_floor {
        return Ok(Vec::new());
    }
    let one = plan.logouts_per_block;
    let all = (plan.logouts_per_block / 4).max(u32::from(one > 0));
    let mut costs = Vec::new();
    for (operation, calls, each) in
        [("logout", one, 1), ("logout-all", all, plan.logout_all_credentials.max(1))]
    {
        if calls > 0 {
            costs.push(measure(rig, contestant, block, operation, calls, each)?);
        }
    }
    Ok(costs)
}

fn measure(
    rig: &mut Rig<'_>,
    contestant: &Contestant<'_>,
    block: u32,
    operation: &str,
    calls: u32,
    credentials_per_call: u32,
) -> anyhow::Result<RevocationCost> {
    let id = &contestant.arm.record.id;
    let account = contestant.account;
    let subjects =
        fresh_subjects(rig.common, &format!("{operation} of {id}"), u64::from(block), calls);
    let each_often: Vec<_> = subjects
        .iter()
        .flat_map(|s| std::iter::repeat_n(*s, credentials_per_call as usize))
        .collect();
    let (credentials, _) = log_in(&mut rig.driver, account, &each_often)?;

    let path = format!("/{operation}");
    let exchanges: Vec<Exchange> = credentials
        .chunks(credentials_per_call as usize)
        .map(|of_one| account.exchange("POST", &path, &of_one[0], Expect::Status(200)))
        .collect();
    let length_ns = u64::from(calls) * 1_000_000_000 / CALLS_PER_SECOND;
    let mut rng = crate::load::schedule::stream(rig.common.seed, &path, u64::from(block));
    let times = Arrivals::Constant.times(CALLS_PER_SECOND, length_ns + 1, &mut rng);
    let ops: Vec<Op> = times
        .into_iter()
        .zip(0..calls)
        .map(|(at_ns, exchange)| Op { at_ns, target: account.target, exchange })
        .collect();
    let measured = rig.between_readings(contestant, &exchanges, &ops)?;
    let acknowledged = measured.rows.iter().filter(|r| r.outcome == Outcome::Expected).count();
    ensure!(
        acknowledged == calls as usize,
        "`{id}` acknowledged {acknowledged} of {calls} calls of {path}"
    );

    let (method, path) = presenting(contestant.arm.kind);
    let again: Vec<Exchange> =
        credentials.iter().map(|c| account.exchange(method, path, c, Expect::Any)).collect();
    let (rows, _) = call_all(&mut rig.driver, account.target, &again)?;
    let mut latency = LatencyHistogram::new();
    measured.rows.iter().for_each(|row| latency.record(row.response_ns()));
    Ok(RevocationCost {
        strategy: contestant.arm.record.strategy.clone(),
        operation: operation.to_owned(),
        block,
        credentials_per_call,
        calls: u64::from(calls),
        server_cpu_ns: measured.server_cpu_ns,
        store_cpu_ns: measured.store_cpu_ns,
        redis_commands: measured.redis_commands,
        latency: latency.to_record(),
        accepted_afterwards: rows.iter().filter(|row| row.was_accepted()).count() as u64,
        presented_afterwards: rows.len() as u64,
    })
}

/// Sizes of one arm's messages, counted on real ones.
#[must_use]
pub fn size_row(contestant: &Contestant<'_>, purses: &Purses) -> SizeRow {
    let purse = &purses[&contestant.arm.record.id];
    let credential = purse.sample_credential();
    let request = contestant.exchanges.first().map_or(0, |e| e.request.len());
    let (login_bytes, response_bytes) = purse.sample_bytes;
    SizeRow {
        arm: contestant.arm.record.id.clone(),
        credential_bytes: credential.len() as u64,
        claims_bytes: claims_bytes(credential),
        header_line_bytes: contestant.account.header_line(credential).len() as u64,
        request_bytes: request as u64,
        response_bytes,
        login_response_bytes: login_bytes,
    }
}

/// Bytes of the JSON between the two dots of a compact JWS; `None` for anything else.
fn claims_bytes(credential: &str) -> Option<u64> {
    let mut parts = credential.split('.');
    let (payload, signature) = (parts.nth(1)?, parts.next()?);
    if signature.is_empty() || parts.next().is_some() {
        return None;
    }
    let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).ok()?;
    Some(json.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_measured_in_a_token_alone() {
        assert_eq!(claims_bytes("eyJ9.e30.c2ln"), Some(2));
        for other in ["u-00.17", "abc", "a.e30.", "a.e30.b.c", "a.!!.b"] {
            assert_eq!(claims_bytes(other), None, "{other}");
        }
    }
}
