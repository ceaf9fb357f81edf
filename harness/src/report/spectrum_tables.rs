//! Tables about taking credentials back: what each strategy can do, races, keys, writes.

use super::chart::{Input, stale};
use super::format::{self, MISSING, count, three_digits};
use super::page::Table;
use super::verdicts::{code, promise};
use crate::record::derived::RevocationCostResult;
use crate::record::run::{StrategyRecord, WriteRow};

/// Every one of them, in report order, the empty among them.
#[must_use]
pub fn all(input: &Input<'_>) -> Vec<Table> {
    vec![
        faults(input),
        not_as_declared(input),
        races(input),
        renewals(input),
        herds(input),
        keys(input),
        writes(input),
        node_memory(input),
    ]
}

/// What each strategy of the run can do, beside its numbers.
#[must_use]
pub fn capabilities(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "log out one",
        "log out everywhere",
        "costs, CPU µs",
        "counts the logins",
        "renewal",
        "while the store is down",
        "one node cut off",
        "after eviction",
        "third parties can verify",
    ];
    // Records that are older than these declarations have nothing to show here.
    let declared = input.run.strategies.iter().filter(|s| !s.faults.is_empty());
    let contenders = declared.filter(|s| s.family != "floor");
    Table::new("What each strategy can do", &head).with(contenders.map(|s| {
        vec![
            code(&s.id),
            one(s),
            promise(&s.revoke_all, s.revoke_within_ns),
            cost_of_all(input, &s.id),
            if s.counts_logins { "yes" } else { "no" }.into(),
            s.renewal.clone().unwrap_or_else(|| MISSING.into()),
            fault(s, "store-down"),
            fault(s, "partition"),
            fault(s, "store-evicts"),
            third_parties(s).into(),
        ]
    }))
}

fn one(s: &StrategyRecord) -> String {
    let when = promise(&s.revoke, s.revoke_within_ns);
    match s.granularity.as_str() {
        "credential" => when,
        "subject" => format!("{when}, with all of its user's"),
        _ => when,
    }
}

fn cost_of_all(input: &Input<'_>, strategy: &str) -> String {
    let own = |r: &&RevocationCostResult| r.strategy == strategy && r.operation == "logout-all";
    let found = input.derived.revocation_cost.iter().find(own);
    let figure = found.and_then(|r| {
        let of = r.credentials_per_call;
        Some(format!("{} of {of}", format::estimate(&r.cpu_ns?, format::MICROS)))
    });
    figure.unwrap_or_else(|| MISSING.into())
}

/// A declared outcome in words, `open for 3 s` among them.
#[must_use]
pub fn fault(s: &StrategyRecord, name: &str) -> String {
    let Some(declared) = s.faults.iter().find(|f| f.fault == name) else { return MISSING.into() };
    outcome(&declared.outcome, declared.open_for_ns)
}

/// `open for 3 s`, or the outcome as it is.
#[must_use]
pub fn outcome(name: &str, open_for_ns: Option<u64>) -> String {
    match open_for_ns {
        Some(ns) => format!("open for {}", format::duration(ns as f64)),
        None => name.to_owned(),
    }
}

/// A public key verifies, a shared secret would let them issue.
fn third_parties(s: &StrategyRecord) -> &'static str {
    match s.algorithm.as_deref() {
        Some("HS256") => "no: the secret also issues",
        Some(_) => "yes",
        None => "no",
    }
}

/// Requests that get through after a logout.
#[must_use]
pub fn stale(input: &Input<'_>) -> Table {
    let head = ["strategy", "basis", "trials", "stale accepts", "per logout at 1,000 requests/s"];
    let plain = input.derived.revocation_lag.iter().filter(|lag| lag.is_plain());
    Table::new("Requests accepted after the logout was acknowledged", &head).with(plain.filter_map(
        |lag| {
            let each = stale::accepts(lag)?;
            let measured = lag.basis == "measured";
            Some(vec![
                code(&lag.strategy),
                lag.basis.clone(),
                if measured { lag.trials.to_string() } else { MISSING.into() },
                if measured { count(lag.stale_accepts) } else { MISSING.into() },
                three_digits(each),
            ])
        },
    ))
}

/// What every strategy made of every fault, in counts.
#[must_use]
pub fn faults(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "fault",
        "declared",
        "seen",
        "revoked presented",
        "wrongly admitted",
        "good presented",
        "wrongly denied",
        "not judged",
        "logouts refused",
        "good again after",
    ];
    let results = input.derived.faults.iter();
    // Where nothing happened there is nothing to count.
    let eventful = results.filter(|r| !r.matches || r.observed != "unaffected");
    Table::new("Strategies and faults, where anything happened", &head).with(eventful.map(|r| {
        let seen = match (r.observed.as_str(), r.observed_open_for_ns) {
            ("open-for", Some(ns)) => format!("open for {}", format::duration(ns as f64)),
            (other, _) => other.to_owned(),
        };
        let seen = if r.matches { seen } else { format!("{seen}: NOT AS DECLARED") };
        vec![
            code(&r.strategy),
            r.fault.clone(),
            outcome(&r.declared, r.declared_open_for_ns),
            seen,
            count(r.revoked_presented),
            count(r.wrong_allows),
            count(r.valid_presented),
            count(r.wrong_denies),
            count(r.unavailable),
            count(r.revocations_refused),
            r.recovery_max_ns.map_or_else(
                || "not within the trial".into(),
                |ns| format!("at most {}", format::duration(ns as f64)),
            ),
        ]
    }))
}

/// Why outcomes are not what was declared.
#[must_use]
pub fn not_as_declared(input: &Input<'_>) -> Table {
    let wrong = input.derived.faults.iter().filter(|r| !r.matches);
    Table::new("Not as declared", &["strategy", "fault", "why"]).with(wrong.map(|r| {
        let why = r.note.clone().unwrap_or_else(|| MISSING.into());
        vec![code(&r.strategy), r.fault.clone(), why]
    }))
}

/// What renewals cost, beside session lookups.
#[must_use]
pub fn renewals(input: &Input<'_>) -> Table {
    let head =
        ["strategy", "operation", "calls", "Redis commands per call", "server CPU, µs per call"];
    Table::new("What a renewal costs", &head).with(input.run.spectrum.renewals.iter().map(|row| {
        let each = |n: u64| n as f64 / row.calls.max(1) as f64;
        vec![
            code(&row.strategy),
            row.operation.clone(),
            count(row.calls),
            format!("{:.2}", each(row.redis_commands)),
            three_digits(each(row.server_cpu_ns) / 1e3),
        ]
    }))
}

/// Clients whose tokens end at one instant.
#[must_use]
pub fn herds(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "clients",
        "spread before the end over",
        "due in 100 ms, at most",
        "answered in 100 ms, at most",
        "longest wait",
        "failed",
    ];
    Table::new("Tokens that end together, renewed with and without jitter", &head).with(
        input.run.spectrum.herds.iter().map(|row| {
            vec![
                code(&row.strategy),
                count(row.clients.into()),
                format::duration(row.jitter_ns as f64),
                count(row.due_peak_per_100_ms.into()),
                count(row.served_peak_per_100_ms.into()),
                format::duration(row.wait_max_ns as f64),
                count(row.failed),
            ]
        }),
    )
}

/// One single-use credential presented many times at once.
#[must_use]
pub fn races(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "race",
        "grace",
        "presented",
        "within",
        "nodes",
        "repetitions",
        "succeeded",
        "children of one",
        "still good afterwards",
        "honest logins lost",
        "failed",
    ];
    Table::new("Single-use credentials, presented many times at once", &head).with(
        input.run.spectrum.races.iter().map(|race| {
            let children = if race.children_min == race.children_max {
                race.children_max.to_string()
            } else {
                format!("{} to {}", race.children_min, race.children_max)
            };
            vec![
                code(&race.strategy),
                race.race.clone(),
                if race.race == "refresh" { format!("{} s", race.grace_s) } else { MISSING.into() },
                race.at_once.to_string(),
                if race.spread_ns == 0 {
                    "an instant".into()
                } else {
                    format::duration(race.spread_ns as f64)
                },
                race.nodes.to_string(),
                count(race.repetitions.into()),
                count(race.succeeded),
                children,
                format!("at most {}", race.live_children_max),
                count(race.false_thefts.into()),
                count(race.failed),
            ]
        }),
    )
}

/// Verifiers that fetch their keys.
#[must_use]
pub fn keys(input: &Input<'_>) -> Table {
    let head = [
        "scenario",
        "policy",
        "good tokens",
        "of these denied",
        "tokens under an unknown kid",
        "of these admitted",
        "fetches of the key set",
        "new key good after",
    ];
    Table::new("Keys that rotate, and tokens that name keys nobody has", &head).with(
        input.run.spectrum.keys.iter().map(|row| {
            vec![
                row.scenario.clone(),
                row.policy.clone(),
                count(row.valid_presented),
                count(row.valid_denied),
                count(row.unknown_presented),
                count(row.unknown_admitted),
                count(row.fetches),
                row.new_key_after_ns
                    .map_or_else(|| MISSING.into(), |ns| format::duration(ns as f64)),
            ]
        }),
    )
}

/// What keeping sessions alive asks of the store.
#[must_use]
pub fn writes(input: &Input<'_>) -> Table {
    let head = [
        "strategy",
        "sessions",
        "requests per session and idle time-out",
        "requests",
        "Redis commands per request",
        "of these writes",
        "server CPU, µs per request",
        "Redis CPU, µs per request",
    ];
    Table::new("What sliding expiry writes", &head).with(input.run.spectrum.writes.iter().map(
        |row| {
            vec![
                code(&row.strategy),
                count(row.sessions.into()),
                count(row.requests_per_idle.into()),
                count(row.requests),
                per_request(row, row.redis_commands),
                per_request(row, row.redis_writes),
                us_per_request(row, Some(row.server_cpu_ns)),
                us_per_request(row, row.store_cpu_ns),
            ]
        },
    ))
}

/// What credentials add to a server process.
#[must_use]
pub fn node_memory(input: &Input<'_>) -> Table {
    let head = ["strategy", "entry", "entries", "growth, bytes", "bytes per entry, about"];
    Table::new("What credentials weigh on the node", &head).with(
        input.run.spectrum.node_memory.iter().map(|row| {
            let grown = row.resident_after_bytes.saturating_sub(row.resident_before_bytes);
            vec![
                code(&row.strategy),
                row.entry.clone(),
                count(row.entries.into()),
                count(grown),
                format!("{:.0}", grown as f64 / f64::from(row.entries.max(1))),
            ]
        }),
    )
}

fn per_request(row: &WriteRow, n: u64) -> String {
    if row.requests == 0 {
        return MISSING.into();
    }
    format!("{:.3}", n as f64 / row.requests as f64)
}

fn us_per_request(row: &WriteRow, ns: Option<u64>) -> String {
    let each = ns.filter(|_| row.requests > 0).map(|ns| ns as f64 / row.requests as f64 / 1e3);
    each.map_or_else(|| MISSING.into(), three_digits)
}
