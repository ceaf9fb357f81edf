//! Other conditions under which some arms are measured once more: rates, closed loop, layouts.

use serde::Deserialize;

use super::arms::PlannedArm;
use super::file::{ArmSelection, Plan};
use crate::load::mix::Mix;
use crate::load::pacer::Pacing;
use crate::os::affinity::Layout;
use crate::record::run::Role;

/// The conditions, and what is measured under each.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regimes {
    /// Blocks of each.
    pub blocks: u32,
    /// Rounds per block.
    pub rounds_per_block: u32,
    /// The arms beside the floor and its A/A control, which are always there: ids, or `"all"`
    /// that are contenders.
    pub arms: ArmSelection,
    /// The conditions, in this order.
    pub each: Vec<RegimePlan>,
}

/// One condition: what differs from the rest of the plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegimePlan {
    /// Its name, kebab-case.
    pub name: String,
    /// Another rate, requests per second.
    pub rate_per_second: Option<u64>,
    /// Another length of a slot, milliseconds: at a low rate an ordinary one holds few requests.
    pub slot_ms: Option<u64>,
    /// Other arms than those of the other conditions.
    pub arms: Option<ArmSelection>,
    /// A closed loop: saturation. A slot then sends as many requests as an open one at this rate.
    #[serde(default)]
    pub closed: bool,
    /// Another way of waking.
    pub pacing: Option<Pacing>,
    /// Where the processes run.
    #[serde(default)]
    pub layout: Layout,
    /// Other operations than `GET /me` with good credentials, with the answer each must get.
    pub mix: Option<Mix>,
    /// Memory that each `GET /me` reads and writes as an application's own work, KiB.
    #[serde(default)]
    pub work_kib: u32,
    /// HTTP/2 over this many connections, instead of HTTP/1.1.
    pub http2_connections: Option<u32>,
}

impl Regimes {
    /// Refuses what cannot be measured.
    ///
    /// # Errors
    /// Names the key and what it must be.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.blocks == 0 || self.rounds_per_block == 0 {
            return Err("`regimes.blocks` and `regimes.rounds_per_block` must be at least 1".into());
        }
        for (i, regime) in self.each.iter().enumerate() {
            let name = &regime.name;
            if name.is_empty() || self.each[..i].iter().any(|other| other.name == *name) {
                return Err(format!("the regime `{name}` has no name or one that is taken"));
            }
            if let Some(mix) = &regime.mix {
                mix.check().map_err(|e| format!("the regime `{name}`: {e:#}"))?;
            }
            if regime.http2_connections == Some(0) {
                return Err(format!("the regime `{name}`: `http2_connections` is 0"));
            }
            if regime.closed && regime.mix.is_some() {
                return Err(format!("the regime `{name}`: a mix needs an open loop"));
            }
            for (key, value) in
                [("rate_per_second", regime.rate_per_second), ("slot_ms", regime.slot_ms)]
            {
                if value.is_some_and(|value| value < 10) {
                    return Err(format!("the regime `{name}`: `{key}` must be at least 10"));
                }
            }
            let selections = [Some(&self.arms), regime.arms.as_ref()];
            for word in selections.into_iter().flatten().filter_map(ArmSelection::keyword) {
                if word != "all" {
                    return Err(format!(
                        "the regime `{name}`: `arms` is \"{word}\"; it is \"all\" or a list of ids"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Refuses a condition that names an arm which is not planned, or one that it cannot have.
    ///
    /// # Errors
    /// Names both.
    pub(super) fn check_arms(&self, arms: &[PlannedArm]) -> Result<(), String> {
        for regime in &self.each {
            let selection = regime.arms.as_ref().unwrap_or(&self.arms);
            let ArmSelection::Named(ids) = selection else { continue };
            let picked = self.pick(regime, arms);
            let missing = ids.iter().find(|id| !picked.iter().any(|arm| arm.record.id == **id));
            if let Some(id) = missing {
                let is_planned = arms.iter().any(|arm| arm.record.id == *id);
                let why = if is_planned {
                    "is used up by being used, and has no part in HTTP/2 or a mix"
                } else {
                    "is no arm of the plan"
                };
                return Err(format!("the regime `{}`: `{id}` {why}", regime.name));
            }
        }
        Ok(())
    }

    /// The arms that are measured under one condition, of all that are planned. What is used up by
    /// being used has no part in HTTP/2 and in mixes, which are prepared once a block.
    #[must_use]
    pub fn pick(&self, regime: &RegimePlan, arms: &[PlannedArm]) -> Vec<PlannedArm> {
        let selection = regime.arms.as_ref().unwrap_or(&self.arms);
        let is_prepared = regime.http2_connections.is_some() || regime.mix.is_some();
        let is_wanted = |arm: &&PlannedArm| match (&arm.record.role, selection) {
            (Role::Baseline | Role::AaControl, _) => true,
            (role, ArmSelection::Keyword(_)) => *role == Role::Contender,
            (_, ArmSelection::Named(ids)) => ids.contains(&arm.record.id),
        };
        let is_possible = |arm: &&PlannedArm| !(is_prepared && arm.is_used_up());
        arms.iter().filter(is_wanted).filter(is_possible).cloned().collect()
    }

    /// The plan under one condition: slots alone, no windows, no logouts.
    #[must_use]
    pub fn under(&self, plan: &Plan, regime: &RegimePlan) -> Plan {
        Plan {
            blocks: self.blocks,
            rounds_per_block: self.rounds_per_block,
            rate_per_second: regime.rate_per_second.unwrap_or(plan.rate_per_second),
            slot_ms: regime.slot_ms.unwrap_or(plan.slot_ms),
            pacing: regime.pacing.unwrap_or(plan.pacing),
            latency_window_ms: 0,
            judge_host: false,
            count_syscalls: false,
            logouts_per_block: 0,
            regimes: None,
            distance: None,
            spectrum: None,
            ..plan.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Profile, expand};

    #[test]
    fn a_condition_has_its_own_arms_and_slots() {
        let plan = Plan::shipped(Profile::Rates).unwrap();
        let (all, regimes) = (expand(&plan, &[]).unwrap(), plan.regimes.as_ref().unwrap());
        let ids = |regime: &RegimePlan| -> Vec<String> {
            regimes.pick(regime, &all).into_iter().map(|arm| arm.record.id).collect()
        };
        let every = regimes.each.iter().find(|regime| regime.arms.is_none()).unwrap();
        let few = regimes.each.iter().find(|regime| regime.arms.is_some()).unwrap();
        assert!(ids(every).len() > ids(few).len() && ids(few).len() > 2);
        for id in ["none", "none+aa"] {
            assert!(ids(few).iter().any(|own| own == id), "{:?}", ids(few));
        }
        assert!(!ids(every).iter().any(|id| id == "none+ping"), "a control is no contender");
        assert_eq!(regimes.under(&plan, every).slot_ms, every.slot_ms.unwrap());
        assert_eq!(regimes.under(&plan, every).rate_per_second, every.rate_per_second.unwrap());
    }

    #[test]
    fn what_is_used_up_by_being_used_is_not_prepared_once_a_block() {
        let plan = Plan::shipped(Profile::Rates).unwrap();
        let (all, regimes) = (expand(&plan, &[]).unwrap(), plan.regimes.as_ref().unwrap());
        let used_up = |regime: &RegimePlan| {
            regimes.pick(regime, &all).iter().filter(|arm| arm.is_used_up()).count()
        };
        let mut regime = regimes.each[0].clone();
        assert!(used_up(&regime) >= 2);
        regime.http2_connections = Some(1);
        assert_eq!(used_up(&regime), 0);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let (_, text) = Profile::Rates.source();
        for (from, to, word) in [
            ("slot_ms = 800", "slot_ms = 1", "slot_ms"),
            ("rate_per_second = 60", "rate_per_second = 1", "rate_per_second"),
            ("arms = \"all\"", "arms = \"some\"", "some"),
        ] {
            let error = Plan::parse("p", &text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        // A typo would measure nothing beside the floor.
        let typo = text.replacen("\"jwt-es256\"]", "\"jwt-es25\"]", 1);
        let error = expand(&Plan::parse("p", &typo).unwrap(), &[]).unwrap_err().to_string();
        assert!(error.contains("rate-20") && error.contains("jwt-es25"), "{error}");
        let typo = Profile::Conditions.source().1;
        let typo = typo.replacen("arms = [\"jwt-hs256\"", "arms = [\"jwt-hs25\"", 1);
        let error = expand(&Plan::parse("p", &typo).unwrap(), &[]).unwrap_err().to_string();
        assert!(error.contains("distance") && error.contains("jwt-hs25"), "{error}");
    }
}
