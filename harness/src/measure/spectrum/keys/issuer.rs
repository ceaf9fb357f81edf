//! The issuer: serves its key set over HTTP, and counts who fetched it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use tokio::sync::oneshot;

/// Where the key set is served (OpenID Connect Discovery calls it `jwks_uri`).
pub(super) const PATH: &str = "/.well-known/jwks.json";

/// An issuer on a thread of its own.
#[derive(Debug)]
pub(super) struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

#[derive(Debug)]
struct Shared {
    document: Mutex<String>,
    fetches: AtomicU64,
}

async fn serve(State(shared): State<Arc<Shared>>) -> ([(&'static str, &'static str); 1], String) {
    shared.fetches.fetch_add(1, Ordering::Relaxed);
    let document = shared.document.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ([("content-type", "application/jwk-set+json")], document)
}

impl Issuer {
    /// Starts one that serves `document`.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub(super) fn start(document: String) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { document: Mutex::new(document), fetches: AtomicU64::new(0) });
        let routes = Router::new().route(PATH, get(serve)).with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("issuer".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let server = axum::serve(listener, routes);
                // Dropping the sender stops it too.
                server.with_graceful_shutdown(async { drop(stopped.await) }).await
            })?;
            Ok(crate::os::cpu::thread_ns())
        })?;
        Ok(Self { address, shared, stop, thread })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves another document from now on.
    pub(super) fn publish(&self, document: String) {
        *self.shared.document.lock().unwrap_or_else(PoisonError::into_inner) = document;
    }

    /// Fetches so far.
    pub(super) fn fetches(&self) -> u64 {
        self.shared.fetches.load(Ordering::Relaxed)
    }

    /// Ends it and returns the CPU it took, nanoseconds.
    ///
    /// # Errors
    /// When its thread had failed.
    pub(super) fn stop(self) -> anyhow::Result<u64> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow!("the issuer's thread panicked"))?
    }
}
