//! What a credential adds to a request, by the size of its claims and the encoder's policy.
//!
//! Between the measured sizes of claims it is read off a straight line; beyond them the last
//! piece is drawn on: base64url takes four bytes for three, HPACK's Huffman code (RFC 7541) a
//! constant share of those. What an encoder indexes costs a byte or two for its entry until it is
//! too long for that, and then all of it: a step, and no line.
//!
//! Of HTTP/1.1 it is the header line, of HTTP/2 the block of the whole request's header, in which
//! everything else is indexed.

use serde::{Deserialize, Serialize};

use super::figures::{Facts, Source};
use super::workload::Encoder;

/// One credential in one header under one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireLine {
    /// `session-id` or `jwt`.
    pub credential: String,
    /// The signature algorithm.
    pub algorithm: Option<String>,
    /// `bearer` or `cookie`.
    pub carrier: String,
    /// The policy; nothing for HTTP/1.1.
    pub policy: Option<String>,
    /// Claims, bytes; bytes of the first request on a connection; bytes of every later one. By
    /// claims.
    pub points: Vec<[f64; 3]>,
}

/// Every line that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wire(pub Vec<WireLine>);

impl Wire {
    /// Reads the sizes of every credential.
    #[must_use]
    pub fn of(sources: &[&Source<'_>]) -> Self {
        let Some(source) = sources.iter().find(|s| !s.run.wire.is_empty()) else {
            return Self::default();
        };
        let mut lines: Vec<WireLine> = Vec::new();
        let mut add = |line: WireLine| {
            let same = |own: &&mut WireLine| {
                (&own.credential, &own.algorithm, &own.carrier, &own.policy)
                    == (&line.credential, &line.algorithm, &line.carrier, &line.policy)
            };
            match lines.iter_mut().find(same) {
                Some(own) => own.points.extend(line.points),
                None => lines.push(line),
            }
        };
        for row in &source.run.wire {
            let claims = row.claims_bytes.unwrap_or(0) as f64;
            // Request and header block hold the same other fields.
            let line = |policy: Option<&str>, first: u64, later: u64| WireLine {
                credential: row.credential.clone(),
                algorithm: row.algorithm.clone(),
                carrier: row.carrier.clone(),
                policy: policy.map(str::to_owned),
                points: vec![[claims, first as f64, later as f64]],
            };
            add(line(None, row.header_line_bytes, row.header_line_bytes));
            for block in &row.header_blocks {
                add(line(Some(&block.policy), block.first_bytes, block.later_bytes));
            }
        }
        for line in &mut lines {
            line.points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        }
        Self(lines)
    }

    fn line(&self, facts: &Facts, policy: Option<&str>) -> Option<&WireLine> {
        let is_jwt = facts.claims_bytes.is_some();
        let fits = |line: &&WireLine, algorithm: bool| {
            line.credential == if is_jwt { "jwt" } else { "session-id" }
                && line.carrier == facts.carrier
                && line.policy.as_deref() == policy
                && (!algorithm || line.algorithm == facts.declared.algorithm)
        };
        // A credential that is not a JWT is as long as its own header line says, see `bytes`.
        self.0
            .iter()
            .find(|line| fits(line, true))
            .or_else(|| self.0.iter().find(|l| fits(l, false)))
    }

    /// Bytes that the credential adds to a request on average, when `encoder` sends
    /// `per_connection` of them on one connection. Nothing where no size was measured.
    #[must_use]
    pub fn bytes(
        &self,
        facts: &Facts,
        claims: f64,
        encoder: Encoder,
        per_connection: f64,
    ) -> Option<f64> {
        let own = facts.line_bytes?;
        let usual_claims = facts.claims_bytes;
        let plain = self.line(facts, None)?;
        let here = usual_claims.map_or(0.0, |_| claims);
        // What this strategy's line has more than the plain one of the same claims.
        let more = own - at(plain, usual_claims.unwrap_or(0.0), 1);
        let plain_here = at(plain, here, 1) + more;
        let Some(policy) = encoder.policy() else { return Some(plain_here) };
        let line = self.line(facts, Some(policy))?;
        let first = at(line, here, 1);
        let later = later(line, here, policy, plain_here);
        // An indexed one is as short, whatever it stands for.
        let later = if later < first / 2.0 { later } else { later + more };
        Some((first + more + (per_connection - 1.0) * later) / per_connection)
    }
}

/// The longest entry that an encoder indexes, name, value and 32 (RFC 7541 section 4.1): the table,
/// and for nghttp2 three quarters of it.
fn limit(policy: &str) -> f64 {
    if policy == "nghttp2" { 3_072.0 } else { 4_096.0 }
}

/// Bytes of every request but the first on a connection.
fn later(line: &WireLine, claims: f64, policy: &str, plain: f64) -> f64 {
    let first = line.points.first().copied().unwrap_or_default();
    if first[2] * 2.0 > first[1] {
        return at(line, claims, 2);
    }
    if plain + 32.0 > limit(policy) { at(line, claims, 1) } else { first[2] }
}

/// The value in that column at `claims` bytes.
fn at(line: &WireLine, claims: f64, column: usize) -> f64 {
    let points = &line.points;
    if points.len() < 2 {
        return points.first().map_or(0.0, |point| point[column]);
    }
    let beyond = points.iter().position(|point| point[0] >= claims);
    let upper = beyond.unwrap_or(points.len() - 1).max(1);
    let (a, b) = (points[upper - 1], points[upper]);
    let share = (claims - a[0]) / (b[0] - a[0]);
    a[column] + share * (b[column] - a[column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_indexed_is_short_until_it_is_too_long() {
        let line = WireLine {
            credential: "jwt".into(),
            algorithm: None,
            carrier: "cookie".into(),
            policy: Some("nghttp2".into()),
            points: vec![[100.0, 200.0, 9.0], [3_000.0, 4_200.0, 4_200.0]],
        };
        assert_eq!(later(&line, 1_000.0, "nghttp2", 1_400.0), 9.0);
        assert_eq!(later(&line, 2_900.0, "nghttp2", 3_900.0), at(&line, 2_900.0, 1));
        assert_eq!(later(&line, 2_900.0, "index-all", 3_900.0), 9.0);
    }

    #[test]
    fn between_points_it_is_a_line_and_beyond_them_the_last_one() {
        let line = WireLine {
            credential: "jwt".into(),
            algorithm: None,
            carrier: "bearer".into(),
            policy: None,
            points: vec![[100.0, 200.0, 20.0], [200.0, 300.0, 20.0], [400.0, 700.0, 40.0]],
        };
        let found = [50.0, 100.0, 150.0, 300.0, 500.0].map(|claims| at(&line, claims, 1));
        assert_eq!(found, [150.0, 200.0, 250.0, 500.0, 900.0]);
        assert_eq!(at(&line, 300.0, 2), 30.0);
    }
}
