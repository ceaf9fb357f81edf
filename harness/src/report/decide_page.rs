//! The decision on a page: the six usual cases as a table, and the data for the sliders.

use std::collections::BTreeSet;

use super::chart::Chart;
use super::format::{count, grouped, list};
use super::page::{Page, Section, Table};
use super::results::figure;
use super::template;
use super::verdicts::code;
use crate::decide::choice::{decide_by, rank};
use crate::decide::figures::Figures;
use crate::decide::workload::{PRESETS, Workload};
use crate::record::decision::Decision;
use crate::report::decision::{flip_line, model_check, percent, within};

/// Flips in a row of the table.
const FLIPS: usize = 3;

/// What the script on the page reads: the figures and the usual cases.
///
/// # Errors
/// None for values of these types.
pub(super) fn data(figures: &Figures) -> anyhow::Result<String> {
    let presets = presets();
    let text = serde_json::to_string(&serde_json::json!({
        "figures": figures, "presets": presets,
    }))?;
    // A script element ends at `</script`, whatever stands around it.
    Ok(text.replace('<', "\\u003c"))
}

fn presets() -> Vec<Workload> {
    PRESETS.iter().filter_map(|(name, _)| Workload::preset(name).ok()).collect()
}

/// The section with the sliders; nothing where fewer than two strategies have a price.
pub(super) fn sliders(figures: &Figures) -> Option<Section> {
    let priced = figures.strategies.iter().filter(|facts| facts.cpu_ns.is_some()).count();
    (priced >= 2).then(|| Section {
        id: "decide",
        heading: "Which one, for your system?".into(),
        lead: vec![
            "Move the sliders: the strategies are ranked anew by the figures of this page, demands \
             first, then prices, then what they buy. The address keeps the workload. The same \
             model answers `authbench decide`, which also names what would change the answer."
                .into(),
        ],
        ..Section::default()
    })
}

/// The page of the decision by all records.
///
/// # Errors
/// When the template cannot be rendered.
pub fn render(
    figures: &Figures,
    headline: Option<&Chart>,
    map: Option<&Chart>,
) -> anyhow::Result<[String; 2]> {
    let decisions: Vec<(Workload, Decision)> =
        presets().into_iter().map(|w| (w.clone(), decide_by(figures, &w))).collect();
    let mut sections = vec![in_short(figures, &decisions)];
    sections[0].figure = headline.map(figure);
    sections.push(cases(&decisions));
    sections.extend(sliders(figures));
    sections.extend(map.map(|chart| Section {
        id: "map",
        heading: chart.title.into(),
        figure: Some(figure(chart)),
        ..Section::default()
    }));
    sections.push(rows(&decisions));
    sections.push(reproduce());
    let page = Page {
        title: "authbench: JWT or sessions, for your system?".into(),
        banners: Vec::new(),
        sections,
        decide: Some(data(figures)?),
    };
    let mut without = super::readable(&page);
    // The headline's files are beside its own report; of the map, words are enough.
    without.sections[0].figure = None;
    without.sections.retain(|section| section.id != "map");
    Ok([template::html(&page)?, template::markdown(&without)?])
}

/// What to take in each usual case, in a short table.
#[must_use]
pub fn in_a_table(figures: &Figures) -> Table {
    let row = |workload: Workload| {
        let ranked = rank(figures, &workload);
        let own = ranked.first().filter(|own| own.broken.is_empty());
        let figure = |text: Option<String>| text.unwrap_or_else(|| "not measured".into());
        vec![
            code(&workload.name),
            grouped(&workload.requests_per_second.to_string()),
            own.map_or_else(|| "none meets its demands".into(), |own| code(&own.strategy)),
            figure(own.and_then(|own| own.share_percent).map(percent)),
            figure(own.and_then(|own| own.lag).map(|lag| within(lag.worst_s))),
            figure(own.and_then(|own| own.lag).map(|lag| within(lag.partition_s))),
        ]
    };
    let head = [
        "case",
        "requests/s",
        "take",
        "authentication's share of a request's CPU",
        "a logout works",
        "with a node cut off from the store",
    ];
    Table::new("Six usual cases", &head).with(presets().into_iter().map(row))
}

fn in_short(figures: &Figures, decisions: &[(Workload, Decision)]) -> Section {
    let chosen: BTreeSet<&String> =
        decisions.iter().filter_map(|(_, d)| d.choice.as_ref()).collect();
    let shares: Vec<f64> = decisions
        .iter()
        .filter(|(_, d)| d.choice.is_some())
        .filter_map(|(_, d)| Some(d.assessments.first()?.share_percent?.high))
        .collect();
    let most = (shares.iter().copied().fold(0.0, f64::max) * 10.0).ceil() / 10.0;
    let names: Vec<String> = chosen.into_iter().map(|name| code(name)).collect();
    Section {
        id: "in-short",
        heading: "In short".into(),
        lead: vec![format!(
            "Six usual workloads, decided by demands first and prices second, take {} different \
             strategies: {}. In the {} whose price was measured, authentication is at most \
             {most:.1} % of a request's CPU (upper end of the 95 % interval), where the \
             application's own work is what the workload says.",
            names.len(),
            list(&names),
            shares.len()
        )],
        items: [measured_at(figures)]
            .into_iter()
            .chain(figures.checked.as_ref().map(model_check))
            .collect(),
        ..Section::default()
    }
}

fn measured_at(figures: &Figures) -> String {
    let most = figures.strategies.iter().map(|f| &f.cpu_by_rate).max_by_key(|all| all.len());
    let rates: Vec<String> =
        most.into_iter().flatten().map(|point| count(point.per_second as u64)).collect();
    format!(
        "CPU above no authentication is measured at {} requests per second on one node; between \
         them it is interpolated, above them nothing is said. What is carried beyond the \
         measurements, by which law, `authbench decide --explain` says for each figure.",
        list(&rates)
    )
}

fn cases(decisions: &[(Workload, Decision)]) -> Section {
    let row = |(workload, decision): &(Workload, Decision)| {
        let own = decision.assessments.first().filter(|_| decision.choice.is_some());
        let flips: Vec<String> = decision.flips.iter().take(FLIPS).map(flip_line).collect();
        vec![
            code(&workload.name),
            decision.choice.as_ref().map_or_else(
                || format!("none: {} together", decision.contradiction.join(", ")),
                |id| code(id),
            ),
            decision.runner_up.as_ref().map_or_else(String::new, |next| {
                format!("{}: {}", code(&next.strategy), next.because)
            }),
            decision.binding.join(", "),
            own.and_then(|a| a.share_percent)
                .map_or_else(|| "not measured".into(), |s| format!("{:.2} %", s.value)),
            own.and_then(|a| a.lag).map_or_else(String::new, |lag| within(lag.worst_s)),
            flips.join("; "),
            decision.advice.clone().unwrap_or_default(),
        ]
    };
    let head =
        ["case", "take", "runner-up", "binding demands", "share of CPU", "lag", "flips", "advice"];
    Section {
        id: "cases",
        heading: "Six usual cases".into(),
        lead: vec![
            "Each is a file of numbers to start from (`authbench decide --preset NAME --print`), \
             not a description of anybody's system."
                .into(),
        ],
        tables: vec![
            Table::new("What to take, and what would change that", &head)
                .with(decisions.iter().map(row)),
            assumed(decisions),
        ],
        ..Section::default()
    }
}

/// The numbers of each case that differ between them.
const ASSUMED: [&str; 11] = [
    "requests_per_second",
    "nodes",
    "internal_hops",
    "sessions",
    "session_s",
    "burst",
    "store_rtt_ms",
    "lifetime_s",
    "claims_bytes",
    "application_ms",
    "lag_limit_s",
];

fn assumed(decisions: &[(Workload, Decision)]) -> Table {
    let head: Vec<&str> = ["case"].into_iter().chain(ASSUMED).collect();
    let row = |(workload, _): &(Workload, Decision)| {
        let number = |key: &&str| {
            workload.number(key).map_or_else(|| "-".into(), |value| grouped(&value.to_string()))
        };
        [code(&workload.name)].into_iter().chain(ASSUMED.iter().map(number)).collect()
    };
    Table::new("What each case assumes; every key is in its file", &head)
        .with(decisions.iter().map(row))
}

fn rows(decisions: &[(Workload, Decision)]) -> Section {
    let of = |(workload, decision): &(Workload, Decision)| {
        let own = decision.assessments.first()?;
        Some(vec![code(&workload.name), code(&own.strategy), own.rows.join(" ")])
    };
    Section {
        id: "rows",
        heading: "The rows it rests on".into(),
        tables: vec![
            Table::new(
                "Of each choice, in the records of this folder",
                &["case", "strategy", "rows"],
            )
            .with(decisions.iter().filter_map(of)),
        ],
        ..Section::default()
    }
}

fn reproduce() -> Section {
    Section {
        id: "reproduce",
        heading: "Do it yourself".into(),
        commands: vec![
            "./scripts/run --profile rates --label mine   # what requests cost on your machine"
                .into(),
            "./scripts/run --profile conditions --label mine-too   # with longer tokens, and away"
                .into(),
            "./scripts/run --profile revocation --label mine-also   # lags, and what logouts cost"
                .into(),
            "authbench decide --preset single-web-app --print >mine.toml   # then edit it".into(),
            "authbench decide --workload mine.toml --from runs/<those folders> --explain".into(),
        ],
        ..Section::default()
    }
}
