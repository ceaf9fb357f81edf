//! From measured records and a workload to a choice: pure, nothing is measured here.
//!
//! [`figures`] gathers what the records say of each strategy, with the row each figure stands in.
//! [`model`] turns that and a [`workload`] into processors, operations, bytes, latency, lag and
//! price. [`constraints`] says who is out, [`choice`] who is best of the rest, [`flip`] what would
//! change that. The same model runs in the page; golden vectors hold the two together.

mod checked;
pub mod choice;
pub mod claims;
pub mod constraints;
mod cpu;
pub mod figures;
pub mod flip;
mod mixes;
pub mod model;
pub mod predict;
mod predict_cpu;
pub mod rates;
pub mod resample;
pub mod sheet;
pub mod wire;
pub mod workload;
