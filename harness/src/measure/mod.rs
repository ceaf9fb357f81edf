//! From driver, servers and clocks to the figures of a record, and from a record to its figures.

pub mod histogram;
pub mod ranked;
pub mod stats;

pub mod block;
pub mod contestant;
pub mod drive;
pub mod in_flight;
pub mod interval_log;
pub mod lag;
pub mod loops;
pub mod merge;
pub mod micro;
pub mod revocation;
pub mod run;
pub mod slot;
pub mod store;
pub mod tools;

pub mod derive;
pub mod gates;

pub mod synthetic;
