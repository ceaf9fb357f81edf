//! Turned away or not judged: the two ways a request fails, never mixed up.

use std::error::Error;
use std::fmt;

/// Why a credential was turned away (401). For counters and tests; the client sees none of it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Denial {
    /// No credential was presented.
    Missing,
    /// Not in the one accepted form: encoding, JSON, a claim missing or of the wrong type.
    Malformed,
    /// The header's `alg` is not the one its key is pinned to.
    WrongAlgorithm,
    /// The header's `typ` is not `at+jwt` (RFC 9068 section 4).
    WrongType,
    /// The header names a critical extension (RFC 7515 section 4.1.11); none is understood.
    UnknownCritical,
    /// The header's `kid` names no live key.
    UnknownKey,
    /// The signature or MAC does not verify.
    BadSignature,
    /// At or past its expiry, leeway included.
    Expired,
    /// Issued in the future beyond the leeway, or not valid yet (`nbf`).
    NotYetValid,
    /// Meant to live longer than the verifier's maximum.
    LifetimeTooLong,
    /// Issued by somebody else.
    WrongIssuer,
    /// Meant for somebody else.
    WrongAudience,
    /// Well-formed, but no such session is kept here.
    Unknown,
    /// Taken back.
    Revoked,
    /// The strategy has nothing to renew by.
    NotRenewable,
}

impl Denial {
    /// Every denial, in the order of declaration: `ALL[d as usize] == d`.
    pub const ALL: [Self; 15] = [
        Self::Missing,
        Self::Malformed,
        Self::WrongAlgorithm,
        Self::WrongType,
        Self::UnknownCritical,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::LifetimeTooLong,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::Unknown,
        Self::Revoked,
        Self::NotRenewable,
    ];

    /// The denial's name in counters and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::WrongAlgorithm => "wrong-algorithm",
            Self::WrongType => "wrong-type",
            Self::UnknownCritical => "unknown-critical",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::LifetimeTooLong => "lifetime-too-long",
            Self::WrongIssuer => "wrong-issuer",
            Self::WrongAudience => "wrong-audience",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::NotRenewable => "not-renewable",
        }
    }
}

impl Error for Denial {}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The store could not answer, so the request was not judged (503).
#[derive(Debug)]
pub struct Outage(Box<dyn Error + Send + Sync>);

impl Outage {
    /// Wraps what the store's client said.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// What the store's client said.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store could not answer: {}", self.0)
    }
}

impl Error for Outage {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Why a request was not admitted: 401 or 503, by type.
#[derive(Debug)]
pub enum AuthError {
    /// Turned away.
    Denied(Denial),
    /// Could not be judged.
    Unavailable(Outage),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => write!(f, "denied: {denial}"),
            Self::Unavailable(outage) => outage.fmt(f),
        }
    }
}

impl Error for AuthError {}

impl From<Denial> for AuthError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Outage> for AuthError {
    fn from(outage: Outage) -> Self {
        Self::Unavailable(outage)
    }
}

/// Why a strategy could not be built. Never timed, always fatal to the start.
#[derive(Debug)]
pub enum BuildError {
    /// The settings cannot be used; the text says which and what to do.
    Config(String),
    /// The store was not reachable.
    Unavailable(Outage),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::Unavailable(outage) => outage.fmt(f),
        }
    }
}

impl Error for BuildError {}

impl From<Outage> for BuildError {
    fn from(outage: Outage) -> Self {
        Self::Unavailable(outage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_denial_stands_at_its_own_index() {
        for (i, denial) in Denial::ALL.into_iter().enumerate() {
            assert_eq!(denial as usize, i);
        }
    }
}
