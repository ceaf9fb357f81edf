//! What was built, from what: facts of the build, and the hash of the running binary.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

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
