//! Who is best of those that meet every demand.
//!
//! Prices come first, but only where they matter: all that cost no more than a hundredth of the
//! application's own processors above the cheapest are taken for equally cheap, and are told apart
//! by what they are bought for: the lag when a node is cut off, the lag when all is well, the
//! latency, where it is more than a millisecond above the least of those. What is left is taken in
//! the order of the registry, the plain before the elaborate.

use std::cmp::Ordering;

use super::constraints::contradiction;
use super::figures::{Figures, gather_all};
use super::flip::flips;
use super::model::{assess, draw_p99};
use super::workload::Workload;
use crate::record::decision::{Assessment, Decision, Interval, RunnerUp};
use crate::report::format;

pub use super::figures::Source;

/// Prices this near to the cheapest, as a share of the application's own, do not decide.
pub const INDIFFERENCE: f64 = 0.01;

/// Every strategy under `workload`, the best first; then the dearer; then those without a price;
/// then those that break a demand, the fewest first.
#[must_use]
pub fn rank(figures: &Figures, workload: &Workload) -> Vec<Assessment> {
    let all = figures.strategies.iter().map(|facts| assess(figures, facts, workload, false));
    order(all.collect(), workload)
}

/// The same, figures alone.
pub(super) fn rank_briefly(figures: &Figures, workload: &Workload) -> Vec<Assessment> {
    let all = figures.strategies.iter().map(|facts| assess(figures, facts, workload, true));
    order(all.collect(), workload)
}

/// Latencies this near to the least, milliseconds, do not decide: nobody feels it, and noise would.
const INDIFFERENCE_MS: f64 = 1.0;

/// What puts the first of the two before the second, both of `all`.
#[must_use]
pub fn reason(all: &[Assessment], a: &Assessment, b: &Assessment, workload: &Workload) -> Reason {
    let keys = keys(all, workload);
    let of = |wanted: &Assessment| {
        let place = all.iter().position(|own| own.strategy == wanted.strategy);
        place.map(|place| keys[place])
    };
    of(a).zip(of(b)).map_or(Reason::Plainness, |(a, b)| compare(&a, &b).1)
}

fn order(all: Vec<Assessment>, workload: &Workload) -> Vec<Assessment> {
    let mut keyed: Vec<(Key, Assessment)> = keys(&all, workload).into_iter().zip(all).collect();
    keyed.sort_by(|(a, _), (b, _)| compare(a, b).0);
    keyed.into_iter().map(|(_, assessment)| assessment).collect()
}

/// What each is placed by, in their order.
fn keys(all: &[Assessment], workload: &Workload) -> Vec<Key> {
    let near = near(all, workload);
    let keys: Vec<Key> = all.iter().map(|a| Key::of(a, near)).collect();
    let median_ms = |a: &Assessment| a.latency_ns.map_or(f64::INFINITY, |ns| ns.value / 1e6);
    let fastest_ms = |own: &Key| {
        let alike = keys.iter().zip(all).filter(|(key, _)| *key == own);
        alike.map(|(_, a)| median_ms(a)).fold(f64::INFINITY, f64::min)
    };
    let placed =
        keys.iter().zip(all).map(|(own, a)| own.with_latency(median_ms(a), fastest_ms(own)));
    placed.collect()
}

/// Prices up to this do not decide.
fn near(all: &[Assessment], workload: &Workload) -> Option<f64> {
    cheapest(all).map(|price| price + indifferent(workload))
}

fn price(a: &Assessment) -> Option<f64> {
    a.monthly.map(|price| price.value)
}

fn cheapest(all: &[Assessment]) -> Option<f64> {
    let prices = all.iter().filter(|a| a.broken.is_empty()).filter_map(price);
    prices.min_by(f64::total_cmp)
}

/// What does not matter beside the application's own processors, a month.
#[must_use]
pub fn indifferent(workload: &Workload) -> f64 {
    let cores = workload.requests_per_second * workload.application_ms / 1e3;
    INDIFFERENCE * cores / workload.utilisation * workload.prices.core
}

/// What puts one before another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Fewer demands are broken.
    Demands,
    /// It has a price, and the other has none.
    Measured,
    /// The price.
    Price,
    /// The lag when a node is cut off from the store.
    LagCutOff,
    /// The lag when all is well.
    Lag,
    /// The median, more than a millisecond above the least.
    Latency,
    /// Its place in the registry.
    Plainness,
}

/// What one is placed by; smaller is before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Key {
    broken: usize,
    /// 0: cheap; 1: dear; 2: nobody knows.
    class: u8,
    /// The price of the dear, else nothing.
    price: f64,
    cut_off_s: f64,
    worst_s: f64,
    latency_ms: f64,
}

impl Key {
    /// All of it but the latency. Prices up to `near` are cheap.
    fn of(a: &Assessment, near: Option<f64>) -> Self {
        let class = match (price(a), near) {
            (Some(price), Some(near)) if price <= near => 0,
            (Some(_), _) => 1,
            (None, _) => 2,
        };
        Self {
            broken: a.broken.len(),
            class,
            price: price(a).filter(|_| class == 1).unwrap_or(0.0),
            cut_off_s: a.lag.map_or(f64::INFINITY, |lag| lag.partition_s),
            worst_s: a.lag.map_or(f64::INFINITY, |lag| lag.worst_s),
            latency_ms: 0.0,
        }
    }

    /// With its latency: none where it is near the least of those that nothing else tells apart.
    fn with_latency(self, own_ms: f64, fastest_ms: f64) -> Self {
        let is_near = own_ms <= fastest_ms + INDIFFERENCE_MS;
        Self { latency_ms: if is_near { 0.0 } else { own_ms }, ..self }
    }
}

/// The first by which they differ, and how.
fn compare(a: &Key, b: &Key) -> (Ordering, Reason) {
    let by_class = if a.class.max(b.class) == 2 { Reason::Measured } else { Reason::Price };
    let all = [
        (a.broken.cmp(&b.broken), Reason::Demands),
        (a.class.cmp(&b.class), by_class),
        (a.price.total_cmp(&b.price), Reason::Price),
        (a.cut_off_s.total_cmp(&b.cut_off_s), Reason::LagCutOff),
        (a.worst_s.total_cmp(&b.worst_s), Reason::Lag),
        (a.latency_ms.total_cmp(&b.latency_ms), Reason::Latency),
    ];
    let first = all.into_iter().find(|(order, _)| order.is_ne());
    first.unwrap_or((Ordering::Equal, Reason::Plainness))
}

/// The strategy to take under `workload`, if one meets every demand.
#[must_use]
pub fn choose(figures: &Figures, workload: &Workload) -> Option<String> {
    let best = rank_briefly(figures, workload).into_iter().next()?;
    best.broken.is_empty().then_some(best.strategy)
}

/// The whole answer.
#[must_use]
pub fn decide(sources: &[Source<'_>], workload: &Workload) -> Decision {
    decide_by(&gather_all(sources), workload)
}

/// The same from figures that were gathered already.
#[must_use]
pub fn decide_by(figures: &Figures, workload: &Workload) -> Decision {
    let mut all = rank(figures, workload);
    draw_p99(figures, workload, &mut all);
    let choice = all.first().filter(|best| best.broken.is_empty()).cloned();
    let second = all.get(1).filter(|next| next.broken.is_empty());
    let runner_up = choice.as_ref().zip(second).map(|(a, b)| RunnerUp {
        strategy: b.strategy.clone(),
        told_apart: told_apart(figures, a, b),
        because: because(&all, a, b, workload),
    });
    Decision {
        workload: workload.name.clone(),
        binding: binding(&all, workload, choice.as_ref()),
        contradiction: contradiction(&all),
        flips: choice
            .as_ref()
            .map(|own| flips(figures, workload, &own.strategy))
            .unwrap_or_default(),
        advice: advice(figures, workload, choice.as_ref(), &all),
        choice: choice.map(|own| own.strategy),
        runner_up,
        assessments: all,
        records: figures.records.clone(),
        checked: figures.checked.clone(),
    }
}

/// Whether the prices of two differ by more than is noise: by what a record says of the two beside
/// each other, else by their intervals.
fn told_apart(figures: &Figures, a: &Assessment, b: &Assessment) -> bool {
    let (Some(x), Some(y)) = (a.monthly, b.monthly) else { return false };
    figures.are_apart(&a.strategy, &b.strategy).unwrap_or_else(|| !x.overlaps(y))
}

/// What the first has over the second, in words.
fn because(all: &[Assessment], a: &Assessment, b: &Assessment, workload: &Workload) -> String {
    let money = |of: &Assessment| price(of).unwrap_or(f64::NAN);
    let lag = |of: &Assessment| {
        of.lag.map_or_else(Default::default, |lag| [seconds(lag.worst_s), seconds(lag.partition_s)])
    };
    let ms = |of: &Assessment| of.latency_ns.map_or(f64::NAN, |ns| ns.value / 1e6);
    let ([own, own_cut], [other, other_cut]) = (lag(a), lag(b));
    match reason(all, a, b, workload) {
        Reason::Demands => format!("it breaks {}", b.broken.join(", ")),
        Reason::Measured => "its price was not measured".into(),
        Reason::Price => format!("it costs {:.2} a month instead of {:.2}", money(b), money(a)),
        Reason::LagCutOff => format!(
            "its lag when a node is cut off from the store is {other_cut} instead of {own_cut}"
        ),
        Reason::Lag => format!("its lag is {other} at most instead of {own}"),
        Reason::Latency => format!("it adds {:.1} ms to the median instead of {:.1}", ms(b), ms(a)),
        Reason::Plainness => "it does the same, and is the less plain of the two".into(),
    }
}

/// A lag in words.
#[must_use]
pub fn seconds(s: f64) -> String {
    if s <= 0.0 { "none".into() } else { format::duration(s * 1e9) }
}

/// The demands without which another strategy would be chosen.
fn binding(all: &[Assessment], workload: &Workload, choice: Option<&Assessment>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = all.iter().flat_map(|a| &a.broken).collect();
    let without = |name: &String| {
        let mut rest = all.to_vec();
        rest.iter_mut().for_each(|a| a.broken.retain(|own| own != name));
        let best = order(rest, workload).into_iter().next()?;
        let price = best.monthly.map_or(f64::INFINITY, |price| price.value);
        let other =
            best.broken.is_empty() && choice.is_none_or(|own| own.strategy != best.strategy);
        other.then_some((price, name.clone()))
    };
    let mut found: Vec<(f64, String)> = names.into_iter().filter_map(without).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, name)| name).collect()
}

/// Whether the usual advice stands, and if not, what stands against it.
fn advice(
    figures: &Figures,
    workload: &Workload,
    choice: Option<&Assessment>,
    all: &[Assessment],
) -> Option<String> {
    let usual = workload.usual_advice.as_ref()?;
    let family = |id: &str| figures.of(id).map_or("", |facts| facts.declared.family.as_str());
    let is_usual = |id: &str| {
        let edge = figures.of(id).is_some_and(|facts| facts.declared.hops_verify.is_some());
        family(id) == usual || (usual == "hybrid" && edge)
    };
    let Some(name) = choice.map(|own| own.strategy.as_str()) else {
        return Some(format!("usually advised: {usual}; none meets the demands"));
    };
    if is_usual(name) {
        return Some(format!("usually advised: {usual}; the figures agree"));
    }
    let best = all.iter().find(|a| is_usual(&a.strategy))?;
    let why = because(all, choice?, best, workload);
    Some(format!(
        "usually advised: {usual}; the figures say `{name}`: against `{}`, the best of those: \
         {why}",
        best.strategy
    ))
}

/// A price with its interval, in words.
#[must_use]
pub fn money(price: Interval) -> String {
    format!("{:.2} ({:.2} to {:.2})", price.value, price.low, price.high)
}
