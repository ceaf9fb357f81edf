//! The record: the only types of the instrument that are written to a results folder.
//!
//! `run.json` ([`run::Run`]) holds what was measured and nothing computed; `derived.json`
//! ([`derived::Derived`]) holds all that is computed from it, reproducible byte for byte.

mod acceptance;
mod bench;
pub mod criterion;
pub mod decision;
pub mod derived;
mod derived_bench;
mod derived_faults;
mod derived_lag;
mod derived_regime;
pub mod distance;
pub mod foreign;
pub mod instrument;
pub mod integrity;
pub mod io;
mod json;
mod loops;
mod measured;
pub mod prediction;
pub mod run;
pub mod segment;
pub mod spectrum;
pub mod tools;

/// The schema of `run.json`. A reader refuses a record of a schema it does not know.
pub const RUN_SCHEMA: &str = "authbench.run/1";
/// The schema of `derived.json`.
pub const DERIVED_SCHEMA: &str = "authbench.derived/1";
/// Grows with every change to how something is measured; records of different method versions are
/// not compared.
pub const METHOD_VERSION: u32 = 2;
/// Grows with every change to what is computed from a record. All records are computed alike, so a
/// kept one is rendered anew when it grows.
///
/// 2: ratios by their logarithms, decisions by Holm's rule over families, cross-checks, nothing of
/// invalid runs.
pub const DERIVED_METHOD_VERSION: u32 = 2;
