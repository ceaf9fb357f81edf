//! A credential out of a login's answer, and a copy of it that must be refused.

use crate::plan::foreign::Place;

/// Reads the credential out of a whole answer, head and body.
///
/// # Errors
/// What the answer lacks, without its text: that may hold secrets.
pub fn take(place: Place<'_>, answer: &[u8]) -> Result<String, String> {
    let head_end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..head_end]);
    let body = answer.get(head_end + 4..).unwrap_or_default();
    let found = match place {
        Place::Header(name) => values(&head, name).last().map(str::to_owned),
        // The last one: a login may clear an old cookie before it sets the new one.
        Place::Cookie(name) => values(&head, "set-cookie")
            .filter_map(|line| line.split(';').next()?.split_once('='))
            .filter(|(own, value)| own.trim() == name && !value.trim().is_empty())
            .last()
            .map(|(_, value)| value.trim().to_owned()),
        Place::Json(pointer) => {
            let text = unchunked(&head, body);
            let value: serde_json::Value =
                serde_json::from_slice(&text).map_err(|_| "is not JSON".to_owned())?;
            match value.pointer(pointer) {
                Some(serde_json::Value::String(text)) => Some(text.clone()),
                Some(_) => return Err(format!("has no string at `{pointer}`")),
                None => None,
            }
        }
    };
    let credential = found.ok_or_else(|| match place {
        Place::Header(name) => format!("has no header `{name}`"),
        Place::Cookie(name) => format!("sets no cookie `{name}`"),
        Place::Json(pointer) => format!("has nothing at `{pointer}`"),
    })?;
    // It is to stand in headers, paths and JSON as it is.
    let is_plain = credential.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\'));
    if credential.is_empty() || !is_plain {
        return Err("hands out a credential that is empty or no plain text".into());
    }
    Ok(credential)
}

/// Every value of one header, in order.
fn values<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// `credential` with one character changed: in the middle of its last part, which in a token or a
/// signed cookie is the signature, and in an opaque one is all of it. Letters stay letters and
/// digits digits, so that it parses as before. Never the last characters, whose low bits may mean
/// nothing.
#[must_use]
pub fn tampered(credential: &str) -> String {
    let mut bytes = credential.as_bytes().to_vec();
    let last_part = credential.rfind('.').map_or(0, |dot| dot + 1);
    let middle = usize::midpoint(last_part, bytes.len());
    let swap = |byte: u8| match byte {
        b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => Some(byte + 1),
        b'9' => Some(b'0'),
        b'z' => Some(b'a'),
        b'Z' => Some(b'A'),
        _ => None,
    };
    // Not inside a percent escape: that would be another character, or none.
    let is_escape = |at: usize| (1..=2).any(|back| at >= back && bytes[at - back] == b'%');
    let after = (middle..bytes.len()).chain(0..middle);
    let place = after.into_iter().find(|at| swap(bytes[*at]).is_some() && !is_escape(*at));
    if let Some(at) = place {
        bytes[at] = swap(bytes[at]).unwrap_or(bytes[at]);
    } else {
        bytes.push(b'x');
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The body, its chunks put together where it came in chunks.
#[must_use]
pub fn unchunked(head: &str, body: &[u8]) -> Vec<u8> {
    if !values(head, "transfer-encoding").any(|value| value.eq_ignore_ascii_case("chunked")) {
        return body.to_vec();
    }
    let (mut whole, mut rest) = (Vec::new(), body);
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let digits = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(digits, 16) else { break };
        let Some(chunk) = rest.get(end + 2..end + 2 + size).filter(|_| size > 0) else { break };
        whole.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Auth: h3ader\r\nSet-Cookie: other=1\r\n\
        Set-Cookie: sid=; Max-Age=0\r\nset-cookie: sid=s%3Aabc.def; Path=/; HttpOnly\r\n\r\n\
        {\"a\":{\"b/c\":[\"x\",\"t.o.k\"]},\"n\":1}";

    #[test]
    fn a_credential_is_read_from_its_place() {
        assert_eq!(take(Place::Cookie("sid"), ANSWER).unwrap(), "s%3Aabc.def");
        assert_eq!(take(Place::Header("x-auth"), ANSWER).unwrap(), "h3ader");
        assert_eq!(take(Place::Json("/a/b~1c/1"), ANSWER).unwrap(), "t.o.k");
        for (place, wanted) in [
            (Place::Cookie("id"), "sets no cookie `id`"),
            (Place::Header("y"), "has no header `y`"),
            (Place::Json("/z"), "has nothing at `/z`"),
            (Place::Json("/n"), "has no string at `/n`"),
        ] {
            assert_eq!(take(place, ANSWER).unwrap_err(), wanted);
        }
        let split = b"HTTP/1.1 200 OK\r\nset-cookie: sid=a b\r\n\r\n";
        assert!(take(Place::Cookie("sid"), split).unwrap_err().contains("no plain text"));
    }

    #[test]
    fn chunks_are_put_together() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;x=1\r\n{\"t\":\r\n6\r\n\"abc\"}\r\n0\r\n\r\n";
        assert_eq!(take(Place::Json("/t"), answer).unwrap(), "abc");
    }

    #[test]
    fn a_tampered_copy_differs_in_one_character_of_the_last_part() {
        for text in ["abcdefgh", "eyJh.eyJz.c2ln", "s%3Aabc.de%2Bf", "zZ9", "-._x"] {
            let forged = tampered(text);
            let changed = text.bytes().zip(forged.bytes()).filter(|(a, b)| a != b).count();
            assert_eq!((forged.len(), changed), (text.len(), 1), "{text} {forged}");
            let dot = text.rfind('.').map_or(0, |dot| dot + 1);
            assert_eq!(text[..dot], forged[..dot], "{text} {forged}");
        }
        assert_eq!((tampered("--"), tampered("%41%41")), ("--x".into(), "%41%41x".into()));
    }
}
