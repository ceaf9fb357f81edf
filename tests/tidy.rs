//! The rules of the house that a test can enforce.

use std::fs;
use std::path::{Path, PathBuf};

use authbench::strategy::StrategyKind;

const MAX_LINES: usize = 400;
const MAX_COLUMNS: usize = 100;
const MAX_FUNCTION_LINES: usize = 70;

/// Where source files stand.
const SOURCES: [&str; 8] =
    ["src", "tests", "benches", "examples", "fixture", "harness", "subjects", "build.rs"];

/// What reads a clock or makes randomness.
const CLOCKS_AND_DICE: [&str; 8] = [
    "SystemTime",
    "Instant::now",
    "UNIX_EPOCH",
    "SystemRandom",
    "getrandom",
    "rand::rng",
    "rand::fill",
    "OsRng",
];

/// Who may, and why.
const EXEMPT: [(&str, &str); 3] = [
    ("src/token/prepared/aws_lc.rs", "signing asks for a source of nonces and draws its own"),
    ("src/entropy.rs", "the one place where the operating system's generator is wrapped"),
    ("src/conformance/forge.rs", "ECDSA and PSS need a nonce, and the library asks for its source"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `at`, build output left out.
fn files(at: &Path, found: &mut Vec<PathBuf>) {
    if at.is_file() {
        found.push(at.to_owned());
    }
    let Ok(entries) = fs::read_dir(at) else { return };
    for entry in entries.flatten() {
        if entry.file_name() != "target" {
            files(&entry.path(), found);
        }
    }
}

/// The name from the root and the text of each Rust file.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    SOURCES.iter().for_each(|name| files(&root().join(name), &mut found));
    found.retain(|file| file.extension().is_some_and(|end| end == "rs"));
    found.sort();
    let named = |file: PathBuf| {
        let name = file.strip_prefix(root()).expect("below the root").display().to_string();
        (name, fs::read_to_string(&file).expect("source can be read"))
    };
    found.into_iter().map(named).collect()
}

/// Fails with all complaints at once, one a line.
fn settle(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_file_says_its_purpose_and_is_short() {
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        if !text.starts_with("//! ") {
            complaints.push(format!("{name}: the first line does not say its purpose"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            complaints.push(format!("{name}: {lines} lines, more than {MAX_LINES}"));
        }
        for (i, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > MAX_COLUMNS {
                complaints.push(format!("{name}:{}: {columns} columns", i + 1));
            }
        }
    }
    settle(&complaints);
}

/// The functions of a formatted source: where each begins, and its length in lines. The end is the
/// closing brace at the indentation of the beginning.
fn functions(text: &str) -> Vec<(usize, usize)> {
    const WORDS: [&str; 6] = ["pub", "pub(crate)", "pub(super)", "const", "async", "extern"];
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let mut words = body.split(' ').skip_while(|word| WORDS.contains(word));
        if words.next() != Some("fn") {
            continue;
        }
        let indentation = &line[..line.len() - body.len()];
        let end = format!("{indentation}}}");
        let ends = |line: &&str| **line == end;
        // A declaration without a body ends before any brace opens.
        let opens = lines[i..].iter().position(|line| line.ends_with('{') || line.ends_with('}'));
        let stops = lines[i..].iter().position(|line| line.ends_with(';'));
        let (Some(opens), stops) = (opens, stops.unwrap_or(usize::MAX)) else { continue };
        if stops < opens || lines[i + opens].ends_with('}') {
            continue;
        }
        if let Some(length) = lines[i..].iter().position(ends) {
            found.push((i + 1, length + 1));
        }
    }
    found
}

#[test]
fn functions_are_measured() {
    let text = "fn a() {\n    b();\n}\n\ntrait T {\n    fn c(\n        x: u8,\n    );\n    \
                pub async fn d() {\n        e();\n        f();\n    }\n}\nfn g() {}\n";
    assert_eq!(functions(text), [(1, 3), (9, 4)]);
}

#[test]
fn no_function_is_long() {
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        for (line, length) in functions(&text) {
            if length > MAX_FUNCTION_LINES {
                complaints.push(format!("{name}:{line}: a function of {length} lines"));
            }
        }
    }
    settle(&complaints);
}

#[test]
fn nothing_is_left_for_later() {
    // In two halves, or this line would find itself.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X:"].concat()];
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        for (i, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                complaints.push(format!("{name}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    settle(&complaints);
}

#[test]
fn the_library_has_no_clock_and_no_dice() {
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("src/") || EXEMPT.iter().any(|(exempt, _)| *exempt == name) {
            continue;
        }
        // Unit tests stand at the end of a file and may do as they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (i, line) in code.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if !is_comment && CLOCKS_AND_DICE.iter().any(|word| line.contains(word)) {
                complaints.push(format!("{name}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    settle(&complaints);
    for (name, why) in EXEMPT {
        assert!(root().join(name).is_file(), "{name} is exempt ({why}) and gone");
    }
}

/// The text of a document, or nothing when it is not written yet.
fn document(name: &str) -> Option<String> {
    let text = fs::read_to_string(root().join(name)).unwrap_or_default();
    if text.lines().count() < 10 {
        println!("skipped: {name} is not written yet");
        return None;
    }
    Some(text)
}

#[test]
fn every_folder_of_the_library_is_on_the_map() {
    let Some(map) = document("ARCHITECTURE.md") else { return };
    let mut complaints = Vec::new();
    for top in ["src", "harness/src"] {
        for entry in fs::read_dir(root().join(top)).into_iter().flatten().flatten() {
            let name = entry.file_name().display().to_string();
            if entry.path().is_dir() && !map.contains(&format!("{name}/")) {
                complaints.push(format!("ARCHITECTURE.md does not name {top}/{name}/"));
            }
        }
    }
    settle(&complaints);
}

#[test]
fn every_strategy_is_documented() {
    let documents = ["README.md", "ARCHITECTURE.md"].map(document);
    if documents.iter().any(Option::is_none) {
        return;
    }
    let complaints: Vec<String> = StrategyKind::ALL
        .iter()
        .filter(|kind| {
            let quoted = format!("`{}`", kind.name());
            !documents.iter().flatten().any(|text| text.contains(&quoted))
        })
        .map(|kind| format!("neither README.md nor ARCHITECTURE.md names `{}`", kind.name()))
        .collect();
    settle(&complaints);
}

#[test]
fn strategies_are_named_alike() {
    for kind in StrategyKind::ALL {
        let name = kind.name();
        let is_kebab = name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        assert!(is_kebab, "{name} is not kebab-case");
        assert_eq!(name.parse(), Ok(*kind));
    }
}

#[test]
fn records_do_not_say_whose_machine_it_was() {
    let mut found = Vec::new();
    files(&root().join("results"), &mut found);
    let mut traces: Vec<String> =
        ["/home/", "/root/", "/Users/", "C:\\Users\\", "/private/var/"].map(String::from).into();
    // Names of this machine and its user, unless they are words that stand in any text.
    let host = fs::read_to_string("/etc/hostname").unwrap_or_default();
    for name in [host.trim().to_owned(), std::env::var("USER").unwrap_or_default()] {
        if name.len() > 4 && !["localhost", "runner", "ubuntu", "debian"].contains(&&*name) {
            traces.push(name);
        }
    }
    let mut complaints = Vec::new();
    for file in found {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("it can be read")).into_owned();
        for trace in traces.iter().filter(|trace| text.contains(*trace)) {
            complaints.push(format!("{} contains {trace:?}", file.display()));
        }
    }
    settle(&complaints);
}
