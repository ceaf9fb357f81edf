//! `authbench inspect`: what a token says, what it weighs, what it costs, what is wrong with it.

use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::kept;
use crate::cli::{Exit, UsageError};
use crate::inspect::pitfalls::{pitfalls, shown};
use crate::inspect::signature::{Signature, check};
use crate::inspect::{Kind, MAX_BYTES, Token};
use crate::record::derived::Estimate;

/// Arguments of `authbench inspect`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The token; without it, or with `-`, standard input, which no shell keeps a history of
    #[arg(value_name = "TOKEN")]
    pub token: Vec<String>,
    /// Check the signature with this key: a JSON Web Key or a set of them, or the bytes of a secret
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Results folders whose figures say what it costs [default: every folder of results/]
    #[arg(long, value_name = "FOLDER", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb. The token is not sent, written or printed.
///
/// # Errors
/// When it cannot be read, or the key cannot.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let text = match &args.token[..] {
        [] => read_input()?,
        [only] if only == "-" => read_input()?,
        // `Bearer`, and the token behind it.
        words => words.join(" "),
    };
    let token = Token::read(&text).map_err(|e| UsageError(e.to_string()))?;
    let signature = args.key.as_ref().map(|file| {
        let key =
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        check(&token, &key).with_context(|| format!("with the key {}", file.display()))
    });
    let signature = signature.transpose()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let cost = cost(&token, &args.from)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let all = report(&token, signature, cost.as_ref(), now);
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
    } else {
        print(&mut out, &token, signature, cost.as_ref(), now)?;
    }
    Ok(if signature == Some(Signature::Bad) { Exit::Failure } else { Exit::Ok })
}

fn read_input() -> anyhow::Result<String> {
    let mut text = String::new();
    let limit = MAX_BYTES as u64 + 2;
    std::io::stdin().lock().take(limit).read_to_string(&mut text).context("standard input")?;
    Ok(text)
}

/// CPU of verifying such a token once, nanoseconds, and the row it stands in.
struct Cost {
    cpu_ns: Estimate,
    row: String,
}

/// Of the library row with the policy, for the token's algorithm at the usual claims.
fn cost(token: &Token<'_>, from: &[PathBuf]) -> anyhow::Result<Option<Cost>> {
    let Some(algorithm) = token.header_text("alg").filter(|_| token.kind == Kind::Signed) else {
        return Ok(None);
    };
    let records = match kept::all(from) {
        Err(error) if from.is_empty() => {
            eprintln!("note: {error:#}; what it costs is not said");
            return Ok(None);
        }
        read => read?,
    };
    for record in records {
        let rows = record.derived.micro.iter().enumerate();
        let is_it = |id: &str| {
            id.starts_with("verify/jsonwebtoken+policy/")
                && id.contains(&format!("alg={algorithm},claims=typical"))
        };
        for (at, row) in rows.filter(|(_, row)| is_it(&row.id)) {
            if let Some(cpu_ns) = row.cpu_ns {
                let row = format!("{}#/micro/{at}/cpu_ns", record.name);
                return Ok(Some(Cost { cpu_ns, row }));
            }
        }
    }
    Ok(None)
}

fn signature_text(signature: Option<Signature>) -> &'static str {
    match signature {
        None => "not verified: no key was given, so nothing here proves who made it",
        Some(Signature::Good) => "good: it was made with that key, as it stands",
        Some(Signature::Bad) => "BAD: it was not made with that key, or was changed since",
    }
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Signed => "a signed token (RFC 7515): everybody who holds it can read it",
        Kind::Encrypted => "an encrypted token (RFC 7516): only its header can be read",
        Kind::Opaque => "no JWT: an id that means nothing outside the server that made it",
    }
}

fn print(
    out: &mut impl Write,
    token: &Token<'_>,
    signature: Option<Signature>,
    cost: Option<&Cost>,
    now: f64,
) -> anyhow::Result<()> {
    writeln!(out, "{}", kind_text(token.kind))?;
    if token.kind == Kind::Signed {
        writeln!(out, "signature: {}", signature_text(signature))?;
    }
    if !token.header.is_empty() {
        writeln!(out, "\nheader\n{}", indented(&token.header)?)?;
    }
    if let Some(claims) = &token.claims {
        writeln!(out, "\nclaims\n{}", indented(claims)?)?;
        for name in ["iat", "nbf", "exp"] {
            if let Some(time) = token.time(name) {
                writeln!(out, "  {name}: {}, {}", date(time), relative(time - now))?;
            }
        }
        if let Some(life) = token.lifetime_s() {
            writeln!(out, "  lifetime: {}", duration(life))?;
        }
    }
    writeln!(out, "\nsize\n  {} bytes", token.text.len())?;
    if token.kind == Kind::Signed {
        for (name, bytes) in ["header", "claims", "signature"].iter().zip(&token.parts) {
            let percent = 100 * bytes / token.text.len().max(1);
            writeln!(out, "  {bytes:>6} {name} ({percent} %)")?;
        }
    }
    writeln!(out, "  {:>6} as an HTTP/1.1 header line", token.bearer_line_bytes())?;
    writeln!(out, "\ncost of a million requests")?;
    writeln!(out, "  {:.1} MB of header lines", token.bearer_line_bytes() as f64)?;
    match cost {
        Some(cost) => writeln!(
            out,
            "  {:.1} s of CPU to verify one of usual claims ({:.1} to {:.1}; {})",
            cost.cpu_ns.value / 1e3,
            cost.cpu_ns.low / 1e3,
            cost.cpu_ns.high / 1e3,
            cost.row
        )?,
        None if token.kind == Kind::Signed => writeln!(
            out,
            "  CPU: not measured for its algorithm; cargo bench --bench verify && authbench collect"
        )?,
        None => {}
    }
    let all = pitfalls(token, now);
    writeln!(out, "\n{}", if all.is_empty() { "no pitfall is seen" } else { "pitfalls" })?;
    for pitfall in all {
        writeln!(out, "  {}: {}", pitfall.weight.name(), pitfall.what)?;
    }
    Ok(())
}

fn report(token: &Token<'_>, signature: Option<Signature>, cost: Option<&Cost>, now: f64) -> Value {
    let kind = match token.kind {
        Kind::Signed => "signed",
        Kind::Encrypted => "encrypted",
        Kind::Opaque => "opaque",
    };
    let signature = match signature {
        None => "not-verified",
        Some(Signature::Good) => "good",
        Some(Signature::Bad) => "bad",
    };
    let all: Vec<Value> = pitfalls(token, now)
        .into_iter()
        .map(|p| json!({ "weight": p.weight.name(), "what": p.what }))
        .collect();
    json!({
        "kind": kind,
        "signature": signature,
        "header": token.header,
        "claims": token.claims,
        "lifetime_s": token.lifetime_s(),
        "bytes": token.text.len(),
        "part_bytes": token.parts,
        "header_line_bytes": token.bearer_line_bytes(),
        "verify_cpu_ns": cost.map(|cost| json!({
            "value": cost.cpu_ns.value, "low": cost.cpu_ns.low, "high": cost.cpu_ns.high,
            "row": cost.row,
        })),
        "pitfalls": all,
    })
}

fn indented(map: &Map<String, Value>) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(map)?;
    let line = |line: &str| format!("  {}", line.chars().flat_map(shown).collect::<String>());
    Ok(text.lines().map(line).collect::<Vec<_>>().join("\n"))
}

fn date(seconds: f64) -> String {
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return format!("{seconds}");
    }
    let time = UNIX_EPOCH + Duration::from_secs_f64(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

fn relative(seconds: f64) -> String {
    if seconds < 0.0 {
        format!("{} ago", duration(-seconds))
    } else {
        format!("in {}", duration(seconds))
    }
}

fn duration(seconds: f64) -> String {
    if !(0.0..1e12).contains(&seconds) {
        return format!("{seconds} s");
    }
    humantime::format_duration(Duration::from_secs(seconds as u64)).to_string()
}
