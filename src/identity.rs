//! Who a request is and when: the plain values every strategy speaks in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored: a `NumericDate` of RFC 7519 section 2
/// restricted to whole seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The instant `seconds` later; saturates at the end of time.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whole seconds from `self` until `later`; zero when `later` has passed.
    #[must_use]
    pub const fn seconds_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

/// The user a credential was issued to. Written `u-` and 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubjectId(pub u64);

/// The customer a subject belongs to. Written `t-` and 8 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TenantId(pub u32);

/// A textual identity that does not have the one accepted spelling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseIdentityError;

impl fmt::Display for ParseIdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identity in its one accepted spelling")
    }
}

impl std::error::Error for ParseIdentityError {}

/// Reads exactly `digits` lower-case hexadecimal digits behind `prefix`. One spelling per value:
/// two spellings of one subject would be two keys in a store.
fn parse_hex(text: &str, prefix: &str, digits: usize) -> Result<u64, ParseIdentityError> {
    let hex = text.strip_prefix(prefix).ok_or(ParseIdentityError)?;
    let plain = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if hex.len() != digits || !plain {
        return Err(ParseIdentityError);
    }
    u64::from_str_radix(hex, 16).map_err(|_| ParseIdentityError)
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u-{:016x}", self.0)
    }
}

impl FromStr for SubjectId {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text, "u-", 16).map(Self)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t-{:08x}", self.0)
    }
}

impl FromStr for TenantId {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = parse_hex(text, "t-", 8)?;
        u32::try_from(value).map(Self).map_err(|_| ParseIdentityError)
    }
}

/// What the principal may do: a set of named scopes, written as in RFC 6749 section 3.3, separated
/// by single spaces, each at most once, in the order of [`Scopes::NAMES`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope there is; bit `i` of the set is `NAMES[i]`.
    pub const NAMES: [&'static str; 4] = ["profile", "orders:read", "orders:write", "admin"];

    /// The set with the scopes whose bit is set; bits beyond [`Scopes::NAMES`] are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & ((1 << Self::NAMES.len()) - 1))
    }

    /// Bit `i` is set when `NAMES[i]` is in the set.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (bit, name) in Self::NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                write!(f, "{separator}{name}")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = ParseIdentityError;

    /// The empty text is the empty set; an unknown or repeated name is an error.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bits = 0;
        if text.is_empty() {
            return Ok(Self(bits));
        }
        for name in text.split(' ') {
            let bit = Self::NAMES.iter().position(|n| *n == name).ok_or(ParseIdentityError)?;
            if bits & (1 << bit) != 0 {
                return Err(ParseIdentityError);
            }
            bits |= 1 << bit;
        }
        Ok(Self(bits))
    }
}

/// Who a request is. `Copy`: the hot path must not allocate to say yes. Every strategy yields the
/// same one for the same login; the conformance suite compares them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Principal {
    /// The user (claim `sub`).
    pub subject: SubjectId,
    /// The user's customer (claim `tenant`).
    pub tenant: TenantId,
    /// What the user may do (claim `scope`, RFC 8693 section 4.2).
    pub scopes: Scopes,
    /// When the user proved who they are (claim `auth_time`, OpenID Connect Core section 2).
    pub auth_time: UnixTime,
}

impl Principal {
    /// The test population's principal for `subject`, logged in at `auth_time`. Tenant and scopes
    /// are a function of the subject, so that any two strategies can be compared.
    #[must_use]
    pub const fn of_test_subject(subject: SubjectId, auth_time: UnixTime) -> Self {
        // Three of four scopes: the typical claims are about 230 bytes of JSON.
        Self {
            subject,
            tenant: TenantId((subject.0 % 997) as u32),
            scopes: Scopes::from_bits(0b0111),
            auth_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_have_one_spelling() {
        let subject = SubjectId(0x4d2);
        assert_eq!(subject.to_string(), "u-00000000000004d2");
        assert_eq!("u-00000000000004d2".parse(), Ok(subject));
        for wrong in ["u-4d2", "u-00000000000004D2", "t-00000000000004d2", "u-+0000000000004d2", ""]
        {
            assert_eq!(wrong.parse::<SubjectId>(), Err(ParseIdentityError), "{wrong}");
        }
        assert_eq!("t-000003e5".parse(), Ok(TenantId(997)));
        assert_eq!("t-0000003e5".parse::<TenantId>(), Err(ParseIdentityError));
    }

    #[test]
    fn scopes_round_trip_and_refuse_the_unknown() {
        for bits in 0..16 {
            let scopes = Scopes::from_bits(bits);
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
        }
        for wrong in ["root", "profile profile", "profile  admin", " profile", "PROFILE"] {
            assert_eq!(wrong.parse::<Scopes>(), Err(ParseIdentityError), "{wrong}");
        }
    }
}
