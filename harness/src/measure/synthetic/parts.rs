//! The parts of a made-up record beside its cells: machine, plan, promises, micro pass, sizes,
//! revocation.

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use super::{ARMS, RESPONSE_BYTES, Shape, Truth, request_bytes};
use crate::measure::histogram::LatencyHistogram;
use crate::record::run::{
    Arm, Cell, Environment, Instrument, LagTrial, MicroCell, NotMeasured, Provenance,
    RevocationCost, RevocationLag, Role, Run, RunInfo, SizeRow, Spectrum, Status, StrategyRecord,
    Versioned,
};
use crate::record::{METHOD_VERSION, RUN_SCHEMA};

/// Lifetime of the tokens in the made-up lag experiment, seconds.
pub const LAG_LIFETIME_S: u64 = 6;
const PROBE_NS: u64 = 2_000_000;

/// CPU of one verification and one issue, nanoseconds.
const MICRO: &[(&str, Option<&str>, f64, f64)] = &[
    ("session-memory", None, 420.0, 510.0),
    ("jwt-hs256", Some("HS256"), 2_000.0, 1_900.0),
    ("jwt-hs256-prepared", Some("HS256"), 610.0, 700.0),
    ("jwt-eddsa", Some("EdDSA"), 36_000.0, 17_000.0),
    ("jwt-es256", Some("ES256"), 53_000.0, 21_000.0),
    ("jwt-rs256", Some("RS256"), 20_000.0, 560_000.0),
];

/// Puts a record together.
pub(super) fn assemble(
    seed: u64,
    shape: &Shape,
    rng: &mut Pcg64,
    arms: Vec<Arm>,
    cells: Vec<Cell>,
) -> Run {
    let citable = shape.blocks >= 10;
    let profile = if citable { "standard" } else { "quick" };
    let full = shape.full;
    Run {
        schema: RUN_SCHEMA.into(),
        method_version: METHOD_VERSION,
        run: RunInfo {
            id: format!("20260101T000000Z-{:08x}", seed as u32),
            label: format!("synthetic-{profile}"),
            profile: profile.into(),
            seed: seed.to_string(),
            started_utc: "2026-01-01T00:00:00Z".into(),
            finished_utc: Some("2026-01-01T00:01:22Z".into()),
            wall_ms: Some(82_000),
            argv: ["authbench", "run", "--profile", profile].map(String::from).into(),
            status: Status::Complete,
            reasons: vec![],
            citable,
        },
        provenance: provenance(),
        environment: environment(),
        plan: Some(shape.plan()),
        strategies: strategies(),
        arms,
        cells,
        regimes: vec![],
        instrument: Instrument::default(),
        acceptance: None,
        micro: if full { micro(rng) } else { vec![] },
        wire: vec![],
        limits: vec![],
        memory: vec![],
        tools: Vec::new(),
        sizes: ARMS.iter().map(sizes).collect(),
        revocation_cost: if full { revocation_cost(rng, shape.blocks) } else { vec![] },
        revocation_lag: if full { revocation_lag(rng) } else { vec![] },
        spectrum: Spectrum::default(),
        distance: vec![],
        predictions: None,
        checks: vec![],
        not_measured: vec![NotMeasured {
            what: "session-postgres".into(),
            reason: "no PostgreSQL was given".into(),
            remedy: "give one with --postgres-url".into(),
        }],
    }
}

fn provenance() -> Provenance {
    let crates = [("axum", "0.8.9"), ("jsonwebtoken", "11.1.0"), ("redis", "1.8.1")];
    Provenance {
        git_sha: Some("0".repeat(40)),
        git_dirty: Some(false),
        lockfile_sha256: "1".repeat(64),
        binary_sha256: "2".repeat(64),
        rustc: "rustc 1.95.0 (synthetic)".into(),
        target: "x86_64-unknown-linux-gnu".into(),
        build: "release".into(),
        crates: crates.map(|(n, v)| Versioned { name: n.into(), version: v.into() }).into(),
        redis_server: Some("7.0.15".into()),
    }
}

fn environment() -> Environment {
    Environment {
        cpu_model: Some("Synthetic CPU".into()),
        arch: "x86_64".into(),
        os: "Linux 6.1".into(),
        cores: 2,
        memory_bytes: Some(8 << 30),
        virtualization: Some("vm".into()),
        clocksource: Some("tsc".into()),
        governor: None,
        cpu_quota_millicores: None,
        load_before_milli: Some(120),
        cpu_clock: "process-clock".into(),
        grade: "c".into(),
        grade_reasons: vec!["virtual machine".into(), "2 cores".into()],
        unknown: vec!["governor".into()],
    }
}

fn strategies() -> Vec<StrategyRecord> {
    let mut seen = BTreeSet::new();
    let first = ARMS.iter().filter(|truth| seen.insert(truth.strategy));
    first.map(strategy).collect()
}

fn strategy(truth: &Truth) -> StrategyRecord {
    let id = truth.strategy;
    let (family, revoke, granularity, scope, lost) = match id {
        "none" => ("floor", "at-expiry", "nothing", "shared", "unaffected"),
        "session-memory" => ("session", "immediate", "credential", "node", "unaffected"),
        "session-redis" => ("session", "immediate", "credential", "shared", "closed"),
        "jwt-denylist" => ("token-with-state", "immediate", "credential", "shared", "revives"),
        "jwt-version" => ("token-with-state", "immediate", "subject", "shared", "revives"),
        _ => ("token", "at-expiry", "nothing", "shared", "unaffected"),
    };
    let algorithm = match id {
        "jwt-denylist" | "jwt-version" => Some("HS256"),
        _ => MICRO.iter().find(|row| row.0 == id).and_then(|row| row.1),
    };
    StrategyRecord {
        id: id.into(),
        about: format!("made-up `{id}`"),
        family: family.into(),
        algorithm: algorithm.map(String::from),
        revoke: revoke.into(),
        revoke_within_ns: None,
        granularity: granularity.into(),
        revoke_all: if id == "jwt-denylist" { "at-expiry" } else { revoke }.into(),
        revoke_all_within_ns: None,
        lag_law: None,
        lag_period_ns: None,
        scope: scope.into(),
        store_down: if truth.redis_commands > 0 { "closed" } else { "unaffected" }.into(),
        store_lost: lost.into(),
        node_restart: if id == "session-memory" { "closed" } else { "unaffected" }.into(),
        redis_commands_per_request: truth.redis_commands,
        redis_cached: false,
        redis_background_per_second: 0,
        store: None,
        renewal: None,
        uses: None,
        counts_logins: false,
        hops_verify: None,
        remembers: None,
        faults: vec![],
    }
}

fn around(rng: &mut Pcg64, value: f64, share: f64) -> u64 {
    let z: f64 = StandardNormal.sample(rng);
    (value * (z * share).exp()).round() as u64
}

fn micro(rng: &mut Pcg64) -> Vec<MicroCell> {
    let reference = MICRO[1];
    let mut rows = Vec::new();
    for (operation, verify) in [("verify", true), ("issue", false)] {
        for &(id, algorithm, to_verify, to_issue) in MICRO {
            if !verify && algorithm.is_none() {
                continue;
            }
            let of = |v, i| if verify { v } else { i };
            let (subject, other) = (of(to_verify, to_issue), of(reference.2, reference.3));
            let each = |ns: f64| (1_000_000.0 / ns).ceil().max(1.0);
            let (n, m) = (each(subject), each(other));
            let mut cell = MicroCell {
                id: format!("{operation}/{id}"),
                operation: operation.into(),
                strategy: Some(id.into()),
                algorithm: algorithm.map(String::from),
                reference: Some(reference.0.into()),
                iterations: vec![n as u64; 60],
                reference_iterations: vec![m as u64; 60],
                ..MicroCell::default()
            };
            for _ in 0..60 {
                // Neighbouring batches share the machine's mood.
                let mood = around(rng, 1e9, 0.05) as f64 / 1e9;
                cell.cpu_ns.push(around(rng, n * subject * mood, 0.01));
                cell.reference_cpu_ns.push(around(rng, m * other * mood, 0.01));
            }
            rows.push(cell);
        }
    }
    rows
}

/// The true ratio of a made-up micro row to its reference.
#[must_use]
pub fn micro_ratio(operation: &str, strategy: &str) -> Option<f64> {
    let row = MICRO.iter().find(|row| row.0 == strategy)?;
    Some(if operation == "verify" { row.2 / MICRO[1].2 } else { row.3 / MICRO[1].3 })
}

fn sizes(truth: &Truth) -> SizeRow {
    SizeRow {
        arm: truth.arm.into(),
        credential_bytes: truth.credential_bytes,
        claims_bytes: truth.strategy.starts_with("jwt-").then_some(230),
        header_line_bytes: truth.credential_bytes + 24,
        request_bytes: request_bytes(truth),
        response_bytes: RESPONSE_BYTES,
        login_response_bytes: 160 + truth.credential_bytes,
    }
}

fn revocation_cost(rng: &mut Pcg64, blocks: u32) -> Vec<RevocationCost> {
    let mut rows = Vec::new();
    let contenders = ARMS.iter().filter(|truth| truth.role == Role::Contender);
    for truth in contenders.filter(|t| t.redis_commands > 0 || t.strategy == "session-memory") {
        for (operation, credentials, commands) in [("logout", 1, 1), ("logout-all", 5, 7)] {
            for block in 0..blocks {
                let calls = 60;
                let mut latency = LatencyHistogram::new();
                (0..calls).for_each(|_| latency.record(around(rng, 190_000.0, 0.3)));
                let stored = truth.redis_commands > 0;
                let work = f64::from(commands) * 60.0;
                let endless = truth.strategy == "jwt-denylist" && operation == "logout-all";
                rows.push(RevocationCost {
                    strategy: truth.strategy.into(),
                    operation: operation.into(),
                    block,
                    credentials_per_call: credentials,
                    calls,
                    server_cpu_ns: around(rng, 60.0 * 24_000.0, 0.03),
                    store_cpu_ns: stored.then(|| around(rng, work * 2_500.0, 0.03)),
                    redis_commands: stored.then_some(calls * commands as u64),
                    latency: latency.to_record(),
                    accepted_afterwards: if endless { calls * 5 } else { 0 },
                    presented_afterwards: calls * u64::from(credentials),
                });
            }
        }
    }
    rows
}

fn revocation_lag(rng: &mut Pcg64) -> Vec<RevocationLag> {
    let measured = [
        ("session-memory", 300),
        ("session-redis", 300),
        ("jwt-denylist", 300),
        ("jwt-version", 80),
    ];
    let mut rows: Vec<RevocationLag> = measured
        .iter()
        .map(|&(strategy, trials)| lag_row(strategy, (0..trials).map(|_| prompt(rng)).collect()))
        .collect();
    rows.push(lag_row("jwt-hs256", (0..60).map(|_| until_expiry(rng)).collect()));
    rows
}

fn lag_row(strategy: &str, trials: Vec<LagTrial>) -> RevocationLag {
    let alone = strategy == "session-memory";
    RevocationLag {
        strategy: strategy.into(),
        nodes: if alone { 1 } else { 2 },
        scope_note: alone.then(|| "its sessions live in one process".into()),
        probe_interval_ns: PROBE_NS,
        lifetime_s: if strategy.starts_with("jwt-") { LAG_LIFETIME_S } else { 1_800 },
        operation: "logout".into(),
        credentials_per_call: 1,
        load_per_second: 0,
        node_lags_ns: vec![],
        presented_afterwards: 0,
        accepted_afterwards: 0,
        trials,
    }
}

/// A credential that stops working with the revoke call.
fn prompt(rng: &mut Pcg64) -> LagTrial {
    let call_ns = around(rng, 210_000.0, 0.3);
    LagTrial {
        age_ns: rng.random_range(0..LAG_LIFETIME_S * 1_000_000_000),
        call_ns,
        last_accepted_ns: -((call_ns / 2 + rng.random_range(0..PROBE_NS)) as i64),
        first_refused_ns: Some(rng.random_range(0..PROBE_NS as i64) - call_ns as i64 / 2),
        stale_accepts: 0,
        refusals: 20,
        accepts_after_refusal: 0,
    }
}

/// A token that works until it expires, on a whole second.
fn until_expiry(rng: &mut Pcg64) -> LagTrial {
    let lifetime = LAG_LIFETIME_S * 1_000_000_000;
    let age_ns = rng.random_range(0..lifetime - 1_000_000_000);
    let call_ns = around(rng, 160_000.0, 0.3);
    let truncated = rng.random_range(0..1_000_000_000_u64);
    let remaining = lifetime as i64 - (age_ns + call_ns + truncated) as i64;
    let last = remaining - rng.random_range(0..PROBE_NS as i64);
    LagTrial {
        age_ns,
        call_ns,
        last_accepted_ns: last,
        first_refused_ns: Some(last + PROBE_NS as i64),
        stale_accepts: (last.max(0) as u64 / PROBE_NS) * 2,
        refusals: 20,
        accepts_after_refusal: 0,
    }
}
