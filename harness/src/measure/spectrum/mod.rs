//! What the spectrum between sessions and tokens is measured by, beyond load: faults.

pub mod faults;
