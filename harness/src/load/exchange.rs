//! A request and the answer it must get: built once, sent often.

use std::net::SocketAddr;

use super::outcome::Outcome;

/// What an answer is held against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expect {
    /// This status and exactly this body.
    Body(u16, Box<[u8]>),
    /// This status, whatever the body.
    Status(u16),
    /// Any well-formed answer: the caller judges it.
    Any,
}

impl Expect {
    /// Holds an answer against what was expected.
    #[must_use]
    pub fn judge(&self, status: u16, body: &[u8]) -> Outcome {
        let as_expected = match self {
            Self::Body(wanted, bytes) => status == *wanted && body == &**bytes,
            Self::Status(wanted) => status == *wanted,
            Self::Any => true,
        };
        match status {
            _ if as_expected => Outcome::Expected,
            200..=299 | 401 => Outcome::WrongOutcome,
            _ => Outcome::HttpError,
        }
    }
}

/// A request ready to be written, and the answer it must get.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request as it goes over the wire.
    pub request: Box<[u8]>,
    /// What must come back.
    pub expect: Expect,
}

impl Exchange {
    /// An HTTP/1.1 request. `headers` are whole lines, each ending in CRLF.
    #[must_use]
    pub fn new(
        method: &str,
        host: SocketAddr,
        path: &str,
        headers: &str,
        body: &str,
        expect: Expect,
    ) -> Self {
        let entity = if body.is_empty() && method == "GET" {
            String::new()
        } else if body.is_empty() {
            "Content-Length: 0\r\n".to_owned()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{entity}\r\n{body}");
        Self { request: request.into_bytes().into_boxed_slice(), expect }
    }
}

/// One scheduled request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Op {
    /// Intended start, nanoseconds from the schedule's begin.
    pub at_ns: u64,
    /// Index of the target it goes to.
    pub target: u32,
    /// Index of the exchange.
    pub exchange: u32,
}
