//! How far off the model was when it was last put to the test.

use super::figures::Source;
use crate::record::decision::ModelCheck;

/// How far off predictions of CPU were, in the latest record that has some.
pub(super) fn latest(sources: &[&Source<'_>]) -> Option<ModelCheck> {
    let with = sources.iter().filter(|s| !s.derived.predictions.is_empty());
    let latest = with.max_by_key(|s| &s.run.run.started_utc)?;
    let errors = |quantity: &str| {
        let all = latest.derived.predictions.iter().filter(|p| p.quantity == quantity);
        let mut errors: Vec<f64> = all.filter_map(|p| p.error_percent.map(f64::abs)).collect();
        errors.sort_by(f64::total_cmp);
        errors
    };
    let within = |errors: &[f64]| {
        let of = |share: f64| {
            let place = (errors.len() as f64 * share).ceil() as usize;
            errors.get(place.checked_sub(1)?).copied()
        };
        Some([of(0.5)?, of(0.9)?])
    };
    let above = errors("cpu-above-none-ns");
    Some(ModelCheck {
        record: latest.name.to_owned(),
        figures: above.len(),
        within_percent: within(&above)?,
        share_within_percent: within(&errors("cpu-over-none")),
    })
}
