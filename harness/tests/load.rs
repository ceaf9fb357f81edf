//! `authbench load` as a user meets it: any URL of one's own, and nobody else's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

mod stub;

const BINARY: &str = env!("CARGO_BIN_EXE_authbench");

fn load(arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("load").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server of `none`, ended with the test.
struct Server(Child, SocketAddr);

impl Server {
    fn start() -> Self {
        let mut child = Command::new(BINARY)
            .args(["serve", "--strategy", "none", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self(child, ready["data"].as_str().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_ledger_of_a_healthy_server_closes_on_expected_answers() {
    let server = Server::start();
    let url = format!("http://{}/health", server.1);
    let arguments = [&*url, "--rate", "500", "--seconds", "1", "--json", "--arrivals", "constant"];
    let output = load(&arguments);
    // Status 4: this machine made the driver late, and it says so; the counts hold all the same.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", stderr(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["ledger"]["scheduled"], 500);
    assert_eq!(found["ledger"]["expected"], 500, "{found}");
    assert_eq!(found["valid"].as_bool(), Some(output.status.success()));
    // 500 samples have 50 beyond p90: that percentile is not given. And none is when invalid.
    match found["valid"] == true {
        true => assert!(found["percentiles"][1]["response_all"].is_null(), "{found}"),
        false => assert_eq!(found["percentiles"].as_array().map(Vec::len), Some(0)),
    }
}

/// The figures of a load in JSON, whether this machine made the driver late or not.
fn figures(arguments: &[&str]) -> serde_json::Value {
    let output = load(arguments);
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_shape_sends_its_schedule_and_a_seed_fixes_the_stream() {
    let stub = stub::Stub::start();
    let url = format!("http://{}/", stub.address());
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.txt");
    std::fs::write(&trace, "0\n0.05\n0.05\n0.1\n").unwrap();
    let trace = trace.display().to_string();
    let mut requests = 0;
    for (shape, wanted) in [
        (vec!["--rate", "200", "--seconds", "1"], 200),
        (vec!["--shape", "ramp", "--from", "0", "--to", "400", "--seconds", "1"], 200),
        (vec!["--shape", "step", "--steps", "100:0.5,300:0.5"], 200),
        (
            [
                ["--shape", "burst", "--rate", "100", "--seconds", "1"].as_slice(),
                &["--burst-size", "50", "--burst-every-ms", "500"],
            ]
            .concat(),
            200,
        ),
        (vec!["--shape", "trace", "--trace", &trace], 4),
    ] {
        let arguments = [&[&*url, "--json", "--arrivals", "constant"], &*shape].concat();
        let found = figures(&arguments);
        assert_eq!(found["ledger"]["scheduled"], wanted, "{found}");
        assert_eq!(found["ledger"]["expected"], wanted, "{found}");
        requests += 1 + wanted;
    }
    assert_eq!(stub.asked(), requests);
    let hash = |seed| {
        let found = figures(&[&url, "--json", "--rate", "100", "--seconds", "1", "--seed", seed]);
        found["schedule_sha256"].as_str().unwrap().to_owned()
    };
    let one = hash("1");
    assert_eq!((one.len(), &one), (64, &hash("1")));
    assert_ne!(one, hash("2"));
}

#[test]
fn arguments_that_do_not_fit_together_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.txt");
    std::fs::write(&trace, "1\n0.5\n").unwrap();
    let trace = trace.display().to_string();
    for (arguments, wanted) in [
        (vec!["--from", "5"], "--from does not go with --shape steady"),
        (vec!["--shape", "ramp", "--from", "5"], "--shape ramp needs --to"),
        (vec!["--shape", "ramp", "--rate", "5"], "--rate does not go with --shape ramp"),
        (vec!["--shape", "step", "--steps", "5"], "--steps `5`"),
        (vec!["--shape", "step", "--steps", "5:1", "--seconds", "3"], "--seconds does not go"),
        (vec!["--shape", "burst"], "--shape burst needs --burst-size"),
        (vec!["--shape", "trace", "--trace", &trace], "line 2: 500000000 ns is before"),
        (vec!["--timeout-ms", "120001"], "--timeout-ms is 120001"),
        (vec!["--segment", "4/4", "--start-at", "2026-01-31T12:00:00Z"], "`4/4` is no segment"),
        (vec!["--segment", "0/4"], "--start-at"),
        (vec!["--start-at", "2020-01-01T00:00:00Z"], "it passed"),
        (vec!["--find-knee", "--closed"], "cannot be used with"),
        (vec!["--find-knee", "--step-seconds", "0"], "--step-seconds is 0"),
        (vec!["--find-knee", "--step-seconds", "100"], "40 steps"),
    ] {
        let output = load(&[&["http://127.0.0.1:1/"], &*arguments].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

#[test]
fn where_a_fifth_is_not_answered_p90_of_all_is_a_timeout() {
    let stub = stub::Stub::silent_at(5);
    let url = format!("http://{}/", stub.address());
    let rate = ["--rate", "500", "--seconds", "2", "--arrivals", "constant"];
    let limits = ["--timeout-ms", "200", "--connections", "64", "--json"];
    let found = figures(&[&[&*url], &rate[..], &limits[..]].concat());
    assert_eq!(found["ledger"]["timeout"], 200, "{found}");
    if found["valid"] == true {
        let p90 = &found["percentiles"][1];
        assert_eq!(p90["response_all"]["shown"], ">200 ms", "{found}");
        assert!(p90["response_ok_only_ns"].is_null(), "800 successes have 80 beyond: {found}");
        assert!(found["percentiles"][0]["response_all"]["ns"].is_u64(), "{found}");
    }
}

#[test]
fn a_closed_loop_says_what_it_is_good_for() {
    let stub = stub::Stub::start();
    let url = format!("http://{}/", stub.address());
    let output = load(&[&url, "--closed", "--rate", "300", "--seconds", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("closed loop: throughput only"), "{text}");
    assert!(text.contains("service") && !text.contains("response"), "{text}");
}

#[test]
fn a_record_and_its_log_are_read_by_another_decoder() {
    let stub = stub::Stub::start();
    let url = format!("http://{}/", stub.address());
    let folder = tempfile::tempdir().unwrap();
    let [record, log] = ["record.json", "load.hlog"].map(|name| folder.path().join(name));
    let (record, log) = (record.display().to_string(), log.display().to_string());
    let load = ["--rate", "600", "--seconds", "2", "--record", &record, "--interval-log", &log];
    figures(&[&[&*url, "--json"], &load[..]].concat());
    let decode = |files: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/check-histograms");
        Command::new("python3").arg(script).args(files).output()
    };
    let Ok(output) = decode(&[&record, &log]) else {
        println!("skipped: python3 is not here, the other decoder was not run");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("4 histograms decoded") && said.contains("all agree"), "{said}");
    // The controls: a record that says otherwise, and a log without its last line.
    let text = std::fs::read_to_string(&record).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    for field in ["n", "min_ns", "max_ns"] {
        let mut edited = found.clone();
        let value = edited["slip"][field].as_u64().unwrap();
        edited["slip"][field] = (value + value / 4 + 1_000_000).into();
        std::fs::write(&record, edited.to_string()).unwrap();
        let output = decode(&[&record]).unwrap();
        assert_eq!(output.status.code(), Some(1), "{field}");
        assert!(stderr(&output).contains("slip"), "{field}: {}", stderr(&output));
    }
    std::fs::write(&record, &text).unwrap();
    let lines = std::fs::read_to_string(&log).unwrap();
    let (shorter, _) = lines.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(&log, shorter).unwrap();
    let output = decode(&[&record, &log]).unwrap();
    assert!(stderr(&output).contains("do not add up"), "{}", stderr(&output));
}

#[test]
fn the_search_for_the_knee_ends_with_an_answer_or_with_4() {
    // A server that leaves every third request unanswered sustains nothing.
    let stub = stub::Stub::silent_at(3);
    let url = format!("http://{}/", stub.address());
    let output = load(&[&url, "--find-knee", "--slo-ms", "50", "--step-seconds", "1", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Unless this machine disturbed the driver twice.
    let wanted = if output.status.success() { "below" } else { "unknown" };
    assert_eq!(found["answer"], wanted, "{found}");
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", stderr(&output));
    assert!(found["rate_per_second"].is_null(), "{found}");
}

#[test]
fn a_target_that_cannot_be_loaded_is_named() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start();
    for (url, status, wanted) in [
        (format!("http://{refusing}/"), 1, "is the server running"),
        (format!("http://{}/nowhere", server.1), 1, "status 404"),
        ("https://127.0.0.1/".to_owned(), 2, "https"),
        ("http://192.0.2.1/".to_owned(), 2, "--i-own-this"),
        ("http://127.0.0.1:port/".to_owned(), 2, "127.0.0.1:port"),
    ] {
        let output = load(&[&url, "--seconds", "1"]);
        assert_eq!(output.status.code(), Some(status), "{url}: {}", stderr(&output));
        assert!(stderr(&output).contains(wanted), "{url}: {}", stderr(&output));
    }
}

#[test]
fn what_does_not_speak_http_is_not_loaded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test's process: it waits for connections and nothing else.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
                }
            });
        }
    });
    let output = load(&[&format!("http://{address}/"), "--seconds", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("did not answer one request"), "{}", stderr(&output));
}

#[test]
fn a_load_of_nothing_or_of_far_too_much_is_refused() {
    for arguments in [
        ["http://127.0.0.1:1/", "--rate", "0"],
        ["http://127.0.0.1:1/", "--rate", "100000000"],
        ["http://127.0.0.1:1/", "--connections", "0"],
    ] {
        let output = load(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
}
