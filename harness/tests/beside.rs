//! The driver beside other tools: what they print, and what follows from rows whose truth is known.

use std::process::Command;

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::derive::tools::of_rows;
use authbench_harness::measure::synthetic;
use authbench_harness::measure::tools::{Latency, oha, own, wrk};
use authbench_harness::record::tools::ToolRun;
use authbench_harness::report::chart::Input;
use authbench_harness::report::palette::Palette;
use authbench_harness::report::tool_table;

const BINARY: &str = env!("CARGO_BIN_EXE_authbench");

/// As wrk 4.1.0 of Debian printed it.
const WRK: &str = "\
Running 1s test @ http://127.0.0.1:37171/health
  1 threads and 48 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   384.65us    1.32ms  11.97ms   96.60%
    Req/Sec     9.44k     2.68k   11.82k    80.00%
  Latency Distribution
     50%  145.00us
     75%  194.00us
     90%  311.00us
     99%    8.01ms
  9417 requests in 1.01s, 1.63MB read
Requests/sec:   9299.86
Transfer/sec:      1.61MB
";

const OHA: &str = include_str!("beside/oha.json");

#[test]
fn wrk_is_read() {
    let account = wrk(WRK).unwrap();
    assert_eq!((account.requests, account.wall_ns), (9_417, 1_010_000_000));
    assert_eq!(account.latency_ns, [Some(145_000), Some(311_000), Some(8_010_000)]);
    assert_eq!((account.slip_p99_ns, account.note.as_str()), (None, ""));
}

#[test]
fn what_wrk_says_of_errors_is_kept_and_not_counted() {
    let errors = "  Socket errors: connect 0, read 3, write 0, timeout 0\n  \
                  Non-2xx or 3xx responses: 17\nRequests/sec:";
    let account = wrk(&WRK.replace("Requests/sec:", errors)).unwrap();
    assert_eq!(account.requests, 9_400);
    assert!(account.note.contains("read 3") && account.note.contains("responses: 17"));
}

#[test]
fn what_is_not_wrks_is_refused() {
    for (text, wanted) in [
        (String::new(), "N requests in T"),
        (WRK.replace("  9417 requests in 1.01s", ""), "N requests in T"),
        (WRK.replace("     99%    8.01ms\n", ""), "--latency"),
        (WRK.replace("8.01ms", "8.01"), "no unit"),
        (WRK.replace("8.01ms", "fastms"), "the time `fastms`"),
        (WRK.replace("9417", "many"), "many"),
    ] {
        let error = format!("{:#}", wrk(&text).unwrap_err());
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn oha_is_read() {
    let value: serde_json::Value = serde_json::from_str(OHA).unwrap();
    let account = oha(OHA).unwrap();
    assert_eq!(account.requests, value["statusCodeDistribution"]["200"].as_u64().unwrap());
    assert!(account.requests > 0);
    let seconds = value["summary"]["total"].as_f64().unwrap();
    assert_eq!(account.wall_ns, (seconds * 1e9).round() as u64);
    let [p50, p90, p99] = account.latency_ns.map(Option::unwrap);
    assert!(p50 <= p90 && p90 <= p99);
    // Seconds, and those of a loopback server: between 10 us and a second.
    assert!((10_000..1_000_000_000).contains(&p50), "{p50}");
    // The controls: errors are noted and not counted; text is no JSON.
    let with = OHA.replace("\"200\":", "\"503\": 5, \"200\":");
    let noted = oha(&with).unwrap();
    assert_eq!(noted.requests, account.requests);
    assert!(noted.note.contains("5 answers other than 2xx"), "{}", noted.note);
    assert!(format!("{:#}", oha("Summary:").unwrap_err()).contains("not JSON"));
    assert!(format!("{:#}", oha("{}").unwrap_err()).contains("summary.total"));
}

#[test]
fn own_output_is_read_and_an_invalid_load_has_no_percentiles() {
    let text = r#"{
        "ledger": {"scheduled": 100, "expected": 98}, "wall_ns": 5000, "slip_p99_ns": 7,
        "percentiles": [
            {"permille": 500, "response_all": {"ns": 20, "shown": "x"}, "service_ns": 10},
            {"permille": 990, "response_all": {"ns": null, "shown": ">5 s"}, "service_ns": 30}
        ], "invalid_reason": null
    }"#;
    let response = own(text, Latency::Response).unwrap();
    assert_eq!((response.requests, response.wall_ns, response.slip_p99_ns), (98, 5_000, Some(7)));
    assert_eq!(response.latency_ns, [Some(20), None, None]);
    assert!(response.note.contains("2 of 100"));
    assert_eq!(own(text, Latency::Service).unwrap().latency_ns, [Some(10), None, Some(30)]);
    let invalid = text.replace("\"invalid_reason\": null", "\"invalid_reason\": \"slip\"");
    let invalid = own(&invalid, Latency::Response).unwrap();
    assert_eq!((invalid.invalid.as_deref(), response.invalid), (Some("slip"), None));
    assert!(invalid.note.contains("invalid: slip"));
}

fn row(block: u32, tool: &str, pacing: Option<&str>, cpu_us: u64, p50_us: u64) -> ToolRun {
    ToolRun {
        block,
        load: "open".into(),
        tool: tool.into(),
        pacing: pacing.map(Into::into),
        version: format!("{tool} 1"),
        connections: 16,
        offered_per_second: Some(10_000),
        requests: 30_000,
        wall_ns: 3_000_000_000,
        cpu_ns: cpu_us * 30_000_000,
        server_cpu_ns: 8 * 30_000_000,
        latency_from: "the intended start".into(),
        p50_ns: Some(p50_us * 1_000),
        p90_ns: Some(p50_us * 2_000),
        p99_ns: None,
        slip_p99_ns: (tool == "authbench").then(|| 50_000 + u64::from(block)),
        achieved_per_second: 10_000,
        valid: true,
        note: String::new(),
    }
}

/// Three blocks in which this driver takes half of oha's CPU, and a fourth without oha.
fn rows() -> Vec<ToolRun> {
    (0..3)
        .flat_map(|block| {
            let drift = u64::from(block);
            [
                row(block, "oha", None, 20 + 2 * drift, 400),
                row(block, "authbench", Some("tick"), 10 + drift, 600),
                row(block, "authbench", Some("exact"), 20 + 2 * drift, 100),
            ]
        })
        .chain([row(3, "authbench", Some("tick"), 99, 1)])
        .collect()
}

#[test]
fn ratios_are_taken_within_blocks() {
    let results = of_rows(&rows());
    let ours: Vec<&str> = results.iter().map(|result| result.ours.as_str()).collect();
    assert_eq!(ours, ["authbench exact", "authbench tick"]);
    let tick = &results[1];
    // The CPU drifts from block to block, the ratio does not: so its interval has no width.
    let cpu = tick.cpu.unwrap();
    assert_eq!((cpu.value, cpu.low, cpu.high, cpu.n), (0.5, 0.5, 0.5, 3));
    assert_eq!((tick.blocks, tick.ours_cpu_ns), (3, Some(11_000.0)));
    assert_eq!(tick.p50.unwrap().value, 1.5);
    assert_eq!((tick.p99, tick.slip_p99_ns), (None, Some(50_002)));
    assert_eq!(tick.throughput.unwrap().value, 1.0);
    // The control: tools of another load are not compared.
    let mut apart = rows();
    apart.iter_mut().filter(|row| row.tool == "oha").for_each(|row| row.load = "closed".into());
    assert!(of_rows(&apart).is_empty());
}

/// A late driver sends in batches, which is cheaper: its block says nothing about its CPU.
#[test]
fn a_block_whose_gates_failed_is_left_out_and_counted() {
    let mut rows = rows();
    let is_one = |row: &&mut ToolRun| row.block == 1 && row.pacing.as_deref() == Some("tick");
    rows.iter_mut().filter(is_one).for_each(|row| (row.cpu_ns, row.valid) = (1, false));
    let results = of_rows(&rows);
    let (exact, tick) = (&results[0], &results[1]);
    assert_eq!((tick.blocks, tick.blocks_invalid), (2, 1));
    assert_eq!(tick.cpu.unwrap().value, 0.5);
    assert_eq!((exact.blocks, exact.blocks_invalid), (3, 0));
}

#[test]
fn a_record_carries_rows_results_and_table() {
    let mut run = synthetic::run(1);
    let before = serde_json::to_string(&run).unwrap();
    assert!(!before.contains("\"tools\""), "a record without rows reads as it always did");
    run.tools = rows();
    let text = serde_json::to_string(&run).unwrap();
    assert_eq!(serde_json::from_str::<authbench_harness::record::run::Run>(&text).unwrap(), run);
    let derived = derive(&run, &"0".repeat(64));
    assert_eq!(derived.tools, of_rows(&run.tools));
    let palette = Palette::new(&run);
    let table = tool_table::tools(&Input { run: &run, derived: &derived, palette: &palette });
    assert_eq!(table.rows.len(), 2);
    assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
    assert!(table.markdown().contains("authbench tick"), "{}", table.markdown());
}

#[test]
fn wrong_tools_and_folders_are_named_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().display().to_string();
    for (arguments, status, wanted) in [
        (vec![], 2, "--wrk"),
        (vec!["--wrk", "/no/such/wrk"], 1, "cannot start /no/such/wrk"),
        (vec!["--wrk", "/bin/true"], 1, "does not say that it is wrk"),
        (vec!["--wrk", "/bin/true", "--into", &folder], 2, "holds no run.json"),
        (vec!["--wrk", "/bin/true", "--blocks", "0"], 2, "--blocks"),
    ] {
        let output = Command::new(BINARY).arg("beside").args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}
