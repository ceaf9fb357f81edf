//! Ctrl-C and SIGTERM as a flag that is looked at between slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once somebody wants the program to end. The second signal ends it at once; what it started
/// goes with it, because everything it started waits on a pipe from it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The exit status of a program ended by Ctrl-C, as shells report it.
const EXIT_INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Listens for the signals on a thread of its own.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be started.
    pub fn listen() -> std::io::Result<Self> {
        let flag = Self::default();
        let seen = flag.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("interrupt".into()).spawn(move || {
            runtime.block_on(async {
                loop {
                    if wait_for_signal().await.is_err() {
                        return;
                    }
                    if seen.0.swap(true, Ordering::Relaxed) {
                        std::process::exit(EXIT_INTERRUPTED);
                    }
                    eprintln!("\ninterrupted: finishing the slot and writing what there is");
                }
            });
        })?;
        Ok(flag)
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
