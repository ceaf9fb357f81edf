//! The law that a strategy's lag should follow: what a measured distribution is held against.

use std::time::Duration;

use super::contract::{Properties, Revocation};

/// The law that the lag of a logout follows on a node that did not take the logout itself:
/// predicted, then held against what is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LagLaw {
    /// None after the acknowledgement: the next request is refused.
    AtOnce,
    /// Uniform from nothing to this long: the age of a kept verdict, or the time to the next poll.
    Uniform(Duration),
    /// As long as an announcement takes, far below the bound that is promised.
    Push,
    /// What is left of the credential's lifetime.
    Remaining,
}

impl LagLaw {
    /// The law of a strategy that names no other: `redis.cached` verdicts grow as old as the
    /// promise allows, and what else keeps a bound is told of a logout.
    #[must_use]
    pub const fn of(properties: &Properties) -> Self {
        match properties.revoke {
            Revocation::Immediate => Self::AtOnce,
            Revocation::Within(bound) if properties.redis.cached => Self::Uniform(bound),
            Revocation::Within(_) => Self::Push,
            Revocation::AtExpiry => Self::Remaining,
        }
    }

    /// The law that was named, else the one that the promise implies.
    #[must_use]
    pub const fn named_or_of(named: Option<Self>, properties: &Properties) -> Self {
        match named {
            Some(law) => law,
            None => Self::of(properties),
        }
    }

    /// The law's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::Uniform(_) => "uniform",
            Self::Push => "push",
            Self::Remaining => "remaining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::StrategyKind;
    use crate::strategy::contract::RedisCommands;

    #[test]
    fn a_promise_implies_a_law() {
        let any = StrategyKind::ALL[0].properties();
        let bound = Duration::from_secs(1);
        let within = Properties { revoke: Revocation::Within(bound), ..any };
        let cached = RedisCommands { cached: true, ..any.redis };
        let at_expiry = Properties { revoke: Revocation::AtExpiry, ..any };
        let immediate = Properties { revoke: Revocation::Immediate, ..any };
        for (properties, law) in [
            (immediate, LagLaw::AtOnce),
            (within, LagLaw::Push),
            (Properties { redis: cached, ..within }, LagLaw::Uniform(bound)),
            (at_expiry, LagLaw::Remaining),
        ] {
            assert_eq!(LagLaw::of(&properties), law);
        }
    }
}
