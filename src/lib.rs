//! The contenders: what it means to remember who a client is.
//!
//! Deliberately absent: HTTP, argument parsing, a clock and randomness of its own. `now` is an
//! argument and entropy is injected, so a test or a bench decides both.
//!
//! In reading order: [`identity`] (who), [`credential`] (what is carried), [`error`] (turned away
//! or not judged), [`settings`], [`entropy`], [`clock`], [`strategy`] (the registry and the trait),
//! [`token`] (JWTs), [`store`] (where state lives), `conformance` (what every strategy must show;
//! a feature of that name).

pub mod identity;

pub mod credential;
pub mod error;

mod bounded;
pub mod clock;
pub mod entropy;
pub mod settings;

pub mod strategy;
pub mod token;

pub mod store;

#[cfg(feature = "conformance")]
pub mod conformance;
