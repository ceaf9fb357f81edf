//! CONTRIBUTING's toy strategy, added verbatim to a copy of the sources, works and touches no more
//! than is promised there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use authbench::conformance::Behaviour;

type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// What a build of the library needs, and nothing that a build makes.
const COPIED: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "src", "tests", "benches", "fixture", "harness", "subjects"];

/// Every file under `at`, by its path from `root`.
fn read(root: &Path, at: &Path, tree: &mut Tree) {
    if at.is_dir() {
        for entry in fs::read_dir(at).expect("the folder can be listed") {
            read(root, &entry.expect("it has entries").path(), tree);
        }
    } else if at.is_file() {
        let name = at.strip_prefix(root).expect("below the root").to_owned();
        tree.insert(name, fs::read(at).expect("the file can be read"));
    }
}

fn read_all(root: &Path) -> Tree {
    let mut tree = Tree::new();
    COPIED.iter().for_each(|name| read(root, &root.join(name), &mut tree));
    tree
}

fn modified(file: &Path) -> SystemTime {
    let known = fs::metadata(file).and_then(|about| about.modified());
    known.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Writes a file that claims to be as old as its sources are, so that a copy of what has not
/// changed is not built again.
fn write(file: &Path, content: &[u8], age: SystemTime) {
    fs::create_dir_all(file.parent().expect("it has a folder")).expect("the folder can be made");
    fs::write(file, content).expect("the file can be written");
    let open = fs::File::options().write(true).open(file).expect("it was just written");
    open.set_modified(age).expect("its age can be set");
}

/// The fenced block that follows `marker`.
fn block<'t>(text: &'t str, marker: &str) -> &'t str {
    let (_, after) = text.split_once(marker).unwrap_or_else(|| panic!("no {marker} in the guide"));
    let (_, body) = after.split_once("```").expect("a block follows");
    let (_, body) = body.split_once('\n').expect("the fence ends its line");
    body.split_once("```").expect("the block is closed").0
}

/// `text` with `addition` before the first line that starts with `line`.
fn insert_before(text: &str, line: &str, addition: &str) -> String {
    let at = text.find(&format!("\n{line}")).unwrap_or_else(|| panic!("no line {line:?}")) + 1;
    [&text[..at], addition, &text[at..]].concat()
}

#[test]
fn the_toy_strategy_takes_one_file_and_two_lines_and_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide_file = root.join("CONTRIBUTING.md");
    let guide = fs::read_to_string(&guide_file).expect("the guide can be read");
    let guide_age = modified(&guide_file);

    // One fixed place: cargo recognises it and builds only what changed.
    let build = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = build.join("contributing");
    let _ = fs::remove_dir_all(&copy);
    let before = read_all(root);
    for (name, content) in &before {
        write(&copy.join(name), content, modified(&root.join(name)));
    }

    let toy = Path::new("src/strategy/ticket.rs");
    let registry = Path::new("src/strategy/mod.rs");
    write(
        &copy.join(toy),
        block(&guide, "<!-- file: src/strategy/ticket.rs -->").as_bytes(),
        guide_age,
    );
    let rows = String::from_utf8(before[registry].clone()).expect("source is UTF-8");
    let rows = insert_before(&rows, "mod ", block(&guide, "<!-- mod -->"));
    let rows = insert_before(&rows, "            None \"none\"", block(&guide, "<!-- row -->"));
    let age = guide_age.max(modified(&root.join(registry)));
    write(&copy.join(registry), rows.as_bytes(), age);

    let after = read_all(&copy);
    let added: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    let edited: Vec<_> =
        before.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert_eq!((added, edited), (vec![&toy.to_owned()], vec![&registry.to_owned()]));

    hold_to_the_suite(root, &copy);
}

/// Runs the conformance suite on the toy in `copy`.
///
/// In the same target folder, where the dependencies are there already; under another version,
/// because cargo tells the copy's artefacts from ours by it and not by where the sources are; and
/// offline, because nothing new is needed.
fn hold_to_the_suite(root: &Path, copy: &Path) {
    let name = "Cargo.toml";
    let manifest = fs::read_to_string(root.join(name)).expect("the manifest can be read");
    let ours = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(manifest.contains(&ours), "no {ours} in {name}");
    let theirs = manifest.replacen(&ours, "version = \"99.0.0\"", 1);
    write(&copy.join(name), theirs.as_bytes(), modified(&root.join(name)));

    let build = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "-p", "authbench", "--test", "conformance", "Ticket::"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", build.parent().expect("tmp is in the target folder"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = format!("{} passed; 0 failed", Behaviour::ALL.len());
    assert!(
        output.status.success() && said.contains(&passed),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
