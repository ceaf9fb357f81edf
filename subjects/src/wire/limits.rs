//! Where a token outgrows what is on its way: how many bytes of claims each limit leaves room for.

use std::sync::Arc;

use anyhow::Context as _;
use authbench::credential::Carrier;

use super::hpack::{ENTRY_BYTES_MAX, ENTRY_OVERHEAD_BYTES, TABLE_BYTES};
use super::request::{self, AUTHORITY, COOKIE_NAME, PATH};
use super::{CARRIERS, SCHEMES};
use crate::bed::{Bed, Scheme};
use crate::mint::{Claims, Mint};

/// Where tokens of one algorithm cross one limit in one carrier. Exact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// The limit: `cookie`, `hpack-three-quarters`, ...
    pub limit: &'static str,
    /// What it says and who has it, in words.
    pub about: &'static str,
    /// The most that is let through, bytes.
    pub limit_bytes: u64,
    /// The signature algorithm, with the key length where that is not the usual one.
    pub algorithm: String,
    /// `bearer` or `cookie`.
    pub carrier: &'static str,
    /// The fewest bytes of claims JSON with which the limit is exceeded; `None` where the limit
    /// does not apply to this carrier.
    pub claims_bytes: Option<u64>,
}

/// What of a token does not depend on its claims.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    header_chars: usize,
    signature_chars: usize,
}

impl Shape {
    /// The shape of `token` and of every other token under the same key: the header names the key,
    /// and the signature of an algorithm has one length (RFC 7518 section 3).
    ///
    /// # Errors
    /// When it has not three segments.
    pub fn of(token: &str) -> anyhow::Result<Self> {
        let (header, rest) = token.split_once('.').context("a token without dots")?;
        let (_, signature) = rest.split_once('.').context("a token with one dot")?;
        Ok(Self { header_chars: header.len(), signature_chars: signature.len() })
    }

    /// Bytes of a token with `claims_bytes` of claims JSON (RFC 7515 section 7.1).
    #[must_use]
    pub const fn token_bytes(self, claims_bytes: usize) -> usize {
        // base64url without padding: four characters for three bytes, rounded up.
        self.header_chars + 1 + (claims_bytes * 4).div_ceil(3) + 1 + self.signature_chars
    }
}

/// A limit: what it lets through, and what it counts of a request with a token of so many bytes.
struct Bound {
    name: &'static str,
    about: &'static str,
    most: usize,
    counts: fn(Carrier, usize) -> Option<usize>,
}

const BOUNDS: [Bound; 8] = [
    Bound {
        name: "tcp-segment",
        about: "One TCP segment on Ethernet: an MTU of 1,500 bytes less 52 of IPv4 and TCP headers \
                with timestamps (RFC 9293, RFC 7323). Counts the whole HTTP/1.1 request.",
        most: 1_448,
        counts: |carrier, token| Some(request_bytes(carrier, token)),
    },
    Bound {
        name: "hpack-three-quarters",
        about: "Three quarters of the HPACK table: nghttp2 (curl, Node) no longer indexes the \
                cookie, and every request carries it whole. Counts name, value and 32. It never \
                indexes `authorization`.",
        most: ENTRY_BYTES_MAX,
        counts: |carrier, token| match carrier {
            Carrier::Bearer => None,
            Carrier::Cookie => Some(entry_bytes(carrier, token)),
        },
    },
    Bound {
        name: "cookie",
        about: "A cookie's name and value: browsers ignore a longer one (RFC 6265bis section 5.6).",
        most: 4_096,
        counts: |carrier, token| match carrier {
            Carrier::Bearer => None,
            Carrier::Cookie => Some(COOKIE_NAME.len() + token),
        },
    },
    Bound {
        name: "hpack-table",
        about: "The whole HPACK table (RFC 9113 section 6.5.2): a larger entry is not kept, and \
                Chromium, which indexes all, empties the table by trying (RFC 7541 section 4.4). \
                Counts name, value and 32.",
        most: TABLE_BYTES,
        counts: |carrier, token| Some(entry_bytes(carrier, token)),
    },
    Bound {
        // As nginx 1.22 answers: 200 to a line of 8,192 bytes, 400 to one of 8,193.
        name: "nginx-header-line",
        about: "nginx, `large_client_header_buffers 4 8k`: a header line of HTTP/1.1 must fit into \
                one buffer, CRLF included.",
        most: 8 * 1_024,
        counts: |carrier, token| Some(line_bytes(carrier, token)),
    },
    Bound {
        name: "initial-window",
        about: "TCP's initial window of ten segments (RFC 6928): the rest of the request waits for \
                a round trip on a fresh connection. Counts the whole HTTP/1.1 request.",
        most: 14_480,
        counts: |carrier, token| Some(request_bytes(carrier, token)),
    },
    Bound {
        // As Node 20 answers: 200 at 16,383, 431 at 16,384.
        name: "node-headers",
        about: "Node, `--max-http-header-size` of 16 KiB: refuses what reaches it. Counts the URL \
                and the names and values of all fields of HTTP/1.1.",
        most: 16 * 1_024 - 1,
        counts: |carrier, token| Some(node_bytes(carrier, token)),
    },
    Bound {
        name: "h2-header-list",
        about: "hyper, SETTINGS_MAX_HEADER_LIST_SIZE of 16 KiB (RFC 9113 section 6.5.2): `h2` \
                refuses what reaches it. Counts name, value and 32 of every field.",
        most: 16 * 1_024 - 1,
        counts: |carrier, token| Some(list_bytes(carrier, token)),
    },
];

/// Bytes of the HTTP/1.1 header line around a token of `token` bytes.
fn line_bytes(carrier: Carrier, token: usize) -> usize {
    request::header_line(carrier, "").len() + token
}

fn request_bytes(carrier: Carrier, token: usize) -> usize {
    request::http1(carrier, "").len() + token
}

/// Bytes that the field counts as an entry of HPACK's table (RFC 7541 section 4.1).
fn entry_bytes(carrier: Carrier, token: usize) -> usize {
    let (name, value) = request::field(carrier, "");
    name.len() + value.len() + token + ENTRY_OVERHEAD_BYTES
}

/// Bytes that all fields count in HTTP/2 (RFC 9113 section 6.5.2).
fn list_bytes(carrier: Carrier, token: usize) -> usize {
    let fields = request::http2(carrier, "");
    fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + ENTRY_OVERHEAD_BYTES)
        .sum::<usize>()
        + token
}

/// Bytes that Node counts (`node_http_parser.cc`, `TrackHeader`).
fn node_bytes(carrier: Carrier, token: usize) -> usize {
    let (name, value) = request::field(carrier, "");
    PATH.len() + "Host".len() + AUTHORITY.len() + name.len() + value.len() + token
}

/// Where tokens of every scheme cross every limit, in both carriers.
///
/// # Errors
/// When a token cannot be signed.
pub fn limits(bed: &Arc<Bed>) -> anyhow::Result<Vec<Limit>> {
    limits_of(bed, &SCHEMES)
}

/// Where tokens of `schemes` cross every limit, in both carriers.
///
/// # Errors
/// As [`limits`].
pub fn limits_of(bed: &Arc<Bed>, schemes: &[Scheme]) -> anyhow::Result<Vec<Limit>> {
    let mut rows = Vec::new();
    for &scheme in schemes {
        let shape = Shape::of(&Mint::new(bed, scheme)?.token(Claims::Minimal, 0)?)?;
        for carrier in CARRIERS {
            rows.extend(BOUNDS.iter().map(|bound| Limit {
                limit: bound.name,
                about: bound.about,
                limit_bytes: bound.most as u64,
                algorithm: scheme.to_string(),
                carrier: carrier.name(),
                claims_bytes: fewest(shape, bound, carrier).map(|bytes| bytes as u64),
            }));
        }
    }
    Ok(rows)
}

/// The fewest bytes of claims with which the bound is exceeded.
fn fewest(shape: Shape, bound: &Bound, carrier: Carrier) -> Option<usize> {
    // More claims than the bound has bytes exceed it for certain.
    (0..=bound.most).find_map(|claims| {
        let counted = (bound.counts)(carrier, shape.token_bytes(claims))?;
        (counted > bound.most).then_some(claims)
    })
}

#[cfg(test)]
mod tests {
    use authbench::token::key::Algorithm;

    use super::*;

    /// Claims of exactly so many bytes; at least 10.
    fn claims_of(bytes: usize) -> String {
        format!("{{\"sub\":\"{}\"}}", "a".repeat(bytes - 10))
    }

    #[test]
    fn the_length_of_a_token_is_known_from_its_claims() {
        let bed = Bed::without_redis().unwrap();
        for scheme in SCHEMES.into_iter().filter(|scheme| scheme.rsa_bits.is_none()) {
            let mint = Mint::new(&bed, scheme).unwrap();
            let shape = Shape::of(&mint.token(Claims::Typical, 0).unwrap()).unwrap();
            for bytes in (10..=30).chain([230, 1_023, 1_024, 1_025, 4_096, 12_000]) {
                let token = mint.sign(&claims_of(bytes)).unwrap();
                assert_eq!(shape.token_bytes(bytes), token.len(), "{scheme}, {bytes}");
            }
        }
        assert!(Shape::of("a.b").is_err());
    }

    /// What a bound counts, taken from the real request instead of from lengths.
    fn counted(limit: &str, carrier: Carrier, token: &str) -> usize {
        let fields = request::http2(carrier, token);
        let (name, value) = &fields[4];
        let sizes = fields.iter().map(|(n, v)| n.len() + v.len() + 32);
        match limit {
            "tcp-segment" | "initial-window" => request::http1(carrier, token).len(),
            "hpack-three-quarters" | "hpack-table" => name.len() + value.len() + 32,
            "cookie" => value.len() - "=".len(),
            "nginx-header-line" => request::header_line(carrier, token).len(),
            "node-headers" => {
                // Method, version, separators and line ends are not counted.
                let around = "GET  HTTP/1.1\r\n: \r\n: \r\n\r\n".len();
                request::http1(carrier, token).len() - around
            }
            "h2-header-list" => sizes.sum(),
            other => panic!("an unknown limit: {other}"),
        }
    }

    #[test]
    fn one_byte_less_fits_and_the_claims_named_do_not() {
        let bed = Bed::without_redis().unwrap();
        for algorithm in [Algorithm::Hs256, Algorithm::Es384, Algorithm::Rs256] {
            let scheme = Scheme::of(algorithm);
            let mint = Mint::new(&bed, scheme).unwrap();
            let rows = limits_of(&bed, &[scheme]).unwrap();
            assert_eq!(rows.len(), BOUNDS.len() * CARRIERS.len());
            for row in rows {
                let carrier = CARRIERS.into_iter().find(|c| c.name() == row.carrier).unwrap();
                let Some(claims) = row.claims_bytes else {
                    let cookies_alone = ["cookie", "hpack-three-quarters"].contains(&row.limit);
                    assert!(cookies_alone && carrier == Carrier::Bearer, "{row:?}");
                    continue;
                };
                let size = |claims: u64| {
                    let token = mint.sign(&claims_of(claims as usize)).unwrap();
                    counted(row.limit, carrier, &token) as u64
                };
                assert!(size(claims) > row.limit_bytes, "{row:?}");
                assert!(size(claims - 1) <= row.limit_bytes, "{row:?}");
            }
        }
    }
}
