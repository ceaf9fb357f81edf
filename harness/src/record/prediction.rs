//! What was predicted before it was measured, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derived::Estimate;
use super::integrity::{ALTERED, Finding, push};
use super::io::sha256_hex;
use super::run::Run;

/// Everything that was predicted of a run before it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    /// SHA-256 of `rows` as JSON without white space, hexadecimal: written before the run begins.
    pub sha256: String,
    /// The records that it was predicted from: name and SHA-256 of `run.json`.
    pub sources: Vec<PredictedFrom>,
    /// Each figure.
    pub rows: Vec<Prediction>,
}

/// A record that was predicted from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictedFrom {
    /// Its folder's name.
    pub name: String,
    /// SHA-256 of its `run.json`, hexadecimal.
    pub run_sha256: String,
}

/// One figure, predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// `rate`, `regime`, `distance` or `nodes`: which part of the run shows it.
    pub condition: String,
    /// Requests per second, nanoseconds of round trip, or nodes.
    pub at: u64,
    /// The condition's name in the plan; nothing where it is told by its rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<String>,
    /// The strategy's id.
    pub strategy: String,
    /// `cpu-above-none-ns`, `cpu-over-none` (a share of `none`), `p50-above-none-ns`,
    /// `redis-commands`, `request-bytes`, `lag-max-ns`.
    pub quantity: String,
    /// The prediction.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How: by which law, from which points.
    pub by: String,
}

/// One figure, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictionResult {
    /// As in the record.
    pub condition: String,
    /// As in the record.
    pub at: u64,
    /// As in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<String>,
    /// The strategy's id.
    pub strategy: String,
    /// As in the record.
    pub quantity: String,
    /// What was predicted.
    pub predicted: Estimate,
    /// What was measured; `null` where it was not.
    pub measured: Option<Estimate>,
    /// (predicted - measured) / measured, per cent.
    pub error_percent: Option<f64>,
    /// The target: no error above this, per cent.
    pub target_percent: f64,
    /// Whether the error is within the target.
    pub within_target: Option<bool>,
    /// Whether the two intervals have a value in common: what is no larger than that is noise.
    pub overlaps: Option<bool>,
}

impl Predictions {
    /// Seals `rows`.
    ///
    /// # Errors
    /// None for values of these types.
    pub fn sealed(sources: Vec<PredictedFrom>, rows: Vec<Prediction>) -> serde_json::Result<Self> {
        Ok(Self { sha256: digest(&rows)?, sources, rows })
    }
}

fn digest(rows: &[Prediction]) -> serde_json::Result<String> {
    Ok(sha256_hex(&serde_json::to_vec(rows)?))
}

/// Everything found wrong in the predictions: they must be those that were sealed.
pub(super) fn findings(run: &Run, found: &mut Vec<Finding>) {
    let Some(predictions) = &run.predictions else { return };
    let is_whole = digest(&predictions.rows).is_ok_and(|digest| digest == predictions.sha256);
    if !is_whole {
        let what = "their SHA-256 is not the one that was written before the run".into();
        push(found, "predictions", what, ALTERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::synthetic;
    use crate::record::integrity::findings;

    #[test]
    fn what_was_sealed_cannot_be_changed_afterwards() {
        let row = Prediction {
            condition: "rate".into(),
            at: 2_000,
            regime: None,
            strategy: "jwt-hs256".into(),
            quantity: "cpu-above-none-ns".into(),
            value: 140.798_500_000_000_02,
            low: 6_000.0,
            high: 7_000.0,
            by: "a line".into(),
        };
        let mut run = synthetic::run(0);
        let before = findings(&run);
        run.predictions = Some(Predictions::sealed(vec![], vec![row]).unwrap());
        let text = serde_json::to_string(&run).unwrap();
        let mut run: Run = serde_json::from_str(&text).unwrap();
        assert_eq!(findings(&run), before, "a record that was read back is the same");
        run.predictions.as_mut().unwrap().rows[0].value = 6_500.5;
        let found = findings(&run);
        assert!(found.iter().any(|finding| finding.place == "predictions"), "{found:?}");
    }
}
