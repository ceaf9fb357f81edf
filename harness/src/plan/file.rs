//! Plan files: every key required, unknown keys refused with their line.

use std::fmt;
use std::path::Path;

use authbench::settings::Settings;
use serde::Deserialize;

use super::distance::SweepPlan;
use super::regimes::Regimes;
use super::spectrum::SpectrumPlan;
use crate::load::pacer::Pacing;
use crate::load::schedule::Arrivals;

/// The shipped plans.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Profile {
    /// Seconds, for tests: asserts validity, claims nothing.
    Smoke,
    /// Within 90 s: a preview, not to be cited.
    Quick,
    /// About 15 minutes.
    Standard,
    /// At most 75 minutes.
    Reference,
    /// Every way of taking a credential back: about 15 minutes of cost, then what it buys.
    Revocation,
    /// What lies between the measured points of the others: about 15 minutes, for `predict`.
    HeldOut,
    /// Every strategy at five rates, for `decide`: about half an hour.
    Rates,
    /// Longer tokens, an application's own work, mixes and distances: about ten minutes, for
    /// `decide` and `predict`.
    Conditions,
}

impl Profile {
    /// The plan's text and the name its errors carry.
    #[must_use]
    pub const fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::Smoke => ("smoke", include_str!("../../plans/smoke.toml")),
            Self::Quick => ("quick", include_str!("../../plans/quick.toml")),
            Self::Standard => ("standard", include_str!("../../plans/standard.toml")),
            Self::Reference => ("reference", include_str!("../../plans/reference.toml")),
            Self::Revocation => ("revocation", include_str!("../../plans/revocation.toml")),
            Self::HeldOut => ("held-out", include_str!("../../plans/held-out.toml")),
            Self::Rates => ("rates", include_str!("../../plans/rates.toml")),
            Self::Conditions => ("conditions", include_str!("../../plans/conditions.toml")),
        }
    }
}

/// Which strategies become arms.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ArmSelection {
    /// `"all"`: every registered strategy whose credentials can be used more than once; of a plan's
    /// own arms also `"every"`: those that are used up by being used too.
    Keyword(String),
    /// These, by id.
    Named(Vec<String>),
}

impl ArmSelection {
    /// The word, where it is one.
    #[must_use]
    pub fn keyword(&self) -> Option<&str> {
        match self {
            Self::Keyword(word) => Some(word),
            Self::Named(_) => None,
        }
    }
}

/// An arm that is there to be compared with, or a strategy once more in another carrier or with
/// longer tokens.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The strategy's id.
    pub strategy: String,
    /// `aa`, `ping`, `ruler`, `decoy`, `carrier` or `claims`.
    pub kind: String,
    /// The carrier, for `carrier`; otherwise the strategy's usual one.
    pub carrier: Option<String>,
    /// CPU to burn per request, for `ruler`, microseconds.
    pub spin_us: Option<u64>,
    /// Bytes of JSON that its tokens carry beyond their usual claims, for `claims`.
    pub extra_claims_bytes: Option<u32>,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The profile's name, in records.
    pub name: String,
    /// Whether its results may be cited at all.
    pub citable: bool,
    /// Fresh server processes and many rounds, this often.
    pub blocks: u32,
    /// Every arm once in random order, this often per block.
    pub rounds_per_block: u32,
    /// Measured part of a slot, milliseconds.
    pub slot_ms: u64,
    /// Sent and thrown away before it, milliseconds.
    pub lead_in_ms: u64,
    /// A longer window for percentiles in each block, milliseconds; 0 for none.
    pub latency_window_ms: u64,
    /// Requests per second.
    pub rate_per_second: u64,
    /// The arrival law.
    pub arrivals: Arrivals,
    /// How the driver wakes.
    pub pacing: Pacing,
    /// Keep-alive connections per arm.
    pub connections: u32,
    /// Distinct credentials per arm.
    pub wallet: u32,
    /// Requests sent to each fresh server and thrown away.
    pub warm_up_requests: u32,
    /// Tokio worker threads of each server.
    pub server_threads: u32,
    /// From the intended start, milliseconds.
    pub timeout_ms: u64,
    /// Requests that may wait for a connection.
    pub backlog_limit: u32,
    /// A slot whose 99th percentile of slip is above this is discarded, microseconds.
    pub slip_limit_us: u64,
    /// Above this share of discarded slots the run is invalid, thousandths.
    pub discard_limit_permille: u32,
    /// Whether gates that only a quiet machine passes are judged.
    pub judge_host: bool,
    /// Whether system calls are counted, in a pass of their own of about a second an arm.
    pub count_syscalls: bool,
    /// Logouts per block and strategy; a quarter as many logouts everywhere.
    pub logouts_per_block: u32,
    /// Credentials a logout everywhere takes back.
    pub logout_all_credentials: u32,
    /// Revocations per strategy whose lag is measured.
    pub lag_trials: u32,
    /// Interval between probes of one node, microseconds.
    pub lag_probe_us: u64,
    /// Strategies whose lag is their tokens' expiry: how many of them, in report order, are
    /// measured; the others follow by law.
    pub lag_token_strategies: u32,
    /// Tokens per such strategy.
    pub lag_token_trials: u32,
    /// Lifetime of the tokens whose lag is their expiry, seconds.
    pub lag_token_lifetime_s: u64,
    /// Interval between probes in that experiment, microseconds.
    pub lag_token_probe_us: u64,
    /// Time for the interleaved micro pass, milliseconds; 0 for none.
    pub micro_ms: u64,
    /// The strategies.
    pub arms: ArmSelection,
    /// The controls.
    #[serde(default)]
    pub control: Vec<Control>,
    /// Some arms once more under other conditions.
    pub regimes: Option<Regimes>,
    /// The store put at several distances.
    pub distance: Option<SweepPlan>,
    /// How long credentials go on working, in full; without it, the `lag_` keys alone say how.
    pub spectrum: Option<SpectrumPlan>,
    /// Lifetimes, leeway, issuer, audience; the defaults where the plan is silent.
    #[serde(default)]
    pub settings: Settings,
}

/// Why a plan cannot be used.
#[derive(Debug)]
pub struct PlanError(pub String);

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// The shipped plan.
    ///
    /// # Errors
    /// Never for an unchanged tree; a test reads them all.
    pub fn shipped(profile: Profile) -> Result<Self, PlanError> {
        let (name, text) = profile.source();
        Self::parse(name, text)
    }

    /// The plan in a file.
    ///
    /// # Errors
    /// When it cannot be read or used; names the key and the line.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| PlanError(format!("cannot read the plan {name}: {e}")))?;
        Self::parse(&name, &text)
    }

    /// Reads and checks a plan; `name` stands in its errors.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self, PlanError> {
        let plan: Self =
            toml::from_str(text).map_err(|e| PlanError(format!("in the plan {name}: {e}")))?;
        plan.check().map_err(|what| PlanError(format!("in the plan {name}: {what}")))?;
        Ok(plan)
    }

    /// Whether percentiles come from the slots, because no longer window is planned.
    #[must_use]
    pub fn latency_from_slots(&self) -> bool {
        self.latency_window_ms == 0
    }

    fn check(&self) -> Result<(), String> {
        let least = [
            ("blocks", u64::from(self.blocks), 1),
            ("rounds_per_block", u64::from(self.rounds_per_block), 1),
            ("slot_ms", self.slot_ms, 10),
            ("rate_per_second", self.rate_per_second, 10),
            ("connections", u64::from(self.connections), 1),
            ("wallet", u64::from(self.wallet), 1),
            ("server_threads", u64::from(self.server_threads), 1),
            ("timeout_ms", self.timeout_ms, 10),
            ("backlog_limit", u64::from(self.backlog_limit), 1),
            ("lag_probe_us", self.lag_probe_us, 100),
            ("lag_token_probe_us", self.lag_token_probe_us, 100),
            ("lag_token_lifetime_s", self.lag_token_lifetime_s, 1),
        ];
        for (key, value, least) in least {
            if value < least {
                return Err(format!("`{key}` is {value}; it must be at least {least}"));
            }
        }
        self.regimes.as_ref().map_or(Ok(()), Regimes::check)?;
        self.distance.as_ref().map_or(Ok(()), SweepPlan::check)?;
        self.spectrum.as_ref().map_or(Ok(()), SpectrumPlan::check)?;
        self.settings.check().map_err(|e| format!("settings: {e}"))?;
        if self.citable && self.blocks < 10 {
            return Err(format!(
                "`blocks` is {} and `citable` is true; a figure to cite rests on at least 10",
                self.blocks
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn the_shipped_plans_are_read() {
        for profile in Profile::value_variants() {
            let plan = Plan::shipped(*profile).unwrap();
            assert_eq!(plan.name, profile.source().0);
        }
        assert!(Plan::shipped(Profile::Quick).unwrap().blocks >= 5);
        assert!(Plan::shipped(Profile::Standard).unwrap().blocks >= 10);
        assert!(Plan::shipped(Profile::Reference).unwrap().blocks >= 20);
        assert!(Plan::shipped(Profile::Revocation).unwrap().spectrum.is_some());
    }

    #[test]
    fn a_typo_is_named_with_its_line() {
        let (_, text) = Profile::Smoke.source();
        let wrong = text.replace("slot_ms", "slot_msec");
        let line = text.lines().position(|l| l.starts_with("slot_ms")).unwrap() + 1;
        let error = Plan::parse("mine.toml", &wrong).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("slot_msec"), "{error}");
        assert!(error.contains(&format!("line {line}")), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let (_, text) = Profile::Smoke.source();
        for (from, to, key) in [
            ("blocks = ", "blocks = 0 #", "blocks"),
            ("slot_ms = ", "slot_ms = 1 #", "slot_ms"),
            ("citable = false", "citable = true", "blocks"),
        ] {
            let error = Plan::parse("p", &text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
