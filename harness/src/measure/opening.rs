//! What a record says before anything was measured: of the run, the machine, the plan.

use authbench::store::redis::RedisSettings;
use authbench::strategy::StrategyKind;

use crate::os::{machine, provenance};
use crate::plan::{Plan, strategies};
use crate::record::io;
use crate::record::run::{Instrument, PlanRecord, Run, RunInfo, Status};
use crate::record::spectrum::Spectrum;
use crate::record::{METHOD_VERSION, RUN_SCHEMA};

/// What a record says of itself before anything was measured.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The name behind the date.
    pub label: String,
    /// The plan's name; [`MICRO_PROFILE`] where no server is loaded.
    pub profile: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// The arguments, paths reduced to their last component.
    pub argv: Vec<String>,
    /// Whether its figures are meant to be cited.
    pub citable: bool,
    /// Version of the Redis server, when there is one.
    pub redis_server: Option<String>,
}

/// The profile of a run that loads no server.
pub const MICRO_PROFILE: &str = "micro";

/// The record of a run that loads no server, before anything was measured: `partial` until
/// [`super::run::finish`]. The caller fills `micro`, `wire`, `limits`, `memory` and `not_measured`.
///
/// # Errors
/// When the running binary cannot be read, whose digest is part of the record.
pub fn begin_without_load(opening: Opening) -> anyhow::Result<Run> {
    begin(opening, StrategyKind::ALL)
}

/// The record before anything was measured, without a plan.
pub(super) fn begin(opening: Opening, kinds: &[StrategyKind]) -> anyhow::Result<Run> {
    let now = io::utc_now();
    let mut provenance = provenance::read()?;
    provenance.redis_server = opening.redis_server;
    Ok(Run {
        schema: RUN_SCHEMA.into(),
        method_version: METHOD_VERSION,
        run: RunInfo {
            id: format!("{}-{:08x}", io::compact(&now), opening.seed as u32),
            label: opening.label,
            profile: opening.profile,
            seed: opening.seed.to_string(),
            started_utc: now,
            finished_utc: None,
            wall_ms: None,
            argv: opening.argv,
            status: Status::Partial,
            reasons: vec!["still running, or killed before it could say why it ended".into()],
            citable: opening.citable,
        },
        provenance,
        environment: machine::environment(),
        plan: None,
        strategies: kinds.iter().copied().map(strategies::record).collect(),
        arms: Vec::new(),
        cells: Vec::new(),
        regimes: Vec::new(),
        instrument: Instrument::default(),
        acceptance: None,
        micro: Vec::new(),
        wire: Vec::new(),
        limits: Vec::new(),
        memory: Vec::new(),
        tools: Vec::new(),
        sizes: Vec::new(),
        revocation_cost: Vec::new(),
        revocation_lag: Vec::new(),
        spectrum: Spectrum::default(),
        distance: Vec::new(),
        predictions: None,
        checks: Vec::new(),
        not_measured: Vec::new(),
    })
}

/// What the plan asks for, as a record keeps it.
pub(super) fn plan_record(plan: &Plan) -> PlanRecord {
    let redis = RedisSettings::default();
    PlanRecord {
        blocks: plan.blocks,
        rounds_per_block: plan.rounds_per_block,
        slot_ms: plan.slot_ms,
        lead_in_ms: plan.lead_in_ms,
        latency_window_ms: plan.latency_window_ms,
        rate_per_second: plan.rate_per_second,
        arrivals: plan.arrivals.name().into(),
        pacing: plan.pacing.name().into(),
        connections: plan.connections,
        wallet: plan.wallet,
        server_threads: plan.server_threads,
        timeout_ms: plan.timeout_ms,
        backlog_limit: plan.backlog_limit,
        token_lifetime_s: plan.settings.token_lifetime_s,
        access_lifetime_s: Some(plan.settings.access_lifetime_s),
        link_lifetime_s: Some(plan.settings.link_lifetime_s),
        extra_claims_bytes: Some(plan.settings.extra_claims_bytes.into()).filter(|n| *n > 0),
        leeway_s: plan.settings.leeway_s,
        session_idle_s: plan.settings.session_idle_s,
        session_absolute_s: plan.settings.session_absolute_s,
        redis_nodelay: redis.nodelay,
        redis_response_timeout_ms: redis.response_timeout_ms,
        slip_limit_ns: plan.slip_limit_us * 1_000,
        discard_limit_permille: plan.discard_limit_permille,
        judge_host: Some(plan.judge_host),
    }
}
