//! What the server counts. Relaxed atomics: read only while nothing is in flight.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use authbench::error::{AuthError, Denial};

use super::control::Counters;
use crate::os::cpu;

/// The live counters of one server.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: Count,
    pub(super) admitted: Count,
    pub(super) outages: Count,
    pub(super) logins: Count,
    pub(super) refreshes: Count,
    pub(super) revocations: Count,
    denied: [Count; Denial::ALL.len()],
}

/// One counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Tally {
    /// Counts a request that was not admitted.
    pub(super) fn refused(&self, why: &AuthError) {
        match why {
            AuthError::Denied(denial) => self.denied[*denial as usize].add_one(),
            AuthError::Unavailable(_) => self.outages.add_one(),
        }
    }

    /// The counters as the instrument reads them.
    pub(super) fn read(&self) -> Counters {
        let denied = Denial::ALL.iter().zip(&self.denied);
        Counters {
            requests: self.requests.get(),
            admitted: self.admitted.get(),
            denied: denied.map(|(d, n)| (d.name().to_owned(), n.get())).collect(),
            outages: self.outages.get(),
            logins: self.logins.get(),
            refreshes: self.refreshes.get(),
            revocations: self.revocations.get(),
            cpu_ns: cpu::own_process_ns(),
        }
    }
}
