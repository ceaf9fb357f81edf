//! What only the operating system can tell; everything Linux-only is here, with its fallback.

pub mod affinity;
pub mod alarm;
pub mod async_timer;
pub mod hiccup;
pub mod host;
pub mod interrupt;
pub mod machine;
pub mod processes;
pub mod provenance;
pub mod syscalls;
pub mod timer;

/// CPU clocks; the benches read them too.
pub use authbench_subjects::clock as cpu;
