//! The instrument. Its folders are the stages of a measurement, in this order:
//! [`plan`] -> [`server`] <- [`load`] -> [`measure`] -> [`record`] -> [`report`].
//!
//! [`os`] holds all that is Linux-only; [`cli`] and [`cmd`] are the way in.

pub mod cli;
pub mod cmd;
pub mod decide;
pub mod inspect;

pub mod plan;

pub mod server;

pub mod load;

pub mod measure;

pub mod record;

pub mod report;

pub mod os;

pub mod selftest;
