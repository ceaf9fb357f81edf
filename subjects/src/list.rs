//! The whole list, for those who time everything.

use std::sync::Arc;

use authbench::strategy::StrategyKind;

use crate::bed::Bed;
use crate::state::lookup;
use crate::strategies;
use crate::subject::{Name, Subject};
use crate::tokens::{issue, parts, reject, verify};

/// What stands for an accepted request of `kind`, one at a time.
#[must_use]
pub fn accepted(kind: StrategyKind) -> Name {
    if kind.properties().needs_redis() {
        return Name::new("lookup", kind.name()).with("in-flight", 1);
    }
    Name::new("verify", kind.name())
}

/// Verification and issuing, the parts of a verification, forgeries and lookups: every subject
/// whose reference is among them too. What files many entries first is for `cargo bench` alone.
#[must_use]
pub fn everything(bed: &Arc<Bed>) -> Vec<Subject> {
    let mut all = strategies::subjects(StrategyKind::ALL);
    all.extend(verify::subjects());
    all.extend(parts::subjects());
    all.extend(issue::subjects());
    all.extend(reject::subjects(accepted));
    all.extend(lookup::subjects(bed));
    all.retain(|subject| bed.redis.is_ok() || !subject.waits);
    all
}
