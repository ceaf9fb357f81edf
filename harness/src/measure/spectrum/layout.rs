//! When logouts and probes are due: laid out before anything is sent, and reproducible.

use rand::{Rng, RngExt as _};

use crate::load::schedule::shuffled;

/// Refusals on every node, past the bound, before a trial may end.
pub const REFUSALS: u64 = 50;
/// Probes sent before the logout.
pub const PROBES_BEFORE: u64 = 10;
/// A logout presents the credential, so it must still be good: none is revoked in the last moments
/// of its life.
const LAST_MOMENTS_NS: u64 = 150_000_000;
/// Before the first probe.
const LEAD_NS: u64 = 20_000_000;

/// How the revocations of one strategy are laid out in time, nanoseconds.
#[derive(Clone, Debug)]
pub struct Layout {
    /// When each trial's logout is due.
    pub logouts_ns: Vec<u64>,
    /// When each trial's credential is presented once to each node, long before its logout, so that
    /// a verdict which a node keeps has any age by then; empty where none is kept.
    pub primes_ns: Vec<Vec<u64>>,
    /// From a logout to the trial's last probe.
    pub probe_for_ns: u64,
    /// From one probe of a node to its next.
    pub interval_ns: u64,
}

/// What the trials of one series have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// Trials.
    pub trials: u32,
    /// Nodes that are probed.
    pub nodes: u64,
    /// The promised bound, nanoseconds; 0 for an immediate one.
    pub bound_ns: u64,
    /// From one probe of a node to its next, nanoseconds.
    pub interval_ns: u64,
    /// What a revoke call may take without the trial being too short, nanoseconds.
    pub slack_ns: u64,
    /// Probes per second in all: as many trials overlap as that allows.
    pub probes_per_second: u64,
}

impl Pace {
    /// Probes of one node in one trial.
    const fn probes(&self) -> u64 {
        PROBES_BEFORE + REFUSALS + (self.bound_ns + self.slack_ns).div_ceil(self.interval_ns)
    }

    /// From one logout to the next.
    const fn spacing_ns(&self) -> u64 {
        self.probes() * self.nodes * 1_000_000_000 / self.probes_per_second
    }

    /// From the begin to the first logout that may be due.
    const fn begin_ns(&self) -> u64 {
        LEAD_NS + PROBES_BEFORE * self.interval_ns + self.bound_ns
    }

    /// From the begin to the last probe, nanoseconds, at most.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        let logouts = self.trials as u64 * self.spacing_ns();
        self.begin_ns() + logouts + self.probes() * self.interval_ns
    }

    /// One logout after another, in random order of age, their probes overlapping; every one at a
    /// uniformly random instant of its time, and of the life of the verdict on it that a node
    /// keeps.
    #[must_use]
    pub fn layout(&self, rng: &mut impl Rng) -> Layout {
        let (spacing, before_ns) = (self.spacing_ns(), PROBES_BEFORE * self.interval_ns);
        let logouts_ns: Vec<u64> = shuffled(self.trials as usize, rng)
            .into_iter()
            .map(|place| self.begin_ns() + place as u64 * spacing + rng.random_range(0..spacing))
            .collect();
        let mut primes_ns = Vec::new();
        if self.bound_ns > 0 {
            for logout_ns in &logouts_ns {
                let latest = logout_ns - before_ns;
                let each = (0..self.nodes).map(|_| latest - rng.random_range(0..self.bound_ns));
                primes_ns.push(each.collect());
            }
        }
        let probe_for_ns = (self.probes() - PROBES_BEFORE) * self.interval_ns;
        Layout { logouts_ns, primes_ns, probe_for_ns, interval_ns: self.interval_ns }
    }
}

/// Credentials that work until they expire: every one revoked at a uniformly random age, and probed
/// until well past its expiry.
#[must_use]
pub fn at_expiry(trials: u32, lifetime_ns: u64, interval_ns: u64, rng: &mut impl Rng) -> Layout {
    let latest = lifetime_ns.saturating_sub(LAST_MOMENTS_NS);
    let logouts_ns = (0..trials).map(|_| rng.random_range(0..latest)).collect();
    let probe_for_ns = lifetime_ns + (REFUSALS + 5) * interval_ns;
    Layout { logouts_ns, primes_ns: vec![], probe_for_ns, interval_ns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::stream;

    const MS: u64 = 1_000_000;

    fn pace(bound_ms: u64, nodes: u64) -> Pace {
        Pace {
            trials: 40,
            nodes,
            bound_ns: bound_ms * MS,
            interval_ns: MS,
            slack_ns: 10 * MS,
            probes_per_second: 8_000,
        }
    }

    /// The most probes due in any second, by the layout's own account.
    fn busiest(pace: &Pace, layout: &Layout) -> u64 {
        let each = layout.probe_for_ns + PROBES_BEFORE * pace.interval_ns;
        let begins = layout.logouts_ns.iter().map(|at| at - PROBES_BEFORE * pace.interval_ns);
        let begins: Vec<u64> = begins.collect();
        let overlap = |at: u64| begins.iter().filter(|b| **b <= at && at < **b + each).count();
        let most = begins.iter().map(|at| overlap(*at)).max().unwrap_or(0) as u64;
        most * pace.nodes * 1_000_000_000 / pace.interval_ns
    }

    #[test]
    fn trials_overlap_as_far_as_the_rate_of_probes_allows() {
        for (bound_ms, nodes) in [(0, 2), (0, 4), (1_000, 2), (1_000, 4)] {
            let pace = pace(bound_ms, nodes);
            let layout = pace.layout(&mut stream(1, "layout", 0));
            let busiest = busiest(&pace, &layout);
            // One more trial than the mean may overlap, since each begins anywhere in its time.
            let most = pace.probes_per_second + nodes * 2_000;
            assert!((4_000..=most).contains(&busiest), "{bound_ms} ms, {nodes}: {busiest}");
            let last = layout.logouts_ns.iter().max().unwrap() + layout.probe_for_ns;
            assert!(last <= pace.length_ns());
        }
    }

    #[test]
    fn a_trial_lasts_past_its_bound_and_fifty_refusals() {
        let pace = pace(1_000, 2);
        let layout = pace.layout(&mut stream(1, "layout", 0));
        assert!(layout.probe_for_ns >= pace.bound_ns + pace.slack_ns + REFUSALS * MS);
        let immediate = Pace { bound_ns: 0, ..pace }.layout(&mut stream(1, "layout", 0));
        assert_eq!(immediate.probe_for_ns, 60 * MS);
        assert!(immediate.primes_ns.is_empty(), "nothing is kept, so nothing has an age");
    }

    #[test]
    fn what_a_node_keeps_has_any_age_when_it_is_revoked() {
        let pace = Pace { trials: 1_000, ..pace(100, 2) };
        let layout = pace.layout(&mut stream(1, "layout", 0));
        let mut ages = [0_u32; 10];
        for (logout, primes) in layout.logouts_ns.iter().zip(&layout.primes_ns) {
            assert_eq!(primes.len(), 2);
            for prime in primes {
                let age = logout - PROBES_BEFORE * MS - prime;
                ages[usize::try_from(age / (10 * MS)).unwrap()] += 1;
            }
        }
        assert!(ages.iter().all(|count| (120..280).contains(count)), "{ages:?}");
    }

    #[test]
    fn tokens_are_revoked_at_any_age_but_the_last_moments() {
        let layout = at_expiry(500, 2_000 * MS, 20 * MS, &mut stream(1, "layout", 0));
        assert!(layout.logouts_ns.iter().all(|at| *at < 1_850 * MS));
        assert!(layout.logouts_ns.iter().any(|at| *at < 100 * MS));
        assert!(layout.logouts_ns.iter().any(|at| *at > 1_700 * MS));
        assert_eq!(layout.probe_for_ns, 3_100 * MS);
    }
}
