//! What to measure: a plan, and its expansion into arms.
//!
//! The shipped plans are in `harness/plans/`; a reader's own has the same keys. `arms = "all"`
//! takes every registered strategy but those whose credentials are good once, so that a new one is
//! measured without touching a plan.

mod arms;
mod distance;
mod file;
pub mod foreign;
mod regimes;
mod spectrum;
pub mod strategies;
pub mod template;

pub use arms::{PlannedArm, expand, usual_arm};
pub use distance::SweepPlan;
pub use file::{ArmSelection, Control, Plan, PlanError, Profile};
pub use regimes::{RegimePlan, Regimes};
pub use spectrum::{Part, SpectrumPlan};
