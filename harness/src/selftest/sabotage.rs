//! Every gate is made to fail once: what survives its own sabotage guards nothing.

use anyhow::Context as _;

use crate::measure::block::Watcher;
use crate::measure::gates::window::failures;
use crate::measure::gates::{Gate, Scope, named};
use crate::measure::run::{Order, execute};
use crate::measure::sabotage::Sabotage;
use crate::plan::{Plan, expand};
use crate::record::run::{Run, SabotageRow, Status};

/// Blocks of the run that sabotages the A/A control: fewer are not judged.
const AA_BLOCKS: u32 = 5;

/// Runs the same small plan without any fault: every gate of the run has to pass.
///
/// # Errors
/// When the run cannot be made at all.
pub fn control(watcher: &dyn Watcher) -> anyhow::Result<SabotageRow> {
    let run = sabotaged(None, 1, watcher)?;
    let failed: Vec<String> = run
        .checks
        .iter()
        .filter(|c| !c.pass)
        .map(|c| format!("{}: {}", c.name, c.detail))
        .collect();
    let figure = match failed.as_slice() {
        [] => format!("{} checks passed", run.checks.len()),
        failed => failed.join("; "),
    };
    Ok(SabotageRow {
        gate: "no sabotage".into(),
        voids: String::new(),
        fault: "none".into(),
        noticed: Some(failed.is_empty() && run.run.status == Status::Complete),
        figure,
    })
}

/// Brings the fault about and says whether its gate noticed.
///
/// # Errors
/// When the run cannot be made at all.
pub fn attempt(sabotage: Sabotage, watcher: &dyn Watcher) -> anyhow::Result<SabotageRow> {
    let gate = named(sabotage.gate()).context("there is no such gate")?;
    let blocks = if gate.name == "a-a" { AA_BLOCKS } else { 1 };
    let run = sabotaged(Some(sabotage), blocks, watcher)
        .with_context(|| format!("under the sabotage of `{}`", gate.name))?;
    let (noticed, figure) = verdict(gate, &run);
    Ok(SabotageRow {
        gate: gate.name.into(),
        voids: match gate.scope {
            Scope::Slot => "slot",
            Scope::Window => "window",
            Scope::Run => "run",
        }
        .into(),
        fault: if sabotage.is_falsified() { "falsified reading" } else { "real" }.into(),
        noticed,
        figure,
    })
}

fn sabotaged(
    sabotage: Option<Sabotage>,
    blocks: u32,
    watcher: &dyn Watcher,
) -> anyhow::Result<Run> {
    let mut plan = Plan::parse("sabotage", include_str!("../../plans/sabotage.toml"))?;
    plan.blocks = blocks;
    if sabotage.is_some_and(|s| s.gate() == "dispatched") {
        plan.backlog_limit = 4;
    }
    let arms = expand(&plan, &[])?;
    let home = tempfile::tempdir().context("cannot make a temporary folder")?;
    let order = Order {
        arms,
        plan,
        seed: 1,
        folder: Some(home.path().join("run")),
        label: "sabotage".into(),
        predictions: None,
        argv: Vec::new(),
        sabotage,
    };
    let finished = execute(order, watcher)?;
    finished.stopped.map_or(Ok(finished.run), Err)
}

/// Whether the gate failed, and its words.
fn verdict(gate: &Gate, run: &Run) -> (Option<bool>, String) {
    if gate.name == "redis-commands" && run.provenance.redis_server.is_none() {
        return (None, "not tried: there is no Redis".into());
    }
    match gate.scope {
        Scope::Slot => {
            let slots = run.cells.iter().flat_map(|cell| &cell.slots.discarded);
            let (own, all) = slots.fold((0, 0), |(own, all), discarded| {
                (own + u32::from(discarded == gate.name), all + 1)
            });
            (Some(own > 0), format!("{own} of {all} slots discarded for it"))
        }
        Scope::Window => {
            let Some(plan) = &run.plan else { return (Some(false), "no plan".into()) };
            let found = run.cells.iter().flat_map(|cell| failures(plan, cell));
            let own = found.filter(|(name, _)| *name == gate.name).map(|(_, why)| why);
            let own: Vec<String> = own.collect();
            let first = own.first().map_or(String::new(), |why| format!(": {why}"));
            let figure = format!("{} of {} windows{first}", own.len(), run.cells.len());
            (Some(!own.is_empty()), figure)
        }
        Scope::Run => {
            let failed = run.checks.iter().find(|c| c.name == gate.name && !c.pass);
            let noticed = failed.is_some() && run.run.status == Status::Invalid;
            let figure = failed.map_or_else(|| "it passed".to_owned(), |c| c.detail.clone());
            (Some(noticed), figure)
        }
    }
}
