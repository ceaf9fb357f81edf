//! Rows against each other, and what is encoded against `h2`: as the sender of the same request,
//! as the reader of our blocks, and as the server that refuses too many fields.

use h2::server;
use http::{Request, Response, StatusCode};
use tokio::io::AsyncWriteExt as _;

use authbench::token::key::Algorithm;

use super::hpack::Connection;
use super::limits::limits_of;
use super::loopback::{END_HEADERS, HEADERS, PREFACE, SETTINGS, agree, check, counted, frame};
use super::request::{Field, PATH, http2};
use super::*;

const END_STREAM: u8 = 0x1;

fn bed() -> Arc<Bed> {
    Bed::without_redis().unwrap()
}

fn token(bed: &Arc<Bed>, claims: Claims) -> String {
    Mint::new(bed, Scheme::of(Algorithm::Es256)).unwrap().token(claims, 0).unwrap()
}

#[test]
fn h2_sends_what_was_computed_for_it_and_not_what_was_for_others() {
    let bed = bed();
    let credentials =
        [session_id().unwrap(), token(&bed, Claims::Typical), token(&bed, Claims::Exactly(4_096))];
    for credential in credentials {
        for carrier in CARRIERS {
            let fields = http2(carrier, &credential);
            let sent = bed.runtime.block_on(counted(&fields, 3)).unwrap();
            agree(Policy::NeverIndexed, &fields, &sent).unwrap();
            let why = agree(Policy::IndexAll, &fields, &sent).unwrap_err().to_string();
            assert!(why.contains("computed as `index-all`"), "{why}");
        }
    }
    assert_eq!(check(&bed).unwrap().len(), 6);
}

#[test]
fn a_block_of_several_frames_is_counted_whole() {
    let bed = bed();
    let fields = http2(Carrier::Bearer, &token(&bed, Claims::Exactly(20_000)));
    let sent = bed.runtime.block_on(counted(&fields, 2)).unwrap();
    assert!(sent[0] > 16_384, "more than one frame holds: {sent:?}");
    agree(Policy::NeverIndexed, &fields, &sent).unwrap();
}

/// The requests that `h2` reads out of `blocks`, which arrive on one connection.
async fn read_by_h2(blocks: &[Vec<u8>]) -> Vec<Request<h2::RecvStream>> {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    near.write_all(PREFACE).await.unwrap();
    near.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    for (number, block) in (0..).zip(blocks) {
        let headers = frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, block);
        near.write_all(&headers).await.unwrap();
    }
    let mut connection = server::handshake(far).await.unwrap();
    let mut requests = Vec::new();
    for _ in blocks {
        requests.push(connection.accept().await.unwrap().unwrap().0);
    }
    requests
}

fn is_the_request(read: &Request<h2::RecvStream>, fields: &[Field]) -> bool {
    let (name, value) = &fields[4];
    read.method() == "GET"
        && read.uri().to_string() == format!("http://{}{PATH}", request::AUTHORITY)
        && read.headers().len() == 1
        && read.headers()[*name] == **value
}

#[test]
fn h2_reads_every_policys_blocks_as_the_request_they_encode() {
    let bed = bed();
    // A small one, one that three quarters of the table hold, one that the whole table holds, and
    // one that empties it.
    let claims = [Claims::Minimal, Claims::Exactly(2_000), Claims::Exactly(2_600)];
    let mut credentials: Vec<String> = claims.into_iter().map(|c| token(&bed, c)).collect();
    credentials.extend([token(&bed, Claims::Exactly(4_096)), session_id().unwrap()]);
    for policy in Policy::ALL {
        for carrier in CARRIERS {
            let mut connection = Connection::new(policy);
            // Each twice in a row, all of them on one connection.
            let requests: Vec<[Field; 5]> =
                credentials.iter().flat_map(|c| [http2(carrier, c), http2(carrier, c)]).collect();
            let blocks: Vec<Vec<u8>> =
                requests.iter().map(|fields| connection.block(fields).unwrap()).collect();
            let read = bed.runtime.block_on(read_by_h2(&blocks));
            for (read, fields) in read.iter().zip(&requests) {
                assert!(is_the_request(read, fields), "{policy:?}: {read:?}");
            }
            assert!(!is_the_request(&read[0], &requests[2]), "any request would do");
        }
    }
}

/// What a server with hyper's limit answers to `fields`.
async fn answer(fields: &[Field]) -> StatusCode {
    let (near, far) = tokio::io::duplex(1 << 20);
    let serving = async move {
        let mut builder = server::Builder::new();
        let mut connection =
            builder.max_header_list_size(16 * 1_024).handshake::<_, &[u8]>(far).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
        }
    };
    let asking = async move {
        let (requests, connection) = h2::client::handshake(near).await.unwrap();
        let mut requests = requests.ready().await.unwrap();
        let request = loopback::request_of(fields).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        tokio::select! {
            response = response => response.unwrap().status(),
            ended = connection => panic!("{ended:?}"),
        }
    };
    tokio::select! { status = asking => status, () = serving => panic!("the server is gone") }
}

#[test]
fn h2_refuses_exactly_the_header_list_that_is_said_to_be_too_long() {
    let bed = bed();
    let scheme = Scheme::of(Algorithm::Es256);
    let limits = limits_of(&bed, &[scheme]).unwrap();
    for carrier in CARRIERS {
        let limit = limits
            .iter()
            .find(|l| l.limit == "h2-header-list" && l.carrier == carrier.name())
            .and_then(|l| l.claims_bytes)
            .unwrap();
        for (claims, wanted) in
            [(limit - 1, StatusCode::OK), (limit, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)]
        {
            let fields = http2(carrier, &token(&bed, Claims::Exactly(claims as usize)));
            assert_eq!(bed.runtime.block_on(answer(&fields)), wanted, "{claims} as {carrier:?}");
        }
    }
}

#[test]
fn rows_hold_what_the_policies_imply() {
    let bed = bed();
    let mut rows = session_rows().unwrap();
    rows.extend(token_rows(&bed, Scheme::of(Algorithm::Hs256)).unwrap());
    assert_eq!(rows.len(), CARRIERS.len() * (1 + Claims::ALL.len()));
    for row in &rows {
        let [never, nghttp2, all] = &row.header_blocks[..] else { panic!("{row:?}") };
        let cookie = row.carrier == "cookie";
        let name = if cookie { "Cookie: __Host-authbench=" } else { "Authorization: Bearer " };
        let line = name.len() as u64 + row.credential_bytes + 2;
        assert_eq!(row.header_line_bytes, line);
        // A literal that is indexed has a longer prefix for the name: a byte less.
        assert_eq!(never.first_bytes, all.first_bytes + 1, "{row:?}");
        // Later requests save the host, and the credential where it is indexed.
        assert!(never.later_bytes > row.credential_bytes * 3 / 4, "{row:?}");
        let fits_three_quarters = row.claims.as_deref() != Some("4k");
        assert_eq!(nghttp2.later_bytes < 20, cookie && fits_three_quarters, "{row:?}");
        assert_eq!(all.later_bytes < 20, fits_three_quarters, "{row:?}");
        if row.claims.as_deref() == Some("4k") {
            assert_eq!(all.later_bytes, all.first_bytes, "the table is emptied: {row:?}");
        }
    }
    assert_eq!(rows[0].credential_bytes, 43);
    assert_eq!(rows[0].claims_bytes, None);
    assert_eq!(rows[2].algorithm.as_deref(), Some("HS256"));
}

#[test]
fn the_median_is_the_middle_one() {
    assert_eq!(median(vec![3, 1, 2]), 2);
    assert_eq!(median(vec![4, 1, 2, 3]), 2);
    assert_eq!(median(Vec::new()), 0);
}
