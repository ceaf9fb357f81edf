//! Experiments on taking credentials back, beside those of every run.

pub mod races;
pub mod renewals;
