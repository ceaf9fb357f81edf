//! Criterion's samples as cells of a record.
//!
//! What Criterion leaves on disk is its private format, so this reads that of one version,
//! [`VERSION`], and refuses whatever looks otherwise; a test compares the version with the one that
//! is built. Identities come from `benchmark.json`, never from the names of folders, which
//! Criterion shortens and cleans.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use authbench::strategy::StrategyKind;
use serde::Deserialize;

use super::run::{MicroCell, Timer};

/// The version whose files are read.
pub const VERSION: &str = "0.8.2";
/// The operations whose benches are taken.
const OPERATIONS: [&str; 6] = ["verify", "issue", "reject", "part", "lookup", "revoke"];
/// Samples further apart than this are hardly of one run of `cargo bench`.
const ONE_RUN: Duration = Duration::from_hours(1);
/// Deeper than this no bench lies: group, function, value, `new`.
const DEPTH_MAX: u32 = 8;

/// What was found in a folder.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The cells, in the order of their ids.
    pub cells: Vec<MicroCell>,
    /// What the reader should know: what was skipped, what looks stale.
    pub notes: Vec<String>,
}

/// `benchmark.json`. Members that say the same in other words are skipped.
#[derive(Debug, Deserialize)]
struct Identity {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    /// Its presence is checked: a file without it is of another version.
    full_id: String,
}

/// `sample.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    sampling_mode: Mode,
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Iterations per sample grow, or are all the same: either way a sample is a time over iterations.
#[derive(Debug, Deserialize)]
enum Mode {
    Linear,
    Flat,
}

/// Reads every bench below `folder`.
///
/// # Errors
/// When there is none, when two have the same id, or when one is not what Criterion [`VERSION`]
/// writes: which file, and what is wrong with it.
pub fn read(folder: &Path) -> anyhow::Result<Found> {
    let mut benches = Vec::new();
    find(folder, DEPTH_MAX, &mut benches)
        .with_context(|| format!("Criterion's folder {} cannot be read", folder.display()))?;
    benches.sort();
    let (mut found, mut foreign, mut ages) = (Found::default(), Vec::new(), Vec::new());
    for bench in &benches {
        let advice = || format!("in {}: not what Criterion {VERSION} writes", bench.display());
        let identity: Identity = parse(&bench.join("benchmark.json")).with_context(advice)?;
        let Some(mut cell) = named(&identity) else {
            foreign.push(format!("`{}`", identity.full_id));
            continue;
        };
        let path = bench.join("sample.json");
        fill(&mut cell, parse(&path).with_context(advice)?)
            .with_context(|| path.display().to_string())
            .with_context(advice)?;
        let written = fs::metadata(&path).and_then(|data| data.modified());
        ages.push((written.with_context(|| path.display().to_string())?, cell.id.clone()));
        found.cells.push(cell);
    }
    ensure!(
        !found.cells.is_empty(),
        "{} holds no bench of authbench{}; `cargo bench` makes them, and CRITERION_HOME says where",
        folder.display(),
        if foreign.is_empty() { String::new() } else { format!(", only {}", foreign.join(", ")) }
    );
    found.cells.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some(pair) = found.cells.windows(2).find(|pair| pair[0].id == pair[1].id) {
        bail!("two benches in {} are called `{}`", folder.display(), pair[0].id);
    }
    if !foreign.is_empty() {
        found.notes.push(format!("skipped, no operation of authbench: {}", foreign.join(", ")));
    }
    found.notes.extend(stale(&ages));
    Ok(found)
}

/// Folders named `new` that hold a bench. Links are not followed.
fn find(folder: &Path, depth: u32, benches: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if depth == 0 || !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        if entry.file_name() == "new" && path.join("benchmark.json").is_file() {
            benches.push(path);
        } else {
            find(&path, depth - 1, benches)?;
        }
    }
    Ok(())
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

/// The cell of a bench that is one of ours, still without samples.
fn named(identity: &Identity) -> Option<MicroCell> {
    let operation = OPERATIONS.into_iter().find(|known| *known == identity.group_id)?;
    // A subject without parameters has a parameter alone in Criterion's eyes.
    let (subject, cell) = match (&identity.function_id, &identity.value_str) {
        (Some(subject), cell) => (subject, cell.as_deref().filter(|cell| !cell.is_empty())),
        (None, Some(subject)) => (subject, None),
        (None, None) => return None,
    };
    let kind: Option<StrategyKind> = subject.parse().ok();
    let level = cell.and_then(|cell| cell.split(',').find_map(|each| each.strip_prefix("alg=")));
    let own = || kind.and_then(|kind| kind.properties().algorithm).map(|a| a.name().to_owned());
    Some(MicroCell {
        id: cell.map_or_else(
            || format!("{operation}/{subject}"),
            |cell| format!("{operation}/{subject}/{cell}"),
        ),
        operation: operation.into(),
        strategy: kind.map(|kind| kind.name().to_owned()),
        algorithm: level.map(str::to_owned).or_else(own),
        timer: Timer::Criterion,
        ..MicroCell::default()
    })
}

/// Samples as integers: times are sums over a batch, so a nanosecond is far below their noise.
fn fill(cell: &mut MicroCell, sample: Sample) -> anyhow::Result<()> {
    let Sample { sampling_mode: Mode::Linear | Mode::Flat, iters, times } = sample;
    let (n, m) = (iters.len(), times.len());
    ensure!(n == m, "{n} `iters`, but {m} `times`");
    ensure!(n > 0, "it has no samples");
    for (name, column) in [("iters", &iters), ("times", &times)] {
        // Integers up to 2^53 are exact.
        let bad = column.iter().find(|v| !v.is_finite() || **v <= 0.0 || **v > 9e15);
        ensure!(bad.is_none(), "`{name}` holds {}", bad.copied().unwrap_or_default());
    }
    let part = iters.iter().find(|n| n.fract() != 0.0);
    ensure!(part.is_none(), "`iters` holds {}, no whole number", part.copied().unwrap_or_default());
    cell.iterations = iters.into_iter().map(|n| n as u64).collect();
    cell.wall_ns = times.into_iter().map(|ns| ns.round() as u64).collect();
    Ok(())
}

/// Criterion never removes a folder, so a bench that is gone or renamed still lies there.
fn stale(ages: &[(SystemTime, String)]) -> Option<String> {
    let (oldest, newest) = (ages.iter().min()?, ages.iter().max()?);
    let apart = newest.0.duration_since(oldest.0).ok()?;
    (apart > ONE_RUN).then(|| {
        format!(
            "the samples lie {} min apart, from `{}` to `{}`: some may be of an earlier run, \
             because Criterion never removes a folder; bench into a fresh CRITERION_HOME",
            apart.as_secs() / 60,
            oldest.1,
            newest.1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_named_with_its_parameters_and_without() {
        let id = |function: Option<&str>, value: Option<&str>| {
            let identity = Identity {
                group_id: "verify".into(),
                function_id: function.map(String::from),
                value_str: value.map(String::from),
                full_id: String::new(),
            };
            named(&identity).map(|cell| (cell.id, cell.algorithm))
        };
        let expected = ("verify/prepared/alg=ES256".to_owned(), Some("ES256".to_owned()));
        assert_eq!(id(Some("prepared"), Some("alg=ES256")), Some(expected));
        let expected = ("verify/jwt-es256".to_owned(), Some("ES256".to_owned()));
        assert_eq!(id(None, Some("jwt-es256")), Some(expected));
        assert_eq!(id(None, None), None);
    }
}
