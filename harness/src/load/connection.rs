//! One keep-alive HTTP/1.1 connection: writes a request, reads its answer, counts the bytes.
//!
//! Deliberately absent: pipelining, redirects, chunked bodies, anything that hides a wait. An
//! answer without `Content-Length` is a protocol error here.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Largest answer that is read; more is a protocol error.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// How far an answer has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// More bytes are needed.
    Pending,
    /// The answer is whole.
    Done(Answer),
    /// What came is not an HTTP answer this client reads.
    Malformed,
}

/// A whole answer in the connection's buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Where the body begins.
    pub body_start: usize,
    /// Bytes of head and body.
    pub bytes: usize,
    /// Whether the server will close the connection.
    pub close: bool,
}

/// A connection and the answer it is reading.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Answer>,
    written: usize,
}

impl Connection {
    /// Connects and registers with the poll, edge-triggered for reading and writing.
    ///
    /// # Errors
    /// When the target refuses, or does not answer within two seconds.
    pub fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        // Blocking, because it happens between slots: a slow connect must not look like latency.
        let limit = std::time::Duration::from_secs(2);
        let stream = std::net::TcpStream::connect_timeout(&address, limit)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, buffer: vec![0; 4096], filled: 0, head: None, written: 0 })
    }

    /// Starts a new exchange: forgets the last answer.
    pub fn begin(&mut self) {
        self.filled = 0;
        self.head = None;
        self.written = 0;
    }

    /// Writes what is left of `request`; true when all of it is out.
    ///
    /// # Errors
    /// When the connection failed.
    pub fn write(&mut self, request: &[u8]) -> io::Result<bool> {
        while self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Reads what is there.
    ///
    /// A read that did not fill the buffer emptied the socket: the next byte raises a new edge, so
    /// the extra call that would say "would block" is saved.
    ///
    /// # Errors
    /// When the connection failed or ended in the middle of an answer.
    pub fn read(&mut self) -> io::Result<Progress> {
        loop {
            if self.filled == self.buffer.len() {
                if self.filled >= ANSWER_MAX_BYTES {
                    return Ok(Progress::Malformed);
                }
                self.buffer.resize(self.filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.filled += n;
                    let progress = self.parse();
                    if progress != Progress::Pending || self.filled < self.buffer.len() {
                        return Ok(progress);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Pending),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn parse(&mut self) -> Progress {
        if self.head.is_none() {
            match parse_head(&self.buffer[..self.filled]) {
                Some(Ok(head)) => self.head = Some(head),
                Some(Err(())) => return Progress::Malformed,
                None => return Progress::Pending,
            }
        }
        match self.head {
            Some(answer) if self.filled == answer.bytes => Progress::Done(answer),
            Some(answer) if self.filled > answer.bytes => Progress::Malformed,
            _ => Progress::Pending,
        }
    }

    /// The bytes of a whole answer, head and body.
    #[must_use]
    pub fn answer_bytes(&self, answer: Answer) -> &[u8] {
        &self.buffer[..answer.bytes]
    }

    /// Takes the connection out of the poll.
    pub fn close(mut self, registry: &Registry) {
        // Closing the socket deregisters it anyway; an error here has no consequence.
        let _ = registry.deregister(&mut self.stream);
    }
}

/// `None` while the head is incomplete, `Some(Err)` when it is not one this client reads.
fn parse_head(bytes: &[u8]) -> Option<Result<Answer, ()>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let body_start = match response.parse(bytes) {
        Ok(httparse::Status::Complete(n)) => n,
        Ok(httparse::Status::Partial) => return None,
        Err(_) => return Some(Err(())),
    };
    let (mut length, mut close) = (None, false);
    for header in response.headers.iter() {
        let text = std::str::from_utf8(header.value).unwrap_or("").trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            length = text.parse::<usize>().ok();
        } else if header.name.eq_ignore_ascii_case("connection") {
            close = text.eq_ignore_ascii_case("close");
        }
    }
    let status = response.code.unwrap_or(0);
    let length = if status == 204 { Some(0) } else { length };
    let answer = length.filter(|n| *n <= ANSWER_MAX_BYTES).map(|n| Answer {
        status,
        body_start,
        bytes: body_start + n,
        close,
    });
    Some(answer.ok_or(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let answer = parse_head(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.body_start, answer.bytes), (200, 38, 43));
        for cut in 0..38 {
            assert_eq!(parse_head(&text[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let without_length = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(parse_head(without_length), Some(Err(())));
        assert_eq!(parse_head(b"SSH-2.0-OpenSSH_9.2\r\n"), Some(Err(())));
        let huge = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n";
        assert_eq!(parse_head(huge), Some(Err(())));
        let closing =
            b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert!(parse_head(closing).unwrap().unwrap().close);
    }
}
