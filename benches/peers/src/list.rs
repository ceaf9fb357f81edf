//! Every subject: the peers, and what they alternate with.

use authbench_subjects::subject::Subject;

use crate::jwt_simple::JwtSimple;
use crate::{lookup, ours, oxitoken, peer, tower_sessions};

/// The peers whose name contains `filter`, and their references.
#[must_use]
pub fn subjects(filter: &str, with_redis: bool) -> Vec<Subject> {
    let mut peers = peer::subjects::<JwtSimple>();
    #[cfg(feature = "openssl")]
    peers.extend(peer::subjects::<crate::josekit::Josekit>());
    peers.extend(peer::subjects::<oxitoken::Oxitoken>());
    if with_redis {
        peers.extend(tower_sessions::subjects());
    }
    peers.retain(|peer| peer.name.to_string().contains(filter));
    let mut references = ours::subjects();
    references.extend(lookup::subjects());
    let wanted = |reference: &Subject| {
        let name = reference.name.to_string();
        peers.iter().any(|peer| peer.reference.as_ref() == Some(&name))
    };
    references.retain(wanted);
    peers.append(&mut references);
    peers
}
