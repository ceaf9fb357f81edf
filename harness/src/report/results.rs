//! The sections that hold results: a chart, its tables, and what has to be said before them.

use super::chart::{Chart, Input};
use super::page::{Figure, Section, Table};
use super::{distance_tables, prediction_table, spectrum_tables, tables};

/// What the two timers in one table are.
const LOOPS: &str = "CPU and ratios are of the interleaved pass, where subject and reference \
    alternate; local wall time is Criterion's, one subject after the other: the median of its \
    samples with an interval by order statistics. The two are never mixed.";

/// What a distance made by a proxy is, and is not.
const DISTANCE: &str = "A delay line of the instrument's own stands between server and Redis and \
    holds every chunk for half the round trip, each way. It ends TCP on both sides, so Nagle and \
    delayed acknowledgements, congestion windows and lost packets are not imitated; real distances \
    cost at least this.";

/// What is asked for of one section.
struct Part {
    id: &'static str,
    heading: &'static str,
    lead: String,
    chart: &'static str,
    tables: Vec<Table>,
}

/// Those of a run that have something to show, in reading order.
#[must_use]
pub(super) fn sections(input: &Input<'_>, charts: &[Chart]) -> Vec<Section> {
    let loaded = loaded(input);
    let all = loaded.into_iter().chain(looped(input)).chain(rest(input));
    all.filter_map(|part| section(part, charts)).collect()
}

fn section(part: Part, charts: &[Chart]) -> Option<Section> {
    let chart = charts.iter().find(|chart| chart.name == part.chart);
    let tables: Vec<Table> = part.tables.into_iter().filter(|t| !t.rows.is_empty()).collect();
    if chart.is_none() && tables.is_empty() {
        return None;
    }
    Some(Section {
        id: part.id,
        heading: part.heading.into(),
        lead: if part.lead.is_empty() { vec![] } else { vec![part.lead] },
        figure: chart.map(figure),
        tables,
        ..Section::default()
    })
}

/// A part whose chart has its name.
fn part(id: &'static str, heading: &'static str, tables: Vec<Table>) -> Part {
    Part { id, heading, lead: String::new(), chart: id, tables }
}

impl Part {
    fn led_by(self, lead: impl Into<String>) -> Self {
        Self { lead: lead.into(), ..self }
    }

    fn drawn_as(self, chart: &'static str) -> Self {
        Self { chart, ..self }
    }
}

/// What loaded servers showed.
fn loaded(input: &Input<'_>) -> Vec<Part> {
    let question = "What does faster revocation cost?";
    vec![
        part("headline", question, vec![tables::cost(input), tables::promises(input)]),
        part("cpu", "CPU per request", vec![tables::cpu(input)]).led_by(
            "Every difference is taken within a block and set against `none`, the floor that does \
             everything but authentication.",
        ),
        part("latency", "Latency", vec![tables::latency(input)]),
        part("regimes", "Other rates, saturation, other processors", vec![tables::regimes(input)])
            .led_by(tables::layouts(input).join(" "))
            .drawn_as("rates"),
        part("predictions", "Predicted, then measured", vec![prediction_table::table(input)])
            .led_by(prediction_table::in_short(input)),
        part("counts", "Counted", vec![tables::counts(input)]),
        part(
            "distance",
            "How far away may the store be?",
            vec![distance_tables::crossovers(input), distance_tables::figures(input)],
        )
        .led_by(DISTANCE),
    ]
}

/// What was timed in loops, weighed and sized.
fn looped(input: &Input<'_>) -> Vec<Part> {
    let of = |operation| tables::subjects(input, operation);
    let wire = "Credentials on the wire, by algorithm, claims and carrier";
    vec![
        part("micro", "Verify and issue by algorithm", vec![tables::micro(input)]),
        part("verify", "Verify, by algorithm and path", vec![of("verify")])
            .led_by(LOOPS)
            .drawn_as("algorithms-verify"),
        part("issue", "Issue, by algorithm and path", vec![of("issue")])
            .drawn_as("algorithms-issue"),
        part("overhead", "Above the signature", vec![tables::overhead(input)]),
        part("parts", "The parts of one verification", vec![tables::parts(input), of("part")]),
        part("reject", "Refusing a credential", vec![of("reject")]),
        part("lookup", "Lookups with many in flight", vec![of("lookup")]),
        part("revoke", "Revoking, in a loop", vec![of("revoke")]),
        part("memory", "Memory of an entry", vec![tables::memory(input)]),
        part("wire", wire, vec![tables::wire(input), tables::limits(input)]),
    ]
}

/// Messages and revocation on loaded servers.
fn rest(input: &Input<'_>) -> Vec<Part> {
    vec![
        part("sizes", "Bytes on the wire", vec![tables::sizes(input)]),
        part("revocation-cost", "Cost of a logout", vec![tables::revocation_cost(input)]).led_by(
            "A denial (401) is a verdict on the credential; an outage (503) means it could not be \
             judged. Only denials count as refusals here.",
        ),
        part(
            "revocation-lag",
            "Revocation lag",
            vec![tables::revocation_lag(input), tables::mass(input)],
        )
        .led_by(laws(input)),
        part("stale-accepts", "What a thief gets through", vec![spectrum_tables::stale(input)]),
        part(
            "fault-matrix",
            "Under faults",
            vec![spectrum_tables::faults(input), spectrum_tables::not_as_declared(input)],
        ),
        part("capabilities", "What each can do", vec![spectrum_tables::capabilities(input)]),
        part(
            "races",
            "Races for one credential",
            vec![
                spectrum_tables::races(input),
                spectrum_tables::renewals(input),
                spectrum_tables::herds(input),
            ],
        ),
        part("keys", "Keys that rotate", vec![spectrum_tables::keys(input)]),
        part("writes", "What sliding expiry writes", vec![spectrum_tables::writes(input)]),
        part("node-memory", "Memory on the nodes", vec![spectrum_tables::node_memory(input)]),
        part("pairs", "Every two strategies compared", vec![tables::pairs(input)]),
    ]
}

/// The law of the self-contained tokens, once.
fn laws(input: &Input<'_>) -> String {
    let mut laws: Vec<&str> = Vec::new();
    for law in input.derived.revocation_lag.iter().filter_map(|l| l.law.as_deref()) {
        if !laws.contains(&law) {
            laws.push(law);
        }
    }
    if laws.is_empty() { String::new() } else { format!("By law: {}.", laws.join(". ")) }
}

/// The chart as it stands on a page.
pub(super) fn figure(chart: &Chart) -> Figure {
    Figure {
        name: chart.name.into(),
        alt: chart.alt.clone(),
        wide: chart.wide.clone(),
        narrow: chart.narrow.clone(),
    }
}
