//! Where stateful strategies keep what they remember.

pub mod redis;
