//! Pages, charts and tables: a pure function of what was recorded and what follows from it.

pub mod chart;
pub mod format;
pub mod lint;
mod loop_tables;
mod loops;
pub mod page;
pub mod palette;
mod results;
mod sections;
pub mod splice;
pub mod summary;
pub mod tables;
mod template;
pub mod tool_table;
pub mod verdicts;

use std::collections::BTreeMap;

use crate::record::derived::Derived;
use crate::record::run::Run;
use chart::Input;
use palette::Palette;

/// Generated files by their path within the results folder.
pub type Files = BTreeMap<String, String>;

/// Renders `REPORT.md`, `report.html` and the charts.
///
/// # Errors
/// When a chart or a template cannot be written, which is a fault of the program.
pub fn render(run: &Run, derived: &Derived) -> anyhow::Result<Files> {
    let palette = Palette::new(run);
    let input = Input { run, derived, palette: &palette };
    let charts = chart::all(&input)?;
    let page = sections::page(&input, &charts);
    let mut files = Files::new();
    files.insert("REPORT.md".into(), template::markdown(&page)?);
    files.insert("report.html".into(), template::html(&page)?);
    for chart in charts {
        files.insert(format!("charts/{}.svg", chart.name), chart.wide);
        files.insert(format!("charts/{}-narrow.svg", chart.name), chart.narrow);
    }
    Ok(files)
}
