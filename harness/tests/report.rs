//! Pages and spliced documents follow from the record alone, and a check finds whatever does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use authbench_harness::measure::derive::derive;
use authbench_harness::measure::synthetic;
use authbench_harness::record::io::write_run;
use authbench_harness::record::run::{Check, Run, Status};
use authbench_harness::report::{Files, render};
use tempfile::TempDir;

fn report(at: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authbench"));
    command.current_dir(at).arg("report").args(args).output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

const FOLDER: &str = "results/2026-01-01-made-up";

/// A folder with a record, its pages, and a README with spliced figures.
fn project() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join(FOLDER);
    fs::create_dir_all(&folder).expect("a folder");
    write_run(&folder, &synthetic::run(1)).expect("a record");
    let readme = format!(
        "# A\n\n<!-- authbench:headline-table run={FOLDER} -->\nold\n\
         <!-- /authbench:headline-table -->\n\nIt costs <!-- authbench:value run={FOLDER} \
         pointer=/arms/session-redis/cpu_above_none_ns format=us -->0<!-- /authbench:value --> \
         on <!-- authbench:machine run={FOLDER} -->?<!-- /authbench:machine -->.\n\n```text\n\
         <!-- authbench:value run=nowhere -->\n```\n"
    );
    fs::write(home.path().join("README.md"), readme).expect("a document");
    let output = report(home.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    home
}

#[test]
fn what_was_rendered_passes_the_check_and_is_the_same_again() {
    let home = project();
    let output = report(home.path(), &["--check"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let page = home.path().join(FOLDER).join("report.html");
    let before = fs::read(&page).expect("a page");
    assert!(report(home.path(), &[FOLDER]).status.success());
    assert_eq!(before, fs::read(&page).expect("a page"));
    let readme = fs::read_to_string(home.path().join("README.md")).expect("a document");
    assert!(!readme.contains("\nold\n"));
    assert!(readme.contains("format=us -->6.1 (5.5 to 6.7) µs<!-- /"), "{readme}");
    assert!(readme.contains("run=nowhere"), "markers in code are left alone");
}

#[test]
fn one_changed_integer_makes_the_check_fail_for_pages_and_documents() {
    let home = project();
    let record = home.path().join(FOLDER).join("run.json");
    let text = fs::read_to_string(&record).expect("a record");
    let changed = text.replacen("\"wall_ms\":82000", "\"wall_ms\":82001", 1);
    let changed = if changed == text { text.replacen("82000", "82001", 1) } else { changed };
    assert_ne!(changed, text);
    fs::write(&record, changed).expect("a record");
    let output = report(home.path(), &["--check"]);
    assert_eq!(output.status.code(), Some(1));
    for name in ["derived.json", "REPORT.md", "report.html", "README.md"] {
        let named = said(&output).lines().any(|l| l.starts_with("stale: ") && l.contains(name));
        assert!(named, "{name} is not named:\n{}", said(&output));
    }
}

#[test]
fn a_figure_changed_in_prose_makes_the_check_fail() {
    let home = project();
    let readme = home.path().join("README.md");
    let text = fs::read_to_string(&readme).expect("a document");
    fs::write(&readme, text.replace("6.1 (5.5 to 6.7)", "5.1 (4.5 to 5.7)")).expect("a document");
    let output = report(home.path(), &["--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("stale: "), "{}", said(&output));
    let named = report(home.path(), &["--check", FOLDER, "--splice", "README.md"]);
    assert_eq!(named.status.code(), Some(1));
}

#[test]
fn missing_and_extra_files_are_named_and_nothing_is_written() {
    let home = project();
    let charts = home.path().join(FOLDER).join("charts");
    fs::remove_file(charts.join("cpu.svg")).expect("removed");
    fs::write(charts.join("old.svg"), "<svg/>").expect("written");
    let output = report(home.path(), &["--check", FOLDER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("missing: "), "{}", said(&output));
    assert!(said(&output).contains("extra: "), "{}", said(&output));
    assert!(!charts.join("cpu.svg").exists() && charts.join("old.svg").exists());
    assert!(report(home.path(), &[FOLDER]).status.success());
    assert!(charts.join("cpu.svg").exists() && !charts.join("old.svg").exists());
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let home = project();
    let empty = home.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let broken = home.path().join("broken");
    fs::create_dir(&broken).expect("a folder");
    fs::write(broken.join("run.json"), "{\"schema\":").expect("a file");
    for (args, words) in [
        (&["nowhere"][..], "nowhere does not exist"),
        (&["empty"], "empty holds no run.json"),
        (&["broken"], "truncated"),
        (&["README.md"], "is not a results folder"),
        (&["--splice", "absent.md"], "absent.md cannot be read"),
    ] {
        let output = report(home.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = project();
    let folder = home.path().join(FOLDER);
    fs::remove_file(folder.join("REPORT.md")).expect("removed");
    let lock = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode));
    lock(0o555).expect("locked");
    if fs::write(folder.join("probe"), "").is_ok() {
        println!("skipped: this user may write anywhere");
        lock(0o755).expect("unlocked");
        return;
    }
    let output = report(home.path(), &[FOLDER]);
    lock(0o755).expect("unlocked");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cannot write"), "{}", said(&output));
}

#[test]
fn faulty_markers_are_refused_with_their_line() {
    let home = project();
    let doc = home.path().join("doc.md");
    let run = format!("run={FOLDER}");
    for (marker, words) in [
        (format!("<!-- authbench:value {run} pointer=/arms/x format=us -->"), "is missing"),
        (
            format!("<!-- authbench:nonsense {run} --><!-- /authbench:nonsense -->"),
            "unknown marker",
        ),
        ("<!-- authbench:machine --><!-- /authbench:machine -->".into(), "needs `run=...`"),
        ("<!-- authbench:machine run=../x --><!-- /authbench:machine -->".into(), "beside"),
        (
            format!(
                "<!-- authbench:value {run} pointer=/arms/nobody/cpu_above_none_ns format=us -->\
                 <!-- /authbench:value -->"
            ),
            "nothing at `nobody`",
        ),
        (
            format!(
                "<!-- authbench:value {run} pointer=/arms/none/cpu_verdict format=text -->\
                 <!-- /authbench:value -->"
            ),
            "not measured",
        ),
    ] {
        fs::write(&doc, format!("first\n\n{marker}\n")).expect("a document");
        let output = report(home.path(), &["--splice", "doc.md"]);
        assert_eq!(output.status.code(), Some(1), "{marker}");
        let text = said(&output);
        assert!(text.contains("line 3") && text.contains(words), "{marker}: {text}");
    }
}

fn pages(run: &Run) -> Files {
    render(run, &derive(run, &"0".repeat(64))).expect("a record can be rendered")
}

#[test]
fn every_chart_has_its_table_and_every_heading_its_anchor() {
    let html = &pages(&synthetic::run(1))["report.html"];
    for section in html.split("<section ").skip(1) {
        let id = section.split('"').nth(1).expect("an id");
        assert!(html.contains(&format!("href=\"#{id}\"")), "{id}");
        assert!(!section.contains("<figure>") || section.contains("<table>"), "{id}");
    }
    assert_eq!(html.matches("<figure>").count(), 8);
}

#[test]
fn a_run_that_may_not_be_cited_says_so_before_anything_else() {
    let banner = |run: &Run| {
        let files = pages(run);
        let markdown = files["REPORT.md"].split("## ").next().expect("a beginning").to_owned();
        let html = files["report.html"].split("<nav").next().expect("a beginning").to_owned();
        (markdown, html)
    };
    let mut run = synthetic::run(1);
    let (markdown, html) = banner(&run);
    assert!(markdown.contains("> **Preview, do not cite") && html.contains("Preview, do not cite"));
    run.run.reasons = vec!["interrupted in block 3".into()];
    for (status, words) in [(Status::Partial, "PARTIAL RUN"), (Status::Invalid, "INVALID RUN")] {
        run.run.status = status;
        let (markdown, html) = banner(&run);
        for text in [markdown, html] {
            assert!(text.contains(words) && text.contains("interrupted in block 3"), "{text}");
        }
    }
    let standard = synthetic::run_with(1, &synthetic::Shape::standard());
    assert!(!banner(&standard).0.contains("> **"), "{}", banner(&standard).0);
}

/// Rows of the tables below a heading.
fn rows_of<'a>(markdown: &'a str, heading: &str) -> Vec<&'a str> {
    let section = markdown.split("\n## ").find(|part| part.starts_with(heading));
    section.expect("the section is there").lines().filter(|line| line.starts_with("| `")).collect()
}

#[test]
fn an_invalid_run_publishes_counts_and_no_figure() {
    let mut run = synthetic::run(1);
    let headings = ["What does faster revocation cost?", "CPU per request", "Latency"];
    // The same record, valid, has them: the control of this test.
    let valid = pages(&run);
    assert!(rows_of(&valid["REPORT.md"], headings[0]).iter().any(|row| row.contains(" to ")));
    assert!(rows_of(&valid["REPORT.md"], headings[1]).iter().any(|row| row.contains(" to ")));
    assert!(rows_of(&valid["REPORT.md"], headings[2]).iter().any(|row| row.contains("slower")));
    assert!(valid.keys().any(|name| name.starts_with("charts/")));

    run.run.status = Status::Invalid;
    run.run.reasons = vec!["outcomes: one answer other than expected".into()];
    let derived = derive(&run, &"0".repeat(64));
    let why = "the run is invalid: outcomes: one answer other than expected";
    assert_eq!(derived.withheld.as_deref(), Some(why));
    assert!(derived.cpu_pairs.is_empty() && derived.micro.is_empty() && derived.rulers.is_empty());
    assert!(derived.arms.iter().all(|arm| arm.requests > 0 && arm.cpu_verdict.is_none()));
    assert!(derived.trust.len() > 10, "the trust panel stays");
    let files = pages(&run);
    let markdown = &files["REPORT.md"];
    assert!(markdown.contains("> **INVALID RUN.") && markdown.contains(why));
    for heading in headings {
        for row in rows_of(markdown, heading) {
            for word in [" to ", " µs", " %", "dearer", "equivalent", "slower", "undecided"] {
                // The reason in a row's note is no figure, nor is a lifetime that was declared.
                let said = row.replace(why, "").replace("up to", "");
                assert!(!said.contains(word), "{heading}: {row}");
            }
        }
    }
    assert!(!files.keys().any(|name| name.starts_with("charts/")), "nothing is drawn");
    for text in [markdown, &files["report.html"]] {
        assert!(!text.contains("<figure>") && !text.contains("dearer"));
        assert!(text.contains("in 8,") || text.contains("requests"), "counts stay");
    }
    assert!(markdown.contains("| Is every scheduled request accounted for? |"));
}

#[test]
fn a_run_without_load_has_no_part_of_one() {
    let run = synthetic::alone(1);
    let files = pages(&run);
    let (markdown, html) = (&files["REPORT.md"], &files["report.html"]);
    for words in [
        "requests per second",
        "blocks",
        "Latency",
        "none drops out",
        "Bytes, counted",
        "slot",
        "no maximum rate",
        "noise floor",
        "0 of 0",
        "NaN",
        "inf",
        "NOT VALID",
    ] {
        assert!(!markdown.contains(words), "{words}:\n{markdown}");
    }
    for words in [
        "subject and reference alternate",
        "Above the signature alone, verify by `jsonwebtoken` costs",
        "parts of `verify/prepared/alg=HS256,claims=typical,backend=aws-lc-rs` add up to",
        "An entry adds to Redis: session of `session-redis` 412 B",
        "Nothing about a request: no server",
        "-- micro --label synthetic-micro",
    ] {
        assert!(markdown.contains(words), "{words}:\n{}", &markdown[..3_000]);
    }
    let sections = html.matches("<section ").count();
    assert_eq!(html.matches("<figure>").count(), 9);
    for section in html.split("<section ").skip(1) {
        let content = ["<table>", "<p>", "<li>", "<pre>"].iter().any(|tag| section.contains(tag));
        assert!(content, "an empty section of {sections}: {section}");
        assert!(!section.contains("<figure>") || section.contains("<table>"), "{section}");
    }
    // And of a run that loaded servers nothing is lost beside them.
    let both = pages(&synthetic::with_loops(synthetic::run(1), 1));
    assert!(both["REPORT.md"].contains("requests per second"));
    assert_eq!(both["report.html"].matches("<figure>").count(), 16);
}

#[test]
fn figures_of_loops_can_be_spliced_by_their_ids() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join("run");
    fs::create_dir(&folder).expect("a folder");
    write_run(&folder, &synthetic::alone(1)).expect("a record");
    let id = "verify/prepared/alg=HS256,claims=typical,backend=aws-lc-rs";
    let escaped = id.replace('/', "~1");
    let memory = "/memory/entry=session/bytes_per_entry";
    let wire = "/wire/algorithm=HS256,claims=typical,carrier=bearer/credential_bytes";
    let cases = [
        (format!("micro run=run id={id}"), "2.1", ""),
        (format!("micro run=run id={id} figure=cpu_ns"), "56", " ns"),
        (format!("micro run=run id={id} figure=criterion_ns format=us"), "0.6", " µs"),
        (format!("value run=run pointer=/micro/{escaped}/ratio format=ratio"), "2.1", ""),
        (format!("value run=run pointer={memory} format=bytes"), "412", " B"),
        (format!("value run=run file=run pointer={wire} format=bytes"), "409", " B"),
    ];
    for (marker, begin, end) in &cases {
        let name = marker.split(' ').next().expect("a name");
        let text = format!("a <!-- authbench:{marker} -->?<!-- /authbench:{name} -->.\n");
        fs::write(home.path().join("doc.md"), text).expect("a document");
        let output = report(home.path(), &["--splice", "doc.md"]);
        assert!(output.status.success(), "{marker}: {}", said(&output));
        let text = fs::read_to_string(home.path().join("doc.md")).expect("a document");
        let shown = text.split("-->").nth(1).and_then(|t| t.split("<!--").next()).expect("words");
        assert!(shown.starts_with(begin) && shown.ends_with(end), "{marker}: {shown}");
        if !marker.contains("bytes") {
            assert!(shown.contains(" to ") && shown.contains('('), "{marker}: {shown}");
        }
    }
    for (marker, words) in [
        (format!("micro run=run id={id}x"), "nothing was timed as"),
        (format!("micro run=run id={id} figure=speed"), "unknown figure `speed`"),
        (format!("micro run=run id={id} figure=store_cpu_ns"), "not measured"),
        (
            "value run=run file=run pointer=/wire/algorithm=HS256/request_bytes format=int".into(),
            "nothing at",
        ),
    ] {
        let name = marker.split(' ').next().expect("a name");
        let text = format!("<!-- authbench:{marker} -->?<!-- /authbench:{name} -->\n");
        fs::write(home.path().join("doc.md"), text).expect("a document");
        let output = report(home.path(), &["--splice", "doc.md"]);
        assert_eq!(output.status.code(), Some(1), "{marker}");
        assert!(said(&output).contains(words), "{marker}: {}", said(&output));
    }
}

#[test]
fn what_was_not_measured_and_what_failed_is_on_the_page() {
    let mut run = synthetic::run(1);
    run.checks.push(Check {
        name: "ledger-closes".into(),
        scope: "run".into(),
        arm: None,
        block: Some(2),
        pass: false,
        detail: "7 requests <unaccounted>".into(),
    });
    let files = pages(&run);
    let (markdown, html) = (&files["REPORT.md"], &files["report.html"]);
    let missing = &run.not_measured[0];
    for text in [markdown, html] {
        assert!(text.contains(&missing.reason) && text.contains(&missing.remedy));
        assert!(text.contains("Checks failed: 1 of"));
    }
    assert!(html.contains("7 requests &lt;unaccounted&gt;"));
}

#[test]
fn every_arm_of_the_record_stands_in_the_tables() {
    let run = synthetic::run(2);
    let files = pages(&run);
    for arm in &run.arms {
        assert!(files["REPORT.md"].contains(&format!("| `{}` |", arm.id)), "{}", arm.id);
    }
}
