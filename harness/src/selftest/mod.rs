//! The instrument tests itself.

pub mod sabotage;
