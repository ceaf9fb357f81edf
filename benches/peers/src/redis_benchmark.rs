//! redis-benchmark on the bed's private Redis, with a payload as long as our session record: what
//! Redis and a client in C can do on this machine. Context: no ratio is made of it.

use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context as _, ensure};
use authbench::identity::{SubjectId, UnixTime};
use authbench_subjects::bed::RedisStage;

use crate::tower_sessions::record_of;

/// Pipelined requests, and how many in all.
const RUNS: [(u32, u32); 2] = [(1, 50_000), (64, 500_000)];

/// Runs it with one client and `GET`, and returns what to print: a line per run, or why there is
/// none.
///
/// # Errors
/// When it fails.
pub fn run(stage: &RedisStage, now: UnixTime) -> anyhow::Result<Vec<String>> {
    if stage.unix_url.is_none() {
        return Ok(vec!["skipped: redis-benchmark: it writes, and this Redis is not ours".into()]);
    }
    let address = stage.url.trim_start_matches("redis://").trim_end_matches('/');
    let (_, port) = address.rsplit_once(':').context("a Redis URL without a port")?;
    let port = port.split('/').next().unwrap_or(port);
    let record = record_of(SubjectId(1), now).to_json().map_err(|e| anyhow::anyhow!("{e}"))?;
    let bytes = record.len();
    let mut lines = Vec::new();
    for (pipeline, requests) in RUNS {
        let output = Command::new("redis-benchmark")
            .args(["-h", "127.0.0.1", "-p", port, "-c", "1", "-r", "1024", "-t", "set,get"])
            .args(["-d", &bytes.to_string(), "-P", &pipeline.to_string()])
            .args(["-n", &requests.to_string(), "--csv"])
            .output();
        let output = match output {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let how = "it comes with redis-tools (Debian), redis or valkey (others)";
                return Ok(vec![format!("skipped: redis-benchmark is not installed; {how}")]);
            }
            output => output.context("redis-benchmark does not start")?,
        };
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "redis-benchmark failed: {}", said.trim());
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        let get = table.lines().find(|line| line.starts_with("\"GET\"")).context("no GET line")?;
        let field = |i: usize| get.split(',').nth(i).unwrap_or("?").trim_matches('"').to_owned();
        lines.push(format!(
            "redis-benchmark: GET of {bytes} bytes, 1 client, pipeline {pipeline}: {} per second, \
             p50 {} ms, p99 {} ms",
            field(1),
            field(4),
            field(6),
        ));
    }
    Ok(lines)
}
