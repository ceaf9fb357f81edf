//! The delay line: what goes in comes out, late by the delay, overlapping; and each of its faults is
//! told apart by a client.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use authbench_fixture::{PrivateRedis, find_server};
use authbench_harness::load::delay_line::{DelayLine, LineMode, LineSettings, self_check};
use authbench_harness::load::schedule::stream;
use rand::RngExt as _;

const PING: [u8; 6] = *b"PING\r\n";
const PINGS: usize = 64;

/// Sends back what it gets. Its threads wait for connections and nothing else; they end with the
/// test's process.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 16 << 10];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ping(stream: &mut TcpStream) -> std::io::Result<Duration> {
    let begin = Instant::now();
    stream.write_all(&PING)?;
    let mut answer = [0; PING.len()];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, PING);
    Ok(begin.elapsed())
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 20 s for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_byte_arrives_once_and_in_order() {
    let upstream = echo();
    for seed in 0..6 {
        let mut rng = stream(seed, "chunks", 0);
        let settings = LineSettings {
            jitter: Duration::from_micros(rng.random_range(0..3_000)),
            seed,
            bound_bytes: rng.random_range(1..20_000),
        };
        let line = DelayLine::start_with(upstream, settings).unwrap();
        line.set_round_trip(Duration::from_micros(rng.random_range(0..2_000)));
        let mut sent = vec![0_u8; 200_000];
        rng.fill(&mut sent[..]);
        let client = connect(line.address());
        let (mut reader, bytes) = (client.try_clone().unwrap(), sent.clone());
        let writer = thread::spawn(move || {
            let (mut client, mut rest) = (client, &bytes[..]);
            while !rest.is_empty() {
                let n = rng.random_range(1..9_000).min(rest.len());
                client.write_all(&rest[..n]).unwrap();
                rest = &rest[n..];
            }
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert!(got == sent, "seed {seed}: {} of {} bytes, {settings:?}", got.len(), sent.len());
        // The end was passed on too, and the line keeps nothing of a connection that is over.
        wait_for("the connection to be forgotten", || line.counters().open == 0);
        let counters = line.counters();
        let bytes = sent.len() as u64;
        assert_eq!((counters.upstream.bytes, counters.downstream.bytes), (bytes, bytes));
        assert_eq!(counters.accepted, 1);
        let chunks = counters.upstream.chunks + counters.downstream.chunks;
        assert_eq!(line.take_lateness().len(), chunks, "every chunk's lateness is known");
        assert!(line.take_lateness().is_empty(), "and given once");
    }
}

/// A forwarder that sleeps before it reads on, as proxies with a latency option do.
fn serialising_forwarder(upstream: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        let far = connect(upstream);
        let forward = move |mut from: TcpStream, mut to: TcpStream| {
            let mut one = PING;
            while from.read_exact(&mut one).is_ok() {
                thread::sleep(delay);
                to.write_all(&one).unwrap();
            }
        };
        let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || forward(near, far));
        forward(far_again, near_again);
    });
    address
}

/// From the first of 64 pings, each written by itself, to the last answer.
fn pipelined(address: SocketAddr) -> Duration {
    let mut client = connect(address);
    let begin = Instant::now();
    for _ in 0..PINGS {
        client.write_all(&PING).unwrap();
        // So that each is a chunk of its own.
        thread::sleep(Duration::from_micros(100));
    }
    let mut answers = [0; PINGS * PING.len()];
    client.read_exact(&mut answers).unwrap();
    begin.elapsed()
}

#[test]
fn pipelined_pings_overlap_and_a_serialising_forwarder_is_told_apart() {
    let one_way = Duration::from_millis(20);
    let line = DelayLine::start(echo()).unwrap();
    line.set_round_trip(2 * one_way);
    let total = pipelined(line.address());
    let chunks = line.counters().upstream.chunks;
    // One after the other they cannot take less than this.
    let serial = one_way * PINGS as u32;
    assert!(total >= 2 * one_way, "nothing is faster than the round trip: {total:?}");
    assert!(total < serial / 2, "{total:?} for {PINGS} pings, in {chunks} chunks");
    assert!(chunks > 8, "{chunks} chunks: they travelled together, which proves nothing");
    // The control: it fails what the line passes.
    let total = pipelined(serialising_forwarder(echo(), one_way));
    assert!(total >= serial, "{total:?}");
}

#[test]
fn a_new_round_trip_holds_for_the_next_chunk() {
    let line = DelayLine::start(echo()).unwrap();
    let mut client = connect(line.address());
    let long = Duration::from_millis(400);
    assert_eq!(line.round_trip(), Duration::ZERO);
    assert!(ping(&mut client).unwrap() < long);
    line.set_round_trip(long);
    assert!(ping(&mut client).unwrap() >= long);
    line.set_round_trip(Duration::from_nanos(1));
    assert_eq!(line.round_trip(), Duration::from_nanos(1));
    assert!(ping(&mut client).unwrap() < long);
}

/// How much of 24 MiB a line takes whose chunks are due long after.
fn taken(bound_bytes: usize) -> usize {
    let settings = LineSettings { bound_bytes, ..LineSettings::default() };
    let line = DelayLine::start_with(echo(), settings).unwrap();
    line.set_round_trip(Duration::from_secs(3_600));
    let mut client = connect(line.address());
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let (block, mut taken) = (vec![7; 64 << 10], 0);
    while taken < 24 << 20 {
        match client.write(&block) {
            Ok(n) => taken += n,
            Err(_) => break,
        }
    }
    taken
}

#[test]
fn a_full_line_makes_its_sender_wait() {
    let (small, large) = (taken(64 << 10), taken(64 << 20));
    assert!(large >= 24 << 20, "a bound that is not reached takes all: {large}");
    // What is above the bound lies in the system's socket buffers.
    assert!(small < 16 << 20, "{small} bytes past a bound of 64 KiB");
}

fn kind<T: std::fmt::Debug>(result: std::io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn each_fault_is_told_apart_and_passes() {
    let line = DelayLine::start(echo()).unwrap();
    let short = Some(Duration::from_millis(50));
    let mut open = connect(line.address());
    ping(&mut open).unwrap();

    line.set_mode(LineMode::Blackhole).unwrap();
    open.set_read_timeout(short).unwrap();
    let mut new = connect(line.address());
    new.set_read_timeout(short).unwrap();
    for stream in [&mut open, &mut new] {
        let kind = kind(ping(stream));
        assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind:?}");
    }
    line.set_mode(LineMode::Pass).unwrap();
    for stream in [&mut open, &mut new] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = [0; PING.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, PING, "what was held flows on");
        ping(stream).unwrap();
    }

    line.set_mode(LineMode::Reset).unwrap();
    assert_eq!(line.counters().open, 0);
    assert_eq!(kind(open.read(&mut [0])), ErrorKind::ConnectionReset);
    // Connecting succeeds; the reset follows.
    let mut new = connect(line.address());
    assert_eq!(kind(new.read(&mut [0])), ErrorKind::ConnectionReset);

    line.set_mode(LineMode::Refuse).unwrap();
    assert_eq!(kind(TcpStream::connect(line.address())), ErrorKind::ConnectionRefused);

    line.set_mode(LineMode::Pass).unwrap();
    ping(&mut connect(line.address())).unwrap();
    wait_for("the last connection to end", || line.counters().open == 0);
    assert_eq!(line.counters().accepted, 4);
}

#[test]
fn a_redis_client_tells_the_faults_apart() {
    if find_server().is_none() {
        eprintln!("no Redis is installed: not tested with its client");
        return;
    }
    let redis = PrivateRedis::start().unwrap();
    let line = DelayLine::start(redis.address()).unwrap();
    let client = redis::Client::open(format!("redis://{}", line.address())).unwrap();
    let open = || client.get_connection_with_timeout(Duration::from_secs(2)).unwrap();
    let call = |connection: &mut redis::Connection| {
        connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        redis::cmd("PING").query::<String>(connection)
    };
    let (mut first, mut second) = (open(), open());
    assert_eq!(call(&mut first).unwrap(), "PONG");
    line.set_mode(LineMode::Blackhole).unwrap();
    let timeout = call(&mut second).unwrap_err();
    assert!(timeout.is_timeout() && !timeout.is_connection_dropped(), "{timeout}");
    line.set_mode(LineMode::Reset).unwrap();
    let reset = call(&mut first).unwrap_err();
    assert!(reset.is_connection_dropped() && !reset.is_connection_refusal(), "{reset}");
    line.set_mode(LineMode::Refuse).unwrap();
    let refused = client.get_connection_with_timeout(Duration::from_secs(2)).err().unwrap();
    assert!(refused.is_connection_refusal() && !refused.is_timeout(), "{refused}");
    line.set_mode(LineMode::Pass).unwrap();
    assert_eq!(call(&mut open()).unwrap(), "PONG", "a client that connects anew is served");
}

#[test]
fn an_upstream_that_is_gone_ends_the_connection() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = DelayLine::start(gone).unwrap();
    let mut client = connect(line.address());
    assert_eq!(kind(client.read(&mut [0])), ErrorKind::ConnectionReset);
    assert_eq!(line.counters().open, 0);
}

/// Threads of this process with that name; `None` where they cannot be listed.
fn threads(name: &str) -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let names = tasks.flatten().filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
    Some(names.filter(|own| own.trim() == name).count())
}

#[test]
fn a_dropped_line_leaves_no_thread_no_port_and_no_connection() {
    let line = DelayLine::start(echo()).unwrap();
    let address = line.address();
    let name = format!("line-{}", address.port());
    let mut client = connect(address);
    ping(&mut client).unwrap();
    if let Some(running) = threads(&name) {
        assert_eq!(running, 1);
    }
    drop(line);
    if let Some(running) = threads(&name) {
        assert_eq!(running, 0);
    }
    assert_eq!(kind(TcpStream::connect(address)), ErrorKind::ConnectionRefused);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "the connection has ended");
}

#[test]
fn the_self_check_measures_what_it_names() {
    let found = self_check().unwrap();
    assert_eq!(found.pings, 64);
    assert!(found.total_ns >= 2_000_000, "nothing is faster than the round trip: {found:?}");
    assert!(found.lateness_p99_ns > 0, "{found:?}");
    eprintln!("{found:?}");
}
