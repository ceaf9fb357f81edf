//! From a plan's selection to arms: strategies in report order, then the controls.

use authbench::credential::Carrier;
use authbench::settings::EXTRA_CLAIMS_BYTES;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{Family, StoreKind, Uses};

use super::file::{ArmSelection, Control, Plan, PlanError};
use crate::record::run::{Arm, Role};

/// An arm, and the strategy behind it.
#[derive(Clone, Debug)]
pub struct PlannedArm {
    /// As it stands in the record.
    pub record: Arm,
    /// The strategy.
    pub kind: StrategyKind,
    /// How its credentials travel.
    pub carrier: Carrier,
    /// Whether a side client loads Redis meanwhile.
    pub decoy: bool,
}

/// How a strategy's credentials usually travel: sessions in a cookie, tokens as a bearer. A token
/// that is no JWT is for nobody but its maker, and travels as a session does.
const fn usual_carrier(kind: StrategyKind) -> Carrier {
    let properties = kind.properties();
    match properties.family {
        Family::Session => Carrier::Cookie,
        Family::Token if properties.algorithm.is_none() => Carrier::Cookie,
        Family::Floor | Family::Token | Family::TokenWithState | Family::Hybrid | Family::Link => {
            Carrier::Bearer
        }
    }
}

/// A strategy as an arm of its own: its usual carrier, nothing added.
#[must_use]
pub fn usual_arm(kind: StrategyKind) -> PlannedArm {
    let role = if is_floor(kind) { Role::Baseline } else { Role::Contender };
    arm(kind, role, usual_carrier(kind), "", 0)
}

fn is_floor(kind: StrategyKind) -> bool {
    kind.properties().family == Family::Floor
}

fn arm(kind: StrategyKind, role: Role, carrier: Carrier, suffix: &str, spin_ns: u64) -> PlannedArm {
    let record = Arm {
        id: format!("{}{suffix}", kind.name()),
        strategy: kind.name().into(),
        carrier: carrier.name().into(),
        role,
        spin_ns,
        store_pings: u32::from(role == Role::StoreFloor),
        extra_claims_bytes: 0,
    };
    PlannedArm { record, kind, carrier, decoy: role == Role::Decoy }
}

impl PlannedArm {
    /// Whether it can only be measured with a store of that kind, which is not Redis.
    #[must_use]
    pub fn needs(&self, store: StoreKind) -> bool {
        self.kind.properties().store == Some(store)
    }

    /// Whether its credentials are used up by being used: each request needs one of its own.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.kind.properties().uses == Uses::Once
    }

    /// Whether it can only be measured with a Redis.
    #[must_use]
    pub const fn needs_redis(&self) -> bool {
        self.kind.properties().needs_redis() || self.decoy || self.record.store_pings > 0
    }
}

/// Every arm of `plan`. `only`, when given, keeps the named strategies; the floor stays, because
/// everything is read against it.
///
/// # Errors
/// An unknown strategy, carrier or kind of control, an arm twice, a plan without the floor.
pub fn expand(plan: &Plan, only: &[StrategyKind]) -> Result<Vec<PlannedArm>, PlanError> {
    let parse = |name: &str| name.parse::<StrategyKind>().map_err(|e| PlanError(e.to_string()));
    let selected: Vec<StrategyKind> = match &plan.arms {
        // Those that are used up by being used answer another question than who a client is.
        ArmSelection::Keyword(word) if word == "all" => {
            let reusable = |kind: &&StrategyKind| kind.properties().uses == Uses::Many;
            StrategyKind::ALL.iter().filter(reusable).copied().collect()
        }
        ArmSelection::Keyword(word) if word == "every" => StrategyKind::ALL.to_vec(),
        ArmSelection::Keyword(word) => {
            return Err(PlanError(format!(
                "`arms` is \"{word}\"; it is \"all\", \"every\" or a list of ids"
            )));
        }
        ArmSelection::Named(names) => {
            names.iter().map(|n| parse(n)).collect::<Result<Vec<_>, _>>()?
        }
    };
    let keep = |kind: StrategyKind| only.is_empty() || is_floor(kind) || only.contains(&kind);
    let mut arms: Vec<PlannedArm> =
        selected.into_iter().filter(|kind| keep(*kind)).map(usual_arm).collect();
    for control in &plan.control {
        let kind = parse(&control.strategy)?;
        if control.extra_claims_bytes.is_some() && plan.settings.extra_claims_bytes > 0 {
            return Err(PlanError("every token is longer already; claims need usual ones".into()));
        }
        if keep(kind) {
            arms.push(control_arm(control, kind)?);
        }
    }
    for (i, one) in arms.iter().enumerate() {
        if arms[..i].iter().any(|other| other.record.id == one.record.id) {
            return Err(PlanError(format!("the arm `{}` is planned twice", one.record.id)));
        }
    }
    if !arms.iter().any(|a| a.record.role == Role::Baseline) {
        return Err(PlanError("no arm is the floor; add `none` to `arms`".into()));
    }
    // Where strategies are picked by hand, some of a condition's may be left out.
    if let Some(regimes) = plan.regimes.as_ref().filter(|_| only.is_empty()) {
        regimes.check_arms(&arms).map_err(PlanError)?;
    }
    if let Some(sweep) = plan.distance.as_ref().filter(|_| only.is_empty()) {
        let is_planned = |id: &&String| arms.iter().any(|arm| arm.record.id == **id);
        if let Some(id) = sweep.arms.iter().find(|id| !is_planned(id)) {
            return Err(PlanError(format!("distance: `{id}` is no arm of the plan")));
        }
    }
    Ok(arms)
}

fn control_arm(control: &Control, kind: StrategyKind) -> Result<PlannedArm, PlanError> {
    let usual = usual_carrier(kind);
    let refuse = |what: String| Err(PlanError(format!("control of `{}`: {what}", kind.name())));
    match control.kind.as_str() {
        "aa" => Ok(arm(kind, Role::AaControl, usual, "+aa", 0)),
        "ping" => Ok(arm(kind, Role::StoreFloor, usual, "+ping", 0)),
        "decoy" => Ok(arm(kind, Role::Decoy, usual, "+decoy", 0)),
        "ruler" => match control.spin_us {
            Some(us @ 1..) => {
                Ok(arm(kind, Role::Ruler, usual, &format!("+{us}us"), us.saturating_mul(1_000)))
            }
            _ => refuse("a ruler needs `spin_us`, at least 1".into()),
        },
        "carrier" => match control.carrier.as_deref() {
            Some("cookie") => Ok(arm(kind, Role::Contender, Carrier::Cookie, "@cookie", 0)),
            Some("bearer") => Ok(arm(kind, Role::Contender, Carrier::Bearer, "@bearer", 0)),
            _ => refuse("`carrier` must be \"cookie\" or \"bearer\"".into()),
        },
        "claims" => match control.extra_claims_bytes {
            _ if kind.properties().algorithm.is_none() => refuse("it signs no token".into()),
            Some(bytes) if EXTRA_CLAIMS_BYTES.contains(&bytes) => {
                let mut more = arm(kind, Role::Contender, usual, &format!("+{bytes}B"), 0);
                more.record.extra_claims_bytes = bytes;
                Ok(more)
            }
            _ => refuse(format!(
                "claims need `extra_claims_bytes`, {} to {}",
                EXTRA_CLAIMS_BYTES.start(),
                EXTRA_CLAIMS_BYTES.end()
            )),
        },
        other => refuse(format!(
            "unknown kind \"{other}\"; it is aa, ping, ruler, decoy, carrier or claims"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::plan::Profile;

    #[test]
    fn every_registered_strategy_is_in_the_shipped_plans() {
        let all = expand(&Plan::shipped(Profile::Smoke).unwrap(), &[]).unwrap();
        for kind in StrategyKind::ALL.iter().filter(|kind| kind.properties().uses == Uses::Many) {
            assert!(all.iter().any(|a| a.record.id == kind.name()), "{}", kind.name());
        }
        for profile in Profile::value_variants() {
            let arms = expand(&Plan::shipped(*profile).unwrap(), &[]).unwrap();
            assert!(arms.iter().any(|a| a.record.role == Role::AaControl));
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let (_, text) = Profile::Smoke.source();
        for (from, to, word) in [
            ("arms = \"every\"", "arms = [\"jwt-hs25\"]", "jwt-hs25"),
            ("arms = \"every\"", "arms = \"some\"", "some"),
            ("kind = \"aa\"", "kind = \"bb\"", "bb"),
            ("kind = \"aa\"", "kind = \"claims\"\nextra_claims_bytes = 800", "signs no token"),
        ] {
            let plan = Plan::parse("p", &text.replacen(from, to, 1)).unwrap();
            let error = expand(&plan, &[]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
