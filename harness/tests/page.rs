//! The pages: one file each, that asks nobody; and the decision's in a real browser, where it says
//! what the model says and complains of nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use authbench_harness::decide::choice::choose;
use authbench_harness::decide::figures::Figures;
use authbench_harness::decide::workload::Workload;
use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic;
use authbench_harness::report::{decide_page, render};
use base64_simd::STANDARD;
use sha2::{Digest as _, Sha256};

fn figures() -> Figures {
    serde_json::from_str(include_str!("golden/figures.json")).expect("they can be read")
}

fn page(folder: &Path) -> (PathBuf, String) {
    let [html, _] = decide_page::render(&figures(), None, None).unwrap();
    let file = folder.join("decision.html");
    std::fs::write(&file, &html).unwrap();
    (file, html)
}

#[test]
fn it_is_one_file_with_a_strict_policy_and_can_be_read_without_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let (_, html) = page(folder.path());
    let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split("\">").next().unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("script-src 'sha256-"));
    assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{policy}");
    for outside in ["src=\"http", "href=\"http", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
    assert!(html.contains("<noscript>") && html.contains("<th scope=\"row\"><code>single-web-app"));
    assert_eq!(html.matches("</script>").count(), 2, "data that ends its element");
}

#[test]
fn the_page_is_one_file_that_asks_nobody_for_anything() {
    let run = synthetic::run(1);
    let html = &render(&run, &derive(&run, &"0".repeat(64))).unwrap()["report.html"];
    // One script, known by its digest; beside it data, which nothing executes.
    let script = html.split("<script>").nth(1).and_then(|rest| rest.split("</script>").next());
    let digest = STANDARD.encode_to_string(Sha256::digest(script.expect("a script")));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src \
         'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    );
    assert!(html.contains(&format!("content=\"{policy}\"")));
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("<script type=\"application/json\"").count(), 1);
    let outside = html.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "<link", "src=", "@import", "url(", "eval(", "fetch("] {
        assert!(!outside.contains(word), "{word}");
    }
    assert!(html.len() < 3_000_000);
}

/// A Chromium, by the names that distributions give it.
fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
}

fn dump(browser: &str, folder: &Path, address: &str) -> Output {
    Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(address)
        .output()
        .expect("the browser starts")
}

#[test]
fn sliders_change_the_answer_as_the_model_says() {
    let Some(browser) = chromium() else {
        return println!("skipped: no Chromium was found (Debian: apt-get install chromium)");
    };
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = page(folder.path());
    let figures = figures();
    let mut answers = Vec::new();
    for (case, turned) in [
        ("single-web-app", &[][..]),
        ("single-web-app", &[("application_ms", 0.05)]),
        ("mobile", &[]),
        ("mobile", &[("lag_limit_s", 100_000.0)]),
        ("public-api", &[("requests_per_second", 100.0)]),
        ("microservices", &[("lag_limit_s", 0.5), ("application_ms", 0.01)]),
    ] {
        let mut workload = Workload::preset(case).unwrap();
        let mut address = format!("file://{}#decide?case={case}", file.display());
        // What the page leaves out of its address is not demanded.
        let limit = workload.demands.lag_limit_s;
        let kept = limit.filter(|_| turned.iter().all(|(key, _)| *key != "lag_limit_s"));
        for (key, value) in turned.iter().copied().chain(kept.map(|s| ("lag_limit_s", s))) {
            workload = workload.with(key, value);
            address += &format!("&{key}={value}");
        }
        let output = dump(browser, folder.path(), &address);
        let (dom, log) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!log.contains("CONSOLE"), "{log}");
        let verdict =
            dom.split("class=\"verdict\">").nth(1).unwrap_or_else(|| panic!("{log}{dom}"));
        let choice = choose(&figures, &workload).expect("one meets the demands");
        let said = verdict.strip_prefix("Take ").and_then(|rest| rest.split([':', '.']).next());
        assert_eq!(said, Some(choice.as_str()), "{address}: {verdict:.80}");
        answers.push(choice);
    }
    answers.dedup();
    assert!(answers.len() >= 3, "the sliders change nothing: {answers:?}");
}
