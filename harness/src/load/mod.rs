//! The driver: seeded schedules, connections, stamps, a ledger that closes.
//!
//! A schedule is computed before the run ([`schedule`], [`shape`]), whole or one driver's part of
//! it ([`segment`]); [`driver`] executes it over plain connections ([`connection`]) and stamps
//! every request four times ([`outcome`]), [`h2`] over HTTP/2 on hyper's. [`knee`] looks for the
//! highest rate that is sustained. [`decoy`] loads Redis beside it, [`delay_line`] moves Redis
//! away. [`wallet`] holds the credentials. A [`mix`] says what is asked and how often, [`zipf`] of
//! whom; [`piles`] prepares it and a [`deck`] deals it.
//!
//! Deliberately absent: a connection pool that hides waiting, a queue without a bound, a histogram
//! on the hot path. The driver fills one preallocated row per request; everything else happens
//! after the drain.

mod chunks;
pub mod connection;
pub mod deck;
pub mod decoy;
pub mod delay_line;
pub mod driver;
pub mod exchange;
pub mod h2;
pub mod knee;
pub mod mix;
pub mod outcome;
pub mod pacer;
pub mod piles;
pub mod schedule;
pub mod segment;
pub mod shape;
mod target;
pub mod wallet;
pub mod zipf;
