//! Made-up figures of what is timed in loops, sized and weighed; with a known truth.

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use crate::record::run::{
    HeaderBlock, LimitRow, MemoryRow, MicroCell, NotMeasured, Run, Timer, WireRow,
};

/// The signature alone by algorithm: verify and issue, nanoseconds.
pub const LOOPED_NS: [(&str, f64, f64); 10] = [
    ("HS256", 260.0, 255.0),
    ("HS384", 520.0, 515.0),
    ("HS512", 530.0, 520.0),
    ("RS256", 18_500.0, 555_000.0),
    ("RS256-3072", 37_000.0, 1_600_000.0),
    ("RS256-4096", 61_000.0, 3_400_000.0),
    ("PS256", 19_500.0, 560_000.0),
    ("ES256", 51_000.0, 19_000.0),
    ("ES384", 310_000.0, 130_000.0),
    ("EdDSA", 34_500.0, 15_500.0),
];
/// Each path with what it adds to the signature, nanoseconds.
const PATHS: [(&str, f64); 4] = [
    ("primitive", 0.0),
    ("prepared", 310.0),
    ("jsonwebtoken", 1_450.0),
    ("jsonwebtoken+policy", 1_700.0),
];
const BACKENDS: [(&str, f64); 3] = [("aws-lc-rs", 1.0), ("ring", 1.08), ("rust_crypto", 2.4)];
/// Shares of a verification by path.
const STEPS: [(&str, f64); 6] = [
    ("split", 0.03),
    ("base64", 0.09),
    ("header-json", 0.12),
    ("claims-json", 0.22),
    ("signature", 0.49),
    ("claim-checks", 0.04),
];
const BATCHES: usize = 40;

/// `run` with the parts that need no server.
#[must_use]
pub fn with_loops(mut run: Run, seed: u64) -> Run {
    let mut rng = Pcg64::seed_from_u64(seed ^ 0x100b);
    run.micro.extend(timed(&mut rng));
    run.micro.extend(revoked(&mut rng));
    run.wire = wire();
    run.limits = limits();
    run.memory = memory();
    run
}

/// A run that loaded no server.
#[must_use]
pub fn alone(seed: u64) -> Run {
    let mut run = with_loops(super::run(seed), seed);
    run.run.profile = "micro".into();
    run.run.label = "synthetic-micro".into();
    run.run.argv = ["micro", "--label", "synthetic-micro"].map(String::from).into();
    run.run.citable = true;
    run.plan = None;
    run.arms.clear();
    run.cells.clear();
    run.sizes.clear();
    run.revocation_cost.clear();
    run.revocation_lag.clear();
    run.not_measured = vec![NotMeasured {
        what: "lookup/pool".into(),
        reason: "no Redis of that kind".into(),
        remedy: "name one".into(),
    }];
    run
}

fn noise(rng: &mut Pcg64, share: f64) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    (z * share).exp()
}

/// Batches of a subject and its reference, nanoseconds per operation.
fn cell(rng: &mut Pcg64, id: &str, ns: f64, (reference, other): (&str, f64)) -> MicroCell {
    let (n, m) = ((1e6 / ns).ceil(), (1e6 / other).ceil());
    let mut cell = MicroCell {
        id: id.into(),
        operation: id.split('/').next().unwrap_or_default().into(),
        algorithm: id.split("alg=").nth(1).and_then(|a| a.split(',').next()).map(String::from),
        reference: Some(reference.into()),
        iterations: vec![n as u64; BATCHES],
        reference_iterations: vec![m as u64; BATCHES],
        ..MicroCell::default()
    };
    for _ in 0..BATCHES {
        let mood = noise(rng, 0.01);
        cell.cpu_ns.push((n * ns * mood * noise(rng, 0.01)) as u64);
        cell.reference_cpu_ns.push((m * other * mood * noise(rng, 0.01)) as u64);
    }
    cell.wall_ns = cell.cpu_ns.iter().map(|ns| ns + ns / 50).collect();
    cell.reference_wall_ns = cell.reference_cpu_ns.iter().map(|ns| ns + ns / 50).collect();
    cell
}

/// The same subject as Criterion times it.
fn criterion(rng: &mut Pcg64, of: &MicroCell) -> MicroCell {
    let ns = of.cpu_ns[0] as f64 / of.iterations[0] as f64;
    let iterations: Vec<u64> = (1..=50).map(|i| i * of.iterations[0].div_ceil(20)).collect();
    let wall_ns = iterations.iter().map(|n| (*n as f64 * ns * 1.03 * noise(rng, 0.02)) as u64);
    MicroCell {
        id: of.id.clone(),
        operation: of.operation.clone(),
        strategy: of.strategy.clone(),
        algorithm: of.algorithm.clone(),
        timer: Timer::Criterion,
        wall_ns: wall_ns.collect(),
        iterations,
        ..MicroCell::default()
    }
}

fn timed(rng: &mut Pcg64) -> Vec<MicroCell> {
    let mut cells = Vec::new();
    for (algorithm, verify, issue) in LOOPED_NS {
        for (operation, ns) in [("verify", verify), ("issue", issue)] {
            for (backend, times) in BACKENDS {
                let cell_name = format!("alg={algorithm},claims=typical,backend={backend}");
                let reference = format!("{operation}/primitive/{cell_name}");
                for (path, extra) in PATHS {
                    if backend == "ring" && path.starts_with("jsonwebtoken") {
                        continue;
                    }
                    let id = format!("{operation}/{path}/{cell_name}");
                    let own = cell(rng, &id, ns * times + extra, (&reference, ns * times));
                    cells.push(criterion(rng, &own));
                    cells.push(own);
                }
            }
        }
    }
    let reference = "verify/prepared/alg=HS256,claims=typical,backend=aws-lc-rs";
    for (path, whole) in [("prepared", 570.0), ("jsonwebtoken", 1_710.0)] {
        for (step, share) in STEPS {
            let id = format!("part/{path}/step={step}");
            cells.push(cell(rng, &id, whole * share, (reference, 570.0)));
        }
    }
    cells.extend(rejected(rng));
    cells.extend(looked_up(rng));
    cells
}

fn rejected(rng: &mut Pcg64) -> Vec<MicroCell> {
    let kinds = [
        ("bad-signature", 0.98),
        ("expired", 1.02),
        ("wrong-audience", 1.01),
        ("unknown-kid", 0.08),
        ("garbage", 0.03),
        ("alg-none", 0.06),
        ("64k", 3.4),
    ];
    let mut cells = Vec::new();
    for (strategy, ns) in [("jwt-hs256", 2_000.0), ("jwt-es256", 53_000.0)] {
        for (kind, ratio) in kinds {
            let id = format!("reject/{strategy}/kind={kind}");
            let reference = format!("verify/{strategy}");
            let own = cell(rng, &id, ns * ratio, (&reference, ns));
            cells.push(MicroCell { strategy: Some(strategy.into()), ..own });
        }
    }
    let mut own = cell(
        rng,
        "reject/session-redis/kind=random-id",
        9_000.0,
        ("lookup/session-redis", 9_400.0),
    );
    own.strategy = Some("session-redis".into());
    own.store_cpu_ns = own.cpu_ns.iter().map(|ns| ns / 4).collect();
    own.reference_store_cpu_ns = own.reference_cpu_ns.iter().map(|ns| ns / 4).collect();
    cells.push(own);
    cells
}

fn looked_up(rng: &mut Pcg64) -> Vec<MicroCell> {
    let subjects = [
        ("session-redis", "", 9_400.0, 3_100.0),
        ("jwt-denylist", "", 11_800.0, 2_900.0),
        ("jwt-version", "", 11_700.0, 3_000.0),
        ("redis-get", "conn=tcp,record=typical,", 7_900.0, 2_800.0),
        ("redis-get", "conn=unix,record=typical,", 6_300.0, 2_100.0),
        ("redis-get", "conn=pool,record=typical,", 21_000.0, 6_900.0),
    ];
    let mut cells = Vec::new();
    for (subject, levels, client, store) in subjects {
        for in_flight in [1_u32, 4, 16, 64, 256] {
            let batching = f64::from(in_flight).powf(-0.35).max(0.2);
            let id = format!("lookup/{subject}/{levels}in-flight={in_flight}");
            let mut own = cell(rng, &id, client * batching, ("verify/jwt-hs256", 2_000.0));
            own.strategy = levels.is_empty().then(|| subject.to_owned());
            let wait = if subject == "redis-get" { 30_000.0 } else { 45_000.0 };
            for i in 0..BATCHES {
                let n = own.iterations[i] as f64;
                own.store_cpu_ns.push((n * store * batching * noise(rng, 0.02)) as u64);
                let wall = (client + wait / f64::from(in_flight)) * batching.max(0.3);
                own.wall_ns[i] = (n * wall * noise(rng, 0.02)) as u64;
            }
            cells.push(own);
        }
    }
    let record = "lookup/sqlite/record=1KB";
    cells.push(cell(rng, record, 6_200.0, ("lookup/redis-get", 9_000.0)));
    cells
}

fn revoked(rng: &mut Pcg64) -> Vec<MicroCell> {
    let cell = |rng: &mut Pcg64, strategy: &str, what: &str, ns: f64| {
        let id = format!("revoke/{strategy}/what={what}");
        MicroCell {
            strategy: Some(strategy.into()),
            ..cell(rng, &id, ns, ("verify/jwt-hs256", 2_000.0))
        }
    };
    vec![
        cell(rng, "session-redis", "everywhere,k=5", 31_000.0),
        cell(rng, "jwt-version", "everywhere,k=5", 12_000.0),
        cell(rng, "session-redis", "mass,n=10000", 9_000_000.0),
    ]
}

fn wire() -> Vec<WireRow> {
    let mut rows = Vec::new();
    for (carrier, name) in [("bearer", 24), ("cookie", 17)] {
        rows.push(wire_row("session-id", (None, None), (carrier, name), (None, 43)));
        for (algorithm, signature) in [("HS256", 43), ("ES256", 86), ("RS256", 342)] {
            let sizes = [("minimal", 90), ("typical", 230), ("1k", 1_024), ("4k", 4_096)];
            for (claims, bytes) in sizes {
                let credential = 60 + bytes * 4 / 3 + signature;
                let factors = (Some(algorithm), Some(claims));
                rows.push(wire_row("jwt", factors, (carrier, name), (Some(bytes), credential)));
            }
        }
    }
    rows
}

fn wire_row(
    credential: &str,
    (algorithm, claims): (Option<&str>, Option<&str>),
    (carrier, name): (&str, u64),
    (claims_bytes, bytes): (Option<u64>, u64),
) -> WireRow {
    let huffman = bytes * 4 / 5 + 8;
    let indexed = if bytes > 3_000 { huffman } else { 1 };
    let block = |policy: &str, later_bytes| HeaderBlock {
        policy: policy.into(),
        first_bytes: huffman + 30,
        later_bytes: later_bytes + 5,
    };
    WireRow {
        credential: credential.into(),
        algorithm: algorithm.map(String::from),
        claims: claims.map(String::from),
        claims_bytes,
        carrier: carrier.into(),
        credential_bytes: bytes,
        header_line_bytes: bytes + name,
        request_bytes: bytes + name + 94,
        header_blocks: vec![
            block("never-indexed", huffman),
            block("nghttp2", if carrier == "cookie" && bytes < 20 { 1 } else { huffman * 2 / 3 }),
            block("index-all", indexed),
        ],
    }
}

fn limits() -> Vec<LimitRow> {
    let all = [
        ("hpack-three-quarters", 3_072, "both"),
        ("cookie", 4_096, "cookie"),
        ("header-line-8k", 8_192, "both"),
    ];
    let mut rows = Vec::new();
    for (limit, limit_bytes, whose) in all {
        for carrier in ["bearer", "cookie"] {
            for (algorithm, signature) in [("HS256", 43), ("RS256", 342)] {
                let applies = whose == "both" || whose == carrier;
                rows.push(LimitRow {
                    limit: limit.into(),
                    about: format!("a made-up limit of {limit_bytes} bytes"),
                    limit_bytes,
                    algorithm: algorithm.into(),
                    carrier: carrier.into(),
                    claims_bytes: applies.then_some((limit_bytes - 80 - signature) * 3 / 4),
                });
            }
        }
    }
    rows
}

fn memory() -> Vec<MemoryRow> {
    let row = |strategy: &str, entry: &str, each: u64, usage_bytes| MemoryRow {
        strategy: strategy.into(),
        entry: entry.into(),
        entries: 20_000,
        used_before_bytes: 1_100_000,
        used_after_bytes: 1_100_000 + 20_000 * each,
        keys: 20_000,
        usage_bytes,
    };
    vec![
        row("session-redis", "session", 412, 344),
        row("jwt-denylist", "deny-list-entry", 118, 88),
        row("jwt-version", "version", 96, 72),
    ]
}
