//! From driver, servers and clocks to the figures of a record.

pub mod derive;
pub mod gates;
pub mod histogram;
pub mod stats;
pub mod synthetic;
