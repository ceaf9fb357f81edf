//! What `cargo bench` and `authbench micro` time, size and weigh: one list for both, so that a
//! figure of the one can be held against a figure of the other.
//!
//! [`subject`] says what can be timed and by which clocks ([`clock`]); [`bed`] is what subjects are
//! made on: keys, the time, a Redis. [`wire`] counts bytes, where nothing is timed. Then the lists
//! themselves.

pub mod bed;
pub mod clock;
pub mod drive;
pub mod mint;
pub mod strategies;
pub mod subject;
pub mod tokens;
pub mod wire;
