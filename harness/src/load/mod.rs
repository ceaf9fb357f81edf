//! The driver: seeded schedules, connections, stamps, a ledger that closes.
//!
//! A schedule is computed before the run ([`schedule`], [`shape`]), whole or one driver's part of
//! it ([`segment`]); [`driver`] executes it over plain connections ([`connection`]) and stamps
//! every request four times ([`outcome`]). [`knee`] looks for the highest rate that is sustained.
//! [`decoy`] loads Redis beside it. [`wallet`] holds the credentials.
//!
//! Deliberately absent: a connection pool that hides waiting, a queue without a bound, a histogram
//! on the hot path. The driver fills one preallocated row per request; everything else happens
//! after the drain.

pub mod connection;
pub mod decoy;
pub mod driver;
pub mod exchange;
pub mod knee;
pub mod outcome;
pub mod pacer;
pub mod schedule;
pub mod segment;
pub mod shape;
mod target;
pub mod wallet;
