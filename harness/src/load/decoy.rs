//! A side client that loads Redis while a token strategy is measured.
//!
//! A token arm leaves Redis asleep, which gives the driver and the server more of the machine than
//! a session arm gets. The decoy sends one GET per request, at the request's own time, so that the
//! two arms differ in who looks a record up and not in whether one is looked up.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// The key it reads; written once at the start.
const KEY: &str = "authbench:decoy";
/// Most bytes of answers read at once.
const SINK_BYTES: usize = 16 * 1024;

/// A pipelined connection to Redis that asks for one value of a session record's size.
#[derive(Debug)]
pub struct Decoy {
    stream: TcpStream,
    command: Vec<u8>,
    answer_bytes: u64,
    unwritten: Vec<u8>,
    /// Where answers go to be counted.
    sink: Box<[u8]>,
    owed_bytes: u64,
    sent: u64,
}

impl Decoy {
    /// Connects, writes the value, registers with the poll.
    ///
    /// # Errors
    /// When Redis refuses or answers something else than `OK`.
    pub fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        // About what a session record of the typical claims weighs.
        let value = "x".repeat(230);
        let set = format!(
            "*3\r\n$3\r\nSET\r\n${}\r\n{KEY}\r\n${}\r\n{value}\r\n",
            KEY.len(),
            value.len()
        );
        stream.write_all(set.as_bytes())?;
        let mut ok = [0; 5];
        stream.read_exact(&mut ok)?;
        if &ok != b"+OK\r\n" {
            return Err(io::Error::other("Redis refused the decoy's value"));
        }
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            command: format!("*2\r\n$3\r\nGET\r\n${}\r\n{KEY}\r\n", KEY.len()).into_bytes(),
            answer_bytes: format!("${}\r\n{value}\r\n", value.len()).len() as u64,
            unwritten: Vec::new(),
            sink: vec![0; SINK_BYTES].into_boxed_slice(),
            owed_bytes: 0,
            sent: 0,
        })
    }

    /// Sends one GET.
    ///
    /// # Errors
    /// When the connection failed.
    pub fn send(&mut self) -> io::Result<()> {
        self.unwritten.extend_from_slice(&self.command);
        self.owed_bytes += self.answer_bytes;
        self.sent += 1;
        self.flush()
    }

    /// Writes what the socket did not take before.
    ///
    /// # Errors
    /// When the connection failed.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.stream.write(&self.unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.unwritten.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads and counts what has come; the value's content does not matter, its length does.
    ///
    /// # Errors
    /// When the connection failed, or more came than was asked for.
    pub fn read(&mut self) -> io::Result<()> {
        loop {
            match self.stream.read(&mut self.sink) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.owed_bytes = self
                        .owed_bytes
                        .checked_sub(n as u64)
                        .ok_or_else(|| io::Error::other("the decoy read more than it asked for"))?;
                    if n < self.sink.len() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether every answer has come.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.owed_bytes == 0
    }

    /// Commands sent so far.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }
}
