//! What it takes to take a credential back: memory on the nodes, writes.

pub mod memory;
pub mod writes;
