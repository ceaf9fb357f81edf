//! The header block of a request in HTTP/2 (HPACK, RFC 7541), by the policy of who encodes it.
//!
//! HPACK leaves to the encoder which fields it indexes, that is, enters into the table that both
//! ends keep; this decides what a credential costs from the second request on. The coding itself
//! is a library's; what it yields is held against `h2` in both directions ([`super::loopback`],
//! and the tests).

use std::fmt;

use httlib_hpack::Encoder;

use super::request::Field;

/// Bytes of the table that both ends keep, unless they agree on others (RFC 9113 section 6.5.2,
/// SETTINGS_HEADER_TABLE_SIZE). None of the encoders below goes beyond.
pub const TABLE_BYTES: usize = 4_096;

/// What an entry counts beyond its name and value (RFC 7541 section 4.1).
pub const ENTRY_OVERHEAD_BYTES: usize = 32;

/// Rust's `h2` and nghttp2 index no field with a larger entry: three quarters of the table.
pub const ENTRY_BYTES_MAX: usize = TABLE_BYTES / 4 * 3;

/// A shorter cookie is guessed too easily for nghttp2 to index it.
const COOKIE_BYTES_MIN: usize = 20;

/// Who encodes, and so what is indexed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// Rust's `h2` 0.4 (`hpack/header.rs`, `skip_value_index`): neither `authorization` nor
    /// `cookie`. This is hyper, reqwest and tonic: traffic between services.
    NeverIndexed,
    /// nghttp2 (`nghttp2_hd.c`, `deflate_nv`): no `authorization`; a `cookie` of 20 bytes or more,
    /// unless its entry is over 3/4 of the table. This is curl and Node.
    ///
    /// Held against Node 20 (nghttp2 1.61) by hand: three requests on a connection, both carriers,
    /// values of 8 to 5,594 bytes and on either side of both rules; the first request also against
    /// curl 7.88 (nghttp2 1.52). Equal to the byte.
    Nghttp2,
    /// Chromium (quiche, `hpack_encoder.cc`): every field, however large. An entry larger than the
    /// table empties it (RFC 7541 section 4.4). Its splitting of cookies changes nothing here:
    /// there is one.
    IndexAll,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::NeverIndexed, Self::Nghttp2, Self::IndexAll];

    /// The policy's name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverIndexed => "never-indexed",
            Self::Nghttp2 => "nghttp2",
            Self::IndexAll => "index-all",
        }
    }

    /// Whether it indexes a field that the static table has not. Of the pseudo-header fields all
    /// three index `:authority` alone.
    fn indexes(self, (name, value): &Field) -> bool {
        let small = name.len() + value.len() + ENTRY_OVERHEAD_BYTES <= ENTRY_BYTES_MAX;
        match (self, *name) {
            (_, ":path") => false,
            (Self::NeverIndexed, "authorization" | "cookie") => false,
            (Self::Nghttp2, "authorization") => false,
            (Self::Nghttp2, "cookie") => small && value.len() >= COOKIE_BYTES_MIN,
            (Self::NeverIndexed | Self::Nghttp2, _) => small,
            (Self::IndexAll, _) => true,
        }
    }
}

/// The sending end of one connection: its table remembers earlier requests.
pub struct Connection {
    policy: Policy,
    encoder: Encoder<'static>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.policy.name())
    }
}

impl Connection {
    /// A fresh connection with a table of [`TABLE_BYTES`].
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, encoder: Encoder::default() }
    }

    /// The header block of the next request.
    ///
    /// Every string is in Huffman's code (RFC 7541 section 5.2): `h2` always uses it, nghttp2 and
    /// Chromium where it is shorter, which for none of these fields makes a byte of difference.
    ///
    /// # Errors
    /// When the library refuses a field.
    pub fn block(&mut self, fields: &[Field]) -> anyhow::Result<Vec<u8>> {
        let mut block = Vec::new();
        for field in fields {
            let mut flags = Encoder::BEST_FORMAT | Encoder::HUFFMAN_NAME | Encoder::HUFFMAN_VALUE;
            if self.policy.indexes(field) {
                flags |= Encoder::WITH_INDEXING;
            }
            let (name, value) = (field.0.as_bytes().to_vec(), field.1.as_bytes().to_vec());
            self.encoder
                .encode((name, value, flags), &mut block)
                .map_err(|e| anyhow::anyhow!("`{}` was not encoded: {e:?}", field.0))?;
        }
        Ok(block)
    }
}

/// Bytes of the blocks of `times` equal requests on one connection.
///
/// # Errors
/// As [`Connection::block`].
pub fn block_bytes(policy: Policy, fields: &[Field], times: usize) -> anyhow::Result<Vec<u64>> {
    let mut connection = Connection::new(policy);
    (0..times).map(|_| Ok(connection.block(fields)?.len() as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn encoded(connection: &mut Connection, fields: &[(&'static str, &str)]) -> String {
        let fields: Vec<Field> = fields.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        hex(&connection.block(&fields).unwrap())
    }

    #[test]
    fn requests_are_encoded_as_in_rfc_7541_appendix_c_4() {
        let mut connection = Connection::new(Policy::IndexAll);
        let start = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
        let host = (":authority", "www.example.com");
        let first = encoded(&mut connection, &[&start[..], &[host]].concat());
        assert_eq!(first, "828684418cf1e3c2e5f23a6ba0ab90f4ff");
        let second = [&start[..], &[host, ("cache-control", "no-cache")]].concat();
        assert_eq!(encoded(&mut connection, &second), "828684be5886a8eb10649cbf");
        let third = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            host,
            ("custom-key", "custom-value"),
        ];
        let wanted = "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf";
        assert_eq!(encoded(&mut connection, &third), wanted);
    }

    #[test]
    fn responses_evict_entries_as_in_rfc_7541_appendix_c_6() {
        let encoder = Encoder::with_dynamic_size(256);
        let mut connection = Connection { policy: Policy::IndexAll, encoder };
        let mut response = vec![
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ];
        let wanted = "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e\
                      919d29ad171863c78f0b97c8e9ae82ae43d3";
        assert_eq!(encoded(&mut connection, &response), wanted);
        response[0].1 = "307";
        assert_eq!(encoded(&mut connection, &response), "4883640effc1c0bf");
        response[0].1 = "200";
        response[2].1 = "Mon, 21 Oct 2013 20:13:22 GMT";
        response.push(("content-encoding", "gzip"));
        let cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
        response.push(("set-cookie", cookie));
        let wanted = "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7\
                      821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed\
                      4ee5b1063d5007";
        assert_eq!(encoded(&mut connection, &response), wanted);
    }

    /// Whether the second of two requests has the field in full, by policy.
    fn repeated(name: &'static str, value_bytes: usize) -> [bool; 3] {
        Policy::ALL.map(|policy| {
            let fields = [(name, "a".repeat(value_bytes))];
            let blocks = block_bytes(policy, &fields, 2).unwrap();
            assert!(blocks[1] == 1 || blocks[1] == blocks[0], "{policy:?}: {blocks:?}");
            blocks[1] != 1
        })
    }

    #[test]
    fn each_policy_indexes_what_its_encoder_indexes() {
        // never-indexed, nghttp2, index-all
        assert_eq!(repeated("authorization", 50), [true, true, false]);
        assert_eq!(repeated("cookie", 50), [true, false, false]);
        assert_eq!(repeated("cookie", 20), [true, false, false]);
        assert_eq!(repeated("cookie", 19), [true, true, false]);
        assert_eq!(repeated("cookie", 3_072 - 32 - 6), [true, false, false]);
        assert_eq!(repeated("cookie", 3_072 - 32 - 6 + 1), [true, true, false]);
        assert_eq!(repeated("cookie", 4_096 - 32 - 6), [true, true, false]);
        assert_eq!(repeated("cookie", 4_096 - 32 - 6 + 1), [true, true, true]);
        assert_eq!(repeated("user-agent", 50), [false; 3]);
    }

    #[test]
    fn an_entry_over_the_table_takes_the_others_with_it() {
        let host = (":authority", "www.example.com".to_owned());
        let large = ("authorization", "a".repeat(4_096));
        for (policy, empties) in
            [(Policy::NeverIndexed, false), (Policy::Nghttp2, false), (Policy::IndexAll, true)]
        {
            let mut connection = Connection::new(policy);
            let first = connection.block(std::slice::from_ref(&host)).unwrap().len();
            assert!(first > 1);
            connection.block(std::slice::from_ref(&large)).unwrap();
            let later = connection.block(std::slice::from_ref(&host)).unwrap().len();
            assert_eq!(later, if empties { first } else { 1 }, "{policy:?}");
        }
    }
}
