//! The parts of the page, in reading order.

use super::chart::{Chart, Input};
use super::format::{self, MISSING, PERCENT, count};
use super::page::{Figure, Page, Section, Table};
use super::tables;
use super::verdicts::{code, limits, machine_in_short, sentences};
use crate::record::integrity::findings;
use crate::record::run::{PlanRecord, Run, Status};

/// The page of a run with its charts.
#[must_use]
pub(super) fn page(input: &Input<'_>, charts: &[Chart]) -> Page {
    let mut sections = vec![in_short(input)];
    sections.extend(results(input, charts));
    sections.push(Section {
        id: "limits",
        heading: "What may not be concluded".into(),
        items: limits(input),
        ..Section::default()
    });
    sections.extend(not_measured(input.run));
    sections.extend(trust(input));
    sections.extend(failed_checks(input.run));
    sections.extend([environment(input.run), provenance(input), reproduce(input.run)]);
    Page {
        title: format!("authbench: {}", input.run.run.label),
        banners: banners(input.run),
        sections,
    }
}

fn banners(run: &Run) -> Vec<String> {
    let because = if run.run.reasons.is_empty() {
        String::new()
    } else {
        format!(": {}", run.run.reasons.join("; "))
    };
    let mut said = match run.run.status {
        Status::Invalid => vec![format!("INVALID RUN. Nothing here may be cited{because}.")],
        Status::Partial => {
            vec![format!("PARTIAL RUN. It did not finish; what is missing is missing{because}.")]
        }
        Status::Complete => vec![],
    };
    let found = findings(run);
    if let (Some(first), Status::Complete) = (found.first(), run.run.status) {
        said.push(format!(
            "NOT VALID AS A MEASUREMENT. `authbench validate` finds {} faults in this record, the \
             first at {}: {}.",
            found.len(),
            first.place,
            first.what
        ));
    }
    if !run.run.citable {
        said.push(format!("Preview, do not cite: profile `{}`.", run.run.profile));
    }
    said
}

fn in_short(input: &Input<'_>) -> Section {
    let mut said = sentences(input).into_iter();
    Section {
        id: "in-short",
        heading: "In short".into(),
        lead: said.next().into_iter().collect(),
        items: said.collect(),
        ..Section::default()
    }
}

/// What the two timers in one table are.
const LOOPS: &str = "CPU and ratios are of the interleaved pass, where subject and reference \
    alternate; local wall time is Criterion's, one subject after the other: the median of its \
    samples with an interval by order statistics. The two are never mixed.";

fn results(input: &Input<'_>, charts: &[Chart]) -> Vec<Section> {
    let part = |id: &'static str, heading: &str, lead: &str, name: &str, tables: Vec<Table>| {
        let chart = charts.iter().find(|chart| chart.name == name);
        let tables: Vec<Table> = tables.into_iter().filter(|t| !t.rows.is_empty()).collect();
        if chart.is_none() && tables.is_empty() {
            return None;
        }
        Some(Section {
            id,
            heading: heading.into(),
            lead: if lead.is_empty() { vec![] } else { vec![lead.to_owned()] },
            figure: chart.map(figure),
            tables,
            ..Section::default()
        })
    };
    [
        part(
            "headline",
            "What does faster revocation cost?",
            "",
            "headline",
            vec![tables::cost(input), tables::promises(input)],
        ),
        part(
            "cpu",
            "CPU per request",
            "Every difference is taken within a block and set against `none`, the floor that does \
             everything but authentication.",
            "cpu",
            vec![tables::cpu(input)],
        ),
        part("latency", "Latency", "", "latency", vec![tables::latency(input)]),
        part("micro", "Verify and issue by algorithm", "", "micro", vec![tables::micro(input)]),
        part(
            "verify",
            "Verify, by algorithm and path",
            LOOPS,
            "algorithms-verify",
            vec![tables::subjects(input, "verify")],
        ),
        part(
            "issue",
            "Issue, by algorithm and path",
            "",
            "algorithms-issue",
            vec![tables::subjects(input, "issue")],
        ),
        part("overhead", "Above the signature", "", "overhead", vec![tables::overhead(input)]),
        part(
            "parts",
            "The parts of one verification",
            "",
            "parts",
            vec![tables::parts(input), tables::subjects(input, "part")],
        ),
        part(
            "reject",
            "Refusing a credential",
            "",
            "reject",
            vec![tables::subjects(input, "reject")],
        ),
        part(
            "lookup",
            "Lookups with many in flight",
            "",
            "lookup",
            vec![tables::subjects(input, "lookup")],
        ),
        part("revoke", "Revoking, in a loop", "", "", vec![tables::subjects(input, "revoke")]),
        part("memory", "Memory of an entry", "", "memory", vec![tables::memory(input)]),
        part(
            "wire",
            "Credentials on the wire, by algorithm, claims and carrier",
            "",
            "wire",
            vec![tables::wire(input), tables::limits(input)],
        ),
        part("sizes", "Bytes on the wire", "", "sizes", vec![tables::sizes(input)]),
        part(
            "revocation-cost",
            "Cost of a logout",
            "A denial (401) is a verdict on the credential; an outage (503) means it could not be \
             judged. Only denials count as refusals here.",
            "revocation-cost",
            vec![tables::revocation_cost(input)],
        ),
        part(
            "revocation-lag",
            "Revocation lag",
            &laws(input),
            "revocation-lag",
            vec![tables::revocation_lag(input)],
        ),
        part("pairs", "Every two strategies compared", "", "", vec![tables::pairs(input)]),
    ]
    .into_iter()
    .flatten()
    .collect()
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

fn figure(chart: &Chart) -> Figure {
    Figure {
        name: chart.name.into(),
        alt: chart.alt.clone(),
        wide: chart.wide.clone(),
        narrow: chart.narrow.clone(),
    }
}

fn not_measured(run: &Run) -> Option<Section> {
    if run.not_measured.is_empty() {
        return None;
    }
    let rows = run
        .not_measured
        .iter()
        .map(|n| vec![code(&n.what), format!("not measured: {}", n.reason), n.remedy.clone()]);
    Some(Section {
        id: "not-measured",
        heading: "Not measured".into(),
        tables: vec![
            Table::new(
                "What the plan asked for and the run could not measure",
                &["what", "reason", "remedy"],
            )
            .with(rows),
        ],
        ..Section::default()
    })
}

fn trust(input: &Input<'_>) -> Option<Section> {
    let floor = input.derived.noise_floor.map(|floor| {
        format!(
            "Noise floor: two servers of the same strategy differ by {} %; the 99.9 % interval, \
             {} to {} %, {} zero.",
            format::interval(&floor.difference, PERCENT),
            format::three_digits(floor.low_999 * 100.0),
            format::three_digits(floor.high_999 * 100.0),
            if floor.contains_zero { "contains" } else { "does NOT contain" },
        )
    });
    let tables = [tables::trust(input), tables::rulers(input)];
    let tables: Vec<Table> = tables.into_iter().filter(|t| !t.rows.is_empty()).collect();
    (floor.is_some() || !tables.is_empty()).then(|| Section {
        id: "trust",
        heading: "May I believe this?".into(),
        lead: floor.into_iter().collect(),
        tables,
        ..Section::default()
    })
}

fn failed_checks(run: &Run) -> Option<Section> {
    let failed: Vec<_> = run.checks.iter().filter(|check| !check.pass).collect();
    if failed.is_empty() {
        return None;
    }
    let place = |arm: &Option<String>, block: Option<u32>| match (arm, block) {
        (Some(arm), Some(block)) => format!("{}, block {block}", code(arm)),
        (Some(arm), None) => code(arm),
        (None, Some(block)) => format!("block {block}"),
        (None, None) => "the run".into(),
    };
    let rows = failed
        .iter()
        .map(|c| vec![c.name.clone(), c.scope.clone(), place(&c.arm, c.block), c.detail.clone()]);
    Some(Section {
        id: "checks",
        heading: format!("Checks failed: {} of {}", failed.len(), run.checks.len()),
        tables: vec![
            Table::new("Checks failed", &["check", "voids the", "where", "figure"]).with(rows),
        ],
        ..Section::default()
    })
}

fn facts(rows: &[(&str, String)]) -> Table {
    let rows = rows.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]);
    Table::new("", &["fact", "value"]).with(rows)
}

fn environment(run: &Run) -> Section {
    let e = &run.environment;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let gib =
        |bytes: u64| format!("{} GiB", format::three_digits(bytes as f64 / f64::from(1 << 30)));
    let mut table = facts(&[
        ("machine", machine_in_short(run)),
        ("processor", text(&e.cpu_model)),
        ("system", e.os.clone()),
        ("memory", e.memory_bytes.map_or_else(|| "unknown".into(), gib)),
        ("clock source", text(&e.clocksource)),
        ("governor", text(&e.governor)),
        (
            "CPU quota",
            e.cpu_quota_millicores
                .map_or_else(|| "none seen".into(), |m| format!("{m} millicores")),
        ),
        (
            "load before the start",
            e.load_before_milli.map_or_else(
                || "unknown".into(),
                |m| format!("{:.2}", f64::from(u32::try_from(m).unwrap_or(u32::MAX)) / 1e3),
            ),
        ),
        ("CPU clock", e.cpu_clock.clone()),
        ("unknown", if e.unknown.is_empty() { MISSING.into() } else { e.unknown.join(", ") }),
    ]);
    table.caption = if run.plan.is_some() { "Machine and plan" } else { "Machine" }.into();
    table.rows.extend(run.plan.iter().flat_map(|plan| planned(plan).rows));
    Section {
        id: "environment",
        heading: "Environment".into(),
        tables: vec![table],
        ..Section::default()
    }
}

fn planned(plan: &PlanRecord) -> Table {
    facts(&[
        (
            "blocks, rounds",
            format!("{} asked for, {} rounds each", plan.blocks, plan.rounds_per_block),
        ),
        ("slot", format!("{} ms after {} ms of lead-in", plan.slot_ms, plan.lead_in_ms)),
        ("credentials per arm", count(plan.wallet.into())),
        ("token lifetime", format::duration(plan.token_lifetime_s as f64 * 1e9)),
        ("leeway", format!("{} s", plan.leeway_s)),
        (
            "session timeouts",
            format!(
                "{} idle, {} absolute",
                format::duration(plan.session_idle_s as f64 * 1e9),
                format::duration(plan.session_absolute_s as f64 * 1e9)
            ),
        ),
    ])
}

fn provenance(input: &Input<'_>) -> Section {
    let (run, p) = (input.run, &input.run.provenance);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let dirty = match p.git_dirty {
        Some(true) => " with uncommitted changes",
        _ => "",
    };
    let crates: Vec<String> =
        p.crates.iter().map(|c| format!("{} {}", c.name, c.version)).collect();
    let mut table = facts(&[
        ("run", code(&run.run.id)),
        ("started", run.run.started_utc.clone()),
        ("finished", text(&run.run.finished_utc)),
        (
            "wall time",
            run.run
                .wall_ms
                .map_or_else(|| "unknown".into(), |ms| format::duration(ms as f64 * 1e6)),
        ),
        ("source", format!("{}{dirty}", text(&p.git_sha))),
        ("Cargo.lock, SHA-256", code(&p.lockfile_sha256)),
        ("binary, SHA-256", code(&p.binary_sha256)),
        ("run.json, SHA-256", code(&input.derived.run_sha256)),
        ("compiler", format!("{}, {}, {}", p.rustc, p.target, p.build)),
        ("crates", crates.join(", ")),
        ("Redis", text(&p.redis_server)),
        ("method version", run.method_version.to_string()),
    ]);
    table.caption = "What was built, from what".into();
    Section {
        id: "provenance",
        heading: "Provenance".into(),
        tables: vec![table],
        ..Section::default()
    }
}

fn reproduce(run: &Run) -> Section {
    let mut argv = run.run.argv.clone();
    if argv.first().is_some_and(|arg| arg == "authbench") {
        argv.remove(0);
    }
    argv.insert(0, "cargo run --release --bin authbench --".into());
    // `collect` has no seed: it times nothing itself.
    let seeded = argv.get(1).is_some_and(|verb| verb != "collect");
    if seeded && !argv.iter().any(|arg| arg.starts_with("--seed")) {
        argv.push(format!("--seed {}", run.run.seed));
    }
    let checkout = run.provenance.git_sha.as_ref().map(|sha| format!("git checkout {sha}"));
    let setup = ["scripts/setup".to_owned(), argv.join(" ")];
    Section {
        id: "reproduce",
        heading: "Reproduce".into(),
        lead: vec![format!(
            "{}he figures follow from the machine. The pages and charts follow from `run.json` \
             alone, byte for byte:",
            if run.plan.is_some() { "The schedule follows from the seed; t" } else { "T" }
        )],
        commands: checkout
            .into_iter()
            .chain(setup)
            .chain(["cargo run --release --bin authbench -- report --check".into()])
            .collect(),
        ..Section::default()
    }
}
