//! Test 17: the driver's bytes are the target's, and those between server and Redis are Redis' own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;

use super::Scale;
use super::rig::{SECOND_NS, drive, schedule, server_config, settings};
use super::stub::{OK, Reply, Stub};
use super::verdict::Verdict;
use crate::load::driver::{Driver, Mode};
use crate::load::exchange::Op;
use crate::load::outcome::{Row, ledger};
use crate::load::schedule::Arrivals;
use crate::load::wallet::{Account, fill};
use crate::measure::contestant::redis_config;
use crate::measure::store::Store;
use crate::server::child::ServerChild;

const CONNECTIONS: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Test 17.
///
/// # Errors
/// When a stub, a server, Redis or the driver fails.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let ops = schedule(Arrivals::Poisson, 1_000, scale.pick(5, 1) * SECOND_NS, 17);
    to_the_stub(&mut verdict, &ops)?;
    match Store::open()? {
        Ok(mut store) => to_redis(&mut verdict, &mut store, &ops)?,
        Err(none) => verdict.not_run(format!("bytes of Redis: {}", none.reason)),
    }
    Ok(verdict)
}

fn sum(rows: &[Row], of: impl Fn(&Row) -> u32) -> u64 {
    rows.iter().map(|row| u64::from(of(row))).sum()
}

fn to_the_stub(verdict: &mut Verdict, ops: &[Op]) -> anyhow::Result<()> {
    let stub = Stub::start(|_| Reply::Now(OK))?;
    let rows = drive(stub.address(), CONNECTIONS, ops, Mode::Open, settings(TIMEOUT))?.rows;
    let log = stub.finish()?;
    let (sent, read) = (sum(&rows, |row| row.request_bytes), sum(&rows, |row| row.response_bytes));
    verdict.check("bytes sent to the stub", sent, log.bytes_in.to_string(), sent == log.bytes_in);
    verdict.check("bytes read from it", read, log.bytes_out.to_string(), read == log.bytes_out);
    let most = sum(rows.get(1..).unwrap_or_default(), |row| row.request_bytes);
    let what = "bytes sent to the stub, one request not counted";
    verdict.control(what, most, log.bytes_in.to_string(), most == log.bytes_in);
    Ok(())
}

/// A plain connection to Redis whose own bytes are known.
struct Asker(BufReader<TcpStream>);

/// Redis' account of its sockets, and the length of the answer that carried it.
struct NetBytes {
    input: u64,
    output: u64,
    answer: u64,
}

const ASK_STATS: &str = "*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n";

impl Asker {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(socket)))
    }

    /// A bulk string, and the bytes of the whole answer.
    fn bulk(&mut self, command: &str) -> anyhow::Result<(String, u64)> {
        self.0.get_mut().write_all(command.as_bytes())?;
        let mut head = String::new();
        self.0.read_line(&mut head)?;
        let length = head.strip_prefix('$').with_context(|| format!("Redis said {head:?}"))?;
        let mut body = vec![0; length.trim().parse::<usize>()? + 2];
        self.0.read_exact(&mut body)?;
        let bytes = (head.len() + body.len()) as u64;
        Ok((String::from_utf8_lossy(&body).into_owned(), bytes))
    }

    fn net_bytes(&mut self) -> anyhow::Result<NetBytes> {
        let (info, answer) = self.bulk(ASK_STATS)?;
        let figure = |name: &str| -> anyhow::Result<u64> {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(line.with_context(|| format!("INFO names no {name}"))?.trim().parse()?)
        };
        let input = figure("total_net_input_bytes")?;
        Ok(NetBytes { input, output: figure("total_net_output_bytes")?, answer })
    }

    /// The one session's key.
    fn only_session(&mut self) -> anyhow::Result<String> {
        let script = "return redis.call('KEYS', 'session:*')[1]";
        let eval = format!("*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n", script.len());
        Ok(self.bulk(&eval)?.0.trim_end().to_owned())
    }
}

/// One session, asked for by every request: each costs Redis one GET and its answer, to the byte.
fn to_redis(verdict: &mut Verdict, store: &mut Store, ops: &[Op]) -> anyhow::Result<()> {
    let address = store.plain_address().filter(|_| store.is_private());
    let Some(address) = address else {
        verdict.not_run("bytes of Redis: the one in use is not the instrument's own");
        return Ok(());
    };
    let config = server_config(StrategyKind::SessionRedis, 0, Some(redis_config(store.url())));
    let server = ServerChild::spawn(&config)?;
    let mut driver = Driver::new(settings(TIMEOUT))?;
    let target = driver.add_target(server.data(), CONNECTIONS)?;
    let account = Account { target, address: server.data(), carrier: Carrier::Bearer };
    let wallet = fill(&mut driver, account, &[SubjectId(17)])?;
    let mut redis = Asker::connect(address)?;
    let key = redis.only_session()?;
    let get = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
    let (_, value_bytes) = redis.bulk(&get)?;

    let (counted, commands) = (server.counters()?.requests, store.counters()?.commands);
    let before = redis.net_bytes()?;
    let rows = driver.execute(ops, &wallet.exchanges, Mode::Open, false)?.rows;
    let after = redis.net_bytes()?;
    let commands = store.counters()?.commands - commands;
    let counted = server.counters()?.requests - counted;
    let found = ledger(&rows);
    ensure!(found.expected == found.scheduled, "not every request was answered: {found:?}");

    let n = rows.len() as u64;
    verdict.check("requests, by the server's count", counted, n.to_string(), counted == n);
    verdict.check("commands, by Redis' count", commands, n.to_string(), commands == n);
    // The second question has been read and not yet answered when it is answered from; the
    // commands of `Store` go out before the first and after the second.
    let input = after.input - before.input - ASK_STATS.len() as u64;
    let wanted = n * get.len() as u64;
    let limit = format!("{wanted}: {n} GETs of {} bytes", get.len());
    verdict.check("bytes read by Redis", input, limit.clone(), input == wanted);
    let output = after.output - before.output - before.answer;
    let wanted_output = n * value_bytes;
    let said = format!("{wanted_output}: {n} answers of {value_bytes} bytes");
    verdict.check("bytes written by Redis", output, said, output == wanted_output);
    let long = n * (get.len() as u64 + 1);
    verdict.control("the same of a key one byte longer", long, limit, long == input);
    Ok(())
}
