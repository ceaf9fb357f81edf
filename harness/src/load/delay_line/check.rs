//! Whether the line does here what it says: figures for the selftest, with what they must be.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::DelayLine;
use crate::load::outcome::nearest_rank;

/// Commands sent at once.
const PINGS: usize = 64;
/// Round trip of the check: 1 ms each way.
const ROUND_TRIP: Duration = Duration::from_millis(2);
/// Pings one after the other, for the error of the delay.
const SPACED: usize = 500;
/// All pings together must take less; one after the other they take 64 round trips.
const TOTAL_LIMIT_NS: u64 = 10_000_000;
/// The 99th percentile of the error of the delay, beyond the line's own lateness, may be this.
const ERROR_LIMIT_NS: u64 = 200_000;
/// Bytes of a ping, and of its answer.
const PING: [u8; 6] = *b"PING\r\n";
/// An answer that takes longer has failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What the check found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SelfCheck {
    /// Pings sent at once, 1 ms each way.
    pub pings: u64,
    /// From the first byte written to the last answer read, nanoseconds.
    pub total_ns: u64,
    /// 99th percentile of the lateness of a chunk by the line's own account, nanoseconds.
    pub lateness_p99_ns: u64,
    /// 99th percentile of how far a single ping's time is from 2 ms plus the median of a direct
    /// one, nanoseconds, seen from outside.
    pub error_p99_ns: u64,
    /// What the line adds to each chunk without delay: half of the difference of the medians of a
    /// ping through it and a direct one, nanoseconds.
    pub zero_overhead_ns_per_chunk: u64,
    /// Whether the pings overlapped, and the error beyond the lateness of both ways is at most
    /// 200 µs.
    pub pass: bool,
}

/// Measures a line to an echo in this process. Takes about two seconds.
///
/// # Errors
/// When a socket fails or an answer does not come.
pub fn self_check() -> io::Result<SelfCheck> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || echo(&listener));
    let found = measure(address);
    // Ends the echo: it serves three connections, and this takes the place of those not opened.
    while !echo.is_finished() {
        let _ = TcpStream::connect(address);
        std::thread::sleep(Duration::from_millis(1));
    }
    found
}

/// Answers what it is sent, on three connections one after the other.
fn echo(listener: &TcpListener) {
    let mut buffer = [0; 4096];
    for mut stream in listener.incoming().flatten().take(3) {
        let _ = stream.set_nodelay(true);
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
    }
}

fn measure(address: SocketAddr) -> io::Result<SelfCheck> {
    let mut direct = spaced(&connect(address)?)?;
    let direct_ns = nearest_rank(&mut direct, 500);

    let line = DelayLine::start(address)?;
    let mut zero = spaced(&connect(line.address())?)?;
    let zero_ns = nearest_rank(&mut zero, 500);

    line.set_round_trip(ROUND_TRIP);
    let stream = connect(line.address())?;
    let total_ns = together(&stream)?;
    let _ = line.take_lateness();
    let expected_ns = u64::try_from(ROUND_TRIP.as_nanos()).unwrap_or(u64::MAX) + direct_ns;
    let mut errors: Vec<u64> =
        spaced(&stream)?.into_iter().map(|ns| ns.abs_diff(expected_ns)).collect();
    let lateness_p99_ns = line.take_lateness().percentile(990).unwrap_or(0);
    let error_p99_ns = nearest_rank(&mut errors, 990);
    Ok(SelfCheck {
        pings: PINGS as u64,
        total_ns,
        lateness_p99_ns,
        error_p99_ns,
        zero_overhead_ns_per_chunk: zero_ns.saturating_sub(direct_ns) / 2,
        pass: total_ns < TOTAL_LIMIT_NS
            && error_p99_ns <= ERROR_LIMIT_NS.saturating_add(2 * lateness_p99_ns),
    })
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

/// Every ping is written before the first answer is read.
fn together(mut stream: &TcpStream) -> io::Result<u64> {
    let begin = Instant::now();
    for _ in 0..PINGS {
        stream.write_all(&PING)?;
    }
    let mut answers = [0; PINGS * PING.len()];
    stream.read_exact(&mut answers)?;
    Ok(nanoseconds(begin))
}

/// One ping after the other: nanoseconds of each.
fn spaced(mut stream: &TcpStream) -> io::Result<Vec<u64>> {
    let mut answer = PING;
    (0..SPACED)
        .map(|_| {
            let begin = Instant::now();
            stream.write_all(&PING)?;
            stream.read_exact(&mut answer)?;
            Ok(nanoseconds(begin))
        })
        .collect()
}

fn nanoseconds(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
