//! The parts of the page, in reading order.

use super::chart::{Chart, Input};
use super::format::{self, MISSING, PERCENT, count};
use super::page::{Page, Section, Table};
use super::verdicts::{code, limits, machine_in_short, sentences};
use super::{results, tables};
use crate::record::integrity::findings;
use crate::record::run::{PlanRecord, Run, Status};

/// The page of a run with its charts.
#[must_use]
pub(super) fn page(input: &Input<'_>, charts: &[Chart]) -> Page {
    let mut sections = vec![in_short(input)];
    sections.extend(results::sections(input, charts));
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
        decide: None,
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
    let tables = [
        tables::trust(input),
        tables::rulers(input),
        tables::acceptance(input),
        tables::sabotage(input),
        super::tool_table::tools(input),
    ];
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
        (
            "method version",
            format!(
                "measured by {}, computed by {}",
                run.method_version, input.derived.method_version
            ),
        ),
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
