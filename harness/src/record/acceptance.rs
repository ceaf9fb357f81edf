//! How the instrument fared on what is known, beside what it measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The acceptance tests and the sabotage of the gates, run by the same binary on the same machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Whether the tests were the short variants.
    pub quick: bool,
    /// The tests.
    pub tests: Vec<AcceptanceTest>,
    /// Every gate made to fail.
    pub sabotage: Vec<SabotageRow>,
}

/// One acceptance test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceTest {
    /// Its number.
    pub number: u32,
    /// What it is about.
    pub name: String,
    /// `green`, `red`, `not-judged` (the host was disturbed), `not-run`.
    pub outcome: String,
    /// Why, where the outcome does not say it all.
    pub reason: Option<String>,
    /// Its figures.
    pub rows: Vec<AcceptanceRow>,
}

/// One figure of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceRow {
    /// What it is a figure of.
    pub what: String,
    /// What was found, with its unit.
    pub figure: String,
    /// What it must be; for a negative control, what it must not be.
    pub limit: String,
    /// Whether it came out as it must.
    pub pass: bool,
    /// Whether it is of an instrument known to be wrong.
    pub negative_control: bool,
}

/// One gate under its sabotage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SabotageRow {
    /// The gate; `no sabotage` for the control.
    pub gate: String,
    /// What its failure voids: `slot`, `window`, `run`; empty for the control.
    pub voids: String,
    /// `real`, `falsified reading`, or `none` for the control.
    pub fault: String,
    /// Whether the gate noticed; for the control, whether none did. `null`: not tried.
    pub noticed: Option<bool>,
    /// What it said.
    pub figure: String,
}

impl SabotageRow {
    /// Whether the gate let its own sabotage pass.
    #[must_use]
    pub fn survived(&self) -> bool {
        self.noticed == Some(false)
    }
}
