//! Processors: what one check costs at the rate of the workload's nodes, and all of a request's.

use super::claims;
use super::figures::{Facts, Figures};
use super::model::used;
use super::rates::{self, At, IdleLaw};
use super::workload::Workload;
use crate::record::decision::{Assessment, Interval};

/// How to measure what a request costs at a rate.
pub(super) const BY_RATES: &str = "authbench run --profile rates";

/// How many of the requests find nothing remembered. What a client asks while it would be
/// remembered is spread over the nodes at random, and the first on each node misses; and of those
/// who come back as many are forgotten as there is no room for.
pub(super) fn misses(facts: &Facts, workload: &Workload) -> f64 {
    let Some(remembered) = &facts.declared.remembers else { return 1.0 };
    // Calls inside are judged like those from outside.
    let steady = workload.per_node() * workload.nodes / workload.sessions.max(1.0);
    let life_s = match remembered.for_ns {
        None => workload.session_s,
        // A verdict on a session is believed as long as the reader lets it.
        Some(_) if facts.declared.family == "session" => workload.period_s,
        Some(ns) => ns as f64 / 1e9,
    };
    let (b, n) = (workload.burst + steady * life_s, workload.nodes);
    let first = n * (1.0 - (1.0 - 1.0 / n).powf(b)) / b;
    let met = workload.per_node() * life_s;
    let wanted = workload.sessions.min(met).max(1.0);
    let room = (remembered.entries as f64 / wanted).min(1.0);
    (1.0 - (1.0 - first) * room).clamp(0.0, 1.0)
}

/// Whether a use costs less than the first where the credential is remembered.
pub(super) const fn is_cache(facts: &Facts) -> bool {
    facts.declared.remembers.is_some()
}

/// Above this share of misses when it was measured, what a hit costs cannot be told.
const MISSES_MAX: f64 = 0.5;

/// CPU of one check at the rate of the workload's nodes. Above the highest measured rate nothing is
/// said, below the lowest only by the law that was checked.
fn at_rate(
    figures: &Figures,
    facts: &Facts,
    workload: &Workload,
    found: &mut Assessment,
) -> Option<Interval> {
    let per_node = workload.per_node();
    let Some(at) = rates::at(&facts.cpu_by_rate, per_node) else {
        found.lack(|| format!("CPU per request: {BY_RATES}"));
        return None;
    };
    match (at, &figures.idle_law) {
        (At::Between(a, b, _), _) => {
            found.row(&a.cpu_ns.row);
            found.row(&b.cpu_ns.row);
        }
        (At::Below(point), Some(law))
            if law.holds(point.per_second, facts.declared.redis_background_per_second) =>
        {
            found.row(&point.cpu_ns.row);
            found.law(|| idle_law(law, point.per_second, per_node));
            return Some(law.around(point.cpu_ns.is));
        }
        (At::Below(point), _) => {
            found.lack(|| {
                format!(
                    "CPU per request at {per_node:.0}/s on a node: measured from {:.0}/s on, and \
                     no law reaches further down: {BY_RATES}",
                    point.per_second
                )
            });
            return None;
        }
        (At::Above(point), _) => {
            found.lack(|| {
                format!(
                    "CPU per request at {per_node:.0}/s on a node: measured up to {:.0}/s, and no \
                     law reaches further: more nodes, or a run whose plan has that rate",
                    point.per_second
                )
            });
        }
    }
    at.cpu_ns()
}

fn idle_law(law: &IdleLaw, from: f64, per_node: f64) -> String {
    let beyond = if per_node < law.lowest { ", and here it is lower" } else { "" };
    format!(
        "below {from:.0}/s on a node CPU per request stays: checked at {} points below {:.0}/s, \
         down to {:.0}/s, to {:.1} µs or {:.0} %{beyond}",
        law.points,
        law.from,
        law.lowest,
        law.error_ns / 1e3,
        law.error_percent
    )
}

/// CPU of one check: of what remembers, a share of a hit and a share of what judges anew. What a
/// hit costs is taken from the record's own rate, at which most were hits; of what is remembered
/// until it changes, from every rate.
fn check(
    figures: &Figures,
    facts: &Facts,
    workload: &Workload,
    found: &mut Assessment,
) -> Option<Interval> {
    let Some(remembered) = &facts.declared.remembers else {
        return at_rate(figures, facts, workload, found);
    };
    let then = facts.commands.as_ref().map_or(0.0, |c| c.is.value);
    if then > MISSES_MAX {
        let percent = 100.0 * then;
        found.law(|| format!("CPU as with {percent:.0} % of requests missing the cache"));
        return at_rate(figures, facts, workload, found);
    }
    let Some(fallback) = figures.fallback(facts) else {
        found.lack(|| format!("CPU of a request that finds nothing remembered: {BY_RATES}"));
        return None;
    };
    let miss = at_rate(figures, fallback, workload, found)?;
    let measured = if remembered.for_ns.is_none() {
        at_rate(figures, facts, workload, found).map(|own| (own, miss))
    } else {
        used(facts.cpu_ns.as_ref(), found).zip(used(fallback.cpu_ns.as_ref(), found))
    };
    let Some((own, asked)) = measured else {
        found.lack(|| format!("CPU per request: {BY_RATES}"));
        return None;
    };
    // What it cost when it was measured was a mixture too, by the commands that it sent.
    let hit = |measured: f64, miss: f64| ((measured - then * miss) / (1.0 - then)).max(0.0);
    let m = misses(facts, workload);
    let percent = 100.0 * m;
    found.law(|| format!("{percent:.0} % of requests find nothing remembered on their node"));
    Some(Interval {
        value: (1.0 - m) * hit(own.value, asked.value) + m * miss.value,
        low: (1.0 - m) * hit(own.low, asked.high) + m * miss.low,
        high: (1.0 - m) * hit(own.high, asked.low) + m * miss.high,
    })
}

/// How to measure what a request costs with more claims in its token.
const BY_CONDITIONS: &str = "authbench run --profile conditions";
/// Of fewer bytes of claims than this it does not matter that they were not measured, bytes.
const FEW_CLAIMS: f64 = 32.0;

/// CPU of the claims that the workload's tokens carry beyond those that were measured with; nothing
/// beyond the largest of those. Of a strategy that remembers, a share of what they cost on a hit
/// and a share of what they cost where it judges anew.
fn of_claims(
    figures: &Figures,
    facts: &Facts,
    workload: &Workload,
    found: &mut Assessment,
) -> Option<Interval> {
    let own = claims_each(figures, facts, workload, found)?;
    let Some(fallback) = figures.fallback(facts).filter(|_| is_cache(facts)) else {
        return Some(own);
    };
    let miss = claims_each(figures, fallback, workload, found)?;
    let m = misses(facts, workload);
    Some(own.times(1.0 - m).plus(miss.times(m)))
}

/// The same of one request that the strategy was measured with.
fn claims_each(
    figures: &Figures,
    facts: &Facts,
    workload: &Workload,
    found: &mut Assessment,
) -> Option<Interval> {
    let own = facts.claims_bytes.unwrap_or(workload.claims_bytes);
    let extra = workload.claims_bytes - own;
    if extra < FEW_CLAIMS {
        return Some(Interval::exactly(0.0));
    }
    let Some(last) = facts.cpu_by_claims.last() else {
        let id = &facts.declared.id;
        found.law(|| format!("CPU of `{id}` as with {own:.0} bytes of claims: {BY_CONDITIONS}"));
        return Some(Interval::exactly(0.0));
    };
    if last.strategy != facts.declared.id {
        found.law(|| format!("more claims cost what they do `{}`", last.strategy));
    }
    let more = claims::at(&facts.cpu_by_claims, &figures.none_by_rate, extra);
    if more.is_none() {
        let (asked, most) = (workload.claims_bytes, own + last.extra_bytes);
        found.lack(|| {
            format!(
                "CPU per request with {asked:.0} bytes of claims: measured up to {most:.0} at \
                 {:.0}/s, and no law reaches further: a run whose plan has such an arm",
                last.per_second
            )
        });
    }
    let beyond = facts.cpu_by_claims.iter().position(|point| point.extra_bytes >= extra);
    let upper = beyond.unwrap_or(facts.cpu_by_claims.len() - 1);
    let around = &facts.cpu_by_claims[upper.saturating_sub(1)..=upper];
    around.iter().for_each(|point| found.row(&point.of_none.row));
    more
}

/// The strategy whose cost a service behind the edge has: the same again, or that of the token
/// which it verifies instead.
pub(super) fn behind<'f>(figures: &'f Figures, facts: &'f Facts) -> Option<&'f Facts> {
    let Some(algorithm) = &facts.declared.hops_verify else { return Some(facts) };
    figures.strategies.iter().find(|other| {
        other.declared.family == "token"
            && other.declared.algorithm.as_ref() == Some(algorithm)
            && other.cpu_ns.is_some()
    })
}

/// CPU of one check behind the edge; nothing where that of its inner token is not known.
fn hop(
    figures: &Figures,
    facts: &Facts,
    own: Interval,
    workload: &Workload,
    found: &mut Assessment,
) -> Option<Interval> {
    if facts.declared.hops_verify.is_none() {
        return Some(own);
    }
    let Some(inner) = behind(figures, facts) else {
        found.lack(|| format!("CPU of its inner token: {BY_RATES}"));
        return None;
    };
    found.law(|| format!("inside, its token costs what `{}` does", inner.declared.id));
    at_rate(figures, inner, workload, found)
}

/// Nothing is cheaper or faster than `none`: below it is noise.
pub(super) fn real(ns: Interval) -> Interval {
    Interval { value: ns.value.max(0.0), low: ns.low.max(0.0), high: ns.high.max(0.0) }
}

pub(super) fn processors(
    figures: &Figures,
    facts: &Facts,
    workload: &Workload,
    found: &mut Assessment,
) {
    let Some(edge) = check(figures, facts, workload, found) else { return };
    let Some(inside) = hop(figures, facts, edge, workload, found) else { return };
    let Some(more) = of_claims(figures, facts, workload, found) else { return };
    let Some(inner) = behind(figures, facts) else { return };
    let Some(more_inside) = of_claims(figures, inner, workload, found) else { return };
    let (edge, inside) = (real(edge.plus(more)), real(inside.plus(more_inside)));
    let request = edge.plus(inside.times(workload.internal_hops));
    let rate = workload.requests_per_second;
    found.cpu_ns = Some(request);
    found.cores = Some(request.times(rate / 1e9 / workload.utilisation));
    let floor = rates::at(&figures.none_by_rate, workload.per_node()).and_then(|at| at.cpu_ns());
    let floor = floor.map_or(0.0, |ns| ns.value) * (1.0 + workload.internal_hops);
    let rest = workload.application_ms * 1e6 + floor;
    let share = |ns: f64| 100.0 * ns / (ns + rest);
    found.share_percent = Some(Interval {
        value: share(request.value),
        low: share(request.low),
        high: share(request.high),
    });
}
