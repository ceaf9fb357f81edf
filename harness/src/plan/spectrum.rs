//! How taking credentials back is measured beyond one logout: nodes, load, masses, faults, races.

use serde::Deserialize;

/// More logouts at once than this are a large mass.
const LARGE: u32 = 10_000;
/// Faster than this one driver does not send beside a server on two cores.
const PROBES_MAX: u64 = 50_000;

/// An experiment of the spectrum.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// How long a revoked credential goes on working.
    Lag,
    /// What becomes of requests under each fault.
    Faults,
    /// One single-use credential presented many times at once, and what renewals cost.
    Races,
    /// Verifiers that fetch their keys.
    Keys,
    /// What sliding expiry writes.
    Writes,
    /// What credentials weigh, in the store and on the nodes.
    Memory,
}

/// The table `[spectrum]` of a plan. Every key has a default.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpectrumPlan {
    /// The experiments.
    pub parts: Vec<Part>,
    /// Server processes that share the store: each of these counts, ascending. The first is the
    /// one at which everything else is measured.
    pub nodes: Vec<u32>,
    /// From one probe of a credential on a node to its next, microseconds.
    pub probe_us: u64,
    /// A promised bound is probed in at most so many steps: one longer than that many intervals is
    /// probed at longer ones.
    pub within_steps: u64,
    /// Probes per second in all: as many trials overlap as that allows.
    pub probes_per_second: u64,
    /// Logouts at rest, one credential each, on the first count of nodes.
    pub trials: u32,
    /// Of a strategy that promises to be immediate, under load; 299 give a bound of the 99th
    /// percentile.
    pub load_trials: u32,
    /// Everything else: more nodes, logout everywhere, bounds under load.
    pub other_trials: u32,
    /// Requests per second with other credentials meanwhile, on all nodes together; 0 for no
    /// series under load.
    pub load_per_second: u64,
    /// Logouts at once, each of these many; capped by `mass_limit_s`.
    pub mass: Vec<u32>,
    /// Ids of the strategies of which more than 10,000 at once are logged out, which takes most of
    /// a minute each; empty for all.
    pub mass_large: Vec<String>,
    /// Of these, how many are probed.
    pub mass_sample: u32,
    /// Logins for one mass end after this long, seconds: it is then smaller, and says so.
    pub mass_limit_s: u64,
    /// Trials of each fault.
    pub fault_trials: u32,
    /// Single-use credentials raced for.
    pub race_repetitions: u32,
    /// Requests with one of them, sent at once.
    pub at_once: u32,
    /// Graces of a used refresh token, seconds: each is raced.
    pub grace_s: Vec<u64>,
}

impl Default for SpectrumPlan {
    fn default() -> Self {
        Self {
            parts: vec![
                Part::Lag,
                Part::Faults,
                Part::Races,
                Part::Keys,
                Part::Writes,
                Part::Memory,
            ],
            nodes: vec![2, 4],
            probe_us: 1_000,
            within_steps: 1_000,
            probes_per_second: 8_000,
            trials: 300,
            load_trials: 300,
            other_trials: 60,
            load_per_second: 2_000,
            mass: vec![1_000, 10_000],
            mass_large: vec![],
            mass_sample: 50,
            mass_limit_s: 30,
            fault_trials: 20,
            race_repetitions: 1_000,
            at_once: 50,
            grace_s: vec![0, 2, 10],
        }
    }
}

impl SpectrumPlan {
    /// Whether it can be measured.
    ///
    /// # Errors
    /// The first key that cannot be used, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let ranges = [
            ("probe_us", self.probe_us, 100, 1_000_000),
            ("within_steps", self.within_steps, 10, 1_000_000),
            ("probes_per_second", self.probes_per_second, 100, PROBES_MAX),
            ("load_per_second", self.load_per_second, 0, PROBES_MAX),
            ("mass_sample", u64::from(self.mass_sample), 1, 1_000),
            ("mass_limit_s", self.mass_limit_s, 1, 600),
            ("at_once", u64::from(self.at_once), 2, 1_000),
        ];
        for (key, value, least, most) in ranges {
            if value < least || value > most {
                return Err(format!("spectrum: `{key}` is {value}; it must be {least} to {most}"));
            }
        }
        let ascend = |values: &[u32]| values.windows(2).all(|two| two[0] < two[1]);
        if self.nodes.is_empty() || !ascend(&self.nodes) || self.nodes.iter().any(|n| *n > 16) {
            let nodes = &self.nodes;
            return Err(format!("spectrum: `nodes` is {nodes:?}; it must ascend from 1 to 16"));
        }
        if self.nodes[0] == 0 {
            return Err("spectrum: `nodes` begins with 0; a credential is probed somewhere".into());
        }
        let least = 2 * self.mass_sample;
        if !ascend(&self.mass) || self.mass.first().is_some_and(|first| *first < least) {
            return Err(format!(
                "spectrum: `mass` is {:?}; it must ascend from {least}, twice `mass_sample`",
                self.mass
            ));
        }
        Ok(())
    }

    /// Whether the experiment is asked for.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// The masses of the strategy `id`.
    pub fn masses(&self, id: &str) -> impl Iterator<Item = u32> {
        let all = self.mass_large.is_empty() || self.mass_large.iter().any(|own| own == id);
        self.mass.iter().copied().filter(move |logouts| all || *logouts <= LARGE)
    }

    /// The same, with every count of trials and repetitions at most `n`, and no mass so large that
    /// it would outweigh them: a look, nothing to cite below 60.
    #[must_use]
    pub fn limited_to(mut self, n: u32) -> Self {
        for count in [
            &mut self.trials,
            &mut self.load_trials,
            &mut self.other_trials,
            &mut self.fault_trials,
            &mut self.race_repetitions,
        ] {
            *count = (*count).min(n);
        }
        self.mass.retain(|logouts| *logouts <= n.saturating_mul(200));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SpectrumPlan, String> {
        let plan: SpectrumPlan = toml::from_str(text).map_err(|e| e.to_string())?;
        plan.check().map(|()| plan)
    }

    #[test]
    fn an_empty_table_is_the_default_and_keys_change_it() {
        assert_eq!(read("").unwrap(), SpectrumPlan::default());
        let own = read("nodes = [3]\ntrials = 7\nmass = []").unwrap();
        assert_eq!((own.nodes, own.trials, own.mass), (vec![3], 7, vec![]));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (text, word) in [
            ("node = [2]", "node"),
            ("nodes = []", "nodes"),
            ("nodes = [0, 2]", "nodes"),
            ("nodes = [4, 2]", "ascend"),
            ("nodes = [2, 99]", "16"),
            ("probe_us = 10", "probe_us"),
            ("within_steps = 1", "within_steps"),
            ("probes_per_second = 1000000", "probes_per_second"),
            ("mass = [10000, 1000]", "ascend"),
            ("mass = [60]", "mass_sample"),
            ("mass_sample = 0", "mass_sample"),
            ("at_once = 1", "at_once"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn large_masses_are_those_of_some() {
        let plan = read("mass = [1000, 100000]\nmass_large = [\"one\"]").unwrap();
        assert_eq!(plan.masses("one").collect::<Vec<_>>(), [1_000, 100_000]);
        assert_eq!(plan.masses("other").collect::<Vec<_>>(), [1_000]);
        let all = SpectrumPlan { mass_large: vec![], ..plan };
        assert_eq!(all.masses("other").count(), 2);
    }

    #[test]
    fn a_look_is_a_smaller_plan_that_can_be_measured() {
        let look = SpectrumPlan::default().limited_to(5);
        assert_eq!((look.trials, look.other_trials, look.race_repetitions), (5, 5, 5));
        assert_eq!(look.mass, [1_000]);
        assert!(look.check().is_ok());
        assert_eq!(SpectrumPlan::default().limited_to(9_999), SpectrumPlan::default());
    }
}
