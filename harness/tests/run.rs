//! `authbench run` as a user meets it: a whole small run, bad input, and every way it can be cut
//! short. Nothing here asserts a speed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use authbench_fixture::{PrivateRedis, find_server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BINARY: &str = env!("CARGO_BIN_EXE_authbench");

/// A plan of about two seconds with the strategies of `arms`.
fn plan(folder: &Path, arms: &str, blocks: u32) -> PathBuf {
    let smoke = include_str!("../plans/smoke.toml");
    let text = smoke
        .replace("arms = \"every\"", &format!("arms = {arms}"))
        .replace("blocks = 2", &format!("blocks = {blocks}"))
        .replace("micro_ms = 300", "micro_ms = 0");
    // The controls of strategies that are not in the plan would be arms without a partner.
    let text = text.split("\n[[control]]").next().unwrap().to_owned();
    let file = folder.join("plan.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn authbench(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_remove("AUTHBENCH_REDIS_URL").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    authbench(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn record(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap()
}

/// A field of `/proc/PID/status`.
fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Every process below `parent`: servers, the guard, its Redis. Empty where there is no `/proc`.
fn descendants(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids: Vec<u32> =
        entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    let children: Vec<u32> = pids
        .into_iter()
        .filter(|pid| status_field(*pid, "PPid") == Some(parent.to_string()))
        .collect();
    children.iter().copied().chain(children.iter().flat_map(|c| descendants(*c))).collect()
}

/// A zombie that waits for its reaper counts as gone.
fn is_gone(pid: u32) -> bool {
    status_field(pid, "State").is_none_or(|state| state.starts_with(['Z', 'X']))
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 60 s for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_smoke_profile_yields_a_valid_record_and_a_report() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("kept");
    let output = run(&["run", "--profile", "smoke", "--out", path(&out), "--seed", "7"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let record = record(&out);
    assert_eq!(record["run"]["status"], "complete", "{}", record["run"]["reasons"]);
    for file in ["derived.json", "REPORT.md", "report.html", "charts"] {
        assert!(out.join(file).exists(), "{file}");
    }
    let validated = run(&["validate", path(&out.join("run.json"))]);
    assert!(validated.status.success(), "{}", stderr(&validated));
    let checked = run(&["report", "--check", path(&out)]);
    assert!(checked.status.success(), "{}", stderr(&checked));

    let declared: Vec<_> = record["strategies"].as_array().unwrap().iter().collect();
    let background = |s: &&serde_json::Value| s["redis_background_per_second"].as_u64();
    let by_themselves: u64 = declared.iter().filter_map(background).sum();
    for cell in record["cells"].as_array().unwrap() {
        let slots = &cell["slots"];
        let sum = |column: &str| -> u64 {
            slots[column].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).sum()
        };
        assert_eq!(sum("scheduled"), sum("expected"), "{}", cell["arm"]);
        assert_eq!(cell["driver_requests"], cell["server_requests"], "{}", cell["arm"]);
        assert_eq!(cell["forged_sent"], cell["forged_refused"], "{}", cell["arm"]);
        let arm = cell["arm"].as_str().unwrap();
        let strategy = declared.iter().find(|s| s["id"].as_str() == Some(arm));
        if let (Some(strategy), true) = (strategy, find_server().is_some()) {
            let each = strategy["redis_commands_per_request"].as_u64().unwrap();
            let most = each * sum("scheduled");
            let least = if strategy["redis_cached"] == true { 0 } else { most };
            // Every node sends what it sends by itself, whoever's turn it is; a slot with its
            // readings takes well under a second.
            let slots = slots["scheduled"].as_array().unwrap().len() as u64;
            let counted = sum("redis_commands");
            let range = least..=most + slots * by_themselves;
            assert!(range.contains(&counted), "{arm}: {counted}, not in {range:?}");
        }
    }
    for lag in record["revocation_lag"].as_array().unwrap() {
        let promise = declared.iter().find(|s| s["id"] == lag["strategy"]).unwrap();
        if promise["revoke"] == "immediate" {
            for trial in lag["trials"].as_array().unwrap() {
                assert_eq!(trial["stale_accepts"], 0, "{}", lag["strategy"]);
            }
        }
    }
    // The same command again must not touch the first one's record.
    let again = run(&["run", "--profile", "smoke", "--out", path(&out)]);
    assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
    assert!(stderr(&again).contains("exists"), "{}", stderr(&again));
}

#[test]
fn an_overloaded_run_is_invalid_and_publishes_no_figure() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("kept");
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/overload.toml");
    let output = run(&["run", "--plan", plan, "--out", path(&out), "--seed", "1"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let record = record(&out);
    assert_eq!(record["run"]["status"], "invalid");
    let reasons = record["run"]["reasons"].to_string();
    assert!(reasons.contains("dispatched"), "{reasons}");
    let derived: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("derived.json")).unwrap()).unwrap();
    for arm in derived["arms"].as_array().unwrap() {
        assert!(arm["cpu_above_none_ns"].is_null() && arm["cpu_verdict"].is_null(), "{arm}");
        for percentile in arm["latency"].as_array().unwrap() {
            assert!(percentile["response_ns"].is_null(), "{percentile}");
        }
    }
    let page = std::fs::read_to_string(out.join("REPORT.md")).unwrap();
    assert!(page.contains("INVALID"), "the page must say so first");
    let said = String::from_utf8_lossy(&output.stdout);
    let row = said.lines().find(|line| line.starts_with("| jwt-es256")).unwrap();
    let cost = row.split('|').nth(2).unwrap().trim();
    assert_eq!(cost, "–", "a figure of an invalid run: {said}");
}

#[test]
fn wrong_arguments_are_named_with_status_2() {
    let home = tempfile::tempdir().unwrap();
    let typo = plan(home.path(), "[\"none\", \"jwt-hs25\"]", 1);
    let broken = home.path().join("broken.toml");
    std::fs::write(&broken, "name = \"x\"\nblokcs = 3\n").unwrap();
    for (arguments, wanted) in [
        (vec!["run", "--profile", "fast"], "fast"),
        (vec!["run", "--strategy", "jwt-hs25"], "jwt-hs25"),
        (vec!["run", "--strat"], "--strat"),
        (vec!["run", "--plan", path(&typo)], "jwt-hs25"),
        (vec!["run", "--plan", path(&broken)], "line 2"),
        (vec!["run", "--plan", "/nonexistent/plan.toml"], "/nonexistent/plan.toml"),
        (vec!["frobnicate"], "frobnicate"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(wanted), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path(), "[\"none\"]", 1);
    // A file where a folder would have to be: not even root can write there.
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let out = file.join("kept");
    let output = run(&["run", "--plan", path(&plan), "--out", path(&out)]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("kept"), "{}", stderr(&output));
}

#[test]
fn without_a_redis_its_rows_say_so_and_the_rest_runs() {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path(), "[\"none\", \"session-redis\", \"jwt-hs256\"]", 1);
    let out = home.path().join("kept");
    let output = authbench(&["run", "--plan", path(&plan), "--out", path(&out)])
        // No server on this path; nothing else is needed from it.
        .env("PATH", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let record = record(&out);
    let missing = record["not_measured"].as_array().unwrap();
    assert!(missing.iter().any(|m| m["what"] == "session-redis"), "{missing:?}");
    assert!(missing[0]["remedy"].as_str().unwrap().contains("scripts/setup"));
    assert!(record["cells"].as_array().unwrap().iter().any(|c| c["arm"] == "jwt-hs256"));
    let report = std::fs::read_to_string(out.join("REPORT.md")).unwrap();
    assert!(report.contains("not measured"), "the report hides what is missing");
}

#[test]
fn a_redis_that_is_no_use_is_named_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path(), "[\"none\", \"session-redis\"]", 1);
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Accepts connections into its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut urls = vec![
        ("not a url".to_owned(), "AUTHBENCH_REDIS_URL"),
        (format!("redis://{refusing}"), "AUTHBENCH_REDIS_URL"),
        (format!("redis://{}", silent.local_addr().unwrap()), "AUTHBENCH_REDIS_URL"),
    ];
    let locked = PrivateRedis::start().ok();
    if let Some(redis) = &locked {
        redis_says(redis, "CONFIG SET requirepass hunter2\r\n");
        urls.push((redis.url(), "NOAUTH"));
    }
    for (url, wanted) in urls {
        let out = home.path().join("kept");
        let output = authbench(&["run", "--plan", path(&plan), "--out", path(&out)])
            .env("AUTHBENCH_REDIS_URL", &url)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}: {}", stderr(&output));
        assert!(stderr(&output).contains(wanted), "{url}: {}", stderr(&output));
        assert!(!out.exists(), "{url}: a record was begun");
    }
}

fn redis_says(redis: &PrivateRedis, command: &str) {
    use std::io::{Read as _, Write as _};

    let mut socket = std::net::TcpStream::connect(redis.address()).unwrap();
    socket.write_all(command.as_bytes()).unwrap();
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

/// Starts a long run and waits until it has finished its first block.
fn long_run(home: &Path, out: &Path, arms: &str, redis: Option<&str>) -> Child {
    let plan = plan(home, arms, 10_000);
    let mut command = authbench(&["run", "--plan", path(&plan), "--out", path(out)]);
    if let Some(url) = redis {
        command.env("AUTHBENCH_REDIS_URL", url);
    }
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the first block", || {
        std::fs::read(out.join("run.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
            .is_some_and(|record| !record["cells"].as_array().unwrap().is_empty())
    });
    child
}

#[test]
fn an_interrupted_run_leaves_a_valid_partial_record_and_no_process() {
    let home = tempfile::tempdir().unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let out = home.path().join(signal.as_str());
        let child = long_run(home.path(), &out, "[\"none\", \"session-memory\"]", None);
        let below = descendants(child.id());
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        wait_for("the servers and the Redis to end", || below.iter().all(|pid| is_gone(*pid)));
        let record = record(&out);
        assert_eq!(record["run"]["status"], "partial");
        assert_eq!(record["run"]["reasons"][0], "interrupted");
        let validated = run(&["validate", path(&out.join("run.json"))]);
        assert!(validated.status.success(), "{}", stderr(&validated));
        assert!(out.join("report.html").exists());
    }
}

#[test]
fn a_killed_run_leaves_a_readable_record_and_no_process() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("kept");
    let mut child = long_run(home.path(), &out, "[\"none\", \"session-memory\"]", None);
    let below = descendants(child.id());
    assert!(below.len() >= 2 || !cfg!(target_os = "linux"), "no servers were running: {below:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(record(&out)["run"]["status"], "partial");
    wait_for("the servers and the Redis to end", || below.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn a_redis_that_dies_in_mid_run_ends_it_with_the_reason_and_what_was_measured() {
    let Ok(redis) = PrivateRedis::start() else {
        println!("skipped: no redis-server or valkey-server is installed");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("kept");
    let arms = "[\"none\", \"session-redis\"]";
    let child = long_run(home.path(), &out, arms, Some(&redis.url()));
    kill(Pid::from_raw(redis.pid()), Signal::SIGKILL).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert!(matches!(output.status.code(), Some(1 | 4)), "{said}");
    assert!(said.contains("partial") || said.contains("stopped"), "{said}");
    let record = record(&out);
    assert_ne!(record["run"]["status"], "complete");
    assert!(!record["cells"].as_array().unwrap().is_empty());
    assert!(!record["run"]["reasons"][0].as_str().unwrap().is_empty());
}

/// A child inherits the processors of the thread that starts it.
#[cfg(target_os = "linux")]
#[test]
fn one_core_is_enough_and_is_said() {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};

    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path(), "[\"none\", \"session-memory\"]", 1);
    let out = home.path().join("kept");
    let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let first = (0..CpuSet::count()).find(|cpu| before.is_set(*cpu).unwrap_or(false)).unwrap();
    let mut one = CpuSet::new();
    one.set(first).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    let output = run(&["run", "--plan", path(&plan), "--out", path(&out)]);
    sched_setaffinity(Pid::from_raw(0), &before).unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("one core"), "{}", stderr(&output));
    assert_eq!(record(&out)["environment"]["cores"], 1);
}
