//! The store: what can be read there, what a request asks of it, and what it may not be tricked
//! into when it holds rubbish.

use std::collections::BTreeMap;

use redis::{Cmd, FromRedisValue, cmd};

use super::revocation::log_out;
use super::{ALICE, Held, Outcome, Verdict, World, admitted, ask, build, ensure, log_in};
use crate::store::redis::RedisHandle;
use crate::strategy::contract::{AuthStrategy, Deps, Family, FaultOutcome};

const STATELESS: Held = Held::NotApplicable("it keeps nothing outside its process");
const NOT_OURS: Held =
    Held::Skipped("it would search or spoil a Redis that is not the suite's own");

type Bytes = Vec<u8>;

async fn redis<T: FromRedisValue>(redis: &RedisHandle, command: &Cmd) -> Result<T, String> {
    redis.query(command).await.map_err(|e| format!("{command:?}: {e}"))
}

/// The names of all keys; none when there is no Redis.
pub(super) async fn names(deps: &Deps) -> Result<Vec<Bytes>, String> {
    match &deps.redis {
        Some(handle) => redis(handle, cmd("KEYS").arg("*")).await,
        None => Ok(Vec::new()),
    }
}

/// How long Redis keeps a key, in seconds; nothing when it keeps it for ever.
pub(super) async fn seconds_left(deps: &Deps, name: &[u8]) -> Result<Option<u64>, String> {
    let Some(handle) = &deps.redis else { return Ok(None) };
    let left: i64 = redis(handle, cmd("TTL").arg(name)).await?;
    Ok(u64::try_from(left).ok())
}

/// Every text in Redis: the names of all keys, and all that is kept under them.
async fn dump(deps: &Deps) -> Result<Vec<Bytes>, String> {
    let Some(handle) = &deps.redis else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for name in names(deps).await? {
        let kind: String = redis(handle, cmd("TYPE").arg(&name)).await?;
        let read = match &*kind {
            "string" => cmd("MGET").arg(&name).to_owned(),
            "set" => cmd("SMEMBERS").arg(&name).to_owned(),
            "zset" => cmd("ZRANGE").arg(&name).arg(0).arg(-1).to_owned(),
            "list" => cmd("LRANGE").arg(&name).arg(0).arg(-1).to_owned(),
            "hash" => cmd("HGETALL").arg(&name).to_owned(),
            // Not read field by field; good enough for a search.
            _ => cmd("DUMP").arg(&name).to_owned(),
        };
        let values: Vec<Bytes> = redis(handle, &read).await?;
        all.push(name);
        all.extend(values);
    }
    Ok(all)
}

/// What must not be found: the credential, and what its parts stand for.
fn secrets(text: &str) -> Vec<Bytes> {
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
fn spellings(found: &[u8]) -> Vec<String> {
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
    if !S::PROPERTIES.needs_redis() {
        return Ok(STATELESS);
    }
    if world.server.is_none() {
        return Ok(NOT_OURS);
    }
    let strategy: S = build(&world.deps).await?;
    let live = log_in(&strategy, ALICE, world.now).await?;
    let gone = log_in(&strategy, super::BOB, world.now).await?;
    log_out(&strategy, &gone, world.now).await?;
    let found = dump(&world.deps).await?;
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
    let before = calls(handle).await?;
    for _ in 0..REQUESTS {
        admitted("the credential", &strategy, &text, ALICE, world.now).await?;
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
    if !S::PROPERTIES.needs_redis() {
        return Ok(STATELESS);
    }
    let (Some(handle), Some(_)) = (&world.deps.redis, &world.server) else { return Ok(NOT_OURS) };
    let strategy: S = build(&world.deps).await?;
    let gone = log_in(&strategy, ALICE, world.now).await?;
    log_out(&strategy, &gone, world.now).await?;
    let live = log_in(&strategy, ALICE, world.now).await?;
    let at = world.take_effect(S::PROPERTIES.revoke).unwrap_or(world.now);
    admitted("the live one", &strategy, &live, ALICE, at).await?;
    let is_allow_list = S::PROPERTIES.faults.store_lost == FaultOutcome::Closed
        || S::PROPERTIES.family == Family::Session;
    for (what, plant) in [("a hash", "HSET"), ("a text", "APPEND"), ("a list", "LPUSH")] {
        for name in names(&world.deps).await? {
            redis::<()>(handle, cmd("DEL").arg(&name)).await?;
            let mut command = cmd(plant);
            command.arg(&name).arg("rubbish");
            if plant == "HSET" {
                command.arg("rubbish");
            }
            redis::<()>(handle, &command).await?;
        }
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
