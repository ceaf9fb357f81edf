//! What the records say of each strategy: the figures that the model rests on, each with the row it
//! stands in.
//!
//! CPU is taken from the one record that measured most strategies, so that any two of them were
//! measured beside each other; what that record lacks is taken from the next. Figures of one
//! strategy may so come from several records: each is above the `none` of its own.

use std::collections::BTreeMap;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Family;
use serde::{Deserialize, Serialize};

use super::checked;
use super::claims::{self, ClaimsPoint};
use super::rates::{self, IdleLaw, RatePoint};
use super::resample::Responses;
use super::wire::Wire;
use crate::plan::strategies;
use crate::record::decision::{Interval, ModelCheck};
use crate::record::derived::{ArmResult, Derived, Estimate, Verdict};
use crate::record::run::{Arm, Role, Run, StrategyRecord};

/// A record and the name that rows in it carry.
#[derive(Clone, Copy, Debug)]
pub struct Source<'r> {
    /// The folder's name.
    pub name: &'r str,
    /// What was measured.
    pub run: &'r Run,
    /// What follows from it.
    pub derived: &'r Derived,
}

/// A figure and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    #[serde(flatten)]
    pub is: Interval,
    /// `folder#/pointer/into/derived.json`.
    pub row: String,
}

/// What is known of one strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What it declares.
    pub declared: StrategyRecord,
    /// CPU of server and store per request above `none`, nanoseconds, at the rate of the record.
    pub cpu_ns: Option<Figure>,
    /// The same at every rate of that record, ascending.
    #[serde(default)]
    pub cpu_by_rate: Vec<RatePoint>,
    /// What more claims in its token cost, ascending; nothing where that was not measured.
    #[serde(default)]
    pub cpu_by_claims: Vec<ClaimsPoint>,
    /// The store's share of it, of 1.
    pub store_share: f64,
    /// Store commands per request, counted.
    pub commands: Option<Figure>,
    /// Median response time above `none`, nothing between server and store, nanoseconds.
    pub p50_ns: Option<Figure>,
    /// The credential, bytes.
    pub credential_bytes: Option<f64>,
    /// The header line that carries it in HTTP/1.1, bytes.
    pub line_bytes: Option<f64>,
    /// The claims in it, bytes of JSON; nothing where it carries none.
    pub claims_bytes: Option<f64>,
    /// `cookie` or `bearer`.
    pub carrier: String,
    /// Bytes of one entry in the store, by kind of entry.
    pub entry_bytes: BTreeMap<String, Figure>,
    /// Bytes of one entry on a node, by kind of entry: `credential`, `revocation`.
    pub node_bytes: BTreeMap<String, Figure>,
    /// Store commands per logout.
    pub logout_commands: Option<f64>,
    /// The longest lag seen, seconds.
    pub lag_max_s: Option<Figure>,
    /// Response times of it and of the `none` beside it, to draw from; not on the page.
    #[serde(skip)]
    pub responses: Option<(Responses, Responses)>,
}

/// What is known, of all strategies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The records, those that were used most first.
    pub records: Vec<String>,
    /// CPU of `none` per request at each rate, ascending.
    pub none_by_rate: Vec<RatePoint>,
    /// Below the lowest rate of all strategies the CPU stays: what that was checked on.
    #[serde(default)]
    pub idle_law: Option<IdleLaw>,
    /// By strategy, in report order.
    pub strategies: Vec<Facts>,
    /// Bytes on the wire.
    pub wire: Wire,
    /// How the median moves with the distance of the store.
    pub distance_law: Option<DistanceLaw>,
    /// How far off predictions of CPU were, in the latest record that has some.
    #[serde(default)]
    pub checked: Option<ModelCheck>,
    /// Pairs of strategies whose CPU was compared in one record, the one of most strategies, and
    /// whether it could be told apart.
    #[serde(default)]
    pub compared: Vec<(String, String, bool)>,
}

/// A round trip to the store costs its length: what that was checked on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistanceLaw {
    /// Points it was checked on: an arm at a distance.
    pub points: usize,
    /// The farthest, nanoseconds.
    pub farthest_ns: f64,
    /// The largest difference between law and measurement, per cent of the round trip.
    pub error_percent: f64,
}

/// Gathers what `sources` say; of invalid records nothing is taken.
#[must_use]
pub fn gather(sources: &[Source<'_>]) -> Figures {
    let mut valid: Vec<&Source<'_>> =
        sources.iter().filter(|s| s.derived.withheld.is_none()).collect();
    let contenders = |s: &Source<'_>| {
        let measured =
            |arm: &&ArmResult| arm.role == Role::Contender && arm.cpu_above_none_ns.is_some();
        let own = s.derived.arms.iter().filter(|arm| arm.arm == arm.strategy);
        own.filter(measured).count()
    };
    // Of two that measured as many, the later by its name.
    valid.sort_by_key(|s| std::cmp::Reverse((contenders(s), s.name.to_owned())));
    let declared = declared(&valid);
    let none = valid.iter().find(|s| s.derived.none_cpu_ns.is_some());
    let points: Vec<Vec<Vec<RatePoint>>> =
        valid.iter().map(|s| declared.iter().map(|d| rates::points(s, &d.id)).collect()).collect();
    let common: Vec<Vec<f64>> = points.iter().map(|record| rates::common(record)).collect();
    let by_rate = |strategy: usize| {
        let of = |(record, common): (&Vec<Vec<RatePoint>>, &Vec<f64>)| {
            let own = record[strategy].iter();
            own.filter(|p| common.contains(&p.per_second)).cloned().collect::<Vec<_>>()
        };
        // The record of most rates; of two as good, the first.
        points.iter().zip(&common).map(of).rev().max_by_key(Vec::len).unwrap_or_default()
    };
    let strategies: Vec<Facts> = declared
        .into_iter()
        .enumerate()
        .map(|(i, d)| Facts { cpu_by_rate: by_rate(i), ..facts(&valid, d) })
        .collect();
    Figures {
        records: valid.iter().map(|s| s.name.to_owned()).collect(),
        none_by_rate: none.map(|s| rates::floor(s)).unwrap_or_default(),
        idle_law: points.iter().find_map(|record| rates::idle_law(record)),
        strategies,
        wire: Wire::of(&valid),
        distance_law: valid.iter().find_map(|s| distance_law(s.derived)),
        checked: checked::latest(&valid),
        compared: valid.first().map(|s| compared(s.derived)).unwrap_or_default(),
    }
}

/// The same with the response times to draw from, which take a while to read.
#[must_use]
pub fn gather_all(sources: &[Source<'_>]) -> Figures {
    let mut figures = gather(sources);
    for facts in &mut figures.strategies {
        let own = |arm: &Arm| arm.id == facts.declared.id;
        // From the record that its median is from.
        let row = facts.p50_ns.as_ref().map(|figure| figure.row.as_str());
        let is_source =
            |s: &&Source<'_>| row.is_some_and(|row| row.split('#').next() == Some(s.name));
        facts.responses = sources
            .iter()
            .find(is_source)
            .and_then(|s| Some((Responses::of(s, own)?, Responses::of_none(s)?)));
    }
    figures
}

/// What each registered strategy declares, in report order; without any record there is nothing to
/// decide by. Older records lack some of it, so it is taken from where it is declared.
fn declared(sources: &[&Source<'_>]) -> Vec<StrategyRecord> {
    if sources.is_empty() {
        return Vec::new();
    }
    let registered = StrategyKind::ALL.iter().filter(|k| k.properties().family != Family::Floor);
    registered.map(|kind| strategies::record(*kind)).collect()
}

fn facts(sources: &[&Source<'_>], declared: StrategyRecord) -> Facts {
    let id = declared.id.clone();
    let first = |find: &dyn Fn(&Source<'_>) -> Option<Figure>| {
        sources.iter().find_map(|source| find(source))
    };
    let arm_of = |s: &Source<'_>| {
        let usual = |arm: &&ArmResult| {
            arm.strategy == id && arm.role == Role::Contender && !arm.arm.contains(['@', '+'])
        };
        s.derived.arms.iter().position(|arm| usual(&arm))
    };
    let cpu_ns = first(&|s| {
        let at = arm_of(s)?;
        let pointer = format!("/arms/{at}/cpu_above_none_ns");
        Some(figure(s, s.derived.arms[at].cpu_above_none_ns?, &pointer))
    });
    let p50_ns = first(&|s| {
        let at = arm_of(s)?;
        let row = s.derived.arms[at].latency.iter().position(|p| p.permille == 500)?;
        let pointer = format!("/arms/{at}/latency/{row}/above_none_ns");
        Some(figure(s, s.derived.arms[at].latency[row].above_none_ns?, &pointer))
    });
    let background = f64::from(declared.redis_background_per_second);
    let commands = first(&|s| {
        let at = arm_of(s)?;
        let each = commands_of(&s.derived.arms[at])?;
        // What the instrument and the nodes send by themselves is per second, not per request.
        let floor = s.derived.arms.iter().find(|arm| arm.role == Role::Baseline);
        let floor = floor.and_then(commands_of).unwrap_or(0.0);
        let rate = s.run.plan.as_ref().map_or(f64::INFINITY, |plan| plan.rate_per_second as f64);
        let own = (each - floor - background / rate).max(0.0);
        let row = format!("{}#/arms/{at}/redis_counted", s.name);
        Some(Figure { is: Interval::exactly((own * 1e3).round() / 1e3), row })
    });
    let store_share = sources.iter().find_map(|s| {
        let arm = &s.derived.arms[arm_of(s)?];
        let above = arm.cpu_above_none_ns?.value;
        (above > 0.0).then(|| (arm.store_cpu_ns.unwrap_or(0.0) / above).clamp(0.0, 1.0))
    });
    let size = sources.iter().find_map(|s| s.run.sizes.iter().find(|row| row.arm == id));
    let carrier = sources.iter().find_map(|s| s.run.arms.iter().find(|arm| arm.id == id));
    Facts {
        cpu_ns,
        cpu_by_rate: Vec::new(),
        cpu_by_claims: claims_points(sources, &declared),
        store_share: store_share.unwrap_or(0.0),
        commands,
        p50_ns,
        credential_bytes: size.map(|row| row.credential_bytes as f64),
        line_bytes: size.map(|row| row.header_line_bytes as f64),
        claims_bytes: claims_bytes(sources, &declared),
        carrier: carrier.map_or_else(|| "bearer".into(), |arm| arm.carrier.clone()),
        entry_bytes: entry_bytes(sources, &id),
        node_bytes: node_bytes(sources, &id),
        logout_commands: sources.iter().find_map(|s| {
            let own = |row: &&crate::record::derived::RevocationCostResult| {
                row.strategy == id && row.operation == "logout"
            };
            s.derived.revocation_cost.iter().find(own)?.redis_commands
        }),
        lag_max_s: first(&|s| lag_max(s, &id)),
        responses: None,
        declared,
    }
}

/// What more claims in its token cost; of a strategy that was not measured so, what they cost the
/// plain one that signs alike, whose tokens it verifies the same way.
fn claims_points(sources: &[&Source<'_>], declared: &StrategyRecord) -> Vec<ClaimsPoint> {
    let of = |id: &str| {
        let mut all = sources.iter().map(|source| claims::points(source, id));
        all.find(|points| !points.is_empty())
    };
    let plain = StrategyKind::ALL.iter().find(|kind| {
        let own = kind.properties();
        own.family == Family::Token
            && own.algorithm.is_some_and(|a| declared.algorithm.as_deref() == Some(a.name()))
    });
    of(&declared.id).or_else(|| of(plain?.name())).unwrap_or_default()
}

/// The claims that its credential carries. One that carries them in another form than a JWT holds
/// the same facts, and grows with them alike.
fn claims_bytes(sources: &[&Source<'_>], declared: &StrategyRecord) -> Option<f64> {
    let of = |id: &str| {
        let mut sizes = sources.iter().flat_map(|s| &s.run.sizes);
        sizes.find(|row| row.arm == id && row.claims_bytes.is_some())?.claims_bytes
    };
    let usual = || {
        let mut all = sources.iter().flat_map(|s| &s.run.sizes);
        all.find_map(|row| row.claims_bytes)
    };
    let is_other = declared.family == "token" && declared.algorithm.is_none();
    of(&declared.id).or_else(|| usual().filter(|_| is_other)).map(|bytes| bytes as f64)
}

/// Store commands per request, counted.
pub(super) fn commands_of(arm: &ArmResult) -> Option<f64> {
    let counted = arm.redis_counted? as f64;
    (arm.requests > 0).then(|| counted / arm.requests as f64)
}

/// The figure at that pointer.
pub(super) fn figure(source: &Source<'_>, is: Estimate, pointer: &str) -> Figure {
    Figure { is: is.into(), row: format!("{}#{pointer}", source.name) }
}

/// The largest number of entries weighed stands for the kind: tables are amortised there.
fn entry_bytes(sources: &[&Source<'_>], id: &str) -> BTreeMap<String, Figure> {
    let mut found = BTreeMap::new();
    for source in sources {
        let mut rows: Vec<_> = source.derived.memory.iter().enumerate().collect();
        rows.retain(|(_, row)| row.strategy == id);
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.entries));
        for (at, row) in rows {
            let pointer = format!("{}#/memory/{at}/bytes_per_entry", source.name);
            let figure = Figure { is: Interval::exactly(row.bytes_per_entry), row: pointer };
            found.entry(row.entry.clone()).or_insert(figure);
        }
    }
    found
}

/// The growth of a server process for each credential and each revocation that it has met.
fn node_bytes(sources: &[&Source<'_>], id: &str) -> BTreeMap<String, Figure> {
    let mut found = BTreeMap::new();
    for source in sources {
        let rows = source.run.spectrum.node_memory.iter().enumerate();
        for (at, row) in rows.filter(|(_, row)| row.strategy == id && row.entries > 0) {
            let grown = row.resident_after_bytes.saturating_sub(row.resident_before_bytes) as f64;
            let pointer = format!("{}/run.json#/spectrum/node_memory/{at}", source.name);
            let is = Interval::exactly(grown / f64::from(row.entries));
            found.entry(row.entry.clone()).or_insert(Figure { is, row: pointer });
        }
    }
    found
}

fn lag_max(source: &Source<'_>, id: &str) -> Option<Figure> {
    let rows = source.derived.revocation_lag.iter().enumerate();
    let own = rows.filter(|(_, row)| row.strategy == id && row.basis == "measured");
    let (at, most) =
        own.filter_map(|(at, row)| Some((at, row.max_ns?))).max_by_key(|(_, ns)| *ns)?;
    let seconds = most.max(0) as f64 / 1e9;
    let row = format!("{}#/revocation_lag/{at}/max_ns", source.name);
    Some(Figure { is: Interval::exactly(seconds), row })
}

/// Each arm at each distance from 250 µs on, against itself at none: the median must have moved by
/// the round trip.
fn distance_law(derived: &Derived) -> Option<DistanceLaw> {
    let rows = &derived.distance.as_ref()?.rows;
    let mut law = DistanceLaw { points: 0, farthest_ns: 0.0, error_percent: 0.0 };
    for row in rows {
        let Some(distance_ns) = row.round_trip_ns.filter(|ns| *ns > 0) else { continue };
        let base = rows.iter().find(|r| r.arm == row.arm && r.round_trip_ns == Some(0));
        let (Some(base), Some(here)) = (base.and_then(|r| r.p50_ns), row.p50_ns) else { continue };
        let trips = row.redis_commands_per_request.unwrap_or(1.0).max(1.0);
        let moved_ns = trips * distance_ns as f64;
        law.points += 1;
        law.farthest_ns = law.farthest_ns.max(distance_ns as f64);
        law.error_percent =
            law.error_percent.max(100.0 * (here - base - moved_ns).abs() / moved_ns);
    }
    (law.points >= 3).then_some(law)
}

fn compared(derived: &Derived) -> Vec<(String, String, bool)> {
    let decided = |verdict| matches!(verdict, Verdict::Cheaper | Verdict::Dearer);
    let pairs = derived.cpu_pairs.iter();
    pairs.map(|p| (p.arm.clone(), p.against.clone(), decided(p.verdict))).collect()
}

impl Figures {
    /// What is known of the strategy of that name.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Facts> {
        self.strategies.iter().find(|facts| facts.declared.id == id)
    }

    /// Whether the CPU of the two can be told apart; nothing where they were not compared.
    #[must_use]
    pub fn are_apart(&self, a: &str, b: &str) -> Option<bool> {
        let pair = |(x, y, _): &&(String, String, bool)| (x == a && y == b) || (x == b && y == a);
        self.compared.iter().find(pair).map(|(_, _, apart)| *apart)
    }

    /// The uncached strategy that a cached one falls back to when it does not remember: the first
    /// of the same family, algorithm and store. Of records and memory it is a stand-in too.
    #[must_use]
    pub fn fallback(&self, cached: &Facts) -> Option<&Facts> {
        let own = &cached.declared;
        self.strategies.iter().find(|facts| {
            let other = &facts.declared;
            !other.redis_cached
                && other.remembers.is_none()
                && (&other.family, &other.algorithm, &other.store)
                    == (&own.family, &own.algorithm, &own.store)
                && facts.cpu_ns.is_some()
        })
    }
}
