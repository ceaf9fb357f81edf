//! The record: the only types of the instrument that are written to a results folder.
//!
//! `run.json` ([`run::Run`]) holds what was measured and nothing computed; `derived.json`
//! ([`derived::Derived`]) holds all that is computed from it, reproducible byte for byte.

mod bench;
pub mod criterion;
pub mod derived;
mod derived_bench;
pub mod integrity;
pub mod io;
mod json;
mod loops;
mod measured;
pub mod run;
pub mod segment;
pub mod tools;

/// The schema of `run.json`. A reader refuses a record of a schema it does not know.
pub const RUN_SCHEMA: &str = "authbench.run/1";
/// The schema of `derived.json`.
pub const DERIVED_SCHEMA: &str = "authbench.derived/1";
/// Grows with every change to how something is measured; records of different method versions are
/// not compared.
pub const METHOD_VERSION: u32 = 1;
