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

/// The strategies that remember something about a credential, in report order.
fn stateful() -> impl Iterator<Item = StrategyKind> {
    let remembers = |kind: &StrategyKind| {
        matches!(kind.properties().family, Family::Session | Family::TokenWithState)
    };
    StrategyKind::ALL.iter().copied().filter(remembers)
}
