//! What state costs: looking it up, taking it back, and the memory it fills.
//!
//! Strategies come from the registry and are told apart by what they declare, never by name.

mod database;
pub mod drive;
mod entry;
mod live;
pub mod lookup;
pub mod memory;
pub mod revoke;

use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Family;

/// The strategies that remember something about a credential, in report order; those that are
/// timed without a server.
fn stateful() -> impl Iterator<Item = StrategyKind> {
    let remembers = |kind: &StrategyKind| {
        let family = kind.properties().family;
        matches!(family, Family::Session | Family::TokenWithState)
            && crate::strategies::is_timed_here(*kind)
    };
    StrategyKind::ALL.iter().copied().filter(remembers)
}
