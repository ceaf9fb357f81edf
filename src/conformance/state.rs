//! The store: what can be read there, what a request asks of it, and what it may not be tricked
//! into when it holds rubbish.

use std::collections::BTreeMap;

use redis::cmd;

use super::contents::{self, Bytes, RUBBISH, is_ours, redis};
use super::revocation::log_out;
use super::{ALICE, Held, Outcome, Verdict, World, admitted, another, ask, build, ensure, log_in};
use crate::identity::SubjectId;
use crate::store::redis::RedisHandle;
use crate::strategy::contract::{AuthStrategy, Family, FaultOutcome, Revocation, Uses};

const STATELESS: Held = Held::NotApplicable("it keeps nothing outside its process");
pub(super) const NOT_OURS: Held =
    Held::Skipped("it would search or spoil a store that is not the suite's own");

/// What must not be found: the credential, and what its parts stand for.
pub(super) fn secrets(text: &str) -> Vec<Bytes> {
    let mut secrets = vec![text.as_bytes().to_vec()];
    for part in text.split('.').filter(|part| part.len() > 16) {
        secrets.push(part.as_bytes().to_vec());
        if let Ok(raw) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part) {
            if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(&raw)
                && let Some(id) = object.get("jti").and_then(serde_json::Value::as_str)
            {
                secrets.push(id.as_bytes().to_vec());
            }
            secrets.push(raw);
        }
    }
    secrets
}

/// Spellings in which something from the store could be presented.
pub(super) fn spellings(found: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(found).into_owned();
    let tail_at = found.iter().position(|b| *b == b':').map_or(0, |at| at + 1);
    let tail = &found[tail_at..];
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let text_tail = String::from_utf8_lossy(tail).into_owned();
    let digits: Vec<u8> = (0..text_tail.len() / 2)
        .filter_map(|i| u8::from_str_radix(text_tail.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    let base64 = super::forge::encode;
    vec![text, hex(tail), base64(tail), base64(&digits), text_tail]
}

/// Whoever reads the store finds no credential there, nor anything that passes for one.
pub(super) async fn the_store_holds_no_credential<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.store.is_none() {
        return Ok(STATELESS);
    }
    if !is_ours::<S>(world) {
        return Ok(NOT_OURS);
    }
    let strategy: S = build(&world.deps).await?;
    let live = log_in(&strategy, ALICE, world.now).await?;
    let gone = log_in(&strategy, super::BOB, world.now).await?;
    log_out(&strategy, &gone, world.now).await?;
    let found = contents::dump(&world.deps).await?;
    ensure!(!found.is_empty(), "nothing is kept at all");
    for secret in [secrets(&live), secrets(&gone)].concat() {
        let leak = found.iter().find(|text| text.windows(secret.len()).any(|w| w == secret));
        let shown = String::from_utf8_lossy(&secret).into_owned();
        ensure!(leak.is_none(), "the store holds {shown:?}");
    }
    for text in &found {
        for spelling in spellings(text) {
            let got = ask(&strategy, &spelling, world.now).await;
            ensure!(matches!(got, Outcome::Denied(_)), "{spelling:?} from the store: {got:?}");
        }
    }
    admitted("the credential itself", &strategy, &live, ALICE, world.now).await?;
    Ok(Held::Shown)
}

/// How often each command was called, by Redis's own count.
async fn calls(handle: &RedisHandle) -> Result<BTreeMap<String, u64>, String> {
    let info: String = redis(handle, cmd("INFO").arg("commandstats")).await?;
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    let calls: BTreeMap<String, u64> = info.lines().filter_map(count).collect();
    Ok(calls.into_iter().filter(|(name, _)| name != "info").collect())
}

/// An admitted request asks of Redis what is declared, to the command.
pub(super) async fn an_admission_costs_what_is_declared<S: AuthStrategy>(world: &World) -> Verdict {
    const REQUESTS: u32 = 20;
    let declared = S::PROPERTIES.redis;
    ensure!(declared.round_trips <= declared.authenticate, "declared {declared:?}");
    let Some(handle) = &world.deps.redis else {
        ensure!(!S::PROPERTIES.needs_redis() && declared.authenticate == 0, "it needs a Redis");
        return Ok(Held::Shown);
    };
    if world.server.is_none() {
        return Ok(NOT_OURS);
    }
    let strategy: S = build(&world.deps).await?;
    let text = log_in(&strategy, ALICE, world.now).await?;
    // The first use of a script makes Redis learn it.
    admitted("a first one", &strategy, &text, ALICE, world.now).await?;
    let mut texts = Vec::new();
    for n in 0..REQUESTS {
        // A subject for each where the use of one ends all.
        let subject = if S::PROPERTIES.uses == Uses::Once { SubjectId(n.into()) } else { ALICE };
        texts.push((another(&strategy, &text, subject, world.now).await?, subject));
    }
    let before = calls(handle).await?;
    for (text, subject) in &texts {
        admitted("the credential", &strategy, text, *subject, world.now).await?;
    }
    let mut sent = calls(handle).await?;
    for (name, count) in before {
        sent.entry(name).and_modify(|sum| *sum -= count);
    }
    sent.retain(|_, count| *count > 0);
    let total: u64 = sent.values().sum();
    let expected = u64::from(REQUESTS * declared.authenticate);
    // What a node sends by itself is counted too; the checks above take well under five seconds.
    let most = expected + 5 * u64::from(declared.background_per_second);
    let least = if declared.cached { 0 } else { expected };
    ensure!(
        (least..=most).contains(&total),
        "{REQUESTS} admissions sent {sent:?}, declared {declared:?}"
    );
    Ok(Held::Shown)
}

/// What the store should not hold makes nobody welcome: not the revoked, and not the unlisted.
pub(super) async fn a_corrupt_store_admits_nobody<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.store.is_none() {
        return Ok(STATELESS);
    }
    if !is_ours::<S>(world) {
        return Ok(NOT_OURS);
    }
    if S::PROPERTIES.revoke == Revocation::AtExpiry {
        return Ok(Held::NotApplicable("its store admits and refuses nobody"));
    }
    let strategy: S = build(&world.deps).await?;
    let gone = log_in(&strategy, ALICE, world.now).await?;
    log_out(&strategy, &gone, world.now).await?;
    let live = log_in(&strategy, ALICE, world.now).await?;
    let at = world.take_effect(S::PROPERTIES.revoke).unwrap_or(world.now);
    admitted("the live one", &strategy, &live, ALICE, at).await?;
    let live = another(&strategy, &live, ALICE, world.now).await?;
    let is_allow_list = S::PROPERTIES.faults.store_lost == FaultOutcome::Closed
        || S::PROPERTIES.family == Family::Session;
    for (what, plant, content) in RUBBISH {
        contents::spoil(&world.deps, plant, content).await?;
        // What a cache still remembers of the time before is good for as long as is promised.
        world.take_effect(S::PROPERTIES.revoke);
        let got = ask(&strategy, &gone, at).await;
        ensure!(!matches!(got, Outcome::Admitted(_)), "{what} admits the revoked: {got:?}");
        let got = ask(&strategy, &live, at).await;
        let admitted = matches!(got, Outcome::Admitted(_));
        ensure!(!is_allow_list || !admitted, "{what} in the allow-list admits: {got:?}");
    }
    Ok(Held::Shown)
}
