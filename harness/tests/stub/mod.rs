//! A server that answers anything with 200 and counts what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Answers until the test's process ends.
pub(crate) struct Stub {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Stub {
    /// Answers everything.
    pub(crate) fn start() -> Self {
        Self::silent_at(u64::MAX)
    }

    /// Leaves every `every`-th request without an answer. A thread per connection: only requests
    /// without a body, one at a time on each.
    pub(crate) fn silent_at(every: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || {
                    let (mut buffer, mut held) = ([0; 1024], Vec::new());
                    while let Ok(n @ 1..) = stream.read(&mut buffer) {
                        held.extend_from_slice(&buffer[..n]);
                        if held.ends_with(b"\r\n\r\n") {
                            held.clear();
                            if !(count.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(every) {
                                let _ = stream.write_all(ANSWER);
                            }
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests read so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}
