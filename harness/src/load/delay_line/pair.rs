//! A connection through the line: the accepted socket, the one to the upstream, a lane each way.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::Shared;
use super::lane::Lane;

/// Two sockets that belong together.
#[derive(Debug)]
pub(super) struct Pair {
    near: TcpStream,
    far: TcpStream,
    /// From near to far.
    up: Lane,
    /// From far to near.
    down: Lane,
}

/// Which of the two sockets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// The accepted one.
    Near,
    /// The one to the upstream.
    Far,
}

impl Pair {
    /// Connects the accepted socket `near` to `upstream`; both are registered, `near` under the
    /// first token.
    ///
    /// # Errors
    /// When a socket is refused.
    pub(super) fn open(
        mut near: TcpStream,
        upstream: SocketAddr,
        registry: &Registry,
        (near_token, far_token): (Token, Token),
    ) -> io::Result<Self> {
        let mut far = TcpStream::connect(upstream).inspect_err(|_| reset(&near))?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut near, near_token, both)?;
        registry.register(&mut far, far_token, both)?;
        Ok(Self { near, far, up: Lane::default(), down: Lane::default() })
    }

    /// Notes what a socket is ready for.
    ///
    /// # Errors
    /// When it has failed.
    pub(super) fn note(&mut self, side: Side, event: &Event) -> io::Result<()> {
        let (own, out, into) = match side {
            Side::Near => (&self.near, &mut self.up, &mut self.down),
            Side::Far => (&self.far, &mut self.down, &mut self.up),
        };
        out.is_readable |= event.is_readable() || event.is_read_closed();
        into.is_writable |= event.is_writable();
        if event.is_error()
            && let Some(error) = own.take_error()?
        {
            return Err(error);
        }
        Ok(())
    }

    /// Reads what there is, writes what is due; `delay` gives each chunk its own, by the side that
    /// it comes from.
    ///
    /// # Errors
    /// When either socket has failed.
    pub(super) fn pump(
        &mut self,
        shared: &Shared,
        (scratch, bound): (&mut [u8], usize),
        delay: &mut dyn FnMut(Side) -> u64,
        late_ns: &mut Vec<u64>,
    ) -> io::Result<()> {
        loop {
            self.up.fill(&mut self.near, scratch, bound, &mut || delay(Side::Near))?;
            self.down.fill(&mut self.far, scratch, bound, &mut || delay(Side::Far))?;
            let before = late_ns.len();
            self.up.release(&mut self.far, &shared.upstream, late_ns)?;
            self.down.release(&mut self.near, &shared.downstream, late_ns)?;
            // What was written made room to read on.
            if late_ns.len() == before {
                return Ok(());
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        [self.up.next_due_ns(), self.down.next_due_ns()].into_iter().flatten().min()
    }

    /// Whether both directions have ended.
    pub(super) const fn is_over(&self) -> bool {
        self.up.is_ended() && self.down.is_ended()
    }

    /// Nothing held is due before `now_ns`.
    pub(super) fn postpone(&mut self, now_ns: u64) {
        self.up.postpone(now_ns);
        self.down.postpone(now_ns);
    }

    /// Ends both connections with a reset instead of an orderly end.
    pub(super) fn reset(self) {
        reset(&self.near);
        reset(&self.far);
    }
}

/// Makes the coming close of `stream` a reset.
pub(super) fn reset(stream: &TcpStream) {
    // Fails on a socket that is gone already, which then needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
