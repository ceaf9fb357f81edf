//! An exchange's HTTP/1.1 text, taken apart once into what HTTP/2 sends.

use anyhow::{Context as _, ensure};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Request, Uri};

use crate::load::exchange::{Exchange, Expect};

/// A request ready to become one stream, and the answer it must get.
#[derive(Clone, Debug)]
pub struct H2Exchange {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// What must come back.
    pub expect: Expect,
}

impl H2Exchange {
    /// Takes an exchange's text apart. `Host` becomes `:authority`; `Content-Length` is counted
    /// anew by the connection; other headers and the body stay as they are.
    ///
    /// # Errors
    /// When the text is not one HTTP/1.1 request, or holds a header that HTTP/2 does not carry
    /// (RFC 9113 section 8.2.2).
    pub fn parse(exchange: &Exchange) -> anyhow::Result<Self> {
        let mut lines = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut lines);
        let parsed = request.parse(&exchange.request).context("a request is not HTTP/1.1")?;
        let httparse::Status::Complete(body_start) = parsed else {
            anyhow::bail!("a request's head has no end")
        };
        let mut headers = HeaderMap::new();
        let mut host = "";
        for line in request.headers.iter() {
            let name = HeaderName::from_bytes(line.name.as_bytes())?;
            ensure!(
                name != CONNECTION && name != TRANSFER_ENCODING,
                "the header `{name}` belongs to HTTP/1.1 alone; HTTP/2 does not carry it"
            );
            if name == HOST {
                host = std::str::from_utf8(line.value)?;
            } else if name != CONTENT_LENGTH {
                headers.append(name, HeaderValue::from_bytes(line.value)?);
            }
        }
        let path = request.path.context("a request names no path")?;
        Ok(Self {
            method: request.method.context("a request names no method")?.parse()?,
            uri: format!("http://{host}{path}").parse().context("a request names no URI")?,
            headers,
            body: Bytes::copy_from_slice(&exchange.request[body_start..]),
            expect: exchange.expect.clone(),
        })
    }

    /// Takes all of them apart.
    ///
    /// # Errors
    /// As [`H2Exchange::parse`].
    pub fn parse_all(exchanges: &[Exchange]) -> anyhow::Result<Vec<Self>> {
        exchanges.iter().map(Self::parse).collect()
    }

    /// One request. The map of headers is copied; method, URI and body are shared.
    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(headers: &str, body: &str) -> anyhow::Result<H2Exchange> {
        let host = ([127, 0, 0, 1], 81).into();
        let expect = Expect::Status(200);
        H2Exchange::parse(&Exchange::new("POST", host, "/login?a=b", headers, body, expect))
    }

    #[test]
    fn everything_but_the_framing_is_kept() {
        let exchange = parse("Cookie: a=b\r\nX-A: 1\r\nx-a: 2\r\n", "{\"subject\":1}").unwrap();
        let request = exchange.request();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "http://127.0.0.1:81/login?a=b");
        assert_eq!(exchange.body, "{\"subject\":1}");
        let kept: Vec<String> = request
            .headers()
            .iter()
            .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
            .collect();
        assert_eq!(kept, ["cookie: a=b", "x-a: 1", "x-a: 2", "content-type: application/json"]);
    }

    #[test]
    fn what_http_2_cannot_carry_is_refused() {
        assert!(parse("Connection: close\r\n", "").is_err());
        assert!(parse("Transfer-Encoding: chunked\r\n", "").is_err());
        let request = b"GET /me HTTP/1.1\r\nHost: a".as_slice().into();
        assert!(H2Exchange::parse(&Exchange { request, expect: Expect::Any }).is_err());
    }
}
