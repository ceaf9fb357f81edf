//! The cost model: what one strategy costs and promises under a workload.
//!
//! All of it is arithmetic on measured figures; the page computes the same in the reader's browser,
//! and golden vectors hold the two together. What was not measured is missing in the result, with
//! the command that measures it; nothing is guessed.

use super::constraints;
use super::cpu::{BY_RATES, behind, is_cache, misses, processors, real};
use super::figures::{Facts, Figure, Figures};
use super::resample::added_p99_ns;
use super::workload::Workload;
use crate::record::decision::{Assessment, Interval, Lag};

const GIB: f64 = 1_073_741_824.0;
/// Seconds of an average month.
const MONTH_S: f64 = 2_629_746.0;

/// What `facts` come to under `workload`; briefly without the laws and rows that it rests on.
#[must_use]
pub fn assess(figures: &Figures, facts: &Facts, workload: &Workload, is_brief: bool) -> Assessment {
    let mut found = Assessment {
        is_brief,
        strategy: facts.declared.id.clone(),
        cores: None,
        cpu_ns: None,
        share_percent: None,
        store_operations: None,
        request_bytes: None,
        memory_bytes: None,
        latency_ns: None,
        latency_p99_ns: None,
        lag: lag(facts, workload),
        stale_requests: None,
        monthly: None,
        broken: Vec::new(),
        missing: Vec::new(),
        laws: Vec::new(),
        rows: Vec::new(),
    };
    if let Some(figure) = &facts.lag_max_s {
        found.row(&figure.row);
    }
    found.stale_requests = found.lag.map(|lag| lag.mean_s * workload.attacker_per_second);
    processors(figures, facts, workload, &mut found);
    operations(figures, facts, workload, &mut found);
    latency(figures, facts, workload, &mut found);
    bytes(figures, facts, workload, &mut found);
    memory(figures, facts, workload, &mut found);
    price(workload, &mut found);
    let by_law = matches!(facts.declared.lag_law.as_deref(), Some("uniform" | "push"));
    if by_law && !NODES_CHECKED.contains(&workload.nodes) {
        found
            .laws
            .push(format!("its lag was measured with 2 and 4 nodes; here are {}", workload.nodes));
    }
    constraints::check(facts, workload, &mut found);
    found
}

/// Records the row of a figure that is used, and hands it over.
pub(super) fn used(figure: Option<&Figure>, found: &mut Assessment) -> Option<Interval> {
    let figure = figure?;
    found.row(&figure.row);
    Some(figure.is)
}

fn operations(figures: &Figures, facts: &Facts, workload: &Workload, found: &mut Assessment) {
    let declared = &facts.declared;
    let each = if declared.store.is_none() {
        Some(Interval::exactly(0.0))
    } else if is_cache(facts) {
        let asked = figures.fallback(facts).and_then(|f| f.commands.as_ref());
        asked.map(|c| c.is.times(misses(facts, workload)))
    } else if declared.store.as_deref() == Some("redis") {
        used(facts.commands.as_ref(), found)
    } else {
        // One statement each; the instrument counts those of Redis alone.
        Some(Interval::exactly(1.0))
    };
    let Some(each) = each else {
        found.lack(|| format!("store commands per request: {BY_RATES}"));
        return;
    };
    let hops = if declared.hops_verify.is_some() { 0.0 } else { workload.internal_hops };
    let asked = each.times(workload.requests_per_second * (1.0 + hops));
    let background = workload.nodes * f64::from(declared.redis_background_per_second);
    let logouts = workload.revocations_per_second * facts.logout_commands.unwrap_or(0.0);
    found.store_operations = Some(asked.plus(Interval::exactly(background + logouts)));
}

/// Round trips of a whole request, one after another.
fn trips(facts: &Facts, workload: &Workload) -> f64 {
    let inside = if facts.declared.hops_verify.is_some() { 0.0 } else { workload.internal_hops };
    let checks = 1.0 + inside;
    match (facts.declared.store.as_deref(), is_cache(facts)) {
        (None | Some("sqlite"), _) => 0.0,
        (_, true) => (misses(facts, workload) * checks).round(),
        (Some("redis"), false) => {
            checks * facts.commands.as_ref().map_or(1.0, |c| c.is.value.round())
        }
        (_, false) => checks,
    }
}

/// The median of all checks one after another: each adds its own time and its round trips.
fn latency(figures: &Figures, facts: &Facts, workload: &Workload, found: &mut Assessment) {
    // The median is that of a miss where most of the requests miss.
    let is_missed = is_cache(facts) && misses(facts, workload) > 0.5;
    let usual = if is_missed { figures.fallback(facts).unwrap_or(facts) } else { facts };
    let inner = behind(figures, usual).and_then(|inner| inner.p50_ns.as_ref());
    let (Some(edge), Some(inner)) = (used(usual.p50_ns.as_ref(), found), inner) else {
        found.lack(|| format!("median latency: {BY_RATES}"));
        return;
    };
    let away = trips(facts, workload) * workload.store_rtt_ms * 1e6;
    let here = real(edge).plus(real(inner.is).times(workload.internal_hops));
    found.latency_ns = Some(here.plus(Interval::exactly(away)));
    if away > 0.0 {
        found.law(|| distance_law(figures, workload));
    }
}

fn distance_law(figures: &Figures, workload: &Workload) -> String {
    let Some(law) = &figures.distance_law else {
        return "a round trip takes its time: not checked in these records".into();
    };
    let (farthest_ms, error) = (law.farthest_ns / 1e6, law.error_percent);
    let beyond = if workload.store_rtt_ms > farthest_ms { ", and here it is farther" } else { "" };
    format!(
        "a round trip takes its time: checked at {} points up to {farthest_ms:.0} ms, to \
         {error:.0} %{beyond}",
        law.points
    )
}

/// More requests than this miss: then the slowest hundredth are misses.
const MISSES_OF_P99: f64 = 0.01;

/// Adds what takes long to draw: the slowest hundredth of each strategy's requests. Of a strategy
/// whose services inside do something else than the edge it is drawn for the edge alone; of one
/// that remembers, as if every request missed, which is the most that it can be.
pub fn draw_p99(figures: &Figures, workload: &Workload, all: &mut [Assessment]) {
    for found in all {
        let Some(facts) = figures.of(&found.strategy) else { continue };
        let is_missed = is_cache(facts) && misses(facts, workload) > MISSES_OF_P99;
        let facts = if is_missed { figures.fallback(facts).unwrap_or(facts) } else { facts };
        let Some((own, none)) = &facts.responses else { continue };
        let away_ns = trips(facts, workload) * workload.store_rtt_ms * 1e6;
        let inside =
            if facts.declared.hops_verify.is_some() { 0.0 } else { workload.internal_hops };
        let checks = (1.0 + inside).round() as usize;
        found.latency_p99_ns = Some(added_p99_ns(own, none, checks, away_ns));
    }
}

/// The counts of nodes that lags were measured with.
const NODES_CHECKED: [f64; 2] = [2.0, 4.0];

/// How long a logout takes to work. Of one that waits for expiry: half of the lifetime on average,
/// because tokens are taken back at any age.
fn lag(facts: &Facts, workload: &Workload) -> Option<Lag> {
    let declared = &facts.declared;
    let life = workload.lifetime_s + workload.leeway_s;
    let bound = declared.revoke_within_ns.map_or(0.0, |ns| ns as f64 / 1e9);
    let (mean_s, worst_s) = match (declared.revoke.as_str(), declared.lag_law.as_deref()) {
        ("immediate", _) => (0.0, 0.0),
        ("at-expiry", _) => (workload.lifetime_s / 2.0 + workload.leeway_s, life),
        ("within", Some("uniform")) => {
            // The period is the reader's; what was measured beyond the period itself stays.
            let period = declared.lag_period_ns.map_or(bound, |ns| ns as f64 / 1e9);
            let n = workload.nodes;
            (workload.period_s * n / (n + 1.0), workload.period_s + (bound - period))
        }
        ("within", _) => (facts.lag_max_s.as_ref().map_or(0.0, |f| f.is.value) / 2.0, bound),
        _ => return None,
    };
    let faults = &declared.faults;
    let cut = faults.iter().find(|fault| fault.fault == "partition");
    let partition_s = match cut.map(|fault| (fault.outcome.as_str(), fault.open_for_ns)) {
        Some(("open-for", ns)) => worst_s + ns.unwrap_or(0) as f64 / 1e9,
        Some(("open" | "revives", _)) => life,
        _ => worst_s,
    };
    Some(Lag { mean_s, worst_s, partition_s })
}

fn bytes(figures: &Figures, facts: &Facts, workload: &Workload, found: &mut Assessment) {
    let each = figures.wire.bytes(
        facts,
        workload.claims_bytes,
        workload.encoder,
        workload.requests_per_connection,
    );
    match each {
        Some(each) => found.request_bytes = Some(each * workload.requests_per_second),
        None => found
            .missing
            .push("bytes on the wire: cargo bench --bench size && authbench collect".into()),
    }
}

/// Sessions are as many as are alive; entries on a deny-list live half a token's life on average. A
/// kind of entry that was weighed for another strategy with the same store weighs as much.
fn memory(figures: &Figures, facts: &Facts, workload: &Workload, found: &mut Assessment) {
    let denied = workload.revocations_per_second * workload.lifetime_s / 2.0;
    let is_denied = |entry: &str| matches!(entry, "deny-list-entry" | "revocation");
    let mut sum = 0.0;
    let mut entries = &facts.entry_bytes;
    let store = facts.declared.store.as_deref();
    if entries.is_empty() && store == Some("redis") {
        let Some(other) = figures.fallback(facts).filter(|other| !other.entry_bytes.is_empty())
        else {
            found.lack(|| "bytes per entry: authbench revoke --parts memory --record".into());
            return;
        };
        found.law(|| format!("its entries weigh what those of `{}` do", other.declared.id));
        entries = &other.entry_bytes;
    }
    let more = more_of_a_session(figures, facts, workload);
    let longer = |bytes: f64, found: &mut Assessment| {
        if more > 0.0 {
            found.law(|| format!("a session holds what a token would: {more:.0} bytes more"));
        }
        bytes + more
    };
    for (entry, figure) in entries {
        found.row(&figure.row);
        let each = longer(figure.is.value, found);
        sum += each * if is_denied(entry) { denied } else { workload.sessions };
    }
    for (entry, figure) in &facts.node_bytes {
        // Less than this is the allocator's, and below what can be told.
        if figure.is.value < NODE_BYTES_MIN {
            continue;
        }
        found.row(&figure.row);
        // A list is on every node, a record on one.
        let of = if is_denied(entry) { denied * workload.nodes } else { workload.sessions };
        sum += longer(figure.is.value, found) * of;
    }
    found.memory_bytes = Some(sum);
}

/// What an application keeps in a token it keeps in a session instead: the bytes of the workload's
/// claims beyond those of the tokens that were measured, in every record of a session.
fn more_of_a_session(figures: &Figures, facts: &Facts, workload: &Workload) -> f64 {
    let usual = figures.strategies.iter().find_map(|facts| facts.claims_bytes);
    let more = usual.map_or(0.0, |usual| workload.claims_bytes - usual).max(0.0);
    if facts.declared.family == "session" { more } else { 0.0 }
}

/// Growth of a process per entry that is not told from none, bytes.
const NODE_BYTES_MIN: f64 = 64.0;

fn price(workload: &Workload, found: &mut Assessment) {
    let Some(cores) = found.cores else { return };
    let prices = &workload.prices;
    let Some(memory) = found.memory_bytes else { return };
    let memory = memory / GIB * prices.memory_gib;
    let traffic = found.request_bytes.unwrap_or(0.0) * MONTH_S / GIB * prices.traffic_gib;
    found.monthly = Some(cores.times(prices.core).plus(Interval::exactly(memory + traffic)));
}
