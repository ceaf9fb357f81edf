//! One HTTP/2 connection with prior knowledge, and the bytes that pass through its socket.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes through the sockets of a driver: frames, header blocks and all.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    written: AtomicU64,
    read: AtomicU64,
}

impl Traffic {
    /// (written, read) so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.written.load(Relaxed), self.read.load(Relaxed))
    }
}

/// A socket that counts.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, into);
        self.traffic.read.fetch_add((into.filled().len() - before) as u64, Relaxed);
        polled
    }
}

impl Counted {
    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = polled {
            self.traffic.written.fetch_add(n as u64, Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, from);
        self.count(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, from);
        self.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection and how many streams are open on it.
#[derive(Debug)]
pub(super) struct H2Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) in_flight: usize,
    /// Tells a connection from the one that stood in its place before.
    pub(super) generation: u64,
}

impl H2Connection {
    /// Connects, with no Nagle delay. Must be called within the driver's runtime.
    ///
    /// # Errors
    /// When the target refuses, or does not answer within two seconds.
    pub(super) async fn open(
        address: SocketAddr,
        traffic: &Arc<Traffic>,
        generation: u64,
    ) -> io::Result<Self> {
        // Blocking, because it happens between slots: a slow connect must not look like latency.
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        let io = TokioIo::new(Counted { stream, traffic: Arc::clone(traffic) });
        let (sender, connection) =
            handshake(TokioExecutor::new(), io).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            // How it ended is told by every stream that was open on it.
            let _ = connection.await;
        });
        Ok(Self { sender, in_flight: 0, generation })
    }
}
