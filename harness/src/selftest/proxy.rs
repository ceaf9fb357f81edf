//! Test 19: the delay line delays each chunk by itself, and its faults are told apart.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Scale;
use super::stub::{OK, Reply, Stub};
use super::verdict::{Verdict, ms, us};
use crate::load::delay_line::{DelayLine, LineMode, self_check};

const ROUND_TRIP: Duration = Duration::from_millis(2);
/// 64 pings over a round trip of 2 ms, all at once.
const TOTAL_NS: u64 = 10_000_000;
const PINGS: u32 = 64;
/// An answer that has not come by then never will.
const SILENCE: Duration = Duration::from_millis(300);

/// Test 19.
///
/// # Errors
/// When a socket fails where none should.
pub(super) fn run(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let found = self_check()?;
    let limit = || format!("below {}", ms(TOTAL_NS));
    let what = format!("{} pings at once, 1 ms each way", found.pings);
    verdict.check(what, ms(found.total_ns), limit(), found.total_ns < TOTAL_NS);
    let allowed = 200_000 + 2 * found.lateness_p99_ns;
    let said = format!("at most 200 us beyond its own lateness, {}", us(allowed));
    let error = found.error_p99_ns;
    verdict.check("error of the delay, p99", us(error), said, error <= allowed);
    let zero = us(found.zero_overhead_ns_per_chunk);
    verdict.check("added to a chunk without delay", zero, "stated", true);
    if found.lateness_p99_ns > super::rig::DISTURBED_NS {
        verdict.disturbed("the delay line's lateness p99", found.lateness_p99_ns);
    }

    let stub = Stub::start(|_| Reply::Now(OK))?;
    let line = DelayLine::start(stub.address())?;
    line.set_round_trip(ROUND_TRIP);
    let mut stream = connect(line.address())?;
    let begin = Instant::now();
    for _ in 0..PINGS {
        ask(&mut stream)?;
    }
    let total = u64::try_from(begin.elapsed().as_nanos())?;
    let what = format!("{PINGS} pings one after the other, as a serialising proxy sends them");
    verdict.control(what, ms(total), limit(), total < TOTAL_NS);

    let mut classes = Vec::new();
    for (mode, name, wanted) in [
        (LineMode::Pass, "passing", "answered"),
        (LineMode::Reset, "resetting", "reset"),
        (LineMode::Refuse, "refusing", "refused"),
        (LineMode::Blackhole, "swallowing", "silence"),
    ] {
        let line = DelayLine::start(stub.address())?;
        line.set_mode(mode)?;
        let class = class_of(line.address());
        verdict.check(format!("a {name} line"), class, wanted, class == wanted);
        classes.push(class);
    }
    classes.sort_unstable();
    classes.dedup();
    verdict.check("classes told apart", classes.len(), "4", classes.len() == 4);
    Ok(verdict)
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: stub\r\n\r\n")?;
    let mut answer = [0; OK.len()];
    stream.read_exact(&mut answer)
}

/// What a client sees of the line at `address`.
fn class_of(address: SocketAddr) -> &'static str {
    let seen = connect(address).and_then(|mut stream| ask(&mut stream));
    match seen.map_err(|error| error.kind()) {
        Ok(()) => "answered",
        Err(ErrorKind::ConnectionRefused) => "refused",
        Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => "reset",
        Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => "silence",
        Err(_) => "another error",
    }
}
