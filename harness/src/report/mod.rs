//! Pages, charts and tables: a pure function of what was recorded and what follows from it.

pub mod audit;
pub mod chart;
pub mod claims;
pub mod claims_controls;
pub mod decide_page;
pub mod decision;
pub mod distance_tables;
pub mod foreign;
pub mod format;
mod instrument_tables;
pub mod lag_tables;
pub mod lint;
mod loop_tables;
mod loops;
pub mod page;
pub mod palette;
mod pointer;
pub mod prediction_table;
mod results;
mod sections;
pub mod spectrum_tables;
pub mod splice;
pub mod summary;
pub mod tables;
mod template;
pub mod tool_table;
pub mod verdicts;

use std::collections::BTreeMap;

use crate::decide::figures::{Source, gather};
use crate::record::derived::Derived;
use crate::record::run::Run;
use chart::Input;
use page::Page;
use palette::Palette;

/// The page for a reader without scripts.
fn readable(page: &Page) -> Page {
    let mut page = page.clone();
    page.sections.retain(|section| section.id != "decide");
    page
}

/// Generated files by their path within the results folder.
pub type Files = BTreeMap<String, String>;

/// Renders `REPORT.md`, `report.html` and the charts.
///
/// # Errors
/// When a chart or a template cannot be written, or the page says what [`claims`] refuse: faults of
/// the program.
pub fn render(run: &Run, derived: &Derived) -> anyhow::Result<Files> {
    let palette = Palette::new(run);
    let input = Input { run, derived, palette: &palette };
    // Of an invalid run nothing is drawn: a picture is quoted without its banner.
    let charts = if derived.withheld.is_some() { vec![] } else { chart::all(&input)? };
    let mut page = sections::page(&input, &charts);
    if derived.withheld.is_none() {
        let source = Source { name: &run.run.label, run, derived };
        let figures = gather(&[source]);
        if let Some(sliders) = decide_page::sliders(&figures) {
            page.decide = Some(decide_page::data(&figures)?);
            // After the verdict and its chart.
            let headline = page.sections.iter().position(|section| section.id == "headline");
            page.sections.insert(headline.map_or(1, |at| at + 1), sliders);
        }
    }
    let mut files = Files::new();
    let markdown = template::markdown(&readable(&page))?;
    if let Some(refusal) = claims::refusals(&markdown, derived).first() {
        anyhow::bail!("the page may not be published, {refusal}");
    }
    files.insert("REPORT.md".into(), markdown);
    files.insert("report.html".into(), template::html(&page)?);
    for chart in charts {
        files.insert(format!("charts/{}.svg", chart.name), chart.wide);
        files.insert(format!("charts/{}-narrow.svg", chart.name), chart.narrow);
    }
    Ok(files)
}
