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
