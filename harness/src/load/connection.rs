//! One keep-alive HTTP/1.1 connection: writes a request, reads its answer, counts the bytes.
//!
//! Deliberately absent: pipelining, redirects, anything that hides a wait. An answer that has
//! neither `Content-Length` nor chunks is a protocol error here: it ends where the connection does.

use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::chunks::chunked_len;

/// Largest answer that is read; more is a protocol error.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// What a buffer holds before it has to grow.
const BUFFER_BYTES: usize = 4096;
/// Most header lines of an answer; more is a protocol error.
const HEADERS_MAX: usize = 32;

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
    /// Bytes of head and body, chunk sizes included.
    pub bytes: usize,
    /// Whether the server will close the connection.
    pub close: bool,
}

/// Stands for the bytes of an answer in chunks until its end is seen.
const UNCOUNTED: usize = usize::MAX;

/// A connection and the answer it is reading.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    answer: Option<Answer>,
    written: usize,
    memo: Memo,
    answers: u64,
    is_new: bool,
}

/// The last head that was parsed, and what it said: a server's heads differ in their date alone,
/// once a second, and comparing one costs a tenth of parsing it.
#[derive(Debug)]
struct Memo {
    head: Vec<u8>,
    said: Answer,
}

impl Memo {
    fn new() -> Self {
        let said = Answer { status: 0, body_start: 0, bytes: 0, close: false };
        Self { head: Vec::with_capacity(BUFFER_BYTES), said }
    }

    /// What the answer at the start of `bytes` says: [`parse_head`], or the memory of it where the
    /// head is the same to the byte.
    fn read(&mut self, bytes: &[u8]) -> Option<Result<Answer, ()>> {
        if !self.head.is_empty() && bytes.starts_with(&self.head) {
            return Some(Ok(self.said));
        }
        let parsed = parse_head(bytes);
        if let Some(Ok(said)) = parsed {
            self.head.clear();
            self.head.extend_from_slice(&bytes[..said.body_start]);
            self.said = said;
        }
        parsed
    }
}

impl Connection {
    /// Connects, waits for it, and registers with the poll.
    ///
    /// # Errors
    /// When the target refuses, or does not answer within two seconds.
    pub fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let limit = std::time::Duration::from_secs(2);
        let stream = std::net::TcpStream::connect_timeout(&address, limit)?;
        stream.set_nonblocking(true)?;
        Self::register(TcpStream::from_std(stream), false, registry, token)
    }

    /// Begins to connect, and registers with the poll. A refusal comes out of the first write.
    ///
    /// # Errors
    /// When the system has no socket or no port left, or knows at once that nobody listens.
    pub fn start(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        Self::register(TcpStream::connect(address)?, true, registry, token)
    }

    /// Edge-triggered for reading and writing: the second raises no wake-up of its own unless a
    /// write fell short.
    fn register(
        mut stream: TcpStream,
        is_new: bool,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
            answer: None,
            written: 0,
            memo: Memo::new(),
            answers: 0,
            is_new,
        })
    }

    /// Starts a new exchange: forgets the last answer.
    pub const fn begin(&mut self) {
        self.filled = 0;
        self.answer = None;
        self.written = 0;
    }

    /// Writes what is left of `request`; true when all of it is out.
    ///
    /// # Errors
    /// When the connection failed, or was refused.
    pub fn write(&mut self, request: &[u8]) -> io::Result<bool> {
        while self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n;
                    self.is_new = false;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // Not yet connected: Linux says "would block", others say this.
                Err(e) if e.kind() == io::ErrorKind::NotConnected && self.is_new => {
                    return self.stream.take_error()?.map_or(Ok(false), Err);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Bytes of the request that the socket has taken.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written
    }

    /// Bytes of the answer that have been read.
    #[must_use]
    pub const fn filled(&self) -> usize {
        self.filled
    }

    /// Whether it has brought a whole answer yet.
    #[must_use]
    pub const fn has_answered(&self) -> bool {
        self.answers > 0
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
        if self.answer.is_none() {
            match self.memo.read(&self.buffer[..self.filled]) {
                Some(Ok(answer)) => self.answer = Some(answer),
                Some(Err(())) => return Progress::Malformed,
                None => return Progress::Pending,
            }
        }
        if let Some(answer) = &mut self.answer
            && answer.bytes == UNCOUNTED
        {
            match chunked_len(&self.buffer[answer.body_start..self.filled], ANSWER_MAX_BYTES) {
                Some(Ok(length)) => answer.bytes = answer.body_start + length,
                Some(Err(())) => return Progress::Malformed,
                None => return Progress::Pending,
            }
        }
        match self.answer {
            Some(answer) if self.filled == answer.bytes => {
                self.answers += 1;
                Progress::Done(answer)
            }
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
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let body_start = match parsed {
        Ok(httparse::Status::Complete(n)) => n,
        Ok(httparse::Status::Partial) => return None,
        Err(_) => return Some(Err(())),
    };
    let (mut length, mut is_chunked) = (None, false);
    let mut close = response.version == Some(0);
    for header in response.headers.iter() {
        let text = std::str::from_utf8(header.value).unwrap_or("").trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            let said = text.parse::<usize>().ok();
            // Twice is fine, twice and different is an answer without an end.
            if said.is_none() || length.is_some_and(|before| Some(before) != said) {
                return Some(Err(()));
            }
            length = said;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if is_chunked || !text.eq_ignore_ascii_case("chunked") {
                return Some(Err(()));
            }
            is_chunked = true;
        } else if header.name.eq_ignore_ascii_case("connection") {
            close |= text.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"));
        }
    }
    let status = response.code.unwrap_or(0);
    let bytes = match (status, is_chunked, length) {
        (204 | 304, _, _) => body_start,
        (_, true, None) => UNCOUNTED,
        (_, false, Some(length)) if length <= ANSWER_MAX_BYTES => body_start + length,
        // Two lengths that may differ are how requests are smuggled.
        _ => return Some(Err(())),
    };
    Some(Ok(Answer { status, body_start, bytes, close }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        for text in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: two\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
        ] {
            assert_eq!(parse_head(text.as_bytes()), Some(Err(())), "{text}");
        }
    }

    #[test]
    fn an_answer_in_chunks_has_no_length_yet() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
        assert_eq!(parse_head(text).unwrap().unwrap().bytes, UNCOUNTED);
    }

    #[test]
    fn a_connection_that_will_close_says_so() {
        for (line, close) in [
            ("HTTP/1.1 401 Unauthorized\r\nConnection: close", true),
            ("HTTP/1.1 200 OK\r\nConnection: upgrade, Close", true),
            ("HTTP/1.0 200 OK", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive", false),
        ] {
            let text = format!("{line}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(parse_head(text.as_bytes()).unwrap().unwrap().close, close, "{line}");
        }
    }

    /// Heads that share long beginnings, so that a comparison which looks at too little is caught.
    fn head() -> impl Strategy<Value = Vec<u8>> {
        let status = prop::sample::select(vec!["200 OK", "204 No Content", "503 Gone", "2x0"]);
        let lines = prop::sample::select(vec![
            "",
            "date: Mon, 01 Jan 2026 00:00:00 GMT\r\n",
            "date: Mon, 01 Jan 2026 00:00:01 GMT\r\n",
            "connection: close\r\n",
            "transfer-encoding: chunked\r\n",
        ]);
        (status, lines, 0..3_usize, 0..80_usize, "[a-c]{0,3}").prop_map(
            |(status, lines, length, cut, body)| {
                let text =
                    format!("HTTP/1.1 {status}\r\n{lines}content-length: {length}\r\n\r\n{body}");
                let keep = text.len().saturating_sub(cut.saturating_sub(60));
                text.into_bytes()[..keep].to_vec()
            },
        )
    }

    proptest! {
        #[test]
        fn the_memory_of_a_head_says_what_parsing_it_says(
            heads in prop::collection::vec(head(), 1..20)
        ) {
            let mut memo = Memo::new();
            for head in heads {
                prop_assert_eq!(memo.read(&head), parse_head(&head));
            }
        }
    }
}
