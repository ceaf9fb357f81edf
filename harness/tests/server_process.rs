//! The server as a process: bad configurations, outages, and every way it ends.

mod server_support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use authbench::credential::Carrier;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::FaultOutcome;
use authbench_fixture::PrivateRedis;
use authbench_harness::os::cpu;
use authbench_harness::server::child::{ServerChild, counters_at};
use authbench_harness::server::config::{ServeConfig, ServeReady};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use server_support::*;

/// Runs `authbench serve` with arguments that must not lead to a server.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(PROGRAM)
        .arg("serve")
        .args(args)
        .env_remove("AUTHBENCH_REDIS_URL")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(stdout.is_empty(), "{args:?}");
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Starts a server by its configuration line; the caller owns its standard input.
fn by_line(config: &ServeConfig) -> (Child, ServeReady) {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--config-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = serde_json::to_string(config).unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    (child, serde_json::from_str(&ready).unwrap())
}

fn none() -> ServeConfig {
    config(StrategyKind::None, Carrier::Bearer, None)
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

#[test]
fn arguments_that_cannot_be_served_are_refused_with_a_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = ["--listen", "127.0.0.1:0"];
    let cases: [(&[&str], i32, &str); 8] = [
        (&[], 2, "--strategy"),
        (&["--strategy", "nine"], 2, "unknown strategy `nine`"),
        (&["--strategy", "none", "--carrier", "url"], 2, "unknown carrier `url`"),
        (&["--strategy", "none", "--threads", "0"], 2, "0"),
        (&["--strategy", "none", "--config-stdin"], 2, "--config-stdin"),
        (&["--strategy", "none", "--listen", &taken], 1, "cannot listen on 127.0.0.1:"),
        (&["--strategy", "none", "--listen", "0.0.0.0:0"], 1, "not loopback"),
        (&["--strategy", "none", "--control", "[::]:0"], 1, "not loopback"),
    ];
    for (args, status, reason) in cases {
        let args = if args.contains(&"--listen") { args.to_vec() } else { [&free, args].concat() };
        let (code, said) = refused(&args);
        assert_eq!(code, Some(status), "{args:?}: {said}");
        assert!(said.contains(reason), "{args:?}: {said}");
    }
    let (code, said) = refused(&["--config-stdin"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no configuration"), "{said}");
}

#[test]
fn a_short_hmac_secret_is_refused() {
    let Some(kind) = StrategyKind::ALL.iter().find(|k| {
        let properties = k.properties();
        properties.algorithm.is_some_and(|a| a.name() == "HS256") && !properties.needs_redis()
    }) else {
        println!("skipped: no strategy signs with HS256");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    for (bytes, tail) in [(0, ""), (1, ""), (31, ""), (31, "\n"), (30, "\r\n")] {
        std::fs::write(&file, "s".repeat(bytes) + tail).unwrap();
        let file = file.to_str().unwrap();
        let (code, said) = refused(&[
            "--strategy",
            kind.name(),
            "--listen",
            "127.0.0.1:0",
            "--hmac-secret-file",
            file,
        ]);
        assert_eq!(code, Some(1), "{bytes}: {said}");
        assert!(said.contains("at least 32"), "{said}");
    }
}

#[test]
fn a_store_that_cannot_be_used_is_refused_and_no_password_is_shown() {
    let Some(kind) = StrategyKind::ALL.iter().find(|k| k.properties().needs_redis()) else {
        println!("skipped: no strategy needs Redis");
        return;
    };
    let base = ["--strategy", kind.name(), "--listen", "127.0.0.1:0"];
    let (code, said) = refused(&base);
    assert_eq!(code, Some(1));
    assert!(said.contains("AUTHBENCH_REDIS_URL"), "{said}");
    // A listener that accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("redis://u:hunter2@{}", silent.local_addr().unwrap());
    let urls =
        ["redis://u:hunter2@127.0.0.1:1", "http://u:hunter2@h", "hunter2 is no url", &silent];
    for url in urls {
        let (code, said) = refused(&[&base[..], &["--redis-url", url]].concat());
        assert_eq!(code, Some(1), "{url}: {said}");
        assert!(said.contains("cannot use the Redis at"), "{said}");
        assert!(!said.contains("u:hunter2"), "{said}");
    }
}

#[test]
fn a_store_that_wants_a_password_is_refused_without_it_and_used_with_it() {
    let Some(kind) = StrategyKind::ALL.iter().copied().find(|k| k.properties().needs_redis())
    else {
        println!("skipped: no strategy needs Redis");
        return;
    };
    let Ok(redis) = PrivateRedis::start() else {
        println!("skipped: no redis-server or valkey-server was found");
        return;
    };
    let mut socket = TcpStream::connect(redis.address()).unwrap();
    socket.write_all(b"CONFIG SET requirepass hunter2\r\n").unwrap();
    let mut ok = [0; 5];
    socket.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n");
    let spawn = |url: String| {
        let mut ordered = config(kind, Carrier::Bearer, Some(&redis));
        ordered.redis.as_mut().unwrap().url = url;
        ServerChild::spawn_program(Path::new(PROGRAM), &ordered)
    };
    for wrong in [redis.url(), format!("redis://:hunter3@{}", redis.address())] {
        let said = format!("{:#}", spawn(wrong).unwrap_err());
        assert!(said.contains("cannot use the Redis at"), "{said}");
        assert!(!said.contains("hunter"), "{said}");
    }
    let server = spawn(format!("redis://:hunter2@{}", redis.address())).unwrap();
    assert_eq!(login(server.data(), SUBJECT).status, 200);
}

#[test]
fn an_outage_is_503_and_passes() {
    let Ok(redis) = PrivateRedis::start() else {
        println!("skipped: no redis-server or valkey-server was found");
        return;
    };
    for kind in StrategyKind::ALL.iter().copied().filter(|k| k.properties().needs_redis()) {
        let name = kind.name();
        let server = start(&config(kind, Carrier::Bearer, Some(&redis)));
        let data = server.data();
        let credential = login(data, SUBJECT).credential(Carrier::Bearer);
        let pid = u32::try_from(redis.pid()).unwrap();
        signal(pid, Signal::SIGSTOP);
        let during = with(data, use_line(kind), Carrier::Bearer, &credential);
        let out = with(data, "POST /logout", Carrier::Bearer, &credential);
        signal(pid, Signal::SIGCONT);
        let expected = match kind.properties().faults.store_down {
            FaultOutcome::Closed => 503,
            _ => 200,
        };
        // What a node remembers for a while is not asked for meanwhile.
        let remembers = kind.properties().redis.cached && during.status == 200;
        assert!(remembers || during.status == expected, "{name}: {}", during.status);
        assert_eq!(out.status, 503, "{name}");
        assert_eq!(during.all("cache-control"), ["no-store"]);
        eventually("the store answers again", || {
            with(data, use_line(kind), Carrier::Bearer, &credential).status != 503
        });
        assert!(server.counters().unwrap().outages > 0, "{name}");
    }
}

#[test]
fn a_killed_store_is_503_until_the_end() {
    let Some(kind) = StrategyKind::ALL.iter().copied().find(|k| {
        k.properties().needs_redis() && k.properties().faults.store_down == FaultOutcome::Closed
    }) else {
        println!("skipped: no strategy fails closed with its store");
        return;
    };
    let Ok(redis) = PrivateRedis::start() else {
        println!("skipped: no redis-server or valkey-server was found");
        return;
    };
    let mut server = start(&config(kind, Carrier::Bearer, Some(&redis)));
    let credential = login(server.data(), SUBJECT).credential(Carrier::Bearer);
    drop(redis);
    for _ in 0..3 {
        let answer = with(server.data(), "GET /me", Carrier::Bearer, &credential);
        assert_eq!(answer.status, 503);
        assert_eq!(login(server.data(), SUBJECT).status, 503);
    }
    assert!(server.is_running());
}

#[test]
fn the_server_ends_with_its_standard_input() {
    let (mut child, ready) = by_line(&none());
    // A connection that stays open must not keep it alive.
    let _idle = TcpStream::connect(ready.data).unwrap();
    assert_eq!(ready.pid, child.id());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(TcpStream::connect(ready.data).is_err());
    assert!(TcpStream::connect(ready.control).is_err());
}

#[test]
fn no_server_outlives_a_killed_parent() {
    // The shell holds the only write end of the server's standard input, and is killed: none of
    // its own cleaning up can run. Its own standard input keeps it waiting until then.
    let script = r#"
        mkfifo "$1/stdin"
        "$2" serve --config-stdin <"$1/stdin" &
        exec 3>"$1/stdin"
        echo "$3" >&3
        read -r _
    "#;
    let folder = tempfile::tempdir().unwrap();
    let line = serde_json::to_string(&none()).unwrap();
    let mut parent = Command::new("sh")
        .args(["-c", script, "parent", folder.path().to_str().unwrap(), PROGRAM, &line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let ready: ServeReady = serde_json::from_str(&ready).unwrap();
    assert!(is_running(ready.pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the server is gone", || !is_running(ready.pid));
    assert!(TcpStream::connect(ready.data).is_err());
}

#[test]
fn a_signal_or_the_control_listener_ends_it_cleanly_and_finishes_what_is_in_flight() {
    for way in ["TERM", "INT", "stop"] {
        let mut slow = none();
        // Long enough to be in flight when the order to stop arrives.
        slow.threads = 2;
        slow.spin_ns = 300_000_000;
        let (mut child, ready) = by_line(&slow);
        let credential = login(ready.data, SUBJECT).credential(Carrier::Bearer);
        let mut socket = TcpStream::connect(ready.data).unwrap();
        let line = header(Carrier::Bearer, &credential);
        let head = format!("GET /me HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        eventually("the request is in flight", || {
            let counters = counters_at(ready.control).unwrap();
            counters.admitted == 1
        });
        match way {
            "TERM" => signal(child.id(), Signal::SIGTERM),
            "INT" => signal(child.id(), Signal::SIGINT),
            _ => assert_eq!(request(ready.control, "POST /stop", &[], "").status, 200),
        }
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{way}: {answer}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{way}");
    }
}

#[test]
fn a_dropped_child_is_gone_and_its_clock_was_readable() {
    let server = start(&none());
    let (pid, data) = (server.pid(), server.data());
    let clock = server.cpu();
    assert!(clock.read_settled().unwrap().ns > 0);
    drop(server);
    eventually("the process is gone", || !is_running(pid));
    assert!(TcpStream::connect(data).is_err());
}

#[test]
fn without_process_clocks_the_server_reports_its_own_cpu_time() {
    // The choice is this process's, so it is made in one of its own.
    if std::env::var_os(cpu::FORCE_PORTABLE).is_none() {
        let name = "without_process_clocks_the_server_reports_its_own_cpu_time";
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(cpu::FORCE_PORTABLE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let mut ruler = none();
    ruler.spin_ns = 20_000_000;
    let server = start(&ruler);
    let clock = server.cpu();
    assert_eq!(clock.kind(), "self-reported");
    let credential = login(server.data(), SUBJECT).credential(Carrier::Bearer);
    let before = clock.read_settled().unwrap().ns;
    assert_eq!(with(server.data(), "GET /me", Carrier::Bearer, &credential).status, 200);
    let spent = clock.read_settled().unwrap().ns - before;
    assert!(spent >= 15_000_000, "{spent}");
}

#[test]
fn a_child_that_cannot_start_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wrong = none();
    wrong.data = taken.local_addr().unwrap();
    let error = ServerChild::spawn_program(Path::new(PROGRAM), &wrong).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("cannot listen on") && text.contains("none"), "{text}");
}
