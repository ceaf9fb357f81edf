//! An answer on one stream: read to its last byte, or why it was not.

use std::future::Future;

use http_body_util::{BodyExt as _, Limited};
use hyper::Response;
use hyper::body::{Bytes, Incoming};

use crate::load::outcome::Outcome;

/// Largest body that is read; more is an HTTP error.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Reads an answer to its last byte.
pub(super) async fn read(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> Result<Response<Bytes>, Outcome> {
    let (head, body) = answer.await.map_err(|_| Outcome::ConnectionError)?.into_parts();
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(why) if why.is::<hyper::Error>() => Err(Outcome::ConnectionError),
        Err(_) => Err(Outcome::HttpError),
    }
}

/// An answer written as HTTP/1.1 writes it: one reader serves both drivers.
pub(super) fn as_text(answer: &Response<Bytes>) -> Box<[u8]> {
    let mut text = format!("HTTP/2 {}\r\n", answer.status().as_u16()).into_bytes();
    for (name, value) in answer.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(answer.body());
    text.into_boxed_slice()
}
