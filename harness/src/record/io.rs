//! Reading a record with an error that says what is wrong, and writing one that is whole or absent.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::derived::Derived;
use super::run::Run;
use super::{DERIVED_SCHEMA, RUN_SCHEMA, json};

/// The raw record's file in a results folder.
pub const RUN_FILE: &str = "run.json";
/// The computed record's file in a results folder.
pub const DERIVED_FILE: &str = "derived.json";

/// A record as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The record.
    pub run: Run,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
}

/// Why a file is not a record.
#[derive(Debug)]
pub enum ReadError {
    /// It could not be read at all.
    Io(io::Error),
    /// It ends too early: after this many bytes.
    Truncated(usize),
    /// It is not JSON from this byte on.
    NotJson {
        /// The byte, from 0.
        byte: usize,
        /// Line and column, and what was expected.
        why: String,
    },
    /// It is JSON, but no record of this kind.
    Schema {
        /// What it says it is, if anything.
        found: Option<String>,
        /// What this program reads.
        known: &'static str,
    },
    /// It is a record of this schema with a member that is unknown, missing or mistyped.
    Shape {
        /// Where: `cells[3].slots.timeout`.
        path: String,
        /// What is wrong there.
        why: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Truncated(0) => write!(f, "the file is empty; copy the record again"),
            Self::Truncated(bytes) => write!(
                f,
                "truncated: the JSON is not finished at byte {bytes}, where the file ends; copy \
                 the record again"
            ),
            Self::NotJson { byte, why } => write!(f, "not JSON at byte {byte}: {why}"),
            Self::Schema { found: None, known } => {
                write!(f, "JSON, but not a record: it has no `schema`, which must be `{known}`")
            }
            Self::Schema { found: Some(found), known } if is_newer(found, known) => write!(
                f,
                "its schema is `{found}`, newer than `{known}`, the newest this authbench reads; \
                 update authbench"
            ),
            Self::Schema { found: Some(found), known } => write!(
                f,
                "its schema is `{found}`, not `{known}`; give the run.json of a results folder"
            ),
            Self::Shape { path, why } => write!(f, "at `{path}`: {why}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Whether `found` is a later version of the schema `known`.
fn is_newer(found: &str, known: &str) -> bool {
    let split = |schema: &str| {
        let (name, version) = schema.rsplit_once('/')?;
        Some((name.to_owned(), version.parse::<u32>().ok()?))
    };
    let (found, known) = (split(found), split(known));
    found.zip(known).is_some_and(|(found, known)| found.0 == known.0 && found.1 > known.1)
}

/// Reads a `run.json`.
///
/// # Errors
/// When the file is not a whole record of the known schema. Whether its figures are sound is for
/// [`super::integrity`] to say.
pub fn read_run(path: &Path) -> Result<Loaded, ReadError> {
    let bytes = fs::read(path).map_err(ReadError::Io)?;
    let run = parse(&bytes, RUN_SCHEMA)?;
    Ok(Loaded { run, sha256: sha256_hex(&bytes) })
}

/// Reads a `derived.json`.
///
/// # Errors
/// As [`read_run`].
pub fn read_derived(path: &Path) -> Result<Derived, ReadError> {
    parse(&fs::read(path).map_err(ReadError::Io)?, DERIVED_SCHEMA)
}

/// Parses a record whose `schema` must be `known`.
///
/// # Errors
/// As [`read_run`].
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], known: &'static str) -> Result<T, ReadError> {
    /// All else is skipped, but must be JSON.
    #[derive(Deserialize)]
    struct Opening {
        schema: Option<String>,
    }
    let opening: Opening = match serde_json::from_slice(bytes) {
        Ok(opening) => opening,
        Err(error) if error.is_eof() => return Err(ReadError::Truncated(bytes.len())),
        Err(error) if error.is_data() => return Err(ReadError::Schema { found: None, known }),
        Err(error) => return Err(not_json(bytes, &error)),
    };
    if opening.schema.as_deref() != Some(known) {
        return Err(ReadError::Schema { found: opening.schema, known });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| ReadError::Shape {
        path: error.path().to_string(),
        why: error.inner().to_string(),
    })
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> ReadError {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let byte = (before + error.column().saturating_sub(1)).min(bytes.len());
    // Cut behind a minus sign, the parser meets a wrong number before it meets the end.
    if byte + 1 >= bytes.len() && !bytes.ends_with(b"}") && !bytes.ends_with(b"}\n") {
        return ReadError::Truncated(bytes.len());
    }
    ReadError::NotJson { byte, why: error.to_string() }
}

/// SHA-256 of `bytes`, hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The bytes of a `run.json`.
///
/// # Errors
/// None for values of these types; kept as an error because a record is never worth a panic.
pub fn run_bytes(run: &Run) -> io::Result<Vec<u8>> {
    Ok(json::to_vec(run)?)
}

/// The bytes of a `derived.json`: the same for the same figures.
///
/// # Errors
/// As [`run_bytes`].
pub fn derived_bytes(derived: &Derived) -> io::Result<Vec<u8>> {
    Ok(json::to_vec(derived)?)
}

/// Now, RFC 3339, UTC, to the second.
#[must_use]
pub fn utc_now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// A time as [`utc_now`] gives it, without its punctuation: `20260131T235959Z`.
#[must_use]
pub fn compact(utc: &str) -> String {
    utc.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// Makes a new results folder, and those above it.
///
/// # Errors
/// When it exists: a kept result is never overwritten.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "{} exists, and results are never overwritten; choose another label",
                folder.display()
            ),
        ),
        _ => error,
    })
}

/// Writes `run.json` into its folder and returns its SHA-256. Called after every block: a reader
/// finds the previous state or the new one, never half of one.
///
/// # Errors
/// When the folder cannot be written to; the previous file then still stands.
pub fn write_run(folder: &Path, run: &Run) -> io::Result<String> {
    let bytes = run_bytes(run)?;
    write_atomically(&folder.join(RUN_FILE), &bytes)?;
    Ok(sha256_hex(&bytes))
}

/// Writes `derived.json` into its folder.
///
/// # Errors
/// As [`write_run`].
pub fn write_derived(folder: &Path, derived: &Derived) -> io::Result<()> {
    write_atomically(&folder.join(DERIVED_FILE), &derived_bytes(derived)?)
}

/// Writes a file so that it is whole or as it was, even if the machine stops: a temporary file in
/// the same folder, synced, renamed, and the folder synced.
///
/// # Errors
/// When any of these fails; the temporary file is removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any other file, the umask applies; a temporary file would be its owner's alone.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}
