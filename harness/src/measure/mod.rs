//! From driver, servers and clocks to the figures of a record.

pub mod histogram;
pub mod synthetic;
