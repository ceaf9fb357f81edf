//! What a client carries: the credential it presents and the grant it is given.

use std::fmt;

use crate::identity::UnixTime;

/// How a credential travels. An axis of the plan, not a property of a strategy.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Carrier {
    /// `Authorization: Bearer ...` (RFC 6750 section 2.1).
    Bearer,
    /// A `__Host-` cookie (RFC 6265bis).
    Cookie,
}

impl Carrier {
    /// The carrier's name in plans, records and charts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Cookie => "cookie",
        }
    }
}

/// What a client presented, borrowed from the request. `Debug` shows its length alone.
#[derive(Clone, Copy)]
pub struct Credential<'r>(&'r str);

impl<'r> Credential<'r> {
    /// Takes the credential as it stood in its carrier, nothing stripped or decoded.
    #[must_use]
    pub const fn new(text: &'r str) -> Self {
        Self(text)
    }

    /// The text to judge. Never log it.
    #[must_use]
    pub const fn expose(self) -> &'r str {
        self.0
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} bytes)", self.0.len())
    }
}

/// A text that must not reach a log. `Debug` shows its length alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that was just made.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that hands it to the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret as a client would present it.
    #[must_use]
    pub fn as_credential(&self) -> Credential<'_> {
        Credential::new(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// What a login hands to the client.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The credential for every later request.
    pub access: Secret,
    /// The refresh token (RFC 6749 section 1.5), where the strategy renews by one.
    pub refresh: Option<Secret>,
    /// From this second on the access credential is refused.
    pub expires_at: UnixTime,
}
