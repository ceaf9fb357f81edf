//! Tells the instrument what it was built from. Works without git, and says so.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")).join("..");
    // Sources too: whether the checkout is dirty can change without a commit.
    for watched in ["build.rs", "src", "Cargo.toml", "../src", "../fixture/src", "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let sha = if is_own_checkout(&root) { git(&root, &["rev-parse", "HEAD"]) } else { None };
    if let Some(sha) = sha {
        println!("cargo::rustc-env=AUTHBENCH_GIT_SHA={sha}");
        // Without the lock that refreshes the index: it would look like a change to cargo.
        let status = git(&root, &["--no-optional-locks", "status", "--porcelain"]);
        let dirty = status.is_none_or(|changes| !changes.is_empty());
        println!("cargo::rustc-env=AUTHBENCH_GIT_DIRTY={dirty}");
        for moved in ["HEAD", "logs/HEAD"] {
            if let Some(file) = git(&root, &["rev-parse", "--git-path", moved]) {
                let file = root.join(file);
                if file.exists() {
                    println!("cargo::rerun-if-changed={}", file.display());
                }
            }
        }
    }
    let rustc = Command::new(var("RUSTC")).arg("--version").output();
    let rustc = rustc.ok().and_then(|out| String::from_utf8(out.stdout).ok()).unwrap_or_default();
    println!("cargo::rustc-env=AUTHBENCH_RUSTC={}", rustc.trim());
    println!("cargo::rustc-env=AUTHBENCH_TARGET={}", var("TARGET"));
    println!("cargo::rustc-env=AUTHBENCH_BUILD={}", var("PROFILE"));
}

/// Whether `root` is the top of a checkout, and not unpacked inside somebody else's.
fn is_own_checkout(root: &Path) -> bool {
    let top = git(root, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    let top = top.and_then(|top| top.canonicalize().ok());
    top.is_some() && top == root.canonicalize().ok()
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
