//! What distance does: latency and CPU above `none` by round trip, and where a strategy with a store
//! falls behind a token that asks nobody.

use std::collections::BTreeMap;

use crate::measure::histogram::LatencyHistogram;
use crate::measure::stats::{Interval, median, six, t_interval, t95};
use crate::record::derived::{
    CpuAt, CpuCrossing, Crossing, CrossingKind, Crossover, DistanceResult, DistanceRow, Estimate,
    Verdict,
};
use crate::record::run::{DistanceCell, Run};

/// Confidence of an interval between two contenders: a run compares many.
const PAIR_CONFIDENCE: f64 = 0.99;

/// One window, reduced to what is used.
#[derive(Clone, Copy, Debug)]
struct Window {
    p50_ns: Option<f64>,
    p90_ns: Option<f64>,
    cpu_ns: f64,
}

/// The windows of one arm at one distance, by block.
type Blocks = BTreeMap<u32, Window>;

/// What the sweep bears; `None` without one.
pub(super) fn result(run: &Run) -> Option<DistanceResult> {
    let first = run.distance.first()?;
    let family = |strategy: &str| {
        let declared = run.strategies.iter().find(|record| record.id == strategy);
        declared.map_or("", |record| record.family.as_str())
    };
    let mut series: Vec<(&str, &str, Option<u64>, Blocks)> = Vec::new();
    for (arm, strategy, at) in series_keys(run) {
        let cells = run.distance.iter().filter(|c| c.arm == arm && c.round_trip_ns == at);
        let blocks = cells.filter_map(|cell| Some((cell.block, window(cell)?)));
        series.push((arm, strategy, at, blocks.collect()));
    }
    let floor = series.iter().find(|(_, strategy, ..)| family(strategy) == "floor");
    let rows = series.iter().map(|(arm, strategy, at, own)| {
        let floor = floor.filter(|(name, ..)| name != arm).map(|(.., blocks)| blocks);
        row(run, (arm, strategy, *at), own, floor)
    });
    let far: Vec<(&str, Vec<(u64, &Blocks)>)> = by_distance(&series);
    let tokens =
        series.iter().filter(|(_, strategy, at, _)| at.is_none() && family(strategy) == "token");
    let crossovers = tokens.flat_map(|(token, .., own)| {
        far.iter().map(|(store, points)| Crossover {
            token: (*token).into(),
            store: (*store).into(),
            latency: crossing(own, points),
            cpu: cpu(own, points),
        })
    });
    let blocks: std::collections::BTreeSet<u32> = run.distance.iter().map(|c| c.block).collect();
    Some(DistanceResult {
        blocks: u32::try_from(blocks.len()).unwrap_or(u32::MAX),
        rate_per_second: first.rate_per_second,
        connections: first.connections,
        crossovers: crossovers.collect(),
        rows: rows.collect(),
    })
}

/// Arm, strategy and distance of every series, in the run's order of strategies, the near ones
/// first.
fn series_keys(run: &Run) -> Vec<(&str, &str, Option<u64>)> {
    let rank = |strategy: &str| run.strategies.iter().position(|s| s.id == strategy);
    let mut keys: Vec<(&str, &str, Option<u64>)> = run
        .distance
        .iter()
        .map(|c| (c.arm.as_str(), c.strategy.as_str(), c.round_trip_ns))
        .collect();
    keys.sort_by_key(|(arm, strategy, at)| (rank(strategy), *arm, *at));
    keys.dedup();
    keys
}

type Series<'a> = (&'a str, &'a str, Option<u64>, Blocks);

/// The arms that were measured through the line, each with its distances ascending.
fn by_distance<'a>(series: &'a [Series<'_>]) -> Vec<(&'a str, Vec<(u64, &'a Blocks)>)> {
    let mut arms: Vec<(&str, Vec<(u64, &Blocks)>)> = Vec::new();
    for (arm, _, at, blocks) in series {
        let Some(at) = at else { continue };
        match arms.iter_mut().find(|(name, _)| name == arm) {
            Some((_, points)) => points.push((*at, blocks)),
            None => arms.push((arm, vec![(*at, blocks)])),
        }
    }
    arms
}

/// A window that counts: no gate discarded it, and every request was answered as expected, for a
/// percentile of survivors is none.
fn counts(cell: &DistanceCell) -> bool {
    cell.discarded.is_empty()
        && cell.ledger.expected == cell.ledger.scheduled
        && cell.ledger.expected > 0
}

fn window(cell: &DistanceCell) -> Option<Window> {
    if !counts(cell) {
        return None;
    }
    let response = LatencyHistogram::from_record(&cell.latency.response).ok()?;
    let at = |permille| response.supported_percentile(permille).map(|ns| ns as f64);
    let cpu = cell.server_cpu_ns.saturating_add(cell.store_cpu_ns.unwrap_or(0));
    Some(Window {
        p50_ns: at(500),
        p90_ns: at(900),
        cpu_ns: cpu as f64 / cell.ledger.expected as f64,
    })
}

fn row(
    run: &Run,
    (arm, strategy, at): (&str, &str, Option<u64>),
    own: &Blocks,
    floor: Option<&Blocks>,
) -> DistanceRow {
    let cells: Vec<&DistanceCell> =
        run.distance.iter().filter(|c| c.arm == arm && c.round_trip_ns == at).collect();
    let valid: Vec<&&DistanceCell> = cells.iter().filter(|cell| counts(cell)).collect();
    let sum = |of: fn(&DistanceCell) -> u64| valid.iter().map(|c| of(c) as f64).sum::<f64>();
    let requests: u64 = valid.iter().map(|c| c.ledger.expected).fold(0, u64::saturating_add);
    let above = |of: fn(&Window) -> Option<f64>| {
        let pairs = paired(own, floor?, of);
        t95(&pairs).map(|interval| interval.estimate())
    };
    let p50s: Vec<f64> = own.values().filter_map(|w| w.p50_ns).collect();
    let share = |part: f64, of: f64| (of > 0.0).then(|| six(part / of));
    let has_commands = valid.iter().all(|c| c.redis_commands.is_some());
    let commands = sum(|c| c.redis_commands.unwrap_or(0));
    DistanceRow {
        arm: arm.into(),
        strategy: strategy.into(),
        round_trip_ns: at,
        requests,
        windows: u32::try_from(own.len()).unwrap_or(u32::MAX),
        left_out: u32::try_from(cells.len() - own.len()).unwrap_or(u32::MAX),
        p50_ns: median(&p50s).map(six),
        p50_above_none_ns: above(|w| w.p50_ns),
        p90_above_none_ns: above(|w| w.p90_ns),
        cpu_above_none_ns: above(|w| Some(w.cpu_ns)),
        redis_commands_per_request: share(commands, requests as f64).filter(|_| has_commands),
        in_flight: share(sum(|c| c.in_flight_ns), sum(|c| c.wall_ns)),
        line_lateness_p99_ns: valid.iter().filter_map(|c| c.line_lateness_p99_ns).max(),
    }
}

/// Differences `own - other` in the blocks that have both.
fn paired(own: &Blocks, other: &Blocks, of: fn(&Window) -> Option<f64>) -> Vec<f64> {
    let both = own.iter().filter_map(|(block, window)| Some((window, other.get(block)?)));
    both.filter_map(|(a, b)| Some(of(a)? - of(b)?)).collect()
}

/// What one block says of a crossing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    /// Already ahead at no distance; where the straight line would cross, below zero.
    Always(f64),
    At(f64),
    Never,
}

fn crossing(token: &Blocks, points: &[(u64, &Blocks)]) -> Crossing {
    let said: Vec<Said> = token
        .iter()
        .filter_map(|(block, own)| {
            let level = own.p50_ns?;
            let ahead: Vec<(f64, f64)> = points
                .iter()
                .filter_map(|(at, blocks)| Some((*at as f64, blocks.get(block)?.p50_ns? - level)))
                .collect();
            // Every distance, or the crossing of this block is not known.
            (ahead.len() == points.len()).then(|| overtaken(&ahead))?
        })
        .collect();
    let count = |of: fn(&Said) -> bool| said.iter().filter(|s| of(s)).count();
    let always = count(|s| matches!(s, Said::Always(_)));
    let crossing = count(|s| matches!(s, Said::At(_)));
    let never = count(|s| *s == Said::Never);
    let n = said.len();
    let kind = if n == 0 {
        CrossingKind::Undecided
    } else if always == n {
        CrossingKind::Always
    } else if never == n {
        CrossingKind::Never
    } else if crossing == n {
        CrossingKind::Crosses
    } else {
        CrossingKind::Undecided
    };
    let each: Vec<f64> = said
        .iter()
        .filter_map(|s| match s {
            Said::Always(at) | Said::At(at) => Some(*at),
            Said::Never => None,
        })
        .collect();
    let estimate = if crossing > 0 && never == 0 { t95(&each) } else { None };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Crossing {
        kind,
        round_trip_ns: estimate.map(|interval| not_below_zero(&interval)),
        blocks_always: count(always),
        blocks_crossing: count(crossing),
        blocks_never: count(never),
    }
}

/// A distance is not negative.
fn not_below_zero(interval: &Interval) -> Estimate {
    let Interval { mean, low, high, n } = *interval;
    Interval { mean: mean.max(0.0), low: low.max(0.0), high: high.max(0.0), n }.estimate()
}

/// Where the token, ahead by the second figure at the distance of the first, gets ahead for good.
///
/// More distance cannot make a lookup faster, so the figures are first made to ascend (pool
/// adjacent violators, the least-squares fit among ascending ones); then they cross zero once, and
/// noise at one distance neither makes nor hides a crossing. In between the line is straight,
/// which is what a round trip added to every lookup means.
fn overtaken(ahead: &[(f64, f64)]) -> Option<Said> {
    let (first, last) = (ahead.first()?, ahead.last()?);
    let fitted = ascending(ahead.iter().map(|(_, y)| *y));
    if fitted[0] > 0.0 {
        let slope = (fitted[fitted.len() - 1] - fitted[0]) / (last.0 - first.0);
        return Some(Said::Always(if slope > 0.0 { first.0 - fitted[0] / slope } else { 0.0 }));
    }
    let Some(after) = fitted.iter().position(|y| *y > 0.0) else { return Some(Said::Never) };
    let (x0, x1) = (ahead[after - 1].0, ahead[after].0);
    let (y0, y1) = (fitted[after - 1], fitted[after]);
    Some(Said::At(x0 + (x1 - x0) * -y0 / (y1 - y0)))
}

/// The ascending values nearest to `values` in the sum of squares.
fn ascending(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in values {
        pools.push((value, 1));
        while let [.., (a, n), (b, m)] = pools[..]
            && a > b
        {
            pools.truncate(pools.len() - 2);
            pools.push(((a * n as f64 + b * m as f64) / (n + m) as f64, n + m));
        }
    }
    pools.into_iter().flat_map(|(mean, n)| std::iter::repeat_n(mean, n)).collect()
}

/// CPU at each distance by itself: nothing says that it must grow or shrink with the distance.
fn cpu(token: &Blocks, points: &[(u64, &Blocks)]) -> CpuCrossing {
    let at: Vec<CpuAt> = points
        .iter()
        .map(|(at, store)| {
            let differences = paired(token, store, |w| Some(w.cpu_ns));
            let interval = t_interval(&differences, PAIR_CONFIDENCE);
            let verdict = match interval {
                Some(interval) if interval.high < 0.0 => Verdict::Cheaper,
                Some(interval) if interval.low > 0.0 => Verdict::Dearer,
                _ => Verdict::Undecided,
            };
            let difference_ns = interval.map(|interval| interval.estimate());
            CpuAt { round_trip_ns: *at, difference_ns, verdict }
        })
        .collect();
    let all = |verdict| !at.is_empty() && at.iter().all(|at| at.verdict == verdict);
    let turn = at.iter().position(|at| at.verdict == Verdict::Cheaper);
    let kind = if all(Verdict::Cheaper) {
        CrossingKind::Always
    } else if all(Verdict::Dearer) {
        CrossingKind::Never
    } else if let Some(turn) = turn
        && at[0].verdict == Verdict::Dearer
        && at[..turn].iter().all(|at| at.verdict != Verdict::Cheaper)
        && at[turn..].iter().all(|at| at.verdict == Verdict::Cheaper)
    {
        CrossingKind::Crosses
    } else {
        CrossingKind::Undecided
    };
    CpuCrossing { kind, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_crosses_where_it_does() {
        let line = |from: f64| [(0.0, from), (250.0, from + 250.0), (1_000.0, from + 1_000.0)];
        assert_eq!(overtaken(&line(-400.0)), Some(Said::At(400.0)));
        assert_eq!(overtaken(&line(-250.0)), Some(Said::At(250.0)));
        assert_eq!(overtaken(&line(60.0)), Some(Said::Always(-60.0)));
        assert_eq!(overtaken(&line(-1_500.0)), Some(Said::Never));
        assert_eq!(overtaken(&[(0.0, -5.0), (9.0, -7.0)]), Some(Said::Never));
        assert_eq!(overtaken(&[]), None);
    }

    #[test]
    fn noise_at_one_distance_makes_no_crossing_of_its_own() {
        // Ahead at 250 by chance, behind at 500: it crosses once, beyond.
        let noisy = [(0.0, -400.0), (250.0, 30.0), (500.0, -170.0), (1_000.0, 600.0)];
        let Some(Said::At(at)) = overtaken(&noisy) else { panic!("it crosses") };
        assert!((500.0..650.0).contains(&at), "{at}");
        let fitted = ascending([3.0, 1.0, 2.0, 9.0].into_iter());
        assert_eq!(fitted, [2.0, 2.0, 2.0, 9.0]);
        assert_eq!(ascending([1.0, 2.0, 4.0].into_iter()), [1.0, 2.0, 4.0]);
    }
}
