//! What was built, from what: facts of the build, and the hash of the running binary.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::record::run::{Provenance, Versioned};

/// The resolved versions this binary was built with.
const LOCKFILE: &str = include_str!("../../../Cargo.lock");

/// The crates whose versions move the figures.
const CRATES: [&str; 9] = [
    "authbench",
    "aws-lc-rs",
    "axum",
    "hyper",
    "jsonwebtoken",
    "mio",
    "redis",
    "serde_json",
    "tokio",
];

/// What this binary was built from. The version of the store is the caller's to add.
///
/// # Errors
/// When the binary's own file cannot be read.
pub fn read() -> anyhow::Result<Provenance> {
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    Ok(Provenance {
        git_sha: option_env!("AUTHBENCH_GIT_SHA").and_then(text),
        git_dirty: option_env!("AUTHBENCH_GIT_DIRTY").map(|dirty| dirty == "true"),
        lockfile_sha256: hex(&Sha256::digest(LOCKFILE)),
        binary_sha256: own_binary_sha256()?,
        rustc: env!("AUTHBENCH_RUSTC").to_owned(),
        target: env!("AUTHBENCH_TARGET").to_owned(),
        build: env!("AUTHBENCH_BUILD").to_owned(),
        crates: versions(LOCKFILE, &CRATES),
        redis_server: None,
    })
}

/// The versions of `names` in a lockfile, in its order; a crate resolved twice is named twice.
fn versions(lockfile: &str, names: &[&str]) -> Vec<Versioned> {
    let mut found = Vec::new();
    let mut name = "";
    for line in lockfile.lines() {
        if let Some(value) = quoted(line, "name = ") {
            name = value;
        } else if let Some(version) = quoted(line, "version = ")
            && names.contains(&name)
        {
            found.push(Versioned { name: name.to_owned(), version: version.to_owned() });
        }
    }
    found
}

fn quoted<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

/// The file of the running program, even when another has been put in its place.
///
/// # Errors
/// When the operating system does not say.
pub fn own_program() -> std::io::Result<PathBuf> {
    let same_file = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && same_file.exists() {
        return Ok(same_file);
    }
    std::env::current_exe()
}

/// SHA-256 of the running binary, hexadecimal; computed once.
///
/// # Errors
/// When its file cannot be read.
pub fn own_binary_sha256() -> anyhow::Result<String> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(known) = HASH.get() {
        return Ok(known.clone());
    }
    let hash = file_sha256(&own_program()?)?;
    Ok(HASH.get_or_init(|| hash).clone())
}

/// SHA-256 of a file, hexadecimal.
///
/// # Errors
/// When it cannot be read.
pub fn file_sha256(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).context("cannot read the program's own file")?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).context("cannot read the program's own file")?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
    }
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_knows_what_it_was_made_of() {
        let built = read().unwrap();
        assert!(built.rustc.starts_with("rustc "), "{built:?}");
        assert!(["debug", "release"].contains(&built.build.as_str()));
        assert_eq!((built.lockfile_sha256.len(), built.binary_sha256.len()), (64, 64));
        assert!(built.target.contains('-'));
        assert!(built.git_sha.is_none_or(|sha| sha.len() == 40));
        let names: Vec<&str> = built.crates.iter().map(|c| c.name.as_str()).collect();
        for name in CRATES {
            assert!(names.contains(&name), "{name} is not in the lockfile");
        }
    }

    #[test]
    fn a_hash_is_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        std::fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(&file).unwrap(), expected);
    }
}
