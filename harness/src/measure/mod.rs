//! From driver, servers and clocks to the figures of a record, and from a record to its figures.

pub mod comparison;
pub mod histogram;
pub mod ranked;
pub mod spectrum;
pub mod stationarity;
pub mod stats;

pub mod block;
pub mod contestant;
pub mod counting;
pub mod distance;
pub mod drive;
pub mod foreign;
pub mod interval_log;
pub mod loops;
pub mod merge;
pub mod micro;
pub mod once;
pub mod opening;
pub mod purse;
pub mod regime;
pub mod revocation;
pub mod run;
pub mod sabotage;
pub mod slot;
pub mod store;
pub mod stores;
pub mod tools;
pub mod window;

pub mod calibration;
pub mod compare;
pub mod derive;
pub mod gates;

pub mod synthetic;
