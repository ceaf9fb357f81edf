//! Generated figures inside hand-written prose: what stands between markers follows from a record.
//!
//! ```text
//! <!-- authbench:headline-table run=results/<folder> -->
//! ...
//! <!-- /authbench:headline-table -->
//! ```
//! A marker that ends its line encloses lines of their own; any other encloses words of the line.
//! Markers in code are left alone. Names: `headline-table`, `headline-sentence`, `headline-chart`,
//! `machine`, `table name=<table>`, and `value pointer=<JSON pointer> format=<format>` (with
//! `file=run` for `run.json`; else `derived.json`). In a pointer, an element of an array is given
//! by its number, by its `arm`, `id`, `strategy`, `name` or `what`, or by members that it alone
//! has: `/wire/algorithm=HS256,claims=typical,carrier=bearer/credential_bytes`. A slash in a name
//! is written `~1`.
//!
//! `micro id=<id> [figure=<figure>] [format=<format>]` is a figure of what was timed in a loop, its
//! id as it stands: `micro id=verify/prepared/alg=HS256,claims=typical,backend=ring figure=ratio`.
//! Figures: `ratio` (the default), `cpu_ns`, `store_cpu_ns`, `total_cpu_ns`, `total_ratio`,
//! `wall_ns`, `wall_ratio`, all of the interleaved pass, and `criterion_ns`. Without a format,
//! ratios are written `1.23 (1.20 to 1.26)` and nanoseconds as `ns`.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use super::chart::Input;
use super::format::{self, TIMES, Unit};
use super::palette::Palette;
use super::pointer::{follow, named};
use super::{tables, verdicts};
use crate::record::derived::{Derived, Estimate};
use crate::record::run::Run;

/// What figures are taken from.
#[derive(Debug)]
pub struct Source {
    run: Run,
    derived: Derived,
    run_json: Value,
    derived_json: Value,
}

impl Source {
    /// From a record and what follows from it.
    ///
    /// # Errors
    /// None for values of these types.
    pub fn new(run: Run, derived: Derived) -> anyhow::Result<Self> {
        let run_json = serde_json::to_value(&run)?;
        let derived_json = serde_json::to_value(&derived)?;
        Ok(Self { run, derived, run_json, derived_json })
    }

    /// The figure at a pointer into one of its files, as in a marker; a plain number is exact.
    ///
    /// # Errors
    /// When there is nothing, or no figure.
    pub fn figure(&self, file: &str, pointer: &str) -> Result<Estimate, String> {
        let value = follow(self.json(file)?.1, pointer).map_err(|e| format!("{file}: {e}"))?;
        match value {
            Value::Number(n) => {
                let value = n.as_f64().ok_or("it is no finite number")?;
                Ok(Estimate { value, low: value, high: value, n: 0 })
            }
            Value::Null => Err(format!("{file}, {pointer}: it was not measured (null)")),
            other => read(other).map_err(|e| format!("{file}, {pointer}: {e}")),
        }
    }

    fn json(&self, file: &str) -> Result<(&'static str, &Value), String> {
        match file {
            "derived" => Ok(("derived.json", &self.derived_json)),
            "run" => Ok(("run.json", &self.run_json)),
            other => Err(format!("`file={other}`: it is `run` or `derived`")),
        }
    }
}

/// What is wrong with a marker, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpliceError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for SpliceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for SpliceError {}

const OPEN: &str = "<!-- authbench:";
const END: &str = "-->";

/// Writes what follows from all records together.
pub type Cases<'c> = &'c dyn Fn() -> Result<String, String>;

/// `text` with everything between markers generated anew. `source` opens a results folder as it
/// is written in the marker; `cases` writes the usual cases, where a marker asks for them.
///
/// # Errors
/// At the first marker that is unknown, unclosed, or whose figure is missing.
pub fn splice(
    text: &str,
    source: &mut dyn FnMut(&str) -> Result<Rc<Source>, String>,
    cases: Cases<'_>,
) -> Result<String, SpliceError> {
    let code = code_spans(text);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN).map(|i| at + i) {
        if code.iter().any(|(from, to)| (*from..*to).contains(&found)) {
            out.push_str(&text[at..found + OPEN.len()]);
            at = found + OPEN.len();
            continue;
        }
        let fail =
            |what: String| SpliceError { line: text[..found].matches('\n').count() + 1, what };
        let opened = text[found..].find(END).map(|i| found + i + END.len());
        let opened = opened.ok_or_else(|| fail("the marker does not end".into()))?;
        let marker = Marker::parse(&text[found..opened]).map_err(fail)?;
        let close = format!("<!-- /authbench:{} -->", marker.name);
        let closed = text[opened..].find(&close).map(|i| opened + i);
        let closed = closed.ok_or_else(|| fail(format!("`{close}` is missing")))?;
        let inside = text[opened..closed].find(OPEN);
        if inside.is_some() {
            return Err(fail(format!("`{close}` is missing before the next marker")));
        }
        let block = text[opened..].starts_with('\n') || text[opened..].starts_with("\r\n");
        let new = match marker.name {
            "cases" if block => cases().map_err(fail)?,
            "cases" => return Err(fail(marker.lines_only())),
            _ => {
                let from = source(marker.get("run").map_err(fail)?).map_err(fail)?;
                marker.stamped(&from, block).map_err(fail)?
            }
        };
        out.push_str(&text[at..opened]);
        if block {
            out.push('\n');
            out.push_str(new.trim_end());
            out.push('\n');
        } else {
            out.push_str(&new);
        }
        out.push_str(&close);
        at = closed + close.len();
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// Whether `text` holds any marker outside of code.
#[must_use]
pub fn mentions(text: &str) -> bool {
    let code = code_spans(text);
    text.match_indices(OPEN).any(|(i, _)| !code.iter().any(|(from, to)| (*from..*to).contains(&i)))
}

/// Byte ranges of fenced blocks and of code within a line.
fn code_spans(text: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut fence: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            fence = match fence {
                None => Some(at),
                Some(from) => {
                    spans.push((from, at));
                    None
                }
            };
        } else if fence.is_none() {
            let ticks: Vec<usize> = line.match_indices('`').map(|(i, _)| at + i).collect();
            spans.extend(ticks.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        at += line.len();
    }
    spans.extend(fence.map(|from| (from, text.len())));
    spans
}

struct Marker<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Marker<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let inner = text.strip_prefix(OPEN).and_then(|t| t.strip_suffix(END)).unwrap_or(text);
        let mut words = inner.split_whitespace();
        let name = words.next().ok_or("the marker has no name")?;
        let attributes = words
            .map(|word| word.split_once('=').ok_or_else(|| format!("`{word}` is no `key=value`")))
            .collect::<Result<_, _>>()?;
        Ok(Self { name, attributes })
    }

    fn find(&self, key: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }

    fn get(&self, key: &str) -> Result<&'a str, String> {
        self.find(key).ok_or_else(|| format!("marker `{}` needs `{key}=...`", self.name))
    }

    fn lines_only(&self) -> String {
        format!("`{}` needs lines of its own: end the marker's line", self.name)
    }

    /// What stands there; a block with the digest of its record, so that any change of that shows,
    /// even one below the digits printed.
    fn stamped(&self, source: &Source, block: bool) -> Result<String, String> {
        let content = self.content(source, block)?;
        let sha = &source.derived.run_sha256;
        let short = sha.get(..16).unwrap_or(sha);
        let stamp = || format!("{}\n\n<!-- run.json sha256 {short} -->", content.trim_end());
        Ok(if block { stamp() } else { content })
    }

    fn content(&self, source: &Source, block: bool) -> Result<String, String> {
        let palette = Palette::new(&source.run);
        let input = Input { run: &source.run, derived: &source.derived, palette: &palette };
        match self.name {
            "headline-table" | "table" | "headline-chart" if !block => Err(self.lines_only()),
            "headline-table" => Ok(tables::cost(&input).markdown()),
            "table" => Ok(self.table(&input)?.markdown()),
            "headline-chart" => Ok(picture(self.get("run")?)),
            "headline-sentence" => Ok(sentence(&input, block)),
            "machine" => Ok(machine(&source.run)),
            "value" => self.value(source),
            "micro" => self.micro(source),
            other => Err(format!(
                "unknown marker `{other}`; there are headline-table, headline-sentence, \
                 headline-chart, machine, table, value, micro, cases"
            )),
        }
    }

    fn table(&self, input: &Input<'_>) -> Result<super::page::Table, String> {
        Ok(match self.get("name")? {
            "cost" => tables::cost(input),
            "promises" => tables::promises(input),
            "cpu" => tables::cpu(input),
            "latency" => tables::latency(input),
            "micro" => tables::micro(input),
            "overhead" => tables::overhead(input),
            "parts" => tables::parts(input),
            "wire" => tables::wire(input),
            "limits" => tables::limits(input),
            "memory" => tables::memory(input),
            of @ ("verify" | "issue" | "reject" | "part" | "lookup" | "revoke") => {
                tables::subjects(input, of)
            }
            "sizes" => tables::sizes(input),
            "revocation-cost" => tables::revocation_cost(input),
            "revocation-lag" => tables::revocation_lag(input),
            "mass" => tables::mass(input),
            "pairs" => tables::pairs(input),
            "trust" => tables::trust(input),
            "rulers" => tables::rulers(input),
            "counts" => tables::counts(input),
            "regimes" => tables::regimes(input),
            "distance" => super::distance_tables::figures(input),
            "crossovers" => super::distance_tables::crossovers(input),
            "acceptance" => tables::acceptance(input),
            "sabotage" => tables::sabotage(input),
            "predictions" => super::prediction_table::table(input),
            "tools" => super::tool_table::tools(input),
            other => return Err(format!("unknown table `{other}`")),
        })
    }

    fn micro(&self, source: &Source) -> Result<String, String> {
        let (id, figure) = (self.get("id")?, self.find("figure").unwrap_or("ratio"));
        let row = source.derived_json.get("micro").and_then(Value::as_array);
        let row = row.and_then(|rows| named(rows, id));
        let row = row.ok_or_else(|| format!("derived.json: nothing was timed as `{id}`"))?;
        let value = row.get(figure).filter(|_| is_figure(figure));
        let value = value.ok_or_else(|| format!("unknown figure `{figure}` of `{id}`"))?;
        let usual = if figure.ends_with("_ns") { "ns" } else { "ratio" };
        show(value, self.find("format").unwrap_or(usual))
            .map_err(|e| format!("derived.json, {figure} of `{id}`: {e}"))
    }

    fn value(&self, source: &Source) -> Result<String, String> {
        let (file, json) = source.json(self.find("file").unwrap_or("derived"))?;
        let pointer = self.get("pointer")?;
        let value = follow(json, pointer).map_err(|e| format!("{file}: {e}"))?;
        show(value, self.get("format")?).map_err(|e| format!("{file}, {pointer}: {e}"))
    }
}

/// Whether a member of a micro row is a figure.
fn is_figure(name: &str) -> bool {
    name.ends_with("ratio") || name.ends_with("_ns")
}

/// A figure as a marker of that format would show it; one without an interval as a number.
///
/// # Errors
/// When there is no such format.
pub fn written(figure: &Estimate, how: &str) -> Result<String, String> {
    let is_exact = figure.low == figure.value && figure.high == figure.value;
    let plain = is_exact || how == "int";
    let value = if plain { serde_json::json!(figure.value) } else { serde_json::json!(figure) };
    show(&value, if plain && how == "ratio" { "text" } else { how })
}

fn show(value: &Value, how: &str) -> Result<String, String> {
    let unit = match how {
        "us" => Some(format::MICROS),
        "ms" => Some(format::MILLIS),
        "ns" => Some(format::NANOS),
        "percent" => Some(format::PERCENT),
        "times" => Some(TIMES),
        "bytes" => Some(Unit { per: 1.0, name: "B" }),
        "int" | "text" | "duration" | "verdict" | "ratio" => None,
        other => {
            return Err(format!(
                "unknown format `{other}`; there are us, ms, ns, percent, times, ratio, \
                 bytes, int, duration, text"
            ));
        }
    };
    match (value, unit) {
        (Value::Object(_), Some(unit)) => Ok(format::estimate(&read(value)?, unit)),
        (Value::Object(_), None) if how == "ratio" => Ok(format::interval(&read(value)?, TIMES)),
        (Value::Number(n), Some(unit)) => {
            let n = n.as_f64().ok_or("it is no finite number")?;
            Ok(format!("{} {}", format::three_digits(n / unit.per), unit.name))
        }
        (Value::Number(n), None) if how == "duration" => {
            Ok(format::duration(n.as_f64().ok_or("it is no finite number")?))
        }
        (Value::Number(n), None) if how == "int" => match n.as_i64() {
            Some(n) => Ok(format::grouped(&n.to_string())),
            // Rounded, and without the sign of a zero.
            None => {
                Ok(format::grouped(&format!("{:.0}", n.as_f64().unwrap_or(f64::NAN).round() + 0.0)))
            }
        },
        (Value::String(text), None) => Ok(text.clone()),
        (Value::Number(n), None) => Ok(n.to_string()),
        (Value::Bool(b), None) => Ok(b.to_string()),
        (Value::Null, _) => Err("it was not measured (null)".into()),
        _ => Err(format!("it cannot be written as `{how}`")),
    }
}

fn read(value: &Value) -> Result<Estimate, String> {
    serde_json::from_value(value.clone())
        .map_err(|_| "it is neither a number nor an estimate".to_owned())
}

fn sentence(input: &Input<'_>, block: bool) -> String {
    let mut said = verdicts::sentences(input).into_iter();
    let conditions = said.next().unwrap_or_default();
    if block {
        let items: String = said.map(|line| format!("\n- {line}")).collect();
        format!("{conditions}\n{items}")
    } else {
        format!("{conditions} {}", said.collect::<Vec<_>>().join(" "))
    }
}

fn machine(run: &Run) -> String {
    let e = &run.environment;
    let cpu = e.cpu_model.as_deref().unwrap_or("unknown processor");
    format!("{}, {cpu}, {}", verdicts::machine_in_short(run), e.os)
}

fn picture(folder: &str) -> String {
    format!(
        "<picture>\n<source media=\"(max-width: 700px)\" \
         srcset=\"{folder}/charts/headline-narrow.svg\">\n<img \
         src=\"{folder}/charts/headline.svg\" alt=\"CPU above none against revocation lag, one \
         point per strategy; the figures are in the table\">\n</picture>"
    )
}
