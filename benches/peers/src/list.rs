//! Every subject: the peers, and what they alternate with.

use std::sync::Arc;
use std::time::Duration;

use authbench_harness::measure::block::Silent;
use authbench_harness::measure::micro;
use authbench_harness::os::interrupt::Interrupt;
use authbench_harness::record::run::MicroCell;
use authbench_subjects::bed::Bed;
use authbench_subjects::state::lookup;
use authbench_subjects::subject::Subject;

use crate::jwt_simple::JwtSimple;
use crate::{ours, oxitoken, peer, tower_sessions};

/// Of the order of the rounds.
const SEED: u64 = 1;

/// The peers whose name contains `filter`, and their references.
#[must_use]
pub fn subjects(filter: &str, bed: &Arc<Bed>) -> Vec<Subject> {
    let mut peers = peer::subjects::<JwtSimple>();
    #[cfg(feature = "openssl")]
    peers.extend(peer::subjects::<crate::josekit::Josekit>());
    peers.extend(peer::subjects::<oxitoken::Oxitoken>());
    if bed.redis.is_ok() {
        peers.extend(tower_sessions::subjects());
    }
    peers.retain(|peer| peer.name.to_string().contains(filter));
    let mut references = ours::subjects();
    references.extend(lookup::subjects(bed));
    let wanted = |reference: &Subject| {
        let name = reference.name.to_string();
        peers.iter().any(|peer| peer.reference.as_ref() == Some(&name))
    };
    references.retain(wanted);
    // Timed beside the peers only: what they are compared with elsewhere is not here.
    references.iter_mut().for_each(|reference| reference.reference = None);
    peers.append(&mut references);
    peers
}

/// Times [`subjects`], and returns the cells of the peers; those of the references alone belong to
/// `authbench micro`.
///
/// # Errors
/// As [`micro::interleave`].
pub fn time(
    bed: &Arc<Bed>,
    subjects: Vec<Subject>,
    budget: Duration,
) -> anyhow::Result<Vec<MicroCell>> {
    let watcher = Silent(Interrupt::listen()?);
    let mut cells = micro::interleave(bed, subjects, budget, SEED, &watcher)?;
    cells.retain(|cell| cell.reference.is_some());
    Ok(cells)
}
