//! What is rendered from all kept runs together: the claims audit and the decision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::report::{Records, kept, results};
use crate::decide::figures::{Source as Measured, gather};
use crate::record::derived::Derived;
use crate::record::run::Run;
use crate::report::audit::{CLAIMS, render};
use crate::report::chart::{Input, decision_map, headline};
use crate::report::decide_page;
use crate::report::palette::Palette;
use crate::report::splice::Source;

/// The runs that these rest on, by the end of their names.
const CITED: [&str; 3] = ["reference", "loops", "revocation"];
/// A record by its folder's name.
type Named = (String, Rc<(Run, Derived)>);

/// The one whose headline chart stands on the page.
const HEADLINE: &str = "revocation";

/// Every file that follows from the kept runs together; none where one of [`CITED`] is not there.
///
/// # Errors
/// When a record cannot be read, or holds no figure that a claim is held against.
pub(super) fn files(
    results: &Path,
    folders: &[PathBuf],
    records: &Records,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut named = BTreeMap::new();
    for end in CITED {
        let found = folders.iter().rev().find_map(|folder| {
            let name = folder.file_name()?.to_str()?;
            name.ends_with(&format!("-{end}")).then(|| (name.to_owned(), folder))
        });
        let Some(found) = found else { return Ok(Vec::new()) };
        named.insert(end, found);
    }
    let all = named_records(folders, records)?;
    let [html, markdown] = decision(&all, &named[HEADLINE].0)?;
    Ok(vec![
        (results.join("CLAIMS.md"), audit(&all, &named)?),
        (results.join("DECISION.md"), markdown),
        (results.join("decision.html"), html),
    ])
}

fn audit(all: &[Named], named: &BTreeMap<&str, (String, &PathBuf)>) -> anyhow::Result<String> {
    let mut opened: BTreeMap<String, Rc<Source>> = BTreeMap::new();
    let mut open = |end: &str| {
        let (name, _) = named.get(end).ok_or_else(|| format!("no run is named `*-{end}`"))?;
        if let Some(source) = opened.get(end) {
            return Ok((name.clone(), Rc::clone(source)));
        }
        let (_, record) =
            all.iter().find(|(own, _)| own == name).ok_or_else(|| format!("no run `{name}`"))?;
        let source = Source::new(record.0.clone(), record.1.clone());
        let source = source.map_err(|e| format!("{e:#}"))?;
        let source = Rc::new(source);
        opened.insert(end.to_owned(), Rc::clone(&source));
        Ok((name.clone(), source))
    };
    render(CLAIMS, &mut open).map_err(anyhow::Error::msg)
}

/// What to take in the six usual cases by all kept records, as a table.
///
/// # Errors
/// When a record cannot be read.
pub(super) fn cases(records: &Records) -> anyhow::Result<String> {
    let all = named_records(&kept(&results()?)?, records)?;
    Ok(decide_page::in_a_table(&gather(&measured(&all))).markdown())
}

fn named_records(folders: &[PathBuf], records: &Records) -> anyhow::Result<Vec<Named>> {
    let name = |folder: &Path| {
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    folders.iter().map(|folder| Ok((name(folder), records.load(folder)?))).collect()
}

fn measured(all: &[Named]) -> Vec<Measured<'_>> {
    all.iter().map(|(name, record)| Measured { name, run: &record.0, derived: &record.1 }).collect()
}

fn decision(all: &[Named], headline_of: &str) -> anyhow::Result<[String; 2]> {
    let measured = measured(all);
    let figures = gather(&measured);
    let shown =
        measured.iter().find(|own| own.name == headline_of && own.derived.withheld.is_none());
    let (mut chart, mut map) = (None, None);
    if let Some(Measured { run, derived, .. }) = shown {
        let palette = Palette::new(run);
        chart = headline::chart(&Input { run, derived, palette: &palette })?;
        map = Some(decision_map::chart(&figures, &palette)?);
    }
    decide_page::render(&figures, chart.as_ref(), map.as_ref())
}
