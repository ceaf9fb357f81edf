//! From the trials of a series to its figures.

use crate::measure::stats::upper_bound_rank;
use crate::record::foreign::{Figures, Series, Trial, Verdict};

/// The figures of `trials`. A lag is the last acceptance; percentiles count the trials that did not
/// settle as longer than all others.
#[must_use]
pub fn of(trials: &[Trial]) -> Figures {
    let judged = || trials.iter().filter(|trial| trial.verdict != Verdict::Unjudged);
    let lags = sorted_lags(trials);
    let n = judged().count();
    let at = |rank: usize| lags.get(rank.checked_sub(1)?).copied();
    let bound = |permille| upper_bound_rank(n, permille).and_then(at);
    let sum = |of: fn(&Trial) -> u64| judged().map(of).fold(0, u64::saturating_add);
    let settled = lags.len() == n;
    Figures {
        n: n as u32,
        not_settled: (n - lags.len()) as u32,
        unjudged: (trials.len() - n) as u32,
        median_ns: at(n.div_ceil(2)),
        p95_upper_ns: bound(950),
        p99_upper_ns: bound(990),
        max_ns: lags.last().copied().filter(|_| settled),
        max_below_ns: judged().filter_map(|t| t.first_refused_ns).max().filter(|_| settled),
        stale_accepts: sum(|trial| trial.stale_accepts),
        stale_accepts_max: judged().map(|trial| trial.stale_accepts).max().unwrap_or(0),
        accepts_after_refusal: sum(|trial| trial.accepts_after_refusal),
        unanswered_probes: trials.iter().map(|t| t.unanswered).fold(0, u64::saturating_add),
        unjudged_probes: trials.iter().map(|t| t.unjudged).fold(0, u64::saturating_add),
    }
}

/// The lags of the settled trials, ascending.
#[must_use]
pub fn sorted_lags(trials: &[Trial]) -> Vec<i64> {
    let settled = trials.iter().filter(|trial| trial.verdict == Verdict::Settled);
    let mut lags: Vec<i64> = settled.filter_map(|trial| trial.last_accepted_ns).collect();
    lags.sort_unstable();
    lags
}

/// Why the figures of a series say nothing: a tenth of its trials or more were not judged.
#[must_use]
pub fn too_few_judged(series: &Series) -> Option<String> {
    let Figures { unjudged, .. } = series.figures;
    let of = series.trials.len() as u32;
    (unjudged * 10 >= of && unjudged > 0).then(|| {
        let why = series.trials.iter().find_map(|trial| trial.why.clone()).unwrap_or_default();
        format!(
            "{unjudged} of {of} trials of {} were not judged; the first: {why}",
            series.operation
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(verdict: Verdict, lag_ns: i64) -> Trial {
        Trial {
            verdict,
            why: None,
            age_ns: 0,
            call_ns: 0,
            last_accepted_ns: Some(lag_ns),
            first_refused_ns: (verdict == Verdict::Settled).then_some(lag_ns + 5),
            stale_accepts: u64::from(lag_ns > 0),
            refusals: 60,
            accepts_after_refusal: 0,
            unjudged: 1,
            unanswered: 0,
        }
    }

    #[test]
    fn bounds_need_their_trials_and_rank_the_open_ones_highest() {
        let mut trials: Vec<Trial> = (0..59).map(|i| trial(Verdict::Settled, i - 20)).collect();
        let found = of(&trials);
        assert_eq!((found.n, found.median_ns, found.p95_upper_ns), (59, Some(9), Some(38)));
        assert_eq!(
            (found.p99_upper_ns, found.max_ns, found.max_below_ns),
            (None, Some(38), Some(43))
        );
        assert_eq!((found.stale_accepts, found.unjudged_probes), (38, 59));
        trials.push(trial(Verdict::NotSettled, 9_000));
        trials.push(trial(Verdict::Unjudged, 1));
        let found = of(&trials);
        assert_eq!((found.n, found.not_settled, found.unjudged), (60, 1, 1));
        assert_eq!((found.p95_upper_ns, found.max_ns, found.max_below_ns), (None, None, None));
    }
}
