//! Where a body in chunks ends.
//!
//! Deliberately absent: putting it together. Most answers are judged by their status alone.

/// The length of a body in chunks, their sizes and the trailer included (RFC 9112 section 7.1):
/// `None` while it is incomplete, an error for what is no such body or has a chunk above `most`.
pub(super) fn chunked_len(body: &[u8], most: usize) -> Option<Result<usize, ()>> {
    let mut at = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(body.get(at..)?) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return None,
            Err(_) => return Some(Err(())),
        };
        at += line;
        if size == 0 {
            break;
        }
        let Some(end) = usize::try_from(size).ok().filter(|n| *n <= most) else {
            return Some(Err(()));
        };
        at += end;
        if body.get(at..at + 2)? != b"\r\n" {
            return Some(Err(()));
        }
        at += 2;
    }
    loop {
        let line = body.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(Ok(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_chunks_ends_with_its_trailer() {
        for text in ["0\r\n\r\n", "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n"] {
            assert_eq!(chunked_len(text.as_bytes(), 9), Some(Ok(text.len())), "{text}");
            for cut in 0..text.len() {
                assert_eq!(chunked_len(&text.as_bytes()[..cut], 9), None, "{text} cut at {cut}");
            }
        }
        for text in ["x\r\n", "5\r\nhelloworld", "fffff\r\n", "-1\r\n"] {
            assert_eq!(chunked_len(text.as_bytes(), 9), Some(Err(())), "{text}");
        }
    }
}
