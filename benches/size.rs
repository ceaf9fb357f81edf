//! What a credential weighs on the wire, and where it crosses limits: counted, not timed.
//!
//! Prints tables, after it has held its computation against the bytes that `h2` really sends.
//! `cargo bench --bench size -- es256` shows the algorithms with such a name alone.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use authbench_subjects::bed::{Bed, Scheme};
use authbench_subjects::wire::limits::limits_of;
use authbench_subjects::wire::loopback::{self, Checked};
use authbench_subjects::wire::{
    Block, CARRIERS, Limit, Row, SAMPLES, SCHEMES, session_rows, token_rows,
};
use comfy_table::{CellAlignment, Table, presets};

/// Options without a value; what follows any other one is its value, and no filter.
const SWITCHES: [&str; 9] = [
    "--bench",
    "--test",
    "--exact",
    "--nocapture",
    "--noplot",
    "--quick",
    "--quiet",
    "--verbose",
    "--ignored",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("size: benchmark");
        return ExitCode::SUCCESS;
    }
    match print(filter(&arguments).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("size: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// The first argument that is neither an option nor the value of one.
fn filter(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            return Some(argument.to_ascii_lowercase());
        }
        if !SWITCHES.contains(&argument.as_str()) && !argument.contains('=') {
            arguments.next();
        }
    }
    None
}

fn print(filter: Option<&str>) -> anyhow::Result<()> {
    let wanted = |name: &str| filter.is_none_or(|f| name.to_ascii_lowercase().contains(f));
    let schemes: Vec<Scheme> =
        SCHEMES.into_iter().filter(|scheme| wanted(&scheme.to_string())).collect();
    let sessions = wanted("session-id");
    if schemes.is_empty() && !sessions {
        return Ok(());
    }
    let bed = Bed::without_redis()?;
    let checked = loopback::check(&bed)
        .context("the bytes computed for HTTP/2 are not those on a real connection")?;
    println!("{}", checks(&checked));
    let mut rows = if sessions { session_rows()? } else { Vec::new() };
    for scheme in &schemes {
        rows.extend(token_rows(&bed, *scheme)?);
    }
    for carrier in CARRIERS {
        println!("{}", sizes(&rows, carrier.name()));
    }
    if !schemes.is_empty() {
        print_limits(&bed, &schemes)?;
    }
    Ok(())
}

/// A table of figures: names to the left, all else to the right.
fn table(names: usize, header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn checks(checked: &[Checked]) -> String {
    let header = ["checked", "carrier", "bytes", "blocks sent and computed"];
    let mut table = table(2, header.map(String::from).to_vec());
    for Checked { credential, carrier, credential_bytes, blocks } in checked {
        let blocks: Vec<String> = blocks.iter().map(u64::to_string).collect();
        table.add_row([
            credential.clone(),
            carrier.name().to_owned(),
            credential_bytes.to_string(),
            blocks.join(" "),
        ]);
    }
    format!("HTTP/2 header blocks that `h2` sent on one connection, bytes\n\n{table}\n")
}

fn sizes(rows: &[Row], carrier: &str) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.carrier == carrier).collect();
    let names = ["credential", "claims", "JSON", "credential", "header line", "request"];
    let mut header: Vec<String> = names.map(String::from).to_vec();
    header.extend(rows.iter().take(1).flat_map(|r| &r.header_blocks).map(|b| b.policy.to_owned()));
    let mut table = table(2, header);
    for row in rows {
        let dash = || "-".to_owned();
        let mut cells = vec![
            row.algorithm.clone().unwrap_or_else(|| row.credential.to_owned()),
            row.claims.clone().unwrap_or_else(dash),
            row.claims_bytes.map_or_else(dash, |bytes| bytes.to_string()),
            row.credential_bytes.to_string(),
            row.header_line_bytes.to_string(),
            row.request_bytes.to_string(),
        ];
        let block = |b: &Block| format!("{} / {}", b.first_bytes, b.later_bytes);
        cells.extend(row.header_blocks.iter().map(block));
        table.add_row(cells);
    }
    format!(
        "As {carrier}, bytes. Line and request: HTTP/1.1. Then the HTTP/2 header block by\n\
         encoder, of the first request / of every later one: the median of {SAMPLES}\n\
         credentials. Browsers ignore a cookie of more than 4,096 bytes.\n\n{table}\n"
    )
}

fn print_limits(bed: &Arc<Bed>, schemes: &[Scheme]) -> anyhow::Result<()> {
    let limits = limits_of(bed, schemes)?;
    let (mut header, mut bounds) = (Vec::new(), Vec::<&Limit>::new());
    header.extend(["limit", "carrier", "bytes"].map(String::from));
    header.extend(schemes.iter().map(Scheme::to_string));
    for limit in &limits {
        if !bounds.iter().any(|bound| bound.limit == limit.limit) {
            bounds.push(limit);
        }
    }
    let mut table = table(2, header);
    for bound in &bounds {
        for carrier in CARRIERS.map(|carrier| carrier.name()) {
            // In the order of the schemes.
            let of = limits.iter().filter(|l| l.limit == bound.limit && l.carrier == carrier);
            let claims: Vec<String> =
                of.filter_map(|l| l.claims_bytes).map(|bytes| bytes.to_string()).collect();
            if !claims.is_empty() {
                let mut cells =
                    vec![bound.limit.to_owned(), carrier.to_owned(), bound.limit_bytes.to_string()];
                cells.extend(claims);
                table.add_row(cells);
            }
        }
    }
    println!(
        "The fewest bytes of claims JSON that are too many, by limit and carrier\n\n{table}\n"
    );
    for bound in bounds {
        println!("{}: {}", bound.limit, bound.about);
    }
    Ok(())
}
