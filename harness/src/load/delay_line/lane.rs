//! One direction of one connection: read and stamped, queued, written when due.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::atomic::Ordering;

use mio::net::TcpStream;

use super::Way;
use crate::os::alarm::monotonic_ns;

/// Bytes read together, and not yet written.
#[derive(Debug)]
struct Chunk {
    due_ns: u64,
    bytes: Box<[u8]>,
    written: usize,
}

/// A queue between two sockets.
#[derive(Debug, Default)]
pub(super) struct Lane {
    chunks: VecDeque<Chunk>,
    held_bytes: usize,
    last_due_ns: u64,
    /// The source may have more to read. Readiness is announced once, so it must be remembered.
    pub(super) is_readable: bool,
    /// The sink takes more.
    pub(super) is_writable: bool,
    /// When the end of the stream is to be passed on.
    end_due_ns: Option<u64>,
    is_ended: bool,
}

impl Lane {
    /// Reads until the source has no more or `bound` bytes are held; `delay` gives each chunk its
    /// own.
    ///
    /// # Errors
    /// When the source fails.
    pub(super) fn fill(
        &mut self,
        source: &mut TcpStream,
        scratch: &mut [u8],
        bound: usize,
        delay: &mut dyn FnMut() -> u64,
    ) -> io::Result<()> {
        while self.is_readable && self.end_due_ns.is_none() && self.held_bytes < bound {
            let room = scratch.len().min(bound - self.held_bytes);
            match source.read(&mut scratch[..room]) {
                Ok(n) => {
                    // Jitter must not let a chunk overtake the one before it.
                    let due_ns = (monotonic_ns()? + delay()).max(self.last_due_ns);
                    self.last_due_ns = due_ns;
                    if n == 0 {
                        self.end_due_ns = Some(due_ns);
                        return Ok(());
                    }
                    self.held_bytes += n;
                    self.chunks.push_back(Chunk { due_ns, bytes: scratch[..n].into(), written: 0 });
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Writes what is due, and notes how late each chunk was.
    ///
    /// # Errors
    /// When the sink fails.
    pub(super) fn release(
        &mut self,
        sink: &mut TcpStream,
        way: &Way,
        late_ns: &mut Vec<u64>,
    ) -> io::Result<()> {
        while let Some(chunk) = self.chunks.front_mut() {
            if !self.is_writable || chunk.due_ns > monotonic_ns()? {
                return Ok(());
            }
            match sink.write(&chunk.bytes[chunk.written..]) {
                Ok(n) => {
                    chunk.written += n;
                    self.held_bytes -= n;
                    way.bytes.fetch_add(n as u64, Ordering::Relaxed);
                }
                Err(e) if is_not_yet(&e) => self.is_writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            if chunk.written == chunk.bytes.len() {
                late_ns.push(monotonic_ns()?.saturating_sub(chunk.due_ns));
                way.chunks.fetch_add(1, Ordering::Relaxed);
                self.chunks.pop_front();
            }
        }
        if let Some(due_ns) = self.end_due_ns
            && !self.is_ended
            && due_ns <= monotonic_ns()?
        {
            self.is_ended = true;
            // The other side may be gone already, and then it has its end.
            let _ = sink.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// When there is next something to do, as far as time is what it waits for.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        match self.chunks.front() {
            Some(chunk) => self.is_writable.then_some(chunk.due_ns),
            None => self.end_due_ns.filter(|_| !self.is_ended),
        }
    }

    /// Whether its end has been passed on.
    pub(super) const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Nothing held is due before `now_ns`: the time in which nothing was forwarded is no lateness.
    pub(super) fn postpone(&mut self, now_ns: u64) {
        for chunk in &mut self.chunks {
            chunk.due_ns = chunk.due_ns.max(now_ns);
        }
        self.end_due_ns = self.end_due_ns.map(|due_ns| due_ns.max(now_ns));
        self.last_due_ns = self.last_due_ns.max(now_ns);
    }
}

/// Whether a write has to wait: for room, or for the connection to be there at all.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
