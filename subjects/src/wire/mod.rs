//! What a credential weighs on the wire: in HTTP/1.1, in HTTP/2 by who encodes it, and where it
//! crosses the limits of what is on its way. Counted, not timed.
//!
//! [`rows`] sizes, [`limits()`] asks how much can be claimed; [`loopback::check`] holds the
//! computation against the bytes on a real connection. The response is left out: it carries a
//! credential once per login.

pub mod hpack;
pub mod limits;
pub mod loopback;
pub mod request;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use authbench::credential::Carrier;

use crate::bed::{Bed, Scheme};
use crate::mint::{Claims, Mint, payload, session_id};
pub use crate::tokens::SCHEMES;
use hpack::{Policy, block_bytes};
pub use limits::{Limit, limits};

/// How a credential travels.
pub const CARRIERS: [Carrier; 2] = [Carrier::Bearer, Carrier::Cookie];

/// Credentials of a kind that are made for one row. Huffman's code has a length for each
/// character, so two tokens of one length differ by some bytes in HTTP/2; a row has the median.
pub const SAMPLES: usize = 31;

/// Bytes of one credential on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// `session-id`, `jwt`.
    pub credential: &'static str,
    /// The signature algorithm, with the key length where that is not the usual one.
    pub algorithm: Option<String>,
    /// `minimal`, `typical`, `1k`, `4k`; `None` for a credential without claims.
    pub claims: Option<String>,
    /// JSON of the claims, bytes.
    pub claims_bytes: Option<u64>,
    /// `bearer` or `cookie`.
    pub carrier: &'static str,
    /// The credential itself, bytes.
    pub credential_bytes: u64,
    /// The HTTP/1.1 header line that carries it, CRLF included, bytes.
    pub header_line_bytes: u64,
    /// The whole HTTP/1.1 request, bytes.
    pub request_bytes: u64,
    /// The HTTP/2 header block of the same request, by encoder policy.
    pub header_blocks: Vec<Block>,
}

/// An HPACK header block (RFC 7541) under one encoder's policy, bytes: the median of [`SAMPLES`]
/// credentials. Frame headers (9 bytes each) are not in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// `never-indexed`, `nghttp2`, `index-all`.
    pub policy: &'static str,
    /// Of the first request on a connection.
    pub first_bytes: u64,
    /// Of every later one.
    pub later_bytes: u64,
}

/// What every credential weighs: a session id, then tokens by scheme, claims and carrier.
///
/// # Errors
/// When a credential cannot be made.
pub fn rows(bed: &Arc<Bed>) -> anyhow::Result<Vec<Row>> {
    let mut rows = session_rows()?;
    for scheme in SCHEMES {
        rows.extend(token_rows(bed, scheme)?);
    }
    Ok(rows)
}

/// What a session id weighs, by carrier.
///
/// # Errors
/// When the generator fails.
pub fn session_rows() -> anyhow::Result<Vec<Row>> {
    let ids = (0..SAMPLES).map(|_| session_id()).collect::<anyhow::Result<Vec<_>>>()?;
    CARRIERS.into_iter().map(|carrier| row(None, carrier, &ids)).collect()
}

/// What tokens of `scheme` weigh, by claims and carrier.
///
/// # Errors
/// When a token cannot be signed.
pub fn token_rows(bed: &Arc<Bed>, scheme: Scheme) -> anyhow::Result<Vec<Row>> {
    let mint = Mint::new(bed, scheme)?;
    let mut rows = Vec::new();
    for claims in Claims::ALL {
        let tokens = (0..SAMPLES as u64)
            .map(|number| mint.token(claims, number))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for carrier in CARRIERS {
            rows.push(row(Some((scheme, claims)), carrier, &tokens)?);
        }
    }
    Ok(rows)
}

/// The row of `credentials`, which are of one kind and length.
fn row(
    kind: Option<(Scheme, Claims)>,
    carrier: Carrier,
    credentials: &[String],
) -> anyhow::Result<Row> {
    let one = credentials.first().context("no credential to size")?;
    let equally_long = credentials.iter().all(|other| other.len() == one.len());
    anyhow::ensure!(equally_long, "credentials of one kind differ in length");
    let claims_bytes = match kind {
        Some(_) => Some(payload(one)?.len() as u64),
        None => None,
    };
    Ok(Row {
        credential: if kind.is_some() { "jwt" } else { "session-id" },
        algorithm: kind.map(|(scheme, _)| scheme.to_string()),
        claims: kind.map(|(_, claims)| claims.to_string()),
        claims_bytes,
        carrier: carrier.name(),
        credential_bytes: one.len() as u64,
        header_line_bytes: request::header_line(carrier, one).len() as u64,
        request_bytes: request::http1(carrier, one).len() as u64,
        header_blocks: Policy::ALL
            .into_iter()
            .map(|policy| block(policy, carrier, credentials))
            .collect::<anyhow::Result<_>>()?,
    })
}

fn block(policy: Policy, carrier: Carrier, credentials: &[String]) -> anyhow::Result<Block> {
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for credential in credentials {
        let fields = request::http2(carrier, credential);
        let blocks = block_bytes(policy, &fields, 2)?;
        first.push(blocks[0]);
        later.push(blocks[1]);
    }
    Ok(Block { policy: policy.name(), first_bytes: median(first), later_bytes: median(later) })
}

/// The middle one, or the lower of two.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}
