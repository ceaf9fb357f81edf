//! Who is best of those that meet every demand.
//!
//! Prices come first, but only where they matter: all that cost no more than a hundredth of the
//! application's own processors above the cheapest are taken for equally cheap, and are told apart
//! by what they are bought for: the lag when a node is cut off, the lag when all is well, whole
//! milliseconds of latency. What is left is taken in the order of the registry, the plain before
//! the elaborate.

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

/// Prices up to this do not decide.
fn near(all: &[Assessment], workload: &Workload) -> Option<f64> {
    cheapest(all).map(|price| price + indifferent(workload))
}

/// What puts the first of the two before the second, among `all`.
#[must_use]
pub fn reason(all: &[Assessment], a: &Assessment, b: &Assessment, workload: &Workload) -> Reason {
    compare(a, b, near(all, workload)).1
}

fn order(mut all: Vec<Assessment>, workload: &Workload) -> Vec<Assessment> {
    let near = near(&all, workload);
    all.sort_by(|a, b| compare(a, b, near).0);
    all
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
    /// The median, by a millisecond or more.
    Latency,
    /// Its place in the registry.
    Plainness,
}

/// The first by which they differ, and how.
fn compare(a: &Assessment, b: &Assessment, near: Option<f64>) -> (Ordering, Reason) {
    let class = |of: &Assessment| match (price(of), near) {
        (Some(price), Some(near)) if price <= near => 0,
        (Some(_), _) => 1,
        (None, _) => 2,
    };
    // Less than a millisecond nobody feels, and noise would decide.
    let latency =
        |of: &Assessment| of.latency_ns.map_or(f64::INFINITY, |ns| (ns.value / 1e6).floor());
    let cut_off = |of: &Assessment| of.lag.map_or(f64::INFINITY, |lag| lag.partition_s);
    let worst = |of: &Assessment| of.lag.map_or(f64::INFINITY, |lag| lag.worst_s);
    let money = |of: &Assessment| price(of).unwrap_or(f64::INFINITY);
    let by_class = if class(a).max(class(b)) == 2 { Reason::Measured } else { Reason::Price };
    let is_dear = class(a) == 1;
    let demands = a.broken.len().cmp(&b.broken.len());
    let classes = class(a).cmp(&class(b));
    let prices = if is_dear { money(a).total_cmp(&money(b)) } else { Ordering::Equal };
    let all = [
        (demands, Reason::Demands),
        (classes, by_class),
        (prices, Reason::Price),
        (cut_off(a).total_cmp(&cut_off(b)), Reason::LagCutOff),
        (worst(a).total_cmp(&worst(b)), Reason::Lag),
        (latency(a).total_cmp(&latency(b)), Reason::Latency),
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
