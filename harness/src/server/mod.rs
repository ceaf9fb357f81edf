//! The server under test: one strategy behind Axum, and a control listener beside it.

pub mod child;
pub mod config;
pub mod control;

mod app;
pub mod carrier;
mod counters;
mod host;
mod reply;
mod routes;
mod work;

pub use host::{Stop, serve};
