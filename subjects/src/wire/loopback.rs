//! The bytes that Rust's `h2` really sends, counted on a socket, against those computed.
//!
//! The counting end is no HTTP/2 implementation: it reads frames off a TCP connection (RFC 9113
//! section 4.1), answers SETTINGS, and never a request.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use authbench::credential::Carrier;
use authbench::token::key::Algorithm;
use h2::client;
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::CARRIERS;
use super::hpack::{Policy, block_bytes};
use super::request::{self, Field};
use crate::bed::{Bed, Scheme};
use crate::mint::{Claims, Mint, session_id};

/// Requests sent on each connection.
pub const REQUESTS: usize = 3;

/// Loopback takes no second; a stuck connection must not hang a bench.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client sends first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frame types (RFC 9113 section 6).
pub(super) const HEADERS: u8 = 0x1;
pub(super) const SETTINGS: u8 = 0x4;
const CONTINUATION: u8 = 0x9;
/// Flags of SETTINGS; of HEADERS and CONTINUATION; of HEADERS.
const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
const PADDED_OR_PRIORITY: u8 = 0x8 | 0x20;

/// One credential, counted and computed.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What was sent.
    pub credential: String,
    /// How it travelled.
    pub carrier: Carrier,
    /// Its length, bytes.
    pub credential_bytes: u64,
    /// The header block of each request on the connection, bytes, as counted and as computed.
    pub blocks: Vec<u64>,
}

/// Sends a session id and the largest reported HS256 and RS256 tokens over real connections, in
/// both carriers, and holds the bytes against [`Policy::NeverIndexed`].
///
/// # Errors
/// When they differ by one byte; the text says where. When a connection fails.
pub fn check(bed: &Arc<Bed>) -> anyhow::Result<Vec<Checked>> {
    let largest = Claims::ALL[Claims::ALL.len() - 1];
    let mut credentials = vec![("session-id".to_owned(), session_id()?)];
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256] {
        let scheme = Scheme::of(algorithm);
        let token = Mint::new(bed, scheme)?.token(largest, 0)?;
        credentials.push((format!("{scheme}, {largest} of claims"), token));
    }
    let mut checked = Vec::new();
    for (name, credential) in &credentials {
        for carrier in CARRIERS {
            let fields = request::http2(carrier, credential);
            let blocks = bed.runtime.block_on(counted(&fields, REQUESTS))?;
            agree(Policy::NeverIndexed, &fields, &blocks)
                .with_context(|| format!("{name} as {}", carrier.name()))?;
            let (credential_bytes, credential) = (credential.len() as u64, name.clone());
            checked.push(Checked { credential, carrier, credential_bytes, blocks });
        }
    }
    Ok(checked)
}

/// Whether `policy` yields the `counted` bytes for that many requests with `fields`.
///
/// # Errors
/// When it does not; the text has both.
pub fn agree(policy: Policy, fields: &[Field], counted: &[u64]) -> anyhow::Result<()> {
    let computed = block_bytes(policy, fields, counted.len())?;
    ensure!(
        computed == counted,
        "h2 sent header blocks of {counted:?} bytes; computed as `{}` they have {computed:?}",
        policy.name()
    );
    Ok(())
}

/// Bytes of the header block of each of `times` equal requests that `h2` sends on one connection.
///
/// # Errors
/// When the connection fails, or `h2` sends what is not understood.
pub async fn counted(fields: &[Field], times: usize) -> anyhow::Result<Vec<u64>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port on loopback")?;
    let client = TcpStream::connect(listener.local_addr()?).await.context("no connection")?;
    let (server, _) = listener.accept().await.context("no connection")?;
    let request = request_of(fields)?;
    let session = async {
        tokio::select! {
            blocks = count(server, times) => blocks,
            failure = send(client, &request, times) => match failure {
                Ok(()) => bail!("h2 ended the connection before it was done"),
                Err(e) => Err(e),
            },
        }
    };
    tokio::time::timeout(PATIENCE, session).await.context("h2 sent too little")?
}

/// The request of `fields`, for `h2`.
pub(super) fn request_of(fields: &[Field]) -> anyhow::Result<Request<()>> {
    let pseudo = |name: &str| {
        let found = fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
        found.with_context(|| format!("a request without {name}"))
    };
    let uri = format!("{}://{}{}", pseudo(":scheme")?, pseudo(":authority")?, pseudo(":path")?);
    let mut builder = Request::builder().method(pseudo(":method")?).uri(uri);
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
        builder = builder.header(*name, value);
    }
    builder.body(()).context("a request that `http` refuses")
}

/// The client: sends `request` so many times, then waits for the connection to end.
async fn send(socket: TcpStream, request: &Request<()>, times: usize) -> anyhow::Result<()> {
    let (mut requests, connection) = client::handshake(socket).await.context("no handshake")?;
    let sending = async move {
        // Kept: `h2` resets a stream whose answer nobody waits for.
        let mut answers = Vec::new();
        for _ in 0..times {
            requests = requests.ready().await?;
            answers.push(requests.send_request(request.clone(), true)?);
        }
        std::future::pending::<Result<(), h2::Error>>().await
    };
    let ended = tokio::select! { ended = sending => ended, ended = connection => ended };
    ended.context("h2 failed")
}

/// The server: bytes of the first `wanted` header blocks, frame headers not included.
async fn count(mut socket: TcpStream, wanted: usize) -> anyhow::Result<Vec<u64>> {
    let mut preface = [0; PREFACE.len()];
    socket.read_exact(&mut preface).await?;
    ensure!(preface == *PREFACE, "a preface that is not HTTP/2's");
    socket.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let (mut blocks, mut open) = (Vec::new(), 0);
    while blocks.len() < wanted {
        let mut header = [0; 9];
        socket.read_exact(&mut header).await?;
        let [l2, l1, l0, kind, flags, ..] = header;
        let length = u32::from_be_bytes([0, l2, l1, l0]);
        let mut payload = vec![0; length as usize];
        socket.read_exact(&mut payload).await?;
        match kind {
            HEADERS | CONTINUATION => {
                let plain = kind == CONTINUATION || flags & PADDED_OR_PRIORITY == 0;
                ensure!(plain, "HEADERS with padding or priority: {flags:#x}");
                open += u64::from(length);
                if flags & END_HEADERS != 0 {
                    blocks.push(std::mem::take(&mut open));
                }
            }
            SETTINGS if flags & ACK == 0 => {
                socket.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
            }
            _ => {}
        }
    }
    Ok(blocks)
}

/// A frame (RFC 9113 section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
