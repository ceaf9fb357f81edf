//! `authbench load` as a user meets it: any URL of one's own, and nobody else's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

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
    // 500 samples have 50 beyond p90: that percentile is not given.
    assert!(found["percentiles"][1][1].is_null(), "{found}");
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
