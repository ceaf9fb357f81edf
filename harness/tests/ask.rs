//! `authbench decide` and `authbench inspect` as a reader calls them: answers, errors, statuses.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn authbench(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_authbench"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has ended already reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}

#[test]
fn a_decision_needs_a_workload_and_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| said(&authbench(folder.path(), arguments, ""));
    std::fs::write(folder.path().join("bad.toml"), "requests_per_second = -5.0\n").unwrap();
    for (arguments, status, what) in [
        (
            &["decide", "--preset", "blog"][..],
            2,
            "there is no preset `blog`; there are single-web-app",
        ),
        (&["decide", "--workload", "bad.toml"], 2, "`requests_per_second` is -5"),
        (&["decide", "--workload", "none.toml"], 2, "none.toml cannot be read"),
        (&["decide"], 2, "--preset with one of"),
        (&["decide", "--preset", "mobile"], 1, "there is no record to decide by"),
        (&["decide", "--preset", "mobile", "--from", "x"], 1, "x does not exist"),
        (&["predict"], 1, "nothing can be predicted"),
        (&["predict", "--plan", "bad.toml"], 2, "in the plan bad.toml"),
    ] {
        let (code, text) = run(arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {text}");
        assert!(text.contains(what), "{arguments:?}: {text}");
    }
}

#[test]
fn a_preset_that_is_printed_is_a_workload() {
    let folder = tempfile::tempdir().unwrap();
    let printed = authbench(folder.path(), &["decide", "--preset", "mobile", "--print"], "");
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("requests_per_second = 10400") && text.contains("[prices]"), "{text}");
    std::fs::write(folder.path().join("mine.toml"), &text).unwrap();
    let again = authbench(folder.path(), &["decide", "--workload", "mine.toml", "--print"], "");
    assert_eq!(String::from_utf8(again.stdout).unwrap(), text);
}

/// RFC 7515 appendix A.1.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
    cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const KEY: &str = "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-\
    1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}";

#[test]
fn a_token_is_taken_apart_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said(&authbench(folder.path(), &["inspect"], TOKEN));
    assert_eq!(code, Some(0), "{text}");
    for what in [
        "not verified: no key was given",
        "\"iss\": \"joe\"",
        "exp: 2011-03-22T18:43:00Z",
        "it has expired",
        "no `sub`, `aud`, `iat`, `jti`",
        "whoever can verify it can also forge it",
        "claims (",
    ] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert!(!text.contains("dBjftJeZ4CVP"), "the signature is printed: {text}");
    let json = authbench(folder.path(), &["inspect", "--json", TOKEN], "");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["kind"], &json["signature"]), (&"signed".into(), &"not-verified".into()));
    assert_eq!(json["bytes"], TOKEN.len());
}

#[test]
fn a_signature_is_checked_with_a_key_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.json"), KEY).unwrap();
    std::fs::write(folder.path().join("other"), "another secret, that is long enough").unwrap();
    let with = |key: &str| said(&authbench(folder.path(), &["inspect", "-", "--key", key], TOKEN));
    let (code, text) = with("key.json");
    assert!(code == Some(0) && text.contains("signature: good"), "{text}");
    let (code, text) = with("other");
    assert!(code == Some(1) && text.contains("signature: BAD"), "{text}");
    let (code, text) = with("absent");
    assert!(code == Some(1) && text.contains("absent cannot be read"), "{text}");
}

#[test]
fn what_is_no_token_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said(&authbench(folder.path(), &["inspect", "-Zr3kD0c9a2Yh3kD0"], ""));
    assert!(code == Some(2) && !text.contains("Zr3k"), "{text}");
    let (code, text) = said(&authbench(folder.path(), &["inspect", "Bearer", TOKEN], ""));
    assert!(code == Some(0) && text.contains("joe"), "{text}");
    for (token, status, what) in [
        ("", 2, "it is empty"),
        ("a.b.c", 2, "its header is not base64url"),
        ("Yh3kD0c9a2Yh3kD0c9a2Yh3", 0, "no JWT: an id"),
    ] {
        let (code, text) = said(&authbench(folder.path(), &["inspect"], token));
        assert_eq!(code, Some(status), "{token}: {text}");
        assert!(text.contains(what), "{token}: {text}");
    }
}
