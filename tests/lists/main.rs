//! Deny-lists as each node knows them: feeds that break, copies that age, filters that err.

mod barrier;
mod feed;
mod filter;
mod keys;
mod polled;
mod support;
