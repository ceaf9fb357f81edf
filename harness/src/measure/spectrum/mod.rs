//! What the experiments on taking credentials back measure: keys.

pub mod keys;
