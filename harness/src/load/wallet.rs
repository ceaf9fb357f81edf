//! A wallet: thousands of distinct credentials of one server, each verified before it is timed.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Uses;

use super::driver::{Driver, Mode};
use super::exchange::{Exchange, Expect, Op};
use super::outcome::{Outcome, Row};
use crate::server::carrier::COOKIE_NAME;

/// A server to log in to.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// The driver's index of the server.
    pub target: u32,
    /// Its address, for the `Host` header.
    pub address: SocketAddr,
    /// How its credentials travel.
    pub carrier: Carrier,
}

impl Account {
    /// The header line that carries `credential`, CRLF included.
    #[must_use]
    pub fn header_line(&self, credential: &str) -> String {
        match self.carrier {
            Carrier::Bearer => format!("Authorization: Bearer {credential}\r\n"),
            Carrier::Cookie => format!("Cookie: {COOKIE_NAME}={credential}\r\n"),
        }
    }

    /// An exchange that presents `credential`.
    #[must_use]
    pub fn exchange(&self, method: &str, path: &str, credential: &str, expect: Expect) -> Exchange {
        Exchange::new(method, self.address, path, &self.header_line(credential), "", expect)
    }

    /// A login of `subject`.
    #[must_use]
    pub fn login(&self, subject: SubjectId, expect: Expect) -> Exchange {
        let body = format!("{{\"subject\":\"{subject}\"}}");
        Exchange::new("POST", self.address, "/login", "", &body, expect)
    }
}

/// Method and path of the request that presents a credential: `GET /me`, or the redemption of one
/// that is used up by being used.
#[must_use]
pub const fn presenting(kind: StrategyKind) -> (&'static str, &'static str) {
    match kind.properties().uses {
        Uses::Many => ("GET", "/me"),
        Uses::Once => ("POST", "/redeem"),
    }
}

/// Credentials of one server, and the verified exchange of each.
#[derive(Clone, Debug)]
pub struct Wallet {
    /// The credentials as the server handed them out.
    pub credentials: Vec<String>,
    /// `GET /me` with each, and the body that the verification read.
    pub exchanges: Vec<Exchange>,
    /// Requests sent to fill and verify it.
    pub requests: u64,
    /// Bytes of the first login's answer and of the first `/me`'s.
    pub sample_bytes: (u64, u64),
}

/// Answers, head and body, in the order of their requests.
pub type Answers = Vec<Box<[u8]>>;

/// Sends `exchanges` one after another over `target`'s free connections and returns the answers.
///
/// # Errors
/// When one of them is not answered.
pub fn call_all(
    driver: &mut Driver,
    target: u32,
    exchanges: &[Exchange],
) -> anyhow::Result<(Vec<Row>, Answers)> {
    let count = u32::try_from(exchanges.len()).context("too many calls")?;
    let ops: Vec<Op> = (0..count).map(|exchange| Op { at_ns: 0, target, exchange }).collect();
    let mut executed = driver.execute(&ops, exchanges, Mode::Closed, false)?;
    executed.captured.sort_by_key(|(op, _)| *op);
    if let Some(row) = executed.rows.iter().find(|row| !row.was_answered()) {
        bail!("a request was not answered: {:?}", row.outcome);
    }
    Ok((executed.rows, executed.captured.into_iter().map(|(_, bytes)| bytes).collect()))
}

/// Logs every one of `subjects` in and returns the credentials.
///
/// # Errors
/// When a login fails or its answer carries no credential.
pub fn log_in(
    driver: &mut Driver,
    account: Account,
    subjects: &[SubjectId],
) -> anyhow::Result<(Vec<String>, u64)> {
    let logins: Vec<Exchange> = subjects.iter().map(|s| account.login(*s, Expect::Any)).collect();
    let (rows, answers) = call_all(driver, account.target, &logins)?;
    let mut credentials = Vec::with_capacity(answers.len());
    for (row, answer) in rows.iter().zip(&answers) {
        ensure!(row.status == 200, "a login was answered with status {}", row.status);
        credentials.push(credential_of(account.carrier, answer)?);
    }
    let bytes = answers.first().map_or(0, |a| a.len() as u64);
    Ok((credentials, bytes))
}

/// Fills a wallet and verifies every credential: nothing is timed that was not just verified.
///
/// # Errors
/// When a login fails, or a credential is not answered with its own subject.
pub fn fill(
    driver: &mut Driver,
    account: Account,
    subjects: &[SubjectId],
) -> anyhow::Result<Wallet> {
    let (credentials, login_bytes) = log_in(driver, account, subjects)?;
    let (exchanges, me_bytes) = verify(driver, account, subjects, &credentials)?;
    Ok(Wallet {
        requests: 2 * subjects.len() as u64,
        credentials,
        exchanges,
        sample_bytes: (login_bytes, me_bytes),
    })
}

/// Presents every credential once and keeps the answer, which every timed answer must equal.
///
/// # Errors
/// When one is not admitted, or as somebody else.
pub fn verify(
    driver: &mut Driver,
    account: Account,
    subjects: &[SubjectId],
    credentials: &[String],
) -> anyhow::Result<(Vec<Exchange>, u64)> {
    let mut exchanges: Vec<Exchange> = credentials
        .iter()
        .map(|credential| account.exchange("GET", "/me", credential, Expect::Any))
        .collect();
    let (rows, answers) = call_all(driver, account.target, &exchanges)?;
    for (i, (row, answer)) in rows.iter().zip(&answers).enumerate() {
        ensure!(row.status == 200, "a fresh credential was answered with status {}", row.status);
        let body = body_of(answer);
        let me: serde_json::Value =
            serde_json::from_slice(body).context("the answer of /me is not JSON")?;
        let (said, wanted) = (me["subject"].as_str(), subjects[i].to_string());
        ensure!(said == Some(&wanted), "/me answered as {said:?} to the credential of {wanted}");
        exchanges[i].expect = Expect::Body(200, body.into());
    }
    Ok((exchanges, answers.first().map_or(0, |a| a.len() as u64)))
}

/// Presents a tampered copy of each credential and returns how many were refused with 401.
///
/// # Errors
/// When one is not answered.
pub fn present_tampered(
    driver: &mut Driver,
    account: Account,
    how: (&str, &str),
    credentials: &[&str],
) -> anyhow::Result<u64> {
    let forged: Vec<String> = credentials.iter().map(|c| tampered(c)).collect();
    let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
    present(driver, account, how, &forged)
}

/// Presents each credential as it is, by that method and path, and returns how many were refused
/// with 401.
///
/// # Errors
/// When one is not answered.
pub fn present(
    driver: &mut Driver,
    account: Account,
    (method, path): (&str, &str),
    credentials: &[&str],
) -> anyhow::Result<u64> {
    let exchanges: Vec<Exchange> = credentials
        .iter()
        .map(|c| account.exchange(method, path, c, Expect::Status(401)))
        .collect();
    let (rows, _) = call_all(driver, account.target, &exchanges)?;
    Ok(rows.iter().filter(|row| row.outcome == Outcome::Expected).count() as u64)
}

/// `credential` with one character changed. Ten from the end: in a token that is inside the
/// signature and not in the last character, whose low bits may mean nothing.
#[must_use]
pub fn tampered(credential: &str) -> String {
    let mut bytes = credential.as_bytes().to_vec();
    let at = bytes.len().saturating_sub(10);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What stands behind the empty line.
fn body_of(answer: &[u8]) -> &[u8] {
    let head_end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    head_end.map_or(&[][..], |at| &answer[at + 4..])
}

/// Reads the credential out of the answer to a login or a renewal.
///
/// # Errors
/// When it carries none.
pub fn credential_of(carrier: Carrier, answer: &[u8]) -> anyhow::Result<String> {
    match carrier {
        Carrier::Bearer => {
            let body: serde_json::Value =
                serde_json::from_slice(body_of(answer)).context("the answer is not JSON")?;
            let token = body["access_token"].as_str().context("the answer hands out no token")?;
            Ok(token.to_owned())
        }
        Carrier::Cookie => {
            let text = String::from_utf8_lossy(answer);
            let wanted = format!("{COOKIE_NAME}=");
            text.lines()
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_once(':'))
                .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
                .filter_map(|(_, value)| value.trim().strip_prefix(&wanted))
                .filter_map(|value| value.split(';').next())
                .map(str::to_owned)
                .next()
                .context("the answer sets no cookie")
        }
    }
}

/// Reads the refresh token out of the answer to a bearer's login or renewal.
///
/// # Errors
/// When it carries none.
pub fn refresh_token_of(answer: &[u8]) -> anyhow::Result<String> {
    let body: serde_json::Value =
        serde_json::from_slice(body_of(answer)).context("the answer is not JSON")?;
    let token = body["refresh_token"].as_str().context("the answer has no refresh token")?;
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_read_from_its_carrier() {
        let bearer =
            b"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\"}";
        assert_eq!(credential_of(Carrier::Bearer, bearer).unwrap(), "a.b.c");
        let cookie = b"HTTP/1.1 200 OK\r\nset-cookie: __Host-authbench=xyz; Path=/\r\n\r\n{}";
        assert_eq!(credential_of(Carrier::Cookie, cookie).unwrap(), "xyz");
        assert!(credential_of(Carrier::Cookie, bearer).is_err());
        assert!(credential_of(Carrier::Bearer, cookie).is_err());
    }

    #[test]
    fn a_tampered_credential_differs_in_one_character() {
        for text in ["AAAAAAAAAAAA", "abcdefghijklmnop", "x"] {
            let forged = tampered(text);
            let changed = text.bytes().zip(forged.bytes()).filter(|(a, b)| a != b).count();
            assert_eq!((forged.len(), changed), (text.len(), 1), "{text}");
        }
    }
}
