//! Test 18: two nodes that forget a credential at known times, and the lag that the prober reports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use authbench::credential::Carrier;

use super::Scale;
use super::rig::{note_late, settings};
use super::stub::{DENIED, OK, Reply, Seen, Stub};
use super::verdict::{Verdict, ms, us};
use crate::load::driver::Driver;
use crate::load::schedule::stream;
use crate::load::wallet::Account;
use crate::measure::spectrum::layout::Pace;
use crate::measure::spectrum::trial::{Beside, Probed, Probing, Revoked, probe};

const NODES: usize = 2;
const CONNECTIONS: usize = 64;
/// From one probe of a node to its next.
const INTERVAL_NS: u64 = 1_000_000;
/// Two trials at a time.
const PROBES_PER_SECOND: u64 = 4_000;
/// The slow node's lag; the fast one's is half of it.
const LAGS_NS: [u64; 3] = [0, 10_000_000, 250_000_000];
/// What two reads of two clocks may differ by.
const CLOCKS_NS: i128 = 5_000;

/// What one node did about one credential, on the stubs' clock.
#[derive(Clone, Copy, Default)]
struct Treatment {
    /// The first refusal with no acceptance after it.
    first_refused_ns: u64,
}

#[derive(Default)]
struct Truth {
    /// When the logout was acted on.
    revoked_ns: HashMap<Vec<u8>, u64>,
    seen: HashMap<(usize, Vec<u8>), Treatment>,
}

impl Truth {
    fn answer(&mut self, node: usize, lag_ns: u64, seen: &Seen<'_>) -> Reply {
        let Some(credential) = credential_of(seen.head) else { return Reply::Hang };
        if seen.head.starts_with(b"POST /logout ") {
            self.revoked_ns.insert(credential.to_vec(), seen.at_ns);
            return Reply::Now(OK);
        }
        let revoked_ns = self.revoked_ns.get(credential);
        let refuses = revoked_ns.is_some_and(|at| seen.at_ns >= at + lag_ns);
        let kept = self.seen.entry((node, credential.to_vec())).or_default();
        if refuses {
            if kept.first_refused_ns == 0 {
                kept.first_refused_ns = seen.at_ns;
            }
            Reply::Now(DENIED)
        } else {
            *kept = Treatment::default();
            Reply::Now(OK)
        }
    }
}

fn credential_of(head: &[u8]) -> Option<&[u8]> {
    const MARK: &[u8] = b"Bearer ";
    let at = head.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let end = head[at..].iter().position(|byte| *byte == b'\r')?;
    Some(&head[at..at + end])
}

/// The number at the end of a credential's name says which node is slow to forget it.
fn name(lag_ns: u64, trial: u32) -> String {
    format!("stub-{lag_ns}-{trial}")
}

fn is_slow(node: usize, credential: &[u8]) -> bool {
    let even = credential.last().is_some_and(|digit| digit.is_multiple_of(2));
    (node == 0) == even
}

/// Test 18.
///
/// # Errors
/// When a stub, the driver or a trial fails.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    for lag_ns in LAGS_NS {
        let trials: u32 = scale.pick(200, 20);
        let truth = Arc::new(Mutex::new(Truth::default()));
        let epoch = Instant::now();
        let stubs = (0..NODES)
            .map(|node| {
                let truth = Arc::clone(&truth);
                Stub::start_at(epoch, move |seen| {
                    let slow = credential_of(seen.head).is_some_and(|c| is_slow(node, c));
                    let lag_ns = if slow { lag_ns } else { lag_ns / 2 };
                    let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
                    truth.answer(node, lag_ns, seen)
                })
            })
            .collect::<std::io::Result<Vec<Stub>>>()?;
        let mut driver = Driver::new(settings(Duration::from_secs(2)))?;
        let mut accounts = Vec::new();
        for stub in &stubs {
            let address = stub.address();
            let target = driver.add_target(address, CONNECTIONS)?;
            accounts.push(Account { target, address, carrier: Carrier::Bearer });
        }
        // The stubs promise their lag: what the real servers are measured by, with its primes.
        let pace = Pace {
            trials,
            nodes: NODES as u64,
            bound_ns: lag_ns,
            interval_ns: INTERVAL_NS,
            slack_ns: 10 * INTERVAL_NS,
            probes_per_second: PROBES_PER_SECOND,
        };
        let layout = pace.layout(&mut stream(1, "lag of stubs", lag_ns));
        let credentials: Vec<String> = (0..trials).map(|i| name(lag_ns, i)).collect();
        let revoked: Vec<Revoked> = credentials.iter().map(|c| Revoked::one(c, NODES)).collect();
        let probing = Probing {
            path: "/logout",
            layout: &layout,
            bound_ns: lag_ns,
            logged_in_ns: driver.now_ns(),
            beside: &Beside::default(),
        };
        let probed = probe(&mut driver, &accounts, &revoked, &probing)?;
        let ahead_ns = i128::from(stubs[0].now_ns()) - i128::from(driver.now_ns());
        drop(driver);
        drop(stubs);
        let truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
        judge(&mut verdict, lag_ns, &credentials, &probed, &truth, ahead_ns);
    }
    Ok(verdict)
}

/// One trial, all times on the driver's clock.
struct Interval {
    last_accepted_ns: i128,
    first_refused_ns: i128,
    /// From the send of that refused probe to its arrival, by the stubs' account.
    flight_ns: i128,
    slow_truth_ns: i128,
    fast_truth_ns: i128,
}

impl Interval {
    /// A request is accepted by its arrival and reported by its send: the two differ by the flight
    /// of one probe, which must be shorter than the interval.
    fn contains(&self, truth_ns: i128) -> bool {
        let (low, high) = (self.last_accepted_ns, self.first_refused_ns + self.flight_ns);
        let in_time = (-CLOCKS_NS..=i128::from(INTERVAL_NS)).contains(&self.flight_ns);
        in_time && low - CLOCKS_NS <= truth_ns && truth_ns <= high + CLOCKS_NS
    }

    const fn width_ns(&self) -> i128 {
        self.first_refused_ns - self.last_accepted_ns
    }
}

fn judge(
    verdict: &mut Verdict,
    lag_ns: u64,
    credentials: &[String],
    probed: &Probed,
    truth: &Truth,
    ahead_ns: i128,
) {
    let intervals: Vec<Interval> = credentials
        .iter()
        .zip(probed.trials.iter().zip(&probed.acknowledged_ns))
        .filter_map(|(credential, (trial, acknowledged))| {
            let credential = credential.as_bytes();
            // The lag is the maximum over the nodes, and so is the first refusal.
            let of_node = |node| truth.seen.get(&(node, credential.to_vec()));
            let refused = (0..NODES).filter_map(|node| Some(of_node(node)?.first_refused_ns));
            let arrived = refused.max()?;
            let revoked_ns = i128::from(*truth.revoked_ns.get(credential)?) - ahead_ns;
            let acknowledged = i128::from(*acknowledged);
            let first_refused_ns = acknowledged + i128::from(trial.first_refused_ns?);
            Some(Interval {
                last_accepted_ns: acknowledged + i128::from(trial.last_accepted_ns),
                first_refused_ns,
                flight_ns: i128::from(arrived) - ahead_ns - first_refused_ns,
                slow_truth_ns: revoked_ns + i128::from(lag_ns),
                fast_truth_ns: revoked_ns + i128::from(lag_ns / 2),
            })
        })
        .collect();
    let n = credentials.len();
    let what = |of: &str| format!("lag of {} and {}: {of}", ms(lag_ns / 2), ms(lag_ns));
    let count = |truth: fn(&Interval) -> i128| {
        intervals.iter().filter(|interval| interval.contains(truth(interval))).count()
    };
    let flight = intervals.iter().map(|interval| interval.flight_ns).max().unwrap_or(0);
    let flight = u64::try_from(flight).unwrap_or(0);
    note_late(verdict, "the driver's worst slip", probed.slip_max_ns);
    note_late(verdict, "a probe's flight", flight);

    let held = count(|i| i.slow_truth_ns);
    let limit = format!("{n} of {n}, flight of a probe ({} at most) included", us(flight));
    verdict.check(what("interval contains the slow node's"), held, limit, held == n);
    let width = intervals.iter().map(Interval::width_ns).max().unwrap_or(i128::MAX);
    let limit = format!("at most {}", ms(2 * INTERVAL_NS));
    let figure = ms(u64::try_from(width).unwrap_or(0));
    verdict.check(what("widest interval"), figure, limit, width <= i128::from(2 * INTERVAL_NS));

    let limit = || format!("{n} of {n}");
    let held = count(|i| i.slow_truth_ns + 3 * i128::from(INTERVAL_NS));
    verdict.control(what("contains a truth 3 ms later"), held, limit(), held > n / 20);
    if lag_ns > 0 {
        let held = count(|i| i.fast_truth_ns);
        verdict.control(what("contains the fast node's"), held, limit(), held > n / 20);
    }
}
