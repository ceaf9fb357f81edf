//! The application's nodes: where they are, and a request as it goes over the wire.

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, ensure};

use crate::cli::UsageError;
use crate::plan::foreign::{Parts, TargetFile};
use crate::plan::template::Values;

/// Headers whose values are shown as they are.
const HARMLESS: [&str; 6] =
    ["accept", "accept-language", "content-type", "origin", "user-agent", "x-requested-with"];

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name in pages and records: host and port, where that is this machine.
    pub shown: String,
    /// For the `Host` header.
    authority: String,
    /// What stands before every path.
    prefix: String,
}

/// The nodes of a target, found by name.
///
/// # Errors
/// A URL that is not plain http, a name that is not found, or an address that is not on this
/// machine unless `i_own_this`.
pub fn find(target: &TargetFile, i_own_this: bool) -> anyhow::Result<Vec<Node>> {
    let found = target.base_urls.iter().enumerate().map(|(i, url)| Node::of(i, url, i_own_this));
    found.collect::<Result<_, _>>().map_err(|what: String| UsageError(what).into())
}

impl Node {
    fn of(index: usize, url: &str, i_own_this: bool) -> Result<Self, String> {
        let number = index + 1;
        if url.starts_with("https://") {
            return Err(format!(
                "`base_urls`, node {number}: https is not spoken here; put a TLS terminator of \
                 yours on loopback (`socat`, `stunnel`, `caddy`) and name its http:// address, or \
                 name the application's own port behind its proxy"
            ));
        }
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(format!("`base_urls`, node {number}: it must begin with http://"));
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(format!(
                "`base_urls`, node {number}: it holds a user name; put an Authorization header \
                 into the requests instead, from {{env:NAME}}"
            ));
        }
        if rest.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'?' || b == b'#') {
            return Err(format!("`base_urls`, node {number}: it holds a query or a space"));
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let named = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let address =
            named.to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(|| {
                format!("`base_urls`, node {number}: no such host and port is found")
            })?;
        let is_here = address.ip().is_loopback();
        if !is_here && !i_own_this {
            return Err(format!(
                "`base_urls`, node {number} is not on this machine; requests go to loopback \
                 unless --i-own-this says that the application is yours"
            ));
        }
        Ok(Self {
            address,
            shown: if is_here { authority.to_owned() } else { format!("node {number}") },
            authority: authority.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }

    /// A request, whole.
    ///
    /// # Errors
    /// When what was filled in cannot stand where it stands; the value is not said.
    pub fn request(&self, parts: Parts<'_>, values: Values<'_>) -> anyhow::Result<Box<[u8]>> {
        let path = parts.path.fill(values);
        let is_path = !path.bytes().any(|b| b <= b' ' || b == 0x7f);
        ensure!(is_path, "what was filled into the path {} cannot be sent", parts.path.source());
        let mut text = format!("{} {}{path} HTTP/1.1\r\n", parts.method, self.prefix);
        write!(text, "Host: {}\r\n", self.authority).context("no memory")?;
        for (name, value) in parts.headers {
            let value = value.fill(values);
            let is_value = !value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f);
            ensure!(is_value, "what was filled into the header {name} cannot be sent");
            write!(text, "{name}: {value}\r\n").context("no memory")?;
        }
        let body = parts.body.fill(values);
        if !body.is_empty() || !matches!(parts.method, "GET" | "DELETE") {
            write!(text, "Content-Length: {}\r\n", body.len()).context("no memory")?;
        }
        text.push_str("\r\n");
        text.push_str(&body);
        Ok(text.into_bytes().into_boxed_slice())
    }

    /// The request as `--dry-run` shows it: no credential, no value of a header that carries one,
    /// and of a body only its length if `hide_body`.
    #[must_use]
    pub fn masked(&self, parts: Parts<'_>, values: Values<'_>, hide_body: bool) -> String {
        let path = parts.path.masked(values);
        let mut text =
            format!("{} {}{path} HTTP/1.1\nHost: {}\n", parts.method, self.prefix, self.shown);
        for (name, value) in parts.headers {
            let shown = value.masked(values);
            let is_harmless = HARMLESS.contains(&&*name.to_ascii_lowercase());
            let is_filled = value.uses("credential") || value.uses("env");
            // A literal in any other header may be a secret.
            let shown = if is_harmless || is_filled { &shown } else { "(not shown)" };
            let _ = writeln!(text, "{name}: {shown}");
        }
        let body = parts.body.masked(values);
        if hide_body && !body.is_empty() {
            text.push_str("\n(a body, not shown: a login's may hold a password)\n");
        } else if !body.is_empty() {
            let _ = write!(text, "\n{body}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Node::of(0, url, false).unwrap_err()
    }

    #[test]
    fn only_plain_http_on_this_machine_is_asked() {
        assert!(refused("https://127.0.0.1/").contains("TLS terminator"));
        assert!(refused("ftp://127.0.0.1/").contains("http://"));
        assert!(refused("http://192.0.2.1:80").contains("--i-own-this"));
        assert!(refused("http://127.0.0.1:1/?a=b").contains("query"));
        let said = refused("http://ann:hunter2@127.0.0.1:1");
        assert!(said.contains("Authorization") && !said.contains("hunter2"), "{said}");
        let own = Node::of(1, "http://192.0.2.1:8080/api/", true).unwrap();
        assert_eq!(
            (&*own.shown, &*own.prefix, &*own.authority),
            ("node 2", "/api", "192.0.2.1:8080")
        );
        let here = Node::of(0, "http://127.0.0.1:3001", false).unwrap();
        assert_eq!((&*here.shown, &*here.prefix), ("127.0.0.1:3001", ""));
        assert_eq!(Node::of(0, "http://127.0.0.1", false).unwrap().address.port(), 80);
        assert_eq!(Node::of(0, "http://[::1]", false).unwrap().address.port(), 80);
    }
}
