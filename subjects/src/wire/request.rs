//! The request that carries a credential, byte for byte: as HTTP/1.1 and as the fields of HTTP/2.
//!
//! The smallest honest one, and the one that the load generator sends: a method, a path, a host
//! and the credential. What else a client sends (`user-agent`, `accept`) is the same for every
//! credential, and left out.

use authbench::credential::Carrier;

/// The cookie's name. The prefix makes browsers insist on Secure, Path=/ and no Domain
/// (RFC 6265bis section 4.1.3.2).
pub const COOKIE_NAME: &str = "__Host-authbench";

/// The host: that of a server on loopback with a port of five digits.
pub const AUTHORITY: &str = "127.0.0.1:40000";

/// The path asked for.
pub const PATH: &str = "/me";

/// One field of a header section: name, in lower case, and value.
pub type Field = (&'static str, String);

/// The field that carries `credential` (RFC 6750 section 2.1; RFC 6265bis section 5.8.1).
#[must_use]
pub fn field(carrier: Carrier, credential: &str) -> Field {
    match carrier {
        Carrier::Bearer => ("authorization", format!("Bearer {credential}")),
        Carrier::Cookie => ("cookie", format!("{COOKIE_NAME}={credential}")),
    }
}

/// The HTTP/1.1 header line that carries `credential`, CRLF included (RFC 9112 section 5).
#[must_use]
pub fn header_line(carrier: Carrier, credential: &str) -> String {
    let name = match carrier {
        Carrier::Bearer => "Authorization",
        Carrier::Cookie => "Cookie",
    };
    format!("{name}: {}\r\n", field(carrier, credential).1)
}

/// The whole HTTP/1.1 request that carries `credential` (RFC 9112 section 2.1).
#[must_use]
pub fn http1(carrier: Carrier, credential: &str) -> String {
    let line = header_line(carrier, credential);
    format!("GET {PATH} HTTP/1.1\r\nHost: {AUTHORITY}\r\n{line}\r\n")
}

/// The fields of the same request in HTTP/2, pseudo-header fields first (RFC 9113 section 8.3.1).
#[must_use]
pub fn http2(carrier: Carrier, credential: &str) -> [Field; 5] {
    [
        (":method", "GET".into()),
        (":scheme", "http".into()),
        (":authority", AUTHORITY.into()),
        (":path", PATH.into()),
        field(carrier, credential),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_in_both_protocols() {
        let bearer =
            "GET /me HTTP/1.1\r\nHost: 127.0.0.1:40000\r\nAuthorization: Bearer a.b\r\n\r\n";
        assert_eq!(http1(Carrier::Bearer, "a.b"), bearer);
        let cookie = "Cookie: __Host-authbench=a.b\r\n";
        assert_eq!(header_line(Carrier::Cookie, "a.b"), cookie);
        for carrier in [Carrier::Bearer, Carrier::Cookie] {
            let [.., (name, value)] = http2(carrier, "a.b");
            let line = header_line(carrier, "a.b");
            assert_eq!(format!("{name}: {value}\r\n").len(), line.len());
            assert!(line.ends_with(&format!(": {value}\r\n")), "{line}");
        }
    }
}
